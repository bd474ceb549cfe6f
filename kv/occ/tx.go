package occ

import (
	"bytes"
	"container/list"
	"context"
	"slices"

	"github.com/gigawatt-cloud/gigawatt/kv/driver"
)

// tx is a driver.Tx.
type tx struct {
	db      *DB
	mode    driver.Mode
	snap    Snapshot
	entered bool
	start   *list.Element // in db.active, of transactions that may conflict
	turn    *request      // of an exclusive transaction

	// base is a commit that the snapshot surely shows, with all before it, and
	// upper one after which it surely shows none.
	base, upper uint64
	track       bool
	reads       readSet
	writes      []*Write // by key
	done        bool
}

func (t *tx) begin() error {
	d := t.db
	if t.entered = d.active.enter(); !t.entered {
		return driver.ErrClosed
	}
	if t.mode == driver.ReadWrite {
		t.start = d.active.start(d.applied.Load)
		t.base = t.start.Value.(uint64)
	}
	snap, err := d.engine.Snapshot()
	if err != nil {
		return err
	}
	t.snap = snap
	t.upper = d.shown.Load()
	// A snapshot of durable commits needs no memory of what was read from it,
	// unless it is to be validated.
	t.track = t.mode == driver.ReadWrite || d.durable.Load() < t.upper
	return nil
}

// Get implements driver.Tx.
func (t *tx) Get(key []byte) ([]byte, error) {
	if i, ok := t.find(key); ok {
		if t.writes[i].Delete {
			return nil, driver.ErrNotFound
		}
		return t.writes[i].Value, nil
	}
	if t.track {
		t.reads.point(key)
	}
	return t.snap.Get(key)
}

func (t *tx) find(key []byte) (int, bool) {
	if n := len(t.writes); n == 0 || bytes.Compare(t.writes[n-1].Key, key) < 0 {
		return n, false
	}
	return slices.BinarySearchFunc(t.writes, key, func(w *Write, k []byte) int { return bytes.Compare(w.Key, k) })
}

// Put implements driver.Tx.
func (t *tx) Put(key, value []byte) error { return t.write(&Write{Key: key, Value: value}) }

// Delete implements driver.Tx.
func (t *tx) Delete(key []byte) error { return t.write(&Write{Key: key, Delete: true}) }

// write never changes a Write that is already there: scans may hold it.
func (t *tx) write(w *Write) error {
	if t.mode == driver.ReadOnly {
		return driver.ErrReadOnly
	}
	i, ok := t.find(w.Key)
	if ok {
		t.writes[i] = w
	} else {
		t.writes = slices.Insert(t.writes, i, w)
	}
	return nil
}

// Scan implements driver.Tx.
func (t *tx) Scan(r driver.Range) driver.Iterator {
	s := &scan{tx: t, r: r, rows: t.snap.Scan(r.Start, r.End, r.Reverse)}
	lo, _ := t.find(r.Start)
	hi := len(t.writes)
	if len(r.End) > 0 {
		hi, _ = t.find(r.End)
	}
	if lo < hi {
		s.writes = slices.Clone(t.writes[lo:hi])
		if r.Reverse {
			slices.Reverse(s.writes)
		}
	}
	return s
}

// Commit implements driver.Tx.
func (t *tx) Commit(ctx context.Context, changes []driver.Change) error {
	if len(t.writes) == 0 {
		return t.Confirm(ctx)
	}
	if err := t.db.engine.Admit(t.writes); err != nil {
		return err
	}
	t.done = true
	r := &request{
		kind: commitRequest, base: t.base, reads: &t.reads, writes: t.writes, changes: changes,
		entry: &entry{done: make(chan struct{})},
	}
	if turn := t.turn; turn != nil {
		t.turn = nil
		r.exclusive = true
		turn.next <- r
		return t.db.await(r)
	}
	return t.db.submit(ctx, r)
}

// Confirm implements driver.Tx.
func (t *tx) Confirm(ctx context.Context) error {
	if !t.track || t.db.durable.Load() >= t.upper {
		return nil
	}
	e := t.db.history.newest(&t.reads, t.upper)
	if e == nil {
		return t.db.failure()
	}
	for {
		select {
		case <-e.done:
			return e.err
		case <-ctx.Done():
			return ctx.Err()
		case <-t.db.gate.shut():
			if err := t.db.gate.Err(); err != nil {
				return err
			}
		}
	}
}

// Close implements driver.Tx.
func (t *tx) Close() { t.release() }

func (t *tx) release() {
	if t.snap != nil {
		t.snap.Close()
		t.snap = nil
	}
	if t.start != nil {
		t.db.active.end(t.start)
		t.start = nil
	}
	if t.turn != nil {
		close(t.turn.next)
		t.turn = nil
	}
	if t.entered {
		t.db.active.leave()
		t.entered = false
	}
}

// scan merges what the snapshot has with what the transaction has written.
type scan struct {
	tx     *tx
	r      driver.Range
	rows   driver.Iterator
	writes []*Write // those in the range that are still to come

	hasRow     bool // rows stands at a row that was not yet returned
	started    bool
	ended      bool // the scan saw the end of its range
	returned   int
	key, value []byte
}

// Next implements driver.Iterator.
func (s *scan) Next() bool {
	if s.ended || s.r.Limit > 0 && s.returned == s.r.Limit {
		return false
	}
	if !s.started {
		s.started = true
		s.hasRow = s.rows.Next()
	} else if s.hasRow && s.key != nil && bytes.Equal(s.key, s.rows.Key()) {
		s.hasRow = s.rows.Next()
	}
	for {
		w := s.nextWrite()
		switch {
		case w == nil && !s.hasRow:
			s.ended = true
			s.key, s.value = nil, nil
			return false
		case w == nil:
			s.key, s.value = s.rows.Key(), s.rows.Value()
		default:
			s.writes = s.writes[1:]
			if s.hasRow && bytes.Equal(w.Key, s.rows.Key()) {
				s.hasRow = s.rows.Next()
			}
			if w.Delete {
				continue
			}
			s.key, s.value = w.Key, w.Value
		}
		s.returned++
		return true
	}
}

// nextWrite returns the transaction's own next write if it comes no later
// than the next row of the snapshot.
func (s *scan) nextWrite() *Write {
	if len(s.writes) == 0 {
		return nil
	}
	w := s.writes[0]
	if !s.hasRow {
		return w
	}
	c := bytes.Compare(w.Key, s.rows.Key())
	if s.r.Reverse {
		c = -c
	}
	if c > 0 {
		return nil
	}
	return w
}

func (s *scan) Key() []byte   { return s.key }
func (s *scan) Value() []byte { return s.value }
func (s *scan) Err() error    { return s.rows.Err() }

// Close notes how far the scan has really read, and frees it.
func (s *scan) Close() {
	t := s.tx
	if s.rows == nil {
		return
	}
	if t.track && s.started {
		r := keyRange{start: t.reads.keep(s.r.Start, false), end: t.reads.keep(s.r.End, false)}
		switch {
		case s.ended:
		case s.r.Reverse:
			r.start = t.reads.keep(s.key, false)
		default:
			r.end = t.reads.keep(s.key, true)
		}
		t.reads.ranges = append(t.reads.ranges, r)
	}
	s.rows.Close()
	s.rows = nil
}
