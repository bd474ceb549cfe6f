package sqs

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/api/sqsapi"
)

// A group gives its messages from the head on, up to the first that is not visible.
func TestGroupOrder(t *testing.T) {
	w := newWorld(t)
	url := w.createFIFO("q.fifo")
	w.sendTo(url, "a", "a1", "a2", "a3")
	w.sendTo(url, "b", "b1")
	got := w.wantBodies(url, 2, "a1", "a2")
	w.wantBodies(url, 10, "b1") // group a waits for a1 and a2
	w.delete(url, got[1])
	w.wantBodies(url, 10)
	must(w, sqsapi.ChangeMessageVisibility, &sqsapi.ChangeMessageVisibilityInput{QueueUrl: url, ReceiptHandle: *got[0].ReceiptHandle})
	again := w.wantBodies(url, 1, "a1")
	w.delete(url, again[0])
	w.wantBodies(url, 10, "a3")
	w.clock.Advance(time.Minute)
	w.wantBodies(url, 10, "a3", "b1")
}

// A handle of a FIFO queue ends with the visibility timeout.
func TestExpiredHandle(t *testing.T) {
	w := newWorld(t)
	url := w.createFIFO("q.fifo", "VisibilityTimeout", "10")
	w.sendTo(url, "g", "m")
	m := w.wantBodies(url, 1, "m")[0]
	w.clock.Advance(10 * time.Second)
	msg := fails(w, "InvalidParameterValue", sqsapi.DeleteMessage, &sqsapi.DeleteMessageInput{QueueUrl: url, ReceiptHandle: *m.ReceiptHandle})
	if !strings.HasSuffix(msg, "Reason: The receipt handle has expired.") {
		t.Error(msg)
	}
	fails(w, "InvalidParameterValue", sqsapi.ChangeMessageVisibility, &sqsapi.ChangeMessageVisibilityInput{QueueUrl: url, ReceiptHandle: *m.ReceiptHandle, VisibilityTimeout: 5})
	second := w.wantBodies(url, 1, "m")[0]
	fails(w, "InvalidParameterValue", sqsapi.DeleteMessage, &sqsapi.DeleteMessageInput{QueueUrl: url, ReceiptHandle: *m.ReceiptHandle})
	w.delete(url, second)
	w.delete(url, second)
}

func TestDeduplication(t *testing.T) {
	send := func(w *world, url, group, id, body string) *sqsapi.SendMessageOutput {
		in := &sqsapi.SendMessageInput{QueueUrl: url, MessageBody: body, MessageGroupId: &group}
		if id != "" {
			in.MessageDeduplicationId = &id
		}
		return must(w, sqsapi.SendMessage, in)
	}
	for _, tt := range []struct {
		name       string
		attributes []string
		a, b       [3]string // group, id, body
		same       bool
	}{
		{"one id", nil, [3]string{"g", "1", "x"}, [3]string{"g", "1", "y"}, true},
		{"two ids", nil, [3]string{"g", "1", "x"}, [3]string{"g", "2", "x"}, false},
		{"one id in two groups", nil, [3]string{"g", "1", "x"}, [3]string{"h", "1", "x"}, true},
		{"two groups, each for itself", []string{"DeduplicationScope", "messageGroup"}, [3]string{"g", "1", "x"}, [3]string{"h", "1", "x"}, false},
		{"one content", []string{"ContentBasedDeduplication", "true"}, [3]string{"g", "", "x"}, [3]string{"g", "", "x"}, true},
		{"two contents", []string{"ContentBasedDeduplication", "true"}, [3]string{"g", "", "x"}, [3]string{"g", "", "y"}, false},
		{"the id goes before the content", []string{"ContentBasedDeduplication", "true"}, [3]string{"g", "1", "x"}, [3]string{"g", "2", "x"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			url := w.createFIFO("q.fifo", tt.attributes...)
			a := send(w, url, tt.a[0], tt.a[1], tt.a[2])
			w.delete(url, w.receive(url, 1)[0]) // deleting the first does not let the second in
			w.clock.Advance(dedupWindow - time.Second)
			b := send(w, url, tt.b[0], tt.b[1], tt.b[2])
			if same := *a.MessageId == *b.MessageId && *a.SequenceNumber == *b.SequenceNumber; same != tt.same {
				t.Errorf("answered as the same: %v, want %v", same, tt.same)
			}
			if got := len(w.receive(url, 10)); (got == 0) != tt.same {
				t.Errorf("received %d", got)
			}
			w.clock.Advance(time.Second)
			if c := send(w, url, tt.a[0], tt.a[1], tt.a[2]); *c.MessageId == *a.MessageId {
				t.Error("five minutes later it is taken for the same")
			}
		})
	}
}

// Sequence numbers have 20 digits and rise, even when a sender's clock is behind.
func TestSequenceNumbers(t *testing.T) {
	w := newWorld(t)
	url := w.createFIFO("q.fifo")
	var numbers []string
	for i, id := range []string{"1", "2", "3", "4", "5"} {
		c := w.call("SendMessage")
		c.Now = c.Now.Add(-time.Duration(i) * time.Second)
		out, err := tryWith(t.Context(), w, c, sqsapi.SendMessage, &sqsapi.SendMessageInput{QueueUrl: url, MessageBody: id, MessageGroupId: ptr("g"), MessageDeduplicationId: &id})
		if err != nil {
			t.Fatal(err)
		}
		numbers = append(numbers, *out.SequenceNumber)
		if i == 2 { // the group is empty for a moment
			for range 3 {
				w.delete(url, w.receive(url, 1)[0])
			}
		}
	}
	for _, n := range numbers {
		if len(n) != 20 {
			t.Errorf("sequence number %s", n)
		}
	}
	if !slices.IsSorted(numbers) || len(slices.Compact(slices.Clone(numbers))) != len(numbers) {
		t.Errorf("not rising: %v", numbers)
	}
}

// A receive that is repeated with its attempt id gets the same messages while
// they are all in flight.
func TestReceiveRequestAttempt(t *testing.T) {
	w := newWorld(t)
	url := w.createFIFO("q.fifo")
	w.sendTo(url, "a", "a1", "a2")
	w.sendTo(url, "b", "b1")
	receive := func(id string) []sqsapi.Message {
		return must(w, sqsapi.ReceiveMessage, &sqsapi.ReceiveMessageInput{QueueUrl: url, ReceiveRequestAttemptId: &id, MaxNumberOfMessages: ptr(int32(2))}).Messages
	}
	first := receive("x")
	w.clock.Advance(20 * time.Second)
	second := receive("x")
	if d := cmp.Diff(first, second); d != "" {
		t.Errorf("the repeated attempt (-first +second):\n%s", d)
	}
	w.clock.Advance(20 * time.Second) // the visibility timeout began anew
	if got := bodies(receive("y")); !slices.Equal(got, []string{"b1"}) {
		t.Errorf("another attempt got %v", got)
	}
	w.delete(url, second[0])
	if got := bodies(receive("x")); len(got) > 0 {
		t.Errorf("after a deletion the attempt got %v", got)
	}
	w.clock.Advance(time.Minute)
	if got := bodies(receive("x")); !slices.Equal(got, []string{"b1", "a2"}) && !slices.Equal(got, []string{"a2", "b1"}) {
		t.Errorf("after the timeout the attempt got %v", got)
	}
}

func TestFIFODeadLetters(t *testing.T) {
	w := newWorld(t)
	w.createFIFO("dead.fifo")
	dead := "http://x/" + string(testAccount) + "/dead.fifo"
	url := w.createFIFO("q.fifo", "VisibilityTimeout", "0", "RedrivePolicy", `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:111122223333:dead.fifo","maxReceiveCount":2}`)
	w.sendTo(url, "g", "1", "2", "3")
	w.wantBodies(url, 10, "1", "2", "3")
	w.clock.Advance(time.Second)
	w.wantBodies(url, 1, "1")
	w.clock.Advance(time.Second)
	w.wantBodies(url, 1, "2") // 1 is dead
	w.clock.Advance(time.Second)
	w.wantBodies(url, 10, "3")
	w.clock.Advance(time.Second)
	w.wantBodies(url, 10)
	got := w.wantBodies(dead, 10, "1", "2", "3")
	if g := got[0].Attributes["MessageGroupId"]; g != "g" {
		t.Errorf("group %s", g)
	}
}

// Messages of a queue's own delay hold their group back.
func TestFIFODelay(t *testing.T) {
	w := newWorld(t)
	url := w.createFIFO("q.fifo", "DelaySeconds", "5")
	w.sendTo(url, "g", "1")
	w.wantBodies(url, 1)
	w.clock.Advance(5 * time.Second)
	w.sendTo(url, "g", "2")
	w.wantBodies(url, 10, "1")
	if got := w.counts(url); got != [3]string{"0", "1", "1"} {
		t.Errorf("counts %v", got)
	}
}
