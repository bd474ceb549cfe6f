// Package memblob keeps blobs in memory. It is the driver for tests and for
// clouds that are meant to forget; nothing survives the process.
//
// Start at [Open].
package memblob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/gigawatt-cloud/gigawatt/blob/driver"
	"github.com/gigawatt-cloud/gigawatt/internal/clock"
)

// Options are the settings of a store. The zero value is usable.
type Options struct {
	// Clock gives the time of commits; the system's when nil.
	Clock clock.Clock
	// Capacity is how many bytes fit in; zero means as many as memory holds.
	Capacity int64
}

type store struct {
	ids      *driver.IDs
	capacity int64

	mu    sync.Mutex
	blobs map[driver.ID]content
	order []driver.ID // sorted
	used  int64       // bytes of blobs and of writers that have not ended
}

// content is a blob in pieces of at most pieceSize bytes; all but the last are full.
type content struct {
	pieces [][]byte
	size   int64
}

const pieceSize = 64 << 10

// Open returns an empty store.
func Open(o Options) driver.Store {
	clk := o.Clock
	if clk == nil {
		clk = clock.System()
	}
	return &store{ids: driver.NewIDs(clk), capacity: o.Capacity, blobs: map[driver.ID]content{}}
}

// Create implements driver.Store.
func (s *store) Create(ctx context.Context) (driver.Writer, error) {
	return &writer{ctx: ctx, s: s}, ctx.Err()
}

// Open implements driver.Store.
func (s *store) Open(ctx context.Context, id driver.ID, offset, length int64) (driver.Reader, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c, err := s.get(id)
	if err != nil {
		return nil, err
	}
	n, err := driver.Clip(c.size, offset, length)
	if err != nil {
		return nil, err
	}
	return &reader{ctx: ctx, pieces: c.pieces, pos: offset, end: offset + n, size: n}, nil
}

// Stat implements driver.Store.
func (s *store) Stat(ctx context.Context, id driver.ID) (driver.Info, error) {
	if err := ctx.Err(); err != nil {
		return driver.Info{}, err
	}
	c, err := s.get(id)
	if err != nil {
		return driver.Info{}, err
	}
	return driver.Info{ID: id, Size: c.size, Created: id.Time()}, nil
}

func (s *store) get(id driver.ID) (content, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.blobs[id]
	if !ok {
		return content{}, driver.ErrNotFound
	}
	return c, nil
}

// Delete implements driver.Store.
func (s *store) Delete(ctx context.Context, id driver.ID) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.blobs[id]
	if !ok {
		return nil
	}
	delete(s.blobs, id)
	s.used -= c.size
	if at, found := slices.BinarySearch(s.order, id); found {
		s.order = slices.Delete(s.order, at, at+1)
	}
	return nil
}

// List implements driver.Store.
func (s *store) List(ctx context.Context, createdBefore time.Time, fn func(driver.Info) error) error {
	s.mu.Lock()
	end, _ := slices.BinarySearch(s.order, driver.Bound(createdBefore))
	ids := slices.Clone(s.order[:end])
	s.mu.Unlock()
	for _, id := range ids {
		info, err := s.Stat(ctx, id)
		if errors.Is(err, driver.ErrNotFound) { // deleted meanwhile
			continue
		}
		if err != nil {
			return err
		}
		if err := fn(info); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// Close implements driver.Store.
func (s *store) Close() error { return nil }

type writer struct {
	ctx context.Context
	s   *store
	c   content
}

func (w *writer) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	if err := w.s.reserve(int64(len(p))); err != nil {
		return 0, err
	}
	w.c.size += int64(len(p))
	n := len(p)
	for len(p) > 0 {
		last := len(w.c.pieces) - 1
		if last < 0 || len(w.c.pieces[last]) == pieceSize {
			w.c.pieces = append(w.c.pieces, make([]byte, 0, min(len(p), pieceSize)))
			last++
		}
		m := min(pieceSize-len(w.c.pieces[last]), len(p))
		w.c.pieces[last] = append(w.c.pieces[last], p[:m]...)
		p = p[m:]
	}
	return n, nil
}

func (s *store) reserve(n int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.capacity > 0 && s.used+n > s.capacity {
		return fmt.Errorf("%d bytes of %d in use, %d more wanted: %w", s.used, s.capacity, n, driver.ErrFull)
	}
	s.used += n
	return nil
}

func (w *writer) Commit() (driver.ID, error) {
	if err := w.ctx.Err(); err != nil {
		_ = w.Abort()
		return "", err
	}
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	id := w.s.ids.Next() // under the lock, so that order stays sorted
	w.s.blobs[id] = w.c
	w.s.order = append(w.s.order, id)
	return id, nil
}

func (w *writer) Abort() error {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	w.s.used -= w.c.size
	w.c = content{}
	return nil
}

type reader struct {
	ctx            context.Context
	pieces         [][]byte
	pos, end, size int64
}

func (r *reader) Size() int64 { return r.size }

func (r *reader) Close() error {
	r.pieces, r.pos = nil, r.end
	return nil
}

// next returns the bytes up to the end of the piece or the range.
func (r *reader) next() ([]byte, error) {
	if err := r.ctx.Err(); err != nil {
		return nil, err
	}
	if r.pos == r.end {
		return nil, io.EOF
	}
	at := r.pos % pieceSize
	n := min(pieceSize-at, r.end-r.pos)
	return r.pieces[r.pos/pieceSize][at : at+n], nil
}

func (r *reader) Read(p []byte) (int, error) {
	b, err := r.next()
	n := copy(p, b)
	r.pos += int64(n)
	return n, err
}

func (r *reader) WriteTo(w io.Writer) (int64, error) {
	start := r.pos
	for {
		b, err := r.next()
		if err == io.EOF {
			return r.pos - start, nil
		}
		if err != nil {
			return r.pos - start, err
		}
		n, err := w.Write(b)
		r.pos += int64(n)
		if err != nil {
			return r.pos - start, err
		}
	}
}
