package kv

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Table is a named set of rows: Go values of type T under tuple keys. It holds
// no state and belongs to no store, so that it is declared once, as a variable
// of the package that owns the rows.
//
// T's exported fields are stored by name: fields may be added, and those that
// a row has and T has not are ignored. Times are kept in UTC.
type Table[T any] struct {
	name   string
	prefix Key
	opts   tableOptions
}

type tableOptions struct{ logged, small bool }

// TableOption changes how a Table keeps its rows.
type TableOption func(*tableOptions)

// Logged has every write and deletion of a row noted in the change log, for DB.Changes.
func Logged() TableOption { return func(o *tableOptions) { o.logged = true } }

// Small limits rows to MaxValue once encoded. Writing one then reads nothing,
// while otherwise it looks for what a larger row before it has left. It may
// not be added to a table that has larger rows.
func Small() TableOption { return func(o *tableOptions) { o.small = true } }

// NewTable returns the table with a name, by custom service.resource, which is
// part of every key.
func NewTable[T any](name string, opts ...TableOption) *Table[T] {
	if name == "" || strings.ContainsAny(name, "\x00\x01") {
		panic(fmt.Sprintf("kv: bad table name %q", name))
	}
	t := &Table[T]{name: name, prefix: K(name)}
	for _, o := range opts {
		o(&t.opts)
	}
	return t
}

// Name returns the table's name.
func (t *Table[T]) Name() string { return t.name }

// Prefix returns what the keys of all rows whose tuple begins with parts begin
// with, for Watch and Changes.
func (t *Table[T]) Prefix(parts ...any) Key { return t.key(parts) }

// RowKey returns the tuple of a row, given its whole key.
func (t *Table[T]) RowKey(key Key) (Key, bool) {
	rest, ok := bytes.CutPrefix(key, t.prefix)
	return Key(rest), ok
}

func (t *Table[T]) key(parts []any) Key {
	k := make(Key, 0, len(t.prefix)+16*len(parts)+8)
	return appendTuple(append(k, t.prefix...), parts)
}

// pieceTag stands before the row's key in the keys of continuation rows, so
// that no scan of a table meets them.
const pieceTag = 0x70

func pieceKey(row Key, i int) Key {
	k := make(Key, 0, len(row)+2)
	return append(append(append(k, pieceTag), row...), byte(i))
}

// Get returns a row or ErrNotFound.
func (t *Table[T]) Get(tx *Tx, parts ...any) (*T, error) {
	key := t.key(parts)
	row, err := tx.Get(key)
	if err != nil {
		return nil, err
	}
	return t.decode(tx, key, row)
}

func (t *Table[T]) decode(tx *Tx, key Key, row []byte) (*T, error) {
	pieces, data, err := splitRow(row)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	if pieces > 0 {
		data = slices.Clone(data)
	}
	for i := range pieces {
		more, err := tx.tx.Get(pieceKey(key, i))
		if errors.Is(err, ErrNotFound) {
			return nil, fmt.Errorf("%w: continuation row %d of %s is missing", ErrDamaged, i, key)
		}
		if err != nil {
			return nil, err
		}
		data = append(data, more...)
	}
	v := new(T)
	if err := decodeValue(data, v); err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return v, nil
}

// Has says whether a row exists.
func (t *Table[T]) Has(tx *Tx, parts ...any) (bool, error) {
	_, err := tx.Get(t.key(parts))
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Put writes a row. A row of more than MaxRow bytes is ErrTooLarge.
func (t *Table[T]) Put(tx *Tx, v *T, parts ...any) error {
	key := t.key(parts)
	row, more, err := encodeRow(v)
	if err != nil {
		return tx.fail(fmt.Errorf("put %s: %w", key, err))
	}
	if err := t.dropPieces(tx, key, len(more)); err != nil {
		return tx.fail(err)
	}
	if t.opts.small && len(more) > 0 {
		return tx.fail(fmt.Errorf("put %s: %w: table %s is Small", key, ErrTooLarge, t.name))
	}
	for i, m := range more {
		if err := tx.put(pieceKey(key, i), m); err != nil {
			return err
		}
	}
	if err := tx.put(key, row); err != nil {
		return err
	}
	if t.opts.logged {
		tx.logged(key, false)
	}
	return nil
}

// Delete removes a row. It is no error when there is none.
func (t *Table[T]) Delete(tx *Tx, parts ...any) error {
	key := t.key(parts)
	if err := t.dropPieces(tx, key, 0); err != nil {
		return tx.fail(err)
	}
	if err := tx.remove(key); err != nil {
		return err
	}
	if t.opts.logged {
		tx.logged(key, true)
	}
	return nil
}

// dropPieces deletes the continuation rows that a row has, but for the first keep.
func (t *Table[T]) dropPieces(tx *Tx, key Key, keep int) error {
	if t.opts.small {
		return nil
	}
	row, err := tx.Get(key)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	pieces, _, err := splitRow(row)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	for i := keep; i < pieces; i++ {
		if err := tx.remove(pieceKey(key, i)); err != nil {
			return err
		}
	}
	return nil
}

// Row is one row that a scan yields.
type Row[T any] struct {
	// Key is the row's tuple, without the table.
	Key   Key
	Value *T
}

// Scan says which rows of a table to go through.
type Scan struct {
	// Prefix is what the tuples begin with; none means all rows.
	Prefix []any
	// After is the Key of the row after which the scan begins, in its
	// direction: the last that was seen. The row need not exist any more.
	After Key
	// Reverse goes from the last row to the first.
	Reverse bool
	// Limit is the greatest number of rows; 0 sets none.
	Limit int
}

// Scan yields rows in the order of their keys, as they are when it begins:
// what the loop itself writes does not show. An error is the last thing it yields.
func (t *Table[T]) Scan(tx *Tx, s Scan) iter.Seq2[Row[T], error] {
	prefix := t.key(s.Prefix)
	r := Range{Start: prefix, End: prefixEnd(prefix), Reverse: s.Reverse, Limit: s.Limit}
	if len(s.After) > 0 {
		after := slices.Concat(t.prefix, s.After)
		switch {
		case s.Reverse:
			r.End = minKey(r.End, after)
		default:
			r.Start = maxKey(r.Start, append(after, 0))
		}
	}
	return t.scan(tx, r)
}

// RangeScan yields the rows whose tuple is from or after it, and before to. An
// empty from begins at the first row, and an empty to ends after the last.
func (t *Table[T]) RangeScan(tx *Tx, from, to Key) iter.Seq2[Row[T], error] {
	r := Range{Start: slices.Concat(t.prefix, from), End: slices.Concat(t.prefix, to)}
	if len(to) == 0 {
		r.End = prefixEnd(t.prefix)
	}
	return t.scan(tx, r)
}

func (t *Table[T]) scan(tx *Tx, r Range) iter.Seq2[Row[T], error] {
	return func(yield func(Row[T], error) bool) {
		if bytes.Compare(r.Start, r.End) >= 0 {
			return
		}
		for it, err := range tx.scan(r) {
			if err != nil {
				yield(Row[T]{}, err)
				return
			}
			key := Key(bytes.Clone(it.Key()))
			v, err := t.decode(tx, key, it.Value())
			if err != nil {
				yield(Row[T]{}, err)
				return
			}
			if !yield(Row[T]{Key: key[len(t.prefix):], Value: v}, nil) {
				return
			}
		}
	}
}

func minKey(a, b Key) Key {
	if bytes.Compare(a, b) < 0 {
		return a
	}
	return b
}

func maxKey(a, b Key) Key {
	if bytes.Compare(a, b) > 0 {
		return a
	}
	return b
}
