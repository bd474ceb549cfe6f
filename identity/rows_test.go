package identity

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
)

// TestRows holds one encoded row of each stored type against testdata: a
// change that old data could not be read with shows as a changed line. Lines
// may be added. GIGAWATT_UPDATE_GOLDEN rewrites the file.
func TestRows(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	e := Entity{Path: "/p/", Name: "N", ID: "ID", Created: at, Tags: []Tag{{"k", "v"}}}
	rows := []any{
		&User{e, "boundary", at},
		&Group{e},
		&Role{e, "boundary", "description", "trust", map[string]string{"arn": "id"}, time.Hour},
		&Policy{e, "description", []Version{{"v1", "{}", at}}, "v1", 2, at},
		&Profile{e, "role"},
		&MFADevice{e, "user", at, []byte{1}, 2, 0},
		&Inline{"name", "document"},
		&Key{"id", "123456789012", "user", []byte{1}, true, at},
		&Named{KindUser, "name"},
		&Use{at, "s3", "eu-west-1"},
		&PasswordPolicy{8, true, true, true, true, true, 90, 5, true},
		&OIDCProvider{e, "https://issuer", []string{"client"}, []string{"00"}},
		&SAMLProvider{e, "<xml/>", at},
		&ServerCertificate{e, "body", "chain", at, []byte{1}},
		&LoginProfile{PasswordHash{[]byte{1}, []byte{2}}, []PasswordHash{{[]byte{3}, []byte{4}}}, at, at, true},
	}
	mode, err := cbor.EncOptions{Sort: cbor.SortBytewiseLexical, Time: cbor.TimeRFC3339NanoUTC}.EncMode()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, r := range rows {
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
