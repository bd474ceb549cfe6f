package kv

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/gigawatt-cloud/gigawatt/kv/driver"
)

// Watch returns a channel that receives after something under prefix was
// committed. It is a hint: several commits may make one wake-up, and a wake-up
// may come without news, but a commit is never left without one. Whoever
// watches reads the state after Watch returned and after each wake-up. Watch
// costs nothing in the store. The caller calls stop when done.
func (db *DB) Watch(prefix []byte) (wake <-chan struct{}, stop func()) {
	return db.watch.add(string(prefix))
}

// watches finds the watchers of a key by trying each length of prefix that
// somebody watches.
type watches struct {
	n        atomic.Int64
	mu       sync.RWMutex
	byPrefix map[string][]chan struct{}
	lengths  []prefixLength // ascending
}

type prefixLength struct{ length, prefixes int }

func (w *watches) add(prefix string) (<-chan struct{}, func()) {
	ch := make(chan struct{}, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byPrefix == nil {
		w.byPrefix = map[string][]chan struct{}{}
	}
	if len(w.byPrefix[prefix]) == 0 {
		w.addLength(len(prefix), 1)
	}
	w.byPrefix[prefix] = append(w.byPrefix[prefix], ch)
	w.n.Add(1)
	return ch, sync.OnceFunc(func() { w.remove(prefix, ch) })
}

func (w *watches) remove(prefix string, ch chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	left := slices.DeleteFunc(w.byPrefix[prefix], func(c chan struct{}) bool { return c == ch })
	w.byPrefix[prefix] = left
	if len(left) == 0 {
		delete(w.byPrefix, prefix)
		w.addLength(len(prefix), -1)
	}
	w.n.Add(-1)
}

func (w *watches) addLength(length, by int) {
	i, ok := slices.BinarySearchFunc(w.lengths, length, func(p prefixLength, n int) int { return p.length - n })
	if !ok {
		w.lengths = slices.Insert(w.lengths, i, prefixLength{length: length})
	}
	w.lengths[i].prefixes += by
	if w.lengths[i].prefixes == 0 {
		w.lengths = slices.Delete(w.lengths, i, i+1)
	}
}

// wake is what the driver calls with the keys of durable transactions.
func (w *watches) wake(keys [][]byte) {
	if w.n.Load() == 0 {
		return
	}
	w.mu.RLock()
	defer w.mu.RUnlock()
	for _, key := range keys {
		for _, l := range w.lengths {
			if l.length > len(key) {
				break
			}
			for _, ch := range w.byPrefix[string(key[:l.length])] {
				select {
				case ch <- struct{}{}:
				default:
				}
			}
		}
	}
}

// Seq orders the change log: a greater one was committed later. The first is
// greater than zero, and none is used twice, even after Reset.
type Seq uint64

// Change is one entry of the change log: a row of a Logged table that was
// written or deleted.
type Change struct {
	Seq Seq
	// Key is the whole key of the row; Table.RowKey takes the tuple out of it.
	Key Key
	// Deleted says that the row was removed.
	Deleted bool
}

// Changes returns up to limit changes after a Seq to rows whose key begins
// with prefix (Table.Prefix makes one), in commit order. The log is written in
// the transaction of the change itself, so none is missing and none is early.
//
// A reader that keeps up with few changes among many calls LastChange before
// Changes; when fewer than limit come back, it goes on after that Seq.
func (db *DB) Changes(ctx context.Context, prefix []byte, after Seq, limit int) ([]Change, error) {
	if limit <= 0 {
		return nil, fmt.Errorf("kv: the limit of changes must be positive, not %d", limit)
	}
	in, err := db.d.Changes(ctx, prefix, uint64(after), limit)
	if err != nil {
		return nil, fmt.Errorf("read the change log: %w", err)
	}
	out := make([]Change, len(in))
	for i, c := range in {
		out[i] = newChange(c)
	}
	return out, nil
}

func newChange(c driver.Change) Change {
	return Change{Seq: Seq(c.Seq), Key: c.Key, Deleted: c.Deleted}
}

// LastChange returns the Seq of the newest change ever logged; 0 when there was none.
func (db *DB) LastChange(ctx context.Context) (Seq, error) {
	last, err := db.d.LastChange(ctx)
	if err != nil {
		return 0, fmt.Errorf("read the change log: %w", err)
	}
	return Seq(last), nil
}

// TrimChanges removes the changes whose Seq is less than before.
func (db *DB) TrimChanges(ctx context.Context, before Seq) error {
	if err := db.d.TrimChanges(ctx, uint64(before)); err != nil {
		return fmt.Errorf("trim the change log: %w", err)
	}
	return nil
}
