package sigv4

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// frame is one upload in chunks, to be changed and encoded.
type frame struct {
	kind     string // the value of x-amz-content-sha256
	chunks   []string
	trailers []string // "name:value"
	announce string
	decoded  string // X-Amz-Decoded-Content-Length; empty for the right one
}

// chunk is one encoded chunk.
type chunk struct{ head, data string }

func (c chunk) String() string { return c.head + "\r\n" + c.data }

// build signs the request and encodes its body as a client would. edit may
// change the encoded chunks; the last one holds the trailer.
func (f frame) build(tb testing.TB, edit func([]chunk) []chunk) (*http.Request, *Auth) {
	tb.Helper()
	r := httptest.NewRequest(http.MethodPut, "http://localhost/b/k", http.NoBody)
	size := len(strings.Join(f.chunks, ""))
	if f.decoded == "" {
		f.decoded = fmt.Sprint(size)
	}
	r.Header.Set("X-Amz-Decoded-Content-Length", f.decoded)
	r.Header.Set("Content-Encoding", "gzip,aws-chunked")
	if f.announce != "" {
		r.Header.Set("X-Amz-Trailer", f.announce)
	}
	r.ContentLength = -1
	Sign(r, testCred, "s3", "us-east-1", testNow, f.kind)
	a, err := Parse(r)
	if err != nil {
		tb.Fatal(err)
	}
	if err := a.Verify(r, testCred.SecretAccessKey, Verify{Service: "s3", S3: true, Now: testNow}); err != nil {
		tb.Fatal(err)
	}
	previous := a.Signature
	sign := func(label, middle string) string {
		out := sign(a.key, []byte(label+"\n"+a.amzDate+"\n"+a.Scope.String()+"\n"+previous+"\n"+middle))
		previous = string(out[:])
		return previous
	}
	sum := func(s string) string { h := sha256.Sum256([]byte(s)); return hex.EncodeToString(h[:]) }
	signed := strings.HasPrefix(f.kind, "STREAMING-AWS4")
	var out []chunk
	for _, data := range append(f.chunks[:len(f.chunks):len(f.chunks)], "") {
		head := fmt.Sprintf("%x", len(data))
		if signed {
			head += ";chunk-signature=" + sign("AWS4-HMAC-SHA256-PAYLOAD", EmptyHash+"\n"+sum(data))
		}
		if data != "" {
			data += "\r\n"
		}
		out = append(out, chunk{head, data})
	}
	last := &out[len(out)-1]
	for _, t := range f.trailers {
		last.data += t + "\r\n"
	}
	if f.kind == signedTrailer {
		last.data += "x-amz-trailer-signature:" + sign("AWS4-HMAC-SHA256-TRAILER", sum(strings.Join(f.trailers, "\n")+"\n")) + "\r\n"
	}
	last.data += "\r\n"
	if edit != nil {
		out = edit(out)
	}
	var b strings.Builder
	for _, c := range out {
		b.WriteString(c.String())
	}
	r.Body = io.NopCloser(strings.NewReader(b.String()))
	return r, a
}

func big(c string) string { return strings.Repeat(c, 10000) }

func kinds() map[string]frame {
	data := []string{big("a"), big("b"), big("c"), "end"}
	trailer := []string{"x-amz-checksum-crc32:AAAAAA=="}
	return map[string]frame{
		"signed":           {kind: signedChunks, chunks: data},
		"signed trailer":   {kind: signedTrailer, chunks: data, trailers: trailer, announce: "x-amz-checksum-crc32"},
		"unsigned trailer": {kind: unsignedTrailer, chunks: data, trailers: trailer, announce: "X-Amz-Checksum-Crc32"},
		"plain":            {kind: UnsignedPayload, chunks: data},
	}
}

func TestChunked(t *testing.T) {
	for name, f := range kinds() {
		for _, chunks := range [][]string{f.chunks, {"small"}, {}} {
			f.chunks = chunks
			want := strings.Join(chunks, "")
			r, a := f.build(t, nil)
			raw, err := io.ReadAll(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			for way, src := range map[string]io.Reader{
				"whole": bytes.NewReader(raw), "byte by byte": iotest.OneByteReader(bytes.NewReader(raw)), "data with EOF": iotest.DataErrReader(bytes.NewReader(raw)),
			} {
				r.Body = io.NopCloser(src)
				b, err := NewBody(r, a, BodyOptions{})
				if err != nil {
					t.Fatal(err)
				}
				got, err := drain(b)
				if err != nil || got != want {
					t.Errorf("%s, %s: %d bytes, %v, want %d", name, way, len(got), err, len(want))
				}
				if b.Length() != int64(len(want)) {
					t.Errorf("%s: Length = %d, want %d", name, b.Length(), len(want))
				}
				wantTrailer := http.Header(nil)
				if f.trailers != nil {
					wantTrailer = http.Header{"X-Amz-Checksum-Crc32": {"AAAAAA=="}}
				}
				if diff := cmp.Diff(wantTrailer, b.Trailer()); diff != "" {
					t.Errorf("%s: trailer (-want +got):\n%s", name, diff)
				}
			}
			// A reader that stops at the last byte has the checks done too.
			if want != "" {
				r.Body = io.NopCloser(bytes.NewReader(raw))
				b, _ := NewBody(r, a, BodyOptions{})
				if _, err := io.ReadFull(b, make([]byte, len(want))); err != nil || (f.trailers != nil && b.Trailer() == nil) {
					t.Errorf("%s: ReadFull: %v, trailer %v", name, err, b.Trailer())
				}
			}
		}
	}
}

func TestChunkedTwins(t *testing.T) {
	last := func(c []chunk) *chunk { return &c[len(c)-1] }
	all := "signed, signed trailer, unsigned trailer, plain"
	tests := []struct {
		name, kinds, want string
		edit              func([]chunk) []chunk
	}{
		{"replayed chunk", "signed, signed trailer", "SignatureDoesNotMatch", func(c []chunk) []chunk { c[1] = c[0]; return c }},
		{"swapped chunks", "signed, signed trailer", "SignatureDoesNotMatch", func(c []chunk) []chunk { c[0], c[1] = c[1], c[0]; return c }},
		{"left out chunk", "signed, signed trailer", "SignatureDoesNotMatch", func(c []chunk) []chunk { return append(c[:1], c[2:]...) }},
		{"repeated chunk", all, "", func(c []chunk) []chunk { return append([]chunk{c[0]}, c...) }},
		{"changed data", "signed, signed trailer", "SignatureDoesNotMatch", func(c []chunk) []chunk { c[1].data = strings.Replace(c[1].data, "b", "x", 1); return c }},
		{"changed last chunk", "signed, signed trailer", "SignatureDoesNotMatch", func(c []chunk) []chunk { c[3].data = "enD\r\n"; return c }},
		{"changed end", "signed, signed trailer", "SignatureDoesNotMatch", func(c []chunk) []chunk { last(c).head = "0;chunk-signature=" + strings.Repeat("0", 64); return c }},
		{"changed trailer", "signed trailer", "SignatureDoesNotMatch", func(c []chunk) []chunk { last(c).data = strings.Replace(last(c).data, "AAAA", "BBBB", 1); return c }},
		{"changed trailer signature", "signed trailer", "SignatureDoesNotMatch", func(c []chunk) []chunk {
			last(c).data = "x-amz-checksum-crc32:AAAAAA==\r\nx-amz-trailer-signature:" + strings.Repeat("0", 64) + "\r\n\r\n"
			return c
		}},
		{"no trailer signature", "signed trailer", "MalformedTrailerError", func(c []chunk) []chunk { last(c).data = "x-amz-checksum-crc32:AAAAAA==\r\n\r\n"; return c }},
		{"no trailer", "signed trailer, unsigned trailer", "MalformedTrailerError", func(c []chunk) []chunk { last(c).data = "\r\n"; return c }},
		{"other trailer", "signed trailer, unsigned trailer", "MalformedTrailerError", func(c []chunk) []chunk {
			last(c).data = strings.Replace(last(c).data, "crc32", "sha1", 1)
			return c
		}},
		{"trailer twice", "unsigned trailer", "MalformedTrailerError", func(c []chunk) []chunk {
			last(c).data = "x-amz-checksum-crc32:AAAAAA==\r\n" + last(c).data
			return c
		}},
		{"no colon", "unsigned trailer", "MalformedTrailerError", func(c []chunk) []chunk { last(c).data = "x-amz-checksum-crc32\r\n\r\n"; return c }},
		{"unannounced trailer", "signed, plain", "MalformedTrailerError", func(c []chunk) []chunk { last(c).data = "x-amz-checksum-crc32:AAAAAA==\r\n\r\n"; return c }},
		{"huge trailer", "unsigned trailer", "IncompleteBody", func(c []chunk) []chunk { last(c).data = "x-amz-checksum-crc32:" + big("A") + "\r\n\r\n"; return c }},
		{"no final line", all, "IncompleteBody", func(c []chunk) []chunk { last(c).data = strings.TrimSuffix(last(c).data, "\r\n"); return c }},
		{"no final chunk", all, "IncompleteBody", func(c []chunk) []chunk { return c[:len(c)-1] }},
		{"cut in the data", all, "IncompleteBody", func(c []chunk) []chunk { c[1].data = c[1].data[:5000]; return c[:2] }},
		{"cut after a header", all, "IncompleteBody", func(c []chunk) []chunk { return append(c[:1], chunk{c[1].head, ""}) }},
		{"nothing at all", all, "IncompleteBody", func([]chunk) []chunk { return nil }},
		{"more after the end", all, "IncompleteBody", func(c []chunk) []chunk { last(c).data += "more"; return c }},
		{"one chunk more", "unsigned trailer, plain", "IncompleteBody", func(c []chunk) []chunk { c[3] = chunk{"2710", big("x") + "\r\n"}; return c }},
		{"ends early", "unsigned trailer, plain", "IncompleteBody", func(c []chunk) []chunk { return append(c[:3], c[4]) }},
		{"size too long", all, "IncompleteBody", func(c []chunk) []chunk { c[0].head = "0000000000002710"; return c }},
		{"size not hex", all, "IncompleteBody", func(c []chunk) []chunk { c[0].head = "27x0"; return c }},
		{"negative size", all, "IncompleteBody", func(c []chunk) []chunk { c[0].head = "-1"; return c }},
		{"no size", all, "IncompleteBody", func(c []chunk) []chunk { c[0].head = ""; return c }},
		{"endless header", all, "IncompleteBody", func(c []chunk) []chunk { c[0].head += ";" + big("x"); return c }},
		{"long header", all, "IncompleteBody", func(c []chunk) []chunk { c[0].head += ";" + strings.Repeat("x", 300); return c }},
		{"no chunk signature", "signed, signed trailer", "IncompleteBody", func(c []chunk) []chunk { c[0].head = "2710"; return c }},
		{"other extension", "signed, signed trailer", "IncompleteBody", func(c []chunk) []chunk { c[0].head = "2710;x=" + strings.Repeat("0", 64); return c }},
		{"short chunk signature", "signed, signed trailer", "IncompleteBody", func(c []chunk) []chunk { c[0].head = c[0].head[:50]; return c }},
		{"signature where none is due", "unsigned trailer, plain", "IncompleteBody", func(c []chunk) []chunk {
			c[0].head += ";chunk-signature=" + strings.Repeat("0", 64)
			return c
		}},
		{"bad line end", all, "IncompleteBody", func(c []chunk) []chunk { c[0].data = big("a") + "\n\r"; return c }},
	}
	for _, tt := range tests {
		for name, f := range kinds() {
			if !strings.Contains(", "+tt.kinds+",", ", "+name+",") {
				continue
			}
			r, a := f.build(t, tt.edit)
			b, err := NewBody(r, a, BodyOptions{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := drain(b)
			if err == nil {
				t.Errorf("%s, %s: %d bytes were accepted", name, tt.name, len(got))
				continue
			}
			if code := as(KindS3, err); code != tt.want && tt.want != "" {
				t.Errorf("%s, %s: %s, want %s", name, tt.name, code, tt.want)
			}
			if _, again := b.Read(make([]byte, 1)); again != err {
				t.Errorf("%s, %s: the next Read says %v", name, tt.name, again)
			}
		}
	}
}

func TestSmallChunks(t *testing.T) {
	for name, f := range kinds() {
		f.chunks = []string{big("a"), "small", "end"}
		r, a := f.build(t, nil)
		b, err := NewBody(r, a, BodyOptions{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = drain(b)
		var fail *Failure
		if !errors.As(err, &fail) || fail.Reason != ChunkTooSmall || fail.Members["BadChunkSize"] != int64(5) || fail.Members["Chunk"] != 3 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDecodedLength(t *testing.T) {
	for decoded, want := range map[string]string{"30002": "IncompleteBody", "30004": "IncompleteBody", "0": "IncompleteBody", "x": "InvalidArgument", "-1": "InvalidArgument", "99999999999999999999": "InvalidArgument"} {
		for name, f := range kinds() {
			f.decoded = decoded
			r, a := f.build(t, nil)
			b, err := NewBody(r, a, BodyOptions{})
			if err == nil {
				_, err = drain(b)
			}
			if err == nil || as(KindS3, err) != want {
				t.Errorf("%s with length %s: %v, want %s", name, decoded, err, want)
			}
		}
	}
	f := kinds()["signed"]
	r, a := f.build(t, nil)
	r.Header.Del("X-Amz-Decoded-Content-Length")
	if _, err := NewBody(r, a, BodyOptions{}); err == nil || as(KindS3, err) != "MissingContentLength" {
		t.Errorf("without a length: %v", err)
	}
}

// TestUnverifiedChunks covers anonymous uploads and servers that take any key.
func TestUnverifiedChunks(t *testing.T) {
	f := kinds()["signed trailer"]
	r, a := f.build(t, func(c []chunk) []chunk {
		c[0].head = "2710;chunk-signature=" + strings.Repeat("0", 64)
		return c
	})
	a.key = nil // as if Verify had not been called
	if _, err := NewBody(r, a, BodyOptions{}); err == nil {
		t.Error("signed chunks without a verified signature were accepted")
	}
	b, err := NewBody(r, a, BodyOptions{Unverified: true})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := drain(b); err != nil || got != strings.Join(f.chunks, "") || b.Trailer() == nil {
		t.Errorf("%d bytes, %v, trailer %v", len(got), err, b.Trailer())
	}
	f = kinds()["unsigned trailer"]
	r, _ = f.build(t, nil)
	r.Header.Del("Authorization")
	if a, err = Parse(r); err != nil || a.Form != Anonymous {
		t.Fatal(a, err)
	}
	if b, err = NewBody(r, a, BodyOptions{}); err != nil {
		t.Fatal(err)
	}
	if got, err := drain(b); err != nil || got != strings.Join(f.chunks, "") {
		t.Errorf("anonymous: %d bytes, %v", len(got), err)
	}
}

func TestPlainBody(t *testing.T) {
	const hash = "230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5" // of "body"
	tests := []struct {
		name, payload, body string
		length              int64
		want                string
	}{
		{"right", hash, "body", 4, ""},
		{"right, length unknown", hash, "body", -1, ""},
		{"changed", hash, "bodY", 4, "XAmzContentSHA256Mismatch"},
		{"changed, length unknown", hash, "bodY", -1, "XAmzContentSHA256Mismatch"},
		{"empty", EmptyHash, "", 0, ""},
		{"added to empty", EmptyHash, "x", -1, "XAmzContentSHA256Mismatch"},
		{"cut", hash, "bod", 4, "IncompleteBody"},
		{"longer", hash, "body!", 4, "IncompleteBody"},
		{"unsigned", UnsignedPayload, "anything", 8, ""},
		{"unsigned, cut", UnsignedPayload, "anythin", 8, "IncompleteBody"},
	}
	for _, tt := range tests {
		for _, exact := range []bool{false, true} {
			r := httptest.NewRequest(http.MethodPut, "http://localhost/b/k", nil)
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(tt.body)), tt.length
			b, err := NewBody(r, &Auth{Payload: parsePayload(tt.payload)}, BodyOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if exact && tt.length > 0 {
				// The last byte must not come out of a body that is wrong.
				_, err = io.ReadFull(b, make([]byte, tt.length))
			} else {
				_, err = drain(b)
			}
			code := ""
			if err != nil {
				code = as(KindS3, err)
			}
			if code != tt.want {
				t.Errorf("%s (exact %v): %q, want %q", tt.name, exact, code, tt.want)
			}
		}
	}
}

func TestConnectionErrors(t *testing.T) {
	lost := errors.New("connection lost")
	for name, f := range kinds() {
		r, a := f.build(t, nil)
		r.Body = io.NopCloser(io.MultiReader(io.LimitReader(r.Body, 15000), iotest.ErrReader(lost)))
		b, err := NewBody(r, a, BodyOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := drain(b); !errors.Is(err, lost) {
			t.Errorf("%s: %v, want the connection's error", name, err)
		}
	}
}

func TestStripChunked(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "aws-chunked": "", "gzip": "gzip", "gzip,aws-chunked": "gzip", "AWS-Chunked, gzip , br": "gzip,br", "gzip,br": "gzip,br", "deflate, gzip": "deflate, gzip",
	} {
		if got := StripChunked(in); got != want {
			t.Errorf("StripChunked(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzChunked(f *testing.F) {
	for _, k := range kinds() {
		k.chunks = []string{"small"}
		r, _ := k.build(f, nil)
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(k.kind, "5", k.announce, raw)
	}
	f.Add(unsignedTrailer, "5", "x-amz-checksum-crc32", []byte("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"))
	f.Add(UnsignedPayload, "0", "", []byte("0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, kind, decoded, announce string, raw []byte) {
		r := httptest.NewRequest(http.MethodPut, "http://localhost/b/k", nil)
		r.ContentLength = -1
		r.Header["Content-Encoding"] = []string{"aws-chunked"}
		r.Header["X-Amz-Decoded-Content-Length"] = []string{decoded}
		r.Header["X-Amz-Trailer"] = []string{announce}
		a := &Auth{Payload: parsePayload(kind)}
		read := func(src io.Reader) (string, http.Header, error) {
			r.Body = io.NopCloser(src)
			b, err := NewBody(r, a, BodyOptions{Unverified: true})
			if err != nil {
				return "", nil, err
			}
			got, err := drain(b)
			if err == nil && b.Length() >= 0 && b.Length() != int64(len(got)) {
				t.Fatalf("%d bytes, Length says %d", len(got), b.Length())
			}
			return got, b.Trailer(), err
		}
		got, trailer, err := read(bytes.NewReader(raw))
		slow, slowTrailer, slowErr := read(iotest.OneByteReader(bytes.NewReader(raw)))
		if (err == nil) != (slowErr == nil) || err == nil && (got != slow || !cmp.Equal(trailer, slowTrailer)) {
			t.Fatalf("whole: %q, %v, %v; byte by byte: %q, %v, %v", got, trailer, err, slow, slowTrailer, slowErr)
		}
	})
}

func BenchmarkBody(b *testing.B) {
	chunks := make([]string, 16)
	for i := range chunks {
		chunks[i] = strings.Repeat("a", 64<<10)
	}
	for name, f := range kinds() {
		f.chunks = chunks
		r, a := f.build(b, nil)
		raw, _ := io.ReadAll(r.Body)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				r.Body = io.NopCloser(bytes.NewReader(raw))
				body, err := NewBody(r, a, BodyOptions{})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
