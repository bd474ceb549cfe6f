package sqs

import (
	"time"

	"github.com/gigawatt-cloud/gigawatt/kv"
)

// counts are the numbers of a queue's messages.
type counts struct{ visible, inFlight, delayed int }

func (n *counts) total() int { return n.visible + n.inFlight + n.delayed }

const (
	// countAlways is up to how many messages a queue is counted each time
	// somebody asks; larger ones every countEvery.
	countAlways = 10_000
	countEvery  = 10 * time.Second
	// maxInFlight is how many messages consumers may hold of one queue.
	maxInFlight = 120_000
)

func (n *counts) add(held bool, visibleAt, now instant) {
	switch {
	case visibleAt <= now:
		n.visible++
	case held:
		n.inFlight++
	default:
		n.delayed++
	}
}

// counts returns how many messages a queue has: exactly for most queues, as of
// a few seconds ago for a deep one.
func (l *live) counts(tx *kv.Tx, q *queue, now time.Time) (*counts, error) {
	l.mu.Lock()
	last, age := l.count, now.Sub(l.countedAt)
	l.mu.Unlock()
	if last.total() > countAlways && age >= 0 && age < countEvery {
		return &last, nil
	}
	n, err := countMessages(tx, q, 0, at(now))
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count, l.countedAt = *n, now
	return n, nil
}

// countMessages counts the messages of a queue; of a standard queue only those
// that become visible at from or later.
func countMessages(tx *kv.Tx, q *queue, from, now instant) (*counts, error) {
	n := &counts{}
	if q.FifoQueue { // its index has groups
		for row, err := range messages.Scan(tx, kv.Scan{Prefix: []any{q.ID}}) {
			if err != nil {
				return nil, err
			}
			n.add(row.Value.Held, row.Value.VisibleAt, now)
		}
		return n, nil
	}
	for row, err := range index.RangeScan(tx, kv.K(q.ID, from), afterAll(kv.K(q.ID))) {
		if err != nil {
			return nil, err
		}
		e, err := readEntry(row.Key)
		if err != nil {
			return nil, err
		}
		n.add(*row.Value, e.at, now)
	}
	return n, nil
}

// full reports whether consumers hold as many messages as they may. It counts
// only when what was received since the last count could have reached the limit.
func (l *live) full(tx *kv.Tx, q *queue, now time.Time) (bool, error) {
	if l.hasRoom() {
		return false, nil
	}
	n, err := countMessages(tx, q, at(now), at(now))
	if err != nil {
		return false, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.room = maxInFlight - n.inFlight
	return l.room <= 0, nil
}

// hasRoom reports whether consumers may certainly hold another message.
func (l *live) hasRoom() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.room > 0
}

func (l *live) noteReceived(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.room -= n
}
