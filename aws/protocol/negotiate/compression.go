package negotiate

import (
	"compress/gzip"
	"io"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// Decompress undoes the compression that clients apply to the larger requests
// of an operation whose model allows it: the last entry of Content-Encoding is
// gzip. The entry is taken off, so that a member bound to the header gets what
// the caller meant; the body is decompressed as it is read. For any other
// operation the header belongs to the caller and rq stays as it is.
func Decompress(op *smithy.Operation, rq *protocol.Request) {
	if !op.Compressed {
		return
	}
	encodings := rq.Header.Get("Content-Encoding")
	before, last := "", encodings
	if i := strings.LastIndexByte(encodings, ','); i >= 0 {
		before, last = strings.TrimSpace(encodings[:i]), encodings[i+1:]
	}
	if !strings.EqualFold(strings.TrimSpace(last), "gzip") {
		return
	}
	if before == "" {
		rq.Header.Del("Content-Encoding")
	} else {
		rq.Header.Set("Content-Encoding", before)
	}
	rq.ContentLength = -1
	if rq.Body != nil {
		rq.Body = &gunzip{r: rq.Body}
	}
}

// gunzip starts to decompress at the first Read; a body of no bytes is empty.
type gunzip struct {
	r io.Reader
	z *gzip.Reader
}

func (g *gunzip) Read(b []byte) (int, error) {
	if g.z == nil {
		z, err := gzip.NewReader(g.r)
		if err != nil {
			return 0, gzipError(err)
		}
		g.z = z
	}
	n, err := g.z.Read(b)
	return n, gzipError(err)
}

func gzipError(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return protocol.Malformed("The request's body cannot be decompressed: %v", err)
}
