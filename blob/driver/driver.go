// Package driver says what a store of blobs must do for package blob.
//
// Only drivers and their tests import it; everybody else uses package blob.
// A new driver implements [Store], makes its ids with [IDs], clips ranges with
// [Clip] and passes drivertest.Run. Start at [Store].
package driver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// The errors that a driver's errors wrap, so that errors.Is finds them.
var (
	// ErrNotFound says that no committed blob has the id.
	ErrNotFound = errors.New("no such blob")
	// ErrCorrupt says that what is stored is not what was written. See [CorruptError].
	ErrCorrupt = errors.New("blob is corrupt")
	// ErrFull says that the store has no room. Nothing of the blob is left behind.
	ErrFull = errors.New("blob store is full")
	// ErrRange says that a range starts beyond the end of the blob, or is negative.
	ErrRange = errors.New("range is outside the blob")
)

// CorruptError is an ErrCorrupt that names the place.
type CorruptError struct {
	ID ID
	// Block is the number of the damaged block, counted from zero, or -1 when
	// it is the blob's own description (its length, its checksums) that is damaged.
	Block int64
	// Reason says what was found, in a few words.
	Reason string
}

func (e *CorruptError) Error() string {
	if e.Block < 0 {
		return fmt.Sprintf("blob %s is corrupt: %s", e.ID, e.Reason)
	}
	return fmt.Sprintf("blob %s is corrupt in block %d: %s", e.ID, e.Block, e.Reason)
}

// Is makes errors.Is(err, ErrCorrupt) true.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

// Info describes a committed blob.
type Info struct {
	ID ID
	// Size is the number of bytes that were written. In a listing it is -1 for
	// a blob that is too damaged to tell.
	Size int64
	// Created is the time of the commit, to the millisecond.
	Created time.Time
}

// Store keeps immutable blobs. Its methods are safe for concurrent use, and the
// caller passes only ids that are [ID.Valid].
type Store interface {
	// Create begins a blob. The ctx holds for the life of the Writer: when it
	// is done, Write and Commit fail.
	Create(ctx context.Context) (Writer, error)
	// Open returns the bytes from offset; length counts them, and -1 means up
	// to the end. A range that reaches over the end is shortened, one that
	// starts beyond it fails with ErrRange. The ctx holds for the life of the
	// Reader. A Reader stays good when its blob is deleted meanwhile, or fails
	// with ErrNotFound; it never returns wrong bytes.
	Open(ctx context.Context, id ID, offset, length int64) (Reader, error)
	// Stat describes a blob.
	Stat(ctx context.Context, id ID) (Info, error)
	// Delete removes a blob. It is no error when there is none. A crash may
	// bring a deleted blob back, never half of one.
	Delete(ctx context.Context, id ID) error
	// List calls fn with each blob that was committed before the given time,
	// in the order of the ids, and stops at fn's first error, which it returns.
	// Blobs that come and go meanwhile may or may not be seen. Damaged blobs are
	// listed too. fn may call the store.
	List(ctx context.Context, createdBefore time.Time, fn func(Info) error) error
	// Close lets go of what the store holds. The caller has closed its Readers
	// and ended its Writers.
	Close() error
}

// Writer takes the bytes of one blob. The caller uses it from one goroutine and
// ends it with Commit or Abort, once. A driver that can read faster from a
// stream than it takes slices implements io.ReaderFrom too.
type Writer interface {
	io.Writer
	// Commit makes the blob visible and durable, both before it returns, or
	// fails and leaves nothing.
	Commit() (ID, error)
	// Abort throws away what was written.
	Abort() error
}

// Reader gives the bytes of a range. Read returns no byte that the driver did
// not verify. The caller uses it from one goroutine. A driver that can send
// its bytes without copying them implements io.WriterTo too.
type Reader interface {
	io.ReadCloser
	// Size is the length of the range, after it was shortened.
	Size() int64
}

// Clip returns how many bytes the range (offset, length) has in a blob of the
// given size, by the rules of [Store.Open].
func Clip(size, offset, length int64) (int64, error) {
	if offset < 0 || length < -1 || offset > size {
		return 0, fmt.Errorf("range at %d of length %d in %d bytes: %w", offset, length, size, ErrRange)
	}
	if rest := size - offset; length < 0 || length > rest {
		return rest, nil
	}
	return length, nil
}
