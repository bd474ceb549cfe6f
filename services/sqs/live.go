package sqs

import (
	"cmp"
	"context"
	"crypto/cipher"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/gigawatt-cloud/gigawatt/kv"
)

// index holds what can be received of a queue, and when: the messages of a
// standard queue, the groups of a FIFO queue. Its value tells messages that a
// consumer holds from those that are delayed.
var index = kv.NewTable[bool]("sqs/index", kv.Small()) // queueID, instant, unit -> held

// entry is one row of a queue's index. A unit is a messageKey or a group's id.
type entry struct {
	at   instant
	unit string
}

// last is after all entries.
var last = entry{at: never}

// compare orders entries as the index does.
func (e entry) compare(f entry) int {
	return cmp.Or(cmp.Compare(e.at, f.at), strings.Compare(e.unit, f.unit))
}

func first(e, f entry) entry {
	if e.compare(f) < 0 {
		return e
	}
	return f
}

// live is what this process knows of a queue's incarnation. All of it is hints
// for speed: the rows alone decide.
type live struct {
	id queueID
	mu sync.Mutex
	// low is a bound: no row of the index that this process knows of is before
	// it. A scan from there does not pass what deleted messages left behind.
	low entry
	// ready are entries that a scan has found beyond what was asked for. They
	// are claimed.
	ready []entry
	// scanning is held during a scan, so that those who come meanwhile share
	// what it finds.
	scanning sync.Mutex
	// scans are the scans under way. What is added meanwhile lowers their bound.
	scans map[*scan]struct{}
	// scanned is when the index was last scanned from its first row, since other
	// replicas do not lower the bound here.
	scanned time.Time
	// claimed are the units that receives of this process are about to take.
	claimed map[string]struct{}
	// news is closed, and replaced, when something was added to the index.
	news chan struct{}
	// count is the last count of messages.
	count     counts
	countedAt time.Time
	// room is how many messages may still be received before it must be counted
	// how many consumers hold.
	room int
	aead cipher.AEAD
}

type scan struct{ added entry }

const (
	never = instant(1<<63 - 1)
	// rescanEmpty and rescanBusy are how often an index is scanned from its
	// first row, when little or much was found from the bound.
	rescanEmpty = time.Second
	rescanBusy  = 10 * time.Second
	// ahead is how many entries a scan finds beyond what is asked for.
	ahead = 64
)

// liveOf returns what is known of an incarnation.
func (s *svc) liveOf(id queueID) *live {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.live[id]
	if l == nil {
		l = &live{id: id, scans: map[*scan]struct{}{}, claimed: map[string]struct{}{}, news: make(chan struct{})}
		s.live[id] = l
	}
	return l
}

// noteLatest notes which incarnation a queue had when it was last looked at.
func (s *svc) noteLatest(a address, id queueID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latest[a] = id
}

// forget drops what is known of an incarnation that is gone.
func (s *svc) forget(id queueID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.live, id)
	maps.DeleteFunc(s.latest, func(_ address, v queueID) bool { return v == id })
}

// putIndex writes a row of the index. Once that is durable, the bound is
// lowered and those who wait are woken.
func (s *svc) putIndex(tx *kv.Tx, id queueID, e entry, held bool) error {
	if err := index.Put(tx, &held, id, e.at, e.unit); err != nil {
		return err
	}
	l := s.liveOf(id)
	tx.OnCommit(func() { l.added(e) })
	return nil
}

func (l *live) added(e entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.low = first(l.low, e)
	for sc := range l.scans {
		sc.added = first(sc.added, e)
	}
	close(l.news)
	l.news = make(chan struct{})
}

// waiter returns the channel that closes with the next addition.
func (l *live) waiter() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.news
}

// find claims up to n entries of the index that are due at now, the earliest
// first, and returns when the next is due that is not; never for none. The
// caller releases what was claimed.
func (l *live) find(ctx context.Context, db *kv.DB, id queueID, now time.Time, n int) (found []entry, next instant, err error) {
	l.scanning.Lock()
	defer l.scanning.Unlock()
	before := l.pop(n)
	if len(before) == n {
		return before, never, nil
	}
	n -= len(before)
	defer func() {
		if err == nil {
			found = append(before, found...)
		} else {
			l.release(before)
		}
	}()
	sc, from := l.begin() // before the snapshot: what is added later counts
	low := last
	err = db.View(ctx, func(tx *kv.Tx) (err error) {
		full := l.rescan(now, rescanBusy)
		if full {
			from = entry{}
		}
		found, low, next, err = l.scan(tx, id, from, at(now), n+ahead)
		if err != nil || full || len(found) >= n || !l.rescan(now, rescanEmpty) {
			return err
		}
		var more []entry
		more, low, next, err = l.scan(tx, id, entry{}, at(now), n+ahead-len(found))
		found = append(found, more...)
		return err
	})
	if err != nil {
		l.release(found)
		l.end(sc, entry{})
		return nil, never, err
	}
	l.end(sc, first(low, entry{at: at(now)}))
	if len(found) > n {
		l.mu.Lock()
		l.ready = append(l.ready, found[n:]...)
		l.mu.Unlock()
		found = found[:n:n]
	}
	return found, next, nil
}

// pop takes entries that a scan has found before.
func (l *live) pop(n int) []entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	n = min(n, len(l.ready))
	found := l.ready[:n:n]
	if l.ready = l.ready[n:]; len(l.ready) == 0 {
		l.ready = nil
	}
	return found
}

// hasReady reports whether a scan has found n entries before.
func (l *live) hasReady(n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.ready) >= n
}

// begin notes a scan and returns the bound.
func (l *live) begin() (*scan, entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	sc := &scan{added: last}
	l.scans[sc] = struct{}{}
	return sc, l.low
}

// rescan reports whether it is time to scan from the first row, and notes that
// it is done.
func (l *live) rescan(now time.Time, every time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d := now.Sub(l.scanned); d >= 0 && d < every {
		return false
	}
	l.scanned = now
	return true
}

// end ends a scan that saw no row before low, and moves the bound there.
func (l *live) end(sc *scan, low entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.scans, sc)
	l.low = first(low, sc.added)
}

// scan goes through the index until n entries are claimed. low is its first
// row, or last when there are no rows.
func (l *live) scan(tx *kv.Tx, id queueID, from entry, now instant, n int) (found []entry, low entry, next instant, err error) {
	low, next = last, never
	for row, err := range index.RangeScan(tx, kv.K(id, from.at, from.unit), afterAll(kv.K(id))) {
		if err != nil {
			return found, low, next, err
		}
		e, err := readEntry(row.Key)
		if err != nil {
			return found, low, next, err
		}
		low = first(low, e)
		if e.at > now {
			return found, low, e.at, nil
		}
		if l.claim(e.unit) {
			found = append(found, e)
		}
		if len(found) == n {
			break
		}
	}
	return found, low, next, nil
}

func readEntry(k kv.Key) (entry, error) {
	parts, err := k.Decode()
	if err != nil {
		return entry{}, err
	}
	t, _ := parts[1].(int64)
	unit, _ := parts[2].(string)
	return entry{instant(t), unit}, nil
}

func (l *live) claim(unit string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.claimed[unit]; ok {
		return false
	}
	l.claimed[unit] = struct{}{}
	return true
}

func (l *live) release(es []entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range es {
		delete(l.claimed, e.unit)
	}
}
