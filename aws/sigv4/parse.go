package sigv4

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Parse finds out how a request says who sent it. It needs no secret and
// proves nothing. The error is always a [*Failure]; a request without
// credentials is no error but [Anonymous].
func Parse(r *http.Request) (*Auth, error) {
	a := &Auth{Payload: parsePayload(first(r.Header, "X-Amz-Content-Sha256"))}
	_, rawQuery := target(r)
	q := parseAuthQuery(rawQuery)
	headers := r.Header["Authorization"]
	if len(headers) == 0 || len(headers) == 1 && strings.TrimSpace(headers[0]) == "" {
		switch {
		case q.hasV4:
			return a, a.parseQueryV4(rawQuery, &q)
		case q.hasV2:
			return a, a.parseQueryV2(rawQuery, &q)
		}
		return a, nil
	}
	if len(headers) > 1 || q.hasV4 || q.accessKeyID != "" {
		return nil, fail(ManyAuth, "", "")
	}
	a.SessionToken = first(r.Header, "X-Amz-Security-Token")
	scheme, rest, _ := strings.Cut(strings.TrimSpace(headers[0]), " ")
	switch {
	case scheme == algorithmV4:
		return a, a.parseHeaderV4(r, rest)
	case strings.HasPrefix(scheme, "AWS4-"):
		// Differs from AWS: Signature Version 4A (AWS4-ECDSA-P256-SHA256) is refused; sign with AWS4-HMAC-SHA256.
		return nil, fail(UnsupportedAlgorithm, "", "Unsupported AWS 'algorithm': "+quoted(scheme)+".")
	case scheme == "AWS":
		return a, a.parseHeaderV2(r, rest)
	case strings.EqualFold(scheme, "Bearer"):
		a.Form, a.Token = Bearer, strings.TrimSpace(rest)
		if a.Token == "" {
			return nil, fail(BadAuthorization, "", "")
		}
		return a, nil
	}
	return nil, fail(BadAuthorization, "", "").
		with("ArgumentName", "Authorization").with("ArgumentValue", scheme)
}

// first is the first value of a header by its canonical name.
func first(h http.Header, name string) string {
	if v := h[name]; len(v) > 0 {
		return strings.TrimSpace(v[0])
	}
	return ""
}

// target splits the request line's target as it was sent into path and query.
// A request that was never on the wire has its URL taken instead.
func target(r *http.Request) (path, query string) {
	uri := r.RequestURI
	if uri == "" {
		path, query = r.URL.EscapedPath(), r.URL.RawQuery
	} else {
		if uri[0] != '/' { // the absolute form that proxies are sent
			if _, rest, ok := strings.Cut(uri, "://"); ok {
				uri = ""
				if i := strings.IndexAny(rest, "/?"); i >= 0 {
					uri = rest[i:]
				}
			}
		}
		path, query, _ = strings.Cut(uri, "?")
	}
	if path == "" {
		path = "/"
	}
	return path, query
}

// parseHeaderV4 reads "Credential=…, SignedHeaders=…, Signature=…".
func (a *Auth) parseHeaderV4(r *http.Request, rest string) error {
	a.Form = HeaderV4
	var credential string
	for part := range strings.SplitSeq(rest, ",") {
		part = strings.TrimSpace(part)
		name, value, ok := strings.Cut(part, "=")
		var to *string
		switch name {
		case "Credential":
			to = &credential
		case "SignedHeaders":
			to = &a.signedHeaders
		case "Signature":
			to = &a.Signature
		}
		if !ok || to == nil || *to != "" || value == "" {
			return fail(MalformedHeader, "the authorization component "+quoted(name)+" is malformed.",
				"Authorization header has a component "+quoted(name)+" that is not a key=value pair of the scheme.")
		}
		*to = value
	}
	for _, c := range [...]struct{ name, value string }{
		{"Credential", credential}, {"SignedHeaders", a.signedHeaders}, {"Signature", a.Signature},
	} {
		if c.value == "" {
			return fail(MalformedHeader, "missing "+c.name+".", "Authorization header requires '"+c.name+"' parameter.")
		}
	}
	if err := a.parseCredential(credential, MalformedHeader, WrongScopeHeader); err != nil {
		return err
	}
	a.SignedHeaders = strings.Split(a.signedHeaders, ";")
	return a.parseDate(r)
}

// parseCredential splits AKID/date/region/service/aws4_request from the right.
func (a *Auth) parseCredential(credential string, malformed, scope Reason) error {
	var parts [5]string
	rest := credential
	for i := 4; i > 0; i-- {
		j := strings.LastIndexByte(rest, '/')
		if j < 0 {
			rest = ""
			break
		}
		parts[i], rest = rest[j+1:], rest[:j]
	}
	a.AccessKeyID = rest
	a.Scope = Scope{Date: parts[1], Region: parts[2], Service: parts[3]}
	if rest == "" || strings.Contains(rest, "/") || parts[1] == "" || parts[2] == "" || parts[3] == "" || parts[4] == "" {
		return fail(malformed, queryPrefix(malformed)+`the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".`,
			"Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got "+quoted(credential)+".")
	}
	if parts[4] != terminator {
		return fail(scope, queryPrefix(scope)+"incorrect terminal "+quoted(parts[4])+`. This endpoint uses "aws4_request".`,
			"Credential should be scoped with a valid terminator: 'aws4_request', not "+quoted(parts[4])+".")
	}
	if _, err := time.Parse("20060102", parts[1]); err != nil {
		return fail(scope, queryPrefix(scope)+"incorrect date format "+quoted(parts[1])+`. This date in the credential must be in the format "yyyyMMdd".`,
			"Date in Credential scope "+quoted(parts[1])+" is not of the form YYYYMMDD.")
	}
	return nil
}

// queryPrefix begins S3's sentences about the credential of a presigned query.
func queryPrefix(r Reason) string {
	if r == MalformedQuery || r == WrongScopeQuery {
		return "Error parsing the X-Amz-Credential parameter; "
	}
	return ""
}

// parseDate reads X-Amz-Date, or else Date.
func (a *Auth) parseDate(r *http.Request) error {
	v := first(r.Header, "X-Amz-Date")
	if v != "" {
		t, err := time.Parse(basicTime, v)
		if err != nil {
			return badDate(v)
		}
		a.Date, a.amzDate = t, v
		return nil
	}
	v = first(r.Header, "Date")
	if v == "" {
		return fail(MissingDate, "", "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	t, err := time.Parse(basicTime, v)
	if err != nil {
		if t, err = parseHTTPTime(v); err != nil {
			return badDate(v)
		}
	}
	a.Date = t
	a.amzDate = t.Format(basicTime)
	return nil
}

func badDate(v string) *Failure {
	return fail(MissingDate, "", "Date must be in ISO-8601 'basic format'. Got "+quoted(v)+".")
}

// parseHTTPTime reads the forms of a Date header, with a numeric zone too.
func parseHTTPTime(v string) (time.Time, error) {
	t, err := http.ParseTime(v)
	if err != nil {
		t, err = time.Parse(time.RFC1123Z, v)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("parse date: %w", err)
	}
	if t.Unix() < 0 {
		return time.Time{}, fmt.Errorf("parse date: %q is before 1970", v)
	}
	return t.UTC(), nil
}

// parseHeaderV2 reads "key:signature".
func (a *Auth) parseHeaderV2(r *http.Request, rest string) error {
	a.Form = HeaderV2
	rest = strings.TrimSpace(rest)
	i := strings.LastIndexByte(rest, ':')
	if i <= 0 || i == len(rest)-1 {
		return fail(BadAuthorization, "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature", "").
			with("ArgumentName", "Authorization").with("ArgumentValue", "AWS")
	}
	a.AccessKeyID, a.Signature = rest[:i], rest[i+1:]
	v := first(r.Header, "X-Amz-Date")
	if v == "" {
		v = first(r.Header, "Date")
	}
	t, err := parseHTTPTime(v)
	if err != nil {
		if t, err = time.Parse(basicTime, v); err != nil {
			return badDate(v)
		}
	}
	a.Date = t
	return nil
}
