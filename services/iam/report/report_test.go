package report

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/identity"
)

func TestGrants(t *testing.T) {
	for _, tc := range []struct {
		statement string
		want      bool
	}{
		{`"Effect":"Allow","Action":"*"`, true},
		{`"Effect":"Allow","Action":"s3:Get*"`, true},
		{`"Effect":"Allow","Action":["sqs:*","S3:ListBucket"]`, true},
		{`"Effect":"Allow","Action":"*:Get*"`, true},
		{`"Effect":"Allow","Action":"s3express:*"`, false},
		{`"Effect":"Deny","Action":"s3:*"`, false},
		{`"Effect":"Allow","NotAction":"iam:*"`, true},
		{`"Effect":"Allow","NotAction":"s3:Get*"`, true},
		{`"Effect":"Allow","NotAction":"s3:*"`, false},
		{`"Effect":"Allow","NotAction":"*"`, false},
	} {
		doc, err := policy.Parse([]byte(`{"Version":"2012-10-17","Statement":{`+tc.statement+`,"Resource":"*"}}`), policy.Identity)
		if err != nil {
			t.Fatal(err)
		}
		if got := grants(doc, "s3"); got != tc.want {
			t.Errorf("%s: %t", tc.statement, got)
		}
	}
}

// TestRows holds one encoded row of each stored type against testdata.
// GIGAWATT_UPDATE_GOLDEN rewrites the file; lines may be added.
func TestRows(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	mode, err := cbor.EncOptions{Sort: cbor.SortBytewiseLexical, Time: cbor.TimeRFC3339NanoUTC}.EncMode()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, r := range []any{
		&credentialReport{[]byte("a,b"), at},
		&lastAccessed{"job", "arn", at, []string{"s3"}, []access{{"s3", identity.KindUser, "id", "name", "/", at, "us-east-1"}}},
	} {
		enc, err := mode.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%T %s\n", r, hex.EncodeToString(enc))
	}
	file := filepath.Join("testdata", "rows.golden")
	if os.Getenv("GIGAWATT_UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}
