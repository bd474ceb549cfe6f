package sigv4

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// BodyOptions say how much of a body is checked.
type BodyOptions struct {
	// Unverified decodes signed chunks without checking their signatures, for a
	// server that takes any credentials. The hash of a plain body and all
	// lengths are still checked.
	Unverified bool
}

// Body is the body of a request with AWS's own framing taken off. A Read that
// returns the last byte, or io.EOF, does so only after every hash, signature
// and length was right; until then what was read may be forged, and must not
// take effect. Its errors are [*Failure] or those of the connection.
type Body struct {
	src     io.ReadCloser
	length  int64 // expected bytes, -1 when unknown
	read    int64
	err     error
	sum     hash.Hash // of the bytes on the wire, nil when they are not checked
	want    string
	chunks  *chunkReader // nil for a body without framing
	trailer http.Header
}

// NewBody returns the checked body of a request. a must have passed
// [Auth.Verify], or be Anonymous, or o.Unverified be set; otherwise signed
// chunks are refused.
func NewBody(r *http.Request, a *Auth, o BodyOptions) (*Body, error) {
	b := &Body{src: r.Body, length: r.ContentLength}
	if b.src == nil {
		b.src, b.length = http.NoBody, 0
	}
	if a.Payload.Kind == PayloadHash {
		b.sum, b.want = sha256.New(), a.Payload.Value
	}
	decoded := first(r.Header, "X-Amz-Decoded-Content-Length")
	switch {
	case a.Payload.Streaming():
		if decoded == "" {
			return nil, fail(MissingLength, "", "")
		}
	case decoded == "" || !hasCoding(r.Header["Content-Encoding"]):
		return b, nil
	}
	n, err := strconv.ParseUint(decoded, 10, 63)
	if err != nil {
		return nil, fail(PayloadInvalid, "X-Amz-Decoded-Content-Length must be a number of bytes", "").
			with("ArgumentName", "x-amz-decoded-content-length").with("ArgumentValue", decoded)
	}
	b.length = int64(n)
	var wire io.Reader = b.src
	if b.sum != nil {
		wire = io.TeeReader(wire, b.sum)
	}
	b.chunks = &chunkReader{br: bufio.NewReader(wire), left: -1}
	for v := range strings.SplitSeq(strings.Join(r.Header["X-Amz-Trailer"], ","), ",") {
		v = strings.ToLower(strings.TrimSpace(v))
		if v != "" && v != trailerSignature && !slices.Contains(b.chunks.announced, v) {
			b.chunks.announced = append(b.chunks.announced, v)
		}
	}
	if err := b.chunks.sign(a, o); err != nil {
		return nil, err
	}
	return b, nil
}

// hasCoding reports whether aws-chunked is among the content codings.
func hasCoding(values []string) bool {
	for _, v := range values {
		for c := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(c), "aws-chunked") {
				return true
			}
		}
	}
	return false
}

// StripChunked takes aws-chunked out of a Content-Encoding: it describes the
// transfer and is not stored with the object.
func StripChunked(encoding string) string {
	if !hasCoding([]string{encoding}) {
		return encoding
	}
	var keep []string
	for c := range strings.SplitSeq(encoding, ",") {
		if c = strings.TrimSpace(c); c != "" && !strings.EqualFold(c, "aws-chunked") {
			keep = append(keep, c)
		}
	}
	return strings.Join(keep, ",")
}

// Length is the number of bytes that Read will give, or -1 when the request
// does not tell.
func (b *Body) Length() int64 { return b.length }

// Trailer returns the trailing headers, by canonical name, once Read has
// returned io.EOF; nil when there were none.
func (b *Body) Trailer() http.Header { return b.trailer }

// Close closes the request's body.
func (b *Body) Close() error { return b.src.Close() }

// Read implements io.Reader.
func (b *Body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := b.next(p)
	b.read += int64(n)
	switch {
	case err == nil && b.length >= 0 && b.read >= b.length:
		// All is there: settle before the caller gets the last byte, since it
		// may not ask again.
		err = b.finish()
	case err == io.EOF:
		err = b.finish()
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = fail(IncompleteBody, "", "")
	}
	if err != nil {
		b.err = err
		if err != io.EOF {
			return 0, err
		}
	}
	return n, err
}

func (b *Body) next(p []byte) (int, error) {
	if b.chunks != nil {
		return b.chunks.read(p, b.length-b.read)
	}
	n, err := b.src.Read(p)
	if b.sum != nil {
		b.sum.Write(p[:n])
	}
	return n, err
}

// finish checks that the body ended where it had to and was what was signed;
// it returns io.EOF when so.
func (b *Body) finish() error {
	if b.chunks != nil {
		if err := b.chunks.finish(); err != nil {
			return err
		}
		b.trailer = b.chunks.trailer
	} else if b.length >= 0 && b.read == b.length {
		if err := drained(b.src); err != nil {
			return err
		}
	}
	if b.length >= 0 && b.read != b.length {
		return fail(IncompleteBody, "You did not provide the number of bytes specified by the Content-Length HTTP header", "")
	}
	if b.sum != nil {
		if got := hex.EncodeToString(b.sum.Sum(nil)); got != b.want {
			return fail(PayloadMismatch, "", "").
				with("ClientComputedContentSHA256", b.want).
				with("S3ComputedContentSHA256", got)
		}
	}
	return io.EOF
}

// drained checks that nothing more comes.
func drained(r io.Reader) error {
	var one [1]byte
	for range 100 {
		n, err := r.Read(one[:])
		switch {
		case n > 0:
			return fail(IncompleteBody, "The request body is longer than it was said to be", "")
		case err == io.EOF:
			return nil
		case errors.Is(err, io.ErrUnexpectedEOF):
			return fail(IncompleteBody, "", "")
		case err != nil:
			return err
		}
	}
	return io.ErrNoProgress
}
