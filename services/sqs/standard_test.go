package sqs

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/api/sqsapi"
)

func TestSendReceiveDelete(t *testing.T) {
	w := newWorld(t)
	url := w.create("jobs")
	if want := "http://localhost:4566/111122223333/jobs"; url != want {
		t.Errorf("URL %s, want %s", url, want)
	}
	out := must(w, sqsapi.SendMessage, &sqsapi.SendMessageInput{
		QueueUrl: url, MessageBody: "hello",
		MessageAttributes: map[string]sqsapi.MessageAttributeValue{
			"colour": {DataType: "String", StringValue: ptr("red")},
			"bytes":  {DataType: "Binary", BinaryValue: []byte{1, 2}},
		},
		MessageSystemAttributes: map[string]sqsapi.MessageSystemAttributeValue{"AWSTraceHeader": {DataType: "String", StringValue: ptr("Root=1")}},
	})
	if got := *out.MD5OfMessageBody; got != "5d41402abc4b2a76b9719d911017c592" {
		t.Errorf("MD5 of the body %s", got)
	}
	if got := w.counts(url); got != [3]string{"1", "0", "0"} {
		t.Errorf("counts %v", got)
	}
	m := w.wantBodies(url, 10, "hello")[0]
	if d := cmp.Diff(map[string]string{
		"SenderId": "111122223333", "SentTimestamp": "1795348800000", "ApproximateReceiveCount": "1",
		"ApproximateFirstReceiveTimestamp": "1795348800000", "AWSTraceHeader": "Root=1",
	}, m.Attributes); d != "" {
		t.Errorf("system attributes (-want +got):\n%s", d)
	}
	if *m.MD5OfMessageAttributes != *out.MD5OfMessageAttributes || *m.MessageId != *out.MessageId {
		t.Errorf("received %+v, sent %+v", m, out)
	}
	w.wantBodies(url, 10) // it is in flight
	if got := w.counts(url); got != [3]string{"0", "1", "0"} {
		t.Errorf("counts %v", got)
	}
	w.delete(url, m)
	w.delete(url, m) // again: no error
	w.clock.Advance(time.Hour)
	w.wantBodies(url, 10)
	if n := w.rows(); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

func TestVisibility(t *testing.T) {
	w := newWorld(t)
	url := w.create("jobs", "VisibilityTimeout", "60")
	w.send(url, "a")
	first := w.wantBodies(url, 1, "a")[0]
	w.clock.Advance(59 * time.Second)
	w.wantBodies(url, 1)
	w.clock.Advance(time.Second)
	second := w.wantBodies(url, 1, "a")[0]
	if got := second.Attributes["ApproximateReceiveCount"]; got != "2" {
		t.Errorf("receive count %s", got)
	}
	w.delete(url, first) // a stale handle deletes nothing
	change := func(m sqsapi.Message, seconds int32) *sqsapi.ChangeMessageVisibilityInput {
		return &sqsapi.ChangeMessageVisibilityInput{QueueUrl: url, ReceiptHandle: *m.ReceiptHandle, VisibilityTimeout: seconds}
	}
	fails(w, "InvalidParameterValue", sqsapi.ChangeMessageVisibility, change(first, 10))
	must(w, sqsapi.ChangeMessageVisibility, change(second, 600))
	w.clock.Advance(599 * time.Second)
	w.wantBodies(url, 1)
	fails(w, "InvalidParameterValue", sqsapi.ChangeMessageVisibility, change(second, 43200)) // twelve hours in all
	must(w, sqsapi.ChangeMessageVisibility, change(second, 0))
	fails(w, "AWS.SimpleQueueService.MessageNotInflight", sqsapi.ChangeMessageVisibility, change(second, 5))
	third := w.wantBodies(url, 1, "a")[0]
	w.clock.Advance(time.Minute)
	must(w, sqsapi.ChangeMessageVisibility, change(third, 30)) // its time ran out, but nobody else has it
	w.wantBodies(url, 1)
	w.clock.Advance(30 * time.Second)
	w.delete(url, third)
	w.wantBodies(url, 1)
	fails(w, "InvalidParameterValue", sqsapi.ChangeMessageVisibility, change(third, 1))
	fails(w, "ReceiptHandleIsInvalid", sqsapi.DeleteMessage, &sqsapi.DeleteMessageInput{QueueUrl: url, ReceiptHandle: "x"})
	other := w.create("other")
	fails(w, "ReceiptHandleIsInvalid", sqsapi.DeleteMessage, &sqsapi.DeleteMessageInput{QueueUrl: other, ReceiptHandle: *third.ReceiptHandle})
}

func TestDelay(t *testing.T) {
	w := newWorld(t)
	url := w.create("jobs", "DelaySeconds", "10")
	w.send(url, "ten")
	must(w, sqsapi.SendMessage, &sqsapi.SendMessageInput{QueueUrl: url, MessageBody: "five", DelaySeconds: ptr(int32(5))})
	must(w, sqsapi.SendMessage, &sqsapi.SendMessageInput{QueueUrl: url, MessageBody: "now", DelaySeconds: ptr(int32(0))})
	if got := w.counts(url); got != [3]string{"1", "0", "2"} {
		t.Errorf("counts %v", got)
	}
	w.wantBodies(url, 10, "now")
	w.clock.Advance(5 * time.Second)
	w.wantBodies(url, 10, "five")
	w.clock.Advance(5 * time.Second)
	w.wantBodies(url, 10, "ten")
}

func TestRetention(t *testing.T) {
	w := newWorld(t)
	url := w.create("jobs", "MessageRetentionPeriod", "60")
	fifo := w.createFIFO("ordered.fifo", "MessageRetentionPeriod", "60")
	big := strings.Repeat("x", maxInline+1)
	w.send(url, "a", big)
	w.sendTo(fifo, "g", "a", "b")
	w.clock.Advance(30 * time.Second)
	w.send(url, "young")
	w.sendTo(fifo, "g", "c")
	must(w, sqsapi.SetQueueAttributes, &sqsapi.SetQueueAttributesInput{QueueUrl: url, Attributes: map[string]string{"VisibilityTimeout": "0"}})
	w.clock.Advance(30 * time.Second)
	w.wantBodies(url, 10, "young") // a receive meets the old ones first
	w.wantBodies(fifo, 10, "c")
	w.send(url, "b")
	w.clock.Advance(time.Hour)
	if err := startSweep(t.Context(), w.call("ListQueues")); err != nil {
		t.Fatal(err)
	}
	w.clock.Advance(time.Hour)
	w.runJobs()
	if n := w.rows(); n > 2 { // the empty group and its expiry
		t.Errorf("%d rows are left", n)
	}
	w.clock.Advance(time.Hour)
	w.runJobs()
	if n := w.rows(); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

func TestPurgeAndDelete(t *testing.T) {
	w := newWorld(t)
	url := w.create("jobs")
	w.send(url, "a", "b", strings.Repeat("x", 200_000))
	held := w.receive(url, 1)[0]
	must(w, sqsapi.PurgeQueue, &sqsapi.PurgeQueueInput{QueueUrl: url})
	w.wantBodies(url, 10)
	w.delete(url, held) // of before: gone, and no error
	fails(w, "AWS.SimpleQueueService.PurgeQueueInProgress", sqsapi.PurgeQueue, &sqsapi.PurgeQueueInput{QueueUrl: url})
	w.runJobs()
	if n := w.rows(); n != 0 {
		t.Errorf("%d rows are left after the purge", n)
	}
	w.clock.Advance(time.Minute)
	must(w, sqsapi.PurgeQueue, &sqsapi.PurgeQueueInput{QueueUrl: url})
	w.send(url, "c")
	must(w, sqsapi.DeleteQueue, &sqsapi.DeleteQueueInput{QueueUrl: url})
	fails(w, "AWS.SimpleQueueService.NonExistentQueue", sqsapi.SendMessage, &sqsapi.SendMessageInput{QueueUrl: url, MessageBody: "d"})
	fails(w, "AWS.SimpleQueueService.QueueDeletedRecently", sqsapi.CreateQueue, &sqsapi.CreateQueueInput{QueueName: "jobs"})
	w.runJobs()
	if n := w.rows(); n != 0 {
		t.Errorf("%d rows are left after the deletion", n)
	}
	w.clock.Advance(time.Minute)
	w.runJobs()
	w.create("jobs")
	w.wantBodies(url, 10)
}

// A long poll sleeps until a message is there, and no longer than it may.
func TestLongPoll(t *testing.T) {
	w := newWorld(t)
	url := w.create("jobs", "ReceiveMessageWaitTimeSeconds", "20")
	type answer struct {
		bodies []string
		err    error
	}
	poll := func(ctx context.Context) <-chan answer {
		c := w.call("ReceiveMessage")
		done := make(chan answer, 1)
		go func() {
			out, err := tryWith(ctx, w, c, sqsapi.ReceiveMessage, &sqsapi.ReceiveMessageInput{QueueUrl: url})
			if err != nil {
				done <- answer{nil, err}
				return
			}
			done <- answer{bodies(out.Messages), nil}
		}()
		return done
	}
	check := func(what string, got answer, want ...string) {
		t.Helper()
		if d := cmp.Diff(append([]string{}, want...), got.bodies); got.err != nil || d != "" {
			t.Errorf("%s: %v (-want +got):\n%s", what, got.err, d)
		}
	}
	done := poll(t.Context())
	w.send(url, "sent meanwhile")
	check("a message", <-done, "sent meanwhile")

	done = poll(t.Context()) // the message comes back after 30 seconds, the poll ends after 20
	for open := true; open; {
		w.clock.Advance(10 * time.Second)
		select {
		case got := <-done:
			open = false
			if len(got.bodies) > 1 || got.err != nil {
				t.Errorf("the end of the wait: %v", got)
			}
		case <-time.After(time.Millisecond):
		}
	}
	url = w.create("empty", "ReceiveMessageWaitTimeSeconds", "20")
	ctx, cancel := context.WithCancel(t.Context())
	done = poll(ctx)
	cancel()
	if got := <-done; len(got.bodies) > 0 {
		t.Errorf("the client left: %v", got)
	}
}

func TestLargeMessages(t *testing.T) {
	for _, sse := range []string{"true", "false"} {
		w := newWorld(t)
		url := w.create("jobs", "SqsManagedSseEnabled", sse)
		for _, n := range []int{1, maxInline - 64, maxInline, 100_000, maxMessage} {
			body := strings.Repeat("ü", n/2) + strings.Repeat("x", n%2)
			w.send(url, body)
			got := w.receive(url, 1)
			if len(got) != 1 || *got[0].Body != body {
				t.Fatalf("a body of %d bytes did not come back", n)
			}
			w.delete(url, got[0])
		}
		if n := w.rows(); n != 0 {
			t.Errorf("%d rows are left", n)
		}
		fails(w, "InvalidParameterValue", sqsapi.SendMessage, &sqsapi.SendMessageInput{QueueUrl: url, MessageBody: strings.Repeat("x", maxMessage+1)})
	}
}

// What is stored of an encrypted queue does not show its messages.
func TestEncryptedAtRest(t *testing.T) {
	for sse, want := range map[string]bool{"true": false, "false": true} {
		w := newWorld(t)
		url := w.create("jobs", "SqsManagedSseEnabled", sse)
		secret := "the password is swordfish"
		w.send(url, secret, strings.Repeat(secret, 1000))
		if got := w.stored(secret); got != want {
			t.Errorf("SqsManagedSseEnabled %s: the body is stored in the clear: %v", sse, got)
		}
	}
}
