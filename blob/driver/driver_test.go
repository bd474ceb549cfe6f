package driver_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gigawatt-cloud/gigawatt/blob/driver"
	"github.com/gigawatt-cloud/gigawatt/internal/clock"
)

func TestIDs(t *testing.T) {
	start := time.Date(2026, 11, 22, 1, 2, 3, 4_500_000, time.UTC)
	clk := clock.NewManual(start)
	ids := driver.NewIDs(clk)
	last := driver.ID("")
	for i := range 1000 {
		id := ids.Next()
		if !id.Valid() || id <= last {
			t.Fatalf("%q after %q", id, last)
		}
		if got := id.Time(); !got.Equal(clk.Now().Truncate(time.Millisecond)) {
			t.Fatalf("%q tells the time %v, want %v", id, got, clk.Now())
		}
		last = id
		if i%10 == 0 {
			clk.Advance(400 * time.Microsecond)
		}
	}
	// A clock that stepped back.
	clk.Advance(-time.Hour)
	if id := ids.Next(); id <= last {
		t.Errorf("%q after %q", id, last)
	}
}

func TestBound(t *testing.T) {
	at := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	id := driver.NewIDs(clock.NewManual(at)).Next()
	for _, tt := range []struct {
		bound time.Time
		below bool
	}{
		{time.Time{}, false},
		{at.Add(-time.Millisecond), false},
		{at, false},
		{at.Add(1), true},
		{at.Add(time.Millisecond), true},
		{at.AddDate(9000, 0, 0), true},
	} {
		if got := id < driver.Bound(tt.bound); got != tt.below {
			t.Errorf("%s < Bound(%v) = %v", id, tt.bound, got)
		}
	}
}

func FuzzID(f *testing.F) {
	f.Add("")
	f.Add("0123456789abcdef0123456789abcdef")
	f.Add("0123456789ABCDEF0123456789abcdef")
	f.Fuzz(func(t *testing.T, s string) {
		id := driver.ID(s)
		want := len(s) == 32 && strings.Trim(s, "0123456789abcdef") == ""
		if id.Valid() != want {
			t.Fatalf("Valid(%q) = %v", s, !want)
		}
		if want && (id < driver.Bound(id.Time()) || id >= driver.Bound(id.Time().Add(time.Millisecond)) && s[:12] != "ffffffffffff") {
			t.Fatalf("the time of %q is %v", s, id.Time())
		}
	})
}

func TestClip(t *testing.T) {
	for _, tt := range []struct {
		size, offset, length, want int64
		bad                        bool
	}{
		{10, 0, -1, 10, false},
		{10, 0, 4, 4, false},
		{10, 8, 4, 2, false},
		{10, 10, -1, 0, false},
		{10, 10, 5, 0, false},
		{10, 1, 1<<63 - 1, 9, false},
		{0, 0, -1, 0, false},
		{10, 11, 0, 0, true},
		{10, -1, 2, 0, true},
		{10, 0, -2, 0, true},
	} {
		got, err := driver.Clip(tt.size, tt.offset, tt.length)
		if got != tt.want || errors.Is(err, driver.ErrRange) != tt.bad {
			t.Errorf("Clip(%d, %d, %d) = %d, %v", tt.size, tt.offset, tt.length, got, err)
		}
	}
}
