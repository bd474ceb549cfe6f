package drivertest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/blob"
)

// testTCP sends ranges through a connection, where drivers take another path
// than through memory; the second time they are sent without being checked anew.
func testTCP(t *testing.T, _ *Harness, s *blob.Store) {
	data := content(5, 9*mb+333)
	id := put(t, s, data)
	for _, r := range [][2]int64{{0, -1}, {0, -1}, {mb - 5, 10}, {5, mb}, {8*mb + 1, -1}, {17, 0}} {
		in, out := tcpPair(t)
		done := make(chan []byte)
		go func() {
			got, _ := io.ReadAll(in)
			done <- got
		}()
		rd, err := s.Open(t.Context(), id, r[0], r[1])
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(out, rd)
		if err != nil || n != rd.Size() {
			t.Errorf("Copy = %d, %v, want %d", n, err, rd.Size())
		}
		rd.Close()
		out.Close()
		if got := <-done; !bytes.Equal(got, data[r[0]:r[0]+rd.Size()]) {
			t.Errorf("range %v: %d other bytes arrived", r, len(got))
		}
	}
	_, out := tcpPair(t)
	out.Close()
	rd, err := s.Open(t.Context(), id, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Close()
	if _, err := io.Copy(out, rd); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Copy to a closed connection = %v", err)
	}
}

func tcpPair(t testing.TB) (in, out net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if out, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if in, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); out.Close() })
	return in, out
}

func testConcurrent(t *testing.T, h *Harness, s *blob.Store) {
	const workers, rounds = 8, 30
	kept := make([]map[blob.ID]uint64, workers)
	var wg sync.WaitGroup
	for w := range workers {
		kept[w] = map[blob.ID]uint64{}
		wg.Go(func() {
			for i := range uint64(rounds) {
				seed := uint64(w)<<32 | i
				data := content(seed, int(seed*7919%100_000))
				id, _, err := s.Put(t.Context(), bytes.NewReader(data))
				if err != nil {
					t.Error(err)
					return
				}
				checkWhole(t, s, id, data)
				if i%3 == 0 {
					if err := s.Delete(t.Context(), id); err != nil {
						t.Error(err)
					}
				} else {
					kept[w][id] = seed
				}
				h.Clock.Advance(3 * time.Minute) // so that directories come and go
			}
		})
	}
	wg.Go(func() {
		for range 20 {
			last := blob.ID("")
			err := s.List(t.Context(), farFuture, func(i blob.Info) error {
				if i.ID <= last {
					t.Errorf("List gives %s after %s", i.ID, last)
				}
				last = i.ID
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	var want []blob.ID
	for _, m := range kept {
		for id, seed := range m {
			want = append(want, id)
			checkWhole(t, s, id, content(seed, int(seed*7919%100_000)))
		}
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, ids(t, s)); diff != "" {
		t.Error(diff)
	}
	noLitter(t, h)
}

// testModel does random things and compares the store with a map, also after
// it was closed and opened again.
func testModel(t *testing.T, h *Harness, s *blob.Store) {
	rnd := rand.New(rand.NewChaCha8(seedKey(7)))
	model := map[blob.ID][]byte{}
	var order []blob.ID
	for step := range 400 {
		h.Clock.Advance(time.Duration(rnd.IntN(20)) * time.Minute)
		switch n := rnd.IntN(20); {
		case n < 8:
			data := content(uint64(step), rnd.IntN(1<<rnd.IntN(22)))
			id := put(t, s, data)
			model[id] = data
			order = append(order, id)
		case n < 15 && len(order) > 0:
			id := order[rnd.IntN(len(order))]
			data := model[id]
			offset := rnd.IntN(len(data) + 1)
			length := rnd.IntN(len(data) - offset + 1)
			got, err := read(t, s, id, int64(offset), int64(length))
			if err != nil || !bytes.Equal(got, data[offset:offset+length]) {
				t.Fatalf("step %d: %d bytes at %d of %s: %v", step, length, offset, id, err)
			}
		case n < 18 && len(order) > 0:
			at := rnd.IntN(len(order))
			if err := s.Delete(t.Context(), order[at]); err != nil {
				t.Fatal(err)
			}
			delete(model, order[at])
			order = slices.Delete(order, at, at+1)
		case n == 18:
			if diff := cmp.Diff(order, append([]blob.ID{}, ids(t, s)...)); len(order) > 0 && diff != "" {
				t.Fatalf("step %d: %s", step, diff)
			}
		case n == 19 && h.Reopen != nil:
			s = blob.New(h.Reopen(t))
		}
	}
	for id, data := range model {
		checkWhole(t, s, id, data)
	}
	noLitter(t, h)
}

func testCorrupt(t *testing.T, h *Harness, s *blob.Store) {
	if h.Corrupt == nil {
		t.Skip("the driver's storage cannot be damaged from outside")
	}
	for _, tt := range []struct {
		size      int
		at        int64
		block     int64
		wholePart [2]int64 // a range that does not touch the damage
	}{
		{1, 0, 0, [2]int64{0, 0}},
		{5000, 4999, 0, [2]int64{5000, -1}},
		{3*mb + 5, 0, 0, [2]int64{mb, -1}},
		{3*mb + 5, 2*mb - 1, 1, [2]int64{2 * mb, mb + 5}},
		{3*mb + 5, 2 * mb, 2, [2]int64{0, 2 * mb}},
		{3*mb + 5, 3*mb + 4, 3, [2]int64{17, 3*mb - 17}},
	} {
		data := content(uint64(tt.at), tt.size)
		id := put(t, s, data)
		h.Corrupt(t, id, tt.at)
		for range 2 {
			got, err := read(t, s, id, 0, -1)
			corrupt, ok := errors.AsType[*blob.CorruptError](err)
			if !ok || !errors.Is(err, blob.ErrCorrupt) || corrupt.Block != tt.block || corrupt.ID != id {
				t.Errorf("size %d, byte %d: %v, want ErrCorrupt in block %d", tt.size, tt.at, err, tt.block)
			}
			if !bytes.HasPrefix(data, got) {
				t.Errorf("size %d, byte %d: returned bytes that were never written", tt.size, tt.at)
			}
			r, err := s.Open(t.Context(), id, 0, -1)
			if err != nil {
				t.Fatal(err)
			}
			var buf bytes.Buffer
			if _, err := io.Copy(&buf, r); !errors.Is(err, blob.ErrCorrupt) || !bytes.HasPrefix(data, buf.Bytes()) {
				t.Errorf("size %d, byte %d: WriteTo gave %d bytes, %v", tt.size, tt.at, buf.Len(), err)
			}
			r.Close()
			part, err := read(t, s, id, tt.wholePart[0], tt.wholePart[1])
			if err != nil || !bytes.HasPrefix(data[tt.wholePart[0]:], part) {
				t.Errorf("size %d, byte %d: what is whole cannot be read: %v", tt.size, tt.at, err)
			}
		}
	}
	deletable(t, s, 6)
}

// deletable checks that damaged blobs can be found and removed.
func deletable(t *testing.T, s *blob.Store, want int) {
	t.Helper()
	all := ids(t, s)
	if len(all) != want {
		t.Errorf("%d blobs are listed, want %d", len(all), want)
	}
	for _, id := range all {
		if err := s.Delete(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	if left := ids(t, s); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func testCorruptDescription(t *testing.T, h *Harness, s *blob.Store) {
	if h.CorruptDescription == nil {
		t.Skip("the driver's storage cannot be damaged from outside")
	}
	for i, damage := range h.CorruptDescription {
		data := content(uint64(i), mb+7)
		id := put(t, s, data)
		damage(t, id)
		if got, err := read(t, s, id, 0, -1); !errors.Is(err, blob.ErrCorrupt) {
			t.Errorf("damage %d: read %d bytes, %v, want ErrCorrupt", i, len(got), err)
		}
	}
	deletable(t, s, len(h.CorruptDescription))
}

// testFaults makes each operation of a Put fail, at its first and at later
// calls, and looks that nothing is left and everything else is still there.
func testFaults(t *testing.T, h *Harness, s *blob.Store) {
	if h.SetFault == nil {
		t.Skip("the driver has no operations that can be made to fail")
	}
	before := content(8, 2*mb)
	want := []blob.ID{put(t, s, before)}
	broken := errors.New("broken")
	for _, op := range h.Faults {
		for nth := 1; ; nth++ {
			calls := 0
			fault := fmt.Errorf("%s %d: %w", op, nth, broken)
			h.SetFault(func(name string) error {
				if name == op {
					if calls++; calls == nth {
						return fault
					}
				}
				return nil
			})
			id, _, err := s.Put(t.Context(), bytes.NewReader(content(9, 3*mb)))
			h.SetFault(nil)
			if calls < nth {
				if err != nil {
					t.Errorf("Put without a fault = %v", err)
				}
				if nth == 1 {
					t.Errorf("a Put does no %s", op)
				}
				want = append(want, id)
				break
			}
			if !errors.Is(err, broken) || errors.Is(err, blob.ErrFull) {
				t.Errorf("Put with a failing %s = %q, %v", op, id, err)
			}
			if diff := cmp.Diff(want, ids(t, s)); diff != "" {
				t.Errorf("after a failing %s (-want +got):\n%s", op, diff)
			}
			noLitter(t, h)
		}
	}
	checkWhole(t, s, want[0], before)
	if h.Reopen != nil {
		s = blob.New(h.Reopen(t))
		if diff := cmp.Diff(want, ids(t, s)); diff != "" {
			t.Error(diff)
		}
	}
}

// testFull fills the store up at each operation, from some call on.
func testFull(t *testing.T, h *Harness, s *blob.Store) {
	if h.SetFault == nil {
		t.Skip("the driver has no operations that can be made to fail")
	}
	for _, op := range h.Faults {
		h.SetFault(func(name string) error {
			if name == op {
				return h.NoRoom
			}
			return nil
		})
		if _, _, err := s.Put(t.Context(), bytes.NewReader(content(9, 3*mb))); !errors.Is(err, blob.ErrFull) {
			t.Errorf("Put with no room at %s = %v, want ErrFull", op, err)
		}
		h.SetFault(nil)
		if left := ids(t, s); len(left) > 0 {
			t.Errorf("no room at %s: left %v", op, left)
		}
		noLitter(t, h)
	}
	data := content(10, 100)
	checkWhole(t, s, put(t, s, data), data)
}

// testMemory sends a long stream through and counts all that was ever
// allocated, so it does not depend on when the collector runs.
func testMemory(t *testing.T, h *Harness, s *blob.Store) {
	if !h.Bounded {
		t.Skip("the driver keeps blobs in memory")
	}
	if err := s.Delete(t.Context(), put(t, s, content(1, mb))); err != nil { // fills pools
		t.Fatal(err)
	}
	const size = 96 * mb
	var before, middle, after runtime.MemStats
	runtime.ReadMemStats(&before)
	id, n, err := s.Put(t.Context(), io.LimitReader(zeros{}, size))
	if err != nil || n != size {
		t.Fatalf("Put = %d, %v", n, err)
	}
	runtime.ReadMemStats(&middle)
	r, err := s.Open(t.Context(), id, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if n, err := io.Copy(onlyWriter{io.Discard}, r); n != size || err != nil {
		t.Fatalf("Copy = %d, %v", n, err)
	}
	runtime.ReadMemStats(&after)
	for what, bytes := range map[string]uint64{
		"Put": middle.TotalAlloc - before.TotalAlloc,
		"Get": after.TotalAlloc - middle.TotalAlloc,
	} {
		if bytes > mb {
			t.Errorf("%s of %d bytes allocated %d bytes, want less than %d", what, size, bytes, mb)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type onlyWriter struct{ io.Writer }
