package pebblekv

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/gigawatt-cloud/gigawatt/kv"
)

func waitALittle() { time.Sleep(retryEvery / 10) }

// fullDisk is a file system in memory that can run out of space.
func fullDisk() (fs vfs.FS, full *errorfs.Toggle) {
	full = &errorfs.Toggle{Injector: errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpFileWrite, errorfs.OpCreate, errorfs.OpLink, errorfs.OpRename:
			return syscall.ENOSPC
		}
		return nil
	})}
	return inject(vfs.NewMem(), full), full
}

// inject has every file of fs fail as inj says.
func inject(fs vfs.FS, inj errorfs.Injector) vfs.FS { return freshFS{errorfs.Wrap(fs, inj)} }

// freshFS makes new files instead of reusing old ones, in which errorfs
// injects no errors.
type freshFS struct{ *errorfs.FS }

func (f freshFS) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := f.Remove(old); err != nil {
		return nil, err
	}
	return f.Create(name, c)
}

// While the disk is full clients get errors, and can read; when there is
// space again, all goes on, and nothing acknowledged was lost.
func TestFullDisk(t *testing.T) {
	fs, full := fullDisk()
	db, err := Open("store", Options{fs: fs, MemTableBytes: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	acked := map[int]bool{}
	n := 0
	write := func() error {
		n++
		err := putPair(db, n)
		if err == nil {
			acked[n] = true
		}
		return err
	}
	for range 3 {
		for range 400 {
			if err := write(); err != nil {
				t.Fatal(err)
			}
		}
		full.On()
		for range 50 {
			if err := write(); !errors.Is(err, kv.ErrFull) {
				t.Fatalf("a write to a full disk: %v", err)
			}
		}
		if err := db.Health(); !errors.Is(err, kv.ErrFull) {
			t.Errorf("health with a full disk: %v", err)
		}
		if err := readAcked(db, acked); err != nil {
			t.Errorf("reading with a full disk: %v", err)
		}
		full.Off()
		for err = write(); errors.Is(err, kv.ErrFull); err = write() { // until it was noticed
			waitALittle()
		}
		if err != nil {
			t.Fatalf("a write after there is space: %v", err)
		}
		if err := db.Health(); err != nil {
			t.Errorf("health after there is space: %v", err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if db, err = Open("store", Options{fs: fs}); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := checkPairs(db, acked); err != nil {
		t.Error(err)
	}
}

// readAcked reads rows that were acknowledged, one by one: a scan would meet
// rows whose commit is still on its way to the full disk.
func readAcked(db *kv.DB, acked map[int]bool) error {
	for i := range acked {
		err := db.View(context.Background(), func(tx *kv.Tx) error {
			_, err := tx.Get(kv.K("a", i))
			return err
		})
		if err != nil {
			return fmt.Errorf("row %d: %w", i, err)
		}
	}
	return nil
}

// With many clients at once every one of them gets an answer, and so does
// whoever closes the store meanwhile.
func TestFullDiskUnderLoad(t *testing.T) {
	fs, full := fullDisk()
	db, err := Open("store", Options{fs: fs, MemTableBytes: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	var (
		mu      sync.Mutex
		wg      sync.WaitGroup
		acked   = map[int]bool{}
		refused int
	)
	for w := range 16 {
		wg.Go(func() {
			for i := range 100 {
				n := w*1000 + i
				err := putPair(db, n)
				mu.Lock()
				switch {
				case err == nil:
					acked[n] = true
				case errors.Is(err, kv.ErrFull):
					refused++
				default:
					t.Errorf("pair %d: %v", n, err)
				}
				if len(acked) == 500 {
					full.On()
				}
				mu.Unlock()
				if err != nil {
					waitALittle()
				}
			}
		})
	}
	wg.Wait()
	if refused == 0 {
		t.Error("nobody noticed that the disk was full")
	}
	if err := readAcked(db, acked); err != nil {
		t.Error(err)
	}
	if err := db.Close(); !errors.Is(err, kv.ErrFull) {
		t.Errorf("closing with a full disk: %v", err)
	}
	full.Off() // lets what still waits come to its end
}

// Below the reserve only what deletes is taken, and below a quarter nothing.
func TestReserve(t *testing.T) {
	fs := vfs.NewMem()
	db, err := Open("store", Options{fs: fs, ReserveBytes: 100 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	put := func(tx *kv.Tx) error { return tx.Put([]byte("a"), []byte("1")) }
	move := func(tx *kv.Tx) error { return errors.Join(tx.Delete([]byte("a")), tx.Put([]byte("b"), nil)) }
	for _, c := range []struct {
		free      uint64
		put, move bool
	}{{1 << 40, true, true}, {99 << 20, false, true}, {20 << 20, false, false}, {100 << 20, true, true}} {
		fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: c.free})
		for name, fn := range map[string]struct {
			fn func(*kv.Tx) error
			ok bool
		}{"put": {put, c.put}, "move": {move, c.move}} {
			err := db.Update(t.Context(), fn.fn)
			for range 1000 { // the free space is looked at now and then
				if (err == nil) == fn.ok {
					break
				}
				waitALittle()
				err = db.Update(t.Context(), fn.fn)
			}
			if (err == nil) != fn.ok || err != nil && !errors.Is(err, kv.ErrFull) {
				t.Errorf("%s with %d bytes free: %v", name, c.free, err)
			}
		}
		if err := db.Health(); errors.Is(err, kv.ErrFull) != !c.put {
			t.Errorf("health with %d bytes free: %v", c.free, err)
		}
	}
}

// An error of the disk that is not about space stops the store, with an error
// for everybody, and what was acknowledged is there after a restart.
func TestBrokenDisk(t *testing.T) {
	broken := &errorfs.Toggle{Injector: errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileWrite {
			return syscall.EIO
		}
		return nil
	})}
	mem := vfs.NewCrashableMem()
	db, err := Open("store", Options{fs: inject(mem, broken)})
	if err != nil {
		t.Fatal(err)
	}
	acked := map[int]bool{}
	for i := range 50 {
		if err := putPair(db, i); err != nil {
			t.Fatal(err)
		}
		acked[i] = true
	}
	broken.On()
	for i := range 20 {
		if err := putPair(db, 100+i); err == nil {
			t.Fatal("a write to a broken disk was acknowledged")
		}
	}
	broken.Off()
	if err := putPair(db, 200); err == nil {
		t.Error("a write was acknowledged after others were lost")
	}
	if db.Health() == nil {
		t.Error("the store says that it is well")
	}
	after, err := Open("store", Options{fs: mem.CrashClone(vfs.CrashCloneCfg{})})
	if err != nil {
		t.Fatal(err)
	}
	defer after.Close()
	if err := checkPairs(after, acked); err != nil {
		t.Error(err)
	}
}
