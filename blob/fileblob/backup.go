package fileblob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/gigawatt-cloud/gigawatt/blob/driver"
)

// Report says what [Store.Backup] or [Restore] did.
type Report struct {
	Blobs int64
	// Linked counts those that share their bytes with the original, because both
	// are on one file system.
	Linked int64
	// Corrupt names the damaged blobs that Restore met. It restores them too,
	// so that what is whole of them can be read.
	Corrupt []*driver.CorruptError
}

// Backup writes the blobs of the store to the directory dir, which is absent or
// empty, while the store is in use. Blobs that are committed meanwhile may or may
// not be in it; to have it fit a checkpoint of kv see [Store.HoldDeletes].
//
// On the same file system the files are hard links: this takes no room and
// little time, and guards against what programs and people do, not against
// the loss of the disk. On another one they are copied.
//
// The directory is a store that [Open] accepts only once the backup is complete.
func (s *Store) Backup(ctx context.Context, dir string) (Report, error) {
	report, err := transfer(ctx, s.root, dir, false)
	if err != nil {
		return report, fmt.Errorf("back up blobs to %s: %w", dir, err)
	}
	return report, nil
}

// Restore makes a store in the directory root, which is absent or empty, from a
// backup, and reads every blob to compare it with its checksums. An error
// says that the store is incomplete, and Open refuses it; damaged blobs are not
// an error but are in the report.
func Restore(ctx context.Context, backup, root string) (Report, error) {
	text, err := os.ReadFile(filepath.Join(backup, formatName))
	if err == nil && string(text) != formatText {
		err = fmt.Errorf("%s says %q; this program reads only %q", formatName, text, formatText)
	}
	var report Report
	if err == nil {
		report, err = transfer(ctx, backup, root, true)
	}
	if err != nil {
		return report, fmt.Errorf("restore blobs from %s: %w", backup, err)
	}
	return report, nil
}

// afterAll sorts after every id.
const afterAll driver.ID = "ggggggg"

// transfer links or copies all blobs from one directory to another.
func transfer(ctx context.Context, from, to string, verify bool) (report Report, err error) {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return report, full(err)
	}
	entries, err := os.ReadDir(to)
	if err != nil {
		return report, err
	}
	if len(entries) > 0 {
		return report, fmt.Errorf("%s is not empty", to)
	}
	made := ""
	err = walk(ctx, from, afterAll, func(id driver.ID) error {
		dir := leafOf(id)
		if dir != made {
			if err := finishLeaf(to, made); err != nil {
				return err
			}
			if err := makeDirs(to, dir); err != nil {
				return full(err)
			}
			made = dir
		}
		target := filepath.Join(to, dir, string(id))
		linked, err := linkOrCopy(ctx, filepath.Join(from, dir, string(id)), target)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // deleted meanwhile
		}
		if err != nil {
			return full(err)
		}
		report.Blobs++
		if linked {
			report.Linked++
		}
		if verify {
			err = verifyFile(ctx, target, id)
			if c, ok := errors.AsType[*driver.CorruptError](err); ok {
				report.Corrupt = append(report.Corrupt, c)
				err = nil
			}
		}
		return err
	})
	if err == nil {
		err = finishLeaf(to, made)
	}
	if err == nil {
		// Last, because it makes the directory one that Open accepts.
		err = full(writeSynced(filepath.Join(to, formatName), formatText))
	}
	if err == nil {
		err = errors.Join(syncDir(to), syncDir(filepath.Dir(to)))
	}
	return report, err
}

func finishLeaf(to, dir string) error {
	if dir == "" {
		return nil
	}
	return syncDir(filepath.Join(to, dir))
}

// linkOrCopy gives the file from the second name to, or copies it durably where
// that cannot be.
func linkOrCopy(ctx context.Context, from, to string) (linked bool, err error) {
	err = os.Link(from, to)
	if err == nil {
		return true, nil
	}
	cannot := errors.Is(err, syscall.EXDEV) || errors.Is(err, syscall.EPERM) ||
		errors.Is(err, syscall.EMLINK) || errors.Is(err, errors.ErrUnsupported)
	if !cannot {
		return false, err
	}
	return false, copyFile(ctx, from, to)
}

func copyFile(ctx context.Context, from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	for err == nil {
		if err = ctx.Err(); err == nil {
			_, err = io.CopyN(out, in, 64<<20)
		}
	}
	if err == io.EOF {
		err = syncData(out)
	}
	return errors.Join(err, out.Close())
}
