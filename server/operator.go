package server

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gigawatt-cloud/gigawatt/api/catalog"
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/gateway"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/services/gigawatt"
)

// Status implements gigawatt.Operator.
func (s *Server) Status() gigawatt.Status {
	st := gigawatt.Status{
		Version: Version, StartedAt: s.started, Open: s.cfg.Open, Region: s.cfg.Region, Account: s.cfg.Account,
		StoreBytes: s.db.Stats().DiskBytes, Problem: s.db.Health(),
	}
	for _, v := range s.services {
		st.Services = append(st.Services, gigawatt.ServiceStatus{
			Name: v.Name, Implemented: len(v.Handlers), Total: catalog.Meta(v.Name).Operations,
		})
	}
	if !s.cfg.InMemory {
		st.Blobs = treeSize(filepath.Join(s.cfg.Dir, blobDir))
	}
	return st
}

func treeSize(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if i, err := d.Info(); err == nil {
				n += i.Size()
			}
		}
		return nil
	})
	return n
}

// Explain implements gigawatt.Operator.
func (s *Server) Explain(requestID string) (gigawatt.Explanation, bool) {
	x, ok := s.gateway.Explain(requestID)
	return gigawatt.Explanation(x), ok
}

// Advance implements gigawatt.Operator.
func (s *Server) Advance(d time.Duration) (now time.Time, offset time.Duration, err error) {
	if !s.cfg.Dev {
		return now, 0, errors.New("the clock moves only in dev mode: start the server with --dev")
	}
	s.clock.Advance(d)
	return s.clock.Now(), s.clock.Offset(), nil
}

// RootKey implements gigawatt.Operator.
func (s *Server) RootKey(ctx context.Context, account arn.AccountID) (accessKeyID, secret string, err error) {
	return s.identity.EnsureRoot(ctx, account, s.clock.Now())
}

// Backup implements gigawatt.Operator. Blobs are copied after the state that
// refers to them, and none is deleted until then: what was added meanwhile is
// an orphan, and nothing is missing.
func (s *Server) Backup(ctx context.Context, dir string) (bytes, files int64, err error) {
	if s.cfg.InMemory {
		return 0, 0, errors.New("this cloud is in memory only")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return 0, 0, err
	}
	release := s.files.HoldDeletes()
	defer func() { err = errors.Join(err, release()) }()
	if err := s.db.Backup(ctx, filepath.Join(dir, kvDir)); err != nil {
		return 0, 0, err
	}
	if _, err := s.files.Backup(ctx, filepath.Join(dir, blobDir)); err != nil {
		return 0, 0, err
	}
	key, err := os.ReadFile(filepath.Join(s.cfg.Dir, masterKeyFile))
	if err != nil {
		return 0, 0, err
	}
	if err := writeFile(filepath.Join(dir, masterKeyFile), key, 0o600); err != nil {
		return 0, 0, err
	}
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			i, err := d.Info()
			if err != nil {
				return err
			}
			files++
			bytes += i.Size()
		}
		return err
	})
	return bytes, files, err
}

// identityAdapter gives the gateway the identities in its own terms.
type identityAdapter struct{ s *identity.Store }

func (a identityAdapter) Credential(ctx context.Context, accessKeyID, sessionToken string, now time.Time) (*gateway.Credential, error) {
	c, err := a.s.Credential(ctx, accessKeyID, sessionToken, now)
	switch {
	case errors.Is(err, identity.ErrUnknownKey):
		return nil, gateway.ErrUnknownKey
	case errors.Is(err, identity.ErrInvalidToken):
		return nil, gateway.ErrInvalidToken
	case errors.Is(err, identity.ErrExpiredToken):
		return nil, gateway.ErrExpiredToken
	case err != nil:
		return nil, err
	}
	return &gateway.Credential{Secret: c.Secret, Principal: c.Principal}, nil
}

func (a identityAdapter) Policies(ctx context.Context, p *policy.Principal) (*policy.Set, error) {
	return a.s.Policies(ctx, p)
}

// derive makes a key for one purpose from the master key.
func derive(master *[32]byte, purpose string) (key [32]byte) {
	h := hmac.New(sha256.New, master[:])
	h.Write([]byte("gigawatt " + purpose))
	h.Sum(key[:0])
	return key
}

// ClockOffset is how far the clock was moved.
func (s *Server) ClockOffset() time.Duration { return s.clock.Offset() }
