package kv

import (
	"bytes"
	"fmt"
	"iter"

	"github.com/gigawatt-cloud/gigawatt/kv/driver"
)

// Tx is a transaction. It is valid until the function that received it
// returns, and is used by one goroutine at a time.
//
// Most code uses it through a Table; its own methods are for rows that are
// not Go values. Keys that begin with 0xFF are reserved.
type Tx struct {
	tx       driver.Tx
	writable bool
	keys     int
	size     int
	changes  []driver.Change
	onCommit []func()
	failed   error // a write that could not be taken, which fn may have overlooked
}

// Pair is one row. Key and Value belong to the caller.
type Pair struct {
	Key   Key
	Value []byte
}

// Range is the keys from Start to before End. An empty Start begins at the
// first key and an empty End ends after the last.
type Range struct {
	Start, End []byte
	// Reverse begins at the end.
	Reverse bool
	// Limit is the greatest number of rows; 0 sets none.
	Limit int
}

// PrefixRange returns the range of the keys that begin with prefix.
func PrefixRange(prefix []byte) Range {
	return Range{Start: prefix, End: prefixEnd(prefix)}
}

// prefixEnd returns the first key after all that begin with prefix; empty
// when there is none.
func prefixEnd(prefix []byte) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xff {
			end := bytes.Clone(prefix[:i+1])
			end[i]++
			return end
		}
	}
	return nil
}

// Get returns the value of a key, which the caller does not modify, or ErrNotFound.
func (tx *Tx) Get(key []byte) ([]byte, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	return tx.tx.Get(key)
}

// Put sets the value of a key. The transaction sees it at once.
func (tx *Tx) Put(key, value []byte) error {
	return tx.put(bytes.Clone(key), bytes.Clone(value))
}

// put is Put for slices that nobody modifies afterwards.
func (tx *Tx) put(key, value []byte) error {
	if len(value) > MaxValue {
		return tx.fail(fmt.Errorf("%w: a value of %d bytes for key %v, at most %d are allowed", ErrTooLarge, len(value), Key(key), MaxValue))
	}
	if err := tx.admit(key, len(value)); err != nil {
		return err
	}
	if err := tx.tx.Put(key, value); err != nil {
		return tx.fail(err)
	}
	return nil
}

// Delete removes a key. It is no error when there is none.
func (tx *Tx) Delete(key []byte) error { return tx.remove(bytes.Clone(key)) }

func (tx *Tx) remove(key []byte) error {
	if err := tx.admit(key, 0); err != nil {
		return err
	}
	if err := tx.tx.Delete(key); err != nil {
		return tx.fail(err)
	}
	return nil
}

// Scan iterates over the rows of a range as they are when it begins; what the
// loop writes does not show in it. An error is the last thing it yields.
func (tx *Tx) Scan(r Range) iter.Seq2[Pair, error] {
	return func(yield func(Pair, error) bool) {
		for it, err := range tx.scan(r) {
			if err != nil {
				yield(Pair{}, err)
				return
			}
			if !yield(Pair{Key: bytes.Clone(it.Key()), Value: bytes.Clone(it.Value())}, nil) {
				return
			}
		}
	}
}

// scan is Scan without copies: it yields the iterator itself.
func (tx *Tx) scan(r Range) iter.Seq2[driver.Iterator, error] {
	return func(yield func(driver.Iterator, error) bool) {
		if len(r.End) == 0 || r.End[0] == 0xff {
			r.End = []byte{0xff}
		}
		it := tx.tx.Scan(driver.Range(r))
		defer it.Close()
		for it.Next() {
			if !yield(it, nil) {
				return
			}
		}
		if err := it.Err(); err != nil {
			yield(nil, err)
		}
	}
}

// OnCommit has f run once, after the transaction is durable and before Update
// returns. It does not run when the transaction fails.
func (tx *Tx) OnCommit(f func()) { tx.onCommit = append(tx.onCommit, f) }

// logged appends a row to the change log of the transaction.
func (tx *Tx) logged(key []byte, deleted bool) {
	tx.changes = append(tx.changes, driver.Change{Key: key, Deleted: deleted})
}

func (tx *Tx) admit(key []byte, value int) error {
	if !tx.writable {
		return ErrReadOnly
	}
	if err := checkKey(key); err != nil {
		return tx.fail(err)
	}
	tx.keys++
	tx.size += len(key) + value
	if tx.keys > MaxTxKeys {
		return tx.fail(fmt.Errorf("%w: a transaction writes at most %d keys", ErrTooLarge, MaxTxKeys))
	}
	if tx.size > MaxTxBytes {
		return tx.fail(fmt.Errorf("%w: a transaction writes at most %d bytes", ErrTooLarge, MaxTxBytes))
	}
	return nil
}

// fail remembers the first write that was not taken, so that the rest of the
// transaction cannot be committed without it.
func (tx *Tx) fail(err error) error {
	if tx.failed == nil {
		tx.failed = err
	}
	return err
}

func checkKey(key []byte) error {
	switch {
	case len(key) == 0:
		return fmt.Errorf("kv: an empty key")
	case len(key) > MaxKey:
		return fmt.Errorf("%w: a key of %d bytes, at most %d are allowed", ErrTooLarge, len(key), MaxKey)
	case key[0] == 0xff:
		return fmt.Errorf("kv: key %x is in the reserved range", key)
	}
	return nil
}
