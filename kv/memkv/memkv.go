// Package memkv keeps a store in memory, for tests and for clouds that are
// thrown away. It is as serializable as the others, and forgets everything
// when it is closed. Start with New.
package memkv

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/kv/driver"
	"github.com/gigawatt-cloud/gigawatt/kv/occ"
)

// New returns an empty store.
func New() *kv.DB { return kv.New(NewDriver()) }

// NewDriver returns the driver of an empty store, to be wrapped.
func NewDriver() driver.DB {
	d, err := occ.New(&engine{}, new(occ.Gate))
	if err != nil {
		panic(err) // only reading a disk can fail, and there is none
	}
	return d
}

// engine is an occ.Engine.
type engine struct {
	root atomic.Pointer[node]
	size atomic.Int64
}

func (e *engine) Snapshot() (occ.Snapshot, error) { return snapshot{e.root.Load()}, nil }

func (e *engine) Admit([]*occ.Write) error { return nil }

func (e *engine) Apply(writes []*occ.Write) (wait func() error, err error) {
	e.root.Store(e.edit(e.root.Load(), writes))
	return nil, nil
}

func (e *engine) edit(root *node, writes []*occ.Write) *node {
	for _, w := range writes {
		if old, ok := root.get(w.Key); ok {
			e.size.Add(-int64(len(w.Key) + len(old)))
			if w.Delete {
				root = root.remove(w.Key)
			}
		}
		if !w.Delete {
			e.size.Add(int64(len(w.Key) + len(w.Value)))
			root = root.put(w.Key, w.Value)
		}
	}
	return root
}

func (e *engine) Clear(writes []*occ.Write) error {
	e.size.Store(0)
	e.root.Store(e.edit(nil, writes))
	return nil
}

func (e *engine) Backup(context.Context, string) error {
	return fmt.Errorf("%w: a store in memory has no backup", driver.ErrUnsupported)
}

func (e *engine) Stats() driver.Stats { return driver.Stats{MemoryBytes: e.size.Load()} }

func (e *engine) Health() error { return nil }

func (e *engine) Close() error {
	e.root.Store(nil)
	return nil
}

// snapshot is an occ.Snapshot: a root stays as it is.
type snapshot struct{ root *node }

func (s snapshot) Get(key []byte) ([]byte, error) {
	v, ok := s.root.get(key)
	if !ok {
		return nil, driver.ErrNotFound
	}
	return v, nil
}

func (s snapshot) Scan(start, end []byte, reverse bool) driver.Iterator {
	return s.root.scan(start, end, reverse)
}

func (s snapshot) Close() {}
