package sigv4

import (
	"crypto/subtle"
	"errors"
	"strings"
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/checksum"
)

// Post is what the fields of a browser's POST upload to S3 say about its
// sender. Nothing is proven until [Post.Verify] returns nil.
type Post struct {
	// Auth holds the form (PostV4, PostV2 or Anonymous), the key, the token and
	// the scope.
	Auth

	fields map[string]string // by small letters
	policy string            // base64, as it is signed
}

// PostVerify is what a server knows that a POST upload is checked against.
type PostVerify struct {
	// Region must be the scope's region; empty takes any region.
	Region string
	// Bucket is the bucket that is posted to.
	Bucket string
	// Now is the server's time.
	Now time.Time
	// ContentLength is the size of the file in bytes, or -1 while it is not
	// known; then use [Post.CheckLength] once it is.
	ContentLength int64
	// Keys caches signing keys; nil works without.
	Keys *Keys
}

// maxPolicy bounds a policy's base64 text; S3 allows a form 20 KB besides the file.
const maxPolicy = 20 << 10

// ParsePost finds out how a POST upload says who sent it. fields are the form
// fields before the file, with ${filename} already replaced; their names are
// taken in any case. The error is always a [*Failure].
func ParsePost(fields map[string]string) (*Post, error) {
	p := &Post{fields: make(map[string]string, len(fields))}
	for name, value := range fields {
		name = strings.ToLower(name)
		if _, twice := p.fields[name]; twice {
			return nil, badField(name, value, "POST requires at most one field with the name "+quoted(name)+".")
		}
		p.fields[name] = value
	}
	p.policy, p.SessionToken = p.fields["policy"], p.fields["x-amz-security-token"]
	switch {
	case p.has("x-amz-algorithm", "x-amz-credential", "x-amz-signature"):
		return p, p.parseV4()
	case p.has("awsaccesskeyid", "signature"):
		p.Form = PostV2
		if err := p.require("AWSAccessKeyId", "signature", "policy"); err != nil {
			return nil, err
		}
		p.AccessKeyID, p.Signature = p.fields["awsaccesskeyid"], p.fields["signature"]
	case p.policy != "":
		return nil, p.require("AWSAccessKeyId")
	}
	return p, nil
}

func badField(name, value, sentence string) *Failure {
	return fail(BadField, sentence, "").with("ArgumentName", name).with("ArgumentValue", value)
}

func (p *Post) has(names ...string) bool {
	for _, name := range names {
		if _, ok := p.fields[name]; ok {
			return true
		}
	}
	return false
}

func (p *Post) require(names ...string) error {
	for _, name := range names {
		if p.fields[strings.ToLower(name)] == "" {
			return badField(name, "", "Bucket POST must contain a field named '"+name+"'.  If it is specified, please check the order of the fields.")
		}
	}
	return nil
}

func (p *Post) parseV4() error {
	p.Form = PostV4
	if err := p.require("policy", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature"); err != nil {
		return err
	}
	if v := p.fields["x-amz-algorithm"]; v != algorithmV4 {
		return badField("x-amz-algorithm", v, "Only AWS4-HMAC-SHA256 is supported")
	}
	credential := p.fields["x-amz-credential"]
	if err := p.parseCredential(credential, BadField, BadField); err != nil {
		var f *Failure
		if errors.As(err, &f) {
			f = f.with("ArgumentName", "x-amz-credential").with("ArgumentValue", credential)
		}
		return f
	}
	date := p.fields["x-amz-date"]
	t, err := time.Parse(basicTime, date)
	if err != nil {
		return badField("x-amz-date", date, `X-Amz-Date must be formatted via ISO8601 Long format, as "yyyyMMdd'T'HHmmss'Z'"`)
	}
	p.Date, p.amzDate, p.Signature = t, date, p.fields["x-amz-signature"]
	return nil
}

// Verify checks the signature over the policy, and then [Post.CheckPolicy].
// The error is a [*Failure].
func (p *Post) Verify(secret string, v PostVerify) error {
	var want string
	switch p.Form {
	case PostV4:
		if err := p.checkPostScope(&v); err != nil {
			return err
		}
		sum := sign(v.Keys.key(p.AccessKeyID, secret, p.Scope), []byte(p.policy))
		want = string(sum[:])
	case PostV2:
		want = signV2(secret, p.policy)
	default:
		return p.Fail(MissingAuth)
	}
	if subtle.ConstantTimeCompare([]byte(want), []byte(p.Signature)) != 1 {
		return p.mismatchOf(p.policy)
	}
	return p.CheckPolicy(v)
}

func (p *Post) checkPostScope(v *PostVerify) error {
	s := p.Scope
	var sentence string
	switch {
	case s.Service != "s3":
		sentence = "incorrect service " + quoted(s.Service) + `. This endpoint belongs to "s3".`
	case v.Region != "" && s.Region != v.Region:
		sentence = "the region '" + s.Region + "' is wrong; expecting '" + v.Region + "'"
	case s.Date != p.amzDate[:8]:
		sentence = "Invalid credential date " + quoted(s.Date) + ". This date is not the same as X-Amz-Date: " + quoted(p.amzDate[:8]) + "."
	case p.Date.Sub(v.Now) > skewS3:
		return p.checkSkew(v.Now, skewS3)
	case v.Now.Sub(p.Date) > maxLifetime:
		return denied("Policy expired.")
	default:
		return nil
	}
	return badField("x-amz-credential", p.fields["x-amz-credential"], sentence)
}

// CheckPolicy checks the form against its policy: that it is not over, that
// every condition holds, and that a condition names every field. A server that
// takes any credentials calls it in place of Verify. A form without a policy
// passes.
func (p *Post) CheckPolicy(v PostVerify) error {
	if p.policy == "" {
		return nil
	}
	doc, err := parsePolicy(p.policy)
	if err != nil {
		return err
	}
	if !v.Now.Before(doc.expiration) {
		return denied("Policy expired.")
	}
	covered := make(map[string]bool, len(doc.conditions))
	for _, c := range doc.conditions {
		if c.op == opRange {
			continue
		}
		covered[c.field] = true
		value, ok := p.fields[c.field]
		if c.field == "bucket" {
			value, ok = v.Bucket, true
		}
		if !c.holds(value, ok) {
			return denied("Policy Condition failed: " + c.text)
		}
	}
	if !covered["bucket"] {
		return denied("Extra input fields: bucket")
	}
	var extra string // the first by name, so that the answer is always the same
	for name := range p.fields {
		if !covered[name] && !exempt(name) && (extra == "" || name < extra) {
			extra = name
		}
	}
	if extra != "" {
		return denied("Extra input fields: " + extra)
	}
	if v.ContentLength >= 0 {
		return doc.checkLength(v.ContentLength)
	}
	return nil
}

// exempt reports whether a field needs no condition. Checksums are among them
// because they only narrow what may be uploaded, and upload tools add them to
// forms made without.
func exempt(field string) bool {
	switch field {
	case "file", "policy", "signature", "awsaccesskeyid", "x-amz-signature", "bucket":
		return true
	}
	if _, ok := checksum.FromHeader(field); ok {
		return true
	}
	return strings.HasPrefix(field, "x-ignore-")
}

// CheckLength checks the size of the file against the policy, once the file
// has been read.
func (p *Post) CheckLength(n int64) error {
	if p.policy == "" {
		return nil
	}
	doc, err := parsePolicy(p.policy)
	if err != nil {
		return err
	}
	return doc.checkLength(n)
}

// MaxLength is the most bytes that the policy allows the file, so that reading
// can stop there; false when it sets no limit or cannot be read.
func (p *Post) MaxLength() (int64, bool) {
	if p.policy == "" {
		return 0, false
	}
	doc, err := parsePolicy(p.policy)
	if err != nil {
		return 0, false
	}
	var most int64
	found := false
	for _, c := range doc.conditions {
		if c.op == opRange && (!found || c.max < most) {
			most, found = c.max, true
		}
	}
	return most, found
}

func denied(sentence string) *Failure { return &Failure{Reason: PolicyDenied, Detail: sentence} }
