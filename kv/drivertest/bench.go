package drivertest

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/gigawatt-cloud/gigawatt/kv"
)

// Bench runs every benchmark.
func Bench(b *testing.B, makeStore Maker) {
	for _, c := range []struct {
		name  string
		bench func(*testing.B, *kv.DB)
	}{
		{"Put64Writers", func(b *testing.B, db *kv.DB) { benchPut(b, db, 64) }},
		{"Put1Writer", func(b *testing.B, db *kv.DB) { benchPut(b, db, 1) }},
		{"ReadWrite64Writers", benchReadWrite},
		{"Get", benchGet},
		{"TableGet", benchTableGet},
		{"Scan100", benchScan},
		{"UpdateConflict", benchConflict},
	} {
		b.Run(c.name, func(b *testing.B) {
			db := kv.New(makeStore(b).Open(b))
			b.Cleanup(func() { must(b, db.Close()) })
			b.ReportAllocs()
			c.bench(b, db)
		})
	}
}

// writers shares b.N calls among n goroutines.
func writers(b *testing.B, n int, body func(next func() bool)) {
	var left atomic.Int64
	left.Store(int64(b.N))
	done := make(chan struct{})
	b.ResetTimer()
	for range n {
		go func() {
			defer func() { done <- struct{}{} }()
			body(func() bool { return left.Add(-1) >= 0 })
		}()
	}
	for range n {
		<-done
	}
	b.StopTimer()
}

func randomKey() []byte {
	return binary.BigEndian.AppendUint64([]byte("bench/"), rand.Uint64())
}

func benchPut(b *testing.B, db *kv.DB, n int) {
	value := bytes.Repeat([]byte("x"), 1<<10)
	writers(b, n, func(next func() bool) {
		for next() {
			key := randomKey()
			if err := db.Update(context.Background(), func(tx *kv.Tx) error { return tx.Put(key, value) }); err != nil {
				b.Error(err)
			}
		}
	})
}

// benchReadWrite has transactions that read two rows and scan a few of their own.
func benchReadWrite(b *testing.B, db *kv.DB) {
	value := bytes.Repeat([]byte("x"), 1<<10)
	writers(b, 64, func(next func() bool) {
		for next() {
			key := randomKey()
			err := db.Update(context.Background(), func(tx *kv.Tx) error {
				if _, err := tx.Get(key); err == nil {
					return fmt.Errorf("a random key exists")
				}
				for _, err := range tx.Scan(kv.Range{Start: key, End: append(key[:len(key):len(key)], 0xff)}) {
					return fmt.Errorf("a random range is not empty: %v", err)
				}
				return tx.Put(key, value)
			})
			if err != nil {
				b.Error(err)
			}
		}
	})
}

const benchRows = 10_000

func benchKey(i int) []byte { return fmt.Appendf(nil, "bench/%08d", i) }

func fillRows(b *testing.B, db *kv.DB) {
	value := bytes.Repeat([]byte("x"), 200)
	for at := 0; at < benchRows; at += 1000 {
		must(b, db.Update(b.Context(), func(tx *kv.Tx) error {
			for i := range 1000 {
				if err := tx.Put(benchKey(at+i), value); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	b.ResetTimer()
}

func benchGet(b *testing.B, db *kv.DB) {
	fillRows(b, db)
	for i := 0; b.Loop(); i++ {
		key := benchKey(i * 7919 % benchRows)
		must(b, db.View(context.Background(), func(tx *kv.Tx) error {
			_, err := tx.Get(key)
			return err
		}))
	}
}

type benchRow struct {
	Name  string
	Count int
	Tags  map[string]string
}

func benchTableGet(b *testing.B, db *kv.DB) {
	table := kv.NewTable[benchRow]("bench.row")
	must(b, db.Update(b.Context(), func(tx *kv.Tx) error {
		return table.Put(tx, &benchRow{Name: "name", Count: 7, Tags: map[string]string{"a": "b"}}, "account", "region", "name")
	}))
	for b.Loop() {
		must(b, db.View(context.Background(), func(tx *kv.Tx) error {
			_, err := table.Get(tx, "account", "region", "name")
			return err
		}))
	}
}

func benchScan(b *testing.B, db *kv.DB) {
	fillRows(b, db)
	for i := 0; b.Loop(); i++ {
		start := benchKey(i * 7919 % (benchRows - 100))
		n := 0
		must(b, db.View(context.Background(), func(tx *kv.Tx) error {
			for _, err := range tx.Scan(kv.Range{Start: start, Limit: 100}) {
				if err != nil {
					return err
				}
				n++
			}
			return nil
		}))
		if n != 100 {
			b.Fatalf("%d rows", n)
		}
	}
}

func benchConflict(b *testing.B, db *kv.DB) {
	writers(b, 16, func(next func() bool) {
		for next() {
			err := db.Update(context.Background(), func(tx *kv.Tx) error {
				n := uint64(0)
				if v, err := tx.Get([]byte("n")); err == nil {
					n = binary.BigEndian.Uint64(v)
				}
				return tx.Put([]byte("n"), binary.BigEndian.AppendUint64(nil, n+1))
			})
			if err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(db.Stats().Conflicts)/float64(b.N), "conflicts/op")
}
