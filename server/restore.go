package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gigawatt-cloud/gigawatt/blob/fileblob"
	"github.com/gigawatt-cloud/gigawatt/kv/pebblekv"
)

// Restore makes a data directory from a backup and verifies its checksums.
// The directory must be missing or empty, and stays unusable when it fails.
func Restore(ctx context.Context, backup, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty; restore into a new directory", dir)
	}
	key, err := os.ReadFile(filepath.Join(backup, masterKeyFile))
	if err != nil {
		return fmt.Errorf("%s is not a backup of a cloud: %w", backup, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	report, err := fileblob.Restore(ctx, filepath.Join(backup, blobDir), filepath.Join(dir, blobDir))
	if err != nil {
		return err
	}
	if len(report.Corrupt) > 0 {
		return fmt.Errorf("the backup holds %d damaged blobs, the first is %w", len(report.Corrupt), report.Corrupt[0])
	}
	if err := pebblekv.Restore(filepath.Join(backup, kvDir), filepath.Join(dir, kvDir)); err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, masterKeyFile), key, 0o600)
}
