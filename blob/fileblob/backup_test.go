package fileblob

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gigawatt-cloud/gigawatt/blob"
	"github.com/gigawatt-cloud/gigawatt/blob/driver"
	"github.com/gigawatt-cloud/gigawatt/internal/clock"
)

func readString(t testing.TB, s *Store, id driver.ID) (string, error) {
	t.Helper()
	r, err := blob.New(s).Open(t.Context(), id, 0, -1)
	if err != nil {
		return "", err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	return string(data), err
}

func TestBackupAndRestore(t *testing.T) {
	clk := clock.NewManual(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	s := openTemp(t, Options{Clock: clk})
	want := map[driver.ID]string{}
	for i, n := range []int{0, 10, blockSize, 2*blockSize + 3} {
		clk.Advance(time.Duration(i) * 200 * time.Hour)
		text := strings.Repeat(string(rune('a'+i)), n)
		want[putString(t, s, text)] = text
	}
	held := putString(t, s, "deleted while the backup is made")
	release := s.HoldDeletes()
	release2 := s.HoldDeletes()
	if err := s.Delete(t.Context(), held); err != nil {
		t.Fatal(err)
	}
	if _, err := readString(t, s, held); !errors.Is(err, driver.ErrNotFound) {
		t.Errorf("a deleted blob is read while deletions are held: %v", err)
	}
	if err := s.Verify(t.Context(), held); !errors.Is(err, driver.ErrNotFound) {
		t.Errorf("Verify of a deleted blob = %v", err)
	}
	dir := filepath.Join(t.TempDir(), "deep", "backup")
	report, err := s.Backup(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if report.Blobs != 5 || report.Linked != 5 {
		t.Errorf("Backup = %+v, want 5 blobs, linked", report)
	}
	for _, release := range []func() error{release2, release2, release} {
		if _, err := os.Stat(s.path(held)); err != nil {
			t.Errorf("the file of a held blob: %v", err)
		}
		if err := release(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(s.path(held)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file of a deleted blob: %v", err)
	}
	want[held] = "deleted while the backup is made"

	// What happens to the store does not reach the backup.
	for id := range want {
		if err := s.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	root := filepath.Join(t.TempDir(), "restored")
	report, err = Restore(t.Context(), dir, root)
	if err != nil || report.Blobs != 5 || len(report.Corrupt) > 0 {
		t.Fatalf("Restore = %+v, %v", report, err)
	}
	r, err := Open(root, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got := map[driver.ID]string{}
	err = r.List(t.Context(), time.Now().AddDate(500, 0, 0), func(i driver.Info) error {
		text, err := readString(t, r, i.ID)
		got[i.ID] = text
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := s.Backup(t.Context(), dir); err == nil {
		t.Error("a backup into a directory that is not empty is accepted")
	}
	if _, err := Restore(t.Context(), dir, root); err == nil {
		t.Error("a restore into a directory that is not empty is accepted")
	}
	if _, err := Restore(t.Context(), t.TempDir(), filepath.Join(t.TempDir(), "x")); err == nil {
		t.Error("a restore from a directory that is no backup is accepted")
	}
}

// TestCopyFile tests the way of a backup to another file system.
func TestCopyFile(t *testing.T) {
	s := openTemp(t, Options{})
	text := strings.Repeat("copy", 700_000)
	id := putString(t, s, text)
	to := filepath.Join(t.TempDir(), string(id))
	if err := copyFile(t.Context(), s.path(id), to); err != nil {
		t.Fatal(err)
	}
	if err := verifyFile(t.Context(), to, id); err != nil {
		t.Error(err)
	}
	if err := copyFile(t.Context(), s.path(id), to); err == nil {
		t.Error("a copy over a file that exists is accepted")
	}
}

func TestRestoreNamesDamage(t *testing.T) {
	s := openTemp(t, Options{})
	whole := putString(t, s, "whole")
	bad := putString(t, s, strings.Repeat("x", 2*blockSize))
	if _, err := readString(t, s, bad); err != nil { // now its blocks are marked
		t.Fatal(err)
	}
	f, err := os.OpenFile(s.path(bad), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("y"), blockSize+5); err != nil {
		t.Fatal(err)
	}
	f.Close()
	corrupt := []*driver.CorruptError{{ID: bad, Block: 1}}
	ignore := cmpopts.IgnoreFields(driver.CorruptError{}, "Reason")
	got, ok := errors.AsType[*driver.CorruptError](s.Verify(t.Context(), bad))
	if !ok {
		t.Fatal("Verify found nothing")
	}
	if diff := cmp.Diff(corrupt[0], got, ignore); diff != "" {
		t.Error(diff)
	}
	if _, err := readString(t, s, bad); !errors.Is(err, driver.ErrCorrupt) {
		t.Errorf("after Verify found the damage, reading = %v", err)
	}
	if err := s.Verify(t.Context(), whole); err != nil {
		t.Errorf("Verify of a whole blob = %v", err)
	}
	dir, root := filepath.Join(t.TempDir(), "b"), filepath.Join(t.TempDir(), "r")
	if _, err := s.Backup(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	report, err := Restore(t.Context(), dir, root)
	if err != nil || report.Blobs != 2 {
		t.Errorf("Restore = %+v, %v", report, err)
	}
	if diff := cmp.Diff(corrupt, report.Corrupt, ignore); diff != "" {
		t.Error(diff)
	}
}

func TestOpenRefuses(t *testing.T) {
	write := func(dir, name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name    string
		prepare func(dir string)
		want    string
	}{
		{"something else", func(dir string) { write(dir, "letter.txt", "x") }, "letter.txt"},
		{"another version", func(dir string) { write(dir, formatName, "gigawatt blob files, version 2\n") }, "version 2"},
		{"an empty format", func(dir string) { write(dir, formatName, "") }, "version 1"},
		{"the format is lost", func(dir string) {
			s, err := Open(dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			putString(t, s, "x")
			s.Close()
			os.Remove(filepath.Join(dir, formatName))
		}, "restore a backup"},
		{"open elsewhere", func(dir string) {
			s, err := Open(dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
		}, "another process"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			tt.prepare(dir)
			if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Open = %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestOpenCleans(t *testing.T) {
	s := openTemp(t, Options{NamedTemp: true})
	id := putString(t, s, "kept")
	w, err := s.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 2*bufSize)); err != nil {
		t.Fatal(err)
	}
	s.Close() // as if the process had died here
	again, err := Open(s.root, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	left, err := os.ReadDir(filepath.Join(s.root, tmpName))
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if got, err := readString(t, again, id); got != "kept" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
}

// TestEmptyDirectoriesGo looks at what is left of blobs that were deleted.
func TestEmptyDirectoriesGo(t *testing.T) {
	clk := clock.NewManual(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	s := openTemp(t, Options{Clock: clk})
	for range 5 {
		clk.Advance(100 * time.Hour)
		if err := s.Delete(t.Context(), putString(t, s, "x")); err != nil {
			t.Fatal(err)
		}
		old := putString(t, s, "y")
		clk.Advance(100 * time.Hour)
		putString(t, s, "z")
		if err := s.Delete(t.Context(), old); err != nil {
			t.Fatal(err)
		}
	}
	tops, err := subdirs(s.root, topDigits)
	if err != nil || len(tops) != 5 {
		t.Errorf("%d directories for 5 blobs: %v", len(tops), err)
	}
}
