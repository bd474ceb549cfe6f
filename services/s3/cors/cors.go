// Package cors is the CORS configuration of a bucket: its stored form ([Rule])
// and what S3 accepts. It is pure. Who may do what by these rules is decided by
// the gateway, which meets the browsers.
package cors

import (
	"slices"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
)

// Rule allows origins to use methods and headers. Origins and headers may hold
// one asterisk. A nil MaxAge is unset; it counts seconds.
type Rule struct {
	ID      *string  `cbor:"id"`
	Origins []string `cbor:"origins"`
	Methods []string `cbor:"methods"`
	Headers []string `cbor:"headers"`
	Expose  []string `cbor:"expose"`
	MaxAge  *int32   `cbor:"max_age"`
}

const (
	maxRules = 100
	maxID    = 255
)

var methods = []string{"GET", "PUT", "POST", "DELETE", "HEAD"}

func malformed() error {
	return awserr.New("MalformedXML", 400, "The XML you provided was not well-formed or did not validate against our published schema")
}

// Parse checks a configuration and returns its rules.
func Parse(in *s3api.CORSConfiguration) ([]Rule, error) {
	if in == nil || len(in.CORSRules) == 0 || len(in.CORSRules) > maxRules {
		return nil, malformed()
	}
	out := make([]Rule, 0, len(in.CORSRules))
	for i := range in.CORSRules {
		r := &in.CORSRules[i]
		if err := check(r); err != nil {
			return nil, err
		}
		out = append(out, Rule{
			ID: r.ID, Origins: r.AllowedOrigins, Methods: r.AllowedMethods, Headers: r.AllowedHeaders,
			Expose: r.ExposeHeaders, MaxAge: r.MaxAgeSeconds,
		})
	}
	return out, nil
}

func check(r *s3api.CORSRule) error {
	if len(r.AllowedOrigins) == 0 || len(r.AllowedMethods) == 0 || r.ID != nil && len(*r.ID) > maxID {
		return malformed()
	}
	for _, m := range r.AllowedMethods {
		if !slices.Contains(methods, m) {
			return awserr.New("InvalidRequest", 400, "Found unsupported HTTP method in CORS config. Unsupported method is %s", m)
		}
	}
	if err := oneAsterisk("AllowedOrigin", r.AllowedOrigins); err != nil {
		return err
	}
	if err := oneAsterisk("AllowedHeader", r.AllowedHeaders); err != nil {
		return err
	}
	for _, h := range r.ExposeHeaders {
		if strings.Contains(h, "*") {
			return awserr.New("InvalidRequest", 400, "ExposeHeader \"%s\" contains wildcard. We currently do not support wildcard for ExposeHeader.", h)
		}
	}
	return nil
}

func oneAsterisk(member string, values []string) error {
	for _, v := range values {
		if strings.Count(v, "*") > 1 {
			return awserr.New("InvalidRequest", 400, "%s \"%s\" can not have more than one wildcard.", member, v)
		}
	}
	return nil
}

// Output is the configuration as the API returns it.
func Output(rules []Rule) []s3api.CORSRule {
	out := make([]s3api.CORSRule, 0, len(rules))
	for i := range rules {
		r := &rules[i]
		out = append(out, s3api.CORSRule{
			ID: r.ID, AllowedOrigins: r.Origins, AllowedMethods: r.Methods, AllowedHeaders: r.Headers,
			ExposeHeaders: r.Expose, MaxAgeSeconds: r.MaxAge,
		})
	}
	return out
}
