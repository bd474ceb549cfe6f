package s3

import (
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/aws/checksum"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/kv/memkv"
	"github.com/gigawatt-cloud/gigawatt/services/s3/accesslog"
	"github.com/gigawatt-cloud/gigawatt/services/s3/acl"
	"github.com/gigawatt-cloud/gigawatt/services/s3/body"
	"github.com/gigawatt-cloud/gigawatt/services/s3/config"
	"github.com/gigawatt-cloud/gigawatt/services/s3/cors"
	"github.com/gigawatt-cloud/gigawatt/services/s3/event"
	"github.com/gigawatt-cloud/gigawatt/services/s3/lifecycle"
	"github.com/gigawatt-cloud/gigawatt/services/s3/website"
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

var (
	testList = acl.List{Owner: "1", Name: "n", Grants: []acl.Grant{{Canonical: "c", Group: "g", Permission: "READ", Name: "m"}}}
	testTags = []tag{{"k", "v"}}
	testSum  = sum{checksum.SHA256, "v", fullObject}
	testBody = body.Ref{UID: "u", Size: 1, Blob: "b"}
	testObj  = object{
		Key: "k", Order: 1, Version: "v", Marker: true, Modified: when, ETag: "e", Size: 2, ACL: testList, Class: "STANDARD_IA", Checksum: testSum, Body: testBody,
		Parts: 3, Headers: headers{"a", "b", "c", "d", "e", "f", "g"}, Meta: metadata{"k": "v"}, Tags: testTags, CustomerKey: "m", BucketKey: true,
		Mode: "GOVERNANCE", RetainUntil: when, LegalHold: true, Noncurrent: when,
	}
)

var goldenRows = []goldenRow{
	rowOf(buckets, &bucket{
		Name: "b", ID: "i", Owner: "1", Region: "r", Created: when, Versioning: "Enabled", Ownership: "ObjectWriter", ACL: testList, Policy: "{}",
		Public: &publicBlock{true, true, true, true}, Tags: testTags,
		Settings: config.Settings{
			CORS:  []cors.Rule{{ID: ptr("i"), Origins: []string{"o"}, Methods: []string{"GET"}, Headers: []string{"h"}, Expose: []string{"e"}, MaxAge: ptr(int32(1))}},
			Payer: "Requester", Accelerate: "Enabled", Website: &website.Config{Index: "i"}, Logging: &accesslog.Config{Bucket: "b", Grants: []accesslog.Grant{{Type: "t", ID: "i", URI: "u", Permission: "p"}}, Partition: "EventTime", Simple: true},
		},
		BucketKey: true, Lock: true, DefaultLock: &lockRule{"GOVERNANCE", 1, 2},
		Lifecycle: []lifecycle.Rule{{
			ID: "i", Enabled: true, Legacy: true, Prefix: "p", Tags: map[string]string{"k": "v"}, Greater: ptr(int64(1)), Less: ptr(int64(2)), ExpireDays: 3, ExpireDate: when,
			ExpireMarkers: true, Transitions: []lifecycle.Transition{{Days: 1, Date: when, Class: "STANDARD_IA", Newer: 2}}, NoncurrentDays: 4, NewerNoncurrent: 5,
			NoncurrentMoves: []lifecycle.Transition{{Days: 1, Date: when, Class: "STANDARD_IA", Newer: 2}}, AbortDays: 6,
		}},
		MinimumSize: "all", Notifications: []event.Target{{ID: "i", Queue: "q", Events: []string{"e"}, Prefix: "p", Suffix: "s"}},
	}),
	rowOf(owned, ptr("us-east-1")),
	rowOf(objects, &testObj),
	rowOf(uploads, &upload{ID: "i", Object: testObj, Algorithm: checksum.CRC32, Type: composite, Initiator: "who", Owner: "1", Locked: true}),
	rowOf(parts, &part{Number: 1, ETag: "e", Modified: when, Checksum: testSum, Body: testBody}),
	rowOf(layouts, &layout{Numbers: []int32{1, 2}, Sizes: []int64{3, 4}}),
	rowOf(discarded, ptr("id")),
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
