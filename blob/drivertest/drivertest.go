// Package drivertest holds the conformance tests, the crash test and the
// benchmarks that every driver of package blob passes.
//
// A driver's test calls [Run] with a function that makes a [Harness], and where
// its blobs survive the process also [Crash]. It tests drivers through the portable
// type, as they are used.
package drivertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/blob"
	"github.com/gigawatt-cloud/gigawatt/blob/driver"
	"github.com/gigawatt-cloud/gigawatt/internal/clock"
)

// Harness is a new, empty store and what the tests may do to it. A nil function
// says that the driver has no such thing, and its tests do not run.
type Harness struct {
	// Store is closed by the harness, when the test ends.
	Store driver.Store
	// Clock is the one that the store takes the time of commits from.
	Clock *clock.Manual
	// Reopen closes the store and opens what it left again.
	Reopen func(t testing.TB) driver.Store
	// Corrupt flips one bit of a byte of a stored blob.
	Corrupt func(t testing.TB, id driver.ID, offset int64)
	// CorruptDescription damages what the store keeps about a blob, the given
	// number of times in different ways, each on a blob of its own.
	CorruptDescription []func(t testing.TB, id driver.ID)
	// Faults are the names of the operations that SetFault can make fail.
	Faults []string
	// SetFault makes the store ask f before each operation; nil ends that.
	SetFault func(f func(op string) error)
	// NoRoom is what an operation fails with when the store is full.
	NoRoom error
	// Litter lists what the store keeps that is not part of a committed blob.
	Litter func(t testing.TB) []string
	// Bounded says that the memory of the process does not grow with the blobs.
	Bounded bool
}

// Run runs the conformance tests. open is called for each of them.
func Run(t *testing.T, open func(t *testing.T) *Harness) {
	for _, tt := range []struct {
		name string
		test func(t *testing.T, h *Harness, s *blob.Store)
	}{
		{"Streams", testStreams},
		{"Ranges", testRanges},
		{"NotFound", testNotFound},
		{"Delete", testDelete},
		{"Abort", testAbort},
		{"Context", testContext},
		{"List", testList},
		{"Sweep", testSweep},
		{"TCP", testTCP},
		{"Concurrent", testConcurrent},
		{"Model", testModel},
		{"Corrupt", testCorrupt},
		{"CorruptDescription", testCorruptDescription},
		{"Faults", testFaults},
		{"Full", testFull},
		{"Memory", testMemory},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := open(t)
			tt.test(t, h, blob.New(h.Store))
		})
	}
}

const mb = 1 << 20

// content returns n bytes that follow from the seed.
func content(seed uint64, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8(seedKey(seed)).Read(b)
	return b
}

func seedKey(seed uint64) (key [32]byte) {
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	return key
}

func put(t testing.TB, s *blob.Store, data []byte) blob.ID {
	t.Helper()
	id, n, err := s.Put(t.Context(), bytes.NewReader(data))
	if err != nil {
		t.Fatalf("Put: %v", err)
	}
	if n != int64(len(data)) {
		t.Fatalf("Put says %d bytes, want %d", n, len(data))
	}
	return id
}

func read(t testing.TB, s *blob.Store, id blob.ID, offset, length int64) ([]byte, error) {
	t.Helper()
	r, err := s.Open(t.Context(), id, offset, length)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err == nil && r.Size() != int64(len(got)) {
		t.Errorf("the reader's Size is %d, it gave %d bytes", r.Size(), len(got))
	}
	return got, err
}

func checkWhole(t testing.TB, s *blob.Store, id blob.ID, want []byte) {
	t.Helper()
	got, err := read(t, s, id, 0, -1)
	if err != nil {
		t.Errorf("read %s: %v", id, err)
	} else if !bytes.Equal(got, want) {
		t.Errorf("read %s: %d bytes that differ from the %d written", id, len(got), len(want))
	}
}

// ids lists the store up to the far future.
func ids(t testing.TB, s *blob.Store) []blob.ID {
	t.Helper()
	var all []blob.ID
	err := s.List(t.Context(), farFuture, func(i blob.Info) error {
		all = append(all, i.ID)
		return nil
	})
	if err != nil {
		t.Fatalf("List: %v", err)
	}
	return all
}

var farFuture = time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC)

func testStreams(t *testing.T, _ *Harness, s *blob.Store) {
	for i, size := range []int{0, 1, 4095, 64 << 10, 128<<10 - 40, 128 << 10, 128<<10 + 1, mb - 1, mb, mb + 1, 2*mb + 17} {
		data := content(uint64(i), size)
		for _, step := range []int{1009, 64 << 10, 200_003, 3 * mb} {
			w, err := s.Create(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for p := data; len(p) > 0; {
				n := min(step, len(p))
				if m, err := w.Write(p[:n]); m != n || err != nil {
					t.Fatalf("Write = %d, %v", m, err)
				}
				p = p[n:]
			}
			if w.Size() != int64(size) {
				t.Errorf("the writer's Size is %d, want %d", w.Size(), size)
			}
			id, err := w.Commit()
			if err != nil {
				t.Fatal(err)
			}
			checkWhole(t, s, id, data)
			info, err := s.Stat(t.Context(), id)
			if err != nil || info.ID != id || info.Size != int64(size) {
				t.Errorf("Stat = %v, %v", info, err)
			}
		}
		id, _, err := s.Put(t.Context(), iotest.DataErrReader(iotest.HalfReader(bytes.NewReader(data))))
		if err != nil {
			t.Fatal(err)
		}
		checkWhole(t, s, id, data)
		if size > 100_000 {
			continue // TestReader reads byte by byte
		}
		r, err := s.Open(t.Context(), id, 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		if err := iotest.TestReader(io.LimitReader(r, int64(size)), data); err != nil {
			t.Errorf("size %d: %v", size, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

func testRanges(t *testing.T, _ *Harness, s *blob.Store) {
	const size = 2*mb + 1000
	data := content(1, size)
	points := []int64{0, 1, 65535, mb - 1, mb, mb + 1, 2 * mb, size - 1, size}
	// A blob for each range, so that every one is read for the first time once.
	for _, offset := range points {
		for _, length := range []int64{-1, 0, 1, 100, mb, mb + 1, size, 1 << 40} {
			want := data[offset:]
			if length >= 0 {
				want = want[:min(length, int64(len(want)))]
			}
			id := put(t, s, data)
			for range 2 {
				got, err := read(t, s, id, offset, length)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("range %d+%d: %d bytes, %v; want %d bytes", offset, length, len(got), err, len(want))
				}
			}
			// A part by Read and the rest by WriteTo.
			r, err := s.Open(t.Context(), id, offset, length)
			if err != nil {
				t.Fatal(err)
			}
			head := make([]byte, min(7, len(want)))
			if _, err := io.ReadFull(r, head); err != nil {
				t.Fatal(err)
			}
			rest := bytes.NewBuffer(head)
			if _, err := io.Copy(rest, r); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(rest.Bytes(), want) {
				t.Errorf("range %d+%d: Read and WriteTo together give %d other bytes", offset, length, rest.Len())
			}
			r.Close()
			if err := s.Delete(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
	}
	id := put(t, s, data)
	for _, r := range [][2]int64{{-1, 1}, {size + 1, 0}, {size + 1, -1}, {0, -2}} {
		if _, err := s.Open(t.Context(), id, r[0], r[1]); !errors.Is(err, blob.ErrRange) {
			t.Errorf("Open at %d of length %d: %v, want ErrRange", r[0], r[1], err)
		}
	}
}

func testNotFound(t *testing.T, _ *Harness, s *blob.Store) {
	id := put(t, s, []byte("there"))
	for _, id := range []blob.ID{
		"", "x", "../../../../etc/passwd", blob.ID(strings.Repeat("0", 32)), blob.ID(strings.Repeat("/", 32)),
		blob.ID(strings.ToUpper("ab" + string(id[2:]))), id + "0", id[:31], blob.ID("\x00" + string(id[1:])),
	} {
		if _, err := s.Open(t.Context(), id, 0, -1); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("Open(%q) = %v, want ErrNotFound", id, err)
		}
		if _, err := s.Stat(t.Context(), id); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("Stat(%q) = %v, want ErrNotFound", id, err)
		}
		if err := s.Delete(t.Context(), id); err != nil {
			t.Errorf("Delete(%q) = %v", id, err)
		}
	}
	checkWhole(t, s, id, []byte("there"))
}

func testDelete(t *testing.T, h *Harness, s *blob.Store) {
	data := content(3, 2*mb)
	id, other := put(t, s, data), put(t, s, data)
	r, err := s.Open(t.Context(), id, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for range 2 {
		if err := s.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Open(t.Context(), id, 0, -1); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("Open after Delete = %v", err)
	}
	if _, err := s.Stat(t.Context(), id); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("Stat after Delete = %v", err)
	}
	got, err := io.ReadAll(r)
	if !errors.Is(err, blob.ErrNotFound) && (err != nil || !bytes.Equal(got, data)) {
		t.Errorf("a reader that was open: %d bytes, %v", len(got), err)
	}
	if diff := cmp.Diff([]blob.ID{other}, ids(t, s)); diff != "" {
		t.Error(diff)
	}
	checkWhole(t, s, other, data)
	noLitter(t, h)
}

func noLitter(t testing.TB, h *Harness) {
	t.Helper()
	if h.Litter == nil {
		return
	}
	if left := h.Litter(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func testAbort(t *testing.T, h *Harness, s *blob.Store) {
	for _, size := range []int{0, 10, 3 * mb} {
		w, err := s.Create(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		w.Abort()
		w.Abort()
		if _, err := w.Write([]byte("x")); err == nil {
			t.Error("Write after Abort is accepted")
		}
		if _, err := w.ReadFrom(strings.NewReader("x")); err == nil {
			t.Error("ReadFrom after Abort is accepted")
		}
		if _, err := w.Commit(); err == nil {
			t.Error("Commit after Abort is accepted")
		}
	}
	broken := errors.New("broken")
	for _, size := range []int{0, 10, 3 * mb} {
		source := io.MultiReader(bytes.NewReader(make([]byte, size)), iotest.ErrReader(broken))
		if _, _, err := s.Put(t.Context(), source); !errors.Is(err, broken) {
			t.Errorf("Put of a broken stream = %v", err)
		}
	}
	if left := ids(t, s); len(left) > 0 {
		t.Errorf("aborted writers left %v", left)
	}
	noLitter(t, h)

	w, err := s.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	id, err := w.Commit()
	if err != nil {
		t.Fatal(err)
	}
	w.Abort()
	if _, err := w.Commit(); err == nil {
		t.Error("a second Commit is accepted")
	}
	checkWhole(t, s, id, nil)
}

func testContext(t *testing.T, h *Harness, s *blob.Store) {
	id := put(t, s, content(4, 3*mb))
	ctx, cancel := context.WithCancel(t.Context())
	w, err := s.Create(ctx)
	if err != nil {
		t.Fatal(err)
	}
	w2, err := s.Create(ctx)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Open(ctx, id, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cancel()
	canceled := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s = %v, want context.Canceled", what, err)
		}
	}
	_, err = w.Write(make([]byte, 10))
	canceled("Write", err)
	_, err = w2.Commit()
	canceled("Commit", err)
	_, err = r.Read(make([]byte, 10))
	canceled("Read", err)
	_, err = r.WriteTo(io.Discard)
	canceled("WriteTo", err)
	_, err = s.Create(ctx)
	canceled("Create", err)
	_, err = s.Open(ctx, id, 0, -1)
	canceled("Open", err)
	_, err = s.Stat(ctx, id)
	canceled("Stat", err)
	canceled("Delete", s.Delete(ctx, id))
	canceled("List", s.List(ctx, farFuture, func(blob.Info) error { return nil }))
	if diff := cmp.Diff([]blob.ID{id}, ids(t, s)); diff != "" {
		t.Error(diff)
	}
	noLitter(t, h)
}

func testList(t *testing.T, h *Harness, s *blob.Store) {
	if got := ids(t, s); len(got) > 0 {
		t.Errorf("a new store lists %v", got)
	}
	var want []blob.Info
	// Steps that stay in a millisecond, and ones that a driver may file apart.
	for i, step := range []time.Duration{0, 0, 1, time.Millisecond, time.Second, 0, time.Hour, 90 * time.Hour, 0, 9000 * time.Hour} {
		h.Clock.Advance(step)
		data := content(uint64(i), i*1000)
		want = append(want, blob.Info{ID: put(t, s, data), Size: int64(len(data)), Created: h.Clock.Now().Truncate(time.Millisecond)})
	}
	list := func(before time.Time) (got []blob.Info) {
		t.Helper()
		if err := s.List(t.Context(), before, func(i blob.Info) error { got = append(got, i); return nil }); err != nil {
			t.Fatal(err)
		}
		return got
	}
	for i := range want {
		if i > 0 && want[i].ID <= want[i-1].ID {
			t.Errorf("id %s is not greater than %s, which was committed before", want[i].ID, want[i-1].ID)
		}
		var older []blob.Info
		for _, w := range want {
			if w.Created.Before(want[i].Created) {
				older = append(older, w)
			}
		}
		if diff := cmp.Diff(older, list(want[i].Created)); diff != "" {
			t.Errorf("List before %v (-want +got):\n%s", want[i].Created, diff)
		}
	}
	if diff := cmp.Diff(want, list(farFuture)); diff != "" {
		t.Errorf("List (-want +got):\n%s", diff)
	}
	stop, seen := errors.New("stop"), 0
	if err := s.List(t.Context(), farFuture, func(blob.Info) error { seen++; return stop }); !errors.Is(err, stop) || seen != 1 {
		t.Errorf("List with a function that fails = %v after %d calls", err, seen)
	}
	err := s.List(t.Context(), farFuture, func(i blob.Info) error { return s.Delete(t.Context(), i.ID) })
	if err != nil {
		t.Errorf("List that deletes = %v", err)
	}
	if got := ids(t, s); len(got) > 0 {
		t.Errorf("after all was deleted: %v", got)
	}
	noLitter(t, h)
}

func testSweep(t *testing.T, h *Harness, s *blob.Store) {
	used, orphan := put(t, s, []byte("used")), put(t, s, []byte("orphan"))
	h.Clock.Advance(time.Hour)
	edge := h.Clock.Now()
	young := put(t, s, []byte("young"))
	swept, err := s.Sweep(t.Context(), edge, func(i blob.Info) (bool, error) { return i.ID == used, nil })
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(blob.Swept{Seen: 2, Deleted: 1, DeletedBytes: 6}, swept); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]blob.ID{used, young}, ids(t, s)); diff != "" {
		t.Errorf("with orphan %s:\n%s", orphan, diff)
	}
	broken := errors.New("broken")
	if _, err := s.Sweep(t.Context(), farFuture, func(blob.Info) (bool, error) { return false, broken }); !errors.Is(err, broken) {
		t.Errorf("Sweep = %v", err)
	}
	if got := fmt.Sprint(len(ids(t, s))); got != "2" {
		t.Errorf("a sweep that could not tell left %s blobs", got)
	}
}
