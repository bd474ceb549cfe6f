package website

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
)

func s(s string) *string { return &s }

func TestParse(t *testing.T) {
	index := &s3api.IndexDocument{Suffix: "index.html"}
	rule := func(c *s3api.Condition, r *s3api.Redirect) []s3api.RoutingRule {
		return []s3api.RoutingRule{{Condition: c, Redirect: r}}
	}
	for _, tt := range []struct {
		name string
		in   *s3api.WebsiteConfiguration
		want string
	}{
		{"index", &s3api.WebsiteConfiguration{IndexDocument: index}, ""},
		{"index and error", &s3api.WebsiteConfiguration{IndexDocument: index, ErrorDocument: &s3api.ErrorDocument{Key: "e/404.html"}}, ""},
		{"redirect of all", &s3api.WebsiteConfiguration{RedirectAllRequestsTo: &s3api.RedirectAllRequestsTo{HostName: "h", Protocol: s("https")}}, ""},
		{"rules", &s3api.WebsiteConfiguration{IndexDocument: index, RoutingRules: rule(
			&s3api.Condition{KeyPrefixEquals: s("a/"), HttpErrorCodeReturnedEquals: s("404")},
			&s3api.Redirect{HostName: s("h"), Protocol: s("http"), HttpRedirectCode: s("307"), ReplaceKeyPrefixWith: s("")})}, ""},
		{"a rule for all", &s3api.WebsiteConfiguration{IndexDocument: index, RoutingRules: rule(nil, &s3api.Redirect{ReplaceKeyWith: s("x")})}, ""},

		{"nothing", nil, "MalformedXML"},
		{"empty", &s3api.WebsiteConfiguration{}, "InvalidArgument"},
		{"an index in a folder", &s3api.WebsiteConfiguration{IndexDocument: &s3api.IndexDocument{Suffix: "a/b"}}, "InvalidArgument"},
		{"an index without a name", &s3api.WebsiteConfiguration{IndexDocument: &s3api.IndexDocument{}}, "InvalidArgument"},
		{"both", &s3api.WebsiteConfiguration{IndexDocument: index, RedirectAllRequestsTo: &s3api.RedirectAllRequestsTo{HostName: "h"}}, "InvalidArgument"},
		{"a protocol", &s3api.WebsiteConfiguration{RedirectAllRequestsTo: &s3api.RedirectAllRequestsTo{HostName: "h", Protocol: s("ftp")}}, "InvalidArgument"},
		{"a rule without redirect", &s3api.WebsiteConfiguration{IndexDocument: index, RoutingRules: rule(nil, nil)}, "MalformedXML"},
		{"an empty redirect", &s3api.WebsiteConfiguration{IndexDocument: index, RoutingRules: rule(nil, &s3api.Redirect{})}, "InvalidArgument"},
		{"an empty condition", &s3api.WebsiteConfiguration{IndexDocument: index, RoutingRules: rule(&s3api.Condition{}, &s3api.Redirect{HostName: s("h")})}, "InvalidArgument"},
		{"two replacements", &s3api.WebsiteConfiguration{IndexDocument: index, RoutingRules: rule(nil, &s3api.Redirect{ReplaceKeyWith: s("a"), ReplaceKeyPrefixWith: s("b")})}, "InvalidArgument"},
		{"a code", &s3api.WebsiteConfiguration{IndexDocument: index, RoutingRules: rule(nil, &s3api.Redirect{HttpRedirectCode: s("304")})}, "InvalidArgument"},
		{"an error's code", &s3api.WebsiteConfiguration{IndexDocument: index, RoutingRules: rule(
			&s3api.Condition{HttpErrorCodeReturnedEquals: s("200")}, &s3api.Redirect{HostName: s("h")})}, "InvalidArgument"},
		{"too many rules", &s3api.WebsiteConfiguration{IndexDocument: index, RoutingRules: make([]s3api.RoutingRule, maxRules+1)}, "InvalidArgument"},
	} {
		c, err := Parse(tt.in)
		if tt.want != "" {
			if e := awserr.As(err); e == nil || e.Code != tt.want {
				t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		want := &s3api.GetBucketWebsiteOutput{
			IndexDocument: tt.in.IndexDocument, ErrorDocument: tt.in.ErrorDocument,
			RedirectAllRequestsTo: tt.in.RedirectAllRequestsTo, RoutingRules: tt.in.RoutingRules,
		}
		if d := cmp.Diff(want, Output(c)); d != "" {
			t.Errorf("%s comes back otherwise (-want +got):\n%s", tt.name, d)
		}
	}
}
