package fileblob

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/gigawatt-cloud/gigawatt/blob/driver"
)

// The digits of an id that name its directories: 2^28 ms and 2^20 ms of time.
const (
	topDigits  = 5
	leafDigits = 7
)

func (s *Store) path(id driver.ID) string {
	return filepath.Join(s.root, leafOf(id), string(id))
}

// leafOf returns the directory of a blob, relative to the root.
func leafOf(id driver.ID) string {
	return string(id[:topDigits]) + string(filepath.Separator) + string(id[topDigits:leafDigits])
}

// makeLeaf makes the directory of a blob exist, durably.
func (s *Store) makeLeaf(dir string, again bool) error {
	s.mu.Lock()
	known := s.made == dir
	s.mu.Unlock()
	if known && !again {
		return nil
	}
	if err := makeDirs(s.root, dir); err != nil {
		return err
	}
	s.mu.Lock()
	s.made = max(s.made, dir)
	s.mu.Unlock()
	return nil
}

// makeDirs creates the two levels of dir under root and syncs what holds them.
func makeDirs(root, dir string) error {
	for _, d := range []string{filepath.Dir(dir), dir} {
		path := filepath.Join(root, d)
		if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		// Synced also when it was there: whoever made it may not have got so far.
		if err := syncDir(filepath.Dir(path)); err != nil {
			return err
		}
	}
	return nil
}

// prune removes the directories of a deleted blob when they are empty, unless
// commits go there now. A commit that loses the race makes them again.
func (s *Store) prune(id driver.ID) {
	dir := leafOf(id)
	s.mu.Lock()
	current := dir == s.made || s.leafs[dir] != nil
	s.mu.Unlock()
	if current {
		return
	}
	// Both fail when the directory is not empty, which is the usual case.
	if os.Remove(filepath.Join(s.root, dir)) == nil {
		_ = os.Remove(filepath.Join(s.root, dir[:topDigits]))
	}
}

// A leaf is a directory that commits wait for. Those that come while a sync
// runs share the next one.
type leaf struct {
	refs    int // guarded by Store.mu
	syncing sync.Mutex

	mu   sync.Mutex
	next *flush
}

// flush is one sync of a directory and the commits that wait for it.
type flush struct {
	done chan struct{}
	err  error
}

// syncLeaf returns when the names that were linked in dir before the call are durable.
func (s *Store) syncLeaf(dir string) error {
	s.mu.Lock()
	l := s.leafs[dir]
	if l == nil {
		l = &leaf{}
		s.leafs[dir] = l
	}
	l.refs++
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		if l.refs--; l.refs == 0 {
			delete(s.leafs, dir)
		}
		s.mu.Unlock()
	}()

	l.mu.Lock()
	if f := l.next; f != nil {
		l.mu.Unlock()
		<-f.done
		return f.err
	}
	f := &flush{done: make(chan struct{})}
	l.next = f
	l.mu.Unlock()

	l.syncing.Lock()
	l.mu.Lock()
	l.next = nil // whoever comes now linked too late to be sure
	l.mu.Unlock()
	if f.err = s.inject("syncdir"); f.err == nil {
		f.err = syncDir(filepath.Join(s.root, dir))
	}
	l.syncing.Unlock()
	close(f.done)
	return f.err
}

// syncDir makes the names in a directory durable.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(full(d.Sync()), d.Close())
}
