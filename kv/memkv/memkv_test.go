package memkv_test

import (
	"testing"

	"github.com/gigawatt-cloud/gigawatt/kv/driver"
	"github.com/gigawatt-cloud/gigawatt/kv/drivertest"
	"github.com/gigawatt-cloud/gigawatt/kv/memkv"
)

func makeStore(testing.TB) drivertest.Store {
	return drivertest.Store{Open: func(testing.TB) driver.DB { return memkv.NewDriver() }}
}

func TestDriver(t *testing.T) { drivertest.Run(t, makeStore) }

func BenchmarkDriver(b *testing.B) { drivertest.Bench(b, makeStore) }
