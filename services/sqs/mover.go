package sqs

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/gigawatt-cloud/gigawatt/kv"
)

// mover moves messages of a task within one transaction.
type mover struct {
	s      *svc
	tx     *kv.Tx
	task   *moveTask
	source *queue
	want   int
	now    instant
	n      int // how many were moved
}

// entry moves the message, or the visible messages of the group, of an entry
// of the source's index.
func (mv *mover) entry(e entry) error {
	if mv.done() {
		return nil
	}
	if !mv.source.FifoQueue {
		m, err := getMessage(mv.tx, mv.source.ID, messageKey(e.unit))
		if err != nil || m == nil || m.VisibleAt != e.at {
			return err
		}
		return mv.message(m)
	}
	for row, err := range order.Scan(mv.tx, kv.Scan{Prefix: []any{mv.source.ID, e.unit}}) {
		if err != nil {
			return err
		}
		m, err := messages.Get(mv.tx, mv.source.ID, *row.Value)
		if err != nil {
			return err
		}
		if mv.done() || m.VisibleAt > mv.now {
			break
		}
		if err := mv.message(m); err != nil {
			return err
		}
	}
	return mv.s.settleGroup(mv.tx, mv.source, e.unit, mv.now)
}

func (mv *mover) done() bool { return mv.n >= mv.want || mv.task.Status != moveRunning }

// message moves one message, which is a new one at its destination, or fails the task.
func (mv *mover) message(m *message) error {
	if m.expired(mv.source, mv.now) {
		return mv.s.dropMessage(mv.tx, mv.source, m)
	}
	to := mv.task.DestinationARN
	if to == "" {
		to = m.DeadLetterSource
	}
	if to == "" {
		mv.fail(failedNoSource)
		return nil
	}
	q, err := destination(mv.tx, to)
	if err != nil {
		return err
	}
	switch {
	case q == nil:
		mv.fail(failedNoQueue)
		return nil
	case q.FifoQueue != mv.source.FifoQueue:
		mv.fail(failedQueueType)
		return nil
	}
	if err := mv.s.removeMessage(mv.tx, mv.source, m); err != nil {
		return err
	}
	fresh := *m
	fresh.ID, fresh.Origin = movedID(mv.task.ID, m), m.origin()
	fresh.Sent = mv.now + instant(mv.n)
	fresh.VisibleAt = fresh.Sent
	fresh.ReceiveCount, fresh.FirstReceived, fresh.LastReceived, fresh.Held = 0, 0, 0, false
	fresh.DeadLetterSource, fresh.Sequence = "", 0
	mv.n++
	return mv.s.addMessage(mv.tx, q, &fresh)
}

func (mv *mover) fail(reason string) { mv.task.Status, mv.task.FailureReason = moveFailed, reason }

// movedID is the id of a message after a task has moved it. It follows from
// both, so that a transaction that runs again gives the same.
func movedID(taskID string, m *message) string {
	sum := sha256.Sum256([]byte(taskID + "/" + m.ID))
	b := sum[:16]
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
