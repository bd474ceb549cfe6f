package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"sync"
)

// Keys is a cache of signing keys for many goroutines. It holds keys derived
// from secrets, never the secrets.
//
// It has two generations: when the young one is full it becomes the old one,
// and a key found in the old one moves to the young one. So it is bounded, and
// what is used stays.
type Keys struct {
	limit      int
	mu         sync.RWMutex
	young, old map[keyID]*[32]byte
}

// keyID holds a digest of the secret, so that a rotated secret is another key.
type keyID struct {
	accessKeyID string
	secret      [32]byte
	scope       Scope
}

// NewKeys makes a cache of between limit and twice limit keys.
func NewKeys(limit int) *Keys {
	return &Keys{limit: max(1, limit), young: make(map[keyID]*[32]byte)}
}

// key returns the signing key for a scope. A nil cache derives it each time.
func (c *Keys) key(accessKeyID, secret string, s Scope) *[32]byte {
	if c == nil {
		return deriveKey(secret, s)
	}
	id := keyID{accessKeyID, sha256.Sum256([]byte(secret)), s}
	c.mu.RLock()
	k, ok := c.young[id]
	if !ok {
		k = c.old[id]
	}
	c.mu.RUnlock()
	if ok {
		return k
	}
	if k == nil {
		k = deriveKey(secret, s)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.young) >= c.limit {
		c.old, c.young = c.young, make(map[keyID]*[32]byte, c.limit)
	}
	c.young[id] = k
	return k
}

// deriveKey is the chain of HMACs over date, region, service and terminator.
func deriveKey(secret string, s Scope) *[32]byte {
	var k [32]byte
	key := append(make([]byte, 0, 64), "AWS4"...)
	key = append(key, secret...)
	for _, step := range [...]string{s.Date, s.Region, s.Service, terminator} {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(step))
		key = h.Sum(k[:0])
	}
	return &k
}
