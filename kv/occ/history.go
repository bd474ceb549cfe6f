package occ

import (
	"bytes"
	"container/list"
	"slices"
	"sync"
)

// entry is one commit that running transactions may conflict with, or that is
// not yet durable.
type entry struct {
	num  uint64
	keys [][]byte // ascending
	all  bool     // it touched every key
	done chan struct{}
	err  error // once done is closed
}

// maxHistory is the number of keys that are remembered at most. Transactions
// that began before what is remembered conflict.
const maxHistory = 200_000

// history holds recent commits in order. The sequencer writes it; others read
// it under the lock.
type history struct {
	mu      sync.RWMutex
	entries []*entry
	last    map[string]uint64 // number of the last commit that wrote a key
	keys    int
	floor   uint64 // commits up to this one are forgotten
}

func (h *history) init() { h.last = map[string]uint64{} }

func (h *history) add(e *entry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.entries = append(h.entries, e)
	h.keys += len(e.keys)
	for _, k := range e.keys {
		h.last[string(k)] = e.num
	}
}

// prune forgets the commits up to bound.
func (h *history) prune(bound uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for n < len(h.entries) && (h.entries[n].num <= bound || h.keys > maxHistory && isDone(h.entries[n])) {
		e := h.entries[n]
		h.floor = e.num
		h.keys -= len(e.keys)
		for _, k := range e.keys {
			if h.last[string(k)] == e.num {
				delete(h.last, string(k))
			}
		}
		h.entries[n] = nil
		n++
	}
	h.entries = h.entries[n:]
}

func isDone(e *entry) bool {
	select {
	case <-e.done:
		return true
	default:
		return false
	}
}

// since returns the commits after num.
func (h *history) since(num uint64) []*entry {
	i, _ := slices.BinarySearchFunc(h.entries, num+1, func(e *entry, n uint64) int {
		if e.num < n {
			return -1
		}
		return 1
	})
	return h.entries[i:]
}

// conflict says whether a commit after num wrote something of what was read.
func (h *history) conflict(r *readSet, num uint64) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if num < h.floor {
		return true
	}
	if len(h.entries) == 0 || h.entries[len(h.entries)-1].num <= num {
		return false
	}
	for _, k := range r.points {
		if h.last[string(k)] > num {
			return true
		}
	}
	for _, e := range h.since(num) {
		if e.all || e.inRanges(r.ranges) {
			return true
		}
	}
	return false
}

// newest returns the last commit up to upper that wrote something of what was
// read and may not be durable; nil when there is none.
func (h *history) newest(r *readSet, upper uint64) *entry {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, e := range slices.Backward(h.entries) {
		switch {
		case e.num > upper:
		case isDone(e):
			return nil
		case e.all || e.inRanges(r.ranges) || e.inPoints(r.points):
			return e
		}
	}
	return nil
}

func (e *entry) inRanges(ranges []keyRange) bool {
	for _, r := range ranges {
		i, found := slices.BinarySearchFunc(e.keys, r.start, bytes.Compare)
		if found || i < len(e.keys) && (len(r.end) == 0 || bytes.Compare(e.keys[i], r.end) < 0) {
			return true
		}
	}
	return false
}

func (e *entry) inPoints(points [][]byte) bool {
	for _, p := range points {
		if _, found := slices.BinarySearchFunc(e.keys, p, bytes.Compare); found {
			return true
		}
	}
	return false
}

// readSet is what a transaction has read: single keys, and ranges whose rows
// and gaps it has seen.
type readSet struct {
	points [][]byte
	ranges []keyRange
	buf    []byte
}

type keyRange struct{ start, end []byte }

// keep copies a key into the set's own memory, and may append one byte.
func (r *readSet) keep(key []byte, next bool) []byte {
	at := len(r.buf)
	r.buf = append(r.buf, key...)
	if next {
		r.buf = append(r.buf, 0)
	}
	return r.buf[at:len(r.buf):len(r.buf)]
}

func (r *readSet) point(key []byte) { r.points = append(r.points, r.keep(key, false)) }

// active counts transactions, and knows the oldest snapshot that one will be
// validated against.
type active struct {
	mu     sync.Mutex
	idle   *sync.Cond
	n      int
	closed bool
	starts list.List // of uint64, ascending
}

func (a *active) init() { a.idle = sync.NewCond(&a.mu) }

// enter counts one more user, unless the store is closed.
func (a *active) enter() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return false
	}
	a.n++
	return true
}

func (a *active) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.n--
	if a.n == 0 {
		a.idle.Broadcast()
	}
}

// start notes a transaction that begins now, with the commit number that load returns.
func (a *active) start(load func() uint64) *list.Element {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.starts.PushBack(load())
}

func (a *active) end(e *list.Element) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.starts.Remove(e)
}

// oldest returns the number of the oldest snapshot in use, or none.
func (a *active) oldest(none uint64) uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e := a.starts.Front(); e != nil {
		return min(none, e.Value.(uint64))
	}
	return none
}

// close lets nobody enter any more and waits for the rest to leave. It returns
// false when it was called before.
func (a *active) close() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return false
	}
	a.closed = true
	for a.n > 0 {
		a.idle.Wait()
	}
	return true
}
