package simulate

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/aws/policy"
)

func TestPositions(t *testing.T) {
	for _, tc := range []struct {
		document string
		want     []span
	}{
		{`{"Statement":{"Effect":"Allow"}}`, []span{{position{1, 14}, position{1, 32}}}},
		{`{"Id":{"Statement":1},"Statement":[{},{} ]}`, []span{{position{1, 36}, position{1, 38}}, {position{1, 39}, position{1, 41}}}},
		{"{\n \"Statement\" :\n  [ {\n\"Sid\":\"é\"} ]}", []span{{position{3, 5}, position{4, 11}}}},
		{`{"Version":"2012-10-17"}`, nil},
		{``, nil},
	} {
		if diff := cmp.Diff(tc.want, positions(tc.document), cmp.AllowUnexported(span{}, position{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.document, diff)
		}
	}
}

// FuzzPositions finds every statement of whatever is a policy.
func FuzzPositions(f *testing.F) {
	f.Add(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`)
	f.Add("{\"Statement\":{\"Effect\":\"Deny\",\n\"Action\":\"*\",\"Resource\":\"*\"}}")
	f.Fuzz(func(t *testing.T, document string) {
		list := positions(document)
		doc, err := policy.Parse([]byte(document), policy.Identity)
		if err == nil && len(list) != len(doc.Statements) {
			t.Errorf("%q: %d places for %d statements", document, len(list), len(doc.Statements))
		}
	})
}

func TestFits(t *testing.T) {
	for _, tc := range []struct {
		kind, value string
		want        bool
	}{
		{"string", "anything", true},
		{"numeric", "1.5", true},
		{"numeric", "one", false},
		{"booleanList", "TRUE", true},
		{"boolean", "yes", false},
		{"ip", "10.0.0.1", true},
		{"ip", "10.0.0.0/8", true},
		{"ipList", "here", false},
		{"date", "2026-01-02T03:04:05Z", true},
		{"date", "2026-01-02", true},
		{"date", "1700000000", true},
		{"date", "soon", false},
	} {
		if got := fits(tc.kind, tc.value); got != tc.want {
			t.Errorf("%s %s: %t", tc.kind, tc.value, got)
		}
	}
}
