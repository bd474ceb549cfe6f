package kv_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/kv/memkv"
)

type color string

type thing struct {
	Name  string
	Color color
	Size  int64
	At    time.Time
	Data  []byte            `cbor:",omitempty"`
	Tags  map[string]string `cbor:",omitempty"`
}

var things = kv.NewTable[thing]("test.thing")

func open(t testing.TB) *kv.DB {
	db := memkv.New()
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func update(t testing.TB, db *kv.DB, fn func(tx *kv.Tx) error) {
	t.Helper()
	if err := db.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func view(t testing.TB, db *kv.DB, fn func(tx *kv.Tx) error) {
	t.Helper()
	if err := db.View(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func TestTableRows(t *testing.T) {
	db := open(t)
	want := thing{Name: "a", Color: "red", Size: -3, At: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Tags: map[string]string{"b": "2", "a": "1"}}
	update(t, db, func(tx *kv.Tx) error { return things.Put(tx, &want, color("red"), 7) })
	view(t, db, func(tx *kv.Tx) error {
		got, err := things.Get(tx, "red", 7)
		if err != nil {
			return err
		}
		if d := cmp.Diff(&want, got); d != "" {
			t.Error(d)
		}
		if _, err := things.Get(tx, "red", 8); !errors.Is(err, kv.ErrNotFound) {
			t.Errorf("a row that is not there: %v", err)
		}
		return nil
	})
}
