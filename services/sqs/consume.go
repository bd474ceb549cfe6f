package sqs

import (
	"context"
	"time"

	"github.com/gigawatt-cloud/gigawatt/api/sqsapi"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
)

// held finds the message of a receipt handle. It is nil when there is none any
// more; current says that the handle is of its last receive.
func (s *svc) held(tx *kv.Tx, q *queue, handle string) (m *message, current bool, err error) {
	r, err := s.readHandle(q.address(), handle)
	if err != nil || r.queue != q.ID {
		return nil, false, err // of before a purge
	}
	m, err = getMessage(tx, q.ID, r.key)
	if err != nil || m == nil {
		return nil, false, err
	}
	return m, m.ReceiveCount == r.count, nil
}

// onQueue runs fn on a queue in one transaction.
func (s *svc) onQueue(ctx context.Context, c *service.Call, queueURL string, fn func(tx *kv.Tx, q *queue) error) error {
	a, err := addressOf(c, queueURL)
	if err != nil {
		return err
	}
	return c.Update(ctx, func(tx *kv.Tx) error {
		q, err := getQueue(tx, a)
		if err != nil {
			return err
		}
		return fn(tx, q)
	})
}

func needChangeMessageVisibility(c *service.Call, in *sqsapi.ChangeMessageVisibilityInput) []policy.Need {
	return need(c, "ChangeMessageVisibility", in.QueueUrl)
}

func (s *svc) changeMessageVisibility(ctx context.Context, c *service.Call, in *sqsapi.ChangeMessageVisibilityInput) (*sqsapi.ChangeMessageVisibilityOutput, error) {
	return nil, s.onQueue(ctx, c, in.QueueUrl, func(tx *kv.Tx, q *queue) error {
		return s.changeVisibility(tx, q, in.ReceiptHandle, in.VisibilityTimeout, at(c.Now))
	})
}

// changeVisibility lets a message that a consumer holds become visible seconds
// from now. Twelve hours after it was received the consumer loses it anyway.
func (s *svc) changeVisibility(tx *kv.Tx, q *queue, handle string, seconds int32, now instant) error {
	if err := checkVisibility(&seconds); err != nil {
		return err
	}
	m, current, err := s.held(tx, q, handle)
	switch {
	case err != nil:
		return err
	case m == nil || !current && !q.FifoQueue:
		return errNotAvailable(handle)
	case q.FifoQueue && (!current || m.Held && !m.inFlight(now)):
		return errExpired(handle)
	case !m.Held:
		return errNotInflight()
	}
	t := now.add(time.Duration(seconds) * time.Second)
	if seconds > 0 && t > m.LastReceived.add(maxVisibility*time.Second) {
		return errParameter("VisibilityTimeout", seconds, "Total VisibilityTimeout for the message is beyond the limit [%d seconds]", maxVisibility)
	}
	m.Held = seconds > 0
	if err := s.setVisibleAt(tx, q, m, t); err != nil || !q.FifoQueue {
		return err
	}
	return s.settleGroup(tx, q, m.GroupID, now)
}

func needChangeMessageVisibilityBatch(c *service.Call, in *sqsapi.ChangeMessageVisibilityBatchInput) []policy.Need {
	return need(c, "ChangeMessageVisibility", in.QueueUrl)
}

func (s *svc) changeMessageVisibilityBatch(ctx context.Context, c *service.Call, in *sqsapi.ChangeMessageVisibilityBatchInput) (*sqsapi.ChangeMessageVisibilityBatchOutput, error) {
	if err := checkBatch("ChangeMessageVisibility", in.Entries, func(e *sqsapi.ChangeMessageVisibilityBatchRequestEntry) string { return e.Id }); err != nil {
		return nil, err
	}
	var out *sqsapi.ChangeMessageVisibilityBatchOutput
	err := s.onQueue(ctx, c, in.QueueUrl, func(tx *kv.Tx, q *queue) error {
		out = &sqsapi.ChangeMessageVisibilityBatchOutput{
			Successful: []sqsapi.ChangeMessageVisibilityBatchResultEntry{}, Failed: []sqsapi.BatchResultErrorEntry{},
		}
		for _, e := range in.Entries {
			err := error(errMissing("VisibilityTimeout"))
			if e.VisibilityTimeout != nil {
				err = s.changeVisibility(tx, q, e.ReceiptHandle, *e.VisibilityTimeout, at(c.Now))
			}
			switch {
			case err == nil:
				out.Successful = append(out.Successful, sqsapi.ChangeMessageVisibilityBatchResultEntry{Id: e.Id})
			case awserr.As(err) == nil:
				return err
			default:
				out.Failed = append(out.Failed, batchFailure(e.Id, err))
			}
		}
		return nil
	})
	return out, err
}

func needDeleteMessage(c *service.Call, in *sqsapi.DeleteMessageInput) []policy.Need {
	return need(c, "DeleteMessage", in.QueueUrl)
}

func (s *svc) deleteMessage(ctx context.Context, c *service.Call, in *sqsapi.DeleteMessageInput) (*sqsapi.DeleteMessageOutput, error) {
	return nil, s.onQueue(ctx, c, in.QueueUrl, func(tx *kv.Tx, q *queue) error {
		return s.remove(tx, q, in.ReceiptHandle, at(c.Now))
	})
}

// remove deletes the message of a receipt handle. On a standard queue the
// handle of an earlier receive deletes nothing, and a message that is visible
// again may still be deleted; on a FIFO queue both are refused.
func (s *svc) remove(tx *kv.Tx, q *queue, handle string, now instant) error {
	m, current, err := s.held(tx, q, handle)
	switch {
	case err != nil || m == nil:
		return err
	case q.FifoQueue && (!current || !m.inFlight(now)):
		return errExpired(handle)
	case !current:
		return nil
	}
	if err := s.dropMessage(tx, q, m); err != nil || !q.FifoQueue {
		return err
	}
	return s.settleGroup(tx, q, m.GroupID, now)
}

func needDeleteMessageBatch(c *service.Call, in *sqsapi.DeleteMessageBatchInput) []policy.Need {
	return need(c, "DeleteMessage", in.QueueUrl)
}

func (s *svc) deleteMessageBatch(ctx context.Context, c *service.Call, in *sqsapi.DeleteMessageBatchInput) (*sqsapi.DeleteMessageBatchOutput, error) {
	if err := checkBatch("DeleteMessage", in.Entries, func(e *sqsapi.DeleteMessageBatchRequestEntry) string { return e.Id }); err != nil {
		return nil, err
	}
	var out *sqsapi.DeleteMessageBatchOutput
	err := s.onQueue(ctx, c, in.QueueUrl, func(tx *kv.Tx, q *queue) error {
		out = &sqsapi.DeleteMessageBatchOutput{Successful: []sqsapi.DeleteMessageBatchResultEntry{}, Failed: []sqsapi.BatchResultErrorEntry{}}
		for _, e := range in.Entries {
			switch err := s.remove(tx, q, e.ReceiptHandle, at(c.Now)); {
			case err == nil:
				out.Successful = append(out.Successful, sqsapi.DeleteMessageBatchResultEntry{Id: e.Id})
			case awserr.As(err) == nil:
				return err
			default:
				out.Failed = append(out.Failed, batchFailure(e.Id, err))
			}
		}
		return nil
	})
	return out, err
}
