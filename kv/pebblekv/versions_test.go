package pebblekv

import (
	"bytes"
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/record"

	"github.com/gigawatt-cloud/gigawatt/kv"
)

// manifestOf returns a file of entries with the given lengths, and where each ends.
func manifestOf(tb testing.TB, lengths ...int) (file []byte, ends []int) {
	tb.Helper()
	var buf bytes.Buffer
	w := record.NewWriter(&buf)
	for i, n := range lengths {
		if _, err := w.WriteRecord(bytes.Repeat([]byte{byte(i + 1)}, n)); err != nil {
			tb.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			tb.Fatal(err)
		}
		ends = append(ends, buf.Len())
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes(), ends
}

func TestReadManifestBlocks(t *testing.T) {
	file, ends := manifestOf(t, 10, 3000, 70_000, 5, 2000)
	for n := 1; n <= len(file); n += 97 { // a crash cuts it anywhere
		if err := readManifestBlocks(bytes.NewReader(file[:n])); err != nil {
			t.Errorf("the first %d bytes: %v", n, err)
		}
	}
	for n := sectorBytes; n < len(file); n += sectorBytes { // or leaves the rest unwritten
		padded := append(bytes.Clone(file[:n]), make([]byte, len(file)-n)...)
		if err := readManifestBlocks(bytes.NewReader(padded)); err != nil {
			t.Errorf("the first %d bytes and zeros: %v", n, err)
		}
	}
	for at := 0; at < len(file); at += 31 {
		changed := bytes.Clone(file)
		changed[at] ^= 0x40
		err := readManifestBlocks(bytes.NewReader(changed))
		if !errors.Is(err, kv.ErrDamaged) && at < ends[3] {
			t.Errorf("byte %d changed: %v", at, err)
		}
	}
	if err := readManifestBlocks(bytes.NewReader(nil)); !errors.Is(err, kv.ErrDamaged) {
		t.Errorf("an empty manifest: %v", err)
	}
}

func FuzzReadManifestBlocks(f *testing.F) {
	file, _ := manifestOf(f, 10, 300, 5)
	f.Add(file)
	f.Add(file[:200])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := readManifestBlocks(bytes.NewReader(data)); err != nil && !errors.Is(err, kv.ErrDamaged) {
			t.Error(err)
		}
	})
}
