package pebblekv

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/gigawatt-cloud/gigawatt/kv"
)

// crashChild is the environment variable that makes the test binary the
// victim: it names the directory to write to.
const crashChild = "GIGAWATT_TEST_CRASH_DIR"

// crashRounds is the environment variable with the number of times that
// TestKill kills; 5 when it is not set, and 50 for the long form.
const crashRounds = "GIGAWATT_TEST_CRASH_ROUNDS"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashChild); dir != "" {
		if err := crashWriter(dir, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// crashWriter writes pairs of rows from many goroutines and prints the number
// of each pair that was acknowledged, until it is killed.
func crashWriter(dir string, out io.Writer) error {
	db, err := Open(dir, Options{MemTableBytes: 1 << 20}) // so that files are written too
	if err != nil {
		return err
	}
	next, err := lastPair(db)
	if err != nil {
		return err
	}
	var (
		n   atomic.Int64
		mu  sync.Mutex
		wg  sync.WaitGroup
		bad error
	)
	n.Store(int64(next))
	for range 16 {
		wg.Go(func() {
			for {
				i := int(n.Add(1))
				err := putPair(db, i)
				mu.Lock()
				if err != nil {
					bad = err
				} else {
					_, err = fmt.Fprintln(out, i)
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return bad
}

// putPair commits two rows whose value follows from their number.
func putPair(db *kv.DB, i int) error {
	value := pairValue(i)
	return db.Update(context.Background(), func(tx *kv.Tx) error {
		return errors.Join(tx.Put(kv.K("a", i), value), tx.Put(kv.K("b", i), value))
	})
}

func pairValue(i int) []byte { return []byte(strings.Repeat(strconv.Itoa(i)+" ", 150)) }

// lastPair returns the greatest number of a pair.
func lastPair(db *kv.DB) (last int, err error) {
	err = db.View(context.Background(), func(tx *kv.Tx) error {
		r := kv.PrefixRange(kv.K("a"))
		r.Reverse, r.Limit = true, 1
		for p, err := range tx.Scan(r) {
			if err != nil {
				return err
			}
			parts, err := p.Key.Decode()
			if err != nil {
				return err
			}
			last = int(parts[1].(int64))
		}
		return nil
	})
	return last, err
}

// checkPairs says whether the pairs that must be there are, whole, and no other is half there.
func checkPairs(db *kv.DB, must map[int]bool) error {
	return db.View(context.Background(), func(tx *kv.Tx) error {
		for i := range must {
			for _, side := range []string{"a", "b"} {
				if v, err := tx.Get(kv.K(side, i)); err != nil || string(v) != string(pairValue(i)) {
					return fmt.Errorf("the acknowledged row %s %d: %.20q, %w", side, i, v, err)
				}
			}
		}
		n := map[string]int{}
		for _, side := range []string{"a", "b"} {
			for _, err := range tx.Scan(kv.PrefixRange(kv.K(side))) {
				if err != nil {
					return err
				}
				n[side]++
			}
		}
		if n["a"] != n["b"] || n["a"] < len(must) {
			return fmt.Errorf("half a transaction is there: %v", n)
		}
		return nil
	})
}

// TestKill kills a process that writes, again and again, and finds every
// acknowledged row.
func TestKill(t *testing.T) {
	rounds := 5
	if s := os.Getenv(crashRounds); s != "" {
		var err error
		if rounds, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(t.TempDir(), "store")
	acked := map[int]bool{}
	for round := range rounds {
		killWriter(t, dir, 50+rand.IntN(1500), acked)
		db, err := Open(dir, Options{})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if err := checkPairs(db, acked); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d kills, %d acknowledged transactions", rounds, len(acked))
}

// killWriter runs a writer until it has acknowledged n pairs, which it notes.
func killWriter(t *testing.T, dir string, n int, acked map[int]bool) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), crashChild+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	for seen := 0; ; seen++ {
		if seen == n {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		line, err := lines.ReadString('\n') // what it had still printed counts too
		if err != nil {
			if seen < n {
				t.Fatalf("the writer ended by itself after %d rows", seen)
			}
			break
		}
		i, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		acked[i] = true
	}
	_ = cmd.Wait() // it was killed
}

// TestPowerLoss takes what a disk may hold after the power has failed, in
// which any part of what was not synced may be missing, and finds every row
// that was acknowledged or shown before.
func TestPowerLoss(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 2))
			fs := vfs.NewCrashableMem()
			must := map[int]bool{}
			next := 1
			for range 3 {
				fs = loseOnce(t, fs, r, must, &next)
			}
		})
	}
}

// loseOnce opens the store in fs, checks it, writes to it from many
// goroutines, and returns what is left after a loss of power meanwhile.
func loseOnce(t *testing.T, fs *vfs.MemFS, r *rand.Rand, must map[int]bool, next *int) *vfs.MemFS {
	t.Helper()
	db, err := Open("store", Options{fs: fs, MemTableBytes: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	if err := checkPairs(db, must); err != nil {
		t.Fatal(err)
	}
	w := &powerWriters{db: db, acked: map[int]bool{}, first: *next}
	w.n.Store(int64(*next - 1))
	for range 8 {
		w.wg.Go(w.write)
	}
	w.wg.Go(w.watch)
	for until := int64(*next + 50 + r.IntN(400)); w.n.Load() < until && w.failure() == nil; {
		w.pause()
	}
	w.mu.Lock() // acknowledged before the clone is begun
	for i := range w.acked {
		must[i] = true
	}
	w.mu.Unlock()
	left := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 30, 70}[r.IntN(3)], RNG: r})
	w.stop.Store(true)
	w.wg.Wait()
	*next = int(w.n.Load()) + 1
	if err := errors.Join(w.failure(), db.Close()); err != nil {
		t.Fatal(err)
	}
	return left
}

type powerWriters struct {
	db    *kv.DB
	first int
	n     atomic.Int64
	stop  atomic.Bool
	wg    sync.WaitGroup

	mu    sync.Mutex
	acked map[int]bool // or shown
	bad   error
}

func (w *powerWriters) write() {
	for !w.stop.Load() {
		i := int(w.n.Add(1))
		w.note(i, putPair(w.db, i))
	}
}

// watch notes rows that a read-only transaction has shown.
func (w *powerWriters) watch() {
	for !w.stop.Load() {
		i := int(w.n.Load())
		err := w.db.View(context.Background(), func(tx *kv.Tx) error {
			_, err := tx.Get(kv.K("b", i))
			return err
		})
		if !errors.Is(err, kv.ErrNotFound) && i >= w.first {
			w.note(i, err)
		}
	}
}

func (w *powerWriters) note(i int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.bad = err
		w.stop.Store(true)
		return
	}
	w.acked[i] = true
}

func (w *powerWriters) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.bad
}

// pause lets the writers go on for a moment.
func (w *powerWriters) pause() { waitALittle() }
