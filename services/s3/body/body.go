// Package body keeps the bytes of S3's objects and parts: those of up to 64 KB
// as rows, larger ones as blobs, all encrypted. It knows no buckets and no keys.
//
// [Store.Receive] reads a request's bytes, [Received.Put] stores them in the
// transaction that refers to them by a [Ref], [Store.Open] reads a range, and
// [Discard] gives them up. Blobs that lost their row are deleted by
// [Store.Collect] when their readers have ended, and [Store.Sweep] finds those
// that a crash left behind.
package body

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // ETags and Content-MD5 are MD5 by definition
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/blob"
	"github.com/gigawatt-cloud/gigawatt/blob/seal"
	"github.com/gigawatt-cloud/gigawatt/kv"
)

// Ref is where the bytes of an object or a part are. They are always sealed:
// with a key that follows from UID and the master key, or from UID and the
// customer's key.
type Ref struct {
	// UID is unique to the bytes.
	UID  string `cbor:"uid"`
	Size int64  `cbor:"size"`
	// Blob is "" for a body that is a row.
	Blob string `cbor:"blob"`
}

const (
	// inlineLimit is the largest body that is a row.
	inlineLimit = 64 << 10
	// MaxSize is the most that one request stores.
	MaxSize = 5 << 30
)

var (
	bodies   = kv.NewTable[[]byte]("s3/body")                // UID -> sealed bytes
	blobRefs = kv.NewTable[string]("s3/blobref", kv.Small()) // blob id -> UID
)

// Store keeps bodies.
type Store struct {
	blobs  *blob.Store
	master *[32]byte
	log    *slog.Logger
}

// New returns a store that keeps larger bodies in blobs, and seals with keys
// that follow from master.
func New(blobs *blob.Store, master *[32]byte, log *slog.Logger) *Store {
	return &Store{blobs, master, log}
}

// Key is the key of SSE-C: its bytes are never stored.
type Key struct {
	key *[32]byte
	// MD5 is the key's hash in base64, which tells keys apart.
	MD5 string
}

func invalid(message string) error {
	return awserr.New("InvalidArgument", 400, "%s", message).
		With("ArgumentName", "x-amz-server-side-encryption").With("ArgumentValue", "null")
}

// ParseKey checks the three members of SSE-C; nil when none is given.
func ParseKey(algorithm, key, sum *string) (*Key, error) {
	if algorithm == nil && key == nil && sum == nil {
		return nil, nil
	}
	switch {
	case algorithm == nil:
		return nil, invalid("Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption algorithm.")
	case *algorithm != "AES256":
		return nil, awserr.New("InvalidEncryptionAlgorithmError", 400, "The encryption request you specified is not valid. The valid value is AES256.")
	case key == nil:
		return nil, invalid("Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate secret key.")
	case sum == nil:
		return nil, invalid("Requests specifying Server Side Encryption with Customer provided keys must provide the client calculated MD5 of the secret key.")
	}
	b, err := base64.StdEncoding.DecodeString(*key)
	if err != nil || len(b) != 32 {
		return nil, invalid("The secret key was invalid for the specified algorithm.")
	}
	got := md5.Sum(b) //nolint:gosec // see the import
	if base64.StdEncoding.EncodeToString(got[:]) != *sum {
		return nil, invalid("The calculated MD5 hash of the key did not match the hash that was provided.")
	}
	return &Key{key: (*[32]byte)(b), MD5: *sum}, nil
}

// bodyKey derives the key of a body.
func (s *Store) sealKey(uid string, ck *Key) *[32]byte {
	from := s.master
	if ck != nil {
		from = ck.key
	}
	h := hmac.New(sha256.New, from[:])
	h.Write([]byte("gigawatt s3 body "))
	h.Write([]byte(uid))
	return (*[32]byte)(h.Sum(nil))
}

// Received is a body that was read from a request and is not yet referred to.
// Put stores it in a transaction; Drop removes it when there was none.
type Received struct {
	Ref
	// MD5 is the hash of the bytes.
	MD5    [md5.Size]byte
	inline []byte // sealed, for a body that is a row
}

// Check is told of the bytes as they are read, and then whether to take them.
type Check interface {
	io.Writer
	// Verify refuses what was read from r.
	Verify(r io.Reader, md5 []byte) error
}

// Receive reads a request's body to its end, hashes and seals it under uid,
// which is unique. Larger bodies are written as a blob meanwhile, so memory
// stays small.
func (s *Store) Receive(ctx context.Context, uid string, r io.Reader, check Check, ck *Key) (*Received, error) {
	rv := &Received{Ref: Ref{UID: uid}}
	h := md5.New() //nolint:gosec // see the import
	if r == nil {
		r = bytes.NewReader(nil)
	}
	in := io.TeeReader(r, io.MultiWriter(check, h))
	head := make([]byte, inlineLimit+1)
	n, err := io.ReadFull(in, head)
	switch {
	case err == nil:
		err = s.receiveBlob(ctx, rv, head, in, ck)
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && awserr.As(err) == nil:
		rv.Size = int64(n)
		rv.inline, err = sealAll(head[:n], s.sealKey(uid, ck))
	}
	if err != nil {
		return nil, err
	}
	h.Sum(rv.MD5[:0])
	if err := check.Verify(r, rv.MD5[:]); err != nil {
		s.Drop(ctx, rv, err)
		return nil, err
	}
	return rv, nil
}

func sealAll(plain []byte, key *[32]byte) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(int(seal.Size(int64(len(plain)))))
	w := seal.NewWriter(&b, key)
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func (s *Store) receiveBlob(ctx context.Context, rv *Received, head []byte, rest io.Reader, ck *Key) error {
	w, err := s.blobs.Create(ctx)
	if err != nil {
		return fmt.Errorf("create a blob: %w", asFull(err))
	}
	defer w.Abort()
	sw := seal.NewWriter(w, s.sealKey(rv.UID, ck))
	if _, err := sw.Write(head); err != nil {
		return asFull(err)
	}
	n, err := io.Copy(sw, io.LimitReader(rest, MaxSize-int64(len(head))+1))
	if err != nil {
		return asFull(err)
	}
	if rv.Size = int64(len(head)) + n; rv.Size > MaxSize {
		return ErrTooLarge(rv.Size)
	}
	if err := sw.Close(); err != nil {
		return asFull(err)
	}
	id, err := w.Commit()
	rv.Blob = string(id)
	return asFull(err)
}

// asFull makes a full disk of the blob store the same as one of kv.
func asFull(err error) error {
	if errors.Is(err, blob.ErrFull) {
		return fmt.Errorf("%w: %w", kv.ErrFull, err)
	}
	return err
}

// Put stores what is received, in the transaction that refers to it.
func (rv *Received) Put(tx *kv.Tx) error {
	if rv.Blob == "" {
		return bodies.Put(tx, &rv.inline, rv.UID)
	}
	return blobRefs.Put(tx, &rv.UID, rv.Blob)
}

// Drop removes what was received and not stored because of err. When the store
// failed, nobody knows whether it was stored: then, as after a crash, it is
// left to the sweep.
func (s *Store) Drop(ctx context.Context, rv *Received, err error) {
	if rv.Blob == "" || awserr.As(err) == nil {
		return
	}
	if err := s.blobs.Delete(context.WithoutCancel(ctx), blob.ID(rv.Blob)); err != nil {
		s.log.Warn("delete an unused blob", "blob", rv.Blob, "error", err)
	}
}

// Open reads a range of a body.
func (s *Store) Open(ctx context.Context, tx *kv.Tx, b *Ref, ck *Key, off, length int64) (io.ReadCloser, error) {
	key := s.sealKey(b.UID, ck)
	if b.Blob != "" {
		return seal.Reader(func(off, n int64) (io.ReadCloser, error) {
			return s.blobs.Open(ctx, blob.ID(b.Blob), off, n)
		}, key, b.Size, off, length), nil
	}
	sealed, err := bodies.Get(tx, b.UID)
	if err != nil {
		return nil, fmt.Errorf("body %s: %w", b.UID, err)
	}
	return seal.Reader(func(off, n int64) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader((*sealed)[off : off+n])), nil
	}, key, b.Size, off, length), nil
}

// ErrTooLarge refuses more bytes than one request can store.
func ErrTooLarge(size int64) error {
	return awserr.New("EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed size").With("ProposedSize", size).With("MaxSizeAllowed", int64(MaxSize))
}
