package drivertest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/kv/driver"
)

func testObserve(t *testing.T, s Store) {
	d := open(t, s)
	db := kv.New(d)
	wake, stop := db.Watch([]byte("a/"))
	other, stopOther := db.Watch([]byte("b/"))
	defer stopOther()
	put(t, d, "a/1", "")
	<-wake // or the test hangs
	for i := range 10 {
		put(t, d, fmt.Sprintf("a/%d", i), "")
	}
	<-wake
	tx := begin(t, d, driver.ReadWrite)
	must(t, tx.Delete([]byte("a/1")))
	must(t, tx.Commit(t.Context(), nil))
	tx.Close()
	<-wake
	stop()
	stop()
	select {
	case <-other:
		t.Error("a watch of another prefix was woken")
	default:
	}
	// What wakes comes after the commit.
	put(t, d, "b/1", "")
	<-other
	equal(t, "rows", 10, len(all(t, d)))
}

// commitChanges commits a row for each change that it logs.
func commitChanges(tb testing.TB, d driver.DB, keys ...string) {
	tb.Helper()
	tx := begin(tb, d, driver.ReadWrite)
	defer tx.Close()
	var changes []driver.Change
	for _, k := range keys {
		must(tb, tx.Put([]byte(k), nil))
		changes = append(changes, driver.Change{Key: []byte(k), Deleted: k[0] == 'x'})
	}
	must(tb, tx.Commit(context.Background(), changes))
}

// changes returns the log as text without Seqs, which it checks to ascend.
func changes(tb testing.TB, d driver.DB, prefix string, after uint64, limit int) (out []string, last uint64) {
	tb.Helper()
	list, err := d.Changes(context.Background(), []byte(prefix), after, limit)
	must(tb, err)
	out, last = []string{}, after
	for _, c := range list {
		if c.Seq <= last {
			tb.Errorf("change %s has Seq %d after %d", c.Key, c.Seq, last)
		}
		last = c.Seq
		text := string(c.Key)
		if c.Deleted {
			text = "-" + text
		}
		out = append(out, text)
	}
	return out, last
}

func testChanges(t *testing.T, s Store) {
	d := open(t, s)
	got, _ := changes(t, d, "", 0, 10)
	equal(t, "an empty log", []string{}, got)
	put(t, d, "unlogged", "")
	commitChanges(t, d, "a/2", "a/1", "b/1")
	commitChanges(t, d, "xa/1", "a/2")
	got, last := changes(t, d, "", 0, 100)
	equal(t, "all", []string{"a/2", "a/1", "b/1", "-xa/1", "a/2"}, got)
	if newest, err := d.LastChange(t.Context()); err != nil || newest != last {
		t.Errorf("LastChange: %d, %v, want %d", newest, err, last)
	}
	got, _ = changes(t, d, "a/", 0, 100)
	equal(t, "those of a prefix", []string{"a/2", "a/1", "a/2"}, got)
	got, mid := changes(t, d, "a/", 0, 2)
	equal(t, "the first of a prefix", []string{"a/2", "a/1"}, got)
	got, _ = changes(t, d, "a/", mid, 2)
	equal(t, "the rest", []string{"a/2"}, got)
	got, _ = changes(t, d, "", last, 2)
	equal(t, "after the last", []string{}, got)
	equal(t, "the rows that callers see", 5, len(all(t, d)))
}

// The log has every transaction's changes together and in the order of their effects.
func testChangesOrder(t *testing.T, s Store) {
	d := open(t, s)
	db := kv.New(d)
	type row struct{ N int }
	table := kv.NewTable[row]("order", kv.Logged())
	const writers, each = 8, 15
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for range each {
				err := db.Update(context.Background(), func(tx *kv.Tx) error {
					n := 0
					for r, err := range table.Scan(tx, kv.Scan{Reverse: true, Limit: 1}) {
						if err != nil {
							return err
						}
						n = r.Value.N + 1
					}
					return table.Put(tx, &row{N: n}, n, w)
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	list, err := db.Changes(t.Context(), table.Prefix(), 0, 1000)
	must(t, err)
	equal(t, "changes", writers*each, len(list))
	for i, c := range list {
		key, _ := table.RowKey(c.Key)
		parts, err := key.Decode()
		must(t, err)
		equal(t, "the row of a change", any(int64(i)), parts[0])
	}
}

func testTrimChanges(t *testing.T, s Store) {
	d := s.Open(t)
	for i := range 6 {
		commitChanges(t, d, fmt.Sprint("a/", i))
	}
	_, third := changes(t, d, "", 0, 3)
	must(t, d.TrimChanges(t.Context(), third))
	got, last := changes(t, d, "", 0, 10)
	equal(t, "the log after it was trimmed", []string{"a/2", "a/3", "a/4", "a/5"}, got)
	must(t, d.TrimChanges(t.Context(), last+1))
	must(t, d.TrimChanges(t.Context(), last+100))
	got, _ = changes(t, d, "", 0, 10)
	equal(t, "a log without entries", []string{}, got)
	if s.Durable {
		must(t, d.Close())
		d = s.Open(t)
	}
	if newest, err := d.LastChange(t.Context()); err != nil || newest != last {
		t.Errorf("LastChange of a trimmed log: %d, %v, want %d", newest, err, last)
	}
	commitChanges(t, d, "b")
	got, _ = changes(t, d, "", last, 10)
	equal(t, "an entry after all were trimmed", []string{"b"}, got)
	must(t, d.Close())
}

func testReset(t *testing.T, s Store) {
	d := s.Open(t)
	commitChanges(t, d, "a", "b")
	_, last := changes(t, d, "", 0, 10)
	must(t, d.Reset(t.Context()))
	equal(t, "rows after a reset", []string{}, all(t, d))
	got, _ := changes(t, d, "", 0, 10)
	equal(t, "the log after a reset", []string{}, got)
	if s.Durable {
		must(t, d.Close())
		d = s.Open(t)
		equal(t, "rows after a reset and a restart", []string{}, all(t, d))
	}
	commitChanges(t, d, "c")
	got, _ = changes(t, d, "", last, 10)
	equal(t, "an entry after a reset", []string{"c"}, got)
	equal(t, "a row after a reset", []string{"c="}, all(t, d))
	must(t, d.Close())
}

func testResetConflicts(t *testing.T, s Store) {
	d := open(t, s)
	put(t, d, "a", "1")
	tx := begin(t, d, driver.ReadWrite)
	defer tx.Close()
	get(t, tx, "a")
	must(t, d.Reset(t.Context()))
	equal(t, "a row of the snapshot", "1", get(t, tx, "a"))
	must(t, tx.Put([]byte("b"), nil))
	wantConflict(t, tx)
	equal(t, "rows", []string{}, all(t, d))
}

func testReopen(t *testing.T, s Store) {
	if !s.Durable {
		t.Skip("the driver keeps nothing after Close, by design")
	}
	var want []string
	for round := range 3 {
		d := s.Open(t)
		equal(t, "rows after a restart", want, append([]string(nil), all(t, d)...))
		put(t, d, fmt.Sprint("k", round), "v", "same", fmt.Sprint(round))
		want = want[:max(0, len(want)-1)]
		want = append(want, fmt.Sprintf("k%d=v", round), fmt.Sprintf("same=%d", round))
		must(t, d.Close())
	}
}

func testClose(t *testing.T, s Store) {
	d := s.Open(t)
	put(t, d, "a", "1")
	tx := begin(t, d, driver.ReadWrite)
	must(t, tx.Put([]byte("b"), nil))
	closed := make(chan error)
	go func() { closed <- d.Close() }()
	equal(t, "a row while the store wants to close", "1", get(t, tx, "a"))
	must(t, tx.Commit(t.Context(), nil))
	tx.Close()
	must(t, <-closed)
	must(t, d.Close())
	for _, mode := range []driver.Mode{driver.ReadOnly, driver.ReadWrite, driver.Exclusive} {
		if _, err := d.Begin(t.Context(), mode); !errors.Is(err, driver.ErrClosed) {
			t.Errorf("begin after close: %v", err)
		}
	}
	if err := d.Reset(t.Context()); !errors.Is(err, driver.ErrClosed) {
		t.Errorf("reset after close: %v", err)
	}
	d.Stats()
}

func testCanceled(t *testing.T, s Store) {
	d := open(t, s)
	db := kv.New(d)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, err := range map[string]error{
		"View":   db.View(ctx, func(*kv.Tx) error { return nil }),
		"Update": db.Update(ctx, func(tx *kv.Tx) error { return tx.Put([]byte("a"), nil) }),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a canceled context: %v", name, err)
		}
	}
	equal(t, "rows", []string{}, all(t, d))
}
