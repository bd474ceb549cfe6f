package identity

import (
	"strings"
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/kv"
)

// OIDCProvider is an OpenID Connect provider that an account trusts. Its name
// is the issuer without its scheme, such as "token.actions.githubusercontent.com".
type OIDCProvider struct {
	Entity
	// URL is the issuer as tokens name it, with its scheme.
	URL string `cbor:"url"`
	// ClientIDs are the audiences that tokens may be for, in the order in which they came.
	ClientIDs []string `cbor:"client_ids"`
	// Thumbprints are SHA-1 hashes, in hexadecimal, of certificates that the
	// issuer's server may be vouched for by.
	Thumbprints []string `cbor:"thumbprints"`
}

// SAMLProvider is a SAML 2.0 identity provider that an account trusts.
type SAMLProvider struct {
	Entity
	// Metadata is the provider's own description of itself: XML with its certificates.
	Metadata   string    `cbor:"metadata"`
	ValidUntil time.Time `cbor:"valid_until"`
}

// ServerCertificate is a TLS certificate that an account has uploaded.
type ServerCertificate struct {
	Entity
	// Body and Chain are PEM.
	Body    string    `cbor:"body"`
	Chain   string    `cbor:"chain"`
	Expires time.Time `cbor:"expires"`
	// PrivateKey is PEM, sealed with the master key.
	PrivateKey []byte `cbor:"private_key"`
}

// What the principals of other clouds, and servers, are known by.
var (
	OIDCProviders      = NewDirectory(KindOIDCProvider, func(p *OIDCProvider) *Entity { return &p.Entity })
	SAMLProviders      = NewDirectory(KindSAMLProvider, func(p *SAMLProvider) *Entity { return &p.Entity })
	ServerCertificates = NewDirectory(KindServerCertificate, func(x *ServerCertificate) *Entity { return &x.Entity })
)

// SealPrivateKey encrypts the private key of a server certificate for its row.
func (s *Store) SealPrivateKey(certificateID string, pem []byte) ([]byte, error) {
	return s.secrets.seal(pem, certificateID)
}

// OIDCName is the name of the provider of an issuer.
func OIDCName(issuer string) string {
	_, name, ok := strings.Cut(issuer, "://")
	if !ok {
		return issuer
	}
	return name
}

// FindOIDCProvider returns a provider by its ARN, or kv.ErrNotFound.
func FindOIDCProvider(tx *kv.Tx, account arn.AccountID, providerARN string) (*OIDCProvider, error) {
	return byARN(tx, OIDCProviders, account, providerARN)
}

// FindSAMLProvider returns a provider by its ARN, or kv.ErrNotFound.
func FindSAMLProvider(tx *kv.Tx, account arn.AccountID, providerARN string) (*SAMLProvider, error) {
	return byARN(tx, SAMLProviders, account, providerARN)
}

func byARN[T any](tx *kv.Tx, d *Directory[T], account arn.AccountID, a string) (*T, error) {
	_, name := SplitARN(a)
	v, err := d.Find(tx, account, name)
	if err == nil && d.ARN(account, v) != a {
		return nil, kv.ErrNotFound
	}
	return v, err
}
