package identity

import (
	"crypto/rand"
	"crypto/subtle"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/gigawatt-cloud/gigawatt/kv"
)

// LoginProfile is a user's password.
type LoginProfile struct {
	Password PasswordHash `cbor:"password"`
	// Earlier are the passwords before, the newest first: as many as an
	// account's policy may ever want to remember.
	Earlier []PasswordHash `cbor:"earlier"`
	Created time.Time      `cbor:"created"`
	Changed time.Time      `cbor:"changed"`
	// ResetRequired has the user choose a new password at the next sign-in.
	ResetRequired bool `cbor:"reset_required"`
}

// LoginProfiles are the users' passwords.
var LoginProfiles = kv.NewTable[LoginProfile]("iam/loginprofile") // account, user id

// LoginProfileBelonging is what a login profile is called in Belongings.
const LoginProfileBelonging = "login profile"

// PasswordHash is a password that can be compared with and not be read.
type PasswordHash struct {
	Salt []byte `cbor:"salt"`
	Hash []byte `cbor:"hash"`
}

// Argon2id with the parameters that OWASP gives as the least: they cost some
// tens of milliseconds and 19 MiB for each password that is tried.
const (
	argonTime   = 2
	argonMemory = 19 << 10 // KiB
	argonLanes  = 1
	argonSize   = 32
)

// HashPassword makes the hash of a password.
func HashPassword(password string) (PasswordHash, error) {
	salt := make([]byte, 16)
	if _, err := rand.Read(salt); err != nil {
		return PasswordHash{}, err
	}
	return PasswordHash{Salt: salt, Hash: argon(password, salt)}, nil
}

// Matches reports whether a hash is of the password.
func (h PasswordHash) Matches(password string) bool {
	return subtle.ConstantTimeCompare(h.Hash, argon(password, h.Salt)) == 1
}

func argon(password string, salt []byte) []byte {
	return argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonLanes, argonSize)
}
