package sqs

import (
	"context"
	"crypto/cipher"
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

// live is what this process knows of a queue's incarnation. All of it is hints
// for speed: the rows alone decide.
type live struct {
	mu sync.Mutex
	// low is a bound: no row of the index that this process knows of is before
	// it. A scan from there does not pass what deleted messages left behind.
	low instant
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

type scan struct{ added instant }

const (
	never = instant(1<<63 - 1)
	// rescanEmpty and rescanBusy are how often an index is scanned from its
	// first row, when little or much was found from the bound.
	rescanEmpty = time.Second
	rescanBusy  = 10 * time.Second
)

// liveOf returns what is known of an incarnation.
func (s *svc) liveOf(id queueID) *live {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.live[id]
	if l == nil {
		l = &live{scans: map[*scan]struct{}{}, claimed: map[string]struct{}{}, news: make(chan struct{})}
		s.live[id] = l
	}
	return l
}

// forget drops what is known of an incarnation that is gone.
func (s *svc) forget(id queueID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.live, id)
}

// putIndex writes a row of the index. Once that is durable, the bound is
// lowered and those who wait are woken.
func (s *svc) putIndex(tx *kv.Tx, id queueID, e entry, held bool) error {
	if err := index.Put(tx, &held, id, e.at, e.unit); err != nil {
		return err
	}
	l := s.liveOf(id)
	tx.OnCommit(func() { l.added(e.at) })
	return nil
}

func (l *live) added(t instant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.low = min(l.low, t)
	for sc := range l.scans {
		sc.added = min(sc.added, t)
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
	sc, from := l.begin() // before the snapshot: what is added later counts
	first := never
	err = db.View(ctx, func(tx *kv.Tx) (err error) {
		full := l.rescan(now, rescanBusy)
		if full {
			from = 0
		}
		found, first, next, err = l.scan(tx, id, from, at(now), n)
		if err != nil || full || len(found) == n || !l.rescan(now, rescanEmpty) {
			return err
		}
		var more []entry
		more, first, next, err = l.scan(tx, id, 0, at(now), n-len(found))
		found = append(found, more...)
		return err
	})
	if err != nil {
		first = 0
		l.release(found)
		found = nil
	}
	l.end(sc, min(first, at(now)))
	return found, next, err
}

// begin notes a scan and returns the bound.
func (l *live) begin() (*scan, instant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	sc := &scan{added: never}
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

// end ends a scan that saw no row before first, and moves the bound there.
func (l *live) end(sc *scan, first instant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.scans, sc)
	l.low = min(first, sc.added)
}

// scan goes through the index until n entries are claimed. first is its first
// row's time; never when there are no rows.
func (l *live) scan(tx *kv.Tx, id queueID, from, now instant, n int) (found []entry, first, next instant, err error) {
	first, next = never, never
	for row, err := range index.RangeScan(tx, kv.K(id, from), afterAll(kv.K(id))) {
		if err != nil {
			return found, first, next, err
		}
		e, err := readEntry(row.Key)
		if err != nil {
			return found, first, next, err
		}
		first = min(first, e.at)
		if e.at > now {
			return found, first, e.at, nil
		}
		if l.claim(e.unit) {
			found = append(found, e)
		}
		if len(found) == n {
			break
		}
	}
	return found, first, next, nil
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
