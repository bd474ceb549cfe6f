package fileblob

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/gigawatt-cloud/gigawatt/blob"
)

// spy is a destination as a TCP connection is one: it looks at what it is to read from.
type spy struct {
	bytes.Buffer
	files, calls int
}

func (s *spy) ReadFrom(r io.Reader) (int64, error) {
	s.calls++
	if l, ok := r.(*io.LimitedReader); ok {
		if _, ok := l.R.(*os.File); ok {
			s.files++
		}
	}
	return s.Buffer.ReadFrom(r)
}

// TestSendfileForm checks that the bytes come in the form that the net package
// sends by sendfile, and in one piece once they are verified.
func TestSendfileForm(t *testing.T) {
	s := openTemp(t, Options{})
	text := strings.Repeat("0123456789", 500_000)
	id := putString(t, s, text)
	for i, calls := range []int{5, 1} {
		r, err := blob.New(s).Open(t.Context(), id, 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		var out spy
		if _, err := io.Copy(&out, r); err != nil {
			t.Fatal(err)
		}
		r.Close()
		if out.String() != text {
			t.Error("other bytes arrived")
		}
		if out.calls != calls || out.files != calls {
			t.Errorf("read %d: %d pieces, %d of them files; want %d", i, out.calls, out.files, calls)
		}
	}
}

// TestHTTP serves a blob and a range of it through net/http.
func TestHTTP(t *testing.T) {
	s := openTemp(t, Options{})
	text := strings.Repeat("0123456789", 300_000)
	id := putString(t, s, text)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		offset, _ := strconv.ParseInt(q.FormValue("offset"), 10, 64)
		r, err := blob.New(s).Open(q.Context(), id, offset, -1)
		if err != nil {
			t.Error(err)
			return
		}
		defer r.Close()
		w.Header().Set("Content-Length", strconv.FormatInt(r.Size(), 10))
		if _, err := io.Copy(w, r); err != nil {
			t.Error(err)
		}
	}))
	defer srv.Close()
	for _, offset := range []int{0, 0, 5, blockSize, 2*blockSize + 77, len(text)} {
		resp, err := http.Get(srv.URL + "?offset=" + strconv.Itoa(offset))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || string(got) != text[offset:] {
			t.Errorf("from %d: %d bytes, %v", offset, len(got), err)
		}
	}
}
