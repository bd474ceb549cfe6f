package fileblob

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gigawatt-cloud/gigawatt/blob/driver"
)

// List implements driver.Store. It holds at most [window] names of a directory
// in memory, and reads a larger directory more than once.
func (s *Store) List(ctx context.Context, createdBefore time.Time, fn func(driver.Info) error) error {
	return walk(ctx, s.root, driver.Bound(createdBefore), func(id driver.ID) error {
		if s.gone(id) {
			return nil
		}
		st, err := os.Lstat(s.path(id))
		if errors.Is(err, fs.ErrNotExist) {
			return nil // deleted meanwhile
		}
		if err != nil {
			return err
		}
		return fn(driver.Info{ID: id, Size: blobSize(st.Size()), Created: id.Time()})
	})
}

// window is how many names are sorted at once.
var window = 1 << 16

// walk calls fn with the ids of the files under root below bound, in order.
func walk(ctx context.Context, root string, bound driver.ID, fn func(driver.ID) error) error {
	tops, err := subdirs(root, topDigits)
	if err != nil {
		return err
	}
	for _, top := range tops {
		if top > string(bound[:topDigits]) {
			break
		}
		leafs, err := subdirs(filepath.Join(root, top), leafDigits-topDigits)
		if err != nil {
			return err
		}
		for _, l := range leafs {
			if top+l > string(bound[:leafDigits]) {
				break
			}
			if err := walkLeaf(ctx, filepath.Join(root, top, l), top+l, bound, fn); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

func walkLeaf(ctx context.Context, dir, prefix string, bound driver.ID, fn func(driver.ID) error) error {
	for after := driver.ID(""); ; {
		ids, err := smallest(dir, prefix, after, bound)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := fn(id); err != nil {
				return err
			}
		}
		if len(ids) < window {
			return nil
		}
		after = ids[len(ids)-1]
	}
}

// smallest returns, sorted, the first ids in dir between after and bound, at
// most [window].
func smallest(dir, prefix string, after, bound driver.ID) ([]driver.ID, error) {
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // pruned meanwhile
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	var ids []driver.ID
	for {
		names, err := d.Readdirnames(1024)
		for _, n := range names {
			if id := driver.ID(n); id.Valid() && n[:leafDigits] == prefix && id > after && id < bound {
				ids = append(ids, id)
			}
		}
		if len(ids) >= 2*window || err != nil {
			slices.Sort(ids)
			ids = ids[:min(len(ids), window)]
		}
		if err == io.EOF {
			return ids, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// subdirs returns, sorted, the names in dir that are that many hexadecimal digits.
func subdirs(dir string, digits int) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if n := e.Name(); e.IsDir() && len(n) == digits && isHex(n) {
			names = append(names, n)
		}
	}
	return names, nil
}

func isHex(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
