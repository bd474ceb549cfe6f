package identity

import (
	"errors"
	"fmt"
	"iter"

	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/kv"
)

// ErrExists says that an entity of the kind has the name already.
var ErrExists = errors.New("identity: the name is taken")

// Named is what a unique id stands for.
type Named struct {
	Kind Kind   `cbor:"kind"`
	Name string `cbor:"name"`
}

var (
	names  = kv.NewTable[Named]("iam/id", kv.Small())    // account, unique id
	counts = kv.NewTable[int64]("iam/count", kv.Small()) // account, kind
)

// Directory is all entities of one kind. Names are unique within an account
// regardless of case. Every change touches the account.
type Directory[T any] struct {
	kind   Kind
	rows   *kv.Table[T] // account, folded name
	entity func(*T) *Entity
}

// NewDirectory returns the directory of a kind. entity finds the common part of a row.
func NewDirectory[T any](kind Kind, entity func(*T) *Entity) *Directory[T] {
	return &Directory[T]{kind: kind, rows: kv.NewTable[T]("iam/" + string(kind)), entity: entity}
}

// Fold is a name as keys hold it.
func Fold(name string) string {
	b := []byte(name)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// Find returns an entity by its name, or kv.ErrNotFound.
func (d *Directory[T]) Find(tx *kv.Tx, account arn.AccountID, name string) (*T, error) {
	return d.rows.Get(tx, account, Fold(name))
}

// ByID returns an entity by its unique id, or kv.ErrNotFound.
func (d *Directory[T]) ByID(tx *kv.Tx, account arn.AccountID, id string) (*T, error) {
	n, err := names.Get(tx, account, id)
	if err != nil {
		return nil, err
	}
	if n.Kind != d.kind {
		return nil, kv.ErrNotFound
	}
	v, err := d.Find(tx, account, n.Name)
	if isNotFound(err) {
		return nil, fmt.Errorf("%s %s: the id %s has no row: %w", d.kind, n.Name, id, kv.ErrDamaged)
	}
	return v, err
}

// ARN is the ARN of an entity.
func (d *Directory[T]) ARN(account arn.AccountID, v *T) string {
	e := d.entity(v)
	return ARN(account, d.kind, e.Path, e.Name)
}

// Create adds an entity, or returns ErrExists.
func (d *Directory[T]) Create(tx *kv.Tx, account arn.AccountID, v *T) error {
	e := d.entity(v)
	taken, err := d.rows.Has(tx, account, Fold(e.Name))
	if err != nil {
		return err
	}
	if taken {
		return ErrExists
	}
	if err := names.Put(tx, &Named{Kind: d.kind, Name: e.Name}, account, e.ID); err != nil {
		return err
	}
	if err := count(tx, account, d.kind, 1); err != nil {
		return err
	}
	return d.Put(tx, account, v)
}

// Put stores an entity that exists under its name.
func (d *Directory[T]) Put(tx *kv.Tx, account arn.AccountID, v *T) error {
	if err := d.rows.Put(tx, v, account, Fold(d.entity(v).Name)); err != nil {
		return err
	}
	return Touch(tx, account)
}

// Rename stores an entity under a new name, or returns ErrExists.
func (d *Directory[T]) Rename(tx *kv.Tx, account arn.AccountID, v *T, name string) error {
	e := d.entity(v)
	if Fold(name) != Fold(e.Name) {
		taken, err := d.rows.Has(tx, account, Fold(name))
		if err != nil {
			return err
		}
		if taken {
			return ErrExists
		}
		if err := d.rows.Delete(tx, account, Fold(e.Name)); err != nil {
			return err
		}
	}
	e.Name = name
	if err := names.Put(tx, &Named{Kind: d.kind, Name: name}, account, e.ID); err != nil {
		return err
	}
	return d.Put(tx, account, v)
}

// Delete removes an entity, and nothing that hangs on its id.
func (d *Directory[T]) Delete(tx *kv.Tx, account arn.AccountID, v *T) error {
	e := d.entity(v)
	if err := d.rows.Delete(tx, account, Fold(e.Name)); err != nil {
		return err
	}
	if err := names.Delete(tx, account, e.ID); err != nil {
		return err
	}
	if err := count(tx, account, d.kind, -1); err != nil {
		return err
	}
	return Touch(tx, account)
}

// Scan yields the entities of an account in the order of their names. after is
// the Key of the last row that was seen.
func (d *Directory[T]) Scan(tx *kv.Tx, account arn.AccountID, after kv.Key) iter.Seq2[kv.Row[T], error] {
	return d.rows.Scan(tx, kv.Scan{Prefix: []any{account}, After: after})
}

// Count is how many entities of the kind an account has.
func (d *Directory[T]) Count(tx *kv.Tx, account arn.AccountID) (int, error) {
	return Count(tx, account, d.kind)
}

// Count is how many entities of a kind an account has.
func Count(tx *kv.Tx, account arn.AccountID, kind Kind) (int, error) {
	n, err := counts.Get(tx, account, string(kind))
	if isNotFound(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return int(*n), nil
}

func count(tx *kv.Tx, account arn.AccountID, kind Kind, delta int) error {
	n, err := Count(tx, account, kind)
	if err != nil {
		return err
	}
	sum := int64(n + delta)
	return counts.Put(tx, &sum, account, string(kind))
}

// NameOf returns what a unique id stands for, or kv.ErrNotFound.
func NameOf(tx *kv.Tx, account arn.AccountID, id string) (*Named, error) {
	return names.Get(tx, account, id)
}
