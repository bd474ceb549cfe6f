package sqs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/api/sqsapi"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
)

// redrivePolicy says where messages go that were received too often.
type redrivePolicy struct {
	DeadLetterTargetARN string `cbor:"target"`
	MaxReceiveCount     int    `cbor:"max"`
}

// redriveAllowPolicy says which queues may use a queue for their dead letters.
type redriveAllowPolicy struct {
	// RedrivePermission is allowAll, denyAll or byQueue.
	RedrivePermission string   `cbor:"permission"`
	SourceQueueARNs   []string `cbor:"sources,omitempty"`
}

// sources holds the queues that send their dead letters to a queue.
var sources = kv.NewTable[struct{}]("sqs/source", kv.Small()) // account, region, dead-letter queue, source queue

const (
	maxReceiveCount  = 1000
	maxAllowedSource = 10
)

// String writes the policy as GetQueueAttributes does; "" when there is none.
func (p *redrivePolicy) String() string {
	if p == nil {
		return ""
	}
	return `{"deadLetterTargetArn":` + strconv.Quote(p.DeadLetterTargetARN) + `,"maxReceiveCount":` + strconv.Itoa(p.MaxReceiveCount) + `}`
}

// String writes the policy as GetQueueAttributes does; "" when there is none.
func (p *redriveAllowPolicy) String() string {
	if p == nil {
		return ""
	}
	b, err := json.Marshal(struct {
		RedrivePermission string   `json:"redrivePermission"`
		SourceQueueARNs   []string `json:"sourceQueueArns,omitempty"`
	}(*p))
	if err != nil {
		return "" // strings always encode
	}
	return string(b)
}

// parseRedrivePolicy reads the JSON of the attribute RedrivePolicy. The count
// comes as a number or as a string.
func parseRedrivePolicy(text string) (*redrivePolicy, error) {
	bad := func(reason string, args ...any) error {
		return errParameter("RedrivePolicy", text, reason, args...)
	}
	var in struct {
		DeadLetterTargetArn *string         `json:"deadLetterTargetArn"`
		MaxReceiveCount     json.RawMessage `json:"maxReceiveCount"`
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil || dec.More() {
		return nil, bad("Redrive policy is not a valid JSON map.")
	}
	switch {
	case in.DeadLetterTargetArn == nil:
		return nil, bad("Redrive policy does not contain mandatory attribute: deadLetterTargetArn.")
	case len(in.MaxReceiveCount) == 0:
		return nil, bad("Redrive policy does not contain mandatory attribute: maxReceiveCount.")
	}
	count := string(bytes.Trim(in.MaxReceiveCount, `"`))
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 || n > maxReceiveCount {
		return nil, bad("Invalid value for maxReceiveCount: %s, valid values are from 1 to %d both inclusive.", count, maxReceiveCount)
	}
	return &redrivePolicy{DeadLetterTargetARN: *in.DeadLetterTargetArn, MaxReceiveCount: n}, nil
}

// setRedrivePolicy sets the attribute RedrivePolicy; "" removes it.
func setRedrivePolicy(tx *kv.Tx, q *queue, text string) error {
	if text == "" {
		q.Redrive = nil
		return nil
	}
	p, err := parseRedrivePolicy(text)
	if err != nil {
		return err
	}
	bad := func(reason string) error { return errParameter("RedrivePolicy", text, reason) }
	target, err := addressOfARN(p.DeadLetterTargetARN)
	if err != nil {
		return bad("Invalid value for deadLetterTargetArn.")
	}
	if target.Account != q.Account || target.Region != q.Region {
		return bad("Dead-letter target owner should be same as the source.")
	}
	dlq, err := queues.Get(tx, target.key()...)
	switch {
	case errors.Is(err, kv.ErrNotFound):
		return bad("Dead letter target does not exist.")
	case err != nil:
		return err
	case dlq.FifoQueue != q.FifoQueue:
		return bad("Dead-letter queue must be same type of queue as the source.")
	case !dlq.RedriveAllow.allows(q.address().arn()):
		return bad("Queue does not have permission to use " + target.arn() + " as a dead-letter queue.")
	}
	q.Redrive = p
	return nil
}

// allows reports whether the queue may have the dead letters of another.
func (p *redriveAllowPolicy) allows(sourceARN string) bool {
	if p == nil {
		return true
	}
	switch p.RedrivePermission {
	case "denyAll":
		return false
	case "byQueue":
		return slices.Contains(p.SourceQueueARNs, sourceARN)
	}
	return true
}

// parseRedriveAllowPolicy reads the JSON of the attribute RedriveAllowPolicy.
func parseRedriveAllowPolicy(text string) (*redriveAllowPolicy, error) {
	bad := func(reason string) error { return errParameter("RedriveAllowPolicy", text, reason) }
	var in struct {
		RedrivePermission string   `json:"redrivePermission"`
		SourceQueueArns   []string `json:"sourceQueueArns"`
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil || dec.More() {
		return nil, bad("Redrive allow policy is not a valid JSON map.")
	}
	switch in.RedrivePermission {
	case "allowAll", "denyAll":
		if len(in.SourceQueueArns) > 0 {
			return nil, bad("sourceQueueArns are only allowed when redrivePermission is byQueue.")
		}
	case "byQueue":
		if n := len(in.SourceQueueArns); n < 1 || n > maxAllowedSource {
			return nil, bad("sourceQueueArns must name 1 to 10 queues when redrivePermission is byQueue.")
		}
		for _, a := range in.SourceQueueArns {
			if _, err := addressOfARN(a); err != nil {
				return nil, bad("sourceQueueArns contains what is not the ARN of a queue.")
			}
		}
	default:
		return nil, bad("redrivePermission must be allowAll, denyAll or byQueue.")
	}
	return &redriveAllowPolicy{RedrivePermission: in.RedrivePermission, SourceQueueARNs: in.SourceQueueArns}, nil
}

// setRedriveAllowPolicy sets the attribute RedriveAllowPolicy; "" removes it.
func setRedriveAllowPolicy(_ *kv.Tx, q *queue, text string) error {
	if text == "" {
		q.RedriveAllow = nil
		return nil
	}
	p, err := parseRedriveAllowPolicy(text)
	if err != nil {
		return err
	}
	q.RedriveAllow = p
	return nil
}

// linkSource keeps the table of sources in step with a queue whose redrive
// policy was before.
func linkSource(tx *kv.Tx, q *queue, before *redrivePolicy) error {
	key := func(p *redrivePolicy) []any {
		a, err := addressOfARN(p.DeadLetterTargetARN)
		if err != nil {
			return nil // a stored policy has been checked
		}
		return append(a.key(), q.Name)
	}
	if before != nil {
		if err := sources.Delete(tx, key(before)...); err != nil {
			return err
		}
	}
	if q.Redrive == nil {
		return nil
	}
	return sources.Put(tx, &struct{}{}, key(q.Redrive)...)
}

func needListDeadLetterSourceQueues(c *service.Call, in *sqsapi.ListDeadLetterSourceQueuesInput) []policy.Need {
	return need(c, "ListDeadLetterSourceQueues", in.QueueUrl)
}

func (s *svc) listDeadLetterSourceQueues(ctx context.Context, c *service.Call, in *sqsapi.ListDeadLetterSourceQueuesInput) (*sqsapi.ListDeadLetterSourceQueuesOutput, error) {
	a, err := addressOf(c, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	limit, err := pageSize(in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	after, err := c.OpenPage(a.arn(), value(in.NextToken))
	if err != nil {
		return nil, errToken()
	}
	out := &sqsapi.ListDeadLetterSourceQueuesOutput{QueueUrls: []string{}}
	err = c.View(ctx, func(tx *kv.Tx) error {
		if _, err := getQueue(tx, a); err != nil {
			return err
		}
		var last kv.Key
		for row, err := range sources.Scan(tx, kv.Scan{Prefix: a.key(), After: after}) {
			if err != nil {
				return err
			}
			if len(out.QueueUrls) == limit {
				if in.MaxResults != nil {
					t := c.PageToken(a.arn(), last)
					out.NextToken = &t
				}
				return nil
			}
			parts, err := row.Key.Decode()
			if err != nil {
				return err
			}
			name, _ := parts[3].(string)
			out.QueueUrls = append(out.QueueUrls, address{a.Account, a.Region, queueName(name)}.url(c))
			last = row.Key
		}
		return nil
	})
	return out, err
}
