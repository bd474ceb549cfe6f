// Package kv keeps all state of the cloud: an ordered, transactional store of
// rows.
//
// Start with DB.View and DB.Update, which run a function in a strictly
// serializable transaction, and with Table, which keeps Go values in it under
// tuple keys:
//
//	var queues = kv.NewTable[queue]("sqs.queue")
//
//	err := db.Update(ctx, func(tx *kv.Tx) error {
//		return queues.Put(tx, &queue{Name: name}, account, region, name)
//	})
//
// It is not a place for large bytes (see package blob) nor a query language.
// Which engine holds the rows is chosen by the composition root: the drivers
// are in the folders below, and what one must do is in package driver.
//
// The limits are those that every engine beyond one machine can keep: see
// MaxKey, MaxValue, MaxTxBytes and MaxTxKeys.
package kv

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/gigawatt-cloud/gigawatt/kv/driver"
)

// Limits of the portable interface. Exceeding one is ErrTooLarge.
const (
	// MaxKey is the greatest length of an encoded key in bytes.
	MaxKey = 2 << 10
	// MaxValue is the greatest length of a value in bytes. Table splits longer rows.
	MaxValue = 90 << 10
	// MaxRow is the greatest encoded length of one row of a Table in bytes.
	MaxRow = 3 << 20
	// MaxTxBytes is the greatest sum of keys and values that one transaction writes.
	MaxTxBytes = 4 << 20
	// MaxTxKeys is the greatest number of writes of one transaction.
	MaxTxKeys = 3000
)

// Errors to compare with errors.Is.
var (
	// ErrNotFound says that no row has the key.
	ErrNotFound = driver.ErrNotFound
	// ErrConflict says that a transaction found no quiet moment in many attempts.
	ErrConflict = driver.ErrConflict
	// ErrTooLarge says that a key, value or transaction exceeds its limit.
	ErrTooLarge = driver.ErrTooLarge
	// ErrFull says that there is no space. What was acknowledged is safe; writing works again when there is space.
	ErrFull = driver.ErrFull
	// ErrDamaged says that the stored bytes are not what was written.
	ErrDamaged = driver.ErrDamaged
	// ErrClosed says that the store was closed.
	ErrClosed = driver.ErrClosed
	// ErrReadOnly says that View tried to write.
	ErrReadOnly = driver.ErrReadOnly
	// ErrUnsupported says that this store cannot do what was asked at all.
	ErrUnsupported = driver.ErrUnsupported
)

// Stats are figures about a store.
type Stats = driver.Stats

// DB is a store. It is safe for concurrent use.
type DB struct {
	d     driver.DB
	watch watches
}

// New returns the store that a driver holds. Programs call a driver's own
// constructor, such as memkv.New, instead.
func New(d driver.DB) *DB {
	db := &DB{d: d}
	d.Observe(db.watch.wake)
	return db
}

// View runs fn on a consistent snapshot of everything committed before the
// call. Writes fail with ErrReadOnly. View never waits for other transactions,
// except that what fn has read is durable when it returns.
func (db *DB) View(ctx context.Context, fn func(tx *Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	dtx, err := db.d.Begin(ctx, driver.ReadOnly)
	if err != nil {
		return err
	}
	defer dtx.Close()
	if err := fn(&Tx{tx: dtx}); err != nil {
		return settle(ctx, dtx, err)
	}
	return dtx.Confirm(ctx)
}

// settle returns err, which a transaction's function decided on, once what it
// was decided on cannot be lost any more: what a caller was told must stay true.
func settle(ctx context.Context, dtx driver.Tx, err error) error {
	if cerr := dtx.Confirm(ctx); cerr != nil {
		return errors.Join(err, cerr)
	}
	return err
}

const (
	// fairAfter is the number of conflicts after which a transaction queues for its turn.
	fairAfter = 8
	// maxAttempts is where Update gives up. With a driver whose exclusive mode
	// cannot conflict it is never reached.
	maxAttempts = 40
)

// Update runs fn in a serializable transaction and commits it, unless fn
// returns an error, which undoes everything and is returned. When Update
// returns nil, the writes survive a crash of the machine.
//
// When others have changed what fn read, fn runs again: it touches only tx,
// and sets variables of its surroundings only from scratch. It calls no other
// Update, and takes milliseconds rather than seconds.
//
// After an error that is not fn's, ErrConflict or ErrTooLarge, it is unknown
// whether the transaction was committed.
func (db *DB) Update(ctx context.Context, fn func(tx *Tx) error) error {
	for attempt := 1; ; attempt++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		mode := driver.ReadWrite
		if attempt > fairAfter {
			mode = driver.Exclusive
		}
		done, err := db.attempt(ctx, mode, fn)
		if err == nil {
			for _, f := range done {
				f()
			}
			return nil
		}
		if !errors.Is(err, ErrConflict) {
			return err
		}
		if attempt == maxAttempts {
			return fmt.Errorf("%w: gave up after %d attempts", ErrConflict, attempt)
		}
		if err := backOff(ctx, attempt); err != nil {
			return err
		}
	}
}

func (db *DB) attempt(ctx context.Context, mode driver.Mode, fn func(tx *Tx) error) (done []func(), err error) {
	dtx, err := db.d.Begin(ctx, mode)
	if err != nil {
		return nil, err
	}
	defer dtx.Close()
	tx := &Tx{tx: dtx, writable: true}
	if err := fn(tx); err != nil {
		return nil, settle(ctx, dtx, err)
	}
	if tx.failed != nil {
		return nil, tx.failed
	}
	if tx.keys == 0 {
		return tx.onCommit, dtx.Confirm(ctx)
	}
	return tx.onCommit, dtx.Commit(ctx, tx.changes)
}

// backOff waits a little before another attempt, longer each time.
func backOff(ctx context.Context, attempt int) error {
	if attempt < 3 {
		runtime.Gosched()
		return nil
	}
	limit := 20 * time.Microsecond << min(attempt, 8)
	t := time.NewTimer(rand.N(limit))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Reset removes every row and the change log. It is for clouds that hold
// nothing of value.
func (db *DB) Reset(ctx context.Context) error {
	if err := db.d.Reset(ctx); err != nil {
		return fmt.Errorf("reset the store: %w", err)
	}
	return nil
}

// Backup writes a consistent copy of everything into dir, which must not
// exist or be empty, while transactions go on. The driver's package restores it.
func (db *DB) Backup(ctx context.Context, dir string) error {
	if err := db.d.Backup(ctx, dir); err != nil {
		return fmt.Errorf("back up to %s: %w", dir, err)
	}
	return nil
}

// Stats returns figures about the store.
func (db *DB) Stats() Stats { return db.d.Stats() }

// Health returns nil, or why an operator must look: the disk is full, the
// store is damaged, or the engine has stopped.
func (db *DB) Health() error { return db.d.Health() }

// Close waits for running transactions and closes the store.
func (db *DB) Close() error { return db.d.Close() }
