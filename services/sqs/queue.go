package sqs

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/gigawatt-cloud/gigawatt/api/sqsapi"
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
)

// queueID is one incarnation of a queue. Messages belong to it, so that they
// are gone as soon as the queue has another.
type queueID string

// queue is the stored form of a queue.
type queue struct {
	ID       queueID       `cbor:"id"`
	Account  arn.AccountID `cbor:"account"`
	Region   string        `cbor:"region"`
	Name     queueName     `cbor:"name"`
	Created  time.Time     `cbor:"created"`
	Modified time.Time     `cbor:"modified"`
	PurgedAt time.Time     `cbor:"purged,omitzero"`

	FifoQueue bool `cbor:"fifo,omitempty"`
	// The attributes, in seconds and bytes.
	DelaySeconds                  int    `cbor:"delay"`
	MaximumMessageSize            int    `cbor:"size"`
	MessageRetentionPeriod        int    `cbor:"retention"`
	ReceiveMessageWaitTimeSeconds int    `cbor:"wait"`
	VisibilityTimeout             int    `cbor:"visibility"`
	ContentBasedDeduplication     bool   `cbor:"contentDedup,omitempty"`
	DeduplicationScope            string `cbor:"dedupScope,omitempty"`
	FifoThroughputLimit           string `cbor:"throughput,omitempty"`
	SqsManagedSseEnabled          bool   `cbor:"sse"`
	Policy                        string `cbor:"policy,omitempty"`

	Redrive      *redrivePolicy      `cbor:"redrive,omitempty"`
	RedriveAllow *redriveAllowPolicy `cbor:"redriveAllow,omitempty"`
	Tags         map[string]string   `cbor:"tags,omitempty"`
}

func (q *queue) address() address { return address{q.Account, q.Region, q.Name} }

// retention and delay are the attributes of these names as durations.
func (q *queue) retention() time.Duration {
	return time.Duration(q.MessageRetentionPeriod) * time.Second
}

func (q *queue) delay() time.Duration { return time.Duration(q.DelaySeconds) * time.Second }

var (
	queues = kv.NewTable[queue]("sqs/queue", kv.Small()) // account, region, name -> queue
	// deleted holds the names that were deleted less than a minute ago.
	deleted = kv.NewTable[time.Time]("sqs/deleted", kv.Small()) // account, region, name -> when
)

const (
	// settleTime is how long a name rests after DeleteQueue, and a queue after PurgeQueue.
	settleTime = time.Minute
	maxQueues  = 1000 // a page of ListQueues at most
)

// getQueue returns a queue or SQS's error that there is none.
func getQueue(tx *kv.Tx, a address) (*queue, error) {
	q, err := queues.Get(tx, a.key()...)
	if errors.Is(err, kv.ErrNotFound) {
		return nil, errNoQueue()
	}
	return q, err
}

func putQueue(tx *kv.Tx, q *queue) error { return queues.Put(tx, q, q.address().key()...) }

// updateQueue changes a queue of the caller in one transaction.
func (s *svc) updateQueue(ctx context.Context, c *service.Call, queueURL string, fn func(tx *kv.Tx, q *queue) error) error {
	a, err := addressOf(c, queueURL)
	if err != nil {
		return err
	}
	if err := own(c, a); err != nil {
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

func newQueueID(c *service.Call) queueID { return queueID(c.IDs.Hex(16)) }

func needCreateQueue(c *service.Call, in *sqsapi.CreateQueueInput) []policy.Need {
	a := address{c.Account, c.Region, queueName(in.QueueName)}
	n := needAt(a, "CreateQueue")
	if len(in.Tags) > 0 {
		n[0].Context = requestTags(in.Tags)
		n = append(n, needAt(a, "TagQueue")...)
		n[1].Context = n[0].Context
	}
	return n
}

func (s *svc) createQueue(ctx context.Context, c *service.Call, in *sqsapi.CreateQueueInput) (*sqsapi.CreateQueueOutput, error) {
	a := address{c.Account, c.Region, queueName(in.QueueName)}
	if err := checkName(a.Name, in.Attributes[sqsapi.QueueAttributeNameFifoQueue] == "true"); err != nil {
		return nil, err
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	q := newQueue(a, c.Now)
	q.ID, q.Tags = newQueueID(c), in.Tags
	err := c.Update(ctx, func(tx *kv.Tx) error {
		q := *q // of this run
		if q.FifoQueue = in.Attributes[sqsapi.QueueAttributeNameFifoQueue] == "true"; q.FifoQueue {
			q.DeduplicationScope, q.FifoThroughputLimit = scopeQueue, limitPerQueue
		}
		if err := setAttributes(tx, &q, in.Attributes); err != nil {
			return err
		}
		old, err := queues.Get(tx, a.key()...)
		switch {
		case err == nil:
			return sameAttributes(old, &q, in.Attributes)
		case !errors.Is(err, kv.ErrNotFound):
			return err
		}
		if err := rested(tx, a, c.Now); err != nil {
			return err
		}
		if err := linkSource(tx, &q, nil); err != nil {
			return err
		}
		return putQueue(tx, &q)
	})
	if err != nil {
		return nil, err
	}
	u := a.url(c)
	return &sqsapi.CreateQueueOutput{QueueUrl: &u}, nil
}

// newQueue returns a queue with the attributes that one has by default.
func newQueue(a address, now time.Time) *queue {
	now = now.Truncate(time.Second)
	return &queue{
		Account: a.Account, Region: a.Region, Name: a.Name, Created: now, Modified: now,
		MaximumMessageSize: maxMessage, MessageRetentionPeriod: int((4 * 24 * time.Hour).Seconds()),
		VisibilityTimeout: 30, SqsManagedSseEnabled: true,
	}
}

// sameAttributes refuses to create a queue that exists with another value of
// one of the attributes that are asked for.
func sameAttributes(old, q *queue, asked map[string]string) error {
	for _, at := range attributes {
		if _, ok := asked[at.name]; ok && at.get(old) != at.get(q) {
			return coded(sqsapi.ErrQueueNameExists(
				"A queue already exists with the same name and a different value for attribute %s", at.name), "QueueAlreadyExists")
		}
	}
	return nil
}

// rested refuses a name that was deleted a moment ago.
func rested(tx *kv.Tx, a address, now time.Time) error {
	at, err := deleted.Get(tx, a.key()...)
	switch {
	case errors.Is(err, kv.ErrNotFound):
		return nil
	case err != nil:
		return err
	case now.Sub(*at) < settleTime:
		return coded(sqsapi.ErrQueueDeletedRecently(
			"You must wait 60 seconds after deleting a queue before you can create another with the same name."),
			queryPrefix+"QueueDeletedRecently")
	}
	return deleted.Delete(tx, a.key()...)
}

func needGetQueueURL(c *service.Call, in *sqsapi.GetQueueUrlInput) []policy.Need {
	return needAt(namedAddress(c, in), "GetQueueUrl")
}

func namedAddress(c *service.Call, in *sqsapi.GetQueueUrlInput) address {
	a := address{c.Account, c.Region, queueName(in.QueueName)}
	if in.QueueOwnerAWSAccountId != nil && *in.QueueOwnerAWSAccountId != "" {
		a.Account = arn.AccountID(*in.QueueOwnerAWSAccountId)
	}
	return a
}

func (s *svc) getQueueURL(ctx context.Context, c *service.Call, in *sqsapi.GetQueueUrlInput) (*sqsapi.GetQueueUrlOutput, error) {
	a := namedAddress(c, in)
	switch {
	case a.Name == "":
		return nil, errMissing("QueueName")
	case !validName(a.Name) || !a.Account.Valid():
		return nil, errNoQueue()
	}
	err := c.View(ctx, func(tx *kv.Tx) error {
		_, err := getQueue(tx, a)
		return err
	})
	if err != nil {
		return nil, err
	}
	u := a.url(c)
	return &sqsapi.GetQueueUrlOutput{QueueUrl: &u}, nil
}

func needListQueues(c *service.Call, _ *sqsapi.ListQueuesInput) []policy.Need {
	return needAt(address{c.Account, c.Region, "*"}, "ListQueues")
}

func (s *svc) listQueues(ctx context.Context, c *service.Call, in *sqsapi.ListQueuesInput) (*sqsapi.ListQueuesOutput, error) {
	prefix := value(in.QueueNamePrefix)
	limit, err := pageSize(in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	after, err := c.OpenPage(c.Region+"/"+prefix, value(in.NextToken))
	if err != nil {
		return nil, errToken()
	}
	from := kv.Key(after)
	if len(from) == 0 {
		from = kv.K(c.Account, c.Region, prefix)
	}
	out := &sqsapi.ListQueuesOutput{}
	err = c.View(ctx, func(tx *kv.Tx) error {
		for row, err := range queues.RangeScan(tx, from, afterAll(kv.K(c.Account, c.Region))) {
			if err != nil {
				return err
			}
			q := row.Value
			if !strings.HasPrefix(string(q.Name), prefix) {
				return nil // they are in the order of names
			}
			if len(out.QueueUrls) == limit {
				if in.MaxResults != nil {
					t := c.PageToken(c.Region+"/"+prefix, row.Key)
					out.NextToken = &t
				}
				return nil
			}
			out.QueueUrls = append(out.QueueUrls, q.address().url(c))
		}
		return nil
	})
	return out, err
}

// afterAll is the first key behind those that begin with prefix, whose last
// byte is the end of a name.
func afterAll(prefix kv.Key) kv.Key { return append(prefix, 0xff) }

// pageSize is how many results a list gives; a token comes with a size only.
func pageSize(maxResults *int32, token *string) (int, error) {
	switch {
	case maxResults == nil && value(token) != "":
		return 0, errInvalidValue("NextToken is given and MaxResults is not: both or none are.")
	case maxResults == nil:
		return maxQueues, nil
	case *maxResults < 1 || *maxResults > maxQueues:
		return 0, errParameter("MaxResults", *maxResults, "Must be between 1 and 1000, if provided.")
	}
	return int(*maxResults), nil
}

func errToken() error { return errInvalidValue("Invalid or expired next token.") }

func needPurgeQueue(c *service.Call, in *sqsapi.PurgeQueueInput) []policy.Need {
	return need(c, "PurgeQueue", in.QueueUrl)
}

func (s *svc) purgeQueue(ctx context.Context, c *service.Call, in *sqsapi.PurgeQueueInput) (*sqsapi.PurgeQueueOutput, error) {
	a, err := addressOf(c, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	next := newQueueID(c)
	err = c.Update(ctx, func(tx *kv.Tx) error {
		q, err := getQueue(tx, a)
		if err != nil {
			return err
		}
		if !q.PurgedAt.IsZero() && c.Now.Sub(q.PurgedAt) < settleTime {
			e := sqsapi.ErrPurgeQueueInProgress("Only one PurgeQueue operation on %s is allowed every 60 seconds.", q.Name)
			e.Status = statusForbidden
			return coded(e, queryPrefix+"PurgeQueueInProgress")
		}
		old := q.ID
		q.ID, q.PurgedAt = next, c.Now
		if err := putQueue(tx, q); err != nil {
			return err
		}
		return enqueueErase(tx, c, &erasure{ID: old})
	})
	return nil, err
}

func needDeleteQueue(c *service.Call, in *sqsapi.DeleteQueueInput) []policy.Need {
	return need(c, "DeleteQueue", in.QueueUrl)
}

func (s *svc) deleteQueue(ctx context.Context, c *service.Call, in *sqsapi.DeleteQueueInput) (*sqsapi.DeleteQueueOutput, error) {
	return nil, s.updateQueue(ctx, c, in.QueueUrl, func(tx *kv.Tx, q *queue) error {
		key := q.address().key()
		if err := queues.Delete(tx, key...); err != nil {
			return err
		}
		if err := deleted.Put(tx, &c.Now, key...); err != nil {
			return err
		}
		if err := linkSource(tx, &queue{Account: q.Account, Region: q.Region, Name: q.Name}, q.Redrive); err != nil {
			return err
		}
		if err := dropMoveTasks(tx, q.address()); err != nil {
			return err
		}
		return enqueueErase(tx, c, &erasure{ID: q.ID, Account: q.Account, Region: q.Region, Name: q.Name, DeletedAt: c.Now})
	})
}

// enqueueErase has a job remove what an incarnation has left.
func enqueueErase(tx *kv.Tx, c *service.Call, e *erasure) error {
	payload, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return service.Enqueue(tx, &service.Job{
		Kind: eraseJob, ID: string(e.ID), Account: c.Account, Region: c.Region, RunAt: c.Now, Payload: payload,
	})
}
