package eventstream

import (
	"bytes"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func all() Message {
	return Message{
		Headers: []Header{
			{"t", true},
			{"f", false},
			{"b", int8(-1)},
			{"s", int16(-2)},
			{"i", int32(1 << 30)},
			{"l", int64(-1 << 62)},
			{"by", []byte{0, 1}},
			{"st", "é"},
			{"at", time.UnixMilli(1398796238123).UTC()},
			{"u", UUID{1, 2, 3, 15: 16}},
			{"empty", ""},
		},
		Payload: []byte("payload"),
	}
}

func TestRoundTrip(t *testing.T) {
	want := all()
	b, err := want.Append([]byte("before"))
	if err != nil {
		t.Fatal(err)
	}
	got, rest, err := Decode(b[len("before"):])
	if err != nil || len(rest) != 0 {
		t.Fatal(err, rest)
	}
	if d := cmp.Diff(&want, got); d != "" {
		t.Error(d)
	}
	r := bytes.NewReader(append(bytes.Clone(b[len("before"):]), b[len("before"):]...))
	for range 2 {
		if got, err = Read(r); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(&want, got); d != "" {
			t.Error(d)
		}
	}
	if _, err := Read(r); err != io.EOF {
		t.Error(err)
	}
}

// TestKnownFrames holds the two smallest frames, whose checksums are known.
func TestKnownFrames(t *testing.T) {
	for want, m := range map[string]Message{
		"000000100000000005c248eb7d98c8ff":                           {},
		"0000001d00000000fd528c5a7b27666f6f273a27626172277dc3653936": {Payload: []byte(`{'foo':'bar'}`)},
	} {
		b, err := m.Append(nil)
		if got := hex.EncodeToString(b); err != nil || got != want {
			t.Errorf("%s, want %s: %v", got, want, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	m := all()
	good, err := m.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	flip := func(i int) []byte { b := bytes.Clone(good); b[i] ^= 1; return b }
	// sealed repairs the checksums of a frame that was tampered with.
	sealed := func(change func(b []byte)) []byte {
		b := bytes.Clone(good)
		change(b)
		put := func(at int, v uint32) {
			b[at], b[at+1], b[at+2], b[at+3] = byte(v>>24), byte(v>>16), byte(v>>8), byte(v)
		}
		put(8, crc32.ChecksumIEEE(b[:8]))
		put(len(b)-4, crc32.ChecksumIEEE(b[:len(b)-4]))
		return b
	}
	for name, tc := range map[string]struct {
		b    []byte
		want error
	}{
		"length":        {flip(3), ErrPrelude},
		"prelude sum":   {flip(9), ErrPrelude},
		"header":        {flip(14), ErrChecksum},
		"sum":           {flip(len(good) - 1), ErrChecksum},
		"cut":           {good[:len(good)-1], io.ErrUnexpectedEOF},
		"cut prelude":   {good[:5], io.ErrUnexpectedEOF},
		"nothing":       {nil, io.EOF},
		"too long":      {sealed(func(b []byte) { b[0] = 0x7f }), ErrLength},
		"too short":     {sealed(func(b []byte) { b[2], b[3] = 0, 15 }), ErrLength},
		"headers long":  {sealed(func(b []byte) { b[6], b[7] = 0xff, 0xff }), ErrLength},
		"header name":   {sealed(func(b []byte) { b[12] = 0 }), ErrHeader},
		"header type":   {sealed(func(b []byte) { b[14] = 10 }), ErrHeader},
		"header beyond": {sealed(func(b []byte) { b[12] = 255 }), ErrHeader},
	} {
		if _, _, err := Decode(tc.b); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
		if _, err := Read(bytes.NewReader(tc.b)); !errors.Is(err, tc.want) {
			t.Errorf("%s: Read: %v, want %v", name, err, tc.want)
		}
	}
	for name, m := range map[string]Message{
		"payload":     {Payload: make([]byte, MaxPayload+1)},
		"header":      {Headers: []Header{{"x", strings.Repeat("a", 1<<15)}}},
		"header name": {Headers: []Header{{strings.Repeat("a", 256), ""}}},
		"no name":     {Headers: []Header{{"", ""}}},
		"type":        {Headers: []Header{{"x", 1}}},
	} {
		if _, err := m.Append(nil); err == nil {
			t.Errorf("%s was written", name)
		}
	}
}

func FuzzDecode(f *testing.F) {
	m := all()
	b, err := m.Append(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:12])
	f.Fuzz(func(t *testing.T, b []byte) {
		// Checksums would keep the fuzzer out.
		if len(b) >= overhead {
			b = bytes.Clone(b)
			put := func(at int, v uint32) {
				b[at], b[at+1], b[at+2], b[at+3] = byte(v>>24), byte(v>>16), byte(v>>8), byte(v)
			}
			put(0, uint32(len(b)))
			put(8, crc32.ChecksumIEEE(b[:8]))
			put(len(b)-4, crc32.ChecksumIEEE(b[:len(b)-4]))
		}
		m, rest, err := Decode(b)
		if err != nil {
			return
		}
		again, err := m.Append(nil)
		if err != nil || !bytes.Equal(again, b[:len(b)-len(rest)]) {
			t.Fatalf("%v: %x became %x", err, b, again)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	m := Message{Headers: []Header{{messageType, "event"}, {eventType, "chunk"}, {contentType, "application/json"}}, Payload: []byte(`{"bytes":"eyJ0ZXh0IjoiaGVsbG8ifQ=="}`)}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buf, err = m.Append(buf[:0]); err != nil {
			b.Fatal(err)
		}
	}
}
