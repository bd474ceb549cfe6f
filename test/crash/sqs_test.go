package crash

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gigawatt-cloud/gigawatt/test/wire"
)

const (
	// visibility is short, so that a check need not wait long for what a
	// killed worker had received.
	visibility = "3"
	// drainTime bounds the wait for messages that a check expects.
	drainTime = time.Minute
	there     = "there"
)

// resend is a message whose sending was not answered.
type resend struct {
	name, body, group string
}

// queue names a worker's queue of a kind; fifo queues end as AWS wants it.
func queue(kind string, id int) string {
	name := fmt.Sprintf("%s-%d", kind, id)
	if kind == "fifo" {
		name += ".fifo"
	}
	return name
}

// url is the address of a queue at the current server.
func (w *world) url(queue string) string { return w.client.Endpoint + "/000000000000/" + queue }

func (w *world) sqs(ctx context.Context, operation string, in map[string]any, out any) error {
	return w.call("sqs", operation, func() error { return w.client.SQS(ctx, operation, in, out) })
}

func makeQueues(kind string) func(ctx context.Context, w *world) error {
	return func(ctx context.Context, w *world) error {
		for i := range workers {
			attributes := map[string]string{"VisibilityTimeout": visibility}
			if kind == "fifo" {
				attributes["FifoQueue"] = "true"
			}
			name := queue(kind, i)
			err := w.change(there, func() error {
				return w.sqs(ctx, "CreateQueue", map[string]any{"QueueName": name, "Attributes": attributes}, nil)
			}, "queue "+name)
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// message names the next message of a queue and makes its body, of up to 2 KB.
func (k *worker) message(queue string) (name, body string) {
	name = fmt.Sprintf("message %s/%d", queue, k.next())
	return name, name + "\n" + strings.Repeat("x", k.random.IntN(2000))
}

func (w *world) send(ctx context.Context, k *worker, queue string) error {
	name, body := k.message(queue)
	r := resend{name: name, body: body}
	if strings.HasSuffix(queue, ".fifo") {
		r.group = "g" + strconv.Itoa(k.random.IntN(3))
	}
	err := w.change(there, func() error { return w.sendOne(ctx, queue, r) }, name)
	if wire.Lost(err) && r.group != "" {
		k.redo = append(k.redo, r)
	}
	return err
}

func (w *world) sendOne(ctx context.Context, queue string, r resend) error {
	in := map[string]any{"QueueUrl": w.url(queue), "MessageBody": r.body}
	if r.group != "" {
		in["MessageGroupId"] = r.group
		in["MessageDeduplicationId"] = strings.ReplaceAll(strings.TrimPrefix(r.name, "message "), "/", "-")
	}
	return w.sqs(ctx, "SendMessage", in, nil)
}

// received is a message as ReceiveMessage gives it.
type received struct {
	Body, ReceiptHandle string
	Attributes          struct{ MessageGroupId string }
}

func (m *received) name() string {
	name, _, _ := strings.Cut(m.Body, "\n")
	return name
}

// receive takes up to ten messages and sees that none of them was deleted.
func (w *world) receive(ctx context.Context, queue string, wait int) ([]received, error) {
	var out struct{ Messages []received }
	err := w.sqs(ctx, "ReceiveMessage", map[string]any{
		"QueueUrl": w.url(queue), "MaxNumberOfMessages": 10, "WaitTimeSeconds": wait,
		"MessageSystemAttributeNames": []string{"MessageGroupId"},
	}, &out)
	for _, m := range out.Messages {
		w.found(m.name(), there)
	}
	return out.Messages, err
}

func (w *world) remove(ctx context.Context, queue string, m received) error {
	return w.change(absent, func() error {
		return w.sqs(ctx, "DeleteMessage", map[string]any{"QueueUrl": w.url(queue), "ReceiptHandle": m.ReceiptHandle}, nil)
	}, m.name())
}

// late reports whether a message of a FIFO queue could not be deleted because
// its visibility timeout had passed; it comes again.
func late(err error) bool {
	return err != nil && !wire.Lost(err) && strings.Contains(err.Error(), "expired")
}

func sendAndConsume(kind string) func(ctx context.Context, w *world, k *worker) error {
	return func(ctx context.Context, w *world, k *worker) error {
		q := queue(kind, k.id)
		if err := w.send(ctx, k, q); err != nil {
			return err
		}
		if k.random.IntN(8) > 0 {
			return nil
		}
		messages, err := w.receive(ctx, q, 0)
		for _, m := range messages {
			if k.random.IntN(5) == 0 { // left to come again
				continue
			}
			if err := w.remove(ctx, q, m); err != nil && !late(err) {
				return err
			}
		}
		return err
	}
}

func sendOnly(kind string) func(ctx context.Context, w *world, k *worker) error {
	return func(ctx context.Context, w *world, k *worker) error { return w.send(ctx, k, queue(kind, k.id)) }
}

// batch is the answer to a batch.
type batch struct {
	Successful []struct{ Id string }
	Failed     []struct{ Id, Code, Message string }
}

func (b *batch) whole(n int) error {
	if len(b.Failed) > 0 || len(b.Successful) != n {
		return &wire.Refusal{Status: 200, Code: "Batch", Message: fmt.Sprintf("%d of %d succeeded: %+v", len(b.Successful), n, b.Failed)}
	}
	return nil
}

func sendBatches(kind string) func(ctx context.Context, w *world, k *worker) error {
	return func(ctx context.Context, w *world, k *worker) error {
		q := queue(kind, k.id)
		var names []string
		var entries []map[string]string
		for i := range 1 + k.random.IntN(10) {
			name, body := k.message(q)
			names = append(names, name)
			entries = append(entries, map[string]string{"Id": strconv.Itoa(i), "MessageBody": body})
		}
		err := w.change(there, func() error {
			var out batch
			if err := w.sqs(ctx, "SendMessageBatch", map[string]any{"QueueUrl": w.url(q), "Entries": entries}, &out); err != nil {
				return err
			}
			return out.whole(len(entries))
		}, names...)
		if err != nil || k.random.IntN(2) == 0 {
			return err
		}
		messages, err := w.receive(ctx, q, 0)
		if err != nil || len(messages) == 0 {
			return err
		}
		return w.removeBatch(ctx, q, messages)
	}
}

func (w *world) removeBatch(ctx context.Context, queue string, messages []received) error {
	var names []string
	var entries []map[string]string
	for i, m := range messages {
		names = append(names, m.name())
		entries = append(entries, map[string]string{"Id": strconv.Itoa(i), "ReceiptHandle": m.ReceiptHandle})
	}
	return w.change(absent, func() error {
		var out batch
		if err := w.sqs(ctx, "DeleteMessageBatch", map[string]any{"QueueUrl": w.url(queue), "Entries": entries}, &out); err != nil {
			return err
		}
		return out.whole(len(entries))
	}, names...)
}

// drainQueues receives and deletes everything and compares it with the ledger.
func drainQueues(kind, load string) func(ctx context.Context, w *world) error {
	return func(ctx context.Context, w *world) error {
		return together(workers, func(i int) error { return w.drain(ctx, queue(kind, i), w.workers[load][i]) })
	}
}

func (w *world) drain(ctx context.Context, queue string, k *worker) error {
	for _, r := range k.redo { // what was not answered is sent again, and must be there once
		if err := w.change(there, func() error { return w.sendOne(ctx, queue, r) }, r.name); err != nil {
			return err
		}
	}
	k.redo = nil
	last := map[string]int{}
	for deadline := time.Now().Add(drainTime); ; {
		n, err := w.depth(ctx, queue)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		if time.Now().After(deadline) {
			w.problem("%s counts %d messages that nobody receives", queue, n)
			break
		}
		messages, err := w.receive(ctx, queue, 1)
		if err != nil {
			return err
		}
		for _, m := range messages {
			w.inOrder(&m, last)
		}
		if len(messages) > 0 {
			if err := w.removeBatch(ctx, queue, messages); err != nil {
				return err
			}
		}
	}
	for _, name := range w.names("message " + queue + "/") {
		w.found(name, absent)
	}
	return nil
}

// inOrder sees that the messages of a group come in the order of their sending.
func (w *world) inOrder(m *received, last map[string]int) {
	g := m.Attributes.MessageGroupId
	if g == "" {
		return
	}
	n, err := strconv.Atoi(m.name()[strings.LastIndexByte(m.name(), '/')+1:])
	if err != nil || n <= last[g] {
		w.problem("%s of group %s came after message %d of that group", m.name(), g, last[g])
	}
	last[g] = n
}

// depth is the number of all messages of a queue.
func (w *world) depth(ctx context.Context, queue string) (n int, err error) {
	names := []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"}
	var out struct{ Attributes map[string]string }
	if err := w.sqs(ctx, "GetQueueAttributes", map[string]any{"QueueUrl": w.url(queue), "AttributeNames": names}, &out); err != nil {
		return 0, err
	}
	for _, a := range names {
		m, err := strconv.Atoi(out.Attributes[a])
		if err != nil {
			return 0, fmt.Errorf("%s of %s: %w", a, queue, err)
		}
		n += m
	}
	return n, nil
}

// countQueues compares how many messages there are with how many were sent.
func countQueues(kind string) func(ctx context.Context, w *world) error {
	return func(ctx context.Context, w *world) error {
		return together(workers, func(i int) error {
			n, err := w.depth(ctx, queue(kind, i))
			if err != nil {
				return err
			}
			sure, maybe := 0, 0
			for _, name := range w.names("message " + queue(kind, i) + "/") {
				if len(w.may(name)) == 1 {
					sure++
				} else {
					maybe++
				}
			}
			if n < sure || n > sure+maybe {
				w.problem("%s holds %d messages; %d were acknowledged and %d not answered", queue(kind, i), n, sure, maybe)
			}
			return nil
		})
	}
}
