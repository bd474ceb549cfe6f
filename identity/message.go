package identity

import "encoding/base64"

// EncodeMessage seals the details of a refused call, for the caller to decode
// with DecodeAuthorizationMessage.
func (s *Store) EncodeMessage(details []byte) (string, error) {
	z, err := deflate(details)
	if err != nil {
		return "", err
	}
	b, err := s.messages.seal(z, "")
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

// DecodeMessage opens what EncodeMessage made; anything else is ErrInvalidToken.
func (s *Store) DecodeMessage(message string) ([]byte, error) {
	b, err := base64.RawURLEncoding.DecodeString(message)
	if err != nil {
		return nil, ErrInvalidToken
	}
	z, err := s.messages.open(b, "")
	if err != nil {
		return nil, ErrInvalidToken
	}
	return inflate(z)
}
