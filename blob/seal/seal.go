// Package seal encrypts a stream so that any range of it can be read without
// the rest, and so that no change of what is stored goes unnoticed.
//
// The plain stream is cut into blocks of 64 KB, and each is encrypted with
// AES-256-GCM. The nonce of a block is its number and whether it is the last, so a
// block that is altered, moved, repeated, left out or taken from another object, and
// a stream that is cut short or continued, does not authenticate. A sealed stream
// is [Size] bytes long; it has no header.
//
// Nonces repeat from one stream to the next, so a key is for one stream, ever:
// take [NewKey] for each, and keep it beside the object as [WrapKey] returns it.
//
// It is not a place to keep master keys, and it does not hide how long an
// object is. Start at [NewWriter] and [Reader].
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

const (
	// BlockSize is the number of plain bytes in every block but the last.
	BlockSize = 64 << 10
	// Overhead is the number of bytes that a block grows by.
	Overhead = 16

	sealedBlock = BlockSize + Overhead
	nonceSize   = 12
)

// ErrCorrupt says that a stream, or a wrapped key, was not sealed with this key
// and these parameters, or was changed since.
var ErrCorrupt = errors.New("seal: does not authenticate")

// Size returns the length of a sealed stream of plain bytes.
func Size(plain int64) int64 { return plain + blocks(plain)*Overhead }

// blocks returns the number of blocks of a stream: at least one, because an empty
// stream must be told from one that was cut to nothing.
func blocks(plain int64) int64 { return max(1, (plain+BlockSize-1)/BlockSize) }

// NewKey returns a random key for one stream.
func NewKey() *[32]byte {
	var key [32]byte
	rand.Read(key[:]) // never fails
	return &key
}

func newAEAD(key *[32]byte) cipher.AEAD {
	c, err := aes.NewCipher(key[:])
	if err != nil {
		panic("seal: " + err.Error()) // only for a wrong length of the key
	}
	a, err := cipher.NewGCM(c)
	if err != nil {
		panic("seal: " + err.Error()) // only for a wrong size of the cipher's block
	}
	return a
}

// nonce is the number of a block, big-endian, three zero bytes, and 1 for the last block.
type nonce [nonceSize]byte

func (n *nonce) set(block int64, last bool) {
	binary.BigEndian.PutUint64(n[:], uint64(block))
	n[nonceSize-1] = 0
	if last {
		n[nonceSize-1] = 1
	}
}

type writer struct {
	w     io.Writer
	aead  cipher.AEAD
	nonce nonce
	block int64
	n     int // plain bytes in b.in
	b     *buffers
	err   error
}

// buffers are those of a writer; a reader uses one of them.
type buffers struct{ in, out [sealedBlock]byte }

var pool = sync.Pool{New: func() any { return new(buffers) }}

var errClosed = errors.New("seal: write after Close")

// NewWriter returns a writer that writes to w what is written to it, sealed. Its
// Close writes the last block and is part of the stream; it does not close w. A
// stream that is given up is not closed.
func NewWriter(w io.Writer, key *[32]byte) io.WriteCloser {
	return &writer{w: w, aead: newAEAD(key), b: pool.Get().(*buffers)}
}

// Write implements io.Writer.
func (w *writer) Write(p []byte) (int, error) {
	written := 0
	// A full block waits for the byte after it, which shows that it is not the last.
	for len(p) > 0 && w.err == nil {
		n := 0
		switch {
		case w.n == BlockSize:
			w.err = w.flush(w.b.in[:BlockSize], false)
			w.n = 0
		case w.n == 0 && len(p) > BlockSize:
			n = BlockSize
			w.err = w.flush(p[:BlockSize], false)
		default:
			n = copy(w.b.in[w.n:BlockSize], p)
			w.n += n
		}
		if w.err == nil {
			written += n
			p = p[n:]
		}
	}
	return written, w.err
}

// flush seals a block and writes it.
func (w *writer) flush(plain []byte, last bool) error {
	w.nonce.set(w.block, last)
	w.block++
	_, err := w.w.Write(w.aead.Seal(w.b.out[:0], w.nonce[:], plain, nil))
	return err
}

// Close implements io.Closer.
func (w *writer) Close() error {
	if w.err != nil {
		if errors.Is(w.err, errClosed) {
			return nil
		}
		return w.err
	}
	err := w.flush(w.b.in[:w.n], true)
	pool.Put(w.b)
	w.b, w.err = nil, errClosed
	if err != nil {
		w.err = err
	}
	return err
}

// Reader returns the plain bytes of a range of a sealed stream of plainSize
// plain bytes. It calls open, once and when it is first read, for the sealed
// bytes that it needs: n of them from off. The range lies within the stream, and
// a length of -1 means up to the end.
//
// The result implements io.WriterTo. No byte of a block is returned before the
// block is authenticated; one that does not authenticate ends the reading with
// ErrCorrupt. A range sees the blocks that it touches: that the rest of the
// stream is there is known to whoever reads the rest.
func Reader(open func(off, n int64) (io.ReadCloser, error), key *[32]byte, plainSize, off, length int64) io.ReadCloser {
	r := &reader{open: open, size: plainSize, pos: off, end: off + length}
	if length == -1 {
		r.end = plainSize
	}
	if off < 0 || length < -1 || off > plainSize || r.end > plainSize || r.end < off {
		r.err = fmt.Errorf("seal: range at %d of length %d in %d bytes", off, length, plainSize)
		return r
	}
	r.aead = newAEAD(key)
	return r
}

type reader struct {
	open     func(off, n int64) (io.ReadCloser, error)
	src      io.ReadCloser
	aead     cipher.AEAD
	nonce    nonce
	size     int64
	pos, end int64  // of the plain bytes that are still to be returned
	plain    []byte // authenticated and not yet returned
	started  bool
	err      error
	b        *buffers
}

// next makes plain hold at least one byte, or returns why not.
func (r *reader) next() error {
	if len(r.plain) > 0 {
		return nil
	}
	if r.err == nil {
		r.err = r.fill()
	}
	return r.err
}

func (r *reader) fill() error {
	if r.started && r.pos == r.end {
		return io.EOF
	}
	if !r.started {
		if err := r.start(); err != nil {
			return err
		}
	}
	block := min(r.pos/BlockSize, blocks(r.size)-1)
	begin := block * BlockSize
	n := min(BlockSize, r.size-begin)
	sealed := r.b.in[:n+Overhead]
	if _, err := io.ReadFull(r.src, sealed); err != nil {
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return fmt.Errorf("%w: it ends in block %d", ErrCorrupt, block)
		}
		return err
	}
	r.nonce.set(block, block == blocks(r.size)-1)
	plain, err := r.aead.Open(sealed[:0], r.nonce[:], sealed, nil)
	if err != nil {
		return fmt.Errorf("%w: block %d", ErrCorrupt, block)
	}
	r.plain = plain[r.pos-begin : min(n, r.end-begin)]
	r.pos += int64(len(r.plain))
	if len(r.plain) == 0 {
		return io.EOF
	}
	return nil
}

// start opens the sealed bytes of the blocks that the range touches. Also of an
// empty range one block is read, so that an empty stream is authenticated too.
func (r *reader) start() error {
	r.started = true
	first := min(r.pos/BlockSize, blocks(r.size)-1)
	last := max(first, (r.end-1)/BlockSize)
	from := first * sealedBlock
	to := min((last+1)*sealedBlock, Size(r.size))
	src, err := r.open(from, to-from)
	if err != nil {
		return err
	}
	r.src = src
	r.b = pool.Get().(*buffers)
	return nil
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := r.next(); err != nil {
		return 0, err
	}
	n := copy(p, r.plain)
	r.plain = r.plain[n:]
	return n, nil
}

// WriteTo implements io.WriterTo.
func (r *reader) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		if err := r.next(); err != nil {
			if err == io.EOF {
				err = nil
			}
			return total, err
		}
		n, err := w.Write(r.plain)
		r.plain = r.plain[n:]
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
}

// Close closes what open returned.
func (r *reader) Close() error {
	r.plain, r.err = nil, errors.New("seal: read after Close")
	if r.b != nil {
		pool.Put(r.b)
		r.b = nil
	}
	if r.src == nil {
		return nil
	}
	src := r.src
	r.src = nil
	return src.Close()
}
