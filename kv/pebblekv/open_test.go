package pebblekv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"github.com/gigawatt-cloud/gigawatt/kv"
)

// fill opens a store, writes rows and closes it. It returns the directory.
func fillStore(t *testing.T, rows int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "deep", "store")
	db, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	writeRows(t, db, 0, rows)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func writeRows(t *testing.T, db *kv.DB, from, to int) {
	t.Helper()
	for at := from; at < to; at += 500 {
		err := db.Update(context.Background(), func(tx *kv.Tx) error {
			for i := at; i < min(at+500, to); i++ {
				if err := tx.Put(fmt.Appendf(nil, "row/%06d", i), fmt.Appendf(nil, "%0200d", i)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// checkRows reads all rows, and says why that fails.
func checkRows(db *kv.DB, want int) error {
	return db.View(context.Background(), func(tx *kv.Tx) error {
		n := 0
		for p, err := range tx.Scan(kv.PrefixRange([]byte("row/"))) {
			if err != nil {
				return err
			}
			if key, value := fmt.Sprintf("row/%06d", n), fmt.Sprintf("%0200d", n); string(p.Key) != key || string(p.Value) != value {
				return fmt.Errorf("row %d is %q", n, p.Key)
			}
			n++
		}
		if n != want {
			return fmt.Errorf("%d rows, want %d", n, want)
		}
		return nil
	})
}

// find returns the files of a store whose names match a pattern.
func find(t *testing.T, dir, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, storeDir, pattern))
	if err != nil || len(names) == 0 {
		t.Fatalf("no file %s: %v", pattern, err)
	}
	return names
}

func remove(t *testing.T, names ...string) {
	t.Helper()
	for _, n := range names {
		if err := os.RemoveAll(n); err != nil {
			t.Fatal(err)
		}
	}
}

// flip changes one byte in the middle of a file.
func flip(t *testing.T, name string) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 0x55
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// largest returns the largest of some files.
func largest(t *testing.T, names []string) string {
	t.Helper()
	size := func(name string) int64 {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	return slices.MaxFunc(names, func(a, b string) int { return int(size(a) - size(b)) })
}

// A directory that has lost or changed something is refused, and never taken for empty.
func TestOpenRefusesDamage(t *testing.T) {
	for name, harm := range map[string]func(t *testing.T, dir string){
		"manifest marker gone": func(t *testing.T, dir string) { remove(t, find(t, dir, "marker.manifest.*")...) },
		"manifest gone":        func(t *testing.T, dir string) { remove(t, find(t, dir, "MANIFEST-*")...) },
		"manifest changed":     func(t *testing.T, dir string) { flip(t, find(t, dir, "MANIFEST-*")[0]) },
		"manifest empty": func(t *testing.T, dir string) {
			if err := os.Truncate(find(t, dir, "MANIFEST-*")[0], 0); err != nil {
				t.Fatal(err)
			}
		},
		"log gone":       func(t *testing.T, dir string) { remove(t, find(t, dir, "*.log")...) },
		"table gone":     func(t *testing.T, dir string) { remove(t, largest(t, find(t, dir, "*.sst"))) },
		"store gone":     func(t *testing.T, dir string) { remove(t, filepath.Join(dir, storeDir)) },
		"store is empty": func(t *testing.T, dir string) { remove(t, find(t, dir, "*")...) },
		"everything but the tables gone": func(t *testing.T, dir string) {
			remove(t, filepath.Join(dir, markerFile))
			for _, f := range find(t, dir, "*") {
				if !strings.HasSuffix(f, ".sst") {
					remove(t, f)
				}
			}
		},
		"log changed": func(t *testing.T, dir string) {
			// A store that was not closed has its newest rows in the log.
			crashed := openEngine(t)
			for i := range 2000 {
				if err := crashed.db.Set(fmt.Appendf(nil, "row/%06d", i), make([]byte, 200), pebble.Sync); err != nil {
					t.Fatal(err)
				}
			}
			remove(t, filepath.Join(dir, storeDir))
			if err := os.CopyFS(filepath.Join(dir, storeDir), os.DirFS(filepath.Join(crashed.dir, storeDir))); err != nil {
				t.Fatal(err)
			}
			flip(t, largest(t, find(t, dir, "*.log")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := fillStore(t, 60_000)
			harm(t, dir)
			db, err := Open(dir, Options{})
			if err == nil {
				t.Errorf("opened, and reading says: %v", checkRows(db, 60_000))
				_ = db.Close()
				return
			}
			if !errors.Is(err, kv.ErrDamaged) || !strings.Contains(err.Error(), "gigawatt restore") {
				t.Errorf("the error does not help: %v", err)
			}
			if _, err := Open(dir, Options{}); !errors.Is(err, kv.ErrDamaged) {
				t.Errorf("the second attempt: %v", err)
			}
		})
	}
}

// A changed byte in a table is found when the table is read, if not before.
func TestDamagedTableIsNotRead(t *testing.T) {
	dir := fillStore(t, 60_000)
	flip(t, largest(t, find(t, dir, "*.sst")))
	db, err := Open(dir, Options{})
	if err == nil {
		err = checkRows(db, 60_000)
		if herr := db.Health(); !errors.Is(herr, kv.ErrDamaged) {
			t.Errorf("health after reading damaged rows: %v", herr)
		}
		_ = db.Close()
	}
	if !errors.Is(err, kv.ErrDamaged) {
		t.Errorf("reading a changed table: %v", err)
	}
}

func TestOpenTwice(t *testing.T) {
	dir := t.TempDir()
	db, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(dir, Options{})
	if err == nil || !strings.Contains(err.Error(), "another gigawatt has it open") {
		t.Errorf("opened twice: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if db, err = Open(dir, Options{}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpenFormat(t *testing.T) {
	for value, want := range map[string]string{"2": "has format 2", "x": "damaged"} {
		dir := fillStore(t, 10)
		e := &engine{dir: dir, fs: &patientFS{FS: Options{}.withDefaults().fs}}
		if err := e.open(Options{}.withDefaults()); err != nil {
			t.Fatal(err)
		}
		if err := e.db.Set(formatKey, []byte(value), pebble.Sync); err != nil {
			t.Fatal(err)
		}
		if err := e.closeAll(); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("format %q: %v", value, err)
		}
	}
}

// A first start that was interrupted leaves nothing that hinders the second.
func TestOpenAfterInterruptedCreation(t *testing.T) {
	for name, undo := range map[string]func(t *testing.T, e *engine){
		"before the store": func(t *testing.T, e *engine) { remove(t, filepath.Join(e.dir, storeDir)) },
		"before the manifest": func(t *testing.T, e *engine) {
			remove(t, find(t, e.dir, "*")...)
		},
		"before the format": func(t *testing.T, e *engine) {
			opts := Options{}.withDefaults()
			if err := e.start(opts, true); err != nil {
				t.Fatal(err)
			}
			if err := e.db.Delete(formatKey, pebble.Sync); err != nil {
				t.Fatal(err)
			}
			if err := e.closeAll(); err != nil {
				t.Fatal(err)
			}
		},
		"before the mark": func(*testing.T, *engine) {},
	} {
		t.Run(name, func(t *testing.T) {
			dir := fillStore(t, 0)
			remove(t, filepath.Join(dir, markerFile))
			undo(t, &engine{dir: dir, fs: &patientFS{FS: Options{}.withDefaults().fs}})
			for range 2 {
				db, err := Open(dir, Options{})
				if err != nil {
					t.Fatal(err)
				}
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestBackupAndRestore(t *testing.T) {
	dir := t.TempDir()
	db, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	writeRows(t, db, 0, 40_000)
	backup := filepath.Join(t.TempDir(), "backup")
	stop, written := make(chan struct{}), make(chan error)
	go func() { // the backup is of one moment, while writing goes on
		var err error
		for i := 0; err == nil; i++ {
			select {
			case <-stop:
				written <- err
				return
			default:
			}
			err = db.Update(context.Background(), func(tx *kv.Tx) error {
				return errors.Join(tx.Put([]byte("pair/a"), fmt.Append(nil, i)), tx.Put([]byte("pair/b"), fmt.Append(nil, i)))
			})
		}
		written <- err
	}()
	err = db.Backup(t.Context(), backup)
	close(stop)
	if err := errors.Join(err, <-written); err != nil {
		t.Fatal(err)
	}
	writeRows(t, db, 40_000, 40_500)
	if err := db.Backup(t.Context(), backup); err == nil {
		t.Error("a backup over another")
	}

	restored := filepath.Join(t.TempDir(), "restored")
	if err := Restore(backup, restored); err != nil {
		t.Fatal(err)
	}
	if err := Restore(backup, restored); err == nil {
		t.Error("restored over a store")
	}
	copied, err := Open(restored, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer copied.Close()
	if err := checkRows(copied, 40_000); err != nil {
		t.Error(err)
	}
	err = copied.View(t.Context(), func(tx *kv.Tx) error {
		a, aerr := tx.Get([]byte("pair/a"))
		b, berr := tx.Get([]byte("pair/b"))
		if string(a) != string(b) || !errors.Is(aerr, berr) {
			return fmt.Errorf("half a transaction was backed up: %s %v, %s %v", a, aerr, b, berr)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestRestoreVerifies(t *testing.T) {
	db, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	writeRows(t, db, 0, 20_000)
	for name, harm := range map[string]func(t *testing.T, backup string){
		"no manifest":       func(t *testing.T, b string) { remove(t, filepath.Join(b, manifestFile)) },
		"manifest changed":  func(t *testing.T, b string) { flip(t, filepath.Join(b, manifestFile)) },
		"a file is missing": func(t *testing.T, b string) { remove(t, find(t, b, "MANIFEST-*")[0]) },
		"a byte changed":    func(t *testing.T, b string) { flip(t, largest(t, find(t, b, "*.log"))) },
		"a path that leads out": func(t *testing.T, b string) {
			name := filepath.Join(b, manifestFile)
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			text := strings.Replace(string(data), `"MANIFEST-`, `"../MANIFEST-`, 1)
			if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			backup, target := filepath.Join(t.TempDir(), "b"), filepath.Join(t.TempDir(), "t")
			if err := db.Backup(t.Context(), backup); err != nil {
				t.Fatal(err)
			}
			harm(t, backup)
			if err := Restore(backup, target); !errors.Is(err, kv.ErrDamaged) {
				t.Errorf("restored: %v", err)
			}
			if _, err := os.Stat(filepath.Join(target, storeDir)); err == nil {
				t.Error("a store was left behind")
			}
		})
	}
}
