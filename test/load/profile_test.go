package main

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gigawatt-cloud/gigawatt/cloudtest"
	"github.com/gigawatt-cloud/gigawatt/test/process"
)

// The benchmarks run a cloud in this process, so that a profile shows it:
//
//	go test ./load -run '^$' -bench SendMessage -cpuprofile cpu.out

// cloud starts a cloud in this process.
func cloud(b *testing.B, service, operation string) *bench {
	if !process.Serves(service, operation) {
		b.Skipf("%s of %s is not served", operation, service)
	}
	c := cloudtest.Start(b, cloudtest.Options{})
	return &bench{gw: &process.Process{Credentials: c.Credentials}}
}

// repeat has many clients do one thing b.N times.
func repeat(b *testing.B, c *bench, do func(l *lane) error) {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	_, err := drive(b.Context(), c.gw.Endpoint, manyLanes, time.Hour, func(l *lane) error {
		if left.Add(-1) < 0 {
			return errDone
		}
		return do(l)
	})
	b.StopTimer()
	if err != nil {
		b.Fatal(err)
	}
}

func BenchmarkGetCallerIdentity(b *testing.B) {
	c := cloud(b, "sts", "GetCallerIdentity")
	q, err := callerIdentity(newSigner(&c.gw.Credentials))
	if err != nil {
		b.Fatal(err)
	}
	repeat(b, c, func(l *lane) error { _, err := l.do(q); return err })
}

func BenchmarkSendMessage(b *testing.B) {
	c := cloud(b, "sqs", "SendMessage")
	url, err := c.queue(b.Context(), "profile")
	if err != nil {
		b.Fatal(err)
	}
	send, err := c.sender(url)
	if err != nil {
		b.Fatal(err)
	}
	repeat(b, c, send)
}

func BenchmarkReceiveAndDelete(b *testing.B) {
	c := cloud(b, "sqs", "SendMessage")
	url, err := c.queue(b.Context(), "profile")
	if err != nil {
		b.Fatal(err)
	}
	if err := c.fill(b.Context(), url, b.N+10); err != nil {
		b.Fatal(err)
	}
	consume, err := c.consumer(url)
	if err != nil {
		b.Fatal(err)
	}
	repeat(b, c, consume)
}

func BenchmarkPutObject4KB(b *testing.B) {
	c := cloud(b, "s3", "PutObject")
	if err := c.bucket(b.Context()); err != nil {
		b.Fatal(err)
	}
	s, body := newSigner(&c.gw.Credentials), randomBytes(4<<10)
	hash := hashOf(body)
	repeat(b, c, func(l *lane) error {
		q, err := s.sign("s3", http.MethodPut, fmt.Sprintf("/%s/key-%d-%d", bucket, l.id, l.n), nil, body, hash)
		if err != nil {
			return err
		}
		_, err = l.do(q)
		return err
	})
}

func BenchmarkGetObject1MB(b *testing.B) {
	c := cloud(b, "s3", "GetObject")
	if err := c.bucket(b.Context()); err != nil {
		b.Fatal(err)
	}
	if err := c.one(b.Context(), http.MethodPut, "/"+bucket+"/object", randomBytes(objectSize)); err != nil {
		b.Fatal(err)
	}
	q, err := newSigner(&c.gw.Credentials).sign("s3", http.MethodGet, "/"+bucket+"/object", nil, nil, hashOf(nil))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(objectSize)
	repeat(b, c, func(l *lane) error { _, err := l.do(q); return err })
}
