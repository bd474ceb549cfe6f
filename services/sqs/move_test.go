package sqs

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gigawatt-cloud/gigawatt/api/sqsapi"
)

const deadARN = "arn:aws:sqs:us-east-1:111122223333:dead"

// deadLetters makes a queue and its dead-letter queue with n dead letters.
func deadLetters(t *testing.T, n int) (w *world, url, dead string) {
	w = newWorld(t)
	dead = w.create("dead")
	url = w.create("jobs", "VisibilityTimeout", "0", "RedrivePolicy", `{"deadLetterTargetArn":"`+deadARN+`","maxReceiveCount":1}`)
	for i := range n {
		w.send(url, fmt.Sprint("m", i, strings.Repeat("x", i%3*maxInline)))
	}
	for range 2 {
		for range n {
			w.receive(url, 10)
			w.clock.Advance(time.Millisecond)
		}
	}
	if got := w.counts(dead); got[0] != fmt.Sprint(n) {
		t.Fatalf("%s dead letters, want %d", got[0], n)
	}
	return w, url, dead
}

func (w *world) task() sqsapi.ListMessageMoveTasksResultEntry {
	w.Helper()
	return must(w, sqsapi.ListMessageMoveTasks, &sqsapi.ListMessageMoveTasksInput{SourceArn: deadARN}).Results[0]
}

func TestMoveTask(t *testing.T) {
	w, url, dead := deadLetters(t, 120)
	must(w, sqsapi.SetQueueAttributes, &sqsapi.SetQueueAttributesInput{QueueUrl: url, Attributes: map[string]string{"VisibilityTimeout": "30"}})
	must(w, sqsapi.StartMessageMoveTask, &sqsapi.StartMessageMoveTaskInput{SourceArn: deadARN})
	fails(w, "InvalidParameterValue", sqsapi.StartMessageMoveTask, &sqsapi.StartMessageMoveTaskInput{SourceArn: deadARN})
	if got := w.task(); *got.Status != "RUNNING" || got.TaskHandle == nil || *got.ApproximateNumberOfMessagesToMove != 120 {
		t.Errorf("task %+v", got)
	}
	w.runJobs()
	if got := w.task(); *got.Status != "COMPLETED" || *got.ApproximateNumberOfMessagesMoved != 120 || got.TaskHandle != nil {
		t.Errorf("status %s, moved %d", *got.Status, *got.ApproximateNumberOfMessagesMoved)
	}
	if got := w.counts(dead); got != [3]string{"0", "0", "0"} {
		t.Errorf("left behind: %v", got)
	}
	w.clock.Advance(time.Second)
	seen := map[string]bool{}
	for range 12 {
		for _, m := range w.receive(url, 10) {
			seen[*m.Body] = true
			if m.Attributes["ApproximateReceiveCount"] != "1" || m.Attributes["DeadLetterQueueSourceArn"] != "" {
				t.Errorf("attributes %v", m.Attributes)
			}
			w.delete(url, m)
		}
	}
	if len(seen) != 120 {
		t.Errorf("%d messages came back", len(seen))
	}
	if n := w.rows(); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

func TestMoveTaskRateAndCancel(t *testing.T) {
	w, _, _ := deadLetters(t, 10)
	other := w.create("other")
	start := must(w, sqsapi.StartMessageMoveTask, &sqsapi.StartMessageMoveTaskInput{
		SourceArn: deadARN, DestinationArn: ptr("arn:aws:sqs:us-east-1:111122223333:other"), MaxNumberOfMessagesPerSecond: ptr(int32(3)),
	})
	for want := int64(3); want <= 6; want += 3 {
		w.runJobs()
		w.runJobs() // not due
		if got := *w.task().ApproximateNumberOfMessagesMoved; got != want {
			t.Errorf("moved %d, want %d", got, want)
		}
		w.clock.Advance(time.Second)
	}
	out := must(w, sqsapi.CancelMessageMoveTask, &sqsapi.CancelMessageMoveTaskInput{TaskHandle: *start.TaskHandle})
	if *out.ApproximateNumberOfMessagesMoved != 6 {
		t.Errorf("moved %d", *out.ApproximateNumberOfMessagesMoved)
	}
	fails(w, "InvalidParameterValue", sqsapi.CancelMessageMoveTask, &sqsapi.CancelMessageMoveTaskInput{TaskHandle: *start.TaskHandle})
	w.runJobs()
	if got := w.counts(other); got[0] != "6" || *w.task().Status != "CANCELLED" {
		t.Errorf("moved %s, status %s", got[0], *w.task().Status)
	}
}

func TestMoveTaskFails(t *testing.T) {
	w, url, dead := deadLetters(t, 2)
	w.send(dead, "sent here directly")
	must(w, sqsapi.StartMessageMoveTask, &sqsapi.StartMessageMoveTaskInput{SourceArn: deadARN})
	w.runJobs()
	if got := w.task(); *got.Status != "FAILED" || *got.FailureReason != failedNoSource || *got.ApproximateNumberOfMessagesMoved != 2 {
		t.Errorf("task %+v", got)
	}
	must(w, sqsapi.PurgeQueue, &sqsapi.PurgeQueueInput{QueueUrl: dead})
	w.clock.Advance(time.Second)
	w.receive(url, 10)
	w.clock.Advance(time.Second)
	w.receive(url, 10)
	w.create("other", "RedrivePolicy", `{"deadLetterTargetArn":"`+deadARN+`","maxReceiveCount":1}`)
	must(w, sqsapi.StartMessageMoveTask, &sqsapi.StartMessageMoveTaskInput{SourceArn: deadARN})
	must(w, sqsapi.DeleteQueue, &sqsapi.DeleteQueueInput{QueueUrl: url})
	w.runJobs()
	if got := w.task(); *got.Status != "FAILED" || *got.FailureReason != failedNoQueue {
		t.Errorf("status %s", *got.Status)
	}
}
