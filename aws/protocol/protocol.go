// Package protocol is what the wire protocols of AWS have in common: the form
// of a request and a response, and the codec that turns them into values and
// back. Each protocol has a package of its own below this one; the gateway
// chooses among them.
//
// Codecs walk a schema of package smithy and read and set values by its rules,
// typed or generic. They do no I/O but on the streams that they are given.
package protocol

import (
	"fmt"
	"io"
	"net/http"

	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// Request is what a codec sees of an HTTP request.
type Request struct {
	Method string
	// Labels are the raw (still escaped) URI labels that the router matched, by
	// label name without a greedy label's plus sign.
	Labels map[string]string
	// RawQuery is the query string as sent.
	RawQuery string
	Header   http.Header
	// Body is the request's payload, already freed of its transfer coding. It
	// is limited by the gateway: see Limits.
	Body io.Reader
	// ContentLength is the payload's length, -1 when unknown.
	ContentLength int64
	// MaxBody bounds how much of a body that is not streamed is read, in bytes.
	MaxBody int64
}

// Response is what a codec makes.
type Response struct {
	Status int
	Header http.Header
	// Body is the whole payload when Stream is nil.
	Body []byte
	// Stream is a payload that is copied as it is; the gateway closes it when it
	// is an io.Closer. ContentLength is its length, -1 when unknown.
	Stream        io.Reader
	ContentLength int64
	// Events writes an event stream to w, calling flush after each event; nil
	// when the response has none. An error that it returns was sent to the
	// client as an exception event where the protocol has one.
	Events func(w io.Writer, flush func()) error
}

// Codec is one wire protocol, seen from the server.
type Codec interface {
	// Decode fills in, a pointer to the input's struct or to an any for the
	// generic form. Members that are missing though required are recorded in
	// problems; anything that cannot be parsed is a *[SerializationError].
	// Streaming members refer to rq.Body, which the handler reads.
	Decode(op *smithy.Operation, rq *Request, in any, problems *smithy.Problems) error
	// Encode makes the response of a call that succeeded; out is a pointer to
	// the output's struct, a map[string]any, or nil.
	Encode(op *smithy.Operation, out any, requestID string) (*Response, error)
	// EncodeError makes the response of a call that failed. op is nil when the
	// operation is not known; sv is nil when not even the service is.
	EncodeError(sv *smithy.Meta, op *smithy.Operation, e *awserr.Error, requestID string) *Response
}

// SerializationError says why a request cannot be parsed.
type SerializationError struct {
	// Code is the protocol's error code, "" for its default
	// ("SerializationException" or "MalformedInput" or "MalformedXML").
	Code    string
	Message string
	// Location is where in the message the fault is.
	Location smithy.Location
}

// Error implements error.
func (e *SerializationError) Error() string { return e.Message }

// Malformed makes a SerializationError with the default code.
func Malformed(format string, args ...any) error {
	return &SerializationError{Message: fmt.Sprintf(format, args...)}
}

// MaxDepth bounds how deeply a decoded value may be nested.
const MaxDepth = 128

// ErrTooLarge says that a body that must be held in memory exceeds MaxBody.
var ErrTooLarge = awserr.New("RequestEntityTooLarge", 413, "The request body is larger than the service accepts.")

// maxAnnounced is how much memory an announced length gets before it arrives.
const maxAnnounced = 1 << 20

// ReadBody reads the whole body, at most rq.MaxBody bytes of it.
func ReadBody(rq *Request) ([]byte, error) {
	if rq.Body == nil {
		return nil, nil
	}
	if rq.ContentLength > rq.MaxBody {
		return nil, ErrTooLarge
	}
	var buf []byte
	if rq.ContentLength > 0 {
		// The length is only what the client says: more is taken as more arrives.
		buf = make([]byte, 0, min(rq.ContentLength, maxAnnounced)+1)
	}
	b, err := appendAll(buf, io.LimitReader(rq.Body, rq.MaxBody+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > rq.MaxBody {
		return nil, ErrTooLarge
	}
	return b, nil
}

func appendAll(b []byte, r io.Reader) ([]byte, error) {
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return nil, err
		}
	}
}
