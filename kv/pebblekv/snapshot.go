package pebblekv

import (
	"errors"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/gigawatt-cloud/gigawatt/kv/driver"
)

// newest holds the snapshot of the newest state, which transactions between two
// commits share. Those that are not needed any more are closed in the
// background: Pebble then looks for compactions, which takes longer than
// reading a row, and waits for its manifest, which may wait for a full disk.
type newest struct {
	mu      sync.Mutex
	s       *snapshot
	retired []*pebble.Snapshot
	closing bool           // a goroutine closes the retired ones
	closers sync.WaitGroup // that goroutine
}

// share returns the snapshot of everything that was applied before the call.
func (n *newest) share(db *pebble.DB) *snapshot {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.s == nil {
		n.s = &snapshot{s: db.NewSnapshot(), of: n, users: 1} // one user is newest itself
	}
	n.s.users++
	return n.s
}

// drop is called after something was applied: later transactions need another snapshot.
func (n *newest) drop() {
	n.mu.Lock()
	s := n.s
	n.s = nil
	n.mu.Unlock()
	if s != nil {
		s.Close()
	}
}

// wait returns when all that was retired is closed.
func (n *newest) wait() { n.closers.Wait() }

// retire has a snapshot closed. The caller holds mu.
func (n *newest) retire(s *pebble.Snapshot) {
	n.retired = append(n.retired, s)
	if !n.closing {
		n.closing = true
		n.closers.Go(n.closeRetired)
	}
}

func (n *newest) closeRetired() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for len(n.retired) > 0 {
		retired := n.retired
		n.retired = nil
		n.mu.Unlock()
		for _, s := range retired {
			// It fails only when the store was closed before, which waits for this.
			_ = s.Close()
		}
		n.mu.Lock()
	}
	n.closing = false
}

// snapshot is an occ.Snapshot.
type snapshot struct {
	s     *pebble.Snapshot
	of    *newest
	users int // under of.mu
}

// Get implements occ.Snapshot.
func (s *snapshot) Get(key []byte) ([]byte, error) {
	value, closer, err := s.s.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, driver.ErrNotFound
	}
	if err != nil {
		return nil, damage(err)
	}
	value = slices.Clone(value)
	if value == nil {
		value = []byte{}
	}
	return value, closer.Close()
}

// Close implements occ.Snapshot.
func (s *snapshot) Close() {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	s.users--
	if s.users == 0 {
		s.of.retire(s.s)
	}
}

// Scan implements occ.Snapshot.
func (s *snapshot) Scan(start, end []byte, reverse bool) driver.Iterator {
	var bounds pebble.IterOptions // an empty bound is one, and nil is none
	if len(start) > 0 {
		bounds.LowerBound = start
	}
	if len(end) > 0 {
		bounds.UpperBound = end
	}
	it, err := s.s.NewIter(&bounds)
	return &iterator{it: it, err: err, reverse: reverse}
}

// iterator is a driver.Iterator.
type iterator struct {
	it      *pebble.Iterator
	err     error
	reverse bool
	started bool
	value   []byte
}

func (i *iterator) Next() bool {
	if i.err != nil {
		return false
	}
	var ok bool
	switch {
	case !i.started && i.reverse:
		ok = i.it.Last()
	case !i.started:
		ok = i.it.First()
	case i.reverse:
		ok = i.it.Prev()
	default:
		ok = i.it.Next()
	}
	i.started = true
	if ok {
		i.value, i.err = i.it.ValueAndErr()
		return i.err == nil
	}
	i.err = i.it.Error()
	return false
}

func (i *iterator) Key() []byte   { return i.it.Key() }
func (i *iterator) Value() []byte { return i.value }
func (i *iterator) Err() error    { return damage(i.err) }

func (i *iterator) Close() {
	if i.it != nil {
		// An error of the iteration, which Err tells.
		_ = i.it.Close()
		i.it = nil
	}
}
