package identity

import (
	"bytes"
	"strings"
	"testing"

	"github.com/gigawatt-cloud/gigawatt/aws/arn"
)

func TestAccessKeyIDHoldsAccount(t *testing.T) {
	for _, account := range []arn.AccountID{"000000000000", "000000000001", "123456789012", "999999999999", "029608264753"} {
		for _, random := range [][]byte{{0, 0, 0, 0, 0}, {255, 255, 255, 255, 255}, {0x84, 1, 2, 3, 4}} {
			id, err := AccessKeyID("AKIA", account, random)
			if err != nil {
				t.Fatal(err)
			}
			if len(id) != 20 || !strings.HasPrefix(id, "AKIA") {
				t.Errorf("AccessKeyID(%s) = %q", account, id)
			}
			if got, ok := AccountOfKey(id); !ok || got != account {
				t.Errorf("AccountOfKey(%q) = %q, %v; want %q", id, got, ok, account)
			}
		}
	}
}

// The ids were published with their accounts by people who worked the scheme out.
func TestAccountOfKey(t *testing.T) {
	for id, want := range map[string]arn.AccountID{
		"ASIAQNZGKIQY56JQ7WML": "029608264753",
		"ASIAY34FZKBOKMUTVV7A": "609629065308",
	} {
		if got, ok := AccountOfKey(id); !ok || got != want {
			t.Errorf("AccountOfKey(%q) = %q, %v; want %q", id, got, ok, want)
		}
	}
	for _, id := range []string{"", "AKIA", "AKIAIOSFODNN7EXAMPLE0", "AKIA1111111111111111", "AKIAAAAAAAAAAAAAAAAA", "000000000000"} {
		if got, ok := AccountOfKey(id); ok {
			t.Errorf("AccountOfKey(%q) = %q", id, got)
		}
	}
	if _, err := AccessKeyID("AKIA", "12", make([]byte, 5)); err == nil {
		t.Error("an account of two digits got a key")
	}
}

func FuzzAccountOfKey(f *testing.F) {
	f.Add("ASIAQNZGKIQY56JQ7WML")
	f.Add("AKIAQAAAAAAAOAFCGABX")
	f.Add("")
	f.Fuzz(func(t *testing.T, id string) {
		a, ok := AccountOfKey(id)
		if !ok {
			return
		}
		again, err := AccessKeyID(id[:4], a, make([]byte, 5))
		if err != nil {
			t.Fatal(err)
		}
		if again[:12] != id[:12] {
			t.Errorf("account %s of %q makes %q", a, id, again)
		}
	})
}

func TestSealerBindsItsOwner(t *testing.T) {
	master := [32]byte{1}
	s := newSealer(&master, "secret")
	b, err := s.seal([]byte("text"), "AKIA1")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.open(b, "AKIA1"); err != nil || string(got) != "text" {
		t.Errorf("open = %q, %v", got, err)
	}
	other := [32]byte{2}
	flipped := bytes.Clone(b)
	flipped[len(flipped)-1] ^= 1
	for name, open := range map[string]func() ([]byte, error){
		"another key id":     func() ([]byte, error) { return s.open(b, "AKIA2") },
		"another purpose":    func() ([]byte, error) { return newSealer(&master, "session").open(b, "AKIA1") },
		"another master key": func() ([]byte, error) { return newSealer(&other, "secret").open(b, "AKIA1") },
		"a changed byte":     func() ([]byte, error) { return s.open(flipped, "AKIA1") },
		"nothing":            func() ([]byte, error) { return s.open(nil, "AKIA1") },
	} {
		if got, err := open(); err == nil {
			t.Errorf("%s opened it to %q", name, got)
		}
	}
}

func TestTOTP(t *testing.T) {
	seed := []byte("12345678901234567890") // of RFC 6238, appendix B
	for at, want := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		if got := TOTP(seed, at/30); got != want {
			t.Errorf("TOTP at %d = %s, want %s", at, got, want)
		}
	}
}
