package sigv4

import (
	"crypto/sha256"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Credentials are what a client signs with.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
	// SessionToken is empty for keys that are not temporary.
	SessionToken string
}

// Sign adds a Version 4 signature to the header of a client's request.
// payloadHash is the hex SHA-256 of the body or [UnsignedPayload]; empty is
// the hash of no bytes. The service name "s3" chooses S3's rules.
func Sign(r *http.Request, cred Credentials, service, region string, t time.Time, payloadHash string) {
	if payloadHash == "" {
		payloadHash = EmptyHash
	}
	a := newAuth(cred, service, region, t)
	r.Header.Set("X-Amz-Date", a.amzDate)
	if cred.SessionToken != "" {
		r.Header.Set("X-Amz-Security-Token", cred.SessionToken)
	}
	if service == "s3" || payloadHash == UnsignedPayload {
		r.Header.Set("X-Amz-Content-Sha256", payloadHash)
	}
	a.signAll(r)
	r.Header.Set("Authorization", algorithmV4+" Credential="+cred.AccessKeyID+"/"+a.Scope.String()+
		", SignedHeaders="+a.signedHeaders+", Signature="+a.signature(r, cred, payloadHash))
}

// Presign returns the URL of a client's request with a Version 4 signature in
// its query, good for lifetime, at most a week. The request's x-amz-* headers
// move into the query; its other headers but Authorization and User-Agent are
// signed and must be sent as they are. The body is not covered for S3 and
// must be empty for other services. r itself stays as it is.
func Presign(r *http.Request, cred Credentials, service, region string, t time.Time, lifetime time.Duration) string {
	r = r.Clone(r.Context())
	r.RequestURI = "" // the URL is what changes
	a := newAuth(cred, service, region, t)
	a.Form = PresignedV4
	q := r.URL.Query()
	for name, values := range r.Header {
		if isAmz(name) {
			q[name] = values
			delete(r.Header, name)
		}
	}
	r.URL.RawQuery = ""
	a.signAll(r)
	q.Set("X-Amz-Algorithm", algorithmV4)
	q.Set("X-Amz-Credential", cred.AccessKeyID+"/"+a.Scope.String())
	q.Set("X-Amz-Date", a.amzDate)
	q.Set("X-Amz-Expires", strconv.FormatInt(int64(min(lifetime, maxLifetime)/time.Second), 10))
	q.Set("X-Amz-SignedHeaders", a.signedHeaders)
	if cred.SessionToken != "" {
		q.Set("X-Amz-Security-Token", cred.SessionToken)
	}
	r.URL.RawQuery = encodeQuery(q)
	payload := EmptyHash
	if service == "s3" {
		payload = UnsignedPayload
	}
	r.URL.RawQuery += "&X-Amz-Signature=" + a.signature(r, cred, payload)
	return r.URL.String()
}

// encodeQuery is url.Values.Encode with %20 for a space.
func encodeQuery(q url.Values) string { return strings.ReplaceAll(q.Encode(), "+", "%20") }

func newAuth(cred Credentials, service, region string, t time.Time) *Auth {
	date := t.UTC().Format(basicTime)
	return &Auth{
		Form:        HeaderV4,
		AccessKeyID: cred.AccessKeyID,
		Date:        t,
		Scope:       Scope{Date: date[:8], Region: region, Service: service},
		amzDate:     date,
	}
}

// signAll chooses the headers to sign: all that no proxy changes.
func (a *Auth) signAll(r *http.Request) {
	a.SignedHeaders = append(a.SignedHeaders[:0], "host")
	if r.ContentLength > 0 && a.Form == HeaderV4 {
		a.SignedHeaders = append(a.SignedHeaders, "content-length")
	}
	for name := range r.Header {
		switch name = strings.ToLower(name); name {
		case "authorization", "user-agent", "host", "content-length", "transfer-encoding", "expect", "connection",
			"accept-encoding", "x-amzn-trace-id":
		default:
			a.SignedHeaders = append(a.SignedHeaders, name)
		}
	}
	slices.Sort(a.SignedHeaders)
	a.signedHeaders = strings.Join(a.SignedHeaders, ";")
}

func (a *Auth) signature(r *http.Request, cred Credentials, payload string) string {
	rule := pathEncoded
	if a.Scope.Service == "s3" {
		rule = pathRaw
	}
	s := pool.Get().(*scratch)
	defer pool.Put(s)
	s.out = s.out[:0]
	s.appendRequest(r, a, rule, payload)
	text := a.appendStringToSign(nil, sha256.Sum256(s.out))
	out := sign(deriveKey(cred.SecretAccessKey, a.Scope), text)
	return string(out[:])
}
