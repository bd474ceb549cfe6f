package drivertest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/gigawatt-cloud/gigawatt/blob"
	"github.com/gigawatt-cloud/gigawatt/blob/driver"
)

const (
	crashDirVar    = "GIGAWATT_TEST_CRASH_DIR"
	crashRoundsVar = "GIGAWATT_TEST_CRASH_ROUNDS"
	crashWriters   = 4
)

// Crash starts the test anew as a process that writes to a store, kills it with
// SIGKILL at some moment, and opens what is left: every blob whose Commit had
// returned is there and whole, every other that is there is whole too, there
// are no more of those than there were writers, and nothing else is left, as
// litter tells. It does this 5 times, or as often as GIGAWATT_TEST_CRASH_ROUNDS says.
func Crash(t *testing.T, open func(dir string) (driver.Store, error), litter func(t testing.TB, dir string) []string) {
	if dir := os.Getenv(crashDirVar); dir != "" {
		writeUntilKilled(t, dir, open)
		return
	}
	rounds := 5
	if v := os.Getenv(crashRoundsVar); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatalf("%s: %v", crashRoundsVar, err)
		}
		rounds = n
	}
	c := &crash{dir: t.TempDir(), acked: map[blob.ID]uint64{}, deleting: map[blob.ID]bool{}}
	orphans := 0
	for round := range rounds {
		c.run(t, 1+rand.IntN(60))
		d, err := open(c.dir)
		if err != nil {
			t.Fatalf("round %d: open after the crash: %v", round, err)
		}
		orphans += c.check(t, round, blob.New(d))
		if left := litter(t, c.dir); len(left) > 0 {
			t.Errorf("round %d: left behind: %v", round, left)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d crashes, %d blobs kept, %d orphans swept", rounds, len(c.acked), orphans)
}

type crash struct {
	dir      string
	acked    map[blob.ID]uint64 // the seed of the content
	deleting map[blob.ID]bool   // Delete was called; it may have happened
}

// run starts a process and kills it after that many commits.
func (c *crash) run(t *testing.T, commits int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	pattern := "^" + strings.ReplaceAll(t.Name(), "/", "$/^") + "$"
	cmd := exec.CommandContext(t.Context(), self, "-test.run="+pattern, "-test.count=1")
	cmd.Env = append(os.Environ(), crashDirVar+"="+c.dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for in := bufio.NewReader(out); ; {
		line, err := in.ReadString('\n')
		if err != nil {
			break // what comes before the error is half a line
		}
		var id blob.ID
		var seed uint64
		switch {
		case scan(line, "put %s %d", &id, &seed):
			c.acked[id] = seed
			if seen++; seen == commits {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		case scan(line, "delete %s", &id):
			c.deleting[id] = true
		case strings.HasPrefix(line, "failed"):
			t.Error(line)
		}
	}
	if err := cmd.Wait(); err == nil || seen < commits {
		t.Fatalf("the writing process ended by itself after %d commits: %v", seen, err)
	}
}

func scan(line, format string, into ...any) bool {
	_, err := fmt.Sscanf(line, format, into...)
	return err == nil
}

// check looks at what a crash left, sweeps the orphans and returns their number.
func (c *crash) check(t *testing.T, round int, s *blob.Store) int {
	t.Helper()
	for id, seed := range c.acked {
		got, err := read(t, s, id, 0, -1)
		if c.deleting[id] && errors.Is(err, blob.ErrNotFound) {
			delete(c.acked, id)
			continue
		}
		if want := crashContent(seed); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("round %d: the committed blob %s: %d bytes of %d, %v", round, id, len(got), len(want), err)
		}
	}
	orphans := 0
	_, err := s.Sweep(t.Context(), farFuture, func(i blob.Info) (bool, error) {
		if _, ok := c.acked[i.ID]; ok {
			return true, nil
		}
		if got, err := read(t, s, i.ID, 0, -1); err != nil || int64(len(got)) != i.Size {
			t.Errorf("round %d: the orphan %s of %d bytes: read %d, %v", round, i.ID, i.Size, len(got), err)
		}
		if !c.deleting[i.ID] {
			orphans++
		}
		return false, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if orphans > crashWriters {
		t.Errorf("round %d: %d orphans of %d writers", round, orphans, crashWriters)
	}
	return orphans
}

// crashContent has sizes of a few bytes, of a part of a block, and of some blocks.
func crashContent(seed uint64) []byte {
	n := [...]uint64{5000, 200_000, 3 * mb, 100}[seed%4]
	return content(seed, int(seed/4%n))
}

// writeUntilKilled tells on standard output what it has committed, and before
// it deletes. It ends when the parent is gone.
func writeUntilKilled(t *testing.T, dir string, open func(dir string) (driver.Store, error)) {
	d, err := open(dir)
	if err != nil {
		fmt.Println("failed:", err)
		return
	}
	s := blob.New(d)
	var wg sync.WaitGroup
	for range crashWriters {
		wg.Go(func() {
			for n := 0; ; n++ {
				seed := rand.Uint64()
				id, _, err := s.Put(t.Context(), io.MultiReader(bytes.NewReader(crashContent(seed))))
				if err != nil {
					fmt.Println("failed:", err)
					return
				}
				// A line is one write, so lines of writers do not mix.
				if _, err := fmt.Printf("put %s %d\n", id, seed); err != nil {
					return
				}
				if n%5 != 0 {
					continue
				}
				fmt.Printf("delete %s\n", id)
				if err := s.Delete(t.Context(), id); err != nil {
					fmt.Println("failed:", err)
					return
				}
			}
		})
	}
	wg.Wait()
}
