package server

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/sigv4"
)

// running is a server with a socket.
type running struct {
	*Server
	// stop asks it to stop and waits until it has.
	stop func() error
}

func run(t *testing.T, cfg Config) *running {
	t.Helper()
	cfg.Listen, cfg.InMemory = "127.0.0.1:0", cfg.Dir == ""
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	s, err := Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(ctx); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop := sync.OnceValue(func() error {
		cancel()
		return errors.Join(<-done, s.Close())
	})
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return &running{s, stop}
}

func (s *running) get(t *testing.T, tr *http.Transport, header http.Header) *http.Response {
	t.Helper()
	defer tr.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.root.Endpoint+"/_gigawatt/health", nil)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		r.Header[k] = v
	}
	rs, err := tr.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, rs.Body); err != nil {
		t.Error(err)
	}
	_ = rs.Body.Close()
	return rs
}

func TestProtocols(t *testing.T) {
	s := run(t, Config{})
	if rs := s.get(t, &http.Transport{}, nil); rs.StatusCode != http.StatusOK || rs.ProtoMajor != 1 {
		t.Errorf("HTTP/1.1: %d %s", rs.StatusCode, rs.Proto)
	}
	var h2c http.Protocols
	h2c.SetUnencryptedHTTP2(true)
	if rs := s.get(t, &http.Transport{Protocols: &h2c}, nil); rs.StatusCode != http.StatusOK || rs.ProtoMajor != 2 {
		t.Errorf("h2c: %d %s", rs.StatusCode, rs.Proto)
	}
}

// TestSelfSigned trusts the certificate that the server leaves in its
// directory, which a later start uses again.
func TestSelfSigned(t *testing.T) {
	dir := t.TempDir()
	var first []byte
	for range 2 {
		s := run(t, Config{Dir: dir, TLS: "self-signed"})
		pem, err := os.ReadFile(s.root.CertFile)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = pem
		}
		if !bytes.Equal(pem, first) {
			t.Error("the second start made a new certificate")
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		for _, name := range []string{"", "localhost", "bucket.s3.localhost.localstack.cloud", "sqs.localhost.gigawatt.cloud"} {
			tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: name}, ForceAttemptHTTP2: true}
			if rs := s.get(t, tr, nil); rs.StatusCode != http.StatusOK || rs.ProtoMajor != 2 {
				t.Errorf("%q: %d %s", name, rs.StatusCode, rs.Proto)
			}
		}
		if info, err := os.Stat(filepath.Join(dir, "tls.key")); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the key's file: %v %v", info, err)
		}
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLargeHeader(t *testing.T) {
	s := run(t, Config{})
	rs := s.get(t, &http.Transport{}, http.Header{"X-Large": {strings.Repeat("x", 2*maxHeaderBytes)}})
	if rs.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("%d", rs.StatusCode)
	}
}

// dial opens a connection and sends the beginning of something.
func (s *running) dial(t *testing.T, text string) net.Conn {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.root.Endpoint, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestSlowHeader shows that clients that say nothing more hold nobody up.
func TestSlowHeader(t *testing.T) {
	s := run(t, Config{})
	for range 50 {
		s.dial(t, "GET / HTTP/1.1\r\nHost: loc")
	}
	if rs := s.get(t, &http.Transport{}, nil); rs.StatusCode != http.StatusOK {
		t.Errorf("%d", rs.StatusCode)
	}
}

// TestSlowBody gives up on a body that stands still, and serves the connection
// of one that does not for as long as it lasts.
func TestSlowBody(t *testing.T) {
	s := newTestServer(t, Config{Open: true})
	ts := httptest.NewServer(patient(s.handler, 50*time.Millisecond))
	defer ts.Close()
	send := func(body io.Reader) (*http.Response, error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, ts.URL, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return ts.Client().Do(r)
	}
	still, w := io.Pipe()
	defer w.Close()
	rs, err := send(still)
	if err == nil { // the client may see the closed connection first
		b, _ := io.ReadAll(rs.Body)
		_ = rs.Body.Close()
		if rs.StatusCode != http.StatusBadRequest || !strings.Contains(string(b), "RequestTimeout") {
			t.Errorf("%d %s", rs.StatusCode, b)
		}
	}
	for range 2 {
		rs, err = send(strings.NewReader("Action=GetCallerIdentity&Version=2011-06-15"))
		if err != nil || rs.StatusCode != http.StatusOK {
			t.Fatalf("%v %v", rs, err)
		}
		_ = rs.Body.Close()
	}
}

// TestGracefulStop stops the server while a request is half sent: it is still
// answered, and nobody else is let in.
func TestGracefulStop(t *testing.T) {
	s := run(t, Config{})
	const body = "Action=GetCallerIdentity&Version=2011-06-15"
	r := httptest.NewRequest(http.MethodPost, s.root.Endpoint+"/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Amz-Content-Sha256", sigv4.UnsignedPayload)
	sigv4.Sign(r, sigv4.Credentials{AccessKeyID: s.root.AccessKeyID, SecretAccessKey: s.root.SecretAccessKey}, "sts", DefaultRegion, time.Now(), sigv4.UnsignedPayload)
	var head bytes.Buffer
	fmt.Fprintf(&head, "POST / HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n", r.Host, len(body))
	if err := r.Header.Write(&head); err != nil {
		t.Fatal(err)
	}
	c := s.dial(t, head.String()+"\r\n")
	in := bufio.NewReader(c)
	if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") { // it is being worked on
		t.Fatalf("%q %v", line, err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- s.stop() }()
	for {
		probe, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.listener.Addr().String())
		if err != nil {
			break // the socket is closed: the server is stopping
		}
		_ = probe.Close()
	}
	if _, err := io.WriteString(c, body); err != nil {
		t.Fatal(err)
	}
	if _, err := in.ReadString('\n'); err != nil { // the empty line after 100 Continue
		t.Fatal(err)
	}
	rs, err := http.ReadResponse(in, r)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(rs.Body)
	if err != nil || rs.StatusCode != http.StatusOK || !strings.Contains(string(answer), "GetCallerIdentityResult") {
		t.Errorf("%d %s %v", rs.StatusCode, answer, err)
	}
	_ = rs.Body.Close()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// pair is a connection of a listener with its other end.
func pair(t *testing.T, l net.Listener) (ours, theirs net.Conn) {
	t.Helper()
	theirs, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if ours, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}

func testListener(t *testing.T, limit int) net.Listener {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return newListener(l, limit)
}

// TestConnections shows that one connection too many waits for one to close.
func TestConnections(t *testing.T) {
	l := testListener(t, 1)
	ours, theirs := pair(t, l)
	defer theirs.Close()
	accepted := make(chan net.Conn)
	go func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	}()
	second, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	select {
	case <-accepted:
		t.Fatal("one too many is accepted")
	default:
	}
	for range 2 { // the second time counts for nothing
		_ = ours.Close()
	}
	c := <-accepted
	go func() {
		_, err := l.Accept()
		accepted <- nil
		if err == nil {
			t.Error("a closed listener accepts")
		}
	}()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	<-accepted
	_ = c.Close()
}

// TestReadFrom sends a file in pieces.
func TestReadFrom(t *testing.T) {
	data := make([]byte, 3*writePiece+12345)
	for i := range data {
		data[i] = byte(i * 7 >> 3)
	}
	name := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, limit := range []int64{0, 1, writePiece, writePiece + 1, int64(len(data)), int64(len(data)) + 5, -1} {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		var src io.Reader = f
		want := data
		if limit >= 0 {
			src, want = io.LimitReader(f, limit), data[:min(limit, int64(len(data)))]
		}
		l := testListener(t, 1)
		ours, theirs := pair(t, l)
		sent := make(chan error, 1)
		go func() {
			n, err := ours.(io.ReaderFrom).ReadFrom(src)
			if n != int64(len(want)) {
				t.Errorf("limit %d: %d bytes are sent", limit, n)
			}
			sent <- errors.Join(err, ours.(*conn).CloseWrite())
		}()
		got, err := io.ReadAll(theirs)
		if err = errors.Join(err, <-sent); err != nil || !bytes.Equal(got, want) {
			t.Errorf("limit %d: %d bytes arrive, %v", limit, len(got), err)
		}
		_, _, _, _ = ours.Close(), theirs.Close(), l.Close(), f.Close()
	}
}
