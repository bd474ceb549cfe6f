package sqs

import (
	"context"
	"errors"

	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
)

// attempt is what a receive with a ReceiveRequestAttemptId got from a FIFO
// queue. A consumer that did not see the answer gets the same messages again.
type attempt struct {
	Messages []attempted `cbor:"messages"`
	Expires  instant     `cbor:"expires"`
}

type attempted struct {
	Key   messageKey `cbor:"key"`
	Count int        `cbor:"count"`
}

var attempts = kv.NewTable[attempt]("sqs/attempt", kv.Small()) // queueID, attempt id -> attempt

func noteAttempt(tx *kv.Tx, q *queue, r *reception, got []received) error {
	t := &attempt{Expires: at(r.now).add(dedupWindow)}
	for i := range got {
		t.Messages = append(t.Messages, attempted{got[i].receipt.key, got[i].receipt.count})
	}
	if err := attempts.Put(tx, t, q.ID, r.attemptID); err != nil {
		return err
	}
	return expiries.Put(tx, &struct{}{}, t.Expires, expiresAttempt, q.ID, r.attemptID, "")
}

// receiveAgain returns what an attempt got before, with the visibility timeout
// begun anew, if all of that is still with the consumer.
func (s *svc) receiveAgain(ctx context.Context, c *service.Call, r *reception, q *queue) (got []received, err error) {
	found := false
	err = c.View(ctx, func(tx *kv.Tx) (err error) {
		found, err = attempts.Has(tx, q.ID, r.attemptID)
		return err
	})
	if err != nil || !found {
		return nil, err
	}
	err = c.Update(ctx, func(tx *kv.Tx) (err error) {
		got, err = s.takeAgain(tx, q.ID, r)
		return err
	})
	return got, err
}

func (s *svc) takeAgain(tx *kv.Tx, id queueID, r *reception) ([]received, error) {
	now := at(r.now)
	q, err := getQueue(tx, r.a)
	if err != nil || q.ID != id {
		return nil, err
	}
	t, err := attempts.Get(tx, q.ID, r.attemptID)
	if errors.Is(err, kv.ErrNotFound) || err == nil && t.Expires <= now {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var held []*message
	for _, x := range t.Messages {
		m, err := getMessage(tx, q.ID, x.Key)
		if err != nil {
			return nil, err
		}
		if m == nil || m.ReceiveCount != x.Count || !m.inFlight(now) {
			return nil, nil
		}
		held = append(held, m)
	}
	got := make([]received, len(held))
	for i, m := range held {
		m.LastReceived = now
		if err := s.setVisibleAt(tx, q, m, r.visibleAt(q)); err != nil {
			return nil, err
		}
		if err := s.settleGroup(tx, q, m.GroupID, now); err != nil {
			return nil, err
		}
		if got[i], err = withContents(tx, q, m); err != nil {
			return nil, err
		}
	}
	return got, nil
}
