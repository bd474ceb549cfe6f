package sqs

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/gigawatt-cloud/gigawatt/api/sqsapi"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
)

const (
	maxReceived   = 10
	maxWait       = 20    // seconds
	maxVisibility = 43200 // seconds
	// maxRounds is how often one attempt looks again, when all it found was
	// expired, dead or taken by others.
	maxRounds = 100
)

// reception is one ReceiveMessage under way.
type reception struct {
	a         address
	want      int
	timeout   *int32 // VisibilityTimeout, nil for the queue's
	attemptID string
	now       time.Time // of the present attempt
}

// visibleAt is when what is received now becomes visible again.
func (r *reception) visibleAt(q *queue) instant {
	seconds := q.VisibilityTimeout
	if r.timeout != nil {
		seconds = int(*r.timeout)
	}
	return at(r.now).add(time.Duration(seconds) * time.Second)
}

// received is a message on its way to the consumer.
type received struct {
	message *message
	large   *large
	receipt receipt
}

func needReceiveMessage(c *service.Call, in *sqsapi.ReceiveMessageInput) []policy.Need {
	return need(c, "ReceiveMessage", in.QueueUrl)
}

func (s *svc) receiveMessage(ctx context.Context, c *service.Call, in *sqsapi.ReceiveMessageInput) (*sqsapi.ReceiveMessageOutput, error) {
	a, err := addressOf(c, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := checkReceive(in); err != nil {
		return nil, err
	}
	r := &reception{a: a, want: 1, timeout: in.VisibilityTimeout, attemptID: value(in.ReceiveRequestAttemptId), now: c.Now}
	if in.MaxNumberOfMessages != nil {
		r.want = int(*in.MaxNumberOfMessages)
	}
	got, err := s.poll(ctx, c, r, in.WaitTimeSeconds)
	if err != nil || len(got) == 0 {
		return nil, err
	}
	out := &sqsapi.ReceiveMessageOutput{Messages: make([]sqsapi.Message, len(got))}
	size := 0
	for i := range got {
		if out.Messages[i], err = s.write(a, &got[i], in); err != nil {
			return nil, err
		}
		size += got[i].message.Size
	}
	meterBytes(c, a, size)
	return out, nil
}

func checkReceive(in *sqsapi.ReceiveMessageInput) error {
	if n := in.MaxNumberOfMessages; n != nil && (*n < 1 || *n > maxReceived) {
		return errParameter("MaxNumberOfMessages", *n, "Must be between 1 and 10, if provided.")
	}
	if n := in.WaitTimeSeconds; n != nil && (*n < 0 || *n > maxWait) {
		return errParameter("WaitTimeSeconds", *n, "Must be >= 0 and <= 20, if provided.")
	}
	if err := checkVisibility(in.VisibilityTimeout); err != nil {
		return err
	}
	if id := in.ReceiveRequestAttemptId; id != nil && !idForm.MatchString(*id) {
		return errParameter("ReceiveRequestAttemptId", *id, "ReceiveRequestAttemptId can only include alphanumeric and punctuation characters. 1 to 128 in length.")
	}
	for _, name := range slices.Concat(in.AttributeNames, in.MessageSystemAttributeNames) {
		if !slices.Contains(systemAttributeNames, name) {
			return errUnknownAttribute(name)
		}
	}
	return nil
}

func checkVisibility(seconds *int32) error {
	if seconds != nil && (*seconds < 0 || *seconds > maxVisibility) {
		return errParameter("VisibilityTimeout", *seconds, "Must be >= 0 and <= 43200, if provided.")
	}
	return nil
}

// receive makes one attempt. It returns nothing when nothing can be received,
// and then when to try again; never for as soon as something is added.
func (s *svc) receive(ctx context.Context, c *service.Call, r *reception) (got []received, q *queue, next instant, err error) {
	for range maxRounds {
		l, found := s.foundBefore(r)
		if len(found) == 0 {
			if q, err = s.queueOf(ctx, c, r); err != nil || q == nil {
				return nil, nil, never, err
			}
			if r.attemptID != "" && q.FifoQueue {
				got, err = s.receiveAgain(ctx, c, r, q)
				if err != nil || len(got) > 0 {
					return got, q, never, err
				}
			}
			l = s.liveOf(q.ID)
			found, next, err = l.find(ctx, c.Frame.DB, q.ID, r.now, r.want)
			if err != nil || len(found) == 0 {
				return nil, q, next, err
			}
		}
		err = c.Update(ctx, func(tx *kv.Tx) (err error) {
			got, err = s.take(tx, l, r, found)
			return err
		})
		l.release(found)
		if err != nil || len(got) > 0 {
			l.noteReceived(len(got))
			return got, q, never, err
		}
	}
	return nil, q, at(r.now), nil
}

// foundBefore returns entries of the queue that an earlier scan has found. It
// spares a busy queue the scan.
func (s *svc) foundBefore(r *reception) (*live, []entry) {
	if r.attemptID != "" {
		return nil, nil
	}
	s.mu.Lock()
	l := s.live[s.latest[r.a]]
	s.mu.Unlock()
	if l == nil || !l.hasRoom() || !l.hasReady(r.want) {
		return nil, nil
	}
	return l, l.pop(r.want)
}

// queueOf returns the queue to receive from; nil for a FIFO queue of which
// consumers hold so many messages that they get no more.
func (s *svc) queueOf(ctx context.Context, c *service.Call, r *reception) (q *queue, err error) {
	err = c.View(ctx, func(tx *kv.Tx) error {
		if q, err = getQueue(tx, r.a); err != nil {
			return err
		}
		s.noteLatest(r.a, q.ID)
		full, err := s.liveOf(q.ID).full(tx, q, r.now)
		switch {
		case err != nil || !full:
			return err
		case q.FifoQueue:
			q = nil
			return nil
		}
		return errOverLimit("Too many messages in flight for queue %s: at most %d are allowed.", r.a.Name, maxInFlight)
	})
	return q, err
}

// take receives what is still as it was found. All rows are read by their
// keys, so that others do not conflict with it.
func (s *svc) take(tx *kv.Tx, l *live, r *reception, found []entry) ([]received, error) {
	q, err := getQueue(tx, r.a)
	if err != nil || q.ID != l.id {
		return nil, err
	}
	var got []received
	for _, e := range found {
		if len(got) == r.want {
			break
		}
		if q.FifoQueue {
			got, err = s.takeGroup(tx, q, r, e, got)
		} else {
			got, err = s.takeEntry(tx, q, r, e, got)
		}
		if err != nil {
			return nil, err
		}
	}
	if r.attemptID != "" && q.FifoQueue && len(got) > 0 {
		err = noteAttempt(tx, q, r, got)
	}
	return got, err
}

// takeEntry receives the message of an entry of a standard queue's index.
func (s *svc) takeEntry(tx *kv.Tx, q *queue, r *reception, e entry, got []received) ([]received, error) {
	m, err := getMessage(tx, q.ID, messageKey(e.unit))
	if err != nil || m == nil || m.VisibleAt != e.at {
		return got, err
	}
	return s.takeMessage(tx, q, r, m, got)
}

// takeGroup receives the messages at the head of a group, up to the first that
// is not visible.
func (s *svc) takeGroup(tx *kv.Tx, q *queue, r *reception, e entry, got []received) ([]received, error) {
	g, err := getGroup(tx, q.ID, e.unit)
	if err != nil || g.Head == "" || g.ReadyAt != e.at {
		return got, err
	}
	for row, err := range order.Scan(tx, kv.Scan{Prefix: []any{q.ID, e.unit}}) {
		if err != nil {
			return nil, err
		}
		m, err := messages.Get(tx, q.ID, *row.Value)
		if err != nil {
			return nil, err
		}
		if m.VisibleAt > at(r.now) {
			break
		}
		if got, err = s.takeMessage(tx, q, r, m, got); err != nil {
			return nil, err
		}
		if len(got) == r.want {
			break
		}
	}
	return got, s.settleGroup(tx, q, e.unit, at(r.now))
}

// takeMessage hands a visible message to the consumer, unless it has expired
// or has been received so often that it is a dead letter.
func (s *svc) takeMessage(tx *kv.Tx, q *queue, r *reception, m *message, got []received) ([]received, error) {
	now := at(r.now)
	if m.expired(q, now) {
		return got, s.dropMessage(tx, q, m)
	}
	if q.Redrive != nil && m.ReceiveCount >= q.Redrive.MaxReceiveCount {
		moved, err := s.deadLetter(tx, q, m, now)
		if err != nil || moved {
			return got, err
		}
	}
	m.ReceiveCount++
	m.LastReceived, m.Held = now, true
	if m.FirstReceived == 0 {
		m.FirstReceived = now
	}
	if err := s.setVisibleAt(tx, q, m, r.visibleAt(q)); err != nil {
		return got, err
	}
	out, err := withContents(tx, q, m)
	return append(got, out), err
}

func withContents(tx *kv.Tx, q *queue, m *message) (received, error) {
	out := received{message: m, receipt: receiptOf(q, m)}
	if !m.Large {
		return out, nil
	}
	var err error
	out.large, err = largeContents.Get(tx, m.origin())
	return out, err
}

// deadLetter moves a message to the queue of its queue's redrive policy; false
// when there is no such queue any more.
func (s *svc) deadLetter(tx *kv.Tx, q *queue, m *message, now instant) (bool, error) {
	a, err := addressOfARN(q.Redrive.DeadLetterTargetARN)
	if err != nil {
		return false, err
	}
	dlq, err := queues.Get(tx, a.key()...)
	if errors.Is(err, kv.ErrNotFound) || err == nil && dlq.FifoQueue != q.FifoQueue {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := s.removeMessage(tx, q, m); err != nil {
		return false, err
	}
	dead := *m
	dead.Held, dead.VisibleAt, dead.DeadLetterSource = false, now, q.address().arn()
	if dlq.FifoQueue {
		dead.Sent = now // a standard queue's dead letters keep their age
	}
	return true, s.addMessage(tx, dlq, &dead)
}

// systemAttributeNames are what a receive can ask for.
var systemAttributeNames = []string{
	sqsapi.MessageSystemAttributeNameAll, sqsapi.MessageSystemAttributeNameSenderId, sqsapi.MessageSystemAttributeNameSentTimestamp,
	sqsapi.MessageSystemAttributeNameApproximateReceiveCount, sqsapi.MessageSystemAttributeNameApproximateFirstReceiveTimestamp,
	sqsapi.MessageSystemAttributeNameSequenceNumber, sqsapi.MessageSystemAttributeNameMessageDeduplicationId,
	sqsapi.MessageSystemAttributeNameMessageGroupId, sqsapi.MessageSystemAttributeNameAWSTraceHeader,
	sqsapi.MessageSystemAttributeNameDeadLetterQueueSourceArn,
}

// systemAttributes are the system attributes that a message has.
func (m *message) systemAttributes() map[string]string {
	out := map[string]string{
		sqsapi.MessageSystemAttributeNameSenderId:                         m.Sender,
		sqsapi.MessageSystemAttributeNameSentTimestamp:                    strconv.FormatInt(m.Sent.millis(), 10),
		sqsapi.MessageSystemAttributeNameApproximateReceiveCount:          strconv.Itoa(m.ReceiveCount),
		sqsapi.MessageSystemAttributeNameApproximateFirstReceiveTimestamp: strconv.FormatInt(m.FirstReceived.millis(), 10),
	}
	for name, v := range map[string]string{
		sqsapi.MessageSystemAttributeNameMessageDeduplicationId:   m.DeduplicationID,
		sqsapi.MessageSystemAttributeNameMessageGroupId:           m.GroupID,
		sqsapi.MessageSystemAttributeNameAWSTraceHeader:           m.TraceHeader,
		sqsapi.MessageSystemAttributeNameDeadLetterQueueSourceArn: m.DeadLetterSource,
	} {
		if v != "" {
			out[name] = v
		}
	}
	if m.Sequence > 0 {
		out[sqsapi.MessageSystemAttributeNameSequenceNumber] = sequenceText(m.Sequence)
	}
	return out
}

// write turns a message into the API's shape, with the attributes that were asked for.
func (s *svc) write(a address, r *received, in *sqsapi.ReceiveMessageInput) (sqsapi.Message, error) {
	c, err := s.readContents(r.message, r.large)
	if err != nil {
		return sqsapi.Message{}, err
	}
	handle, err := s.handle(a, r.receipt)
	if err != nil {
		return sqsapi.Message{}, err
	}
	sum := md5Hex(c.Body)
	out := sqsapi.Message{MessageId: &r.message.ID, ReceiptHandle: &handle, Body: &c.Body, MD5OfBody: &sum}
	want := attributeFilter(in.MessageAttributeNames)
	asked := slices.DeleteFunc(c.Attributes, func(a messageAttribute) bool { return !want(a.Name) })
	out.MD5OfMessageAttributes = md5OfAttributes(asked)
	for i := range asked {
		if out.MessageAttributes == nil {
			out.MessageAttributes = map[string]sqsapi.MessageAttributeValue{}
		}
		out.MessageAttributes[asked[i].Name] = asked[i].write()
	}
	names := slices.Concat(in.AttributeNames, in.MessageSystemAttributeNames)
	if len(names) == 0 {
		return out, nil
	}
	for name, v := range r.message.systemAttributes() {
		if slices.Contains(names, name) || slices.Contains(names, sqsapi.MessageSystemAttributeNameAll) {
			if out.Attributes == nil {
				out.Attributes = map[string]string{}
			}
			out.Attributes[name] = v
		}
	}
	return out, nil
}
