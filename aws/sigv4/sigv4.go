// Package sigv4 decides whether a request was signed by the holder of a
// secret key, in every form that AWS accepts.
//
// Where to start: [Parse] finds which form a request uses and whose key it
// names, without any secret. The caller looks the key up and calls
// [Auth.Verify]. Then [NewBody] gives the body, which is checked against the
// signature while it streams: its last byte is only handed out when all of it
// was right. Browser forms go through [ParsePost] and [Post.Verify] instead.
// [Sign] and [Presign] are the client's side.
//
// Every refusal is a [*Failure]; [Failure.AWS] words it as the service's
// protocol family does. The forms are: Signature Version 4 in the header and
// in the query, S3's Version 2 in the header and in the query, bearer tokens
// (recognised, never judged here), POST policies of both versions, and bodies
// in aws-chunked framing with and without signatures and trailers. Signature
// Version 4A (ECDSA) is recognised and refused.
//
// The package does no I/O besides reading a body, knows no users and no
// permissions, and takes the time from its caller.
package sigv4

import (
	"net/http"
	"time"
)

// Form is how a request says who sent it.
type Form uint8

// The forms of [Parse] and [ParsePost].
const (
	// Anonymous: the request carries no credentials.
	Anonymous Form = iota
	// HeaderV4 is an Authorization header of Signature Version 4.
	HeaderV4
	// PresignedV4 is Signature Version 4 in the query.
	PresignedV4
	// HeaderV2 is S3's "Authorization: AWS key:signature".
	HeaderV2
	// PresignedV2 is S3's AWSAccessKeyId, Expires and Signature in the query.
	PresignedV2
	// Bearer is "Authorization: Bearer token".
	Bearer
	// PostV4 is a POST policy signed with Signature Version 4.
	PostV4
	// PostV2 is a POST policy signed with Signature Version 2.
	PostV2
)

var formNames = [...]string{"anonymous", "header-v4", "presigned-v4", "header-v2", "presigned-v2", "bearer", "post-v4", "post-v2"}

// String names the form for logs.
func (f Form) String() string { return formNames[f] }

// Presigned reports whether the credentials are in the query.
func (f Form) Presigned() bool { return f == PresignedV4 || f == PresignedV2 }

// Scope is the credential scope of Signature Version 4; the terminator is
// always aws4_request.
type Scope struct {
	// Date is yyyymmdd.
	Date string
	// Region is as the client wrote it; a caller may take it for the region of
	// the call.
	Region string
	// Service is the signing name, such as "s3".
	Service string
}

// String is the scope as it is signed.
func (s Scope) String() string {
	return s.Date + "/" + s.Region + "/" + s.Service + "/" + terminator
}

// Auth is what a request says about its sender. Nothing in it is proven until
// [Auth.Verify] returns nil.
type Auth struct {
	// Form says which of the other fields mean something.
	Form Form
	// AccessKeyID names the key; empty for Anonymous and Bearer.
	AccessKeyID string
	// SessionToken is the security token of temporary credentials. Whether it
	// belongs to the key is for the caller to check.
	SessionToken string
	// Token is the token of the Bearer form.
	Token string
	// Date is when the request was signed, zero for PresignedV2.
	Date time.Time
	// Scope is the scope of the Version 4 forms.
	Scope Scope
	// SignedHeaders are the names in the order given, Version 4 only.
	SignedHeaders []string
	// Signature is as given: hex for Version 4, base64 for Version 2.
	Signature string
	// Payload is what the request says about its body.
	Payload Payload
	// Expires is the instant at which a presigned request ends; zero when it
	// has none.
	Expires time.Time

	signedHeaders string // as given, semicolons and all
	amzDate       string // the date as it is signed
	lifetime      string // X-Amz-Expires as given
	hoisted       http.Header
	key           *[32]byte // the signing key, once verified
}

// Hoisted returns the x-amz-* headers that an SDK moved into the query of a
// presigned request (for Version 2 also Content-Type and Content-MD5). They are
// signed with the query, so after Verify a caller may set them as headers
// where the request has none of that name. It is nil when there are none.
func (a *Auth) Hoisted() http.Header { return a.hoisted }

// PayloadKind is what x-amz-content-sha256 says about the body.
type PayloadKind uint8

// The kinds of payload.
const (
	// PayloadAbsent: no x-amz-content-sha256.
	PayloadAbsent PayloadKind = iota
	// PayloadHash: the hex SHA-256 of the body.
	PayloadHash
	// PayloadUnsigned: UNSIGNED-PAYLOAD.
	PayloadUnsigned
	// PayloadSignedChunks: STREAMING-AWS4-HMAC-SHA256-PAYLOAD.
	PayloadSignedChunks
	// PayloadSignedTrailer: STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER.
	PayloadSignedTrailer
	// PayloadUnsignedTrailer: STREAMING-UNSIGNED-PAYLOAD-TRAILER.
	PayloadUnsignedTrailer
	// PayloadUnknown is any other value.
	PayloadUnknown
)

// The values of x-amz-content-sha256 that are no hash, and the hash of no bytes.
const (
	UnsignedPayload = "UNSIGNED-PAYLOAD"
	EmptyHash       = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

	signedChunks    = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	signedTrailer   = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	unsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
)

// Payload is the value of x-amz-content-sha256.
type Payload struct {
	Kind PayloadKind
	// Value is as given, empty for PayloadAbsent.
	Value string
}

// Streaming reports whether the body is framed in chunks by AWS's own rules.
func (p Payload) Streaming() bool {
	return p.Kind == PayloadSignedChunks || p.Kind == PayloadSignedTrailer || p.Kind == PayloadUnsignedTrailer
}

func parsePayload(v string) Payload {
	p := Payload{Value: v}
	switch {
	case v == "":
		p.Kind = PayloadAbsent
	case v == UnsignedPayload:
		p.Kind = PayloadUnsigned
	case v == signedChunks:
		p.Kind = PayloadSignedChunks
	case v == signedTrailer:
		p.Kind = PayloadSignedTrailer
	case v == unsignedTrailer:
		p.Kind = PayloadUnsignedTrailer
	case isHash(v):
		p.Kind = PayloadHash
	default:
		p.Kind = PayloadUnknown
	}
	return p
}

// isHash reports whether v is a SHA-256 in small hex digits.
func isHash(v string) bool {
	if len(v) != 64 {
		return false
	}
	for i := range len(v) {
		if c := v[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

const (
	algorithmV4 = "AWS4-HMAC-SHA256"
	algorithmEC = "AWS4-ECDSA-P256-SHA256"
	terminator  = "aws4_request"
	basicTime   = "20060102T150405Z"
	isoTime     = "2006-01-02T15:04:05Z"

	// maxLifetime is the longest X-Amz-Expires, and how long a signing key is good for.
	maxLifetime = 7 * 24 * time.Hour
)
