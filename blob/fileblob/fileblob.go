// Package fileblob keeps blobs in files, one for each. It is the driver for one
// machine.
//
// # Layout
//
//	FORMAT            the version of this layout
//	LOCK              held by the process that has the store open
//	tmp/              blobs that are being written, where the system cannot do so without a name
//	019a2/b7/<id>     the blobs, by the time of their commit (three days, 17 minutes)
//
// A file holds the bytes of the blob from offset zero, then a CRC32C for each
// block of 1 MB, then a trailer with the id, the size and a checksum of the
// checksums. Files never change once they have their name, so a backup is made
// of hard links.
//
// # Durability
//
// A blob is written to a file without a name (O_TMPFILE, else a file in tmp/),
// synced, linked to its name, and the directory is synced: only then does Commit
// return. Commits that wait for the same directory share one sync. A crash
// leaves whole blobs only; files in tmp/ are removed by the next [Open].
// A deletion is not synced: after a crash the blob may be back, as an orphan.
//
// # Verification and sendfile
//
// No byte leaves that was not checked by this process. A block that is read for
// the first time is checked against its CRC32C and then marked; marks are kept
// in a bounded cache for as long as the store is open and the blob is in use. Marked
// blocks go to a socket by sendfile; a block without a mark is first read
// through the processor's cache, checked, and then sent by sendfile too, now from the
// page cache. Damage that comes to the disk after the mark was made is noticed
// when the mark is gone, by [Store.Verify], and by Restore of a backup.
//
// It is not for small objects at a high rate: each blob costs two syncs, so a
// service keeps what fits into a kv entry there.
//
// Start at [Open].
package fileblob

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/gigawatt-cloud/gigawatt/blob/driver"
	"github.com/gigawatt-cloud/gigawatt/internal/clock"
)

// Options are the settings of a store. The zero value is usable.
type Options struct {
	// Clock gives the time of commits; the system's when nil.
	Clock clock.Clock
	// Fault, when set, is asked before each operation on files, by the names
	// in [FaultPoints]; an error that it returns takes the place of the operation. It is for
	// tests of what happens when a disk fails or is full.
	Fault func(op string) error
	// NamedTemp makes the store write to named temporary files also where the
	// system could do without, as it does by itself on file systems without O_TMPFILE.
	NamedTemp bool
}

// FaultPoints returns the names that Options.Fault is called with on the way of a
// blob from Create to Commit, in the order in which they first occur.
func FaultPoints() []string { return []string{"create", "write", "sync", "link", "syncdir"} }

// Store is a driver.Store in a directory.
type Store struct {
	root  string
	ids   *driver.IDs
	fault func(op string) error
	lock  *os.File
	named bool // temporary files have names
	marks markCache

	mu    sync.Mutex
	leafs map[string]*leaf // the directories that commits wait for
	made  string           // the newest directory known to exist durably
	holds int
	held  map[driver.ID]struct{} // deleted while holds > 0
}

const (
	formatName = "FORMAT"
	formatText = "gigawatt blob files, version 1\n"
	lockName   = "LOCK"
	tmpName    = "tmp"
)

// Open opens the store in the directory root, which it creates when it is
// absent or empty. It refuses a directory that holds something else, or that
// another process has open.
func Open(root string, o Options) (*Store, error) {
	clk := o.Clock
	if clk == nil {
		clk = clock.System()
	}
	s := &Store{
		root: root, ids: driver.NewIDs(clk), fault: o.Fault, named: o.NamedTemp,
		leafs: map[string]*leaf{}, held: map[driver.ID]struct{}{},
	}
	if err := os.MkdirAll(filepath.Join(root, tmpName), 0o700); err != nil {
		return nil, fmt.Errorf("open blob store: %w", full(err))
	}
	lock, err := lockFile(filepath.Join(root, lockName))
	if err != nil {
		return nil, fmt.Errorf("open blob store: lock %s: %w", root, err)
	}
	s.lock = lock
	if err := s.prepare(); err != nil {
		lock.Close()
		return nil, fmt.Errorf("open blob store %s: %w", root, err)
	}
	return s, nil
}

// prepare checks the format, writes it in a new directory, and removes what a
// crash left.
func (s *Store) prepare() error {
	format := filepath.Join(s.root, formatName)
	tmp := filepath.Join(s.root, tmpName)
	text, err := os.ReadFile(format)
	isNew := errors.Is(err, fs.ErrNotExist)
	switch {
	case isNew:
		entries, err := os.ReadDir(s.root)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if e.Name() != lockName && e.Name() != tmpName {
				return fmt.Errorf("the file %s is missing but %s is there: "+
					"name an empty directory, or restore a backup", formatName, e.Name())
			}
		}
	case err != nil:
		return err
	case string(text) != formatText:
		return fmt.Errorf("%s says %q; this program reads only %q", formatName, text, formatText)
	}
	left, err := os.ReadDir(tmp)
	if err != nil {
		return err
	}
	for _, e := range left {
		if err := os.Remove(filepath.Join(tmp, e.Name())); err != nil {
			return err
		}
	}
	s.probe()
	if !isNew {
		return nil
	}
	if err := writeSynced(filepath.Join(tmp, formatName), formatText); err != nil {
		return full(err)
	}
	if err := os.Rename(filepath.Join(tmp, formatName), format); err != nil {
		return err
	}
	if err := syncDir(s.root); err != nil {
		return err
	}
	return syncDir(filepath.Dir(s.root))
}

func writeSynced(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// Close implements driver.Store. Another process may open the directory afterwards.
func (s *Store) Close() error { return s.lock.Close() }

// Stat implements driver.Store. It reads the description of the blob, not its bytes.
func (s *Store) Stat(ctx context.Context, id driver.ID) (driver.Info, error) {
	if err := ctx.Err(); err != nil {
		return driver.Info{}, err
	}
	f, m, err := s.open(id)
	if err != nil {
		return driver.Info{}, err
	}
	return driver.Info{ID: id, Size: m.size, Created: id.Time()}, f.Close()
}

// Delete implements driver.Store.
func (s *Store) Delete(ctx context.Context, id driver.ID) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	if s.holds > 0 {
		s.held[id] = struct{}{}
		s.mu.Unlock()
		return nil
	}
	s.mu.Unlock()
	return s.unlink(id)
}

func (s *Store) unlink(id driver.ID) error {
	if err := s.inject("unlink"); err != nil {
		return err
	}
	s.marks.drop(id)
	if err := os.Remove(s.path(id)); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	s.prune(id)
	return nil
}

// HoldDeletes makes deletions wait until release is called: the blobs are no
// longer to be seen but their files stay, so that a checkpoint of kv that is taken
// after HoldDeletes, and a [Store.Backup] that is made after the checkpoint,
// fit together. Deletions that wait when the process dies are forgotten, and the
// blobs are orphans.
func (s *Store) HoldDeletes() (release func() error) {
	s.mu.Lock()
	s.holds++
	s.mu.Unlock()
	return sync.OnceValue(s.releaseDeletes)
}

func (s *Store) releaseDeletes() error {
	s.mu.Lock()
	s.holds--
	var due []driver.ID
	if s.holds == 0 {
		for id := range s.held {
			due = append(due, id)
		}
	}
	s.mu.Unlock()
	var errs []error
	for _, id := range due {
		errs = append(errs, s.unlink(id))
		s.mu.Lock()
		delete(s.held, id)
		s.mu.Unlock()
	}
	return errors.Join(errs...)
}

// gone reports whether the blob was deleted while deletions are held.
func (s *Store) gone(id driver.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.held) == 0 {
		return false
	}
	_, ok := s.held[id]
	return ok
}

func (s *Store) inject(op string) error {
	if s.fault == nil {
		return nil
	}
	return full(s.fault(op))
}

// full turns the system's ways to say that there is no room into ErrFull.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", driver.ErrFull, err)
	}
	return err
}
