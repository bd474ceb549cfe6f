package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Verify is what a server knows that a signature is checked against.
type Verify struct {
	// Service is the signing name of the service that was routed to.
	Service string
	// Region must be the scope's region; empty takes any region.
	Region string
	// S3 chooses S3's rules for paths, payloads, clocks and unsigned headers,
	// and allows Version 2.
	S3 bool
	// Clean says that the caller routes on CleanPath of the path, so that a
	// signature over the clean path is as good. It has no meaning for S3.
	Clean bool
	// Bucket is the bucket that the host names, for Version 2 signatures; empty
	// when the path names it.
	Bucket string
	// Now is the server's time.
	Now time.Time
	// BodyHash returns the hex SHA-256 of the body of a request that does not
	// tell it. It is called for services other than S3 only; nil says that the
	// body is empty.
	BodyHash func() (string, error)
	// Keys caches signing keys; nil works without.
	Keys *Keys
}

// How far the clocks may differ.
const (
	skewS3    = 15 * time.Minute
	skewOther = 5 * time.Minute

	// impliedLifetime is how long a presigned request without X-Amz-Expires is
	// good for, which only services other than S3 take.
	impliedLifetime = 15 * time.Minute
)

// Verify checks the signature of the request that a was parsed from. The error
// is a [*Failure], or the error of v.BodyHash. After it, [NewBody] must be
// used for the body: the signature covers the hash that the request states,
// and only NewBody checks that the body has it.
func (a *Auth) Verify(r *http.Request, secret string, v Verify) error {
	switch a.Form {
	case HeaderV4, PresignedV4:
		return a.verifyV4(r, secret, &v)
	case HeaderV2, PresignedV2:
		if v.S3 {
			return a.verifyV2(r, secret, &v)
		}
	case Anonymous:
		return a.Fail(MissingAuth)
	}
	return fail(UnsupportedAlgorithm, "", "")
}

func (a *Auth) verifyV4(r *http.Request, secret string, v *Verify) error {
	if err := a.checkScope(v); err != nil {
		return err
	}
	if err := a.checkTime(v); err != nil {
		return err
	}
	if err := a.checkSignedHeaders(r, v); err != nil {
		return err
	}
	payload, err := a.payload(r, v)
	if err != nil {
		return err
	}
	key := v.Keys.key(a.AccessKeyID, secret, a.Scope)
	rules := [2]pathRule{pathEncoded, pathClean}
	if v.S3 {
		rules = [2]pathRule{pathRaw, pathRecoded}
	}
	s := pool.Get().(*scratch)
	defer pool.Put(s)
	if a.matches(s, r, rules[0], payload, key) ||
		(v.S3 || v.Clean) && a.matches(s, r, rules[1], payload, key) {
		a.key = key
		return nil
	}
	return a.mismatch(s, r, rules[0], payload)
}

var pool = sync.Pool{New: func() any {
	return &scratch{out: make([]byte, 0, 2048), work: make([]byte, 0, 1024)}
}}

func (a *Auth) matches(s *scratch, r *http.Request, rule pathRule, payload string, key *[32]byte) bool {
	s.out = s.out[:0]
	s.appendRequest(r, a, rule, payload)
	sum := sha256.Sum256(s.out)
	s.out = a.appendStringToSign(s.out[:0], sum)
	got := sign(key, s.out)
	return subtle.ConstantTimeCompare(got[:], []byte(a.Signature)) == 1
}

func (a *Auth) appendStringToSign(dst []byte, request [32]byte) []byte {
	dst = append(dst, algorithmV4+"\n"...)
	dst = append(append(dst, a.amzDate...), '\n')
	dst = append(append(dst, a.Scope.Date...), '/')
	dst = append(append(dst, a.Scope.Region...), '/')
	dst = append(append(dst, a.Scope.Service...), '/')
	dst = append(dst, terminator+"\n"...)
	return hex.AppendEncode(dst, request[:])
}

// sign returns the hex HMAC-SHA256 of msg.
func sign(key *[32]byte, msg []byte) (out [64]byte) {
	var sum [32]byte
	h := hmac.New(sha256.New, key[:])
	h.Write(msg)
	hex.Encode(out[:], h.Sum(sum[:0]))
	return out
}

func (a *Auth) mismatch(s *scratch, r *http.Request, rule pathRule, payload string) *Failure {
	s.out = s.out[:0]
	s.appendRequest(r, a, rule, payload)
	request := string(s.out)
	return a.mismatchOf(string(a.appendStringToSign(nil, sha256.Sum256(s.out)))).
		with("CanonicalRequest", request).
		with("CanonicalRequestBytes", spacedHex(request))
}

// mismatchOf tells the client what was signed, so that it can find its mistake.
func (a *Auth) mismatchOf(stringToSign string) *Failure {
	return fail(SignatureMismatch, "", "").
		with("AWSAccessKeyId", a.AccessKeyID).
		with("StringToSign", stringToSign).
		with("StringToSignBytes", spacedHex(stringToSign)).
		with("SignatureProvided", a.Signature)
}

func spacedHex(s string) string { return fmt.Sprintf("% x", s) }

func (a *Auth) checkScope(v *Verify) error {
	reason := WrongScopeHeader
	if a.Form == PresignedV4 {
		reason = WrongScopeQuery
	}
	s := a.Scope
	switch {
	case s.Service != v.Service:
		return fail(reason, queryPrefix(reason)+"incorrect service "+quoted(s.Service)+". This endpoint belongs to "+quoted(v.Service)+".",
			"Credential should be scoped to correct service: '"+v.Service+"'. ")
	case v.Region != "" && s.Region != v.Region:
		return fail(reason, queryPrefix(reason)+"the region '"+s.Region+"' is wrong; expecting '"+v.Region+"'",
			"Credential should be scoped to a valid region. ").with("Region", v.Region)
	case s.Date != a.amzDate[:8]:
		return fail(reason, "Invalid credential date "+quoted(s.Date)+". This date is not the same as X-Amz-Date: "+quoted(a.amzDate[:8])+".",
			"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '"+s.Date+"' != '"+a.amzDate[:8]+"', from '"+a.amzDate+"'.")
	}
	return nil
}

func (a *Auth) checkTime(v *Verify) error {
	skew := skewOther
	if v.S3 {
		skew = skewS3
	}
	if a.Form == HeaderV4 || a.Form == HeaderV2 {
		return a.checkSkew(v.Now, skew)
	}
	end := a.Expires
	if end.IsZero() {
		if v.S3 {
			return fail(MalformedQuery, "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.", "")
		}
		end = a.Date.Add(impliedLifetime)
	}
	switch {
	case v.Now.After(end):
		f := fail(Expired, "", "Signature expired: "+a.amzDate+" is now earlier than "+v.Now.UTC().Format(basicTime)+".").
			with("Expires", end.UTC().Format(isoTime)).
			with("ServerTime", v.Now.UTC().Format(isoTime))
		if a.Form == PresignedV4 {
			return f.with("X-Amz-Expires", a.lifetime)
		}
		return f
	case a.Date.Sub(v.Now) > skew:
		return fail(Expired, "Request is not valid yet", "Signature not yet current: "+a.amzDate+" is still later than "+v.Now.UTC().Format(basicTime)+".")
	}
	return nil
}

func (a *Auth) checkSkew(now time.Time, skew time.Duration) error {
	d := now.Sub(a.Date)
	if d <= skew && d >= -skew {
		return nil
	}
	at, minutes := now.UTC().Format(basicTime), int(skew/time.Minute)
	other := fmt.Sprintf("Signature expired: %s is now earlier than %s (%s - %d min.)",
		a.Date.Format(basicTime), now.Add(-skew).UTC().Format(basicTime), at, minutes)
	if d < 0 {
		other = fmt.Sprintf("Signature not yet current: %s is still later than %s (%s + %d min.)",
			a.Date.Format(basicTime), now.Add(skew).UTC().Format(basicTime), at, minutes)
	}
	return fail(Skewed, "", other).
		with("RequestTime", a.Date.Format(basicTime)).
		with("ServerTime", now.UTC().Format(isoTime)).
		with("MaxAllowedSkewMilliseconds", skew.Milliseconds())
}

// checkSignedHeaders makes sure that nobody can add a header that changes what
// a request means: the host always, and for S3 every x-amz-* header.
func (a *Auth) checkSignedHeaders(r *http.Request, v *Verify) error {
	for _, name := range a.SignedHeaders {
		if name == "" || strings.ToLower(name) != name {
			r := MalformedHeader
			if a.Form == PresignedV4 {
				r = MalformedQuery
			}
			return fail(r, "SignedHeaders must be names in small letters with semicolons between them.",
				"SignedHeaders must be names in small letters with semicolons between them.")
		}
	}
	if !slices.Contains(a.SignedHeaders, "host") {
		return fail(UnsignedHeaders, "", "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.").
			with("HeadersNotSigned", "host")
	}
	if !v.S3 {
		return nil
	}
	var unsigned []string
	for name := range r.Header {
		if isAmz(name) && !a.signed(name) {
			unsigned = append(unsigned, strings.ToLower(name))
		}
	}
	if unsigned != nil {
		slices.Sort(unsigned)
		return fail(UnsignedHeaders, "", "").with("HeadersNotSigned", strings.Join(unsigned, ", "))
	}
	return nil
}

func (a *Auth) signed(name string) bool {
	for _, s := range a.SignedHeaders {
		if strings.EqualFold(s, name) {
			return true
		}
	}
	return false
}

// payload is the last line of the canonical request.
func (a *Auth) payload(r *http.Request, v *Verify) (string, error) {
	p := a.Payload
	switch {
	case p.Kind == PayloadUnknown, !v.S3 && p.Streaming():
		if strings.HasPrefix(p.Value, "STREAMING-AWS4-ECDSA-") {
			return "", fail(UnsupportedAlgorithm, "", "")
		}
		return "", fail(PayloadInvalid, "", "").
			with("ArgumentName", "x-amz-content-sha256").with("ArgumentValue", p.Value)
	case p.Kind != PayloadAbsent:
		return p.Value, nil
	case v.S3 && a.Form == PresignedV4:
		return UnsignedPayload, nil
	case v.S3:
		return "", fail(PayloadMissing, "", "")
	case v.BodyHash != nil:
		h, err := v.BodyHash()
		if err != nil {
			return "", fmt.Errorf("hash body: %w", err)
		}
		return h, nil
	case r.Body != nil && r.Body != http.NoBody && r.ContentLength != 0:
		return "", fail(PayloadMissing, "", "")
	}
	return EmptyHash, nil
}
