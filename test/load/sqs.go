package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
)

// messageSize is the size of a message's body, as of the value that kv puts.
const messageSize = 1 << 10

// queue makes a queue whose messages stay hidden for long once received.
func (b *bench) queue(ctx context.Context, name string) (url string, err error) {
	body := fmt.Appendf(nil, `{"QueueName":%q,"Attributes":{"VisibilityTimeout":"3600"}}`, name)
	q, err := newSigner(&b.gw.Credentials).sqs("CreateQueue", body)
	if err != nil {
		return "", err
	}
	l, err := dial(ctx, b.gw.Endpoint, 0)
	if err != nil {
		return "", err
	}
	defer l.conn.Close() //nolint:errcheck // it was only read and written
	answer, err := l.do(q)
	if err != nil {
		return "", err
	}
	var out struct{ QueueUrl string }
	return out.QueueUrl, json.Unmarshal(answer, &out)
}

func message(size int) string { return strings.Repeat("gigawatt", size/8) }

// sender returns what sends one message.
func (b *bench) sender(url string) (func(l *lane) error, error) {
	q, err := newSigner(&b.gw.Credentials).sqs("SendMessage", fmt.Appendf(nil, `{"QueueUrl":%q,"MessageBody":%q}`, url, message(messageSize)))
	return func(l *lane) error { _, err := l.do(q); return err }, err
}

// fill sends n messages in batches of ten.
func (b *bench) fill(ctx context.Context, url string, n int) error {
	var entries []string
	for i := range 10 {
		entries = append(entries, fmt.Sprintf(`{"Id":"%d","MessageBody":%q}`, i, message(messageSize/8)))
	}
	s := newSigner(&b.gw.Credentials)
	body := fmt.Appendf(nil, `{"QueueUrl":%q,"Entries":[%s]}`, url, strings.Join(entries, ","))
	var left atomic.Int64
	left.Store(int64(n / len(entries)))
	const signEvery = 1000 // a signature is good for five minutes
	signed := make([]*request, manyLanes)
	const forever = 1 << 62
	_, err := drive(ctx, b.gw.Endpoint, manyLanes, forever, func(l *lane) error {
		if left.Add(-1) < 0 {
			return errDone
		}
		if l.n%signEvery == 0 {
			q, err := s.sqs("SendMessageBatch", body)
			if err != nil {
				return err
			}
			signed[l.id] = q
		}
		_, err := l.do(signed[l.id])
		return err
	})
	return err
}

var errEmpty = errors.New("the queue is empty")

// consumer returns what receives one message and deletes it.
func (b *bench) consumer(url string) (func(l *lane) error, error) {
	s := newSigner(&b.gw.Credentials)
	receive, err := s.sqs("ReceiveMessage", fmt.Appendf(nil, `{"QueueUrl":%q}`, url))
	return func(l *lane) error {
		answer, err := l.do(receive)
		if err != nil {
			return err
		}
		var out struct {
			Messages []struct{ ReceiptHandle string }
		}
		if err := json.Unmarshal(answer, &out); err != nil {
			return err
		}
		if len(out.Messages) == 0 {
			return errEmpty
		}
		q, err := s.sqs("DeleteMessage", fmt.Appendf(nil, `{"QueueUrl":%q,"ReceiptHandle":%q}`, url, out.Messages[0].ReceiptHandle))
		if err != nil {
			return err
		}
		_, err = l.do(q)
		return err
	}, err
}

const sendRow = "SQS SendMessage of 1 KB, 64 clients"

func measureSend(ctx context.Context, b *bench) error {
	url, err := b.queue(ctx, "load-send")
	if err != nil {
		return err
	}
	send, err := b.sender(url)
	if err != nil {
		return err
	}
	var all []rate
	for range b.rounds {
		x, err := drive(ctx, b.gw.Endpoint, manyLanes, b.length, send)
		if err != nil {
			return err
		}
		all = append(all, x)
	}
	b.report.atLeast(b.report.rated(sendRow, median(all)), kvPut, 0.25)
	return nil
}

// measureConsume measures pairs of a receive and a deletion. Wanted is half of
// what is wanted of sending.
func measureConsume(ctx context.Context, b *bench) error {
	url, err := b.queue(ctx, "load-consume")
	if err != nil {
		return err
	}
	consume, err := b.consumer(url)
	if err != nil {
		return err
	}
	var all []rate
	for range b.rounds {
		const most = 20_000 // pairs a second that no two cores reach
		if err := b.fill(ctx, url, int(b.length.Seconds()*most)); err != nil {
			return err
		}
		x, err := drive(ctx, b.gw.Endpoint, manyLanes, b.length, consume)
		if err != nil {
			return err
		}
		all = append(all, x)
	}
	b.report.atLeast(b.report.rated("SQS receive and delete, 64 clients", median(all)), kvPut, 0.125)
	return nil
}

// measureDepth compares a deep queue with a shallow one: a message is sent,
// one received and deleted, so that the depth stays.
func measureDepth(ctx context.Context, b *bench) error {
	type deep struct {
		name     string
		messages int
		cycle    func() (rate, error)
	}
	queues := []deep{{name: "load-shallow", messages: 1000}, {name: "load-deep", messages: b.deep}}
	for i := range queues {
		q := &queues[i]
		url, err := b.queue(ctx, q.name)
		if err != nil {
			return err
		}
		if err := b.fill(ctx, url, q.messages); err != nil {
			return err
		}
		send, err := b.sender(url)
		if err != nil {
			return err
		}
		consume, err := b.consumer(url)
		if err != nil {
			return err
		}
		q.cycle = func() (rate, error) {
			return drive(ctx, b.gw.Endpoint, manyLanes, b.length, func(l *lane) error {
				if err := send(l); err != nil {
					return err
				}
				return consume(l)
			})
		}
		q.name = "SQS send, receive, delete with " + strconv.Itoa(q.messages) + " messages"
	}
	shallow, big, err := b.alternate(queues[0].cycle, queues[1].cycle)
	if err != nil {
		return err
	}
	b.report.rated(queues[0].name, shallow)
	b.report.atLeast(b.report.rated(queues[1].name, big), queues[0].name, 0.8)
	return nil
}
