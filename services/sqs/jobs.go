package sqs

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
)

const (
	// sweepJob removes what has expired from all queues; eraseJob removes what
	// a deleted or purged queue has left; moveJob is in move.go.
	sweepJob = "sqs.sweep"
	eraseJob = "sqs.erase"

	sweepEvery = time.Minute
	// batchRows is how many messages one transaction of a job removes.
	batchRows = 200
)

func startSweep(ctx context.Context, c *service.Call) error {
	return c.Update(ctx, func(tx *kv.Tx) error {
		return service.EnsureJob(tx, &service.Job{Kind: sweepJob, ID: "all", Account: c.Account, Region: c.Region, RunAt: c.Now.Add(sweepEvery)})
	})
}

// sweep removes messages whose retention period is over, and rows of FIFO
// queues that are no longer needed.
func (s *svc) sweep(ctx context.Context, c *service.Call, _ *service.Job) (time.Time, error) {
	now := at(c.Now)
	var after kv.Key
	for {
		page, next, err := queuePage(ctx, c, after)
		if err != nil {
			return time.Time{}, err
		}
		for _, q := range page {
			if err := s.expireMessages(ctx, c, q, now); err != nil {
				return time.Time{}, fmt.Errorf("expire messages of %s: %w", q.address().arn(), err)
			}
		}
		if after = next; next == nil {
			break
		}
	}
	if err := s.expireRows(ctx, c, now); err != nil {
		return time.Time{}, err
	}
	return c.Now.Add(sweepEvery), nil
}

// queuePage returns some queues and, unless they are the last, the key of the last.
func queuePage(ctx context.Context, c *service.Call, after kv.Key) (page []*queue, next kv.Key, err error) {
	err = c.View(ctx, func(tx *kv.Tx) error {
		for row, err := range queues.Scan(tx, kv.Scan{After: after, Limit: batchRows}) {
			if err != nil {
				return err
			}
			page, next = append(page, row.Value), row.Key
		}
		return nil
	})
	if len(page) < batchRows {
		next = nil
	}
	return page, next, err
}

// expireMessages removes the expired messages of a queue. They are its first.
func (s *svc) expireMessages(ctx context.Context, c *service.Call, q *queue, now instant) error {
	for {
		var old []messageKey
		err := c.View(ctx, func(tx *kv.Tx) error {
			for row, err := range messages.Scan(tx, kv.Scan{Prefix: []any{q.ID}, Limit: batchRows}) {
				if err != nil {
					return err
				}
				if !row.Value.expired(q, now) {
					return nil
				}
				old = append(old, row.Value.key())
			}
			return nil
		})
		if err != nil || len(old) == 0 {
			return err
		}
		if err := c.Update(ctx, func(tx *kv.Tx) error { return s.expire(tx, q, old, now) }); err != nil {
			return err
		}
	}
}

// expire removes messages that are there and expired still.
func (s *svc) expire(tx *kv.Tx, seen *queue, old []messageKey, now instant) error {
	q, err := queues.Get(tx, seen.address().key()...)
	if err != nil || q.ID != seen.ID {
		return ignoreNotFound(err)
	}
	changed := map[string]bool{}
	for _, key := range old {
		m, err := getMessage(tx, q.ID, key)
		if err != nil {
			return err
		}
		if m == nil || !m.expired(q, now) {
			continue
		}
		if err := s.dropMessage(tx, q, m); err != nil {
			return err
		}
		changed[m.GroupID] = true
	}
	if !q.FifoQueue {
		return nil
	}
	for _, g := range sortedKeys(changed) {
		if err := s.settleGroup(tx, q, g, now); err != nil {
			return err
		}
	}
	return nil
}

// expireRows removes what the table of expiries lists up to now.
func (s *svc) expireRows(ctx context.Context, c *service.Call, now instant) error {
	for more := true; more; {
		err := c.Update(ctx, func(tx *kv.Tx) error {
			n := 0
			for row, err := range expiries.RangeScan(tx, nil, kv.K(now+1)) {
				if err != nil {
					return err
				}
				if n++; n > batchRows {
					break
				}
				parts, err := row.Key.Decode()
				if err != nil {
					return err
				}
				if err := expireRow(tx, parts, now); err != nil {
					return err
				}
				if err := expiries.Delete(tx, parts...); err != nil {
					return err
				}
			}
			more = n > batchRows
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// expireRow removes the row that an expiry names, if it is as old as that.
func expireRow(tx *kv.Tx, parts []any, now instant) error {
	switch id, a, b := parts[2], parts[3], parts[4]; parts[1] {
	case expiresDedup:
		d, err := dedups.Get(tx, id, a, b)
		if err != nil || d.Expires > now {
			return ignoreNotFound(err)
		}
		return dedups.Delete(tx, id, a, b)
	case expiresAttempt:
		t, err := attempts.Get(tx, id, a)
		if err != nil || t.Expires > now {
			return ignoreNotFound(err)
		}
		return attempts.Delete(tx, id, a)
	case expiresGroup:
		g, err := groups.Get(tx, id, a)
		if err != nil || g.Head != "" || g.EmptySince.add(groupRest) > now {
			return ignoreNotFound(err)
		}
		return groups.Delete(tx, id, a)
	}
	return nil
}

// erasure is the payload of eraseJob. The name rests until a minute after
// DeletedAt; it is "" for a purge.
type erasure struct {
	ID        queueID
	Account   arn.AccountID
	Region    string
	Name      queueName
	DeletedAt time.Time
}

// erase removes all rows of an incarnation, and then the mark of a deleted name.
func (s *svc) erase(ctx context.Context, c *service.Call, j *service.Job) (time.Time, error) {
	var e erasure
	if err := json.Unmarshal(j.Payload, &e); err != nil {
		return time.Time{}, fmt.Errorf("read the payload: %w", err)
	}
	for _, part := range []func(tx *kv.Tx, id queueID) (more bool, err error){
		eraseMessages, eraseTable[bool](index), eraseTable[messageKey](order), eraseTable[group](groups),
		eraseTable[duplicate](dedups), eraseTable[attempt](attempts),
	} {
		for more := true; more; {
			err := c.Update(ctx, func(tx *kv.Tx) (err error) {
				more, err = part(tx, e.ID)
				return err
			})
			if err != nil {
				return time.Time{}, err
			}
		}
	}
	s.forget(e.ID)
	if e.Name == "" {
		return time.Time{}, nil
	}
	if end := e.DeletedAt.Add(settleTime); c.Now.Before(end) {
		return end, nil
	}
	return time.Time{}, c.Update(ctx, func(tx *kv.Tx) error {
		key := address{e.Account, e.Region, e.Name}.key()
		t, err := deleted.Get(tx, key...)
		if err != nil || !t.Equal(e.DeletedAt) {
			return ignoreNotFound(err)
		}
		return deleted.Delete(tx, key...)
	})
}

func eraseMessages(tx *kv.Tx, id queueID) (bool, error) {
	n := 0
	for row, err := range messages.Scan(tx, kv.Scan{Prefix: []any{id}, Limit: batchRows}) {
		if err != nil {
			return false, err
		}
		n++
		if err := messages.Delete(tx, id, row.Value.key()); err != nil {
			return false, err
		}
		if err := dropContents(tx, row.Value); err != nil {
			return false, err
		}
	}
	return n == batchRows, nil
}

// eraseTable removes rows of an incarnation from a table.
func eraseTable[T any](t *kv.Table[T]) func(tx *kv.Tx, id queueID) (bool, error) {
	return func(tx *kv.Tx, id queueID) (bool, error) {
		n := 0
		for row, err := range t.Scan(tx, kv.Scan{Prefix: []any{id}, Limit: batchRows}) {
			if err != nil {
				return false, err
			}
			n++
			parts, err := row.Key.Decode()
			if err != nil {
				return false, err
			}
			if err := t.Delete(tx, parts...); err != nil {
				return false, err
			}
		}
		return n == batchRows, nil
	}
}
