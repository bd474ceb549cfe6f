// Package driver is what a store implements to stand under package kv.
//
// It is not for callers: they hold a *kv.DB, which retries conflicts, checks
// limits, encodes rows and splits large ones. A new driver starts here, and is
// done when it passes package drivertest.
package driver

import (
	"context"
	"errors"
)

// Errors that drivers return, wrapped or bare. Package kv re-exports them.
var (
	// ErrNotFound says that no row has the key.
	ErrNotFound = errors.New("kv: not found")
	// ErrConflict says that the transaction did nothing because others changed what it read; it can run again.
	ErrConflict = errors.New("kv: the transaction conflicts with others")
	// ErrTooLarge says that a key, value or transaction exceeds its limit.
	ErrTooLarge = errors.New("kv: too large")
	// ErrFull says that there is no space. What was acknowledged is safe; writing works again when there is space.
	ErrFull = errors.New("kv: no space left")
	// ErrDamaged says that the stored bytes are not what was written.
	ErrDamaged = errors.New("kv: the store is damaged")
	// ErrClosed says that the store was closed.
	ErrClosed = errors.New("kv: closed")
	// ErrReadOnly says that a read-only transaction tried to write.
	ErrReadOnly = errors.New("kv: the transaction is read-only")
	// ErrUnsupported says that this store cannot do what was asked at all.
	ErrUnsupported = errors.New("kv: not supported by this store")
)

// Mode says what a transaction is going to do.
type Mode int

const (
	// ReadOnly transactions only read; they never conflict and hold nobody up.
	ReadOnly Mode = iota
	// ReadWrite transactions may fail with ErrConflict at Commit.
	ReadWrite
	// Exclusive transactions read and write, and wait in a fair queue for
	// their turn instead of conflicting. They are the way out of starvation.
	Exclusive
)

// DB is a store.
//
// The caller promises: keys are not empty and do not begin with 0xFF; keys and
// slices passed in are never modified afterwards; after Close it begins nothing.
//
// The driver promises: transactions are strictly serializable, and the whole
// is safe for concurrent use. An error about lost space wraps ErrFull, one
// about unreadable data wraps ErrDamaged.
type DB interface {
	// Begin starts a transaction on the newest committed state. The caller
	// calls Close on it, whatever happens.
	Begin(ctx context.Context, mode Mode) (Tx, error)
	// Observe names the function to call with the keys of every transaction
	// once it is durable. It is called at most once, before the first Begin.
	// Calls may be merged or be late, but none is lost while the store is open.
	Observe(fn func(keys [][]byte))
	// Changes returns up to limit entries of the change log whose Seq is
	// greater than after and whose key begins with prefix, in commit order.
	Changes(ctx context.Context, prefix []byte, after uint64, limit int) ([]Change, error)
	// LastChange returns the Seq of the newest entry ever written, 0 at first.
	LastChange(ctx context.Context) (uint64, error)
	// TrimChanges removes the entries whose Seq is less than before.
	TrimChanges(ctx context.Context, before uint64) error
	// Reset removes all rows and the change log. Transactions that run at
	// the same time conflict. Seqs go on from where they were.
	Reset(ctx context.Context) error
	// Backup writes a consistent copy of everything into dir, which it
	// creates, while transactions go on. It wraps ErrUnsupported where the
	// store has backups of its own.
	Backup(ctx context.Context, dir string) error
	// Stats returns figures about the store.
	Stats() Stats
	// Health returns nil, or why an operator must look.
	Health() error
	// Close waits for transactions to end and closes the store.
	Close() error
}

// Tx is one transaction. It is used by one goroutine at a time.
type Tx interface {
	// Get returns the value of a key, which the caller does not modify, or ErrNotFound.
	Get(key []byte) ([]byte, error)
	// Put sets the value of a key. Later reads of this transaction see it.
	Put(key, value []byte) error
	// Delete removes a key, which need not exist.
	Delete(key []byte) error
	// Scan iterates over a range as the transaction sees it now: what it
	// writes during the scan need not show. Several scans may be open.
	Scan(r Range) Iterator
	// Commit makes the writes visible and durable, all or none, and appends
	// the changes (whose Seq it assigns) to the change log. It returns
	// ErrConflict when nothing was written and running again may help. After
	// any other error the outcome may be unknown, though never partial.
	Commit(ctx context.Context, changes []Change) error
	// Confirm returns once everything that the transaction has read can no
	// longer be lost. It ends a transaction that has nothing to commit.
	Confirm(ctx context.Context) error
	// Close frees the transaction and undoes it if it was not committed.
	Close()
}

// Range is the keys from Start to before End. An empty Start begins at the
// first key and an empty End ends after the last. From 0xFF on there may be
// rows that the driver keeps for itself: callers end their ranges before.
type Range struct {
	Start, End []byte
	// Reverse begins at the end.
	Reverse bool
	// Limit is the greatest number of rows to return; 0 sets none.
	Limit int
}

// Iterator walks over rows. Next is called before the first row.
type Iterator interface {
	// Next moves to the next row and says whether there is one.
	Next() bool
	// Key returns the row's key, valid until the next call of Next.
	Key() []byte
	// Value returns the row's value, valid until the next call of Next.
	Value() []byte
	// Err returns what ended the iteration early, or nil.
	Err() error
	// Close frees the iterator. It may be called before the last row.
	Close()
}

// Change is one entry of the change log.
type Change struct {
	// Seq grows with every change in the order of commits; gaps are allowed.
	Seq uint64
	// Key is the row that changed.
	Key []byte
	// Deleted says that the row was removed rather than written.
	Deleted bool
}

// Stats are figures about a store. Those that it does not know are zero.
type Stats struct {
	// DiskBytes is the space that the store takes.
	DiskBytes int64
	// FreeBytes is the space that is left for it.
	FreeBytes int64
	// MemoryBytes is the memory that the engine holds for caches and unflushed rows.
	MemoryBytes int64
	// Commits counts durable transactions since the store was opened.
	Commits uint64
	// Conflicts counts transactions that had to run again.
	Conflicts uint64
	// Exclusives counts transactions that took the exclusive path.
	Exclusives uint64
}
