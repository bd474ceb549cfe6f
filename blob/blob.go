// Package blob keeps the bytes of objects: immutable streams that get an id
// when they are committed, are read by range, and are deleted.
//
// It knows no names, no owners and no versions: those are rows in kv that hold
// an [ID]. A blob is written first and referred to afterwards, so a crash can
// leave blobs that nothing refers to; [Store.Sweep] removes them. There is no
// rename and no overwrite, so what an id names never changes.
//
// Start at [New], with a driver from a folder below: fileblob for production,
// memblob for tests. Package seal encrypts what is stored.
package blob

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/gigawatt-cloud/gigawatt/blob/driver"
)

// The errors of this package, for errors.Is.
var (
	// ErrNotFound says that no blob has the id.
	ErrNotFound = driver.ErrNotFound
	// ErrCorrupt says that what is stored is not what was written; the error
	// that is returned is a *CorruptError and names the block.
	ErrCorrupt = driver.ErrCorrupt
	// ErrFull says that the store has no room; nothing of the blob is left.
	ErrFull = driver.ErrFull
	// ErrRange says that a range starts beyond the end of the blob, or is negative.
	ErrRange = driver.ErrRange
)

type (
	// ID names a blob. Stores make them; they sort by the time of the commit.
	ID = driver.ID
	// Info describes a committed blob.
	Info = driver.Info
	// CorruptError names the damaged block of a blob.
	CorruptError = driver.CorruptError
)

// Store keeps blobs. It is safe for concurrent use.
type Store struct{ d driver.Store }

// New returns a store on the driver d, which it owns from then on.
func New(d driver.Store) *Store { return &Store{d} }

// Close closes the driver. All Readers and Writers are ended before.
func (s *Store) Close() error { return s.d.Close() }

// Put stores all that r gives, and returns its id and size. It is durable when
// Put returns; when Put fails nothing is left.
func (s *Store) Put(ctx context.Context, r io.Reader) (ID, int64, error) {
	w, err := s.Create(ctx)
	if err != nil {
		return "", 0, err
	}
	defer w.Abort()
	if _, err := w.ReadFrom(r); err != nil {
		return "", 0, err
	}
	id, err := w.Commit()
	if err != nil {
		return "", 0, err
	}
	return id, w.Size(), nil
}

// Stat describes a blob, or fails with ErrNotFound.
func (s *Store) Stat(ctx context.Context, id ID) (Info, error) {
	if !id.Valid() {
		return Info{}, fmt.Errorf("stat blob %q: %w", id, ErrNotFound)
	}
	info, err := s.d.Stat(ctx, id)
	if err != nil {
		return Info{}, fmt.Errorf("stat blob %s: %w", id, err)
	}
	return info, nil
}

// Delete removes a blob; it is no error when there is none. Readers that are
// open stay good or fail with ErrNotFound. A crash soon after may bring the blob
// back whole: it is then an orphan like any other, see [Store.Sweep].
func (s *Store) Delete(ctx context.Context, id ID) error {
	if !id.Valid() {
		return nil
	}
	if err := s.d.Delete(ctx, id); err != nil {
		return fmt.Errorf("delete blob %s: %w", id, err)
	}
	return nil
}

// List calls fn with the blobs that were committed before the given time, in
// the order of their ids, and stops at fn's first error, which it returns.
// Damaged blobs are listed too, so that they can be deleted.
func (s *Store) List(ctx context.Context, createdBefore time.Time, fn func(Info) error) error {
	return s.d.List(ctx, createdBefore, fn)
}

// Swept counts what [Store.Sweep] met and removed.
type Swept struct{ Seen, Deleted, DeletedBytes int64 }

// Sweep deletes the orphans: blobs that were committed before the given time and
// that inUse does not know. The time must lie further back than a caller may
// take from Commit to the transaction that refers to the blob.
func (s *Store) Sweep(ctx context.Context, createdBefore time.Time, inUse func(Info) (bool, error)) (Swept, error) {
	var out Swept
	err := s.d.List(ctx, createdBefore, func(info Info) error {
		out.Seen++
		used, err := inUse(info)
		if err != nil || used {
			return err
		}
		if err := s.d.Delete(ctx, info.ID); err != nil {
			return err
		}
		out.Deleted++
		out.DeletedBytes += max(info.Size, 0)
		return nil
	})
	if err != nil {
		return out, fmt.Errorf("sweep blobs: %w", err)
	}
	return out, nil
}

// buffers holds what streams are copied through when the driver has no way of its own.
var buffers = sync.Pool{New: func() any { return new([128 << 10]byte) }}
