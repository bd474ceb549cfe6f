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
	"strings"
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/kv"
)

// Key is a long-lived access key.
type Key struct {
	ID      string        `cbor:"id"`
	Account arn.AccountID `cbor:"account"`
	// UserID is the unique id of the key's user, "" for the account's root.
	UserID string `cbor:"user"`
	// Secret is sealed with the master key.
	Secret  []byte    `cbor:"secret"`
	Active  bool      `cbor:"active"`
	Created time.Time `cbor:"created"`
}

// The tables of keys.
var (
	Keys   = kv.NewTable[Key]("iam/key", kv.Small())       // access key id
	KeysOf = kv.NewTable[string]("iam/keysof", kv.Small()) // account, user id, access key id -> access key id
)

// accountOffset is added to half an account's number in access key ids.
const accountOffset = 0x8000000000

const base32Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

// AccessKeyID makes the id of a key in AWS's own scheme, which holds the
// account: a prefix (AKIA for long-lived, ASIA for temporary keys), the
// account in base32, and five random bytes.
func AccessKeyID(prefix string, account arn.AccountID, random []byte) (string, error) {
	n, err := strconv.ParseInt(string(account), 10, 64)
	if err != nil || !account.Valid() {
		return "", fmt.Errorf("account %q has not twelve digits", account)
	}
	half := n/2 + accountOffset
	b := make([]byte, 5)
	for i := range b {
		b[i] = byte(half >> (8 * (4 - i)))
	}
	tail := []byte(base32.StdEncoding.EncodeToString(random[:5]))
	// The first random character's upper half of the alphabet marks an odd account.
	i := int(random[0]>>3) & 15
	if n%2 == 1 {
		i += 16
	}
	tail[0] = base32Alphabet[i]
	return prefix + base32.StdEncoding.EncodeToString(b) + string(tail), nil
}

// AccountOfKey is the account that an access key id names; ok is false when
// the id is not of AWS's scheme.
func AccountOfKey(id string) (account arn.AccountID, ok bool) {
	if len(id) != 20 {
		return "", false
	}
	var b [5]byte
	if n, err := base32.StdEncoding.Decode(b[:], []byte(id[4:12])); err != nil || n != len(b) {
		return "", false
	}
	var n int64
	for _, c := range b {
		n = n<<8 | int64(c)
	}
	odd := strings.IndexByte(base32Alphabet, id[12])
	if n < accountOffset || odd < 0 {
		return "", false
	}
	n = (n - accountOffset) * 2
	if odd >= 16 {
		n++
	}
	account = arn.AccountID(fmt.Sprintf("%012d", n))
	return account, account.Valid()
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

// PutKey stores a key and lists it with its user.
func PutKey(tx *kv.Tx, k *Key) error {
	if err := Keys.Put(tx, k, k.ID); err != nil {
		return err
	}
	if err := KeysOf.Put(tx, &k.ID, k.Account, k.UserID, k.ID); err != nil {
		return err
	}
	return Touch(tx, k.Account)
}

// DeleteKey removes a key and what is known of its use.
func DeleteKey(tx *kv.Tx, k *Key) error {
	if err := Keys.Delete(tx, k.ID); err != nil {
		return err
	}
	if err := KeysOf.Delete(tx, k.Account, k.UserID, k.ID); err != nil {
		return err
	}
	if err := keyUses.Delete(tx, k.ID); err != nil {
		return err
	}
	return Touch(tx, k.Account)
}
