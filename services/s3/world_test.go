package s3

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/gigawatt-cloud/gigawatt/api/catalog"
	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
	"github.com/gigawatt-cloud/gigawatt/blob"
	"github.com/gigawatt-cloud/gigawatt/blob/memblob"
	"github.com/gigawatt-cloud/gigawatt/internal/clock"
	"github.com/gigawatt-cloud/gigawatt/internal/id"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/kv/memkv"
	"github.com/gigawatt-cloud/gigawatt/meter"
	"github.com/gigawatt-cloud/gigawatt/service"
)

const (
	testAccount = arn.AccountID("111122223333")
	testRegion  = "us-east-1"
)

var (
	testKey   = [32]byte{2}
	testStart = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
)

// world is the service on stores in memory and a clock that stands still.
type world struct {
	testing.TB
	db    *kv.DB
	blobs *blob.Store
	clock *clock.Manual
	ids   *id.Source
	frame *service.Frame
	sv    *service.Service
	calls int
}

func newWorld(t testing.TB) *world {
	w := &world{TB: t, db: memkv.New(), blobs: blob.New(memblob.Open(memblob.Options{})), clock: clock.NewManual(testStart), ids: id.Seeded(1)}
	w.frame = &service.Frame{DB: w.db, Pages: service.NewPages([32]byte{1}), Clock: w.clock}
	w.restart()
	return w
}

// restart replaces the service by a new one, as a restart of the server does.
func (w *world) restart() {
	w.sv = New(service.Env{
		DB: w.db, Blobs: w.blobs, Clock: w.clock, Log: slog.New(slog.DiscardHandler), MasterKey: &testKey, Region: testRegion, Account: testAccount,
	})
}

func (w *world) call(op string) *service.Call {
	w.calls++
	return &service.Call{
		Account: testAccount, Region: testRegion, RequestID: fmt.Sprint("r", w.calls), Now: w.clock.Now(), IDs: w.ids,
		Principal: &policy.Principal{Type: policy.Root, AccountID: testAccount, UserID: string(testAccount), ARN: "arn:aws:iam::" + string(testAccount) + ":root"},
		Log:       slog.New(slog.DiscardHandler), Usage: meter.NewTally(w.ids.UUID()), Op: catalog.Service("s3").Operation(op),
		Transport: service.Transport{Scheme: "http", Host: "localhost:4566", Path: "/"}, Frame: w.frame,
	}
}

// run runs a job of a kind once.
func (w *world) run(kind string) {
	w.Helper()
	for _, k := range w.sv.Jobs {
		if k.Name != kind {
			continue
		}
		if _, err := k.Run(w.Context(), w.call("PutObject"), &service.Job{Kind: kind, ID: "s3"}); err != nil {
			w.Fatalf("%s: %v", kind, err)
		}
		return
	}
	w.Fatalf("no job is called %s", kind)
}

// try calls an operation.
func try[In, Out any](w *world, op smithy.Op[In, Out], in *In) (*Out, error) {
	out, err := w.sv.Handler(op.Name).Invoke(w.Context(), w.call(op.Name), in)
	if err != nil {
		return nil, err
	}
	if out == nil {
		return new(Out), nil
	}
	return out.(*Out), nil
}

// must calls an operation that succeeds.
func must[In, Out any](w *world, op smithy.Op[In, Out], in *In) *Out {
	w.Helper()
	out, err := try(w, op, in)
	if err != nil {
		w.Fatalf("%s: %v", op.Name, err)
	}
	return out
}

// fails calls an operation that fails with an error of this code.
func fails[In, Out any](w *world, code string, op smithy.Op[In, Out], in *In) {
	w.Helper()
	if _, err := try(w, op, in); !awserr.HasCode(err, code) {
		w.Fatalf("%s: got error %v, want code %s", op.Name, err, code)
	}
}

func (w *world) bucket(name string) {
	w.Helper()
	must(w, s3api.CreateBucket, &s3api.CreateBucketInput{Bucket: name})
}

func (w *world) versions(name, status string) {
	w.Helper()
	must(w, s3api.PutBucketVersioning, &s3api.PutBucketVersioningInput{Bucket: name, VersioningConfiguration: &s3api.VersioningConfiguration{Status: &status}})
}

func (w *world) put(bucket, key string, b []byte) *s3api.PutObjectOutput {
	w.Helper()
	w.clock.Advance(time.Microsecond)
	return must(w, s3api.PutObject, &s3api.PutObjectInput{Bucket: bucket, Key: key, Body: bytes.NewReader(b)})
}

// read reads a version, or a range of it; version and header may be "".
func (w *world) read(bucket, key, version, header string) ([]byte, error) {
	w.Helper()
	out, err := try(w, s3api.GetObject, &s3api.GetObjectInput{Bucket: bucket, Key: key, VersionId: optional(version), Range: optional(header)})
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(out.Body)
	if err != nil {
		w.Fatalf("read %s/%s: %v", bucket, key, err)
	}
	if c, ok := out.Body.(io.Closer); ok {
		if err := c.Close(); err != nil {
			w.Fatal(err)
		}
	}
	return b, nil
}

// stored counts the blobs and the body rows that there are.
func (w *world) stored() (blobs, refs int) {
	w.Helper()
	if err := w.blobs.List(w.Context(), w.clock.Now().AddDate(100, 0, 0), func(blob.Info) error { blobs++; return nil }); err != nil {
		w.Fatal(err)
	}
	err := w.db.View(w.Context(), func(tx *kv.Tx) error {
		for _, table := range []string{"s3/body", "s3/blobref", "s3/part", "s3/layout"} {
			for _, err := range tx.Scan(kv.PrefixRange(kv.K(table))) {
				if err != nil {
					return err
				}
				refs++
			}
		}
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
	return blobs, refs
}
