package identity

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/kv"
)

// The reasons for which a credential is refused.
var (
	ErrUnknownKey   = errors.New("the access key does not exist or is inactive")
	ErrInvalidToken = errors.New("the session token is not valid for the access key")
	ErrExpiredToken = errors.New("the session has expired")
)

// Credential is what an access key stands for.
type Credential struct {
	Secret    string
	Principal *policy.Principal
}

// Store answers whose a key is and which policies bear on a principal.
type Store struct {
	db       *kv.DB
	secrets  sealer
	tokens   sealer
	messages sealer
	sessions opened
	uses     uses

	mu       sync.RWMutex
	accounts map[arn.AccountID]*cached
}

// cached is what is known of an account at one generation.
type cached struct {
	generation uint64
	mu         sync.RWMutex
	sets       map[string]*policy.Set // by user's or role's unique id, or a session's key
	keys       map[string]*Credential // by access key id
	arns       map[string]string      // by kind and folded name
}

// opened holds session tokens that were opened before.
type opened struct {
	mu sync.RWMutex
	m  map[string]*Session
}

func (o *opened) get(token string) *Session {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.m[token]
}

func (o *opened) put(token string, x *Session) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.m == nil || len(o.m) >= cacheLimit {
		o.m = make(map[string]*Session)
	}
	o.m[token] = x
}

// cacheLimit bounds each of the caches; a full one is emptied.
const cacheLimit = 4096

// New returns a store on db. master seals secrets and session tokens.
func New(db *kv.DB, master *[32]byte) *Store {
	return &Store{
		db: db, secrets: newSealer(master, "secret"), tokens: newSealer(master, "session"),
		messages: newSealer(master, "message"), accounts: map[arn.AccountID]*cached{},
	}
}

func isNotFound(err error) bool { return errors.Is(err, kv.ErrNotFound) }

// SealSecret encrypts a secret access key for its row.
func (s *Store) SealSecret(accessKeyID, secret string) ([]byte, error) {
	return s.secrets.seal([]byte(secret), accessKeyID)
}

// account returns the cache of an account at its present generation.
func (s *Store) account(tx *kv.Tx, account arn.AccountID) (*cached, error) {
	g, err := generation(tx, account)
	if err != nil {
		return nil, err
	}
	s.mu.RLock()
	c := s.accounts[account]
	s.mu.RUnlock()
	if c != nil && c.generation == g {
		return c, nil
	}
	c = &cached{
		generation: g, sets: map[string]*policy.Set{}, keys: map[string]*Credential{}, arns: map[string]string{},
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.accounts) >= cacheLimit {
		clear(s.accounts)
	}
	s.accounts[account] = c
	return c, nil
}

func lookup[V any](c *cached, m map[string]V, key string) (V, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	v, ok := m[key]
	return v, ok
}

func remember[V any](c *cached, m map[string]V, key string, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(m) >= cacheLimit {
		clear(m)
	}
	m[key] = v
}

// Credential returns what an access key stands for. Its errors are
// ErrUnknownKey, ErrInvalidToken, ErrExpiredToken, or the store's.
func (s *Store) Credential(ctx context.Context, accessKeyID, sessionToken string, now time.Time) (*Credential, error) {
	if strings.HasPrefix(accessKeyID, "ASIA") {
		return s.temporary(accessKeyID, sessionToken, now)
	}
	account, ok := AccountOfKey(accessKeyID)
	if !ok {
		return nil, ErrUnknownKey
	}
	if sessionToken != "" {
		return nil, ErrInvalidToken
	}
	var cred *Credential
	err := s.db.View(ctx, func(tx *kv.Tx) error {
		c, err := s.account(tx, account)
		if err != nil {
			return err
		}
		var ok bool
		if cred, ok = lookup(c, c.keys, accessKeyID); ok {
			return nil
		}
		k, err := Keys.Get(tx, accessKeyID)
		if isNotFound(err) || err == nil && !k.Active {
			return ErrUnknownKey
		}
		if err != nil {
			return err
		}
		if cred, err = s.longLived(tx, k); err != nil {
			return err
		}
		remember(c, c.keys, accessKeyID, cred)
		return nil
	})
	return cred, err
}

func (s *Store) longLived(tx *kv.Tx, k *Key) (*Credential, error) {
	secret, err := s.secrets.open(k.Secret, k.ID)
	if err != nil {
		return nil, fmt.Errorf("open the secret of %s: %w", k.ID, err)
	}
	if k.UserID == "" {
		p := &policy.Principal{
			Type: policy.Root, AccountID: k.Account, AccessKeyID: k.ID, UserID: string(k.Account), ARN: RootARN(k.Account),
		}
		return &Credential{Secret: string(secret), Principal: p}, nil
	}
	u, err := Users.ByID(tx, k.Account, k.UserID)
	if err != nil {
		return nil, fmt.Errorf("user of key %s: %w", k.ID, err)
	}
	p := &policy.Principal{
		Type: policy.User, AccountID: k.Account, AccessKeyID: k.ID, UserID: u.ID, UserName: u.Name,
		ARN: Users.ARN(k.Account, u), Tags: TagMap(u.Tags),
	}
	return &Credential{Secret: string(secret), Principal: p}, nil
}

// TagMap is tags by key, nil for none.
func TagMap(tags []Tag) map[string]string {
	if len(tags) == 0 {
		return nil
	}
	m := make(map[string]string, len(tags))
	for _, t := range tags {
		m[t.Key] = t.Value
	}
	return m
}

// temporary opens a session token. Nothing is read from the store.
func (s *Store) temporary(accessKeyID, token string, now time.Time) (*Credential, error) {
	if token == "" {
		return nil, ErrUnknownKey
	}
	x, err := s.Session(accessKeyID, token, now)
	if err != nil {
		return nil, err
	}
	return &Credential{Secret: x.Secret, Principal: x.Principal(now)}, nil
}

// ARNOf returns the ARN, with its path, of an entity that a caller names; with
// the path "/" when there is none of the name. It is for permission checks.
func (s *Store) ARNOf(ctx context.Context, account arn.AccountID, kind Kind, name string) (string, error) {
	out := ARN(account, kind, "/", name)
	err := s.db.View(ctx, func(tx *kv.Tx) error {
		c, err := s.account(tx, account)
		if err != nil {
			return err
		}
		key := string(kind) + "/" + Fold(name)
		if a, ok := lookup(c, c.arns, key); ok {
			out = a
			return nil
		}
		e, err := FindEntity(tx, account, kind, name)
		if isNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		out = ARN(account, kind, e.Path, e.Name)
		remember(c, c.arns, key, out)
		return nil
	})
	return out, err
}

// FindEntity returns what an entity of any kind has in common with the others,
// or kv.ErrNotFound.
func FindEntity(tx *kv.Tx, account arn.AccountID, kind Kind, name string) (*Entity, error) {
	switch kind {
	case KindUser:
		return find(tx, Users, account, name)
	case KindGroup:
		return find(tx, Groups, account, name)
	case KindRole:
		return find(tx, Roles, account, name)
	case KindPolicy:
		return find(tx, Policies, account, name)
	case KindProfile:
		return find(tx, Profiles, account, name)
	case KindMFA:
		return find(tx, MFADevices, account, name)
	case KindOIDCProvider:
		return find(tx, OIDCProviders, account, name)
	case KindSAMLProvider:
		return find(tx, SAMLProviders, account, name)
	case KindServerCertificate:
		return find(tx, ServerCertificates, account, name)
	}
	return nil, kv.ErrNotFound
}

func find[T any](tx *kv.Tx, d *Directory[T], account arn.AccountID, name string) (*Entity, error) {
	v, err := d.Find(tx, account, name)
	if err != nil {
		return nil, err
	}
	return d.entity(v), nil
}

// EnsureRoot returns the access key of an account's root that is active, and
// makes one when there is none: the first time, or when the last was deleted.
func (s *Store) EnsureRoot(ctx context.Context, account arn.AccountID, now time.Time) (accessKeyID, secret string, err error) {
	err = s.db.View(ctx, func(tx *kv.Tx) error {
		for r, err := range KeysOf.Scan(tx, kv.Scan{Prefix: []any{account, ""}}) {
			if err != nil {
				return err
			}
			k, err := Keys.Get(tx, *r.Value)
			if err != nil {
				return err
			}
			if !k.Active {
				continue
			}
			b, err := s.secrets.open(k.Secret, k.ID)
			accessKeyID, secret = k.ID, string(b)
			return err
		}
		return nil
	})
	if err != nil || accessKeyID != "" {
		return accessKeyID, secret, err
	}
	random := make([]byte, 5)
	if _, err := rand.Read(random); err != nil {
		return "", "", err
	}
	if accessKeyID, err = AccessKeyID("AKIA", account, random); err != nil {
		return "", "", err
	}
	if secret, err = NewSecret(); err != nil {
		return "", "", err
	}
	return accessKeyID, secret, s.RestoreRoot(ctx, account, accessKeyID, secret, now)
}

// RestoreRoot stores an access key of an account's root.
func (s *Store) RestoreRoot(ctx context.Context, account arn.AccountID, accessKeyID, secret string, now time.Time) error {
	sealed, err := s.SealSecret(accessKeyID, secret)
	if err != nil {
		return err
	}
	k := &Key{ID: accessKeyID, Account: account, Secret: sealed, Active: true, Created: now}
	return s.db.Update(ctx, func(tx *kv.Tx) error { return PutKey(tx, k) })
}

// BoundaryOf returns the ARN of the permissions boundary of a user or role, ""
// for none.
func BoundaryOf(tx *kv.Tx, account arn.AccountID, kind Kind, name string) (string, error) {
	switch kind {
	case KindUser:
		u, err := Users.Find(tx, account, name)
		if err != nil {
			return "", err
		}
		return u.Boundary, nil
	case KindRole:
		r, err := Roles.Find(tx, account, name)
		if err != nil {
			return "", err
		}
		return r.Boundary, nil
	}
	return "", nil
}

// OwnerARN returns the ARN of whose an access key is; of any user of the
// account when there is no such key. It is for permission checks.
func (s *Store) OwnerARN(ctx context.Context, account arn.AccountID, accessKeyID string) (string, error) {
	out := ARN(account, KindUser, "/", "*")
	err := s.db.View(ctx, func(tx *kv.Tx) error {
		k, err := Keys.Get(tx, accessKeyID)
		if isNotFound(err) || err == nil && k.Account != account {
			return nil
		}
		if err != nil {
			return err
		}
		if k.UserID == "" {
			out = RootARN(account)
			return nil
		}
		u, err := Users.ByID(tx, account, k.UserID)
		if err != nil {
			return err
		}
		out = Users.ARN(account, u)
		return nil
	})
	return out, err
}
