package negotiate_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"net/http"
	"testing"

	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/negotiate"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

func zipped(s string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(s))
	_ = z.Close()
	return b.Bytes()
}

func TestDecompress(t *testing.T) {
	tests := []struct {
		name         string
		off          bool
		encoding     string
		body         []byte
		want         string
		wantEncoding string
		wantErr      bool
	}{
		{name: "gzip", encoding: "gzip", body: zipped("text"), want: "text"},
		{name: "gzip after another", encoding: "custom, GZIP", body: zipped("text"), want: "text", wantEncoding: "custom"},
		{name: "no encoding", body: []byte("text"), want: "text"},
		{name: "gzip first", encoding: "gzip, custom", body: []byte("text"), want: "text", wantEncoding: "gzip, custom"},
		{name: "another operation", off: true, encoding: "gzip", body: []byte("text"), want: "text", wantEncoding: "gzip"},
		{name: "no bytes", encoding: "gzip"},
		{name: "not gzip", encoding: "gzip", body: []byte("text"), wantErr: true},
		{name: "cut short", encoding: "gzip", body: zipped("text")[:15], wantErr: true},
		{name: "a bomb", encoding: "gzip", body: zipped(string(make([]byte, 1<<20))), wantErr: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rq := &protocol.Request{Header: http.Header{}, Body: bytes.NewReader(tt.body), ContentLength: int64(len(tt.body)), MaxBody: 1 << 16}
			if tt.encoding != "" {
				rq.Header.Set("Content-Encoding", tt.encoding)
			}
			negotiate.Decompress(&smithy.Operation{Compressed: !tt.off}, rq)
			b, err := protocol.ReadBody(rq)
			if (err != nil) != tt.wantErr || string(b) != tt.want && !tt.wantErr {
				t.Errorf("got %q, %v", b, err)
			}
			var s *protocol.SerializationError
			if err != nil && !errors.As(err, &s) && !errors.Is(err, protocol.ErrTooLarge) {
				t.Errorf("the error is a %T", err)
			}
			if got := rq.Header.Get("Content-Encoding"); got != tt.wantEncoding {
				t.Errorf("Content-Encoding is %q, want %q", got, tt.wantEncoding)
			}
		})
	}
}
