// Package occ gives an ordered store with snapshots and atomic batches
// serializable transactions, and is so a driver.DB.
//
// A transaction reads a snapshot and remembers which keys and ranges it has
// read. Commits pass through one goroutine, the sequencer, which checks that
// nothing of that was written since, and applies all that are waiting as one
// batch. A second goroutine, the syncer, waits until batches are durable and
// answers. So concurrent transactions share one write and one fsync, and a
// conflict is found before anything is written.
//
// What is applied but not yet durable is visible to transactions, because
// theirs becomes durable later than what they read; a transaction that only
// reads is held back at its end, by Confirm, until what it read is durable.
//
// It is not an engine: start with Engine, which is what one implements.
package occ

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/gigawatt-cloud/gigawatt/kv/driver"
)

// Engine is an ordered store of rows.
//
// The caller promises: Apply, Clear and Close are called one at a time.
type Engine interface {
	// Snapshot returns a view of everything applied so far. It is cheap.
	Snapshot() (Snapshot, error)
	// Admit returns an error, such as driver.ErrFull, when a transaction
	// should not even be tried. It is called often and concurrently.
	Admit(writes []*Write) error
	// Apply makes the writes visible, all at once; later ones for a key win.
	// It keeps keys and values. The function that it returns waits until they,
	// and all applied before, are durable; nil says that they are already.
	// An error of either says that the engine is of no more use.
	Apply(writes []*Write) (wait func() error, err error)
	// Clear replaces every row by those of writes, all or nothing, and is
	// durable when it returns.
	Clear(writes []*Write) error
	// Backup writes a consistent copy of what is durable into dir.
	Backup(ctx context.Context, dir string) error
	// Stats returns what the engine knows.
	Stats() driver.Stats
	// Health returns nil or why an operator must look.
	Health() error
	// Close closes the engine; there are no snapshots any more.
	Close() error
}

// Snapshot is an unchanging view of an Engine.
type Snapshot interface {
	// Get returns a value, which nobody modifies, or driver.ErrNotFound.
	Get(key []byte) ([]byte, error)
	// Scan iterates over the keys from start to before end; the empty start
	// and end are the first key and after the last.
	Scan(start, end []byte, reverse bool) driver.Iterator
	// Close frees the snapshot.
	Close()
}

// Write is one row to be written or deleted.
type Write struct {
	Key, Value []byte
	Delete     bool
}

// DB is a driver.DB on an Engine.
type DB struct {
	engine  Engine
	gate    *Gate
	history history
	active  active
	queue   queue
	syncs   chan *group
	workers sync.WaitGroup
	// turnover counts the groups that the syncer has and has not finished.
	turnover sync.WaitGroup

	// applied is the number of the last commit that every new snapshot shows,
	// shown of the last that one may show, and durable of the last that cannot
	// be lost.
	applied, shown, durable atomic.Uint64
	broken                  atomic.Pointer[error]
	observe                 func(keys [][]byte)

	lastSeq    uint64 // of the change log; the sequencer's
	commits    atomic.Uint64
	conflicts  atomic.Uint64
	exclusives atomic.Uint64
}

var _ driver.DB = (*DB)(nil)

// New returns a store on an engine and starts its two goroutines, which Close
// ends. The gate is what the engine closes while it cannot write.
func New(engine Engine, gate *Gate) (*DB, error) {
	d := &DB{engine: engine, gate: gate, syncs: make(chan *group, 64)}
	d.history.init()
	d.active.init()
	d.queue.init()
	if err := d.loadSeq(); err != nil {
		return nil, err
	}
	d.workers.Go(d.sequence)
	d.workers.Go(d.sync)
	return d, nil
}

// Observe implements driver.DB.
func (d *DB) Observe(fn func(keys [][]byte)) { d.observe = fn }

// Begin implements driver.DB.
func (d *DB) Begin(ctx context.Context, mode driver.Mode) (driver.Tx, error) {
	if err := d.failure(); err != nil {
		return nil, err
	}
	tx := &tx{db: d, mode: mode}
	if mode == driver.Exclusive {
		r, err := d.acquire(ctx)
		if err != nil {
			return nil, err
		}
		tx.turn = r
	}
	if err := tx.begin(); err != nil {
		tx.release()
		return nil, err
	}
	return tx, nil
}

func (d *DB) failure() error {
	if err := d.broken.Load(); err != nil {
		return *err
	}
	return nil
}

// fail stops the store for good after an engine has failed.
func (d *DB) fail(err error) error {
	err = fmt.Errorf("the store has stopped and must be opened again: %w", err)
	d.broken.CompareAndSwap(nil, &err)
	return d.failure()
}

// Reset implements driver.DB.
func (d *DB) Reset(ctx context.Context) error {
	r := &request{kind: resetRequest}
	return d.submit(ctx, r)
}

// Backup implements driver.DB.
func (d *DB) Backup(ctx context.Context, dir string) error {
	if err := d.failure(); err != nil {
		return err
	}
	if !d.active.enter() {
		return driver.ErrClosed
	}
	defer d.active.leave()
	return d.engine.Backup(ctx, dir)
}

// Stats implements driver.DB.
func (d *DB) Stats() driver.Stats {
	s := driver.Stats{}
	if d.active.enter() {
		defer d.active.leave()
		s = d.engine.Stats()
	}
	s.Commits = d.commits.Load()
	s.Conflicts = d.conflicts.Load()
	s.Exclusives = d.exclusives.Load()
	return s
}

// Health implements driver.DB.
func (d *DB) Health() error {
	if err := d.failure(); err != nil {
		return err
	}
	if err := d.gate.Err(); err != nil {
		return err
	}
	return d.engine.Health()
}

// Close implements driver.DB. While the engine cannot write it cannot be
// closed either: then Close returns the reason, and what was not acknowledged
// may or may not be kept.
func (d *DB) Close() error {
	if !d.active.close() {
		return nil
	}
	d.queue.close()
	closed := make(chan error, 1)
	go func() {
		d.workers.Wait()
		closed <- d.engine.Close()
	}()
	for {
		select {
		case err := <-closed:
			return err
		case <-d.gate.shut():
			if err := d.gate.Err(); err != nil {
				return fmt.Errorf("close the store: %w", err)
			}
		}
	}
}

// Gate tells transactions that the engine cannot write for now, so that they
// return an error instead of waiting. The zero Gate is open.
type Gate struct {
	state atomic.Pointer[gateState]
}

type gateState struct {
	err    error
	closed chan struct{} // closed when err is set
}

// Shut closes the gate: transactions fail with err until Open.
func (g *Gate) Shut(err error) {
	s := &gateState{err: err, closed: make(chan struct{})}
	close(s.closed)
	if old := g.state.Swap(s); old != nil && old.err == nil {
		close(old.closed)
	}
}

// Open lets transactions pass again.
func (g *Gate) Open() {
	if s := g.state.Load(); s != nil && s.err != nil {
		g.state.CompareAndSwap(s, &gateState{closed: make(chan struct{})})
	}
}

// Err returns why the gate is shut, or nil.
func (g *Gate) Err() error {
	if s := g.state.Load(); s != nil {
		return s.err
	}
	return nil
}

// shut returns a channel that is closed once the gate is.
func (g *Gate) shut() <-chan struct{} {
	for {
		if s := g.state.Load(); s != nil {
			return s.closed
		}
		g.state.CompareAndSwap(nil, &gateState{closed: make(chan struct{})})
	}
}
