package identity

import (
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/kv"
)

// PasswordPolicy is what an account asks of its users' passwords.
type PasswordPolicy struct {
	MinLength int  `cbor:"min_length"`
	Symbols   bool `cbor:"symbols"`
	Numbers   bool `cbor:"numbers"`
	Uppercase bool `cbor:"uppercase"`
	Lowercase bool `cbor:"lowercase"`
	// MayChange lets users change their own password.
	MayChange bool `cbor:"may_change"`
	// MaxAgeDays is after how many days a password expires; 0 for never.
	MaxAgeDays int `cbor:"max_age_days"`
	// Remember is how many earlier passwords may not be used again.
	Remember int `cbor:"remember"`
	// HardExpiry keeps users from setting a new password after the old one expired.
	HardExpiry bool `cbor:"hard_expiry"`
}

// What an account has one of.
var (
	PasswordPolicies = kv.NewTable[PasswordPolicy]("iam/passwordpolicy", kv.Small()) // account
	Aliases          = kv.NewTable[arn.AccountID]("iam/alias", kv.Small())           // alias
	AliasOf          = kv.NewTable[string]("iam/aliasof", kv.Small())                // account
)

// The kinds of entities that are neither principals nor hold policies.
const (
	KindServerCertificate Kind = "server-certificate"
	KindOIDCProvider      Kind = "oidc-provider"
	KindSAMLProvider      Kind = "saml-provider"
)
