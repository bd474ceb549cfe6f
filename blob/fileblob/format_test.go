package fileblob

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/blob"
	"github.com/gigawatt-cloud/gigawatt/blob/driver"
)

const someID = driver.ID("019a2b7cdef0123456789abcdef01234")

func TestFileSize(t *testing.T) {
	last := int64(0)
	for _, size := range []int64{0, 1, 100, blockSize - 1, blockSize, blockSize + 1, 2 * blockSize, 5 << 30, 5<<30 + 1, 5 << 40} {
		file := fileSize(size)
		if got := blobSize(file); got != size {
			t.Errorf("blobSize(fileSize(%d)) = %d", size, got)
		}
		if file <= last {
			t.Errorf("fileSize(%d) = %d is not more than before", size, file)
		}
		last = file
	}
	// The lengths between a full block and the next block's first byte.
	for _, file := range []int64{-1, 0, trailerSize - 1, fileSize(0) + 1, fileSize(0) + crcSize, fileSize(blockSize) + crcSize} {
		if got := blobSize(file); got != -1 {
			t.Errorf("blobSize(%d) = %d, want -1", file, got)
		}
	}
}

func FuzzFileSize(f *testing.F) {
	f.Add(int64(0))
	f.Add(int64(blockSize + trailerSize + crcSize))
	f.Fuzz(func(t *testing.T, file int64) {
		file = max(file, -file) & (1<<50 - 1)
		if size := blobSize(file); size != -1 && fileSize(size) != file {
			t.Fatalf("blobSize(%d) = %d, whose file has %d bytes", file, size, fileSize(size))
		}
		if got := blobSize(fileSize(file)); got != file {
			t.Fatalf("blobSize(fileSize(%d)) = %d", file, got)
		}
	})
}

func FuzzParseFooter(f *testing.F) {
	f.Add(appendFooter(nil, someID, 0, nil), int64(0))
	f.Add(appendFooter(nil, someID, 5, []uint32{7}), int64(5))
	f.Add(appendFooter(nil, someID, blockSize+1, []uint32{7, 8}), int64(blockSize+1))
	f.Add([]byte("GWBLOB01"), int64(-1))
	f.Add([]byte(nil), int64(1)<<62)
	f.Fuzz(func(t *testing.T, footer []byte, size int64) {
		crcs, err := parseFooter(footer, someID, size)
		if err != nil {
			if !errors.Is(err, driver.ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		again := appendFooter(nil, someID, size, crcs)
		if diff := cmp.Diff(footer, again); diff != "" {
			t.Fatal(diff)
		}
	})
}

// TestFooterGolden holds one encoded footer: a change of it is a change of the format.
func TestFooterGolden(t *testing.T) {
	got := fmt.Sprintf("%x", appendFooter(nil, someID, blockSize+1, []uint32{0x01020304, 0xa0b0c0d0}))
	want := "04030201d0c0b0a0" + "92228dc4" + "00000000" + "0100100000000000" +
		fmt.Sprintf("%x", string(someID)) + fmt.Sprintf("%x", "GWBLOB01")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestListWindow lists a directory with more names than are held in memory.
func TestListWindow(t *testing.T) {
	defer func(w int) { window = w }(window)
	window = 10
	s := openTemp(t, Options{})
	var want []driver.ID
	for range 47 {
		want = append(want, putString(t, s, "x"))
	}
	for _, n := range []int{47, 20, 10, 1, 0} {
		var got []driver.ID
		err := walk(t.Context(), s.root, afterAll, func(id driver.ID) error { got = append(got, id); return nil })
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		for len(want) > n && n > 0 {
			if err := s.Delete(t.Context(), want[0]); err != nil {
				t.Fatal(err)
			}
			want = slices.Delete(want, 0, 1)
		}
	}
}

// TestOrder looks at the order of the operations that durability rests on.
func TestOrder(t *testing.T) {
	var log []string
	s := openTemp(t, Options{Fault: func(op string) error { log = append(log, op); return nil }})
	putString(t, s, strings.Repeat("x", 3*bufSize))
	log = slices.Compact(log)
	if diff := cmp.Diff(FaultPoints(), log); diff != "" {
		t.Error(diff)
	}
}

// TestMarksAreBounded reads more blobs than the cache of marks has room for.
func TestMarksAreBounded(t *testing.T) {
	var c markCache
	id := func(i int) driver.ID { return driver.ID(fmt.Sprintf("%032x", i)) }
	most := 0
	for i := range 200_000 {
		c.put(id(i), newMeta(blockSize, make([]uint32, 1)))
		if c.get(id(i)) == nil {
			t.Fatalf("%d was forgotten at once", i)
		}
		c.get(id(0)) // in use all the time
		most = max(most, len(c.young)+len(c.old))
	}
	if one := newMeta(blockSize, make([]uint32, 1)).weight(); most*one > 2*markCacheWeight {
		t.Errorf("%d metas of %d bytes were held", most, one)
	}
	if c.get(id(0)) == nil {
		t.Error("what is in use was forgotten")
	}
	c.drop(id(0))
	if c.get(id(0)) != nil {
		t.Error("what was dropped is still there")
	}
}

func openTemp(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := Open(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func putString(t testing.TB, s *Store, text string) driver.ID {
	t.Helper()
	id, _, err := blob.New(s).Put(t.Context(), strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return id
}
