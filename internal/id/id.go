// Package id makes identifiers: random ones in production, reproducible ones in tests.
package id

import (
	"crypto/rand"
	"encoding/hex"
	"io"
	mathrand "math/rand/v2"
	"sync"
)

// Source makes identifiers. It is safe for concurrent use. Secrets never come
// from a Source: they come from crypto/rand.
type Source struct {
	mu sync.Mutex
	r  io.Reader
}

// New returns a Source that draws from crypto/rand.
func New() *Source { return &Source{r: rand.Reader} }

// Seeded returns a Source that yields the same identifiers for the same seed.
func Seeded(seed uint64) *Source {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	return &Source{r: mathrand.NewChaCha8(key)}
}

// Bytes returns n bytes.
func (s *Source) Bytes(n int) []byte {
	b := make([]byte, n)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := io.ReadFull(s.r, b); err != nil {
		panic("id: the random source failed: " + err.Error())
	}
	return b
}

// UUID returns a version 4 UUID in lower-case hex with dashes.
func (s *Source) UUID() string {
	b := s.Bytes(16)
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// Hex returns n lower-case hexadecimal digits.
func (s *Source) Hex(n int) string { return hex.EncodeToString(s.Bytes((n + 1) / 2))[:n] }

const alnum = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

// Alnum returns n characters out of A-Z and 2-7, as AWS's unique ids use.
func (s *Source) Alnum(n int) string {
	b := s.Bytes(n)
	for i := range b {
		b[i] = alnum[b[i]&31]
	}
	return string(b)
}
