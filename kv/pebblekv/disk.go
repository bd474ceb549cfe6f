package pebblekv

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/gigawatt-cloud/gigawatt/kv/driver"
	"github.com/gigawatt-cloud/gigawatt/kv/occ"
)

// A full disk meets two defences. The first is space: while little is left,
// transactions are refused before they begin, so that Pebble, which cannot
// take back a write, keeps room for its own work. The second is patientFS, for
// when others fill the disk to the last byte: a write of Pebble that finds no
// space is tried again until there is some, and meanwhile transactions return
// driver.ErrFull.

// space watches the free space.
type space struct {
	next  atomic.Int64 // time of the next look, in Unix nanoseconds
	level atomic.Int32
	free  atomic.Uint64
}

const (
	spaceEnough int32 = iota
	spaceLow          // only transactions that delete are taken
	spaceNone
)

const (
	lookEvery    = time.Second
	lookWhenFull = 50 * time.Millisecond
)

// Admit implements occ.Engine.
func (e *engine) Admit(writes []*occ.Write) error {
	level := e.space.look(e)
	if level == spaceEnough {
		return nil
	}
	if level == spaceLow {
		for _, w := range writes {
			if w.Delete {
				return nil
			}
		}
	}
	return e.space.err(e)
}

func (s *space) look(e *engine) int32 {
	now, next := time.Now().UnixNano(), s.next.Load()
	if now < next || !s.next.CompareAndSwap(next, now+int64(lookEvery)) {
		return s.level.Load()
	}
	level := spaceEnough
	if u, err := e.fs.GetDiskUsage(e.dir); err == nil { // not every file system can tell
		s.free.Store(u.AvailBytes)
		switch {
		case u.AvailBytes < e.reserve/4:
			level = spaceNone
		case u.AvailBytes < e.reserve:
			level = spaceLow
		}
	}
	s.level.Store(level)
	if level != spaceEnough {
		s.next.Store(now + int64(lookWhenFull))
	}
	return level
}

func (s *space) err(e *engine) error {
	return fmt.Errorf("%w: %d MiB are free where %s is, and %d are kept in reserve", driver.ErrFull, s.free.Load()>>20, e.dir, e.reserve>>20)
}

func (s *space) health(e *engine) error {
	if s.look(e) == spaceEnough {
		return nil
	}
	return s.err(e)
}

func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// patientFS waits for space instead of failing without it.
type patientFS struct {
	vfs.FS
	gate *occ.Gate

	mu      sync.Mutex
	waiting int
}

// retryEvery is how long a write that found no space waits.
const retryEvery = 50 * time.Millisecond

// patient runs op until it does not fail for lack of space.
func (p *patientFS) patient(op func() error) error {
	err := op()
	if !isFull(err) {
		return err
	}
	p.wait(1, err)
	defer p.wait(-1, nil)
	for isFull(err) {
		time.Sleep(retryEvery)
		err = op()
	}
	return err
}

func (p *patientFS) wait(by int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting += by
	switch {
	case p.waiting == 0:
		p.gate.Open()
	case p.waiting == 1 && by == 1:
		p.gate.Shut(fmt.Errorf("%w: %w", driver.ErrFull, err))
	}
}

func (p *patientFS) file(open func() (vfs.File, error)) (vfs.File, error) {
	var f vfs.File
	err := p.patient(func() (err error) {
		f, err = open()
		return err
	})
	if err != nil {
		return nil, err
	}
	return &patientFile{File: f, fs: p}, nil
}

// Create implements vfs.FS.
func (p *patientFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return p.file(func() (vfs.File, error) { return p.FS.Create(name, c) })
}

// OpenReadWrite implements vfs.FS.
func (p *patientFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return p.file(func() (vfs.File, error) { return p.FS.OpenReadWrite(name, c, opts...) })
}

// ReuseForWrite implements vfs.FS.
func (p *patientFS) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return p.file(func() (vfs.File, error) { return p.FS.ReuseForWrite(old, name, c) })
}

// Link implements vfs.FS.
func (p *patientFS) Link(old, name string) error {
	return p.patient(func() error { return p.FS.Link(old, name) })
}

// Rename implements vfs.FS.
func (p *patientFS) Rename(old, name string) error {
	return p.patient(func() error { return p.FS.Rename(old, name) })
}

// MkdirAll implements vfs.FS.
func (p *patientFS) MkdirAll(dir string, perm os.FileMode) error {
	return p.patient(func() error { return p.FS.MkdirAll(dir, perm) })
}

// Unwrap implements vfs.FS.
func (p *patientFS) Unwrap() vfs.FS { return p.FS }

// patientFile is a file of a patientFS. Its Sync is not tried again: after a
// failed one nobody knows which bytes the system has kept.
type patientFile struct {
	vfs.File
	fs *patientFS
}

// Write implements vfs.File.
func (f *patientFile) Write(b []byte) (int, error) {
	done := 0
	err := f.fs.patient(func() error {
		n, err := f.File.Write(b[done:])
		done += n
		return err
	})
	return done, err
}

// WriteAt implements vfs.File.
func (f *patientFile) WriteAt(b []byte, off int64) (n int, err error) {
	err = f.fs.patient(func() error {
		n, err = f.File.WriteAt(b, off)
		return err
	})
	return n, err
}
