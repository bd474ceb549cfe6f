package sqs

import (
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/kv/memkv"
)

var update = flag.Bool("update", false, "write the golden files")

const rowsFile = "testdata/rows.golden"

// goldenRow is one row of a stored type, all of whose fields are set.
type goldenRow struct {
	name string
	put  func(tx *kv.Tx) error
	get  func(tx *kv.Tx) (any, error)
	want any
}

func rowOf[T any](t *kv.Table[T], v *T) goldenRow {
	return goldenRow{
		t.Name(), func(tx *kv.Tx) error { return t.Put(tx, v, "key") },
		func(tx *kv.Tx) (any, error) { return t.Get(tx, "key") }, v,
	}
}

var when = time.Date(2026, 11, 22, 1, 2, 3, 0, time.UTC)

var goldenRows = []goldenRow{
	rowOf(queues, &queue{
		ID: "i", Account: testAccount, Region: testRegion, Name: "q.fifo", Created: when, Modified: when, PurgedAt: when, FifoQueue: true,
		DelaySeconds: 1, MaximumMessageSize: 2, MessageRetentionPeriod: 3, ReceiveMessageWaitTimeSeconds: 4, VisibilityTimeout: 5,
		ContentBasedDeduplication: true, DeduplicationScope: scopeGroup, FifoThroughputLimit: limitPerGroup, SqsManagedSseEnabled: true, Policy: "{}",
		Redrive: &redrivePolicy{"arn", 6}, RedriveAllow: &redriveAllowPolicy{"byQueue", []string{"arn"}}, Tags: map[string]string{"k": "v"},
	}),
	rowOf(deleted, &when),
	rowOf(sources, &struct{}{}),
	rowOf(messages, &message{
		ID: "id", Sent: 1, Sender: "who", VisibleAt: 2, ReceiveCount: 3, FirstReceived: 4, LastReceived: 5, Held: true, TraceHeader: "trace",
		GroupID: "g", DeduplicationID: "d", Sequence: 6, DeadLetterSource: "arn", Size: 7, Contents: []byte{8}, Large: true, SealedFor: "i", Origin: "o",
	}),
	rowOf(largeContents, &large{Contents: []byte{1, 2}}),
	rowOf(index, ptr(true)),
	rowOf(groups, &group{Last: 1, Head: "m", ReadyAt: 2, EmptySince: 3}),
	rowOf(order, ptr(messageKey("m"))),
	rowOf(dedups, &duplicate{ID: "id", Sequence: 1, Expires: 2}),
	rowOf(expiries, &struct{}{}),
	rowOf(attempts, &attempt{Messages: []attempted{{"m", 1}}, Expires: 2}),
	rowOf(moveTasks, &moveTask{
		ID: "id", SourceARN: "a", DestinationARN: "b", PerSecond: 1, Status: moveFailed, Started: 2, ToMove: 3, Moved: 4, FailureReason: "why",
	}),
}

// TestRows compares how rows are stored with how they were: an old data
// directory has to open in a new binary.
func TestRows(t *testing.T) {
	db := memkv.New()
	defer db.Close()
	var got strings.Builder
	for _, r := range goldenRows {
		err := db.Update(t.Context(), func(tx *kv.Tx) error {
			if err := r.put(tx); err != nil {
				return err
			}
			back, err := r.get(tx)
			if err != nil {
				return err
			}
			if d := cmp.Diff(r.want, back); d != "" {
				t.Errorf("%s (-put +got):\n%s", r.name, d)
			}
			for p, err := range tx.Scan(kv.PrefixRange(kv.K(r.name))) {
				if err != nil {
					return err
				}
				fmt.Fprintf(&got, "%s %s\n", r.name, hex.EncodeToString(p.Value))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if *update {
		if err := os.WriteFile(rowsFile, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(rowsFile)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got.String()); d != "" {
		t.Errorf("rows are stored otherwise than before; if old ones can be read still, run with -update (-want +got):\n%s", d)
	}
}
