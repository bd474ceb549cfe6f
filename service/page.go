package service

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
)

// Pages makes and opens the tokens of paginated lists. A token is signed, and
// holds for one scope only: the operation, the account and what was listed.
type Pages struct {
	key [32]byte
}

// NewPages returns a Pages that signs with key.
func NewPages(key [32]byte) *Pages { return &Pages{key: key} }

// ErrPageToken says that a token is not one of ours, or of another list.
var ErrPageToken = errors.New("the page token is not valid for this list")

const pageMAC = 16

// Token makes the token that continues a list after key.
func (p *Pages) Token(scope string, key []byte) string {
	return base64.RawURLEncoding.EncodeToString(append(p.mac(scope, key), key...))
}

// Open returns the key in a token, or ErrPageToken. An empty token opens to nil.
func (p *Pages) Open(scope, token string) ([]byte, error) {
	if token == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) < pageMAC || !hmac.Equal(b[:pageMAC], p.mac(scope, b[pageMAC:])) {
		return nil, ErrPageToken
	}
	return b[pageMAC:], nil
}

func (p *Pages) mac(scope string, key []byte) []byte {
	h := hmac.New(sha256.New, p.key[:])
	h.Write([]byte(scope))
	h.Write([]byte{0})
	h.Write(key)
	return h.Sum(nil)[:pageMAC]
}

// PageToken makes the token that continues the called operation's list after key.
func (c *Call) PageToken(scope string, key []byte) string {
	return c.Frame.Pages.Token(c.pageScope(scope), key)
}

// OpenPage returns the key in a token of the called operation's list. scope is
// what else was listed by, such as a bucket's name.
func (c *Call) OpenPage(scope, token string) ([]byte, error) {
	return c.Frame.Pages.Open(c.pageScope(scope), token)
}

func (c *Call) pageScope(scope string) string {
	return c.Op.Service.Name + "\x00" + c.Op.Name + "\x00" + string(c.Account) + "\x00" + scope
}
