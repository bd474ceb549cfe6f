package seal

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
)

const (
	wrapVersion = 1
	saltSize    = 24
	// WrappedSize is the length of a wrapped key.
	WrappedSize = 1 + saltSize + 32 + Overhead
	wrapInfo    = "gigawatt seal: key wrap 1"
)

// WrapKey encrypts a data key under a master key, so that it can be stored beside
// what it protects. The additional data aad is authenticated and not stored:
// give what the key belongs to, such as the name of the bucket, so that a wrapped
// key that is moved elsewhere does not open.
//
// Each wrapping has its own key, derived from the master key and a random salt by
// HKDF-SHA256, so a master key may wrap without limit.
func WrapKey(master, dataKey *[32]byte, aad []byte) []byte {
	out := make([]byte, 1+saltSize, WrappedSize)
	out[0] = wrapVersion
	rand.Read(out[1:]) // never fails
	var zero nonce
	return newAEAD(wrapKey(master, out[1:1+saltSize])).Seal(out, zero[:], dataKey[:], aad)
}

// UnwrapKey returns the data key that WrapKey encrypted under the same master key and
// additional data, or ErrCorrupt.
func UnwrapKey(master *[32]byte, wrapped, aad []byte) (*[32]byte, error) {
	if len(wrapped) != WrappedSize {
		return nil, fmt.Errorf("%w: a wrapped key has %d bytes, this one %d", ErrCorrupt, WrappedSize, len(wrapped))
	}
	if wrapped[0] != wrapVersion {
		return nil, fmt.Errorf("%w: a wrapped key of version %d", ErrCorrupt, wrapped[0])
	}
	var zero nonce
	salt, sealed := wrapped[1:1+saltSize], wrapped[1+saltSize:]
	plain, err := newAEAD(wrapKey(master, salt)).Open(nil, zero[:], sealed, aad)
	if err != nil {
		return nil, fmt.Errorf("%w: wrapped key", ErrCorrupt)
	}
	return (*[32]byte)(plain), nil
}

func wrapKey(master *[32]byte, salt []byte) *[32]byte {
	key, err := hkdf.Key(sha256.New, master[:], salt, wrapInfo, 32)
	if err != nil {
		panic("seal: " + err.Error()) // only for a length that HKDF cannot make
	}
	return (*[32]byte)(key)
}
