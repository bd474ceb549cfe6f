// Package website is the website configuration of a bucket: its stored form
// ([Config]) and what S3 accepts. It is pure, and serves no page: the gateway
// does.
package website

import (
	"strconv"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
)

// Config is either a redirect of everything to RedirectHost, or an index
// suffix with an error document and rules. Empty means unset; what may be set
// to nothing is a pointer.
type Config struct {
	RedirectHost     string  `cbor:"redirect_host"`
	RedirectProtocol *string `cbor:"redirect_protocol"`
	Index            string  `cbor:"index"`
	ErrorKey         string  `cbor:"error_key"`
	Rules            []Rule  `cbor:"rules"`
}

// Rule redirects requests for keys with Prefix, or those that end with an error.
type Rule struct {
	Prefix    *string `cbor:"prefix"`
	ErrorCode *string `cbor:"error_code"`

	HostName      *string `cbor:"host_name"`
	Protocol      *string `cbor:"protocol"`
	Code          *string `cbor:"code"`
	ReplacePrefix *string `cbor:"replace_prefix"`
	ReplaceKey    *string `cbor:"replace_key"`
}

const maxRules = 50

func malformed() error {
	return awserr.New("MalformedXML", 400, "The XML you provided was not well-formed or did not validate against our published schema")
}

func invalid(format string, args ...any) error {
	return awserr.New("InvalidArgument", 400, format, args...)
}

// Parse checks a configuration and returns its stored form.
func Parse(in *s3api.WebsiteConfiguration) (*Config, error) {
	if in == nil {
		return nil, malformed()
	}
	if all := in.RedirectAllRequestsTo; all != nil {
		if in.IndexDocument != nil || in.ErrorDocument != nil || len(in.RoutingRules) > 0 {
			return nil, invalid("RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.")
		}
		if all.HostName == "" {
			return nil, malformed()
		}
		return &Config{RedirectHost: all.HostName, RedirectProtocol: all.Protocol}, protocol(all.Protocol)
	}
	switch index := in.IndexDocument; {
	case index == nil:
		return nil, invalid("A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty")
	case index.Suffix == "" || strings.Contains(index.Suffix, "/"):
		return nil, invalid("The IndexDocument Suffix is not well formed")
	case in.ErrorDocument != nil && in.ErrorDocument.Key == "":
		return nil, malformed()
	case len(in.RoutingRules) > maxRules:
		return nil, invalid("%d routing rules provided, the number of routing rules in a website configuration is limited to %d.", len(in.RoutingRules), maxRules)
	}
	out := &Config{Index: in.IndexDocument.Suffix}
	if in.ErrorDocument != nil {
		out.ErrorKey = in.ErrorDocument.Key
	}
	for i := range in.RoutingRules {
		r, err := parse(&in.RoutingRules[i])
		if err != nil {
			return nil, err
		}
		out.Rules = append(out.Rules, *r)
	}
	return out, nil
}

func protocol(p *string) error {
	if p != nil && *p != "http" && *p != "https" {
		return invalid("Invalid protocol, protocol can be http or https. If not defined the protocol will be selected automatically.")
	}
	return nil
}

func parse(in *s3api.RoutingRule) (*Rule, error) {
	to := in.Redirect
	if to == nil {
		return nil, malformed()
	}
	out := &Rule{
		HostName: to.HostName, Protocol: to.Protocol, Code: to.HttpRedirectCode,
		ReplacePrefix: to.ReplaceKeyPrefixWith, ReplaceKey: to.ReplaceKeyWith,
	}
	if c := in.Condition; c != nil {
		if c.KeyPrefixEquals == nil && c.HttpErrorCodeReturnedEquals == nil {
			return nil, invalid("Condition cannot be empty. To redirect all requests without a condition, the condition element shouldn't be present.")
		}
		out.Prefix, out.ErrorCode = c.KeyPrefixEquals, c.HttpErrorCodeReturnedEquals
	}
	switch {
	case to.HostName == nil && to.Protocol == nil && to.HttpRedirectCode == nil && to.ReplaceKeyPrefixWith == nil && to.ReplaceKeyWith == nil:
		return nil, invalid("A redirect must name what it changes.")
	case to.ReplaceKeyPrefixWith != nil && to.ReplaceKeyWith != nil:
		return nil, invalid("You can only define ReplaceKeyPrefix or ReplaceKey but not both.")
	case !code(to.HttpRedirectCode, 301, 308):
		return nil, invalid("The provided HTTP redirect code (%s) is not valid. Valid codes are 3XX except 300.", *to.HttpRedirectCode)
	case !code(out.ErrorCode, 400, 599):
		return nil, invalid("The provided HTTP error code (%s) is not valid. Valid codes are 4XX or 5XX.", *out.ErrorCode)
	}
	return out, protocol(to.Protocol)
}

// code reports whether an HTTP status is unset or lies in a range. 304 is no redirect.
func code(s *string, from, to int) bool {
	if s == nil {
		return true
	}
	n, err := strconv.Atoi(*s)
	return err == nil && n >= from && n <= to && n != 304
}

// Output is the configuration as the API returns it.
func Output(c *Config) *s3api.GetBucketWebsiteOutput {
	out := &s3api.GetBucketWebsiteOutput{}
	if c.RedirectHost != "" {
		out.RedirectAllRequestsTo = &s3api.RedirectAllRequestsTo{HostName: c.RedirectHost, Protocol: c.RedirectProtocol}
		return out
	}
	out.IndexDocument = &s3api.IndexDocument{Suffix: c.Index}
	if c.ErrorKey != "" {
		out.ErrorDocument = &s3api.ErrorDocument{Key: c.ErrorKey}
	}
	for i := range c.Rules {
		r := &c.Rules[i]
		rule := s3api.RoutingRule{Redirect: &s3api.Redirect{
			HostName: r.HostName, Protocol: r.Protocol, HttpRedirectCode: r.Code,
			ReplaceKeyPrefixWith: r.ReplacePrefix, ReplaceKeyWith: r.ReplaceKey,
		}}
		if r.Prefix != nil || r.ErrorCode != nil {
			rule.Condition = &s3api.Condition{KeyPrefixEquals: r.Prefix, HttpErrorCodeReturnedEquals: r.ErrorCode}
		}
		out.RoutingRules = append(out.RoutingRules, rule)
	}
	return out
}
