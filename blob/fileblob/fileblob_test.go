package fileblob_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gigawatt-cloud/gigawatt/blob/driver"
	"github.com/gigawatt-cloud/gigawatt/blob/drivertest"
	"github.com/gigawatt-cloud/gigawatt/blob/fileblob"
	"github.com/gigawatt-cloud/gigawatt/internal/clock"
)

func TestConformance(t *testing.T) {
	for name, named := range map[string]bool{"Unnamed": false, "NamedTemp": true} {
		t.Run(name, func(t *testing.T) {
			drivertest.Run(t, func(t *testing.T) *drivertest.Harness { return harness(t, named) })
		})
	}
}

func harness(t *testing.T, named bool) *drivertest.Harness {
	dir := t.TempDir()
	var fault atomic.Pointer[func(string) error]
	h := &drivertest.Harness{
		Clock:   clock.NewManual(time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)),
		Faults:  fileblob.FaultPoints(),
		NoRoom:  &fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC},
		Bounded: true,
	}
	var s *fileblob.Store
	open := func(t testing.TB) driver.Store {
		var err error
		s, err = fileblob.Open(dir, fileblob.Options{Clock: h.Clock, NamedTemp: named, Fault: func(op string) error {
			if f := fault.Load(); f != nil {
				return (*f)(op)
			}
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	h.Store = open(t)
	t.Cleanup(func() { s.Close() })
	h.Reopen = func(t testing.TB) driver.Store {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return open(t)
	}
	h.SetFault = func(f func(string) error) {
		fault.Store(nil)
		if f != nil {
			fault.Store(&f)
		}
	}
	h.Corrupt = func(t testing.TB, id driver.ID, offset int64) { flip(t, find(t, dir, id), offset) }
	h.CorruptDescription = descriptions(dir)
	h.Litter = func(t testing.TB) []string { return litter(t, dir) }
	return h
}

// descriptions are the ways to damage a footer or the length of a file.
func descriptions(dir string) []func(testing.TB, driver.ID) {
	var all []func(testing.TB, driver.ID)
	for back := int64(1); back <= 64; back += 7 { // the footer of a blob of two blocks
		all = append(all, func(t testing.TB, id driver.ID) {
			path := find(t, dir, id)
			flip(t, path, size(t, path)-back)
		})
	}
	for _, change := range []int64{-1, -64, -1 << 20, 1, 4, 56, 1 << 20} {
		all = append(all, func(t testing.TB, id driver.ID) {
			path := find(t, dir, id)
			if err := os.Truncate(path, size(t, path)+change); err != nil {
				t.Fatal(err)
			}
		})
	}
	return append(all, func(t testing.TB, id driver.ID) { // the file of another blob
		for _, name := range files(t, dir) {
			if other := driver.ID(filepath.Base(name)); other.Valid() && other != id {
				data, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(find(t, dir, id), data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}, func(t testing.TB, id driver.ID) {
		if err := os.Truncate(find(t, dir, id), 0); err != nil {
			t.Fatal(err)
		}
	})
}

// files lists the files below dir, by their relative names.
func files(t testing.TB, dir string) (names []string) {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, strings.TrimPrefix(path, dir+string(filepath.Separator)))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func find(t testing.TB, dir string, id driver.ID) string {
	t.Helper()
	for _, name := range files(t, dir) {
		if filepath.Base(name) == string(id) {
			return filepath.Join(dir, name)
		}
	}
	t.Fatalf("no file for %s", id)
	return ""
}

func size(t testing.TB, path string) int64 {
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return st.Size()
}

func flip(t testing.TB, path string, offset int64) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], offset); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x10
	if _, err := f.WriteAt(b[:], offset); err != nil {
		t.Fatal(err)
	}
}
