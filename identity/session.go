package identity

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"io"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/internal/id"
)

// Session is a set of temporary credentials. All of it is sealed into the
// session token, so that any replica can check one and none has to keep it.
type Session struct {
	AccessKeyID string `cbor:"1,keyasint"`
	Secret      string `cbor:"2,keyasint"`
	// The principal: see policy.Principal for what each type has.
	Type           policy.PrincipalType `cbor:"3,keyasint"`
	Account        arn.AccountID        `cbor:"4,keyasint"`
	ARN            string               `cbor:"5,keyasint"`
	UserID         string               `cbor:"6,keyasint"`
	UserName       string               `cbor:"7,keyasint,omitempty"`
	RoleARN        string               `cbor:"8,keyasint,omitempty"`
	UserARN        string               `cbor:"9,keyasint,omitempty"`
	SessionName    string               `cbor:"10,keyasint,omitempty"`
	SourceIdentity string               `cbor:"11,keyasint,omitempty"`
	Provider       string               `cbor:"12,keyasint,omitempty"`
	// Tags are the principal's: those of the user or role under those of the session.
	Tags map[string]string `cbor:"13,keyasint,omitempty"`
	// TransitiveKeys are the session tags that go on to the next role.
	TransitiveKeys []string  `cbor:"14,keyasint,omitempty"`
	Issued         time.Time `cbor:"15,keyasint"`
	Expires        time.Time `cbor:"16,keyasint"`
	// MFA is when the second factor was given; zero when it was not.
	MFA time.Time `cbor:"17,keyasint,omitempty"`
	// Limits are the session policies; nil for none.
	Limits *policy.SessionLimits `cbor:"18,keyasint,omitempty"`
}

// Principal is who the session is, at a time.
func (x *Session) Principal(now time.Time) *policy.Principal {
	p := &policy.Principal{
		Type: x.Type, ARN: x.ARN, AccountID: x.Account, UserID: x.UserID, UserName: x.UserName, RoleARN: x.RoleARN,
		UserARN: x.UserARN, SessionName: x.SessionName, SourceIdentity: x.SourceIdentity, Tags: x.Tags,
		FederatedProvider: x.Provider, AccessKeyID: x.AccessKeyID, IssuedAt: x.Issued, Limits: x.Limits,
	}
	if !x.MFA.IsZero() {
		age := now.Sub(x.MFA)
		p.MFAAge = &age
	}
	return p
}

// Issue fills in a new key, seals the session and returns its token.
func (s *Store) Issue(ids *id.Source, x *Session) (token string, err error) {
	if x.AccessKeyID, err = AccessKeyID("ASIA", x.Account, ids.Bytes(5)); err != nil {
		return "", err
	}
	if x.Secret, err = NewSecret(); err != nil {
		return "", err
	}
	x.Issued, x.Expires = x.Issued.Truncate(time.Second), x.Expires.Truncate(time.Second)
	b, err := cbor.Marshal(x)
	if err != nil {
		return "", err
	}
	z, err := deflate(b)
	if err != nil {
		return "", err
	}
	sealed, err := s.tokens.seal(z, x.AccessKeyID)
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(sealed), nil
}

func deflate(b []byte) ([]byte, error) {
	var z bytes.Buffer
	w, err := flate.NewWriter(&z, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(b); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return z.Bytes(), nil
}

// maxSession is the greatest size of what inflate unpacks.
const maxSession = 1 << 20

func inflate(z []byte) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(z)), maxSession))
	if err != nil {
		return nil, ErrInvalidToken
	}
	return b, nil
}

// packedLimit is the size that session policies and tags may have when packed.
const packedLimit = 4096

// PackedSize is how much of the space for session policies and tags is taken,
// in percent. More than 100 is too much.
//
// Differs from AWS: its packed form is not published, so the percentage is of our own.
func PackedSize(limits *policy.SessionLimits, tags []Tag) (int, error) {
	b, err := cbor.Marshal([]any{limits, tags})
	if err != nil {
		return 0, err
	}
	z, err := deflate(b)
	if err != nil {
		return 0, err
	}
	return (len(z)*100 + packedLimit - 1) / packedLimit, nil
}

// Session opens a token. Its errors are ErrInvalidToken and ErrExpiredToken.
func (s *Store) Session(accessKeyID, token string, now time.Time) (*Session, error) {
	x := s.sessions.get(token)
	if x == nil {
		var err error
		if x, err = s.openSession(accessKeyID, token); err != nil {
			return nil, err
		}
		s.sessions.put(token, x)
	}
	if x.AccessKeyID != accessKeyID {
		return nil, ErrInvalidToken
	}
	if !now.Before(x.Expires) {
		return nil, ErrExpiredToken
	}
	return x, nil
}

func (s *Store) openSession(accessKeyID, token string) (*Session, error) {
	sealed, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		return nil, ErrInvalidToken
	}
	z, err := s.tokens.open(sealed, accessKeyID)
	if err != nil {
		return nil, ErrInvalidToken
	}
	b, err := inflate(z)
	if err != nil {
		return nil, err
	}
	var x Session
	if err := cbor.Unmarshal(b, &x); err != nil {
		return nil, ErrInvalidToken
	}
	return &x, nil
}
