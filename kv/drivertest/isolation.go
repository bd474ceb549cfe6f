package drivertest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/kv/driver"
)

func testSnapshot(t *testing.T, s Store) {
	d := open(t, s)
	put(t, d, "a", "1", "b", "1")
	for _, mode := range []driver.Mode{driver.ReadOnly, driver.ReadWrite} {
		tx := begin(t, d, mode)
		equal(t, "before", "1", get(t, tx, "a"))
		put(t, d, "a", "2", "b", "2", "c", "2")
		equal(t, "a row that was read again", "1", get(t, tx, "a"))
		equal(t, "a row that changed since", "1", get(t, tx, "b"))
		equal(t, "all rows", []string{"a=1", "b=1"}, scan(t, tx, driver.Range{End: []byte{0xff}}))
		must(t, tx.Confirm(t.Context()))
		tx.Close()
		undo := begin(t, d, driver.ReadWrite)
		must(t, undo.Put([]byte("a"), []byte("1")))
		must(t, undo.Put([]byte("b"), []byte("1")))
		must(t, undo.Delete([]byte("c")))
		must(t, undo.Commit(t.Context(), nil))
		undo.Close()
	}
}

func wantConflict(t *testing.T, tx driver.Tx) {
	t.Helper()
	if err := tx.Commit(context.Background(), nil); !errors.Is(err, driver.ErrConflict) {
		t.Errorf("commit: %v, want a conflict", err)
	}
}

func testLostUpdate(t *testing.T, s Store) {
	d := open(t, s)
	put(t, d, "n", "1")
	for _, change := range []string{"2", "1", "-"} {
		tx := begin(t, d, driver.ReadWrite)
		get(t, tx, "n")
		other := begin(t, d, driver.ReadWrite)
		if change == "-" {
			must(t, other.Delete([]byte("n")))
		} else {
			must(t, other.Put([]byte("n"), []byte(change)))
		}
		must(t, other.Commit(t.Context(), nil))
		other.Close()
		must(t, tx.Put([]byte("n"), []byte("mine")))
		wantConflict(t, tx)
		tx.Close()
		equal(t, "rows after the conflict", change != "-", len(all(t, d)) == 1)
	}
	// A row that was missing is read as well.
	tx := begin(t, d, driver.ReadWrite)
	defer tx.Close()
	equal(t, "no row", "-", get(t, tx, "n"))
	put(t, d, "n", "2")
	must(t, tx.Put([]byte("n"), []byte("mine")))
	wantConflict(t, tx)
	equal(t, "after the conflicts", []string{"n=2"}, all(t, d))
}

func testWriteSkew(t *testing.T, s Store) {
	d := open(t, s)
	put(t, d, "a", "on", "b", "on")
	one, two := begin(t, d, driver.ReadWrite), begin(t, d, driver.ReadWrite)
	defer one.Close()
	defer two.Close()
	get(t, one, "b")
	get(t, two, "a")
	must(t, one.Put([]byte("a"), []byte("off")))
	must(t, two.Put([]byte("b"), []byte("off")))
	must(t, one.Commit(t.Context(), nil))
	wantConflict(t, two)
	equal(t, "rows", []string{"a=off", "b=on"}, all(t, d))
}

func testPhantom(t *testing.T, s Store) {
	d := open(t, s)
	for i, c := range []struct {
		r     driver.Range
		steps int // of the scan; 0 is all
		key   string
	}{
		{driver.Range{Start: []byte("b"), End: []byte("d")}, 0, "bb"},
		{driver.Range{Start: []byte("b"), End: []byte("d")}, 0, "b"},
		{driver.Range{Start: []byte("x"), End: []byte("z")}, 0, "y"}, // an empty range
		{driver.Range{Start: []byte("b"), End: []byte("d"), Reverse: true}, 0, "bb"},
		{driver.Range{Start: []byte("a"), End: []byte("e"), Limit: 2}, 0, "b"},
		{driver.Range{Start: []byte("a"), End: []byte("e"), Limit: 2}, 0, "ab"},
		{driver.Range{Start: []byte("a"), End: []byte("e"), Limit: 2, Reverse: true}, 0, "cc"},
		{driver.Range{Start: []byte("a"), End: []byte("e")}, 2, "b"},
		{driver.Range{Start: []byte("a"), End: []byte("e"), Reverse: true}, 2, "c"},
		{driver.Range{Start: []byte("a"), End: []byte("e"), Reverse: true}, 1, "dd"},
	} {
		must(t, d.Reset(t.Context()))
		put(t, d, "a", "", "b", "", "c", "", "d", "")
		tx := begin(t, d, driver.ReadWrite)
		readSome(tx, c.r, c.steps)
		put(t, d, c.key, "new")
		must(t, tx.Put([]byte("sum"), nil))
		if err := tx.Commit(t.Context(), nil); !errors.Is(err, driver.ErrConflict) {
			t.Errorf("case %d: a row that came into what was scanned: %v", i, err)
		}
		tx.Close()
	}
}

// readSome takes steps of a scan, or all when steps is 0.
func readSome(tx driver.Tx, r driver.Range, steps int) {
	it := tx.Scan(r)
	defer it.Close()
	for n := 0; (steps == 0 || n < steps) && it.Next(); n++ {
		continue
	}
}

// A scan that stopped early has not read the rest, and conflicts with nothing there.
func testScanReadsNoMore(t *testing.T, s Store) {
	d := open(t, s)
	put(t, d, "a", "", "b", "", "c", "", "d", "")
	for i, c := range []struct {
		r     driver.Range
		steps int
		key   string
	}{
		{driver.Range{Limit: 2, End: []byte("e")}, 0, "bb"},
		{driver.Range{Limit: 2, End: []byte("e"), Reverse: true}, 0, "bb"},
		{driver.Range{End: []byte("e")}, 1, "aa"},
		{driver.Range{End: []byte("e"), Reverse: true}, 1, "cc"},
		{driver.Range{Start: []byte("b"), End: []byte("c")}, 0, "c"},
		{driver.Range{Start: []byte("b"), End: []byte("c")}, 0, "aaa"},
	} {
		tx := begin(t, d, driver.ReadWrite)
		readSome(tx, c.r, c.steps)
		put(t, d, c.key, "new")
		must(t, tx.Put([]byte("sum"), nil))
		if err := tx.Commit(t.Context(), nil); err != nil {
			t.Errorf("case %d: a row beyond what was read: %v", i, err)
		}
		tx.Close()
		undo := begin(t, d, driver.ReadWrite)
		must(t, undo.Delete([]byte("sum")))
		if c.key != "c" {
			must(t, undo.Delete([]byte(c.key)))
		}
		must(t, undo.Commit(t.Context(), nil))
		undo.Close()
	}
}

func testBlindWrites(t *testing.T, s Store) {
	d := open(t, s)
	one, two := begin(t, d, driver.ReadWrite), begin(t, d, driver.ReadWrite)
	defer one.Close()
	defer two.Close()
	must(t, one.Put([]byte("a"), []byte("1")))
	must(t, two.Put([]byte("a"), []byte("2")))
	equal(t, "a row of one's own", "1", get(t, one, "a")) // which depends on nobody
	must(t, two.Commit(t.Context(), nil))
	must(t, one.Commit(t.Context(), nil))
	equal(t, "rows", []string{"a=1"}, all(t, d))
}

func testExclusive(t *testing.T, s Store) {
	d := open(t, s)
	put(t, d, "n", "0")
	tx := begin(t, d, driver.Exclusive)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { increment(t, d, driver.ReadWrite) })
		wg.Go(func() { increment(t, d, driver.Exclusive) })
	}
	equal(t, "the row", "0", get(t, tx, "n"))
	must(t, tx.Put([]byte("n"), []byte("100")))
	must(t, tx.Commit(t.Context(), nil))
	tx.Close()
	wg.Wait()
	equal(t, "rows", []string{"n=116"}, all(t, d))
}

// increment adds one to a row, and runs again after a conflict, which an
// exclusive transaction does not have.
func increment(t *testing.T, d driver.DB, mode driver.Mode) {
	for {
		tx, err := d.Begin(context.Background(), mode)
		if err != nil {
			t.Error(err)
			return
		}
		v, err := tx.Get([]byte("n"))
		if err == nil {
			n, _ := strconv.Atoi(string(v))
			err = tx.Put([]byte("n"), strconv.AppendInt(nil, int64(n+1), 10))
		}
		if err == nil {
			err = tx.Commit(context.Background(), nil)
		}
		tx.Close()
		if mode == driver.ReadWrite && errors.Is(err, driver.ErrConflict) {
			continue
		}
		if err != nil {
			t.Error(err)
		}
		return
	}
}

func testExclusiveGivenUp(t *testing.T, s Store) {
	d := open(t, s)
	tx := begin(t, d, driver.Exclusive)
	must(t, tx.Put([]byte("a"), []byte("1")))
	ctx, cancel := context.WithCancel(t.Context())
	waiting := make(chan error)
	go func() {
		_, err := d.Begin(ctx, driver.Exclusive)
		waiting <- err
	}()
	cancel()
	if err := <-waiting; !errors.Is(err, context.Canceled) {
		t.Errorf("waiting for a turn without hope: %v", err)
	}
	tx.Close() // without a commit
	put(t, d, "b", "2")
	next := begin(t, d, driver.Exclusive)
	must(t, next.Delete([]byte("b")))
	must(t, next.Put([]byte("c"), []byte("3")))
	must(t, next.Commit(t.Context(), nil))
	next.Close()
	equal(t, "rows", []string{"c=3"}, all(t, d))
}

// Transactions that all want the same row all come through, through package kv.
func testIncrements(t *testing.T, s Store) {
	d := open(t, s)
	db := kv.New(d)
	const writers, each = 16, 20
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				err := db.Update(context.Background(), func(tx *kv.Tx) error {
					n := 0
					v, err := tx.Get([]byte("n"))
					if err == nil {
						n, err = strconv.Atoi(string(v))
					}
					if err != nil && !errors.Is(err, kv.ErrNotFound) {
						return err
					}
					return tx.Put([]byte("n"), strconv.AppendInt(nil, int64(n+1), 10))
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	equal(t, "rows", []string{fmt.Sprintf("n=%d", writers*each)}, all(t, d))
}
