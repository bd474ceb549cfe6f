package s3

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
)

func TestParseRange(t *testing.T) {
	for _, c := range []struct {
		header      string
		size        int64
		off, length int64 // length -1: ignored; -2: not satisfiable
	}{
		{"bytes=0-4", 10, 0, 5},
		{"bytes=4-", 10, 4, 6},
		{"bytes=-3", 10, 7, 3},
		{"bytes=-30", 10, 0, 10},
		{"bytes=4-100", 10, 4, 6},
		{"bytes=9-9", 10, 9, 1},
		{"bytes=10-", 10, 0, -2},
		{"bytes=0-0", 0, 0, -2},
		{"bytes=-0", 10, 0, -2},
		{"bytes=5-4", 10, 0, -1},
		{"bytes=0-1,3-4", 10, 0, -1},
		{"bytes=-", 10, 0, -1},
		{"items=0-1", 10, 0, -1},
		{"bytes=0-99999999999999999999", 10, 0, 10},
	} {
		sp, err := parseRange(c.header, c.size)
		got := [2]int64{0, -1}
		switch {
		case awserr.HasCode(err, "InvalidRange"):
			got[1] = -2
		case err != nil:
			t.Errorf("%s: %v", c.header, err)
		case sp != nil:
			got = [2]int64{sp.off, sp.length}
		}
		if diff := cmp.Diff([2]int64{c.off, c.length}, got); diff != "" {
			t.Errorf("%s of %d: %s", c.header, c.size, diff)
		}
	}
}

func FuzzParseRange(f *testing.F) {
	f.Add("bytes=0-4", int64(10))
	f.Add("bytes=-3", int64(2))
	f.Fuzz(func(t *testing.T, header string, size int64) {
		size = max(size, 0)
		sp, err := parseRange(header, size)
		if err == nil && sp != nil && (sp.off < 0 || sp.length <= 0 || sp.off+sp.length > size) {
			t.Errorf("%q of %d reads %+v", header, size, sp)
		}
	})
}
