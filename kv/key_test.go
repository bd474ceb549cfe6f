package kv_test

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/kv"
)

// ascending are tuples in the order in which their keys sort.
var ascending = [][]any{
	{},
	{false},
	{true},
	{int64(math.MinInt64)},
	{int64(-1 << 40)},
	{int64(-65537)},
	{int64(-65536)},
	{int64(-257)},
	{int64(-256)},
	{int64(-2)},
	{int64(-1)},
	{int64(0)},
	{int64(0), "x"},
	{int64(1)},
	{int64(255)},
	{int64(256)},
	{int64(65535)},
	{int64(65536)},
	{int64(math.MaxInt64)},
	{uint64(0)},
	{uint64(1)},
	{uint64(255)},
	{uint64(256)},
	{uint64(math.MaxUint64)},
	{time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)},
	{time.Unix(-1, 999_999_999).UTC()},
	{time.Unix(0, 0).UTC()},
	{time.Unix(0, 1).UTC()},
	{time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)},
	{""},
	{"", ""},
	{"\x00"},
	{"\x00\x00"},
	{"\x00\x01"},
	{"\x01"},
	{"\x01\xff"},
	{"\x02"},
	{"a"},
	{"a", int64(1)},
	{"a", "b"},
	{"a", "b", "c"},
	{"a", "bb"},
	{"a\x00"},
	{"a\x00b"},
	{"a\x01"},
	{"ab"},
	{"b"},
	{"\xff"},
	{"\xff\xff"},
	{[]byte{}},
	{[]byte{0}},
	{[]byte{0, 0xff}},
	{[]byte{1}},
	{[]byte("a")},
	{[]byte{0xff}},
}

func TestKeyOrder(t *testing.T) {
	for i, a := range ascending {
		key := kv.K(a...)
		got, err := key.Decode()
		if err != nil {
			t.Fatalf("%v: %v", a, err)
		}
		if d := cmp.Diff(slices.Concat([]any{}, a), slices.Concat([]any{}, got)); d != "" {
			t.Errorf("%v: %s", a, d)
		}
		for _, b := range ascending[i+1:] {
			other := kv.K(b...)
			if bytes.Compare(key, other) >= 0 {
				t.Errorf("%v does not sort before %v", a, b)
			}
			begins := len(b) >= len(a) && cmp.Equal(slices.Concat([]any{}, a), slices.Concat([]any{}, b[:len(a)]))
			if bytes.HasPrefix(other, key) != begins {
				t.Errorf("key of %v is a prefix of that of %v: %v", a, b, !begins)
			}
		}
	}
}

func TestKeyTypes(t *testing.T) {
	type name string
	type count int32
	local := time.FixedZone("x", 3600)
	for _, c := range []struct{ a, b any }{
		{name("x"), "x"},
		{count(7), 7},
		{int8(-1), int64(-1)},
		{uint16(9), uint64(9)},
		{time.Unix(5, 6).In(local), time.Unix(5, 6).UTC()},
	} {
		if !bytes.Equal(kv.K(c.a), kv.K(c.b)) {
			t.Errorf("%T and %T differ", c.a, c.b)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a float was taken")
		}
	}()
	kv.K(1.5)
}

func TestKeyString(t *testing.T) {
	k := kv.K("a", 1, []byte{2}, true, time.Unix(0, 0))
	if got, want := k.String(), `"a"/1/0x02/true/1970-01-01T00:00:00Z`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := kv.Key("zz").String(); got != "7a7a" {
		t.Errorf("no tuple: %s", got)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, k := range []string{
		"\xff", "\x50", "\x50a", "\x50a\x01", "\x50\x01\x00\x00", "\x50\x01\x03\x00", "\x21", "\x21\x00", "\x22\x00\x01", "\x1f\x00\x01x",
		"\x1e\xff\xff", "\x38\x00", "\x40\x00", "\x40" + strings.Repeat("\xff", 12), "\x39",
	} {
		if parts, err := kv.Key(k).Decode(); err == nil {
			t.Errorf("%x is %v", k, parts)
		}
	}
}

func FuzzKeyDecode(f *testing.F) {
	for _, a := range ascending {
		f.Add([]byte(kv.K(a...)))
	}
	f.Add([]byte("\x50a\x01"))
	f.Fuzz(func(t *testing.T, data []byte) {
		parts, err := kv.Key(data).Decode()
		if err != nil {
			return
		}
		if again := kv.K(parts...); !bytes.Equal(again, data) {
			t.Errorf("%x decodes to %v, which encodes to %x", data, parts, again)
		}
	})
}

func FuzzKeyOrder(f *testing.F) {
	f.Add("a", int64(1), []byte{0}, "a\x00", int64(-1), []byte{})
	f.Add("", int64(256), []byte{1}, "", int64(255), []byte{0xff})
	f.Fuzz(func(t *testing.T, s1 string, i1 int64, b1 []byte, s2 string, i2 int64, b2 []byte) {
		want := strings.Compare(s1, s2)
		if want == 0 {
			want = compareInt(i1, i2)
		}
		if want == 0 {
			want = bytes.Compare(b1, b2)
		}
		if got := bytes.Compare(kv.K(s1, i1, b1), kv.K(s2, i2, b2)); got != want {
			t.Errorf("keys compare as %d, tuples as %d", got, want)
		}
	})
}

func compareInt(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
