package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/sigv4"
)

const bucket = "load"

func randomBytes(n int) []byte {
	b := make([]byte, n)
	src := rand.NewChaCha8([32]byte{'g', 'i', 'g', 'a'})
	_, _ = src.Read(b) // never fails
	return b
}

// one sends a single request of S3.
func (b *bench) one(ctx context.Context, method, path string, body []byte) error {
	q, err := newSigner(&b.gw.Credentials).sign("s3", method, path, nil, body, hashOf(body))
	if err != nil {
		return err
	}
	l, err := dial(ctx, b.gw.Endpoint, 0)
	if err != nil {
		return err
	}
	defer l.conn.Close() //nolint:errcheck // it was only read and written
	_, err = l.do(q)
	return err
}

// bucket makes the bucket; the owner may make it again.
func (b *bench) bucket(ctx context.Context) error { return b.one(ctx, http.MethodPut, "/"+bucket, nil) }

// measureGet compares a GET with a file that net/http serves.
func measureGet(ctx context.Context, b *bench) error {
	if err := b.bucket(ctx); err != nil {
		return err
	}
	if err := b.one(ctx, http.MethodPut, "/"+bucket+"/object", randomBytes(objectSize)); err != nil {
		return err
	}
	s := newSigner(&b.gw.Credentials)
	gw, err := s.sign("s3", http.MethodGet, "/"+bucket+"/object", nil, nil, hashOf(nil))
	if err != nil {
		return err
	}
	s.endpoint = b.base.endpoint
	bare, err := s.sign("s3", http.MethodGet, "/object", nil, nil, hashOf(nil))
	if err != nil {
		return err
	}
	get := func(endpoint string, q *request) func() (rate, error) {
		return func() (rate, error) {
			return drive(ctx, endpoint, someLanes, b.length, func(l *lane) error {
				answer, err := l.do(q)
				if err == nil && len(answer) != objectSize {
					err = fmt.Errorf("got %d bytes", len(answer))
				}
				return err
			})
		}
	}
	base, got, err := b.alternate(get(b.base.endpoint, bare), get(b.gw.Endpoint, gw))
	if err != nil {
		return err
	}
	const name = "bare GET of 1 MB, 8 clients"
	b.report.rated(name, base)
	b.report.atLeast(b.report.rated("S3 GET of 1 MB, 8 clients", got), name, 0.6)
	return nil
}

// putter puts one body under one new key after another.
func putter(ctx context.Context, b *bench, s *signer, prefix string, lanes int, body []byte) func() (rate, error) {
	hash := hashOf(body)
	run := 0
	return func() (rate, error) {
		run++
		return drive(ctx, s.endpoint, lanes, b.length, func(l *lane) error {
			q, err := s.sign("s3", http.MethodPut, fmt.Sprintf("%s%d-%d-%d", prefix, run, l.id, l.n), nil, body, hash)
			if err != nil {
				return err
			}
			_, err = l.do(q)
			return err
		})
	}
}

// measurePut compares a PUT with hashing, writing and fsyncing.
func measurePut(ctx context.Context, b *bench) error {
	if err := b.bucket(ctx); err != nil {
		return err
	}
	body := randomBytes(objectSize)
	gw := newSigner(&b.gw.Credentials)
	bare := *gw
	bare.endpoint = b.base.endpoint
	base, put, err := b.alternate(
		putter(ctx, b, &bare, "/put-", someLanes, body),
		putter(ctx, b, gw, "/"+bucket+"/put-", someLanes, body),
	)
	if err != nil {
		return err
	}
	const name = "bare PUT of 1 MB, 8 clients"
	b.report.rated(name, base)
	b.report.atLeast(b.report.rated("S3 PUT of 1 MB, 8 clients", put), name, 0.6)
	return nil
}

// measureSmall compares small PUTs with what the store can put.
func measureSmall(ctx context.Context, b *bench) error {
	if err := b.bucket(ctx); err != nil {
		return err
	}
	put := putter(ctx, b, newSigner(&b.gw.Credentials), "/"+bucket+"/small-", manyLanes, randomBytes(4<<10))
	var all []rate
	for range b.rounds {
		x, err := put()
		if err != nil {
			return err
		}
		all = append(all, x)
	}
	b.report.atLeast(b.report.rated("S3 PUT of 4 KB, 64 clients", median(all)), kvPut, 0.25)
	return nil
}

// measureLarge puts and gets one large object and looks at the memory that the
// server took for it.
func measureLarge(ctx context.Context, b *bench) error {
	if err := b.bucket(ctx); err != nil {
		return err
	}
	before, _, err := b.gw.Memory()
	if err != nil {
		return err
	}
	block := randomBytes(objectSize)
	start := time.Now()
	body := io.LimitReader(&repeated{block: block}, b.large)
	if err := b.stream(ctx, http.MethodPut, body, b.large, io.Discard); err != nil {
		return err
	}
	put := time.Since(start)
	start = time.Now()
	check := &comparer{want: &repeated{block: block}}
	if err := b.stream(ctx, http.MethodGet, http.NoBody, 0, check); err != nil {
		return err
	}
	got := time.Since(start)
	if check.n != b.large {
		return fmt.Errorf("got %d bytes of %d", check.n, b.large)
	}
	_, peak, err := b.gw.Memory()
	if err != nil {
		return err
	}
	size := fmt.Sprintf("one object of %d MB", b.large/megabyte)
	mbs := func(d time.Duration) float64 { return float64(b.large) / megabyte / d.Seconds() }
	b.report.add(row{Name: "S3 PUT of " + size, Value: mbs(put), Unit: "MB/s"})
	b.report.add(row{Name: "S3 GET of " + size, Value: mbs(got), Unit: "MB/s"})
	b.report.below(b.report.add(row{Name: "memory that took", Value: float64(peak-before) / megabyte, Unit: "MB"}), 64)
	return nil
}

// stream sends a body that is not held in memory and is not hashed.
func (b *bench) stream(ctx context.Context, method string, body io.Reader, size int64, to io.Writer) error {
	r, err := http.NewRequestWithContext(ctx, method, b.gw.Endpoint+"/"+bucket+"/large", body)
	if err != nil {
		return err
	}
	r.ContentLength = size
	const unsigned = "UNSIGNED-PAYLOAD"
	r.Header.Set("X-Amz-Content-Sha256", unsigned)
	sigv4.Sign(r, newSigner(&b.gw.Credentials).cred, "s3", b.gw.Region, time.Now(), unsigned)
	rs, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer rs.Body.Close() //nolint:errcheck // it was only read
	if rs.StatusCode >= 300 {
		text, _ := io.ReadAll(io.LimitReader(rs.Body, 1<<10))
		return fmt.Errorf("%s answered %d: %s", method, rs.StatusCode, text)
	}
	_, err = io.CopyBuffer(to, rs.Body, make([]byte, 256<<10))
	return err
}

// repeated reads one block over and over.
type repeated struct {
	block []byte
	at    int
}

func (r *repeated) Read(p []byte) (int, error) {
	n := copy(p, r.block[r.at:])
	r.at = (r.at + n) % len(r.block)
	return n, nil
}

// comparer takes what should be the same as want.
type comparer struct {
	want *repeated
	n    int64
	buf  []byte
}

func (c *comparer) Write(p []byte) (int, error) {
	c.buf = append(c.buf[:0], p...)
	if _, err := io.ReadFull(c.want, c.buf); err != nil {
		return 0, err
	}
	if !bytes.Equal(c.buf, p) {
		return 0, fmt.Errorf("the bytes from %d on differ", c.n)
	}
	c.n += int64(len(p))
	return len(p), nil
}
