package sqs

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"time"

	"github.com/gigawatt-cloud/gigawatt/kv"
)

// group is a message group of a FIFO queue. Its messages are received from the
// head on, and none behind one that is not visible: so the head decides when
// the group can be received, and the group is what the queue's index holds.
type group struct {
	// Last is the greatest sequence number that was given.
	Last uint64 `cbor:"last"`
	// Head is the message of the lowest sequence number, "" for an empty group.
	Head messageKey `cbor:"head,omitempty"`
	// ReadyAt is when the head becomes visible.
	ReadyAt instant `cbor:"ready,omitempty"`
	// EmptySince is when the last message was taken out.
	EmptySince instant `cbor:"empty,omitempty"`
}

// duplicate is what is kept of a message to recognise its like.
type duplicate struct {
	ID       string  `cbor:"id"`
	Sequence uint64  `cbor:"seq"`
	Expires  instant `cbor:"expires"`
}

var (
	groups = kv.NewTable[group]("sqs/group", kv.Small())      // queueID, group id -> group
	order  = kv.NewTable[messageKey]("sqs/order", kv.Small()) // queueID, group id, sequence number -> messageKey
	dedups = kv.NewTable[duplicate]("sqs/dedup", kv.Small())  // queueID, group id or "", deduplication id -> duplicate
	// expiries lists what the sweep removes, the earliest first.
	expiries = kv.NewTable[struct{}]("sqs/expiry", kv.Small()) // instant, kind, queueID, parts of the key
)

// The kinds of rows that expire.
const (
	expiresDedup   = "dedup"
	expiresGroup   = "group"
	expiresAttempt = "attempt"
)

const (
	// dedupWindow is for how long a message's like is taken for the same.
	dedupWindow = 5 * time.Minute
	// groupRest is how long an empty group is remembered, so that its sequence
	// numbers rise even if the clocks of two senders differ.
	groupRest = 10 * time.Minute
	// firstSequence makes sequence numbers 20 digits long.
	firstSequence = uint64(10_000_000_000_000_000_000)
)

func sequenceText(n uint64) string { return strconv.FormatUint(n, 10) }

func getGroup(tx *kv.Tx, id queueID, groupID string) (*group, error) {
	g, err := groups.Get(tx, id, groupID)
	if errors.Is(err, kv.ErrNotFound) {
		return &group{}, nil
	}
	return g, err
}

// appendToGroup puts a message at the end of its group and numbers it.
func (s *svc) appendToGroup(tx *kv.Tx, q *queue, m *message) error {
	g, err := getGroup(tx, q.ID, m.GroupID)
	if err != nil {
		return err
	}
	g.Last = max(g.Last+1, firstSequence+uint64(m.Sent))
	m.Sequence = g.Last
	key := m.key()
	if err := messages.Put(tx, m, q.ID, key); err != nil {
		return err
	}
	if err := order.Put(tx, &key, q.ID, m.GroupID, m.Sequence); err != nil {
		return err
	}
	if g.Head == "" {
		g.Head, g.ReadyAt = key, m.VisibleAt
		if err := s.putIndex(tx, q.ID, entry{g.ReadyAt, m.GroupID}, false); err != nil {
			return err
		}
	}
	return groups.Put(tx, g, q.ID, m.GroupID)
}

// settleGroup finds a group's head again after messages were taken out or
// their visibility has changed, and keeps the index in step.
func (s *svc) settleGroup(tx *kv.Tx, q *queue, groupID string, now instant) error {
	g, err := getGroup(tx, q.ID, groupID)
	if err != nil {
		return err
	}
	head, err := headOf(tx, q.ID, groupID)
	if err != nil {
		return err
	}
	if head != nil && g.Head == head.key() && g.ReadyAt == head.VisibleAt {
		return nil
	}
	if g.Head != "" {
		if err := index.Delete(tx, q.ID, g.ReadyAt, groupID); err != nil {
			return err
		}
	}
	if head == nil {
		if g.Head != "" {
			g.EmptySince = now
			expires := now.add(groupRest).roundUp(time.Minute)
			if err := expiries.Put(tx, &struct{}{}, expires, expiresGroup, q.ID, groupID, ""); err != nil {
				return err
			}
		}
		g.Head, g.ReadyAt = "", 0
		return groups.Put(tx, g, q.ID, groupID)
	}
	g.Head, g.ReadyAt = head.key(), head.VisibleAt
	if err := s.putIndex(tx, q.ID, entry{g.ReadyAt, groupID}, false); err != nil {
		return err
	}
	return groups.Put(tx, g, q.ID, groupID)
}

// headOf returns the first message of a group, or nil.
func headOf(tx *kv.Tx, id queueID, groupID string) (*message, error) {
	for row, err := range order.Scan(tx, kv.Scan{Prefix: []any{id, groupID}, Limit: 1}) {
		if err != nil {
			return nil, err
		}
		return messages.Get(tx, id, *row.Value)
	}
	return nil, nil
}

// roundUp rounds to a multiple of d, so that a row that is written often is
// one row.
func (i instant) roundUp(d time.Duration) instant {
	n := instant(d.Microseconds())
	return (i + n - 1) / n * n
}

// dedupKey is where the like of a message is remembered.
func dedupKey(q *queue, m *message) []any {
	scope := ""
	if q.DeduplicationScope == scopeGroup {
		scope = m.GroupID
	}
	return []any{q.ID, scope, m.DeduplicationID}
}

// findDuplicate returns the message of the last five minutes that m repeats,
// or notes m and returns nil; the sequence number is noted by noteSequence.
func findDuplicate(tx *kv.Tx, q *queue, m *message, now instant) (*duplicate, error) {
	d, err := dedups.Get(tx, dedupKey(q, m)...)
	switch {
	case errors.Is(err, kv.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case d.Expires <= now:
		return nil, nil
	}
	return d, nil
}

// noteDuplicate remembers a message that was sent.
func noteDuplicate(tx *kv.Tx, q *queue, m *message, now instant) error {
	key := dedupKey(q, m)
	d := &duplicate{ID: m.ID, Sequence: m.Sequence, Expires: now.add(dedupWindow)}
	if err := dedups.Put(tx, d, key...); err != nil {
		return err
	}
	return expiries.Put(tx, &struct{}{}, append([]any{d.Expires, expiresDedup}, key...)...)
}

// contentID is the deduplication id of a queue with content-based deduplication.
func contentID(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}
