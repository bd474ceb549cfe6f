package drivertest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gigawatt-cloud/gigawatt/kv/driver"
)

// testRandom runs random transactions against the store and against a map,
// with restarts and resets in between, and compares everything that they read.
func testRandom(t *testing.T, s Store) {
	seeds := uint64(4)
	if testing.Short() {
		seeds = 1
	}
	for seed := range seeds {
		r := &randomRun{t: t, s: s, rand: rand.New(rand.NewPCG(seed, 1)), rows: map[string]string{}}
		r.d = s.Open(t)
		must(t, r.d.Reset(t.Context()))
		for step := 0; step < 400 && !t.Failed(); step++ {
			r.where = fmt.Sprintf("seed %d step %d", seed, step)
			r.step()
		}
		must(t, r.d.Close())
	}
}

type randomRun struct {
	t     *testing.T
	s     Store
	d     driver.DB
	rand  *rand.Rand
	rows  map[string]string // the model
	seq   uint64
	where string
}

// key returns one of few keys, of which some are prefixes of others.
func (r *randomRun) key() string {
	k := make([]byte, 1+r.rand.IntN(3))
	for i := range k {
		k[i] = "\x00ab\xfe"[r.rand.IntN(4)]
	}
	return string(k)
}

func (r *randomRun) step() {
	switch n := r.rand.IntN(100); {
	case n < 2:
		must(r.t, r.d.Reset(r.t.Context()))
		clear(r.rows)
	case n < 4 && r.s.Durable:
		must(r.t, r.d.Close())
		r.d = r.s.Open(r.t)
	case n < 30:
		r.transaction(driver.ReadOnly)
	case n < 40:
		r.transaction(driver.Exclusive)
	default:
		r.transaction(driver.ReadWrite)
	}
}

// transaction runs one, during which another may commit.
func (r *randomRun) transaction(mode driver.Mode) {
	tx := begin(r.t, r.d, mode)
	defer tx.Close()
	mine := maps.Clone(r.rows)
	disturb := mode != driver.Exclusive && r.rand.IntN(3) == 0
	var logged []driver.Change
	for i := range 1 + r.rand.IntN(8) {
		if disturb && i == 1 {
			r.disturb()
		}
		key := r.key()
		switch n := r.rand.IntN(10); {
		case n < 3:
			want, ok := mine[key]
			if !ok {
				want = "-"
			}
			equal(r.t, fmt.Sprintf("%s: get %x", r.where, key), want, get(r.t, tx, key))
		case n < 5 || mode == driver.ReadOnly:
			r.scan(tx, mine)
		case n < 8:
			value := fmt.Sprint(r.rand.IntN(1000))
			must(r.t, tx.Put([]byte(key), []byte(value)))
			mine[key] = value
			logged = append(logged, driver.Change{Key: []byte(key)})
		default:
			must(r.t, tx.Delete([]byte(key)))
			delete(mine, key)
		}
	}
	if mode == driver.ReadOnly || r.rand.IntN(8) == 0 {
		must(r.t, tx.Confirm(r.t.Context()))
		return
	}
	before := maps.Clone(r.rows)
	err := tx.Commit(r.t.Context(), logged)
	switch {
	case err == nil && !disturb:
		r.rows = mine
		r.checkLog(logged)
	case err == nil:
		// Nothing that the transaction read has changed, so that it may have
		// come after the other: the rows are those of both.
		tx.Close()
		r.rows = r.dump()
		for k, v := range before {
			if _, ok := r.rows[k]; !ok && mine[k] == v {
				r.t.Errorf("%s: row %x of a concurrent transaction is lost", r.where, k)
			}
		}
	case errors.Is(err, driver.ErrConflict) && disturb:
	default:
		r.t.Errorf("%s: commit: %v", r.where, err)
	}
}

// disturb commits a transaction of its own.
func (r *randomRun) disturb() {
	key := r.key()
	put(r.t, r.d, key, "other")
	r.rows[key] = "other"
}

func (r *randomRun) scan(tx driver.Tx, mine map[string]string) {
	q := driver.Range{Reverse: r.rand.IntN(2) == 0, Limit: r.rand.IntN(6), End: []byte{0xff}}
	if r.rand.IntN(3) > 0 {
		q.Start, q.End = []byte(r.key()), []byte(r.key())
		if bytes.Compare(q.Start, q.End) > 0 {
			q.Start, q.End = q.End, q.Start
		}
	}
	want := []string{}
	for _, k := range slices.Sorted(maps.Keys(mine)) {
		if k >= string(q.Start) && k < string(q.End) {
			want = append(want, k+"="+mine[k])
		}
	}
	if q.Reverse {
		slices.Reverse(want)
	}
	if q.Limit > 0 {
		want = want[:min(q.Limit, len(want))]
	}
	equal(r.t, fmt.Sprintf("%s: scan %+v", r.where, q), want, scan(r.t, tx, q))
}

func (r *randomRun) dump() map[string]string {
	tx := begin(r.t, r.d, driver.ReadOnly)
	defer tx.Close()
	rows := map[string]string{}
	it := tx.Scan(driver.Range{End: []byte{0xff}})
	defer it.Close()
	for it.Next() {
		rows[string(it.Key())] = string(it.Value())
	}
	must(r.t, it.Err())
	return rows
}

// checkLog compares what the change log has got with what a transaction logged.
func (r *randomRun) checkLog(want []driver.Change) {
	if len(want) == 0 {
		return
	}
	last, err := r.d.LastChange(r.t.Context())
	must(r.t, err)
	got, err := r.d.Changes(r.t.Context(), nil, last-uint64(len(want)), len(want)+1)
	must(r.t, err)
	for i := range got {
		got[i].Seq = 0
	}
	equal(r.t, r.where+": the change log", want, got)
	if last <= r.seq {
		r.t.Errorf("%s: Seq %d after %d", r.where, last, r.seq)
	}
	r.seq = last
}
