package sqs

import (
	"context"
	"time"

	"github.com/gigawatt-cloud/gigawatt/service"
)

// poll receives, and waits for messages if there are none: as long as the
// request says, or the queue. It sleeps until something is added to the queue,
// the next message becomes visible, or the queue itself changes.
func (s *svc) poll(ctx context.Context, c *service.Call, r *reception, waitSeconds *int32) ([]received, error) {
	got, q, _, err := s.receive(ctx, c, r)
	if err != nil || len(got) > 0 {
		return got, err
	}
	seconds := int(value(waitSeconds))
	if waitSeconds == nil && q != nil {
		seconds = q.ReceiveMessageWaitTimeSeconds
	}
	if seconds == 0 {
		return nil, nil
	}
	deadline := c.Now.Add(time.Duration(seconds) * time.Second)
	changed, stop := s.env.DB.Watch(queues.Prefix(r.a.key()...))
	defer stop()
	w := &waiting{s: s}
	defer w.close()
	for {
		// First what wakes, then another look: what comes between is not missed.
		added := w.on(q)
		r.now = s.env.Clock.Now()
		var next instant
		if got, q, next, err = s.receive(ctx, c, r); err != nil || len(got) > 0 {
			return got, err
		}
		rest := deadline.Sub(r.now)
		if rest <= 0 {
			return nil, nil
		}
		if next != never {
			rest = min(rest, max(next.time().Sub(r.now), time.Millisecond))
		}
		select {
		case <-ctx.Done(): // the client or the server leaves
			return nil, nil
		case <-changed:
		case <-added:
		case <-w.wake:
		case <-s.env.Clock.After(rest):
		}
	}
}

// waiting is what one poll listens to: additions by this process, and by others.
type waiting struct {
	s    *svc
	id   queueID
	wake <-chan struct{}
	stop func()
}

// on listens to a queue's incarnation.
func (w *waiting) on(q *queue) <-chan struct{} {
	if q == nil {
		return nil
	}
	if q.ID != w.id {
		w.close()
		w.id = q.ID
		w.wake, w.stop = w.s.env.DB.Watch(index.Prefix(q.ID))
	}
	return w.s.liveOf(q.ID).waiter()
}

func (w *waiting) close() {
	if w.stop != nil {
		w.stop()
	}
}
