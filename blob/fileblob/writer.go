package fileblob

import (
	"context"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/gigawatt-cloud/gigawatt/blob/driver"
)

const (
	bufSize = 128 << 10
	// writeBack is after how many bytes the system is asked to begin writing to
	// the disk, so that a long stream does not fill the memory with dirty
	// pages and does not wait for all of them at its commit.
	writeBack = 8 << 20
)

var buffers = sync.Pool{New: func() any { return new([bufSize]byte) }}

// writer writes one blob. After its first error it only aborts.
type writer struct {
	ctx  context.Context
	s    *Store
	f    *os.File
	name string // of the temporary file, if it has one
	buf  *[bufSize]byte
	n    int      // bytes in buf
	size int64    // bytes written to f
	crc  uint32   // of the block that is being written
	crcs []uint32 // of the blocks before it
}

// Create implements driver.Store.
func (s *Store) Create(ctx context.Context) (driver.Writer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := s.inject("create"); err != nil {
		return nil, err
	}
	f, name, err := s.createTemp()
	if err != nil {
		return nil, full(err)
	}
	return &writer{ctx: ctx, s: s, f: f, name: name, buf: buffers.Get().(*[bufSize]byte)}, nil
}

func (s *Store) createTemp() (f *os.File, name string, err error) {
	dir := filepath.Join(s.root, tmpName)
	if !s.named {
		f, err = openUnnamed(dir)
		return f, "", err
	}
	f, err = os.CreateTemp(dir, "")
	if err != nil {
		return nil, "", err
	}
	return f, f.Name(), nil
}

// probe finds out whether the file system has files without a name. Any other
// error, such as that of a full disk, does not keep a store from being opened.
func (s *Store) probe() {
	if s.named {
		return
	}
	f, err := openUnnamed(filepath.Join(s.root, tmpName))
	if err == nil {
		f.Close()
	}
	s.named = errors.Is(err, errors.ErrUnsupported)
}

// Write implements io.Writer.
func (w *writer) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		var n int
		if w.n == 0 && len(p) >= bufSize {
			n = len(p) - len(p)%bufSize
			if err := w.flush(p[:n]); err != nil {
				return written, err
			}
		} else {
			n = copy(w.buf[w.n:], p)
			if w.n += n; w.n == bufSize {
				if err := w.flushBuf(); err != nil {
					return written, err
				}
			}
		}
		written += n
		p = p[n:]
	}
	return written, w.ctx.Err()
}

// ReadFrom implements io.ReaderFrom.
func (w *writer) ReadFrom(r io.Reader) (int64, error) {
	var read int64
	for {
		n, err := r.Read(w.buf[w.n:])
		w.n += n
		read += int64(n)
		if w.n == bufSize {
			if err := w.flushBuf(); err != nil {
				return read, err
			}
		}
		if err == io.EOF {
			return read, nil
		}
		if err != nil {
			return read, err
		}
	}
}

func (w *writer) flushBuf() error {
	err := w.flush(w.buf[:w.n])
	w.n = 0
	return err
}

// flush writes p to the file.
func (w *writer) flush(p []byte) error {
	for len(p) > 0 {
		part := p[:min(int64(len(p)), blockSize-w.size%blockSize)]
		w.crc = crc32.Update(w.crc, castagnoli, part)
		if err := w.write(part); err != nil {
			return err
		}
		w.size += int64(len(part))
		if w.size%blockSize == 0 {
			w.crcs = append(w.crcs, w.crc)
			w.crc = 0
		}
		if w.size%writeBack == 0 {
			startWriteBack(w.f, w.size-writeBack, writeBack)
		}
		p = p[len(part):]
	}
	return nil
}

func (w *writer) write(p []byte) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if err := w.s.inject("write"); err != nil {
		return err
	}
	_, err := w.f.Write(p)
	return full(err)
}

// Commit implements driver.Writer.
func (w *writer) Commit() (driver.ID, error) {
	id, err := w.commit()
	if err != nil {
		_ = w.Abort()
		return "", err
	}
	w.release()
	// The name is durable, so that closing cannot lose anything.
	return id, w.f.Close()
}

func (w *writer) commit() (driver.ID, error) {
	id := w.s.ids.Next()
	if err := w.finish(id); err != nil {
		return "", err
	}
	if err := w.s.inject("sync"); err != nil {
		return "", err
	}
	if err := syncData(w.f); err != nil {
		return "", full(err)
	}
	if err := w.link(id); err != nil {
		return "", full(err)
	}
	if err := w.s.syncLeaf(leafOf(id)); err != nil {
		return "", errors.Join(err, w.s.unlink(id))
	}
	return id, nil
}

// finish writes what is buffered, and the footer.
func (w *writer) finish(id driver.ID) error {
	// The buffer never crosses the end of a block, and holds less than a block
	// needs to end: only whole buffers were flushed, and they divide a block.
	tail := w.buf[:w.n]
	size := w.size + int64(w.n)
	if size%blockSize != 0 {
		w.crcs = append(w.crcs, crc32.Update(w.crc, castagnoli, tail))
	}
	if len(tail)+len(w.crcs)*crcSize+trailerSize > bufSize {
		if err := w.write(tail); err != nil {
			return err
		}
		tail = tail[:0]
	}
	return w.write(appendFooter(tail, id, size, w.crcs))
}

// link gives the file its name.
func (w *writer) link(id driver.ID) error {
	dir := leafOf(id)
	if err := w.s.inject("link"); err != nil {
		return err
	}
	for try := range 3 {
		err := w.s.makeLeaf(dir, try > 0)
		switch {
		case err != nil:
		case w.name == "":
			err = linkUnnamed(w.f, w.s.path(id))
		default:
			err = os.Rename(w.name, w.s.path(id))
		}
		if errors.Is(err, fs.ErrNotExist) { // the directory was pruned
			continue
		}
		if err == nil {
			w.name = ""
		}
		return err
	}
	return errors.New("the directory of the blob vanishes again and again")
}

// Abort implements driver.Writer.
func (w *writer) Abort() error {
	w.release()
	err := w.f.Close()
	if w.name != "" {
		err = errors.Join(err, os.Remove(w.name))
	}
	return err
}

func (w *writer) release() {
	if w.buf != nil {
		buffers.Put(w.buf)
		w.buf = nil
	}
}
