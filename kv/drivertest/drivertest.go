// Package drivertest says what a driver of package kv must do, as tests and
// benchmarks that each driver runs.
//
// Run is the whole of it: what one transaction sees, what two do to each
// other, the change log, and then random operations compared with a small
// model and concurrent transactions given to a linearizability checker. Bench
// has the benchmarks.
package drivertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/kv/driver"
)

// Store is one store of the driver under test, empty at first.
type Store struct {
	// Open opens the store, which is not open.
	Open func(tb testing.TB) driver.DB
	// Durable says that rows outlive Close.
	Durable bool
}

// Maker makes a store for one test.
type Maker func(tb testing.TB) Store

// Run runs every test.
func Run(t *testing.T, makeStore Maker) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Store)
	}{
		{"Rows", testRows},
		{"OwnWrites", testOwnWrites},
		{"Scan", testScan},
		{"ScanOwnWrites", testScanOwnWrites},
		{"ScanWhileWriting", testScanWhileWriting},
		{"ScanNested", testScanNested},
		{"Undo", testUndo},
		{"Sizes", testSizes},
		{"Snapshot", testSnapshot},
		{"LostUpdate", testLostUpdate},
		{"WriteSkew", testWriteSkew},
		{"Phantom", testPhantom},
		{"ScanReadsNoMore", testScanReadsNoMore},
		{"BlindWrites", testBlindWrites},
		{"Exclusive", testExclusive},
		{"ExclusiveGivenUp", testExclusiveGivenUp},
		{"Increments", testIncrements},
		{"Observe", testObserve},
		{"Changes", testChanges},
		{"ChangesOrder", testChangesOrder},
		{"TrimChanges", testTrimChanges},
		{"Reset", testReset},
		{"ResetConflicts", testResetConflicts},
		{"Reopen", testReopen},
		{"Close", testClose},
		{"Canceled", testCanceled},
		{"Random", testRandom},
		{"Linearizable", testLinearizable},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, makeStore(t))
		})
	}
}

// open opens a store until the end of the test.
func open(tb testing.TB, s Store) driver.DB {
	tb.Helper()
	d := s.Open(tb)
	tb.Cleanup(func() { must(tb, d.Close()) })
	return d
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func begin(tb testing.TB, d driver.DB, mode driver.Mode) driver.Tx {
	tb.Helper()
	tx, err := d.Begin(context.Background(), mode)
	must(tb, err)
	return tx
}

// put commits rows, given as key and value in turn.
func put(tb testing.TB, d driver.DB, rows ...string) {
	tb.Helper()
	tx := begin(tb, d, driver.ReadWrite)
	defer tx.Close()
	for i := 0; i < len(rows); i += 2 {
		must(tb, tx.Put([]byte(rows[i]), []byte(rows[i+1])))
	}
	must(tb, tx.Commit(context.Background(), nil))
}

// get returns the value of a key, or "-".
func get(tb testing.TB, tx driver.Tx, key string) string {
	tb.Helper()
	v, err := tx.Get([]byte(key))
	if errors.Is(err, driver.ErrNotFound) {
		return "-"
	}
	must(tb, err)
	return string(v)
}

// scan returns the rows of a range as key=value.
func scan(tb testing.TB, tx driver.Tx, r driver.Range) []string {
	tb.Helper()
	it := tx.Scan(r)
	defer it.Close()
	rows := []string{}
	for it.Next() {
		rows = append(rows, fmt.Sprintf("%s=%s", it.Key(), it.Value()))
	}
	must(tb, it.Err())
	return rows
}

func all(tb testing.TB, d driver.DB) []string {
	tb.Helper()
	tx := begin(tb, d, driver.ReadOnly)
	defer tx.Close()
	rows := scan(tb, tx, driver.Range{End: []byte{0xff}})
	must(tb, tx.Confirm(context.Background()))
	return rows
}

func equal(tb testing.TB, what string, want, got any) {
	tb.Helper()
	if d := cmp.Diff(want, got); d != "" {
		tb.Errorf("%s: (-want +got)\n%s", what, d)
	}
}

func testRows(t *testing.T, s Store) {
	d := open(t, s)
	put(t, d, "a", "1", "b", "", "c", "3")
	put(t, d, "a", "2")
	tx := begin(t, d, driver.ReadOnly)
	defer tx.Close()
	for key, want := range map[string]string{"a": "2", "b": "", "c": "3", "d": "-", "aa": "-", "\x00": "-"} {
		equal(t, "get "+key, want, get(t, tx, key))
	}
	if err := tx.Put([]byte("x"), nil); !errors.Is(err, driver.ErrReadOnly) {
		t.Errorf("put in a read-only transaction: %v", err)
	}
	if err := tx.Delete([]byte("a")); !errors.Is(err, driver.ErrReadOnly) {
		t.Errorf("delete in a read-only transaction: %v", err)
	}
	must(t, tx.Confirm(t.Context()))
}

func testOwnWrites(t *testing.T, s Store) {
	d := open(t, s)
	put(t, d, "a", "1", "b", "2")
	tx := begin(t, d, driver.ReadWrite)
	defer tx.Close()
	must(t, tx.Put([]byte("c"), []byte("3")))
	must(t, tx.Delete([]byte("a")))
	must(t, tx.Delete([]byte("nothing")))
	must(t, tx.Put([]byte("b"), []byte("4")))
	must(t, tx.Put([]byte("b"), []byte("5")))
	must(t, tx.Delete([]byte("d")))
	must(t, tx.Put([]byte("d"), []byte("6")))
	want := []string{"b=5", "c=3", "d=6"}
	equal(t, "before the commit", want, scan(t, tx, driver.Range{End: []byte{0xff}}))
	equal(t, "a deleted row", "-", get(t, tx, "a"))
	equal(t, "a row written twice", "5", get(t, tx, "b"))
	must(t, tx.Commit(t.Context(), nil))
	equal(t, "after the commit", want, all(t, d))
}

var scanCases = []struct {
	start, end string
	reverse    bool
	limit      int
	want       []string
}{
	{"", "", false, 0, []string{"a=1", "b=2", "b\x00=3", "c=4", "d=5"}},
	{"", "", true, 0, []string{"d=5", "c=4", "b\x00=3", "b=2", "a=1"}},
	{"b", "d", false, 0, []string{"b=2", "b\x00=3", "c=4"}},
	{"b", "d", true, 0, []string{"c=4", "b\x00=3", "b=2"}},
	{"b", "d", false, 2, []string{"b=2", "b\x00=3"}},
	{"b", "d", true, 2, []string{"c=4", "b\x00=3"}},
	{"bb", "", false, 0, []string{"c=4", "d=5"}},
	{"", "bb", false, 0, []string{"a=1", "b=2", "b\x00=3"}},
	{"b", "b\x00", false, 0, []string{"b=2"}},
	{"bb", "bz", false, 0, []string{}},
	{"x", "", true, 1, []string{}},
	{"", "", false, 100, []string{"a=1", "b=2", "b\x00=3", "c=4", "d=5"}},
}

func testScan(t *testing.T, s Store) {
	d := open(t, s)
	put(t, d, "d", "5", "b\x00", "3", "a", "1", "c", "4", "b", "2")
	tx := begin(t, d, driver.ReadOnly)
	defer tx.Close()
	for _, c := range scanCases {
		r := driver.Range{Start: []byte(c.start), End: endOf(c.end), Reverse: c.reverse, Limit: c.limit}
		equal(t, fmt.Sprintf("scan %+v", c), c.want, scan(t, tx, r))
	}
}

// endOf keeps a scan out of what a driver may store behind the callers' keys.
func endOf(end string) []byte {
	if end == "" {
		return []byte{0xff}
	}
	return []byte(end)
}

func testScanOwnWrites(t *testing.T, s Store) {
	d := open(t, s)
	put(t, d, "a", "old", "c", "4", "d", "old", "e", "gone")
	tx := begin(t, d, driver.ReadWrite)
	defer tx.Close()
	for k, v := range map[string]string{"a": "1", "b": "2", "b\x00": "3", "d": "5"} {
		must(t, tx.Put([]byte(k), []byte(v)))
	}
	must(t, tx.Delete([]byte("e")))
	must(t, tx.Delete([]byte("bb")))
	for _, c := range scanCases {
		r := driver.Range{Start: []byte(c.start), End: endOf(c.end), Reverse: c.reverse, Limit: c.limit}
		equal(t, fmt.Sprintf("scan %+v", c), c.want, scan(t, tx, r))
	}
}

func testScanWhileWriting(t *testing.T, s Store) {
	d := open(t, s)
	put(t, d, "a", "1", "b", "2", "c", "3")
	for _, reverse := range []bool{false, true} {
		tx := begin(t, d, driver.ReadWrite)
		must(t, tx.Put([]byte("d"), []byte("4")))
		it := tx.Scan(driver.Range{End: []byte{0xff}, Reverse: reverse})
		var got []string
		for it.Next() {
			got = append(got, string(it.Key()))
			must(t, tx.Delete(bytes.Clone(it.Key())))
			must(t, tx.Put([]byte("new-"+string(it.Key())), nil))
		}
		must(t, it.Err())
		it.Close()
		slices.Sort(got)
		equal(t, "rows of a scan whose loop writes", []string{"a", "b", "c", "d"}, got)
		equal(t, "rows after it", []string{"new-a=", "new-b=", "new-c=", "new-d="}, scan(t, tx, driver.Range{End: []byte{0xff}}))
		tx.Close()
	}
}

func testScanNested(t *testing.T, s Store) {
	d := open(t, s)
	put(t, d, "a", "1", "b", "2", "c", "3")
	tx := begin(t, d, driver.ReadWrite)
	defer tx.Close()
	outer := tx.Scan(driver.Range{End: []byte{0xff}})
	defer outer.Close()
	n := 0
	for outer.Next() {
		n += len(scan(t, tx, driver.Range{Start: bytes.Clone(outer.Key()), End: []byte{0xff}}))
		n += len(get(t, tx, "a"))
	}
	must(t, outer.Err())
	equal(t, "rows of scans within a scan", 3+2+1+3, n)
}

func testUndo(t *testing.T, s Store) {
	d := open(t, s)
	db := kv.New(d)
	put(t, d, "a", "1")
	tx := begin(t, d, driver.ReadWrite)
	must(t, tx.Put([]byte("a"), []byte("2")))
	must(t, tx.Put([]byte("b"), []byte("2")))
	must(t, tx.Confirm(t.Context()))
	tx.Close()
	equal(t, "after a transaction without commit", []string{"a=1"}, all(t, d))

	mine := errors.New("mine")
	err := db.Update(t.Context(), func(tx *kv.Tx) error { return errors.Join(tx.Put([]byte("b"), nil), mine) })
	if !errors.Is(err, mine) {
		t.Errorf("the function's error became %v", err)
	}
	func() {
		defer func() { _ = recover() }()
		_ = db.Update(t.Context(), func(tx *kv.Tx) error { panic("bug") })
	}()
	equal(t, "after a function failed", []string{"a=1"}, all(t, d))
}

func testSizes(t *testing.T, s Store) {
	d := open(t, s)
	key := bytes.Repeat([]byte{0xfe}, kv.MaxKey)
	value := bytes.Repeat([]byte("0123456789"), kv.MaxValue/10)
	tx := begin(t, d, driver.ReadWrite)
	defer tx.Close()
	must(t, tx.Put(key, value))
	for i := 1; i < 40; i++ {
		must(t, tx.Put(fmt.Appendf(nil, "big/%02d", i), value))
	}
	must(t, tx.Commit(t.Context(), nil))

	many := begin(t, d, driver.ReadWrite)
	defer many.Close()
	for i := range kv.MaxTxKeys {
		must(t, many.Put(fmt.Appendf(nil, "many/%04d", i), []byte{byte(i)}))
	}
	must(t, many.Commit(t.Context(), nil))

	r := begin(t, d, driver.ReadOnly)
	defer r.Close()
	equal(t, "the greatest key and value", string(value), get(t, r, string(key)))
	equal(t, "rows of a large transaction", 39, len(scan(t, r, driver.Range(kv.PrefixRange([]byte("big/"))))))
	equal(t, "rows of a transaction with many keys", kv.MaxTxKeys, len(scan(t, r, driver.Range(kv.PrefixRange([]byte("many/"))))))
}
