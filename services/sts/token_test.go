package sts

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestClaimValues(t *testing.T) {
	for _, tc := range []struct {
		claim any
		want  []string
	}{
		{"a", []string{"a"}},
		{true, []string{"true"}},
		{1234567.0, []string{"1234567"}},
		{[]any{"a", "b"}, []string{"a", "b"}},
		{[]any{"a", 1.0}, nil},
		{map[string]any{"a": "b"}, nil},
		{nil, nil},
	} {
		if diff := cmp.Diff(tc.want, claimValues(tc.claim)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", tc.claim, diff)
		}
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add("")
	f.Add("eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJpIiwic3ViIjoicyIsImF1ZCI6WyJhIl0sImV4cCI6MSwiaWF0IjoxfQ.AAAA")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := parseToken(text)
		if err == nil && (k.Issuer == "" || k.Subject == "" || k.Expires == nil || len(k.jws.Signatures) != 1) {
			t.Errorf("read %+v", k.claims)
		}
	})
}
