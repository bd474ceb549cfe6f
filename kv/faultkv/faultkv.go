// Package faultkv wraps a store and makes it fail on purpose, for tests of
// what stands on it: errors, a full disk, slowness, and the loss of the
// machine before or after a commit. Start with Wrap.
//
//	var faults faultkv.Faults
//	db := kv.New(faultkv.Wrap(memkv.NewDriver(), &faults))
//	faults.Fail(faultkv.Commit, kv.ErrFull, 1)
package faultkv

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/gigawatt-cloud/gigawatt/kv/driver"
)

// ErrCrashed is what every call returns after a crash.
var ErrCrashed = errors.New("faultkv: crashed")

// Op is a place where a fault can be.
type Op string

// The places.
const (
	Begin   Op = "begin"
	Get     Op = "get"
	Scan    Op = "scan" // when a scan begins
	Next    Op = "next" // at each step of a scan
	Commit  Op = "commit"
	Confirm Op = "confirm"
	Changes Op = "changes" // reading or trimming the change log
	Reset   Op = "reset"
	Backup  Op = "backup"
)

// Faults says what goes wrong. The zero value is no fault at all. It is safe
// for concurrent use.
type Faults struct {
	mu      sync.Mutex
	rules   []*rule
	delays  map[Op]time.Duration
	calls   map[Op]int
	crashed bool
}

type rule struct {
	op    Op
	err   error
	skip  int // calls that pass before
	left  int // calls that it still applies to; negative: all
	crash bool
	late  bool // the call is carried out first
}

// Fail makes the next calls of op fail with err without being carried out: as
// many as times says, or all until Heal when it is negative.
func (f *Faults) Fail(op Op, err error, times int) { f.add(&rule{op: op, err: err, left: times}) }

// CrashBefore makes the store crash instead of the call of op that follows
// skip others.
func (f *Faults) CrashBefore(op Op, skip int) {
	f.add(&rule{op: op, err: ErrCrashed, skip: skip, left: 1, crash: true})
}

// CrashAfter makes the store crash after it has carried out the call of op
// that follows skip others, and before it answers.
func (f *Faults) CrashAfter(op Op, skip int) {
	f.add(&rule{op: op, err: ErrCrashed, skip: skip, left: 1, crash: true, late: true})
}

// Delay makes every call of op take longer by d, until Heal.
func (f *Faults) Delay(op Op, d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.delays == nil {
		f.delays = map[Op]time.Duration{}
	}
	f.delays[op] = d
}

// Heal removes all faults, and undoes a crash.
func (f *Faults) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules, f.delays, f.crashed = nil, nil, false
}

// Calls returns how many calls of op there were, failed ones included.
func (f *Faults) Calls(op Op) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[op]
}

func (f *Faults) add(r *rule) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = append(f.rules, r)
}

// call carries out one call under the faults.
func (f *Faults) call(op Op, do func() error) error {
	r, delay, err := f.next(op)
	if delay > 0 {
		time.Sleep(delay)
	}
	if err != nil {
		return err
	}
	if r != nil && !r.late {
		return r.err
	}
	if err := do(); err != nil {
		return err
	}
	if r != nil {
		f.mu.Lock()
		f.crashed = true
		f.mu.Unlock()
		return r.err
	}
	return nil
}

// next counts a call and returns the rule that applies to it.
func (f *Faults) next(op Op) (*rule, time.Duration, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.calls == nil {
		f.calls = map[Op]int{}
	}
	f.calls[op]++
	if f.crashed {
		return nil, 0, ErrCrashed
	}
	for _, r := range f.rules {
		switch {
		case r.op != op || r.left == 0:
			continue
		case r.skip > 0:
			r.skip--
			continue
		}
		r.left--
		f.crashed = r.crash && !r.late
		return r, f.delays[op], nil
	}
	return nil, f.delays[op], nil
}

// Wrap returns a store that behaves like d under the faults.
func Wrap(d driver.DB, f *Faults) driver.DB { return &db{DB: d, f: f} }

type db struct {
	driver.DB
	f *Faults
}

func (d *db) Begin(ctx context.Context, mode driver.Mode) (driver.Tx, error) {
	var t driver.Tx
	err := d.f.call(Begin, func() (err error) {
		t, err = d.DB.Begin(ctx, mode)
		return err
	})
	if err != nil {
		if t != nil {
			t.Close()
		}
		return nil, err
	}
	return &tx{Tx: t, f: d.f}, nil
}

func (d *db) Changes(ctx context.Context, prefix []byte, after uint64, limit int) (out []driver.Change, err error) {
	err = d.f.call(Changes, func() error {
		out, err = d.DB.Changes(ctx, prefix, after, limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (d *db) LastChange(ctx context.Context) (last uint64, err error) {
	err = d.f.call(Changes, func() error {
		last, err = d.DB.LastChange(ctx)
		return err
	})
	return last, err
}

func (d *db) TrimChanges(ctx context.Context, before uint64) error {
	return d.f.call(Changes, func() error { return d.DB.TrimChanges(ctx, before) })
}

func (d *db) Reset(ctx context.Context) error {
	return d.f.call(Reset, func() error { return d.DB.Reset(ctx) })
}

func (d *db) Backup(ctx context.Context, dir string) error {
	return d.f.call(Backup, func() error { return d.DB.Backup(ctx, dir) })
}

type tx struct {
	driver.Tx
	f *Faults
}

func (t *tx) Get(key []byte) (value []byte, err error) {
	err = t.f.call(Get, func() error {
		value, err = t.Tx.Get(key)
		return err
	})
	if err != nil {
		return nil, err
	}
	return value, nil
}

func (t *tx) Scan(r driver.Range) driver.Iterator {
	var it driver.Iterator
	err := t.f.call(Scan, func() error {
		it = t.Tx.Scan(r)
		return nil
	})
	return &iterator{Iterator: it, f: t.f, err: err}
}

func (t *tx) Commit(ctx context.Context, changes []driver.Change) error {
	return t.f.call(Commit, func() error { return t.Tx.Commit(ctx, changes) })
}

func (t *tx) Confirm(ctx context.Context) error {
	return t.f.call(Confirm, func() error { return t.Tx.Confirm(ctx) })
}

type iterator struct {
	driver.Iterator // nil when the scan failed to begin
	f               *Faults
	err             error
}

func (i *iterator) Next() bool {
	if i.err != nil {
		return false
	}
	ok := false
	i.err = i.f.call(Next, func() error {
		ok = i.Iterator.Next()
		return nil
	})
	return ok && i.err == nil
}

func (i *iterator) Err() error {
	if i.err != nil {
		return i.err
	}
	return i.Iterator.Err()
}

func (i *iterator) Close() {
	if i.Iterator != nil {
		i.Iterator.Close()
	}
}
