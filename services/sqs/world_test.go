package sqs

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/api/catalog"
	"github.com/gigawatt-cloud/gigawatt/api/sqsapi"
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
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

var testKey = [32]byte{2}

var testStart = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// world is the service on a store in memory and a clock that stands still.
type world struct {
	testing.TB
	db    *kv.DB
	clock *clock.Manual
	ids   *id.Source
	frame *service.Frame
	sv    *service.Service
	calls int
}

func newWorld(t testing.TB) *world { return worldOn(t, memkv.New()) }

func worldOn(t testing.TB, db *kv.DB) *world {
	w := &world{TB: t, db: db, clock: clock.NewManual(testStart), ids: id.Seeded(1)}
	w.frame = &service.Frame{DB: db, Pages: service.NewPages([32]byte{1}), Clock: w.clock}
	w.restart()
	return w
}

// restart replaces the service by a new one, as a restart of the server does.
func (w *world) restart() {
	w.sv = New(service.Env{
		DB: w.db, Clock: w.clock, Log: slog.New(slog.DiscardHandler), MasterKey: &testKey, Region: testRegion, Account: testAccount,
	})
}

func (w *world) call(op string) *service.Call { return w.callAs(testAccount, op) }

func (w *world) callAs(account arn.AccountID, op string) *service.Call {
	w.calls++
	return &service.Call{
		Account: account, Region: testRegion, RequestID: fmt.Sprint("r", w.calls), Now: w.clock.Now(), IDs: w.ids,
		Principal: &policy.Principal{Type: policy.Root, AccountID: account, UserID: string(account), ARN: "arn:aws:iam::" + string(account) + ":root"},
		Log:       slog.New(slog.DiscardHandler), Usage: meter.NewTally(w.ids.UUID()), Op: catalog.Service("sqs").Operation(op),
		Transport: service.Transport{Scheme: "http", Host: "localhost:4566", Path: "/"}, Frame: w.frame,
	}
}

// try calls an operation.
func try[In, Out any](w *world, op smithy.Op[In, Out], in *In) (*Out, error) {
	return tryWith(w.Context(), w, w.call(op.Name), op, in)
}

func tryWith[In, Out any](ctx context.Context, w *world, c *service.Call, op smithy.Op[In, Out], in *In) (*Out, error) {
	out, err := w.sv.Handler(op.Name).Invoke(ctx, c, in)
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

// fails calls an operation that fails with an error of this code, in either form.
func fails[In, Out any](w *world, code string, op smithy.Op[In, Out], in *In) string {
	w.Helper()
	_, err := try(w, op, in)
	e := awserr.As(err)
	if e == nil || e.Code != code && e.QueryCode != code {
		w.Fatalf("%s: got error %v, want code %s", op.Name, err, code)
	}
	return e.Message
}

// create makes a queue and returns its URL. attributes are names and values by turns.
func (w *world) create(name string, attributes ...string) string {
	w.Helper()
	in := &sqsapi.CreateQueueInput{QueueName: name, Attributes: map[string]string{}}
	for pair := range slices.Chunk(attributes, 2) {
		in.Attributes[pair[0]] = pair[1]
	}
	return *must(w, sqsapi.CreateQueue, in).QueueUrl
}

func (w *world) createFIFO(name string, attributes ...string) string {
	w.Helper()
	return w.create(name, append([]string{"FifoQueue", "true"}, attributes...)...)
}

func (w *world) send(url string, bodies ...string) {
	w.Helper()
	for _, b := range bodies {
		must(w, sqsapi.SendMessage, &sqsapi.SendMessageInput{QueueUrl: url, MessageBody: b})
		w.clock.Advance(time.Microsecond)
	}
}

// sendTo sends to a group of a FIFO queue; the body is the deduplication id too.
func (w *world) sendTo(url, group string, bodies ...string) {
	w.Helper()
	for _, b := range bodies {
		must(w, sqsapi.SendMessage, &sqsapi.SendMessageInput{QueueUrl: url, MessageBody: b, MessageGroupId: &group, MessageDeduplicationId: &b})
	}
}

// receive receives up to n messages with all their attributes.
func (w *world) receive(url string, n int32) []sqsapi.Message {
	w.Helper()
	return must(w, sqsapi.ReceiveMessage, &sqsapi.ReceiveMessageInput{
		QueueUrl: url, MaxNumberOfMessages: &n, MessageSystemAttributeNames: []string{"All"}, MessageAttributeNames: []string{"All"},
	}).Messages
}

func (w *world) delete(url string, m sqsapi.Message) {
	w.Helper()
	must(w, sqsapi.DeleteMessage, &sqsapi.DeleteMessageInput{QueueUrl: url, ReceiptHandle: *m.ReceiptHandle})
}

func (w *world) attribute(url, name string) string {
	w.Helper()
	return must(w, sqsapi.GetQueueAttributes, &sqsapi.GetQueueAttributesInput{QueueUrl: url, AttributeNames: []string{name}}).Attributes[name]
}

// counts are the numbers of visible, not visible and delayed messages.
func (w *world) counts(url string) [3]string {
	w.Helper()
	a := must(w, sqsapi.GetQueueAttributes, &sqsapi.GetQueueAttributesInput{QueueUrl: url, AttributeNames: []string{"All"}}).Attributes
	return [3]string{a["ApproximateNumberOfMessages"], a["ApproximateNumberOfMessagesNotVisible"], a["ApproximateNumberOfMessagesDelayed"]}
}

func bodies(ms []sqsapi.Message) []string {
	out := []string{}
	for _, m := range ms {
		out = append(out, *m.Body)
	}
	return out
}

// wantBodies receives up to n messages and compares their bodies.
func (w *world) wantBodies(url string, n int32, want ...string) []sqsapi.Message {
	w.Helper()
	got := w.receive(url, n)
	if d := cmp.Diff(append([]string{}, want...), bodies(got)); d != "" {
		w.Fatalf("received (-want +got):\n%s", d)
	}
	return got
}

var dueJobs = kv.NewTable[service.Job]("jobs/due", kv.Small())

// runJobs runs the jobs that are due, once each, as the runner does.
func (w *world) runJobs() {
	w.Helper()
	var due []*service.Job
	err := w.db.View(w.Context(), func(tx *kv.Tx) error {
		for row, err := range dueJobs.Scan(tx, kv.Scan{}) {
			if err != nil {
				return err
			}
			if !row.Value.RunAt.After(w.clock.Now()) {
				due = append(due, row.Value)
			}
		}
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
	for _, j := range due {
		i := slices.IndexFunc(w.sv.Jobs, func(k service.JobKind) bool { return k.Name == j.Kind })
		c := w.call("ListQueues")
		again, err := w.sv.Jobs[i].Run(w.Context(), c, j)
		if err != nil {
			w.Fatalf("%s: %v", j.Kind, err)
		}
		err = w.db.Update(w.Context(), func(tx *kv.Tx) error {
			if again.IsZero() {
				return service.Cancel(tx, j.Kind, j.ID)
			}
			j.RunAt = again
			return service.Enqueue(tx, j)
		})
		if err != nil {
			w.Fatal(err)
		}
	}
}

// rows counts the rows of the service's tables that hold messages.
func (w *world) rows() int {
	w.Helper()
	n := 0
	err := w.db.View(w.Context(), func(tx *kv.Tx) error {
		for _, p := range []kv.Key{
			messages.Prefix(), largeContents.Prefix(), index.Prefix(), order.Prefix(), groups.Prefix(), dedups.Prefix(), expiries.Prefix(), attempts.Prefix(),
		} {
			for _, err := range tx.Scan(kv.PrefixRange(p)) {
				if err != nil {
					return err
				}
				n++
			}
		}
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
	return n
}

func ptr[T any](v T) *T { return &v }

// stored reports whether any row of the store contains text.
func (w *world) stored(text string) bool {
	w.Helper()
	found := false
	err := w.db.View(w.Context(), func(tx *kv.Tx) error {
		for p, err := range tx.Scan(kv.Range{}) {
			if err != nil {
				return err
			}
			found = found || strings.Contains(string(p.Value), text)
		}
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
	return found
}
