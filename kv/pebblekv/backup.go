package pebblekv

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/gigawatt-cloud/gigawatt/kv/driver"
)

// manifestFile is written last: a backup without it is not complete.
const manifestFile = "manifest.json"

// manifest says what a backup consists of.
type manifest struct {
	// Format is the version of the rows' layout.
	Format int          `json:"format"`
	Files  []backupFile `json:"files"`
}

type backupFile struct {
	// Name is relative to the folder "store" of the backup.
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Backup implements occ.Engine. Files that never change are linked rather than
// copied where the file system permits.
func (e *engine) Backup(ctx context.Context, dir string) error {
	if e.fs.FS == vfs.Default {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return err
		}
		dir = abs
	}
	if err := makeEmpty(e.fs.FS, dir); err != nil {
		return err
	}
	store := e.fs.PathJoin(dir, storeDir)
	if err := e.checkpoint(store); err != nil {
		return damage(err)
	}
	names, err := e.fs.List(store)
	if err != nil {
		return err
	}
	slices.Sort(names)
	m := manifest{Format: format}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		f, err := e.fs.Open(e.fs.PathJoin(store, name))
		if err != nil {
			return err
		}
		h := sha256.New()
		n, err := io.Copy(h, f)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		m.Files = append(m.Files, backupFile{Name: name, Size: n, SHA256: hex.EncodeToString(h.Sum(nil))})
	}
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(e.fs.FS, e.fs.PathJoin(dir, manifestFile), append(data, '\n'))
}

func (e *engine) checkpoint(store string) (err error) {
	defer recoverFailure(&err)
	return e.db.Checkpoint(store, pebble.WithFlushedWAL())
}

// makeEmpty creates a directory, or makes sure that it is empty.
func makeEmpty(fs vfs.FS, dir string) error {
	names, err := fs.List(dir)
	if errors.Is(err, os.ErrNotExist) {
		return makeDir(fs, dir)
	}
	if err == nil && len(names) > 0 {
		return fmt.Errorf("%s is not empty", dir)
	}
	return err
}

// Restore brings a backup into a directory, which must not exist or be empty,
// and which Open then opens. It verifies every byte: a backup that is not
// complete or was changed is an error that wraps kv.ErrDamaged, and leaves
// nothing that Open would take for a store.
func Restore(backupDir, dir string) error {
	if err := restore(vfs.Default, backupDir, dir); err != nil {
		return fmt.Errorf("restore %s into %s: %w", backupDir, dir, err)
	}
	return nil
}

func restore(fs vfs.FS, backupDir, dir string) (err error) {
	m, err := readManifest(fs, fs.PathJoin(backupDir, manifestFile))
	if err != nil {
		return err
	}
	if err := makeEmpty(fs, dir); err != nil {
		return err
	}
	store := fs.PathJoin(dir, storeDir)
	partial := store + ".partial"
	if err := fs.MkdirAll(partial, 0o700); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, fs.RemoveAll(partial))
		}
	}()
	for _, f := range m.Files {
		if err := copyVerified(fs, fs.PathJoin(backupDir, storeDir, f.Name), fs.PathJoin(partial, f.Name), f); err != nil {
			return err
		}
	}
	if err := syncDir(fs, partial); err != nil {
		return err
	}
	if err := fs.Rename(partial, store); err != nil {
		return err
	}
	if err := syncDir(fs, dir); err != nil {
		return err
	}
	return (&engine{dir: dir, fs: &patientFS{FS: fs}}).mark()
}

func readManifest(fs vfs.FS, name string) (m manifest, err error) {
	f, err := fs.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return m, fmt.Errorf("%w: no %s: this is not a backup, or one that was interrupted", driver.ErrDamaged, manifestFile)
	}
	if err != nil {
		return m, err
	}
	data, err := io.ReadAll(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return m, err
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("%w: %s: %w", driver.ErrDamaged, manifestFile, err)
	}
	if m.Format != format {
		return m, fmt.Errorf("the backup has format %d and this gigawatt knows format %d: use the version that wrote it, or a newer one", m.Format, format)
	}
	if len(m.Files) == 0 {
		return m, fmt.Errorf("%w: %s names no files", driver.ErrDamaged, manifestFile)
	}
	for _, f := range m.Files {
		if f.Name == "" || !filepath.IsLocal(f.Name) || filepath.Base(f.Name) != f.Name {
			return m, fmt.Errorf("%w: %s names the file %q", driver.ErrDamaged, manifestFile, f.Name)
		}
	}
	return m, nil
}

func copyVerified(fs vfs.FS, from, to string, want backupFile) error {
	in, err := fs.Open(from)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: %s is missing", driver.ErrDamaged, want.Name)
	}
	if err != nil {
		return err
	}
	out, err := fs.Create(to, vfs.WriteCategoryUnspecified)
	if err != nil {
		return errors.Join(err, in.Close())
	}
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(out, h), in)
	if err == nil {
		err = out.Sync()
	}
	if err := errors.Join(err, out.Close(), in.Close()); err != nil {
		return err
	}
	if n != want.Size || hex.EncodeToString(h.Sum(nil)) != want.SHA256 {
		return fmt.Errorf("%w: %s is not what was backed up", driver.ErrDamaged, want.Name)
	}
	return nil
}
