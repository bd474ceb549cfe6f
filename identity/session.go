package identity

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"io"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/gigawatt-cloud/gigawatt/aws/policy"
)

// Session is a set of temporary credentials. All of it is sealed into the
// session token, so that any replica can check one and none has to keep it.
type Session struct {
	AccessKeyID string           `cbor:"k"`
	Secret      string           `cbor:"s"`
	Principal   policy.Principal `cbor:"p"`
	Expires     time.Time        `cbor:"e"`
	// SessionTags are the tags that were passed; TransitiveKeys those that go on
	// to the next role.
	SessionTags    []Tag    `cbor:"t,omitempty"`
	TransitiveKeys []string `cbor:"x,omitempty"`
	// Chained says that a role assumed this role.
	Chained bool `cbor:"c,omitempty"`
}

// Issue fills in a new key, seals the session and returns its token.
func (s *Store) Issue(x *Session) (token string, err error) {
	if x.AccessKeyID, err = AccessKeyID("ASIA", x.Principal.AccountID); err != nil {
		return "", err
	}
	if x.Secret, err = NewSecret(); err != nil {
		return "", err
	}
	x.Principal.AccessKeyID = x.AccessKeyID
	b, err := cbor.Marshal(x)
	if err != nil {
		return "", err
	}
	var z bytes.Buffer
	w, err := flate.NewWriter(&z, flate.BestSpeed)
	if err != nil {
		return "", err
	}
	if _, err := w.Write(b); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	sealed, err := s.tokens.seal(z.Bytes(), x.AccessKeyID)
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(sealed), nil
}

const maxSession = 1 << 20

// Session opens a token. Its errors are ErrInvalidToken and ErrExpiredToken.
func (s *Store) Session(accessKeyID, token string, now time.Time) (*Session, error) {
	sealed, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		return nil, ErrInvalidToken
	}
	z, err := s.tokens.open(sealed, accessKeyID)
	if err != nil {
		return nil, ErrInvalidToken
	}
	b, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(z)), maxSession))
	if err != nil {
		return nil, ErrInvalidToken
	}
	var x Session
	if err := cbor.Unmarshal(b, &x); err != nil {
		return nil, ErrInvalidToken
	}
	if !now.Before(x.Expires) {
		return nil, ErrExpiredToken
	}
	return &x, nil
}
