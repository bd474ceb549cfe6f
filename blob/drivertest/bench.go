package drivertest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/gigawatt-cloud/gigawatt/blob"
	"github.com/gigawatt-cloud/gigawatt/blob/driver"
)

// Benchmark measures a store, and beside it what bare files on the same disk
// do, so that the rows of one run can be compared: BareX with X.
func Benchmark(b *testing.B, open func(b *testing.B) driver.Store) {
	small, large := content(1, 4<<10), content(2, mb)
	puts := func(data []byte, parallel int) func(*testing.B) {
		return func(b *testing.B) {
			s := blob.New(open(b))
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			run(b, parallel, func() error {
				_, _, err := s.Put(b.Context(), bytes.NewReader(data))
				return err
			})
		}
	}
	b.Run("Put4K", puts(small, 1))
	b.Run("BarePut4K", barePuts(small, 1))
	b.Run("Put4K64", puts(small, 64))
	b.Run("BarePut4K64", barePuts(small, 64))
	b.Run("Put1M", puts(large, 1))
	b.Run("BarePut1M", barePuts(large, 1))
	b.Run("Get1M", func(b *testing.B) {
		s := blob.New(open(b))
		id := put(b, s, large)
		out := drain(b)
		b.SetBytes(mb)
		b.ReportAllocs()
		for b.Loop() {
			r, err := s.Open(b.Context(), id, 0, -1)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(out, r); err != nil {
				b.Fatal(err)
			}
			r.Close()
		}
	})
	b.Run("BareGet1M", func(b *testing.B) {
		path := filepath.Join(b.TempDir(), "x")
		file, err := os.Create(path)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := file.Write(large); err != nil {
			b.Fatal(err)
		}
		// Pages that wait for the disk would slow down the reading.
		if err := errors.Join(file.Sync(), file.Close()); err != nil {
			b.Fatal(err)
		}
		out := drain(b)
		b.SetBytes(mb)
		b.ReportAllocs()
		for b.Loop() {
			f, err := os.Open(path)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(out, f); err != nil {
				b.Fatal(err)
			}
			f.Close()
		}
	})
	b.Run("Get1MFirst", func(b *testing.B) { firstReads(b, blob.New(open(b)), large) })
}

// firstReads reads each blob once, so that every block is verified.
func firstReads(b *testing.B, s *blob.Store, data []byte) {
	out := drain(b)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		b.StopTimer()
		id := put(b, s, data)
		b.StartTimer()
		r, err := s.Open(b.Context(), id, 0, -1)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(out, r); err != nil {
			b.Fatal(err)
		}
		r.Close()
		b.StopTimer()
		if err := s.Delete(b.Context(), id); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

func run(b *testing.B, parallel int, op func() error) {
	if parallel == 1 {
		for b.Loop() {
			if err := op(); err != nil {
				b.Fatal(err)
			}
		}
		return
	}
	b.SetParallelism(parallel) // for each processor
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := op(); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// barePuts creates, writes and syncs a file, without syncing its directory.
func barePuts(data []byte, parallel int) func(*testing.B) {
	return func(b *testing.B) {
		dir := b.TempDir()
		b.SetBytes(int64(len(data)))
		run(b, parallel, func() error {
			f, err := os.CreateTemp(dir, "")
			if err != nil {
				return err
			}
			defer f.Close()
			if _, err := f.Write(data); err != nil {
				return err
			}
			return f.Sync()
		})
	}
}

// drain returns a TCP connection over loopback whose other end reads all.
func drain(b *testing.B) net.Conn {
	in, out := tcpPair(b)
	go func() {
		buf := make([]byte, 256<<10)
		for {
			if _, err := in.Read(buf); err != nil {
				return
			}
		}
	}()
	return out
}
