package pebblekv

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/gigawatt-cloud/gigawatt/kv/driver"
	"github.com/gigawatt-cloud/gigawatt/kv/occ"
)

// engine is an occ.Engine.
type engine struct {
	dir     string
	fs      *patientFS
	gate    *occ.Gate
	db      *pebble.DB
	closers []io.Closer // in the order of opening
	health  atomic.Pointer[error]

	newest  newest
	reserve uint64
	space   space
}

func (e *engine) sick(err error) { e.health.CompareAndSwap(nil, &err) }

// Health implements occ.Engine.
func (e *engine) Health() error {
	if err := e.health.Load(); err != nil {
		return *err
	}
	return e.space.health(e)
}

// Snapshot implements occ.Engine.
func (e *engine) Snapshot() (occ.Snapshot, error) { return e.newest.share(e.db), nil }

// Apply implements occ.Engine.
func (e *engine) Apply(writes []*occ.Write) (wait func() error, err error) {
	return e.commit(func(b *pebble.Batch) error { return fill(b, writes) })
}

func fill(b *pebble.Batch, writes []*occ.Write) error {
	for _, w := range writes {
		var err error
		if w.Delete {
			err = b.Delete(w.Key, nil)
		} else {
			err = b.Set(w.Key, w.Value, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// commit applies a batch. A panic of Pebble, which holds its locks for good
// then, becomes an error; nobody else is in the same place, as Apply is called
// by one goroutine.
func (e *engine) commit(fill func(*pebble.Batch) error) (wait func() error, err error) {
	defer e.newest.drop()
	defer recoverFailure(&err)
	b := e.db.NewBatch()
	if err := fill(b); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	if err := e.db.ApplyNoSyncWait(b, pebble.Sync); err != nil {
		return nil, err
	}
	return func() error {
		if err := b.SyncWait(); err != nil {
			return err
		}
		return b.Close()
	}, nil
}

func recoverFailure(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("the engine failed: %v", r)
	}
}

// Clear implements occ.Engine.
func (e *engine) Clear(writes []*occ.Write) error {
	wait, err := e.commit(func(b *pebble.Batch) error {
		// Everything but the keys that are left to engines.
		if err := b.DeleteRange([]byte{0}, []byte{occ.Reserved, 'e'}, nil); err != nil {
			return err
		}
		if err := b.DeleteRange([]byte{occ.Reserved, 'e' + 1}, []byte{occ.Reserved, 0xff}, nil); err != nil {
			return err
		}
		return fill(b, writes)
	})
	if err != nil {
		return err
	}
	return wait()
}

// Stats implements occ.Engine.
func (e *engine) Stats() driver.Stats {
	m := e.db.Metrics()
	s := driver.Stats{
		DiskBytes:   int64(m.DiskSpaceUsage()),
		MemoryBytes: m.BlockCache.Size + int64(m.MemTable.Size),
	}
	if u, err := e.fs.GetDiskUsage(e.dir); err == nil {
		s.FreeBytes = int64(u.AvailBytes)
	}
	return s
}

// Close implements occ.Engine.
func (e *engine) Close() error { return e.closeAll() }

func (e *engine) closeAll() (err error) {
	defer recoverFailure(&err)
	e.newest.drop()
	e.newest.wait()
	for _, c := range slices.Backward(e.closers) {
		err = errors.Join(err, c.Close())
	}
	e.closers = nil
	return err
}
