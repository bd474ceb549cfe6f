package server

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestSupportTable holds doc/support.md to the list of handlers.
func TestSupportTable(t *testing.T) {
	file := filepath.Join("..", "doc", "support.md")
	var got bytes.Buffer
	WriteSupport(&got, SupportTable())
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("doc/support.md is out of date, run `go test ./server -run TestSupportTable -update`:\n%s", diff)
	}
}
