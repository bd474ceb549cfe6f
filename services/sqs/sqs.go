// Package sqs is Amazon Simple Queue Service: queues that keep messages until a
// consumer has received and deleted them, in no strict order (standard) or in
// the order of their groups and without duplicates (FIFO).
//
// A queue is a row ([queue]); its messages ([message]) are rows under the
// queue's incarnation ([queueID]), which DeleteQueue and PurgeQueue replace, so
// that both are one small transaction and a durable job frees the space. What
// can be received, and when, is in the index: messages of a standard queue,
// groups of a FIFO queue. A receive scans the index in a snapshot, claims what
// it finds against other receives of the process, and then takes each
// candidate in one transaction that reads rows by their keys only. So
// receives do not conflict, and the depth of a queue costs nothing.
//
// It is not a broker: nothing is pushed, and nothing but hints ([live]) is kept
// in memory. Start at [New], which lists the operations, then read queue.go,
// send.go and receive.go.
package sqs

import (
	"context"
	"errors"
	"sync"

	"github.com/gigawatt-cloud/gigawatt/api/sqsapi"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
)

type svc struct {
	env      service.Env
	policies policies
	// receiptKey signs receipt handles.
	receiptKey func() ([]byte, error)

	mu     sync.Mutex
	live   map[queueID]*live
	latest map[address]queueID
}

func newSvc(env service.Env) *svc {
	s := &svc{env: env, live: map[queueID]*live{}, latest: map[address]queueID{}}
	s.receiptKey = sync.OnceValues(func() ([]byte, error) { return s.derive("receipt handles") })
	return s
}

// New returns the service.
func New(env service.Env) *service.Service {
	s := newSvc(env)
	return &service.Service{
		Name: "sqs",
		Handlers: []*service.Handler{
			service.Handle(sqsapi.CreateQueue, needCreateQueue, s.createQueue),
			service.Handle(sqsapi.GetQueueUrl, needGetQueueURL, s.getQueueURL),
			service.Handle(sqsapi.ListQueues, needListQueues, s.listQueues),
			service.Handle(sqsapi.GetQueueAttributes, needGetQueueAttributes, s.getQueueAttributes),
			service.Handle(sqsapi.SetQueueAttributes, needSetQueueAttributes, s.setQueueAttributes),
			service.Handle(sqsapi.PurgeQueue, needPurgeQueue, s.purgeQueue),
			service.Handle(sqsapi.DeleteQueue, needDeleteQueue, s.deleteQueue),
			service.Handle(sqsapi.TagQueue, needTagQueue, s.tagQueue),
			service.Handle(sqsapi.UntagQueue, needUntagQueue, s.untagQueue),
			service.Handle(sqsapi.ListQueueTags, needListQueueTags, s.listQueueTags),
			service.Handle(sqsapi.AddPermission, needAddPermission, s.addPermission),
			service.Handle(sqsapi.RemovePermission, needRemovePermission, s.removePermission),
			service.Handle(sqsapi.ListDeadLetterSourceQueues, needListDeadLetterSourceQueues, s.listDeadLetterSourceQueues),
			service.Handle(sqsapi.SendMessage, needSendMessage, s.sendMessage),
			service.Handle(sqsapi.SendMessageBatch, needSendMessageBatch, s.sendMessageBatch),
			service.Handle(sqsapi.ReceiveMessage, needReceiveMessage, s.receiveMessage),
			service.Handle(sqsapi.ChangeMessageVisibility, needChangeMessageVisibility, s.changeMessageVisibility),
			service.Handle(sqsapi.ChangeMessageVisibilityBatch, needChangeMessageVisibilityBatch, s.changeMessageVisibilityBatch),
			service.Handle(sqsapi.DeleteMessage, needDeleteMessage, s.deleteMessage),
			service.Handle(sqsapi.DeleteMessageBatch, needDeleteMessageBatch, s.deleteMessageBatch),
			service.Handle(sqsapi.StartMessageMoveTask, needStartMessageMoveTask, s.startMessageMoveTask),
			service.Handle(sqsapi.ListMessageMoveTasks, needListMessageMoveTasks, s.listMessageMoveTasks),
			service.Handle(sqsapi.CancelMessageMoveTask, needCancelMessageMoveTask, s.cancelMessageMoveTask),
		},
		Resource: s.resource,
		Invalid:  invalid,
		Jobs: []service.JobKind{
			{Name: sweepJob, Run: s.sweep},
			{Name: eraseJob, Run: s.erase, Parallel: 2},
			{Name: moveJob, Run: s.move, Parallel: 4},
		},
		Start: startSweep,
	}
}

// need is the permission for an action on the queue at a URL. An address that
// cannot be read is refused by the handler; until then it is no queue's.
func need(c *service.Call, action, queueURL string) []policy.Need {
	a, err := addressOf(c, queueURL)
	if err != nil {
		a = address{Account: c.Account, Region: c.Region, Name: "*"}
	}
	return needAt(a, action)
}

func needAt(a address, action string) []policy.Need {
	return []policy.Need{{Action: "sqs:" + action, Resource: a.arn(), ResourceAccount: a.Account}}
}

// needARN is the permission for an action on the queue with an ARN.
func needARN(c *service.Call, action, queueARN string) []policy.Need {
	a, err := addressOfARN(queueARN)
	if err != nil {
		a = address{Account: c.Account, Region: c.Region, Name: "*"}
	}
	return needAt(a, action)
}

// resource tells the permission check who owns a queue, its policy and its tags.
func (s *svc) resource(ctx context.Context, c *service.Call, n policy.Need) (service.Resource, error) {
	a, err := addressOfARN(n.Resource)
	if err != nil || a.Name == "*" {
		return service.Resource{}, nil //nolint:nilerr // a permission without a queue
	}
	r := service.Resource{Account: a.Account}
	err = c.View(ctx, func(tx *kv.Tx) error {
		q, err := queues.Get(tx, a.key()...)
		if errors.Is(err, kv.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		r.Context = make(policy.Context, len(q.Tags))
		for k, v := range q.Tags {
			r.Context["aws:resourcetag/"+lower(k)] = []string{v}
		}
		if q.Policy != "" {
			d, err := s.policies.get(q.Policy)
			if err != nil {
				return err
			}
			r.Policies = []policy.Source{{ID: "policy of queue " + a.arn(), Doc: d}}
		}
		return nil
	})
	return r, err
}
