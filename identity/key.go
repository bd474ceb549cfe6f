package identity

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/kv"
)

// Key is a long-lived access key.
type Key struct {
	ID      string        `cbor:"id"`
	Account arn.AccountID `cbor:"account"`
	// UserName is "" for a key of the account's root.
	UserName string `cbor:"user"`
	// Secret is sealed with the master key.
	Secret  []byte    `cbor:"secret"`
	Active  bool      `cbor:"active"`
	Created time.Time `cbor:"created"`
}

// KeyUse is when and for what a key was last used.
type KeyUse struct {
	Time    time.Time `cbor:"time"`
	Service string    `cbor:"service"`
	Region  string    `cbor:"region"`
}

// The tables of keys.
var (
	Keys    = kv.NewTable[Key]("iam/key", kv.Small())       // access key id
	KeysOf  = kv.NewTable[string]("iam/keysof", kv.Small()) // account, user, access key id -> access key id
	KeyUses = kv.NewTable[KeyUse]("iam/keyuse", kv.Small()) // access key id
)

// AccessKeyID makes the id of a key in AWS's own scheme, which holds the
// account: a prefix (AKIA for long-lived, ASIA for temporary keys), the
// account in base32, and random characters.
func AccessKeyID(prefix string, account arn.AccountID) (string, error) {
	const offset = 0x8000000000
	n, err := strconv.ParseInt(string(account), 10, 64)
	if err != nil || !account.Valid() {
		return "", fmt.Errorf("account %q has not twelve digits", account)
	}
	half := n/2 + offset
	b := make([]byte, 5)
	for i := range b {
		b[i] = byte(half >> (8 * (4 - i)))
	}
	tail := make([]byte, 5)
	if _, err := rand.Read(tail); err != nil {
		return "", err
	}
	random := []byte(base32.StdEncoding.EncodeToString(tail))
	// The first random character's upper half of the alphabet marks an odd account.
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	i := int(tail[0]>>3) & 15
	if n%2 == 1 {
		i += 16
	}
	random[0] = alphabet[i]
	return prefix + base32.StdEncoding.EncodeToString(b) + string(random), nil
}

// NewSecret makes a secret access key of forty characters.
func NewSecret() (string, error) {
	b := make([]byte, 30)
	if _, err := rand.Read(b); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(b), nil
}

// sealer encrypts secrets and session tokens with keys derived from the master key.
type sealer struct{ aead cipher.AEAD }

func newSealer(master *[32]byte, purpose string) sealer {
	h := hmac.New(sha256.New, master[:])
	h.Write([]byte("gigawatt identity " + purpose))
	block, err := aes.NewCipher(h.Sum(nil))
	if err != nil {
		panic(err) // the key has the right size
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return sealer{aead}
}

var errSealed = errors.New("identity: not sealed with this server's master key")

// seal encrypts b; bound is what it belongs to and has to be given again.
func (s sealer) seal(b []byte, bound string) ([]byte, error) {
	nonce := make([]byte, s.aead.NonceSize(), s.aead.NonceSize()+len(b)+s.aead.Overhead())
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	return s.aead.Seal(nonce, nonce, b, []byte(bound)), nil
}

func (s sealer) open(b []byte, bound string) ([]byte, error) {
	n := s.aead.NonceSize()
	if len(b) < n {
		return nil, errSealed
	}
	out, err := s.aead.Open(nil, b[:n], b[n:], []byte(bound))
	if err != nil {
		return nil, errSealed
	}
	return out, nil
}
