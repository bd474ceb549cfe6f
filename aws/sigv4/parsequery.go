package sigv4

import (
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"time"
)

// authQuery holds the query parameters that carry credentials, decoded.
type authQuery struct {
	algorithm, credential, date, expires, signedHeaders, signature, token string
	accessKeyID, signatureV2, expiresV2                                   string
	hasV4, hasV2                                                          bool
	twice                                                                 bool // one of them occurs twice
}

// field returns where a parameter's value goes, or nil. The names of Version 4
// are taken in any case, as S3 takes them.
func (q *authQuery) field(name string) *string {
	if isAmz(name) {
		switch strings.ToLower(name[len("x-amz-"):]) {
		case "algorithm":
			q.hasV4 = true
			return &q.algorithm
		case "credential":
			q.hasV4 = true
			return &q.credential
		case "signature":
			q.hasV4 = true
			return &q.signature
		case "date":
			return &q.date
		case "expires":
			return &q.expires
		case "signedheaders":
			return &q.signedHeaders
		case "security-token":
			return &q.token
		}
		return nil
	}
	switch name {
	case "AWSAccessKeyId":
		q.hasV2 = true
		return &q.accessKeyID
	case "Signature":
		q.hasV2 = true
		return &q.signatureV2
	case "Expires":
		return &q.expiresV2
	}
	return nil
}

func parseAuthQuery(raw string) authQuery {
	var q authQuery
	if raw == "" {
		return q
	}
	for name, value := range queryPairs(raw) {
		to := q.field(decode(name, true))
		if to == nil {
			continue
		}
		if *to != "" {
			q.twice = true
		}
		*to = decode(value, true)
	}
	return q
}

func (a *Auth) parseQueryV4(raw string, q *authQuery) error {
	a.Form = PresignedV4
	if q.algorithm == algorithmEC {
		return fail(UnsupportedAlgorithm, "", "Unsupported AWS 'algorithm': "+quoted(q.algorithm)+".")
	}
	if q.algorithm == "" || q.credential == "" || q.date == "" || q.signedHeaders == "" || q.signature == "" || q.twice {
		return fail(MalformedQuery, "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
			"AWS query-string parameters must include, once each, 'X-Amz-Algorithm', 'X-Amz-Credential', 'X-Amz-Signature', 'X-Amz-SignedHeaders' and 'X-Amz-Date'.")
	}
	if q.algorithm != algorithmV4 {
		return fail(MalformedQuery, `X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"`,
			"Unsupported AWS 'algorithm': "+quoted(q.algorithm)+".")
	}
	if err := a.parseCredential(q.credential, MalformedQuery, WrongScopeQuery); err != nil {
		return err
	}
	t, err := time.Parse(basicTime, q.date)
	if err != nil {
		return fail(MalformedQuery, `X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd'T'HHmmss'Z'"`,
			"Date must be in ISO-8601 'basic format'. Got "+quoted(q.date)+".")
	}
	a.Date, a.amzDate = t, q.date
	a.Signature, a.SessionToken = q.signature, q.token
	a.signedHeaders, a.SignedHeaders = q.signedHeaders, strings.Split(q.signedHeaders, ";")
	if err := a.parseExpires(q.expires); err != nil {
		return err
	}
	a.hoist(raw)
	if a.Payload.Kind == PayloadAbsent {
		a.Payload = parsePayload(a.hoisted.Get("X-Amz-Content-Sha256"))
	}
	return nil
}

// parseExpires reads X-Amz-Expires. S3 cannot do without it; Verify says so.
func (a *Auth) parseExpires(v string) error {
	a.lifetime = v
	if v == "" {
		return nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	var detail string
	switch {
	case err != nil:
		detail = "X-Amz-Expires should be a number"
	case n < 0:
		detail = "X-Amz-Expires must be non-negative"
	case n > int64(maxLifetime/time.Second):
		detail = "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds"
	default:
		a.Expires = a.Date.Add(time.Duration(n) * time.Second)
		return nil
	}
	return fail(MalformedQuery, detail, detail)
}

func (a *Auth) parseQueryV2(raw string, q *authQuery) error {
	a.Form = PresignedV2
	if q.accessKeyID == "" || q.signatureV2 == "" || q.expiresV2 == "" || q.twice {
		return &Failure{Reason: MissingAuth, Detail: "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters"}
	}
	n, err := strconv.ParseInt(q.expiresV2, 10, 64)
	if err != nil || n < 0 || n > 1<<40 {
		return fail(MissingDate, "Invalid date (should be seconds since epoch): "+q.expiresV2, "")
	}
	a.Expires, a.lifetime = time.Unix(n, 0).UTC(), q.expiresV2
	a.AccessKeyID, a.Signature, a.SessionToken = q.accessKeyID, q.signatureV2, q.token
	a.hoist(raw)
	return nil
}

// hoist collects the headers that the client moved into the query.
func (a *Auth) hoist(raw string) {
	for name, value := range queryPairs(raw) {
		name = decode(name, true)
		if !a.isHoisted(name) {
			continue
		}
		if a.hoisted == nil {
			a.hoisted = make(http.Header)
		}
		name = textproto.CanonicalMIMEHeaderKey(name)
		a.hoisted[name] = append(a.hoisted[name], decode(value, true))
	}
}

func (a *Auth) isHoisted(name string) bool {
	if !validHeaderName(name) {
		return false
	}
	if a.Form == PresignedV2 {
		if strings.EqualFold(name, "Content-Type") || strings.EqualFold(name, "Content-MD5") {
			return true
		}
		return isAmz(name) && !strings.EqualFold(name, "x-amz-security-token")
	}
	return isAmz(name) && new(authQuery).field(name) == nil
}

// validHeaderName reports whether a name can stand in a header: a query may
// hold any bytes.
func validHeaderName(name string) bool {
	for i := range len(name) {
		c := name[i]
		if !unreserved[c] || c == '~' {
			return false
		}
	}
	return name != ""
}

// isAmz reports whether a header or argument is one of AWS's own.
func isAmz(name string) bool {
	const prefix = "x-amz-"
	return len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
}
