package cors

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
)

func TestParse(t *testing.T) {
	get := []string{"GET"}
	all := []string{"*"}
	for _, tt := range []struct {
		name string
		rule s3api.CORSRule
		want string
	}{
		{"plain", s3api.CORSRule{AllowedOrigins: all, AllowedMethods: get}, ""},
		{"one asterisk each", s3api.CORSRule{AllowedOrigins: []string{"https://*.example"}, AllowedMethods: get, AllowedHeaders: []string{"x-*"}}, ""},
		{"no origin", s3api.CORSRule{AllowedMethods: get}, "MalformedXML"},
		{"no method", s3api.CORSRule{AllowedOrigins: all}, "MalformedXML"},
		{"unknown method", s3api.CORSRule{AllowedOrigins: all, AllowedMethods: []string{"GET", "PATCH"}}, "InvalidRequest"},
		{"two asterisks in an origin", s3api.CORSRule{AllowedOrigins: []string{"*a*"}, AllowedMethods: get}, "InvalidRequest"},
		{"two asterisks in a header", s3api.CORSRule{AllowedOrigins: all, AllowedMethods: get, AllowedHeaders: []string{"**"}}, "InvalidRequest"},
		{"an asterisk in an exposed header", s3api.CORSRule{AllowedOrigins: all, AllowedMethods: get, ExposeHeaders: all}, "InvalidRequest"},
	} {
		in := []s3api.CORSRule{{AllowedOrigins: all, AllowedMethods: get}, tt.rule}
		rules, err := Parse(&s3api.CORSConfiguration{CORSRules: in})
		if tt.want != "" {
			if e := awserr.As(err); e == nil || e.Code != tt.want {
				t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if d := cmp.Diff(in, Output(rules)); d != "" {
			t.Errorf("%s comes back otherwise (-want +got):\n%s", tt.name, d)
		}
	}
	for _, in := range []*s3api.CORSConfiguration{nil, {}, {CORSRules: make([]s3api.CORSRule, maxRules+1)}} {
		if _, err := Parse(in); awserr.As(err) == nil {
			t.Errorf("%v is accepted", in)
		}
	}
}
