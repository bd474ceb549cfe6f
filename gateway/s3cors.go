package gateway

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// preflightSteps answer the question that a browser asks before a request to a
// bucket of another origin. It needs no credentials and is not billed.
var preflightSteps = []step{
	{"id", (*exchange).identify},
	{"cors", (*exchange).preflight},
}

// The headers of the CORS protocol.
const (
	originHeader         = "Origin"
	requestMethodHeader  = "Access-Control-Request-Method"
	requestHeadersHeader = "Access-Control-Request-Headers"
)

// corsQuestion is what a browser asks, or what it is about to do.
type corsQuestion struct {
	origin  string
	method  string
	headers []string // in small letters
}

func askedBy(r *http.Request) corsQuestion {
	q := corsQuestion{origin: r.Header.Get(originHeader), method: r.Header.Get(requestMethodHeader)}
	for _, h := range strings.Split(r.Header.Get(requestHeadersHeader), ",") {
		if h = strings.ToLower(strings.TrimSpace(h)); h != "" {
			q.headers = append(q.headers, h)
		}
	}
	return q
}

// corsRule returns the first rule that allows what is asked, or nil.
func corsRule(rules []s3api.CORSRule, q corsQuestion) *s3api.CORSRule {
	for i := range rules {
		r := &rules[i]
		if !slices.Contains(r.AllowedMethods, q.method) {
			continue
		}
		if !slices.ContainsFunc(r.AllowedOrigins, func(o string) bool { return wildcard(o, q.origin) }) {
			continue
		}
		if slices.ContainsFunc(q.headers, func(h string) bool { return !allowsHeader(r, h) }) {
			continue
		}
		return r
	}
	return nil
}

func allowsHeader(r *s3api.CORSRule, header string) bool {
	return slices.ContainsFunc(r.AllowedHeaders, func(a string) bool { return wildcard(strings.ToLower(a), header) })
}

// wildcard matches a pattern in which one asterisk stands for any text.
func wildcard(pattern, s string) bool {
	before, after, ok := strings.Cut(pattern, "*")
	if !ok {
		return pattern == s
	}
	return len(s) >= len(before)+len(after) && strings.HasPrefix(s, before) && strings.HasSuffix(s, after)
}

// corsHeaders tells the browser what the rule allows.
func corsHeaders(h http.Header, r *s3api.CORSRule, q corsQuestion) {
	if slices.Contains(r.AllowedOrigins, "*") {
		h.Set("Access-Control-Allow-Origin", "*")
	} else {
		h.Set("Access-Control-Allow-Origin", q.origin)
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	h.Set("Access-Control-Allow-Methods", strings.Join(r.AllowedMethods, ", "))
	if len(q.headers) > 0 {
		h.Set("Access-Control-Allow-Headers", strings.Join(q.headers, ", "))
	}
	if len(r.ExposeHeaders) > 0 {
		h.Set("Access-Control-Expose-Headers", strings.Join(r.ExposeHeaders, ", "))
	}
	if r.MaxAgeSeconds != nil {
		h.Set("Access-Control-Max-Age", strconv.Itoa(int(*r.MaxAgeSeconds)))
	}
	h.Add("Vary", originHeader+", "+requestHeadersHeader+", "+requestMethodHeader)
}

func (x *exchange) corsRules(bucket string) ([]s3api.CORSRule, error) {
	out, err := bucketConfig(x, s3api.GetBucketCors, &s3api.GetBucketCorsInput{Bucket: bucket}, "NoSuchCORSConfiguration")
	if err != nil || out == nil {
		return nil, err
	}
	return out.CORSRules, nil
}

// cors adds what the bucket's rules allow to the response of a request that
// comes from another origin. A request that they do not allow is served all
// the same: it is the browser that keeps the response from the page.
func (x *exchange) cors() error {
	q := askedBy(x.r)
	if q.origin == "" || !x.isS3() || x.match.Labels["Bucket"] == "" {
		return nil
	}
	bucket, err := url.PathUnescape(x.match.Labels["Bucket"])
	if err != nil {
		return nil //nolint:nilerr // decoding says so in its words
	}
	rules, err := x.corsRules(bucket)
	if awserr.As(err) != nil {
		return nil //nolint:nilerr // the operation itself says what is wrong with the bucket
	}
	if err != nil {
		return err
	}
	if q.method == "" {
		q.method = x.r.Method
	}
	if r := corsRule(rules, q); r != nil {
		corsHeaders(x.w.Header(), r, q)
	}
	return nil
}

// isPreflight reports whether a request asks what a bucket allows.
func isPreflight(r *http.Request) bool {
	if r.Method != http.MethodOptions {
		return false
	}
	bucket, _ := bucketAndKey(r)
	return bucket != ""
}

// preflight answers OPTIONS.
func (x *exchange) preflight() error {
	x.adopt(s3Match("GetBucketCors", nil), codecs[smithy.RestXML])
	q := askedBy(x.r)
	switch {
	case q.origin == "":
		return awserr.New("BadRequest", http.StatusBadRequest, "Insufficient information. Origin request header needed.")
	case !slices.Contains([]string{"GET", "PUT", "POST", "DELETE", "HEAD"}, q.method):
		return awserr.New("BadRequest", http.StatusBadRequest, "Invalid Access-Control-Request-Method: %s", q.method)
	}
	bucket, key := bucketAndKey(x.r)
	rules, err := x.corsRules(bucket)
	if err != nil {
		return err
	}
	refuse := func(sentence string) error {
		kind := "BUCKET"
		if key != "" {
			kind = "OBJECT"
		}
		return awserr.New("AccessForbidden", http.StatusForbidden, "CORSResponse: %s", sentence).
			With("Method", q.method).With("ResourceType", kind)
	}
	if len(rules) == 0 {
		return refuse("CORS is not enabled for this bucket.")
	}
	r := corsRule(rules, q)
	if r == nil {
		return refuse("This CORS request is not allowed. This is usually because the evalution of Origin, request method / " +
			"Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.")
	}
	corsHeaders(x.w.Header(), r, q)
	return x.send(&protocol.Response{Status: http.StatusOK, Header: http.Header{"X-Amz-Request-Id": {x.id}}})
}
