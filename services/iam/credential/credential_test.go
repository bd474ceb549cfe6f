package credential

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/identity"
)

func TestViolation(t *testing.T) {
	own := &identity.PasswordPolicy{MinLength: 6, Symbols: true, Numbers: true, Uppercase: true, Lowercase: true}
	for _, tc := range []struct {
		rules    *identity.PasswordPolicy
		password string
		want     string
	}{
		{nil, "Abcdefg1", ""},
		{nil, "abcdef1!", ""},
		{nil, "Abcdef1", "minimum length of 8"},
		{nil, "abcdefg1", "at least three"},
		{own, "Abc-12", ""},
		{own, "Ab-12", "minimum length of 6"},
		{own, "Abcd12", "symbol"},
		{own, "Abcd1é", "symbol"},
		{own, "Abcd-e", "number"},
		{own, "abcd-1", "uppercase"},
		{own, "ABCD-1", "lowercase"},
		{&identity.PasswordPolicy{MinLength: 6}, "aaaaaa", ""},
	} {
		got := violation(tc.rules, "123456789012", tc.password)
		if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.password, got, tc.want)
		}
	}
}

func TestUsed(t *testing.T) {
	hash := func(p string) identity.PasswordHash {
		h, err := identity.HashPassword(p)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	l := &identity.LoginProfile{Password: hash("now"), Earlier: []identity.PasswordHash{hash("before"), hash("long ago")}}
	for remember, want := range []string{"", "now", "now before", "now before long ago"} {
		for _, p := range []string{"now", "before", "long ago", "never"} {
			if got := used(l, &identity.PasswordPolicy{Remember: remember}, p); got != strings.Contains(want, p) {
				t.Errorf("remembering %d: %q was used: %t", remember, p, got)
			}
		}
	}
}

func TestPublicKey(t *testing.T) {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	blob := encodeSSH(&k.PublicKey)
	text, err := pemText(blob)
	if err != nil {
		t.Fatal(err)
	}
	pkcs1 := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&k.PublicKey)}))
	for name, form := range map[string]string{"ssh": sshText(blob), "ssh with a comment": sshText(blob) + " bob@host", "PEM": text, "PKCS #1": pkcs1} {
		got, err := parsePublicKey(form)
		if err != nil || string(got) != string(blob) {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
}

func FuzzParsePublicKey(f *testing.F) {
	f.Add("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAAQ== bob")
	f.Add("-----BEGIN PUBLIC KEY-----\nMA==\n-----END PUBLIC KEY-----\n")
	f.Add("ssh-ed25519 AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		blob, err := parsePublicKey(text)
		if err != nil {
			return
		}
		again, err := parsePublicKey(sshText(blob))
		if err != nil || string(again) != string(blob) {
			t.Errorf("%q: read %x, then %x, %v", text, blob, again, err)
		}
	})
}

// TestRows holds one encoded row of each stored type against testdata.
// GIGAWATT_UPDATE_GOLDEN rewrites the file; lines may be added.
func TestRows(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	goldenRows(t, &sshKey{"id", []byte{1}, "Active", at}, &SigningCertificate{"id", "body", "Active", at})
}

func goldenRows(t *testing.T, rows ...any) {
	t.Helper()
	mode, err := cbor.EncOptions{Sort: cbor.SortBytewiseLexical, Time: cbor.TimeRFC3339NanoUTC}.EncMode()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, r := range rows {
		enc, err := mode.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%T %s\n", r, hex.EncodeToString(enc))
	}
	file := filepath.Join("testdata", "rows.golden")
	if os.Getenv("GIGAWATT_UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}
