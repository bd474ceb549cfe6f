package sqs

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
)

// The contents of messages are encrypted with AES-256-GCM under a key of each
// incarnation of a queue, derived from the cloud's master key, and bound to the
// message's id: nonce, ciphertext, tag.

func (s *svc) derive(purpose string) ([]byte, error) {
	return hkdf.Key(sha256.New, s.env.MasterKey[:], nil, "sqs "+purpose, sha256.Size)
}

func (s *svc) aead(id queueID) (cipher.AEAD, error) {
	l := s.liveOf(id)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.aead != nil {
		return l.aead, nil
	}
	key, err := s.derive("contents " + string(id))
	if err != nil {
		return nil, fmt.Errorf("derive a key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	l.aead, err = cipher.NewGCM(block)
	return l.aead, err
}

func (s *svc) seal(id queueID, messageID string, b []byte) ([]byte, error) {
	a, err := s.aead(id)
	if err != nil {
		return nil, err
	}
	out := make([]byte, a.NonceSize(), a.NonceSize()+len(b)+a.Overhead())
	if _, err := rand.Read(out); err != nil {
		return nil, fmt.Errorf("read random bytes: %w", err)
	}
	return a.Seal(out, out, b, []byte(messageID)), nil
}

var errSealed = errors.New("the contents are shorter than their nonce")

func (s *svc) open(id queueID, messageID string, b []byte) ([]byte, error) {
	a, err := s.aead(id)
	if err != nil {
		return nil, err
	}
	n := a.NonceSize()
	if len(b) < n {
		return nil, errSealed
	}
	return a.Open(nil, b[:n], b[n:], []byte(messageID))
}
