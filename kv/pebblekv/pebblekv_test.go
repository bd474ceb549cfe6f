package pebblekv

import (
	"testing"

	"github.com/gigawatt-cloud/gigawatt/kv/driver"
	"github.com/gigawatt-cloud/gigawatt/kv/drivertest"
	"github.com/gigawatt-cloud/gigawatt/kv/occ"
)

func makeStore(tb testing.TB) drivertest.Store {
	dir := tb.TempDir()
	return drivertest.Store{
		Durable: true,
		Open: func(tb testing.TB) driver.DB {
			tb.Helper()
			d, err := OpenDriver(dir, Options{})
			if err != nil {
				tb.Fatal(err)
			}
			return d
		},
	}
}

func TestDriver(t *testing.T) { drivertest.Run(t, makeStore) }

func BenchmarkDriver(b *testing.B) { drivertest.Bench(b, makeStore) }

// openEngine opens the engine alone, in a directory of its own.
func openEngine(tb testing.TB) *engine {
	tb.Helper()
	opts := Options{}.withDefaults()
	e := &engine{dir: tb.TempDir(), gate: new(occ.Gate), fs: &patientFS{FS: opts.fs, gate: new(occ.Gate)}}
	if err := e.open(opts); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = e.closeAll() })
	return e
}
