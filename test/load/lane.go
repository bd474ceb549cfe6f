package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/sigv4"
	"github.com/gigawatt-cloud/gigawatt/server"
)

// lane is one client with one connection that is kept alive. It does as little
// as it can, since it shares the machine with what it measures.
type lane struct {
	id   int
	host string
	conn net.Conn
	r    *bufio.Reader
	body bytes.Buffer
	n    int // of its requests
}

func dial(ctx context.Context, endpoint string, id int) (*lane, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, err
	}
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return nil, err
	}
	return &lane{id: id, host: u.Host, conn: c, r: bufio.NewReaderSize(c, 64<<10)}, nil
}

// request is the bytes of a signed request, which may be sent many times.
type request struct{ head, body []byte }

// signer signs requests with the root's key.
type signer struct {
	cred     sigv4.Credentials
	region   string
	endpoint string
}

func newSigner(c *server.Credentials) *signer {
	return &signer{
		cred:   sigv4.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey},
		region: c.Region, endpoint: c.Endpoint,
	}
}

func hashOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// sign makes a request; hash is the body's SHA-256, so that a large body is
// hashed once for many requests.
func (s *signer) sign(service, method, path string, header map[string]string, body []byte, hash string) (*request, error) {
	r, err := http.NewRequest(method, s.endpoint+path, http.NoBody) //nolint:noctx // it is never sent by net/http
	if err != nil {
		return nil, err
	}
	for k, v := range header {
		r.Header.Set(k, v)
	}
	r.Header.Set("X-Amz-Content-Sha256", hash)
	sigv4.Sign(r, s.cred, service, s.region, time.Now(), hash)
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", method, path, r.URL.Host, len(body))
	if err := r.Header.Write(&b); err != nil {
		return nil, err
	}
	b.WriteString("\r\n")
	return &request{head: b.Bytes(), body: body}, nil
}

// sqs makes a request of SQS.
func (s *signer) sqs(operation string, body []byte) (*request, error) {
	h := map[string]string{"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AmazonSQS." + operation}
	return s.sign("sqs", http.MethodPost, "/", h, body, hashOf(body))
}

// do sends a request and reads the whole answer, whose body is valid until the
// next call; a status that is not a success is an error.
func (l *lane) do(q *request) ([]byte, error) {
	l.n++
	bufs := net.Buffers{q.head, q.body}
	if len(q.body) == 0 {
		bufs = bufs[:1]
	}
	if _, err := bufs.WriteTo(l.conn); err != nil {
		return nil, err
	}
	status, length, err := l.header()
	if err != nil {
		return nil, err
	}
	l.body.Reset()
	from := io.Reader(io.LimitReader(l.r, length))
	if length < 0 {
		from = httputil.NewChunkedReader(l.r)
	}
	if _, err := l.body.ReadFrom(from); err != nil {
		return nil, err
	}
	if length < 0 {
		if _, err := l.line(); err != nil { // what ends the trailer
			return nil, err
		}
	}
	if status >= 300 {
		return nil, fmt.Errorf("answered %d: %s", status, l.body.Bytes())
	}
	return l.body.Bytes(), nil
}

func (l *lane) line() ([]byte, error) {
	b, err := l.r.ReadSlice('\n')
	return bytes.TrimRight(b, "\r\n"), err
}

// header reads the status and the length of the body, -1 when it comes in chunks.
func (l *lane) header() (status int, length int64, err error) {
	first, err := l.line()
	if err != nil {
		return 0, 0, err
	}
	if f := bytes.Fields(first); len(f) < 2 {
		return 0, 0, fmt.Errorf("status line %q", first)
	} else if status, err = strconv.Atoi(string(f[1])); err != nil {
		return 0, 0, err
	}
	for {
		b, err := l.line()
		if err != nil || len(b) == 0 {
			return status, length, err
		}
		name, value, _ := bytes.Cut(b, []byte(":"))
		switch textproto.CanonicalMIMEHeaderKey(string(name)) {
		case "Content-Length":
			if length, err = strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64); err != nil {
				return 0, 0, err
			}
		case "Transfer-Encoding":
			length = -1
		}
	}
}

// rate is what a measurement gives.
type rate struct {
	perSecond float64
	p50, p99  time.Duration
	count     int
}

// drive has n clients do one thing over and over for a time.
func drive(ctx context.Context, endpoint string, n int, length time.Duration, do func(l *lane) error) (rate, error) {
	lanes := make([]*lane, n)
	for i := range lanes {
		l, err := dial(ctx, endpoint, i)
		if err != nil {
			return rate{}, err
		}
		defer l.conn.Close() //nolint:errcheck // it was only read and written
		lanes[i] = l
	}
	return together(ctx, lanes, length, do)
}

// together has all lanes do one thing over and over for a time.
func together[L any](ctx context.Context, lanes []L, length time.Duration, do func(l L) error) (rate, error) {
	var (
		wg    sync.WaitGroup
		times = make([][]time.Duration, len(lanes))
		errs  = make([]error, len(lanes))
		start = time.Now()
	)
	for i, l := range lanes {
		wg.Go(func() {
			last := time.Now()
			for last.Sub(start) < length && ctx.Err() == nil {
				if err := do(l); err != nil {
					if !errors.Is(err, errDone) {
						errs[i] = err
					}
					return
				}
				now := time.Now()
				times[i] = append(times[i], now.Sub(last))
				last = now
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	if err := errors.Join(errors.Join(errs...), ctx.Err()); err != nil {
		return rate{}, err
	}
	all := slices.Concat(times...)
	if len(all) == 0 {
		return rate{}, errors.New("nothing was done in the time given")
	}
	slices.Sort(all)
	return rate{
		perSecond: float64(len(all)) / took.Seconds(), count: len(all),
		p50: all[len(all)/2], p99: all[len(all)*99/100],
	}, nil
}

// errDone ends a lane that has nothing left to do.
var errDone = errors.New("done")

// median returns the rate in the middle.
func median(all []rate) rate {
	slices.SortFunc(all, func(a, b rate) int {
		switch {
		case a.perSecond < b.perSecond:
			return -1
		case a.perSecond > b.perSecond:
			return 1
		}
		return 0
	})
	return all[len(all)/2]
}

// alternate measures two things in turns, so that a change of the machine's
// load meets both, and returns the median of each.
func (b *bench) alternate(one, other func() (rate, error)) (x, y rate, err error) {
	var xs, ys []rate
	for range b.rounds {
		x, err := one()
		if err != nil {
			return x, x, err
		}
		y, err := other()
		if err != nil {
			return x, y, err
		}
		xs, ys = append(xs, x), append(ys, y)
	}
	return median(xs), median(ys), nil
}
