package sqs

import (
	"context"
	"regexp"
	"time"
	"unicode/utf8"

	"github.com/gigawatt-cloud/gigawatt/api/sqsapi"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/meter"
	"github.com/gigawatt-cloud/gigawatt/service"
)

const (
	// maxMessage is the greatest length of a message, and of all of a batch, in bytes.
	maxMessage = 1 << 20
	// billedChunk is how many bytes one request pays for.
	billedChunk     = 64 << 10
	validCharacters = "Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF"
)

// outgoing is a message to be sent, checked as far as can be without its queue.
type outgoing struct {
	id              string // new for each message
	contents        contents
	system          []messageAttribute
	delay           *int32
	groupID         *string
	deduplicationID *string
	traceHeader     string
}

// sent is the answer for a message.
type sent struct {
	id, md5  string
	sequence *string
}

func needSendMessage(c *service.Call, in *sqsapi.SendMessageInput) []policy.Need {
	return need(c, "SendMessage", in.QueueUrl)
}

func (s *svc) sendMessage(ctx context.Context, c *service.Call, in *sqsapi.SendMessageInput) (*sqsapi.SendMessageOutput, error) {
	a, err := addressOf(c, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	o, err := readOutgoing(c, &sqsapi.SendMessageBatchRequestEntry{
		MessageBody: in.MessageBody, DelaySeconds: in.DelaySeconds, MessageAttributes: in.MessageAttributes,
		MessageSystemAttributes: in.MessageSystemAttributes, MessageDeduplicationId: in.MessageDeduplicationId,
		MessageGroupId: in.MessageGroupId,
	})
	if err != nil {
		return nil, err
	}
	var r *sent
	err = c.Update(ctx, func(tx *kv.Tx) error {
		q, err := getQueue(tx, a)
		if err != nil {
			return err
		}
		if err := o.check(q); err != nil {
			return err
		}
		r, err = s.send(tx, c, q, o, at(c.Now))
		return err
	})
	if err != nil {
		return nil, err
	}
	meterBytes(c, a, o.contents.size())
	return &sqsapi.SendMessageOutput{
		MessageId: &r.id, MD5OfMessageBody: &r.md5, MD5OfMessageAttributes: md5OfAttributes(o.contents.Attributes),
		MD5OfMessageSystemAttributes: md5OfAttributes(o.system), SequenceNumber: r.sequence,
	}, nil
}

// meterBytes counts the requests that a long payload pays for beside the first.
func meterBytes(c *service.Call, a address, n int) {
	if more := (n - 1) / billedChunk; more > 0 {
		c.Meter(meter.Requests, float64(more), a.arn())
	}
}

// readOutgoing checks what was sent against the rules of all queues.
func readOutgoing(c *service.Call, in *sqsapi.SendMessageBatchRequestEntry) (*outgoing, error) {
	if in.MessageBody == "" {
		return nil, errMissing("MessageBody")
	}
	if !validText(in.MessageBody) {
		return nil, sqsapi.ErrInvalidMessageContents("Invalid characters found. %s", validCharacters)
	}
	o := &outgoing{
		id: c.IDs.UUID(), delay: in.DelaySeconds, groupID: in.MessageGroupId, deduplicationID: in.MessageDeduplicationId,
		traceHeader: firstHeader(c, "X-Amzn-Trace-Id"),
	}
	o.contents.Body = in.MessageBody
	var err error
	if o.contents.Attributes, err = readAttributes(in.MessageAttributes); err != nil {
		return nil, err
	}
	if o.system, err = readSystemAttributes(in.MessageSystemAttributes); err != nil {
		return nil, err
	}
	if len(o.system) > 0 {
		o.traceHeader = string(o.system[0].Value)
	}
	if d := in.DelaySeconds; d != nil && (*d < 0 || *d > 900) {
		return nil, errParameter("DelaySeconds", *d, "DelaySeconds must be >= 0 and <= 900.")
	}
	for name, id := range map[string]*string{"MessageGroupId": in.MessageGroupId, "MessageDeduplicationId": in.MessageDeduplicationId} {
		if id != nil && !idForm.MatchString(*id) {
			return nil, errParameter(name, *id, "%s can only include alphanumeric and punctuation characters. 1 to 128 in length.", name)
		}
	}
	return o, nil
}

func firstHeader(c *service.Call, name string) string {
	if v := c.Transport.Header[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// idForm is the form of group and deduplication ids: visible ASCII.
var idForm = regexp.MustCompile(`^[!-~]{1,128}$`)

// validText reports whether SQS takes s: the characters of XML 1.0.
func validText(s string) bool {
	for i, r := range s {
		switch {
		case r == '\t' || r == '\n' || r == '\r':
		case r < 0x20, r == 0xfffe, r == 0xffff:
			return false
		case r == utf8.RuneError:
			if _, n := utf8.DecodeRuneInString(s[i:]); n < 2 {
				return false
			}
		}
	}
	return true
}

// check holds the message against the rules of its queue.
func (o *outgoing) check(q *queue) error {
	if o.contents.size() > q.MaximumMessageSize {
		return errInvalidValue("One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", q.MaximumMessageSize)
	}
	if !q.FifoQueue {
		if o.deduplicationID != nil {
			return errParameter("MessageDeduplicationId", *o.deduplicationID, "The request includes a parameter that is not valid for this queue type.")
		}
		return nil
	}
	switch {
	case value(o.delay) != 0:
		return errParameter("DelaySeconds", *o.delay, "The request include parameter that is not valid for this queue type.")
	case o.groupID == nil:
		return errMissing("MessageGroupId")
	case o.unidentified(q):
		return errUnidentified()
	}
	return nil
}

// send puts a checked message into its queue, unless it repeats another.
func (s *svc) send(tx *kv.Tx, c *service.Call, q *queue, o *outgoing, now instant) (*sent, error) {
	m := &message{
		ID: o.id, Sent: now, Sender: sender(c), GroupID: value(o.groupID), TraceHeader: o.traceHeader,
		VisibleAt: now.add(q.delay()),
	}
	if o.delay != nil && !q.FifoQueue {
		m.VisibleAt = now.add(time.Duration(*o.delay) * time.Second)
	}
	r := &sent{id: m.ID, md5: md5Hex(o.contents.Body)}
	if q.FifoQueue {
		if m.DeduplicationID = value(o.deduplicationID); m.DeduplicationID == "" {
			m.DeduplicationID = contentID(o.contents.Body)
		}
		d, err := findDuplicate(tx, q, m, now)
		if err != nil {
			return nil, err
		}
		if d != nil {
			number := sequenceText(d.Sequence)
			r.id, r.sequence = d.ID, &number
			return r, nil
		}
	}
	stored, err := s.setContents(m, q, &o.contents)
	if err != nil {
		return nil, err
	}
	if stored != nil {
		if err := largeContents.Put(tx, stored, m.origin()); err != nil {
			return nil, err
		}
	}
	if err := s.addMessage(tx, q, m); err != nil {
		return nil, err
	}
	if q.FifoQueue {
		number := sequenceText(m.Sequence)
		r.sequence = &number
		return r, noteDuplicate(tx, q, m, now)
	}
	return r, nil
}

// sender is the value of SenderId.
func sender(c *service.Call) string {
	p := c.Principal
	switch {
	case p.UserID != "":
		return p.UserID
	case p.Service != "":
		return p.Service
	case p.Type == policy.Anonymous:
		return c.Transport.SourceIP
	}
	return string(p.AccountID)
}

func needSendMessageBatch(c *service.Call, in *sqsapi.SendMessageBatchInput) []policy.Need {
	return need(c, "SendMessage", in.QueueUrl)
}

func (s *svc) sendMessageBatch(ctx context.Context, c *service.Call, in *sqsapi.SendMessageBatchInput) (*sqsapi.SendMessageBatchOutput, error) {
	a, err := addressOf(c, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := checkBatch("SendMessage", in.Entries, func(e *sqsapi.SendMessageBatchRequestEntry) string { return e.Id }); err != nil {
		return nil, err
	}
	ready := make([]*outgoing, len(in.Entries))
	failed := make([]error, len(in.Entries))
	for i := range in.Entries {
		ready[i], failed[i] = readOutgoing(c, &in.Entries[i])
	}
	size := batchSize(in.Entries)
	if size > maxMessage {
		return nil, coded(sqsapi.ErrBatchRequestTooLong("Batch requests cannot be longer than %d bytes. You have sent %d bytes.", maxMessage, size),
			queryPrefix+"BatchRequestTooLong")
	}
	var out *sqsapi.SendMessageBatchOutput
	err = c.Update(ctx, func(tx *kv.Tx) error {
		q, err := getQueue(tx, a)
		if err != nil {
			return err
		}
		out, err = s.sendEach(tx, c, q, in.Entries, ready, failed)
		return err
	})
	if err != nil {
		return nil, err
	}
	meterBytes(c, a, size)
	return out, nil
}

// batchSize is the length of all messages as they were sent, valid or not.
func batchSize(entries []sqsapi.SendMessageBatchRequestEntry) int {
	n := 0
	for i := range entries {
		n += len(entries[i].MessageBody)
		for name, v := range entries[i].MessageAttributes {
			n += len(name) + len(v.DataType) + len(value(v.StringValue)) + len(v.BinaryValue)
		}
	}
	return n
}

// sendEach sends the entries of a batch that are valid, in their order.
func (s *svc) sendEach(tx *kv.Tx, c *service.Call, q *queue, entries []sqsapi.SendMessageBatchRequestEntry, ready []*outgoing, failed []error) (*sqsapi.SendMessageBatchOutput, error) {
	if err := checkOrdered(q, ready); err != nil {
		return nil, err
	}
	out := &sqsapi.SendMessageBatchOutput{Successful: []sqsapi.SendMessageBatchResultEntry{}, Failed: []sqsapi.BatchResultErrorEntry{}}
	for i := range entries {
		id, o, err := entries[i].Id, ready[i], failed[i]
		if err == nil {
			err = o.check(q)
		}
		if err != nil {
			out.Failed = append(out.Failed, batchFailure(id, err))
			continue
		}
		// A microsecond apart, so that they are received in their order.
		r, err := s.send(tx, c, q, o, at(c.Now)+instant(i))
		if err != nil {
			return nil, err
		}
		out.Successful = append(out.Successful, sqsapi.SendMessageBatchResultEntry{
			Id: id, MessageId: r.id, MD5OfMessageBody: r.md5, MD5OfMessageAttributes: md5OfAttributes(o.contents.Attributes),
			MD5OfMessageSystemAttributes: md5OfAttributes(o.system), SequenceNumber: r.sequence,
		})
	}
	return out, nil
}

// checkOrdered refuses a whole batch for a FIFO queue when one message has no
// place in the order or cannot be told from its likes.
func checkOrdered(q *queue, ready []*outgoing) error {
	for _, o := range ready {
		switch {
		case !q.FifoQueue || o == nil:
		case o.groupID == nil:
			return errInvalidValue("%s", errMissing("MessageGroupId").Message)
		case o.unidentified(q):
			return errUnidentified()
		}
	}
	return nil
}

// unidentified reports whether a message for a FIFO queue has no deduplication id.
func (o *outgoing) unidentified(q *queue) bool {
	return o.deduplicationID == nil && !q.ContentBasedDeduplication
}

func errUnidentified() error {
	return errInvalidValue("The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
}
