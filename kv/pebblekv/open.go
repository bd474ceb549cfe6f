// Package pebblekv keeps a store in one directory, with Pebble as the engine.
// It is what a cloud on one machine uses. Start with Open.
//
// Transactions come from package occ; what is here is the engine under them,
// how its directory is opened and locked (open.go), what happens when the disk
// is full (disk.go) and how it is backed up and restored (backup.go).
//
// A directory holds the folder "store", which is Pebble's, the file
// "gigawatt-store", which says that the store was created and therefore must
// be there, and the file "lock".
package pebblekv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/kv/driver"
	"github.com/gigawatt-cloud/gigawatt/kv/occ"
)

// Options change how a store is opened. The zero value is right for a cloud on
// one machine.
type Options struct {
	// CacheBytes is the memory for blocks that were read; 8 MiB when zero.
	CacheBytes int64
	// MemTableBytes is the memory for rows before they are sorted into files; 8 MiB when zero.
	MemTableBytes uint64
	// ReserveBytes is the free space that is left untouched: below it only
	// transactions that delete something are taken, and below a quarter of it
	// none. 64 MiB when zero.
	ReserveBytes uint64

	fs vfs.FS // in tests
}

func (o Options) withDefaults() Options {
	if o.CacheBytes == 0 {
		o.CacheBytes = 8 << 20
	}
	if o.MemTableBytes == 0 {
		o.MemTableBytes = 8 << 20
	}
	if o.ReserveBytes == 0 {
		o.ReserveBytes = 64 << 20
	}
	if o.fs == nil {
		o.fs = vfs.Default
	}
	return o
}

// format is the version of how rows are laid out. A binary opens stores of its
// own version and, once there are older ones, migrates those.
const format = 1

// formatKey is in the part of the key space that is left to engines.
var formatKey = []byte{occ.Reserved, 'e', 'g', 'i', 'g', 'a', 'w', 'a', 't', 't', '-', 'f', 'o', 'r', 'm', 'a', 't'}

const (
	storeDir   = "store"
	markerFile = "gigawatt-store"
	lockFile   = "lock"
)

// Open opens the store in a directory, which it creates when it is missing or
// empty. It returns an error that wraps kv.ErrDamaged, and changes nothing,
// when the directory has held a store that is not whole any more. Only one
// process can have a directory open.
func Open(dir string, opts Options) (*kv.DB, error) {
	d, err := OpenDriver(dir, opts)
	if err != nil {
		return nil, err
	}
	return kv.New(d), nil
}

// OpenDriver is Open for those who wrap the driver.
func OpenDriver(dir string, opts Options) (driver.DB, error) {
	opts = opts.withDefaults()
	if opts.fs == vfs.Default {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return nil, err
		}
		dir = abs
	}
	d, err := openDriver(dir, opts)
	if errors.Is(err, driver.ErrDamaged) {
		return nil, fmt.Errorf("the store in %s cannot be opened: %w; nothing was changed: keep the directory, and bring a backup into a new one with \"gigawatt restore\"", dir, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open the store in %s: %w", dir, err)
	}
	return d, nil
}

func openDriver(dir string, opts Options) (driver.DB, error) {
	gate := new(occ.Gate)
	e := &engine{
		dir: dir, gate: gate, reserve: opts.ReserveBytes,
		fs: &patientFS{FS: opts.fs, gate: gate},
	}
	if err := e.open(opts); err != nil {
		return nil, errors.Join(err, e.closeAll())
	}
	d, err := occ.New(e, gate)
	if err != nil {
		return nil, errors.Join(err, e.closeAll())
	}
	return d, nil
}

// open locks the directory, makes sure that it holds a whole store or none,
// and starts Pebble.
func (e *engine) open(opts Options) error {
	if err := makeDir(e.fs, e.dir); err != nil {
		return err
	}
	lock, err := e.fs.Lock(e.fs.PathJoin(e.dir, lockFile))
	if err != nil {
		return fmt.Errorf("another gigawatt has it open, stop that one first (%w)", err)
	}
	e.closers = append(e.closers, lock)

	created, err := e.inspect()
	if err != nil {
		return err
	}
	if err := e.start(opts, created); err != nil {
		return damage(err)
	}
	return e.checkFormat(created)
}

// inspect says whether the directory holds a store. When it holds part of one,
// that is damage.
func (e *engine) inspect() (created bool, err error) {
	store := e.fs.PathJoin(e.dir, storeDir)
	_, err = e.fs.Stat(e.fs.PathJoin(e.dir, markerFile))
	marked := err == nil
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, err
	}
	files, err := e.fs.List(store)
	if errors.Is(err, os.ErrNotExist) {
		if marked {
			return false, fmt.Errorf("%w: the folder %q is gone", driver.ErrDamaged, storeDir)
		}
		return false, nil
	}
	if err != nil {
		return false, err
	}
	desc, err := pebble.Peek(store, e.fs)
	if err != nil {
		return false, damage(err)
	}
	if desc.Exists {
		if err := checkManifest(e.fs, desc.ManifestFilename); err != nil {
			return false, damage(err)
		}
		if marked && !slices.ContainsFunc(files, isLog) {
			return false, fmt.Errorf("%w: the log is gone", driver.ErrDamaged)
		}
		return true, nil
	}
	if marked {
		return false, fmt.Errorf("%w: the manifest is gone", driver.ErrDamaged)
	}
	// A start that was interrupted before anything was kept leaves no rows.
	for _, name := range files {
		info, err := e.fs.Stat(e.fs.PathJoin(store, name))
		if err != nil {
			return false, err
		}
		if strings.HasSuffix(name, ".sst") || isLog(name) && info.Size() > 0 {
			return false, fmt.Errorf("%w: the manifest is gone, but %s is there", driver.ErrDamaged, name)
		}
	}
	return false, nil
}

func isLog(name string) bool { return strings.HasSuffix(name, ".log") }

func (e *engine) start(opts Options, created bool) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", driver.ErrDamaged, r)
		}
	}()
	cache := pebble.NewCache(opts.CacheBytes)
	defer cache.Unref()
	e.db, err = pebble.Open(e.fs.PathJoin(e.dir, storeDir), e.pebbleOptions(opts, cache, created))
	if err == nil {
		e.closers = append(e.closers, e.db)
	}
	return err
}

func (e *engine) pebbleOptions(opts Options, cache *pebble.Cache, created bool) *pebble.Options {
	o := &pebble.Options{
		FS:                          e.fs,
		Cache:                       cache,
		FormatMajorVersion:          pebble.FormatNewest,
		ErrorIfNotExists:            created,
		MemTableSize:                opts.MemTableBytes,
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       2,
		L0StopWritesThreshold:       24,
		LBaseMaxBytes:               64 << 20,
		MaxOpenFiles:                500,
		Logger:                      logger{},
		EventListener: &pebble.EventListener{
			BackgroundError: func(err error) { e.sick(damage(err)) },
			DataCorruption: func(info pebble.DataCorruptionInfo) {
				e.sick(fmt.Errorf("%w: %s", driver.ErrDamaged, info))
			},
		},
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	return o
}

// checkFormat reads the version that the store was written with, or writes it
// into a new one.
func (e *engine) checkFormat(created bool) error {
	value, closer, err := e.db.Get(formatKey)
	switch {
	case err == nil:
		defer closer.Close()
		got, err := strconv.Atoi(string(value))
		if err != nil {
			return fmt.Errorf("%w: it has the format %.20q", driver.ErrDamaged, value)
		}
		if got != format {
			return fmt.Errorf("it has format %d and this gigawatt knows format %d: use the version that wrote it, or a newer one", got, format)
		}
		return e.mark()
	case !errors.Is(err, pebble.ErrNotFound):
		return damage(err)
	}
	if created {
		if err := e.checkEmpty(); err != nil {
			return err
		}
	}
	if err := e.db.Set(formatKey, strconv.AppendInt(nil, format, 10), pebble.Sync); err != nil {
		return err
	}
	return e.mark()
}

// checkEmpty tells a store whose creation was interrupted from one that has
// lost its format.
func (e *engine) checkEmpty() error {
	it, err := e.db.NewIter(nil)
	if err != nil {
		return damage(err)
	}
	if it.First() {
		return errors.Join(fmt.Errorf("%w: it does not say which format it has", driver.ErrDamaged), it.Close())
	}
	return damage(it.Close())
}

// mark notes that the store exists, so that its loss cannot pass for a first start.
func (e *engine) mark() error {
	name := e.fs.PathJoin(e.dir, markerFile)
	if _, err := e.fs.Stat(name); err == nil {
		return nil
	}
	return writeFile(e.fs, name, []byte("This directory holds a Gigawatt store. Do not edit or delete anything in it.\n"))
}

// writeFile writes a whole file so that it is either there or not.
func writeFile(fs vfs.FS, name string, data []byte) error {
	tmp := name + ".tmp"
	f, err := fs.Create(tmp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := fs.Rename(tmp, name); err != nil {
		return err
	}
	return syncDir(fs, fs.PathDir(name))
}

// makeDir creates a directory and those above it, so that they survive a loss
// of power: each is named in the one above, which is synced.
func makeDir(fs vfs.FS, dir string) error {
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := syncDir(fs, dir); err != nil {
		return err
	}
	for parent := fs.PathDir(dir); parent != dir; dir, parent = parent, fs.PathDir(parent) {
		switch err := syncDir(fs, parent); {
		case errors.Is(err, os.ErrPermission):
			return nil // not ours to read, so it was there before
		case err != nil:
			return err
		}
	}
	return nil
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// damage adds driver.ErrDamaged to what Pebble says about unreadable data.
func damage(err error) error {
	switch {
	case err == nil, errors.Is(err, driver.ErrDamaged):
		return err
	case pebble.IsCorruptionError(err), errors.Is(err, pebble.ErrDBDoesNotExist), errors.Is(err, os.ErrNotExist),
		errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: %w", driver.ErrDamaged, err)
	}
	return err
}

// logger drops what Pebble tells about its work; its errors come as events.
type logger struct{}

func (logger) Infof(string, ...any)                   {}
func (logger) Errorf(string, ...any)                  {}
func (logger) Eventf(context.Context, string, ...any) {}
func (logger) IsTracingEnabled(context.Context) bool  { return false }
func (logger) Fatalf(format string, args ...any)      { panic(engineFailure(fmt.Sprintf(format, args...))) }

// engineFailure is the panic of an engine that cannot go on. Under a
// transaction it becomes an error. In Pebble's own goroutines it ends the
// process: everything acknowledged is on the disk, and is there after a restart.
type engineFailure string
