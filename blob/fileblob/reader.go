package fileblob

import (
	"context"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"os"

	"github.com/gigawatt-cloud/gigawatt/blob/driver"
)

// maxRun is how many bytes are handed to the system at once; between runs the
// context is looked at.
const maxRun = 8 << 20

type reader struct {
	ctx      context.Context
	s        *Store
	f        *os.File
	id       driver.ID
	m        *meta
	pos, end int64
	size     int64
	run      io.LimitedReader
	buf      *[bufSize]byte // for checks, and for a destination that can only Write
}

// Open implements driver.Store.
func (s *Store) Open(ctx context.Context, id driver.ID, offset, length int64) (driver.Reader, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, m, err := s.open(id)
	if err != nil {
		return nil, err
	}
	n, err := driver.Clip(m.size, offset, length)
	if err != nil {
		f.Close()
		return nil, err
	}
	return &reader{ctx: ctx, s: s, f: f, id: id, m: m, pos: offset, end: offset + n, size: n}, nil
}

// open opens the file of a blob and reads its footer, if it is not known yet.
func (s *Store) open(id driver.ID) (*os.File, *meta, error) {
	if s.gone(id) {
		return nil, nil, driver.ErrNotFound
	}
	if err := s.inject("open"); err != nil {
		return nil, nil, err
	}
	f, err := os.Open(s.path(id))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil, driver.ErrNotFound
		}
		return nil, nil, err
	}
	m := s.marks.get(id)
	if m == nil {
		if m, err = readMeta(f, id); err != nil {
			f.Close()
			return nil, nil, err
		}
		m = s.marks.put(id, m)
	}
	return f, m, nil
}

// readMeta reads the footer of a blob.
func readMeta(f *os.File, id driver.ID) (*meta, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	size := blobSize(st.Size())
	if size < 0 {
		return nil, &driver.CorruptError{ID: id, Block: -1, Reason: "the file has a length that no blob has"}
	}
	footer := make([]byte, st.Size()-size)
	if _, err := f.ReadAt(footer, size); err != nil {
		return nil, err
	}
	crcs, err := parseFooter(footer, id, size)
	if err != nil {
		return nil, err
	}
	return newMeta(size, crcs), nil
}

// check reads a block and compares its checksum. It goes through a buffer that
// stays in the processor's cache, and leaves the block in the page cache.
func check(f *os.File, id driver.ID, m *meta, block int64, buf *[bufSize]byte) error {
	at := block * blockSize
	end := min(at+blockSize, m.size)
	var crc uint32
	for at < end {
		n, err := f.ReadAt(buf[:min(bufSize, end-at)], at)
		if err == io.EOF {
			return tooShort(id, block)
		}
		if err != nil {
			return err
		}
		crc = crc32.Update(crc, castagnoli, buf[:n])
		at += int64(n)
	}
	if crc != m.crcs[block] {
		return &driver.CorruptError{ID: id, Block: block, Reason: "the checksum does not match"}
	}
	return nil
}

func tooShort(id driver.ID, block int64) error {
	return &driver.CorruptError{ID: id, Block: block, Reason: "the file is shorter than was written"}
}

// ready makes sure that a block was checked.
func (r *reader) ready(block int64) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	if err := r.s.inject("read"); err != nil {
		return err
	}
	if r.m.marked(block) {
		return nil
	}
	if err := check(r.f, r.id, r.m, block, r.buffer()); err != nil {
		return err
	}
	r.m.mark(block)
	return nil
}

// Size implements driver.Reader.
func (r *reader) Size() int64 { return r.size }

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if r.pos == r.end {
		return 0, io.EOF
	}
	block := r.pos / blockSize
	if err := r.ready(block); err != nil {
		return 0, err
	}
	end := min(r.end, (block+1)*blockSize, r.pos+int64(len(p)))
	n, err := r.f.ReadAt(p[:end-r.pos], r.pos)
	r.pos += int64(n)
	if err == io.EOF {
		err = tooShort(r.id, block)
	}
	return n, err
}

// WriteTo implements io.WriterTo. It hands runs of checked blocks to w as a
// limited *os.File, which is the form that the net package sends by sendfile.
func (r *reader) WriteTo(w io.Writer) (int64, error) {
	if r.pos == r.end {
		return 0, nil
	}
	if _, err := r.f.Seek(r.pos, io.SeekStart); err != nil {
		return 0, err
	}
	var total int64
	for r.pos < r.end {
		block := r.pos / blockSize
		if err := r.ready(block); err != nil {
			return total, err
		}
		end := (block + 1) * blockSize
		for end < r.end && end-r.pos < maxRun && r.m.marked(end/blockSize) {
			end += blockSize
		}
		end = min(end, r.end)
		want := end - r.pos
		r.run = io.LimitedReader{R: r.f, N: want}
		n, err := io.CopyBuffer(w, &r.run, r.buffer()[:])
		r.pos += n
		total += n
		if err == nil && n < want {
			err = tooShort(r.id, r.pos/blockSize)
		}
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// Close implements io.Closer.
func (r *reader) Close() error {
	if r.buf != nil {
		buffers.Put(r.buf)
		r.buf = nil
	}
	return r.f.Close()
}

func (r *reader) buffer() *[bufSize]byte {
	if r.buf == nil {
		r.buf = buffers.Get().(*[bufSize]byte)
	}
	return r.buf
}

// Verify reads a whole blob from the disk and compares it with its checksums,
// whatever was checked before. It returns a *driver.CorruptError that names the
// first damaged block.
func (s *Store) Verify(ctx context.Context, id driver.ID) error {
	if s.gone(id) {
		return driver.ErrNotFound
	}
	err := verifyFile(ctx, s.path(id), id)
	if err != nil {
		s.marks.drop(id)
	}
	return err
}

func verifyFile(ctx context.Context, path string, id driver.ID) error {
	f, err := os.Open(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return driver.ErrNotFound
		}
		return err
	}
	defer f.Close()
	m, err := readMeta(f, id)
	if err != nil {
		return err
	}
	buf := buffers.Get().(*[bufSize]byte)
	defer buffers.Put(buf)
	for block := range int64(len(m.crcs)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := check(f, id, m, block, buf); err != nil {
			return err
		}
	}
	return nil
}
