package sqs

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gigawatt-cloud/gigawatt/api/sqsapi"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/kv/pebblekv"
)

const benchClients = 64

// benchWorld is the service on a store on disk, with the system's time.
func benchWorld(b *testing.B) *world {
	db, err := pebblekv.Open(b.TempDir(), pebblekv.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	})
	return worldOn(b, db)
}

// clients runs fn b.N times from 64 goroutines.
func clients(b *testing.B, fn func(i int64) error) {
	b.Helper()
	var wg sync.WaitGroup
	var next atomic.Int64
	var mu sync.Mutex
	b.ResetTimer()
	for range benchClients {
		wg.Go(func() {
			for {
				i := next.Add(1) - 1
				if i >= int64(b.N) {
					return
				}
				if err := fn(i); err != nil {
					mu.Lock()
					b.Error(err)
					mu.Unlock()
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

// BenchmarkKV is the yardstick: durable puts of 1 KB from 64 goroutines.
func BenchmarkKV(b *testing.B) {
	w := benchWorld(b)
	value := make([]byte, 1024)
	for i := range value {
		value[i] = byte(rand.Int())
	}
	clients(b, func(int64) error {
		key := kv.K("bench", rand.Uint64())
		return w.db.Update(b.Context(), func(tx *kv.Tx) error { return tx.Put(key, value) })
	})
}

var benchBody = strings.Repeat("0123456789abcdef", 64)

func BenchmarkSendMessage(b *testing.B) {
	w := benchWorld(b)
	url := w.create("jobs")
	clients(b, func(int64) error { return sendOne(w, url) })
}

var benchCalls sync.Mutex

func sendOne(w *world, url string) error {
	benchCalls.Lock()
	w.clock.Advance(time.Microsecond)
	c := w.call("SendMessage")
	benchCalls.Unlock()
	_, err := tryWith(context.Background(), w, c, sqsapi.SendMessage, &sqsapi.SendMessageInput{QueueUrl: url, MessageBody: benchBody})
	return err
}

// consumeOne receives a message and deletes it.
func consumeOne(w *world, url string) error {
	benchCalls.Lock()
	r, d := w.call("ReceiveMessage"), w.call("DeleteMessage")
	benchCalls.Unlock()
	out, err := tryWith(context.Background(), w, r, sqsapi.ReceiveMessage, &sqsapi.ReceiveMessageInput{QueueUrl: url})
	if err != nil {
		return err
	}
	if len(out.Messages) != 1 {
		return fmt.Errorf("received %d messages", len(out.Messages))
	}
	_, err = tryWith(context.Background(), w, d, sqsapi.DeleteMessage, &sqsapi.DeleteMessageInput{QueueUrl: url, ReceiptHandle: *out.Messages[0].ReceiptHandle})
	return err
}

// fill sends n messages beforehand, by tens.
func fill(b *testing.B, w *world, url string, n int) {
	b.Helper()
	var wg sync.WaitGroup
	var next atomic.Int64
	for range benchClients {
		wg.Go(func() {
			for next.Add(10) <= int64(n+9) {
				in := &sqsapi.SendMessageBatchInput{QueueUrl: url}
				for i := range 10 {
					in.Entries = append(in.Entries, sqsapi.SendMessageBatchRequestEntry{Id: fmt.Sprint(i), MessageBody: benchBody})
				}
				benchCalls.Lock()
				w.clock.Advance(20 * time.Microsecond)
				c := w.call("SendMessageBatch")
				benchCalls.Unlock()
				if _, err := tryWith(context.Background(), w, c, sqsapi.SendMessageBatch, in); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	w.clock.Advance(1e6)
	for size := int64(-1); size != w.db.Stats().DiskBytes; { // until compactions are done
		size = w.db.Stats().DiskBytes
		time.Sleep(time.Second)
	}
}

func BenchmarkReceiveDelete(b *testing.B) {
	w := benchWorld(b)
	url := w.create("jobs", "VisibilityTimeout", "3600")
	fill(b, w, url, b.N)
	clients(b, func(int64) error { return consumeOne(w, url) })
}

// BenchmarkDepth sends, receives and deletes on queues of different depth in
// one store: the rates are to be the same.
func BenchmarkDepth(b *testing.B) {
	w := benchWorld(b)
	depths := []int{1_000, 100_000}
	for _, n := range depths {
		fill(b, w, w.create(fmt.Sprint("jobs", n), "VisibilityTimeout", "3600"), n)
	}
	for _, n := range depths {
		url := "http://localhost/" + string(testAccount) + "/jobs" + fmt.Sprint(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			clients(b, func(int64) error {
				if err := sendOne(w, url); err != nil {
					return err
				}
				return consumeOne(w, url)
			})
		})
	}
}

func BenchmarkSendMessageFIFO(b *testing.B) {
	for _, groups := range []int{1, 1000} {
		b.Run(fmt.Sprint(groups), func(b *testing.B) {
			w := benchWorld(b)
			url := w.createFIFO("jobs.fifo")
			clients(b, func(i int64) error {
				benchCalls.Lock()
				c := w.call("SendMessage")
				benchCalls.Unlock()
				_, err := tryWith(context.Background(), w, c, sqsapi.SendMessage, &sqsapi.SendMessageInput{
					QueueUrl: url, MessageBody: benchBody, MessageGroupId: ptr(fmt.Sprint("g", int(i)%groups)), MessageDeduplicationId: ptr(fmt.Sprint(i)),
				})
				return err
			})
		})
	}
}
