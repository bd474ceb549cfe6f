package scalar_test

import (
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gigawatt-cloud/gigawatt/aws/protocol/scalar"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

func member(k smithy.Kind) *smithy.Member {
	return &smithy.Member{Name: "M", Shape: &smithy.Shape{Kind: k}}
}

var noon = time.Date(2019, 12, 16, 12, 0, 0, 0, time.UTC)

func TestSetAndAppend(t *testing.T) {
	for _, tt := range []struct {
		kind smithy.Kind
		tf   smithy.TimestampFormat
		text string
		want any
		// written is what is written for want, when it is not text.
		written string
	}{
		{smithy.String, 0, " é", " é", ""},
		{smithy.Boolean, 0, "true", true, ""},
		{smithy.Byte, 0, "-128", int64(-128), ""},
		{smithy.Short, 0, "32767", int64(32767), ""},
		{smithy.Integer, 0, "-2147483648", int64(math.MinInt32), ""},
		{smithy.Long, 0, "9223372036854775807", int64(math.MaxInt64), ""},
		{smithy.Float, 0, "1.5", 1.5, ""},
		{smithy.Double, 0, "1e21", 1e21, "1E+21"},
		{smithy.Double, 0, "100000000000000000000", 1e20, ""},
		{smithy.Double, 0, "0.000001", 1e-6, ""},
		{smithy.Double, 0, "-Infinity", math.Inf(-1), ""},
		{smithy.Double, 0, "NaN", math.NaN(), ""},
		{smithy.Blob, 0, "dmFsdWU=", []byte("value"), ""},
		{smithy.Timestamp, smithy.ISO8601, "2019-12-16T12:00:00Z", noon, ""},
		{smithy.Timestamp, smithy.ISO8601, "2019-12-16T13:00:00.050+01:00", noon.Add(50 * time.Millisecond), "2019-12-16T12:00:00.050Z"},
		{smithy.Timestamp, smithy.UnixTimestamp, "1576497600.05", noon.Add(50 * time.Millisecond), ""},
		{smithy.Timestamp, smithy.RFC822, "Mon, 16 Dec 2019 12:00:00 GMT", noon, ""},
		{smithy.Timestamp, smithy.RFC822, "Monday, 16-Dec-19 12:00:00 GMT", noon, "Mon, 16 Dec 2019 12:00:00 GMT"},
		{smithy.Timestamp, smithy.RFC822, "Mon, 16 Dec 2019 13:00:00 +0100", noon, "Mon, 16 Dec 2019 12:00:00 GMT"},
	} {
		t.Run(tt.text, func(t *testing.T) {
			m := member(tt.kind)
			var got any
			if err := scalar.Set(reflect.ValueOf(&got).Elem(), m, tt.text, tt.tf); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got, cmpopts.EquateNaNs()); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
			b, err := scalar.Append([]byte("x"), m, reflect.ValueOf(got), tt.tf)
			if err != nil {
				t.Fatal(err)
			}
			want := tt.written
			if want == "" {
				want = tt.text
			}
			if d := cmp.Diff("x"+want, string(b)); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

func TestSetRefuses(t *testing.T) {
	for _, tt := range []struct {
		kind smithy.Kind
		tf   smithy.TimestampFormat
		text string
	}{
		{smithy.String, 0, "\xff"},
		{smithy.Boolean, 0, "True"},
		{smithy.Byte, 0, "128"},
		{smithy.Integer, 0, "2147483648"},
		{smithy.Long, 0, "9223372036854775808"},
		{smithy.Long, 0, "1_000"},
		{smithy.Long, 0, ""},
		{smithy.Float, 0, "1e39"},
		{smithy.Double, 0, "1e309"},
		{smithy.Double, 0, "0x1p4"},
		{smithy.Double, 0, "infinity"},
		{smithy.Blob, 0, "a"},
		{smithy.Timestamp, smithy.ISO8601, "2019-12-16T1:00:00+01:00"},
		{smithy.Timestamp, smithy.ISO8601, "2019-12-16T01:00:00,5+01:00"},
		{smithy.Timestamp, smithy.ISO8601, "2019-12-16"},
		{smithy.Timestamp, smithy.UnixTimestamp, "1e999"},
		{smithy.Timestamp, smithy.UnixTimestamp, "NaN"},
		{smithy.Timestamp, smithy.RFC822, "2019-12-16T12:00:00Z"},
		{smithy.Structure, 0, "x"},
	} {
		t.Run(tt.text, func(t *testing.T) {
			var got any
			if err := scalar.Set(reflect.ValueOf(&got).Elem(), member(tt.kind), tt.text, tt.tf); err == nil {
				t.Errorf("%q was accepted as %v", tt.text, got)
			}
		})
	}
}

func TestAppendMillis(t *testing.T) {
	for _, at := range []time.Time{
		noon, noon.Add(7 * time.Millisecond), noon.Add(999999999), time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 120e6, time.UTC), time.Date(2020, 2, 29, 1, 2, 3, 0, time.FixedZone("x", 3600)),
	} {
		if want, got := at.UTC().Format("2006-01-02T15:04:05.000Z"), string(scalar.AppendMillis(nil, at)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"2019-12-16T12:00:00.5Z", "2019-12-16T13:00:00+01:00", "1576497600.5", "Mon, 16 Dec 2019 12:00:00 GMT"} {
		for tf := range uint8(4) {
			f.Add(s, tf)
		}
	}
	f.Fuzz(func(t *testing.T, s string, tf uint8) {
		if got, ok := scalar.ParseTime(s, smithy.TimestampFormat(tf%4)); ok && (got.Year() < 1 || got.Year() > 9999) {
			t.Fatalf("%q gave %v", s, got)
		}
	})
}
