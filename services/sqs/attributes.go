package sqs

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/gigawatt-cloud/gigawatt/api/sqsapi"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
)

// The values of DeduplicationScope and FifoThroughputLimit.
const (
	scopeQueue    = "queue"
	scopeGroup    = "messageGroup"
	limitPerQueue = "perQueue"
	limitPerGroup = "perMessageGroupId"
)

// attribute is one attribute of a queue.
type attribute struct {
	name string
	// get returns its value as AWS writes it, "" when the queue has none.
	get func(q *queue) string
	// set changes it; nil for one that only AWS sets.
	set func(tx *kv.Tx, q *queue, v string) error
}

// attributes are all of them but the counts of messages, in the order in which
// they are set: a later one may depend on one before.
var attributes = []attribute{
	{"QueueArn", func(q *queue) string { return q.address().arn() }, nil},
	{"CreatedTimestamp", func(q *queue) string { return strconv.FormatInt(q.Created.Unix(), 10) }, nil},
	{"LastModifiedTimestamp", func(q *queue) string { return strconv.FormatInt(q.Modified.Unix(), 10) }, nil},
	{"FifoQueue", onlyFIFO(func(q *queue) string { return strconv.FormatBool(q.FifoQueue) }), setFifoQueue},
	number("DelaySeconds", 0, 900, func(q *queue) *int { return &q.DelaySeconds }),
	number("MaximumMessageSize", 1024, maxMessage, func(q *queue) *int { return &q.MaximumMessageSize }),
	number("MessageRetentionPeriod", 60, 14*24*3600, func(q *queue) *int { return &q.MessageRetentionPeriod }),
	number("ReceiveMessageWaitTimeSeconds", 0, maxWait, func(q *queue) *int { return &q.ReceiveMessageWaitTimeSeconds }),
	number("VisibilityTimeout", 0, maxVisibility, func(q *queue) *int { return &q.VisibilityTimeout }),
	{"ContentBasedDeduplication", onlyFIFO(func(q *queue) string { return strconv.FormatBool(q.ContentBasedDeduplication) }), setContentBasedDeduplication},
	choice("DeduplicationScope", func(q *queue) *string { return &q.DeduplicationScope }, scopeQueue, scopeGroup),
	choice("FifoThroughputLimit", func(q *queue) *string { return &q.FifoThroughputLimit }, limitPerQueue, limitPerGroup),
	{"SqsManagedSseEnabled", func(q *queue) string { return strconv.FormatBool(q.SqsManagedSseEnabled) }, setSqsManagedSseEnabled},
	{"KmsMasterKeyId", none, refuseKMS("KmsMasterKeyId")},
	{"KmsDataKeyReusePeriodSeconds", none, refuseKMS("KmsDataKeyReusePeriodSeconds")},
	{"Policy", func(q *queue) string { return q.Policy }, setPolicy},
	{"RedriveAllowPolicy", func(q *queue) string { return q.RedriveAllow.String() }, setRedriveAllowPolicy},
	{"RedrivePolicy", func(q *queue) string { return q.Redrive.String() }, setRedrivePolicy},
}

// counted are the attributes that are counts of messages.
var counted = []struct {
	name string
	get  func(n *counts) int
}{
	{"ApproximateNumberOfMessages", func(n *counts) int { return n.visible }},
	{"ApproximateNumberOfMessagesNotVisible", func(n *counts) int { return n.inFlight }},
	{"ApproximateNumberOfMessagesDelayed", func(n *counts) int { return n.delayed }},
}

func none(*queue) string { return "" }

func onlyFIFO(get func(q *queue) string) func(q *queue) string {
	return func(q *queue) string {
		if !q.FifoQueue {
			return ""
		}
		return get(q)
	}
}

// number is an attribute that is a number within limits.
func number(name string, low, high int, field func(q *queue) *int) attribute {
	return attribute{
		name, func(q *queue) string { return strconv.Itoa(*field(q)) },
		func(_ *kv.Tx, q *queue, v string) error {
			n, err := strconv.Atoi(v)
			if err != nil || n < low || n > high {
				return errAttributeValue(name)
			}
			*field(q) = n
			return nil
		},
	}
}

// choice is an attribute of FIFO queues that is one of a few words.
func choice(name string, field func(q *queue) *string, words ...string) attribute {
	return attribute{
		name, func(q *queue) string { return *field(q) },
		func(_ *kv.Tx, q *queue, v string) error {
			if !q.FifoQueue {
				return sqsapi.ErrInvalidAttributeName("You can specify the %s only when FifoQueue is set to true.", name)
			}
			if !slices.Contains(words, v) {
				return errAttributeValue(name)
			}
			*field(q) = v
			return nil
		},
	}
}

func setFifoQueue(_ *kv.Tx, q *queue, v string) error {
	switch {
	case !q.FifoQueue:
		return errUnknownAttribute("FifoQueue")
	case v != "true":
		return errAttributeReason("FifoQueue", "Modifying queue type is not supported.")
	}
	return nil
}

func setContentBasedDeduplication(_ *kv.Tx, q *queue, v string) error {
	if !q.FifoQueue {
		return errUnknownAttribute("ContentBasedDeduplication")
	}
	return setBool("ContentBasedDeduplication", &q.ContentBasedDeduplication, v)
}

func setSqsManagedSseEnabled(_ *kv.Tx, q *queue, v string) error {
	return setBool("SqsManagedSseEnabled", &q.SqsManagedSseEnabled, v)
}

func setBool(name string, field *bool, v string) error {
	if v = lower(v); v != "true" && v != "false" {
		return errAttributeValue(name)
	}
	*field = v == "true"
	return nil
}

// refuseKMS refuses an attribute of server-side encryption with KMS.
//
// Differs from AWS: SQS queues are encrypted with keys of the service's own, not with keys of KMS.
func refuseKMS(name string) func(*kv.Tx, *queue, string) error {
	return func(_ *kv.Tx, _ *queue, v string) error {
		if v == "" {
			return nil
		}
		return errUnsupported("The attribute %s is not supported by this version of Gigawatt: queues are encrypted with SqsManagedSseEnabled.", name)
	}
}

// setAttributes sets the attributes of in, all or none.
func setAttributes(tx *kv.Tx, q *queue, in map[string]string) error {
	found := 0
	for _, at := range attributes {
		v, ok := in[at.name]
		if !ok {
			continue
		}
		found++
		if at.set == nil {
			return errUnknownAttribute(at.name)
		}
		if err := at.set(tx, q, v); err != nil {
			return err
		}
	}
	if found < len(in) {
		for _, name := range sortedKeys(in) {
			if !slices.ContainsFunc(attributes, func(at attribute) bool { return at.name == name }) {
				return errUnknownAttribute(name)
			}
		}
	}
	if q.FifoThroughputLimit == limitPerGroup && q.DeduplicationScope != scopeGroup {
		return errAttributeReason("FifoThroughputLimit", "The perMessageGroupId value is allowed only when the value for DeduplicationScope is messageGroup.")
	}
	return nil
}

func needGetQueueAttributes(c *service.Call, in *sqsapi.GetQueueAttributesInput) []policy.Need {
	return need(c, "GetQueueAttributes", in.QueueUrl)
}

func (s *svc) getQueueAttributes(ctx context.Context, c *service.Call, in *sqsapi.GetQueueAttributesInput) (*sqsapi.GetQueueAttributesOutput, error) {
	a, err := addressOf(c, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := checkAttributeNames(in.AttributeNames); err != nil {
		return nil, err
	}
	want := func(name string) bool {
		return slices.Contains(in.AttributeNames, name) || slices.Contains(in.AttributeNames, sqsapi.QueueAttributeNameAll)
	}
	out := map[string]string{}
	err = c.View(ctx, func(tx *kv.Tx) error {
		q, err := getQueue(tx, a)
		if err != nil {
			return err
		}
		for _, at := range attributes {
			if v := at.get(q); v != "" && want(at.name) {
				out[at.name] = v
			}
		}
		if !slices.ContainsFunc(counted, func(n struct {
			name string
			get  func(n *counts) int
		},
		) bool {
			return want(n.name)
		}) {
			return nil
		}
		n, err := s.liveOf(q.ID).counts(tx, q, c.Now)
		if err != nil {
			return err
		}
		for _, at := range counted {
			if want(at.name) {
				out[at.name] = strconv.Itoa(at.get(n))
			}
		}
		return nil
	})
	if err != nil || len(out) == 0 {
		return nil, err
	}
	return &sqsapi.GetQueueAttributesOutput{Attributes: out}, nil
}

func checkAttributeNames(names []string) error {
	for _, name := range names {
		known := name == sqsapi.QueueAttributeNameAll
		for _, at := range attributes {
			known = known || at.name == name
		}
		for _, at := range counted {
			known = known || at.name == name
		}
		if !known {
			return errUnknownAttribute(name)
		}
	}
	return nil
}

func needSetQueueAttributes(c *service.Call, in *sqsapi.SetQueueAttributesInput) []policy.Need {
	return need(c, "SetQueueAttributes", in.QueueUrl)
}

func (s *svc) setQueueAttributes(ctx context.Context, c *service.Call, in *sqsapi.SetQueueAttributesInput) (*sqsapi.SetQueueAttributesOutput, error) {
	return nil, s.updateQueue(ctx, c, in.QueueUrl, func(tx *kv.Tx, q *queue) error {
		before := q.Redrive
		if err := setAttributes(tx, q, in.Attributes); err != nil {
			return err
		}
		if err := linkSource(tx, q, before); err != nil {
			return err
		}
		q.Modified = c.Now.Truncate(time.Second)
		return putQueue(tx, q)
	})
}
