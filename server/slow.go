package server

import (
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"sync"
	"time"
)

// What a client gets that is slow, or one of too many. A client that makes
// progress may take as long as it needs.
const (
	bodyTimeout    = 60 * time.Second  // without a byte of the request's body
	writeTimeout   = 120 * time.Second // without writePiece of the response being taken
	writePiece     = 1 << 20
	maxConnections = 16384 // further ones wait until one is closed
)

// patient gives up on requests whose body stands still for a time.
func patient(h http.Handler, limit time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.Body != http.NoBody {
			r.Body = &slowBody{ReadCloser: r.Body, rc: http.NewResponseController(w), limit: limit}
		}
		h.ServeHTTP(w, r)
	})
}

// slowBody moves the connection's deadline as the body is read.
type slowBody struct {
	io.ReadCloser
	rc    *http.ResponseController
	limit time.Duration
	until time.Time
}

// Read implements io.Reader. A connection that cannot have a deadline has none.
func (b *slowBody) Read(p []byte) (int, error) {
	if now := time.Now(); now.Add(b.limit / 2).After(b.until) {
		b.until = now.Add(b.limit)
		_ = b.rc.SetReadDeadline(b.until)
	}
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		_ = b.rc.SetReadDeadline(time.Time{}) // the server waits for the next request by its own deadline
	}
	return n, err
}

// listener bounds the number of connections, and the time that a write may take.
type listener struct {
	net.Listener
	slots  chan struct{}
	closed chan struct{}
	once   sync.Once
}

func newListener(l net.Listener, limit int) *listener {
	return &listener{Listener: l, slots: make(chan struct{}, limit), closed: make(chan struct{})}
}

// Accept waits for a free slot and then for a connection.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &conn{Conn: c, release: sync.OnceFunc(func() { <-l.slots })}, nil
}

// Close implements net.Listener.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// conn is a connection whose writes end in time.
type conn struct {
	net.Conn
	release func()
}

// Write implements io.Writer.
func (c *conn) Write(p []byte) (int, error) {
	if err := c.Conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// ReadFrom implements io.ReaderFrom, so that files still go by sendfile: piece
// by piece, each with a deadline of its own.
func (c *conn) ReadFrom(src io.Reader) (n int64, err error) {
	all, ok := src.(*io.LimitedReader)
	if !ok {
		all = &io.LimitedReader{R: src, N: math.MaxInt64}
	}
	for all.N > 0 {
		want := min(all.N, writePiece)
		if err := c.Conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return n, err
		}
		// Copy finds the connection's own ReadFrom, which knows a limited file.
		m, err := io.Copy(c.Conn, &io.LimitedReader{R: all.R, N: want})
		n += m
		all.N -= m
		if err != nil || m < want {
			return n, err
		}
	}
	return n, nil
}

// CloseWrite ends the sending side, as the HTTP server does before it closes a
// connection that still sends.
func (c *conn) CloseWrite() error {
	if h, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return nil
}

// Close implements net.Conn.
func (c *conn) Close() error {
	defer c.release()
	return c.Conn.Close()
}
