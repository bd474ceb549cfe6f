package sigv4

import (
	"fmt"
	"net/http"

	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
)

// Kind is the protocol family whose words an error is put in.
type Kind uint8

// The families: they differ in the codes and statuses of the same failure.
const (
	// KindS3 is rest-xml as S3 speaks it.
	KindS3 Kind = iota
	// KindQuery is awsQuery, and the other rest-xml services.
	KindQuery
	// KindEC2 is ec2Query.
	KindEC2
	// KindJSON is awsJson and rpc-v2-cbor.
	KindJSON
	// KindREST is rest-json.
	KindREST
)

// Reason is why a request was refused.
type Reason uint8

// The reasons. Those for which a caller makes the Failure itself are
// UnknownKey, InvalidToken, ExpiredToken and MissingAuth.
const (
	// MissingAuth: the operation needs credentials and there are none.
	MissingAuth Reason = iota
	// ManyAuth: credentials in more than one place.
	ManyAuth
	// BadAuthorization: an Authorization header of no known scheme or shape.
	BadAuthorization
	// UnsupportedAlgorithm: a scheme that is known and not taken here.
	UnsupportedAlgorithm
	// MalformedHeader: a Version 4 header that cannot be read.
	MalformedHeader
	// MalformedQuery: a presigned query that cannot be read.
	MalformedQuery
	// WrongScopeHeader: date, region, service or terminator of the header's credential.
	WrongScopeHeader
	// WrongScopeQuery: the same in a presigned query.
	WrongScopeQuery
	// MissingDate: no date, or one that cannot be read.
	MissingDate
	// UnsignedHeaders: headers that must be signed are not.
	UnsignedHeaders
	// Skewed: signed too long ago or in the future.
	Skewed
	// Expired: a presigned request after its end or before its start.
	Expired
	// UnknownKey: no such access key, or it is inactive.
	UnknownKey
	// InvalidToken: the session token is not the key's.
	InvalidToken
	// ExpiredToken: the temporary credentials have ended.
	ExpiredToken
	// SignatureMismatch: the signature is not that of the request.
	SignatureMismatch
	// PayloadMissing: S3 needs x-amz-content-sha256.
	PayloadMissing
	// PayloadInvalid: x-amz-content-sha256 or the length of a chunked body makes no sense here.
	PayloadInvalid
	// PayloadMismatch: the body's hash is not the one that was signed.
	PayloadMismatch
	// IncompleteBody: the body ended early or its framing is broken.
	IncompleteBody
	// MissingLength: a chunked body without X-Amz-Decoded-Content-Length.
	MissingLength
	// ChunkTooSmall: a chunk under 8 KiB that is not the last.
	ChunkTooSmall
	// MalformedTrailer: trailers that are not those announced.
	MalformedTrailer
	// PolicyDocument: a POST policy that cannot be read.
	PolicyDocument
	// PolicyDenied: the form is not what the POST policy allows.
	PolicyDenied
	// PolicyTooLarge: the upload exceeds the policy's content-length-range.
	PolicyTooLarge
	// PolicyTooSmall: the upload is under the policy's content-length-range.
	PolicyTooSmall
	// BadField: a form field is missing or cannot be read.
	BadField
	reasons
)

// Failure is why a request was refused. It is the error type of this package.
type Failure struct {
	Reason Reason
	// Detail is S3's sentence, or the part of it that differs; empty for the
	// usual one.
	Detail string
	// Members are the further elements of S3's error, such as StringToSign.
	Members map[string]any

	other string // the sentence of the other families, when it is not the usual one
}

// Error implements error, in S3's words.
func (f *Failure) Error() string { return f.AWS(KindS3).Error() }

// fail makes a failure with S3's sentence and that of the other families.
func fail(r Reason, detail, other string) *Failure {
	return &Failure{Reason: r, Detail: detail, other: other}
}

func (f *Failure) with(member string, value any) *Failure {
	if f.Members == nil {
		f.Members = make(map[string]any, 4)
	}
	f.Members[member] = value
	return f
}

// Fail makes the failure of a check that the caller did (UnknownKey,
// InvalidToken, ExpiredToken, MissingAuth), with what S3 tells about the
// credentials.
func (a *Auth) Fail(r Reason) *Failure {
	f := &Failure{Reason: r}
	switch r {
	case UnknownKey:
		return f.with("AWSAccessKeyId", a.AccessKeyID)
	case InvalidToken, ExpiredToken:
		return f.with("Token-0", a.SessionToken)
	}
	return f
}

// answer is a failure in the words of one family.
type answer struct {
	code    string
	status  int
	message string
}

// row holds the words for one reason: S3's, awsQuery's and awsJson's.
type row struct{ s3, query, json answer }

const (
	sentenceMismatch = "The request signature we calculated does not match the signature you provided. " +
		"Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
	sentenceMissing    = "Request is missing Authentication Token"
	sentenceKey        = "The security token included in the request is invalid."
	sentenceExpired    = "The security token included in the request is expired"
	sentenceIncomplete = "The request signature does not conform to AWS standards."
	sentenceBody       = "The request body terminated unexpectedly"
	sentenceBadBody    = "The body of the request cannot be read."
)

// Rows that several reasons share.
var (
	incomplete = row{
		query: answer{"IncompleteSignature", http.StatusBadRequest, sentenceIncomplete},
		json:  answer{"IncompleteSignatureException", http.StatusBadRequest, sentenceIncomplete},
	}
	mismatch = row{
		query: answer{"SignatureDoesNotMatch", http.StatusForbidden, sentenceMismatch},
		json:  answer{"InvalidSignatureException", http.StatusBadRequest, sentenceMismatch},
	}
	badBody = row{
		query: answer{"ValidationError", http.StatusBadRequest, sentenceBadBody},
		json:  answer{"SerializationException", http.StatusBadRequest, sentenceBadBody},
	}
)

func (r row) forS3(code string, status int, message string) row {
	r.s3 = answer{code, status, message}
	return r
}

var rows = [reasons]row{
	MissingAuth: row{
		query: answer{"MissingAuthenticationToken", http.StatusForbidden, sentenceMissing},
		json:  answer{"MissingAuthenticationTokenException", http.StatusBadRequest, sentenceMissing},
	}.forS3("AccessDenied", http.StatusForbidden, "Access Denied"),
	ManyAuth: incomplete.forS3("InvalidArgument", http.StatusBadRequest,
		"Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified"),
	BadAuthorization: incomplete.forS3("InvalidArgument", http.StatusBadRequest, "Unsupported Authorization Type"),
	UnsupportedAlgorithm: incomplete.forS3("InvalidRequest", http.StatusBadRequest,
		"The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."),
	MalformedHeader:   incomplete.forS3("AuthorizationHeaderMalformed", http.StatusBadRequest, "The authorization header is malformed; "),
	MalformedQuery:    incomplete.forS3("AuthorizationQueryParametersError", http.StatusBadRequest, ""),
	WrongScopeHeader:  mismatch.forS3("AuthorizationHeaderMalformed", http.StatusBadRequest, "The authorization header is malformed; "),
	WrongScopeQuery:   mismatch.forS3("AuthorizationQueryParametersError", http.StatusBadRequest, ""),
	MissingDate:       incomplete.forS3("AccessDenied", http.StatusForbidden, "AWS authentication requires a valid Date or x-amz-date header"),
	UnsignedHeaders:   mismatch.forS3("AccessDenied", http.StatusForbidden, "There were headers present in the request which were not signed"),
	Skewed:            mismatch.forS3("RequestTimeTooSkewed", http.StatusForbidden, "The difference between the request time and the current time is too large."),
	Expired:           mismatch.forS3("AccessDenied", http.StatusForbidden, "Request has expired"),
	SignatureMismatch: mismatch.forS3("SignatureDoesNotMatch", http.StatusForbidden, "The request signature we calculated does not match the signature you provided. Check your key and signing method."),
	UnknownKey: row{
		query: answer{"InvalidClientTokenId", http.StatusForbidden, sentenceKey},
		json:  answer{"UnrecognizedClientException", http.StatusBadRequest, sentenceKey},
	}.forS3("InvalidAccessKeyId", http.StatusForbidden, "The AWS Access Key Id you provided does not exist in our records."),
	InvalidToken: row{
		query: answer{"InvalidClientTokenId", http.StatusForbidden, sentenceKey},
		json:  answer{"UnrecognizedClientException", http.StatusBadRequest, sentenceKey},
	}.forS3("InvalidToken", http.StatusBadRequest, "The provided token is malformed or otherwise invalid."),
	ExpiredToken: row{
		query: answer{"ExpiredToken", http.StatusForbidden, sentenceExpired},
		json:  answer{"ExpiredTokenException", http.StatusBadRequest, sentenceExpired},
	}.forS3("ExpiredToken", http.StatusBadRequest, "The provided token has expired."),
	PayloadMissing:   mismatch.forS3("InvalidRequest", http.StatusBadRequest, "Missing required header for this request: x-amz-content-sha256"),
	PayloadInvalid:   mismatch.forS3("InvalidArgument", http.StatusBadRequest, "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD or a valid sha256 value."),
	PayloadMismatch:  mismatch.forS3("XAmzContentSHA256Mismatch", http.StatusBadRequest, "The provided 'x-amz-content-sha256' header does not match what was computed."),
	IncompleteBody:   badBody.forS3("IncompleteBody", http.StatusBadRequest, sentenceBody),
	MissingLength:    badBody.forS3("MissingContentLength", http.StatusLengthRequired, "You must provide the Content-Length HTTP header."),
	ChunkTooSmall:    badBody.forS3("InvalidChunkSizeError", http.StatusForbidden, "Only the last chunk is allowed to have a size less than 8192 bytes"),
	MalformedTrailer: badBody.forS3("MalformedTrailerError", http.StatusBadRequest, "The request contained trailing data that was not well-formed or did not conform to our published schema."),
	PolicyDocument:   badBody.forS3("InvalidPolicyDocument", http.StatusBadRequest, "Invalid Policy: "),
	PolicyDenied:     badBody.forS3("AccessDenied", http.StatusForbidden, "Invalid according to Policy: "),
	PolicyTooLarge:   badBody.forS3("EntityTooLarge", http.StatusBadRequest, "Your proposed upload exceeds the maximum allowed size"),
	PolicyTooSmall:   badBody.forS3("EntityTooSmall", http.StatusBadRequest, "Your proposed upload is smaller than the minimum allowed size"),
	BadField:         badBody.forS3("InvalidArgument", http.StatusBadRequest, ""),
}

// prefixed reports whether Detail is the end of the usual sentence rather than
// a sentence of its own.
func (r Reason) prefixed() bool {
	return r == MalformedHeader || r == WrongScopeHeader || r == PolicyDocument || r == PolicyDenied
}

// AWS puts the failure in the words of a protocol family.
func (f *Failure) AWS(kind Kind) *awserr.Error {
	w := rows[f.Reason]
	if kind == KindS3 {
		e := awserr.New(w.s3.code, w.s3.status, "%s", f.Detail)
		switch {
		case f.Reason.prefixed():
			e.Message = w.s3.message + f.Detail
		case f.Detail == "":
			e.Message = w.s3.message
		}
		e.Members = f.Members
		return e
	}
	ans := w.query
	switch kind {
	case KindEC2:
		ans = f.ec2(ans)
	case KindJSON, KindREST:
		ans = w.json
		if kind == KindREST && ans != badBody.json {
			ans.status = http.StatusForbidden
		}
	}
	if f.other != "" {
		ans.message = f.other
	}
	return awserr.New(ans.code, ans.status, "%s", ans.message)
}

// ec2 is where EC2 differs from the other query services.
func (f *Failure) ec2(ans answer) answer {
	switch f.Reason {
	case MissingAuth:
		return answer{"MissingParameter", http.StatusBadRequest, "The request must contain the parameter AWSAccessKeyId"}
	case UnknownKey, InvalidToken, SignatureMismatch, PayloadMismatch:
		return answer{"AuthFailure", http.StatusUnauthorized, "AWS was not able to validate the provided access credentials"}
	case ExpiredToken, Skewed, Expired:
		return answer{"RequestExpired", http.StatusBadRequest, "Request has expired."}
	}
	return ans
}

// quoted is a text from the client in a sentence for the client.
func quoted(s string) string {
	const most = 256
	if len(s) > most {
		s = s[:most]
	}
	return fmt.Sprintf("%q", s)
}
