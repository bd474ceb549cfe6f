package s3

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

	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/blob"
	"github.com/gigawatt-cloud/gigawatt/blob/seal"
	"github.com/gigawatt-cloud/gigawatt/kv"
)

// body is where the bytes of an object or a part are. They are always sealed:
// with a key that follows from UID and the master key, or from UID and the
// customer's key.
type body struct {
	// UID is unique to the bytes.
	UID  string `cbor:"uid"`
	Size int64  `cbor:"size"`
	// Blob is "" for a body that is a row.
	Blob string `cbor:"blob"`
}

const (
	// inlineLimit is the largest body that is a row.
	inlineLimit = 64 << 10
	maxPutSize  = 5 << 30
)

var (
	bodies   = kv.NewTable[[]byte]("s3/body")                // UID -> sealed bytes
	blobRefs = kv.NewTable[string]("s3/blobref", kv.Small()) // blob id -> UID
)

// customerKey is the key of SSE-C: its bytes are never stored.
type customerKey struct {
	key *[32]byte
	md5 string
}

// parseCustomerKey checks the three members of SSE-C; nil when none is given.
func parseCustomerKey(algorithm, key, sum *string) (*customerKey, error) {
	if algorithm == nil && key == nil && sum == nil {
		return nil, nil
	}
	switch {
	case algorithm == nil:
		return nil, errInvalidArgument("Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption algorithm.", "x-amz-server-side-encryption", "null")
	case *algorithm != "AES256":
		return nil, awserr.New("InvalidEncryptionAlgorithmError", 400, "The encryption request you specified is not valid. The valid value is AES256.")
	case key == nil:
		return nil, errInvalidArgument("Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate secret key.", "x-amz-server-side-encryption", "null")
	case sum == nil:
		return nil, errInvalidArgument("Requests specifying Server Side Encryption with Customer provided keys must provide the client calculated MD5 of the secret key.", "x-amz-server-side-encryption", "null")
	}
	b, err := base64.StdEncoding.DecodeString(*key)
	if err != nil || len(b) != 32 {
		return nil, errInvalidArgument("The secret key was invalid for the specified algorithm.", "x-amz-server-side-encryption", "null")
	}
	got := md5.Sum(b) //nolint:gosec // see the import
	if base64.StdEncoding.EncodeToString(got[:]) != *sum {
		return nil, errInvalidArgument("The calculated MD5 hash of the key did not match the hash that was provided.", "x-amz-server-side-encryption", "null")
	}
	return &customerKey{key: (*[32]byte)(b), md5: *sum}, nil
}

// bodyKey derives the key of a body.
func (s *svc) bodyKey(uid string, ck *customerKey) *[32]byte {
	from := s.env.MasterKey
	if ck != nil {
		from = ck.key
	}
	h := hmac.New(sha256.New, from[:])
	h.Write([]byte("gigawatt s3 body "))
	h.Write([]byte(uid))
	return (*[32]byte)(h.Sum(nil))
}

// received is a body that was read from a request and is not yet referred to.
// put stores it in a transaction; drop removes it when there was none.
type received struct {
	body
	inline []byte // sealed, for a body that is a row
	etag   [md5.Size]byte
	sums   *sums
}

// receive reads a request's body to its end, hashes and seals it. Larger
// bodies are written as a blob meanwhile, so memory stays small.
func (s *svc) receive(ctx context.Context, uid string, r io.Reader, want *sums, ck *customerKey, limit int64) (*received, error) {
	rv := &received{body: body{UID: uid}, sums: want}
	h := md5.New() //nolint:gosec // see the import
	if r == nil {
		r = bytes.NewReader(nil)
	}
	in := io.TeeReader(r, io.MultiWriter(append(want.writers(), h)...))
	head := make([]byte, inlineLimit+1)
	n, err := io.ReadFull(in, head)
	switch {
	case err == nil:
		err = s.receiveBlob(ctx, rv, head, in, ck, limit)
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && awserr.As(err) == nil:
		rv.Size = int64(n)
		rv.inline, err = sealAll(head[:n], s.bodyKey(uid, ck))
	}
	if err != nil {
		return nil, err
	}
	h.Sum(rv.etag[:0])
	if err := want.check(r, rv.etag[:]); err != nil {
		s.drop(ctx, rv)
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

func (s *svc) receiveBlob(ctx context.Context, rv *received, head []byte, rest io.Reader, ck *customerKey, limit int64) error {
	w, err := s.env.Blobs.Create(ctx)
	if err != nil {
		return fmt.Errorf("create a blob: %w", asFull(err))
	}
	defer w.Abort()
	sw := seal.NewWriter(w, s.bodyKey(rv.UID, ck))
	if _, err := sw.Write(head); err != nil {
		return asFull(err)
	}
	n, err := io.Copy(sw, io.LimitReader(rest, limit-int64(len(head))+1))
	if err != nil {
		return asFull(err)
	}
	if rv.Size = int64(len(head)) + n; rv.Size > limit {
		return awserr.New("EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed size").With("ProposedSize", rv.Size).With("MaxSizeAllowed", limit)
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

// put stores what is received, in the transaction that refers to it.
func (rv *received) put(tx *kv.Tx) error {
	if rv.Blob == "" {
		return bodies.Put(tx, &rv.inline, rv.UID)
	}
	return blobRefs.Put(tx, &rv.UID, rv.Blob)
}

// drop removes what was received and not stored. A crash before it leaves an
// orphan, which the sweep removes.
func (s *svc) drop(ctx context.Context, rv *received) {
	if rv.Blob == "" {
		return
	}
	if err := s.env.Blobs.Delete(context.WithoutCancel(ctx), blob.ID(rv.Blob)); err != nil {
		s.env.Log.Warn("delete an unused blob", "blob", rv.Blob, "error", err)
	}
}

// open reads a range of a body.
func (s *svc) open(ctx context.Context, tx *kv.Tx, b *body, ck *customerKey, off, length int64) (io.ReadCloser, error) {
	key := s.bodyKey(b.UID, ck)
	if b.Blob != "" {
		return seal.Reader(func(off, n int64) (io.ReadCloser, error) {
			return s.env.Blobs.Open(ctx, blob.ID(b.Blob), off, n)
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

// joined reads several bodies one after the other, each opened when it is reached.
type joined struct {
	open []func() (io.ReadCloser, error)
	cur  io.ReadCloser
}

func (j *joined) Read(p []byte) (int, error) {
	for {
		if j.cur == nil {
			if len(j.open) == 0 {
				return 0, io.EOF
			}
			var err error
			if j.cur, err = j.open[0](); err != nil {
				return 0, err
			}
			j.open = j.open[1:]
		}
		n, err := j.cur.Read(p)
		if errors.Is(err, io.EOF) {
			err = j.cur.Close()
			j.cur = nil
			if n == 0 && err == nil {
				continue
			}
		}
		return n, err
	}
}

// Close implements io.Closer.
func (j *joined) Close() error {
	if j.cur == nil {
		return nil
	}
	return j.cur.Close()
}
