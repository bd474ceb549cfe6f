package sigv4

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
)

// Limits of the framing.
const (
	maxChunkLine   = 256      // bytes in the line before a chunk
	maxTrailerSize = 16 << 10 // bytes in all trailers
	minChunk       = 8 << 10  // bytes in every chunk but the last
	maxSizeDigits  = 15       // hex digits of a chunk's size, so that it fits in an int64

	chunkSignature   = "chunk-signature="
	trailerSignature = "x-amz-trailer-signature"
)

// chunkReader takes off the aws-chunked framing:
//
//	size-in-hex[;chunk-signature=…] CRLF data CRLF … 0[;chunk-signature=…] CRLF [name:value CRLF …] CRLF
type chunkReader struct {
	br        *bufio.Reader
	left      int64 // bytes left of the chunk; -1 before the first
	size      int64 // of the current chunk
	number    int
	ended     bool // the chunk of size 0 was read
	announced []string
	trailer   http.Header

	signed   bool
	trailers bool // trailers are allowed
	auth     *Auth
	mac      hash.Hash // nil: signatures are read and not checked
	sum      hash.Hash // of the current chunk
	previous [64]byte  // the signature before
	claimed  [64]byte  // that of the current chunk
}

// sign sets up what a's kind of payload asks for.
func (c *chunkReader) sign(a *Auth, o BodyOptions) error {
	kind := a.Payload.Kind
	c.trailers = kind != PayloadSignedChunks
	c.signed = kind == PayloadSignedChunks || kind == PayloadSignedTrailer
	if !c.signed || o.Unverified {
		return nil
	}
	if a.key == nil || len(a.Signature) != len(c.previous) {
		return fail(PayloadInvalid, "Requests without a verified signature cannot have signed chunks. Please use UNSIGNED-PAYLOAD or STREAMING-UNSIGNED-PAYLOAD-TRAILER.", "").
			with("ArgumentName", "x-amz-content-sha256").with("ArgumentValue", a.Payload.Value)
	}
	c.auth, c.mac, c.sum = a, hmac.New(sha256.New, a.key[:]), sha256.New()
	copy(c.previous[:], a.Signature)
	return nil
}

// read reads data of chunks, at most rest bytes in all. It returns io.EOF
// after the chunk of size 0.
func (c *chunkReader) read(p []byte, rest int64) (int, error) {
	if c.left <= 0 {
		if err := c.header(); err != nil {
			return 0, err
		}
		if c.ended {
			return 0, io.EOF
		}
		if c.size > rest {
			return 0, fail(IncompleteBody, "The chunks hold more than X-Amz-Decoded-Content-Length says", "")
		}
	}
	n, err := c.br.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	if c.sum != nil {
		c.sum.Write(p[:n])
	}
	if c.left == 0 {
		return n, c.endChunk()
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// finish reads on to the end of the body.
func (c *chunkReader) finish() error {
	if !c.ended {
		if c.left > 0 {
			return fail(IncompleteBody, "", "")
		}
		if err := c.header(); err != nil {
			return unexpected(err)
		}
		if !c.ended {
			return fail(IncompleteBody, "The chunks hold more than X-Amz-Decoded-Content-Length says", "")
		}
	}
	if err := c.readTrailer(); err != nil {
		return unexpected(err)
	}
	return drained(c.br)
}

// unexpected makes a failure of an end that came too early.
func unexpected(err error) error {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return fail(IncompleteBody, "", "")
	}
	return err
}

// line reads a line of at most most bytes, which ends in LF, and returns it
// with its end. It is good until the next read.
func (c *chunkReader) line(most int) ([]byte, error) {
	l, err := c.br.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) || len(l) > most {
		return nil, errFraming
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return l, err
}

var errFraming = fail(IncompleteBody, "The aws-chunked framing of the body cannot be read", "")

// header reads the line before a chunk.
func (c *chunkReader) header() error {
	l, err := c.line(maxChunkLine)
	if err != nil {
		return err
	}
	l, ok := bytes.CutSuffix(l, []byte("\r\n"))
	if !ok {
		return errFraming
	}
	digits, ext, hasExt := bytes.Cut(l, []byte(";"))
	size, err := parseSize(digits)
	if err != nil {
		return err
	}
	if hasExt != c.signed {
		return errFraming
	}
	if c.signed {
		sig, ok := bytes.CutPrefix(ext, []byte(chunkSignature))
		if !ok || len(sig) != len(c.claimed) {
			return errFraming
		}
		copy(c.claimed[:], sig)
	}
	if size > 0 && c.number > 0 && c.size < minChunk {
		return fail(ChunkTooSmall, "", "").with("Chunk", c.number+1).with("BadChunkSize", c.size)
	}
	c.number++
	c.size, c.left = size, size
	if size == 0 {
		c.ended = true
		return c.checkChunk()
	}
	return nil
}

func parseSize(digits []byte) (int64, error) {
	if len(digits) == 0 || len(digits) > maxSizeDigits {
		return 0, errFraming
	}
	var n int64
	for _, d := range digits {
		v := hexDigit(d)
		if v < 0 {
			return 0, errFraming
		}
		n = n<<4 | int64(v)
	}
	return n, nil
}

// endChunk reads the CRLF after a chunk and checks the chunk's signature.
func (c *chunkReader) endChunk() error {
	l, err := c.line(2)
	if err != nil {
		return err
	}
	if string(l) != "\r\n" {
		return errFraming
	}
	return c.checkChunk()
}

// checkChunk checks the signature of the chunk just read. It covers the one
// before, so that no chunk can be left out, repeated or moved.
func (c *chunkReader) checkChunk() error {
	if c.mac == nil {
		return nil
	}
	var sum [32]byte
	c.sum.Sum(sum[:0])
	c.sum.Reset()
	text := c.stringToSign(algorithmV4 + "-PAYLOAD")
	text = append(text, EmptyHash+"\n"...)
	return c.check(hex.AppendEncode(text, sum[:]))
}

// stringToSign begins the text that a chunk or a trailer is signed over.
func (c *chunkReader) stringToSign(kind string) []byte {
	text := make([]byte, 0, 384)
	text = append(append(text, kind...), '\n')
	text = append(append(text, c.auth.amzDate...), '\n')
	text = append(append(text, c.auth.Scope.String()...), '\n')
	return append(append(text, c.previous[:]...), '\n')
}

func (c *chunkReader) check(text []byte) error {
	var sum [32]byte
	c.mac.Reset()
	c.mac.Write(text)
	hex.Encode(c.previous[:], c.mac.Sum(sum[:0]))
	if subtle.ConstantTimeCompare(c.previous[:], c.claimed[:]) == 1 {
		return nil
	}
	f := c.auth.mismatchOf(string(text))
	return f.with("SignatureProvided", string(c.claimed[:]))
}

// readTrailer reads what follows the last chunk: trailing headers and an empty line.
func (c *chunkReader) readTrailer() error {
	var text []byte // what the trailer signature covers
	size, claimed := 0, false
	for {
		l, err := c.line(maxTrailerSize - size)
		if err != nil {
			return err
		}
		size += len(l)
		l = bytes.TrimRight(l, "\r\n")
		if len(l) == 0 {
			break
		}
		name, value, ok := strings.Cut(string(l), ":")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		switch {
		case !ok || !c.trailers || claimed:
			return fail(MalformedTrailer, "", "")
		case name == trailerSignature && c.signed && len(value) == len(c.claimed):
			claimed = true
			copy(c.claimed[:], value)
			continue
		case !slices.Contains(c.announced, name):
			return fail(MalformedTrailer, "", "")
		}
		if c.trailer == nil {
			c.trailer = make(http.Header)
		}
		key := textproto.CanonicalMIMEHeaderKey(name)
		if c.trailer[key] != nil {
			return fail(MalformedTrailer, "", "")
		}
		c.trailer[key] = []string{value}
		text = append(text, name+":"+value+"\n"...)
	}
	if len(c.trailer) != len(c.announced) {
		return fail(MalformedTrailer, "", "")
	}
	if claimed != (c.signed && c.trailers) {
		return fail(MalformedTrailer, "", "")
	}
	if !claimed || c.mac == nil {
		return nil
	}
	sum := sha256.Sum256(text)
	return c.check(hex.AppendEncode(c.stringToSign(algorithmV4+"-TRAILER"), sum[:]))
}
