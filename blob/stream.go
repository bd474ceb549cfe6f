package blob

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/gigawatt-cloud/gigawatt/blob/driver"
)

var errEnded = errors.New("the blob was already committed or aborted")

// Writer takes the bytes of one new blob. It is not safe for concurrent use.
// End it with Commit or Abort; Abort after Commit does nothing, so that it can be deferred.
type Writer struct {
	d    driver.Writer // nil once ended
	size int64
	err  error // the first failure, which all later calls return
}

// Create begins a blob. When ctx is done, Write and Commit fail.
func (s *Store) Create(ctx context.Context) (*Writer, error) {
	d, err := s.d.Create(ctx)
	if err != nil {
		return nil, fmt.Errorf("create blob: %w", err)
	}
	return &Writer{d: d, err: errEnded}, nil
}

// Write implements io.Writer. After an error the blob is aborted.
func (w *Writer) Write(p []byte) (int, error) {
	if w.d == nil {
		return 0, w.err
	}
	n, err := w.d.Write(p)
	w.size += int64(n)
	return n, w.fail("write blob", err)
}

// ReadFrom implements io.ReaderFrom, so that io.Copy needs no buffer of its own.
// After an error, also one of r, the blob is aborted.
func (w *Writer) ReadFrom(r io.Reader) (int64, error) {
	if w.d == nil {
		return 0, w.err
	}
	var n int64
	var err error
	if rf, ok := w.d.(io.ReaderFrom); ok {
		n, err = rf.ReadFrom(r)
	} else {
		buf := buffers.Get().(*[128 << 10]byte)
		n, err = io.CopyBuffer(struct{ io.Writer }{w.d}, struct{ io.Reader }{r}, buf[:])
		buffers.Put(buf)
	}
	w.size += n
	return n, w.fail("write blob", err)
}

// Size returns how many bytes were written.
func (w *Writer) Size() int64 { return w.size }

// Commit makes the blob durable and visible and returns its id. When it fails
// nothing is left.
func (w *Writer) Commit() (ID, error) {
	if w.d == nil {
		return "", w.err
	}
	id, err := w.d.Commit()
	if err != nil {
		w.d, w.err = nil, fmt.Errorf("commit blob: %w", err)
		return "", w.err
	}
	w.d = nil
	return id, nil
}

// Abort throws away what was written. It does nothing after Commit.
func (w *Writer) Abort() {
	if w.d == nil {
		return
	}
	// What a driver cannot throw away now it removes when it is opened next, so
	// there is nothing a caller could do about an error.
	_ = w.d.Abort()
	w.d = nil
}

func (w *Writer) fail(what string, err error) error {
	if err == nil {
		return nil
	}
	w.err = fmt.Errorf("%s: %w", what, err)
	w.Abort()
	return w.err
}

// Reader gives the bytes of a range of a blob, verified before they are
// returned. It is not safe for concurrent use. Close it.
type Reader struct {
	id ID
	d  driver.Reader
}

// Open returns the bytes of a blob from offset. The length counts them; -1
// means up to the end. A range that reaches over the end is shortened, and
// [Reader.Size] tells; one that starts beyond it fails with ErrRange. When ctx
// is done, reading fails.
func (s *Store) Open(ctx context.Context, id ID, offset, length int64) (*Reader, error) {
	if !id.Valid() {
		return nil, fmt.Errorf("open blob %q: %w", id, ErrNotFound)
	}
	d, err := s.d.Open(ctx, id, offset, length)
	if err != nil {
		return nil, fmt.Errorf("open blob %s: %w", id, err)
	}
	return &Reader{id: id, d: d}, nil
}

// Size returns the length of the range in bytes, whatever was read of it.
func (r *Reader) Size() int64 { return r.d.Size() }

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	n, err := r.d.Read(p)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("read blob %s: %w", r.id, err)
	}
	return n, err
}

// WriteTo implements io.WriterTo: io.Copy from a Reader to a TCP connection, or
// to a net/http response that announced its length, copies no bytes through the
// process where the driver and the platform allow it.
func (r *Reader) WriteTo(w io.Writer) (int64, error) {
	var n int64
	var err error
	if wt, ok := r.d.(io.WriterTo); ok {
		n, err = wt.WriteTo(w)
	} else {
		buf := buffers.Get().(*[128 << 10]byte)
		n, err = io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r.d}, buf[:])
		buffers.Put(buf)
	}
	if err != nil {
		err = fmt.Errorf("read blob %s: %w", r.id, err)
	}
	return n, err
}

// Close ends the reading.
func (r *Reader) Close() error { return r.d.Close() }
