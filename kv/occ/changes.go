package occ

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/gigawatt-cloud/gigawatt/kv/driver"
)

// Reserved begins the keys that callers cannot use; they sort behind all
// others. The store's own are below it; an engine may use Reserved 'e' ….
const Reserved = 0xff

var (
	changePrefix = []byte{Reserved, 'c'} // followed by the Seq
	changesEnd   = []byte{Reserved, 'c' + 1}
	trimmedKey   = []byte{Reserved, 't'} // the greatest Seq that was ever given out, when its row is gone
)

const (
	changePut    = 1
	changeDelete = 2
)

func changeKey(seq uint64) []byte {
	return binary.BigEndian.AppendUint64(bytes.Clone(changePrefix), seq)
}

func changeRow(c driver.Change) *Write {
	op := byte(changePut)
	if c.Deleted {
		op = changeDelete
	}
	return &Write{Key: changeKey(c.Seq), Value: append([]byte{op}, c.Key...)}
}

func decodeChange(key, value []byte) (driver.Change, error) {
	if len(key) != len(changePrefix)+8 || len(value) < 1 || value[0] != changePut && value[0] != changeDelete {
		return driver.Change{}, fmt.Errorf("%w: change log entry %x", driver.ErrDamaged, key)
	}
	return driver.Change{
		Seq:     binary.BigEndian.Uint64(key[len(changePrefix):]),
		Key:     bytes.Clone(value[1:]),
		Deleted: value[0] == changeDelete,
	}, nil
}

func trimmedRow(seq uint64) *Write {
	return &Write{Key: trimmedKey, Value: binary.BigEndian.AppendUint64(nil, seq)}
}

// loadSeq finds the greatest Seq ever given out.
func (d *DB) loadSeq() error {
	snap, err := d.engine.Snapshot()
	if err != nil {
		return err
	}
	defer snap.Close()
	d.lastSeq, err = lastSeq(snap.Get, func(r driver.Range) driver.Iterator { return snap.Scan(r.Start, r.End, r.Reverse) })
	return err
}

func lastSeq(get func([]byte) ([]byte, error), scan func(driver.Range) driver.Iterator) (uint64, error) {
	var last uint64
	v, err := get(trimmedKey)
	switch {
	case err == nil && len(v) == 8:
		last = binary.BigEndian.Uint64(v)
	case err == nil:
		return 0, fmt.Errorf("%w: the mark of the change log", driver.ErrDamaged)
	case !errors.Is(err, driver.ErrNotFound):
		return 0, err
	}
	it := scan(driver.Range{Start: changePrefix, End: changesEnd, Reverse: true, Limit: 1})
	defer it.Close()
	if it.Next() {
		c, err := decodeChange(it.Key(), it.Value())
		if err != nil {
			return 0, err
		}
		last = max(last, c.Seq)
	}
	return last, it.Err()
}

// Changes implements driver.DB.
func (d *DB) Changes(ctx context.Context, prefix []byte, after uint64, limit int) (out []driver.Change, err error) {
	err = d.view(ctx, func(t driver.Tx) error {
		it := t.Scan(driver.Range{Start: changeKey(after + 1), End: changesEnd})
		defer it.Close()
		for len(out) < limit && it.Next() {
			if v := it.Value(); len(v) > 0 && !bytes.HasPrefix(v[1:], prefix) {
				continue
			}
			c, err := decodeChange(it.Key(), it.Value())
			if err != nil {
				return err
			}
			out = append(out, c)
		}
		return it.Err()
	})
	return out, err
}

// LastChange implements driver.DB.
func (d *DB) LastChange(ctx context.Context) (last uint64, err error) {
	err = d.view(ctx, func(t driver.Tx) error {
		last, err = lastSeq(t.Get, t.Scan)
		return err
	})
	return last, err
}

func (d *DB) view(ctx context.Context, fn func(t driver.Tx) error) error {
	t, err := d.Begin(ctx, driver.ReadOnly)
	if err != nil {
		return err
	}
	defer t.Close()
	if err := fn(t); err != nil {
		return err
	}
	return t.Confirm(ctx)
}

// trimStep is the number of entries that one transaction removes.
const trimStep = 1000

// TrimChanges implements driver.DB.
func (d *DB) TrimChanges(ctx context.Context, before uint64) error {
	for {
		n, err := d.trim(ctx, before)
		if errors.Is(err, driver.ErrConflict) {
			continue
		}
		if err != nil || n < trimStep {
			return err
		}
	}
}

func (d *DB) trim(ctx context.Context, before uint64) (n int, err error) {
	t, err := d.Begin(ctx, driver.ReadWrite)
	if err != nil {
		return 0, err
	}
	defer t.Close()
	mark, err := lastSeqTrimmed(t)
	if err != nil {
		return 0, err
	}
	it := t.Scan(driver.Range{Start: changePrefix, End: changeKey(before), Limit: trimStep})
	defer it.Close()
	for it.Next() {
		c, err := decodeChange(it.Key(), it.Value())
		if err != nil {
			return 0, err
		}
		if err := t.Delete(bytes.Clone(it.Key())); err != nil {
			return 0, err
		}
		mark = max(mark, c.Seq)
		n++
	}
	if err := it.Err(); err != nil || n == 0 {
		return 0, err
	}
	w := trimmedRow(mark)
	if err := t.Put(w.Key, w.Value); err != nil {
		return 0, err
	}
	return n, t.Commit(ctx, nil)
}

// lastSeqTrimmed returns what the mark says.
func lastSeqTrimmed(t driver.Tx) (uint64, error) {
	return lastSeq(t.Get, func(driver.Range) driver.Iterator { return noRows{} })
}

// noRows is an Iterator over nothing.
type noRows struct{}

func (noRows) Next() bool    { return false }
func (noRows) Key() []byte   { return nil }
func (noRows) Value() []byte { return nil }
func (noRows) Err() error    { return nil }
func (noRows) Close()        {}
