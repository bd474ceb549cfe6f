package fileblob_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/gigawatt-cloud/gigawatt/blob/driver"
	"github.com/gigawatt-cloud/gigawatt/blob/drivertest"
	"github.com/gigawatt-cloud/gigawatt/blob/fileblob"
)

func TestCrash(t *testing.T) {
	for name, named := range map[string]bool{"Unnamed": false, "NamedTemp": true} {
		t.Run(name, func(t *testing.T) {
			drivertest.Crash(t, func(dir string) (driver.Store, error) {
				return fileblob.Open(dir, fileblob.Options{NamedTemp: named})
			}, litter)
		})
	}
}

// litter lists the files that are not part of a committed blob.
func litter(t testing.TB, dir string) []string {
	return slices.DeleteFunc(files(t, dir), func(name string) bool {
		return name == "FORMAT" || name == "LOCK" || driver.ID(filepath.Base(name)).Valid()
	})
}

func BenchmarkStore(b *testing.B) {
	drivertest.Benchmark(b, func(b *testing.B) driver.Store {
		s, err := fileblob.Open(b.TempDir(), fileblob.Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { s.Close() })
		return s
	})
}
