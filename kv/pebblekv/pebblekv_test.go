package pebblekv

import (
	"testing"

	"github.com/gigawatt-cloud/gigawatt/kv/driver"
	"github.com/gigawatt-cloud/gigawatt/kv/drivertest"
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
