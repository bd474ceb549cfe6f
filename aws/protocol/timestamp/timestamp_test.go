package timestamp

import (
	"testing"
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		format smithy.TimestampFormat
		in     string
		want   string // RFC 3339, "" when refused
	}{
		{smithy.ISO8601, "2014-04-29T18:30:38Z", "2014-04-29T18:30:38Z"},
		{smithy.ISO8601, "1985-04-12T23:20:50.52Z", "1985-04-12T23:20:50.52Z"},
		{smithy.ISO8601, "1990-12-31T23:59:60Z", "1990-12-31T23:59:59Z"},
		{smithy.ISO8601, "2023-02-30T00:00:00Z", ""},
		{smithy.ISO8601, "1996-12-19T16:39:57-08:00", ""},
		{smithy.ISO8601, "1996-12-19T16:39:57", ""},
		{smithy.ISO8601, "1996-12-19T16:39Z", ""},
		{smithy.ISO8601, "1996-12-19 16:39:57Z", ""},
		{smithy.ISO8601, "1996-12-19T16:39:57.Z", ""},
		{smithy.ISO8601, "1515531081", ""},
		{smithy.RFC822, "Tue, 29 Apr 2014 18:30:38 GMT", "2014-04-29T18:30:38Z"},
		{smithy.RFC822, "Sun, 02 Jan 2000 20:34:56.456 GMT", "2000-01-02T20:34:56.456Z"},
		{smithy.RFC822, "1985-04-12T23:20:50.52Z", ""},
		{smithy.UnixTimestamp, "1398796238", "2014-04-29T18:30:38Z"},
		{smithy.UnixTimestamp, "946845296.123", "2000-01-02T20:34:56.123Z"},
		{smithy.UnixTimestamp, "-0.5", "1969-12-31T23:59:59.5Z"},
		{smithy.UnixTimestamp, "1.398796238E9", "2014-04-29T18:30:38Z"},
		{smithy.UnixTimestamp, "1515531081.123.456", ""},
		{smithy.UnixTimestamp, "1515531081ABC", ""},
		{smithy.UnixTimestamp, "0x42", ""},
		{smithy.UnixTimestamp, "NaN", ""},
		{smithy.UnixTimestamp, "Infinity", ""},
		{smithy.UnixTimestamp, "1e999999999", ""},
		{smithy.UnixTimestamp, "99999999999999999999999", ""},
		{smithy.UnixTimestamp, "", ""},
	} {
		got, err := Parse(tc.format, tc.in)
		if (err != nil) != (tc.want == "") || err == nil && got.Format(time.RFC3339Nano) != tc.want {
			t.Errorf("Parse(%d, %q) = %v, %v; want %q", tc.format, tc.in, got, err, tc.want)
		}
	}
}

func TestAppend(t *testing.T) {
	whole := time.Date(2014, 4, 29, 18, 30, 38, 0, time.FixedZone("", 3600))
	frac := time.Date(2000, 1, 2, 20, 34, 56, 120_999_999, time.UTC)
	for _, tc := range []struct {
		format smithy.TimestampFormat
		t      time.Time
		want   string
	}{
		{smithy.ISO8601, whole, "2014-04-29T17:30:38Z"},
		{smithy.ISO8601, frac, "2000-01-02T20:34:56.120Z"},
		{smithy.RFC822, frac, "Sun, 02 Jan 2000 20:34:56 GMT"},
		{smithy.UnixTimestamp, whole, "1398792638"},
		{smithy.UnixTimestamp, frac, "946845296.12"},
		{smithy.UnixTimestamp, time.UnixMilli(-1500), "-1.5"},
		{smithy.UnixTimestamp, time.UnixMilli(1005), "1.005"},
	} {
		if got := Format(tc.format, tc.t); got != tc.want {
			t.Errorf("Format(%d, %v) = %q; want %q", tc.format, tc.t, got, tc.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"2014-04-29T18:30:38Z", "Tue, 29 Apr 2014 18:30:38 GMT", "1398796238.5", "1e9", "-"} {
		f.Add(uint8(1), s)
		f.Add(uint8(2), s)
		f.Add(uint8(3), s)
	}
	f.Fuzz(func(t *testing.T, format uint8, s string) {
		tf := smithy.TimestampFormat(format%3 + 1)
		v, err := Parse(tf, s)
		if err != nil {
			return
		}
		again, err := Parse(tf, Format(tf, v))
		if err != nil {
			t.Fatalf("%q became %q: %v", s, Format(tf, v), err)
		}
		if d := v.Sub(again).Abs(); d > time.Second {
			t.Fatalf("%q: %v became %v", s, v, again)
		}
	})
}
