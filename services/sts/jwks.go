package sts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/gigawatt-cloud/gigawatt/identity"
)

// Fetcher reads the public documents of identity providers.
type Fetcher interface {
	// Fetch returns the body that a GET answers with status 200; at most a
	// megabyte. A server that the machine does not trust is trusted when the
	// SHA-1 hash of a certificate that vouches for it is among thumbprints, in
	// lower-case hexadecimal.
	Fetch(ctx context.Context, url string, thumbprints []string) ([]byte, error)
}

// How long the keys of a provider are used without asking it again, and how
// soon it may be asked again because a token names a key that is not among them.
const (
	keysFor   = time.Hour
	askAgain  = 30 * time.Second
	maxIssuer = 1024 // providers that are remembered
)

// keyRing remembers the public keys of providers.
type keyRing struct {
	from Fetcher

	mu      sync.Mutex
	entries map[string]*ringEntry // by issuer and thumbprints
}

type ringEntry struct {
	mu      sync.Mutex // held while the provider is asked
	keys    jose.JSONWebKeySet
	fetched time.Time
}

func (r *keyRing) entry(p *identity.OIDCProvider) *ringEntry {
	key := p.URL + " " + strings.Join(p.Thumbprints, " ")
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries[key]
	if e == nil {
		if r.entries == nil || len(r.entries) >= maxIssuer {
			r.entries = map[string]*ringEntry{}
		}
		e = &ringEntry{}
		r.entries[key] = e
	}
	return e
}

// keys are those of a provider that a token with this kid may be signed with.
func (r *keyRing) keys(ctx context.Context, p *identity.OIDCProvider, kid string, now time.Time) ([]jose.JSONWebKey, error) {
	e := r.entry(p)
	e.mu.Lock()
	defer e.mu.Unlock()
	found := e.named(kid)
	age := now.Sub(e.fetched).Abs()
	if e.fetched.IsZero() || age > keysFor || len(found) == 0 && age > askAgain {
		set, err := r.fetch(ctx, p)
		if err != nil {
			return nil, err
		}
		e.keys, e.fetched = *set, now
		found = e.named(kid)
	}
	return found, nil
}

func (e *ringEntry) named(kid string) []jose.JSONWebKey {
	if kid == "" {
		return e.keys.Keys
	}
	return e.keys.Key(kid)
}

// errDiscovery says that a provider's documents are not what they should be.
var errDiscovery = errors.New("the provider's documents are not those of OpenID Connect discovery")

func (r *keyRing) fetch(ctx context.Context, p *identity.OIDCProvider) (*jose.JSONWebKeySet, error) {
	b, err := r.from.Fetch(ctx, strings.TrimSuffix(p.URL, "/")+"/.well-known/openid-configuration", p.Thumbprints)
	if err != nil {
		return nil, err
	}
	var conf struct {
		Issuer string `json:"issuer"`
		JWKS   string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(b, &conf); err != nil {
		return nil, fmt.Errorf("%w: %w", errDiscovery, err)
	}
	secure := strings.HasPrefix(conf.JWKS, "https://") || strings.HasPrefix(p.URL, "http://") && strings.HasPrefix(conf.JWKS, "http://")
	if strings.TrimSuffix(conf.Issuer, "/") != strings.TrimSuffix(p.URL, "/") || !secure {
		return nil, fmt.Errorf("%w: the issuer or the jwks_uri", errDiscovery)
	}
	if b, err = r.from.Fetch(ctx, conf.JWKS, p.Thumbprints); err != nil {
		return nil, err
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(b, &set); err != nil {
		return nil, fmt.Errorf("%w: %w", errDiscovery, err)
	}
	return &set, nil
}
