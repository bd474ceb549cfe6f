package pebblekv

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2"
)

// BenchmarkBarePut64Writers is what BenchmarkDriver/Put64Writers is measured
// against: Pebble itself, with the same options and without transactions.
func BenchmarkBarePut64Writers(b *testing.B) {
	e := openEngine(b)
	value := bytes.Repeat([]byte("x"), 1<<10)
	var left atomic.Int64
	left.Store(int64(b.N))
	done := make(chan struct{})
	b.ReportAllocs()
	b.ResetTimer()
	for range 64 {
		go func() {
			defer func() { done <- struct{}{} }()
			for left.Add(-1) >= 0 {
				key := binary.BigEndian.AppendUint64([]byte("bench/"), rand.Uint64())
				if err := e.db.Set(key, value, pebble.Sync); err != nil {
					b.Error(err)
				}
			}
		}()
	}
	for range 64 {
		<-done
	}
}

// BenchmarkBareGet is the counterpart of BenchmarkDriver/Get.
func BenchmarkBareGet(b *testing.B) {
	e := openEngine(b)
	key := []byte("bench/key")
	if err := e.db.Set(key, bytes.Repeat([]byte("x"), 200), pebble.Sync); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		s := e.db.NewSnapshot()
		_, closer, err := s.Get(key)
		if err != nil {
			b.Fatal(err)
		}
		_ = closer.Close()
		_ = s.Close()
	}
}

// BenchmarkOpen is the time from an empty directory to a store.
func BenchmarkOpen(b *testing.B) {
	for b.Loop() {
		d, err := OpenDriver(b.TempDir(), Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		_ = d.Close()
		b.StartTimer()
	}
}

// BenchmarkReopen is the time to open a store that was closed.
func BenchmarkReopen(b *testing.B) {
	dir := b.TempDir()
	for b.Loop() {
		d, err := OpenDriver(dir, Options{})
		if err != nil {
			b.Fatal(err)
		}
		_ = d.Close()
	}
}
