//go:build unix && !linux

package fileblob

import (
	"errors"
	"os"
)

// openUnnamed reports that the system has no files without a name.
func openUnnamed(string) (*os.File, error) { return nil, errors.ErrUnsupported }

// linkUnnamed is not reached where openUnnamed has nothing to give.
func linkUnnamed(*os.File, string) error { return errors.ErrUnsupported }

// syncData makes the bytes of a file durable; on darwin Sync includes the disk's cache.
func syncData(f *os.File) error { return f.Sync() }

// startWriteBack does nothing: there is no such advice to give.
func startWriteBack(*os.File, int64, int64) {}
