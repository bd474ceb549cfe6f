package memblob_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/gigawatt-cloud/gigawatt/blob"
	"github.com/gigawatt-cloud/gigawatt/blob/drivertest"
	"github.com/gigawatt-cloud/gigawatt/blob/memblob"
	"github.com/gigawatt-cloud/gigawatt/internal/clock"
)

func TestConformance(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) *drivertest.Harness {
		clk := clock.NewManual(time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC))
		return &drivertest.Harness{Store: memblob.Open(memblob.Options{Clock: clk}), Clock: clk}
	})
}

func TestCapacity(t *testing.T) {
	s := blob.New(memblob.Open(memblob.Options{Capacity: 1000}))
	put := func(n int) (blob.ID, error) {
		id, _, err := s.Put(t.Context(), bytes.NewReader(make([]byte, n)))
		return id, err
	}
	id, err := put(600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := put(401); !errors.Is(err, blob.ErrFull) {
		t.Errorf("beyond the capacity: %v, want ErrFull", err)
	}
	if _, err := put(400); err != nil {
		t.Errorf("up to the capacity: %v", err)
	}
	if err := s.Delete(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if _, err := put(600); err != nil {
		t.Errorf("in the room of a deleted blob: %v", err)
	}
}
