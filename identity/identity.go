// Package identity holds who may do what: the users, groups, roles, keys and
// policies of every account, as typed tables.
//
// services/iam and services/sts are its API; the gateway asks it whose an
// access key is ([Store.Credential]) and which policies bear on a principal
// ([Store.Policies]). Compiled policies are cached under the account's
// generation, which every change bumps with [Touch]: so a call reads one row
// when nothing has changed. Temporary credentials are sealed into their
// session token and need no row at all (session.go). This package evaluates
// nothing: aws/policy does.
package identity

import (
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/kv"
)

// Tag is a key and its value.
type Tag struct {
	Key   string `cbor:"k"`
	Value string `cbor:"v"`
}

// Principal rows have these in common.
type common struct {
	// Path begins and ends with a slash.
	Path    string    `cbor:"path"`
	Name    string    `cbor:"name"`
	ID      string    `cbor:"id"`
	Created time.Time `cbor:"created"`
	Tags    []Tag     `cbor:"tags"`
}

// User is an IAM user.
type User struct {
	common
	// Boundary is the ARN of the permissions boundary, "" for none.
	Boundary         string    `cbor:"boundary"`
	PasswordLastUsed time.Time `cbor:"password_last_used"`
}

// Group is an IAM group.
type Group struct {
	common
}

// Role is an IAM role.
type Role struct {
	common
	Boundary    string `cbor:"boundary"`
	Description string `cbor:"description"`
	// Trust is the policy that says who may assume the role.
	Trust string `cbor:"trust"`
	// MaxSession is the longest session that AssumeRole may ask for.
	MaxSession time.Duration `cbor:"max_session"`
	LastUsed   time.Time     `cbor:"last_used"`
	// LastUsedRegion is where the role was last used.
	LastUsedRegion string `cbor:"last_used_region"`
}

// Version is one version of a managed policy.
type Version struct {
	ID       string    `cbor:"id"`
	Document string    `cbor:"document"`
	Created  time.Time `cbor:"created"`
}

// Policy is a managed policy.
type Policy struct {
	common
	Description string `cbor:"description"`
	// Versions are ordered by age; Default names the one that is in force.
	Versions []Version `cbor:"versions"`
	Default  string    `cbor:"default"`
	// Next is the number that the next version gets.
	Next    int       `cbor:"next"`
	Updated time.Time `cbor:"updated"`
}

// Document is the text of the version in force.
func (p *Policy) Document() string {
	for _, v := range p.Versions {
		if v.ID == p.Default {
			return v.Document
		}
	}
	return ""
}

// Kind is what policies can be attached to.
type Kind string

// The kinds of principals with policies.
const (
	KindUser  Kind = "user"
	KindGroup Kind = "group"
	KindRole  Kind = "role"
)

// Inline is a policy that is part of its user, group or role.
type Inline struct {
	Name     string `cbor:"name"`
	Document string `cbor:"document"`
}

// The tables. Names are unique regardless of case: keys hold [Fold] of them.
var (
	Users    = kv.NewTable[User]("iam/user")      // account, user
	Groups   = kv.NewTable[Group]("iam/group")    // account, group
	Members  = kv.NewTable[string]("iam/member")  // account, user, group -> group's name
	Roster   = kv.NewTable[string]("iam/roster")  // account, group, user -> user's name
	Roles    = kv.NewTable[Role]("iam/role")      // account, role
	Policies = kv.NewTable[Policy]("iam/policy")  // account, policy's name
	Inlines  = kv.NewTable[Inline]("iam/inline")  // account, kind, name, policy's name
	Attached = kv.NewTable[string]("iam/attach")  // account, kind, name, policy ARN -> policy ARN
	Reverse  = kv.NewTable[string]("iam/reverse") // account, policy ARN, kind, name -> name

	generations = kv.NewTable[uint64]("iam/generation", kv.Small()) // account
)

// Fold is a name as keys hold it.
func Fold(name string) string {
	b := []byte(name)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// Touch says, in the transaction that changes anything of an account's
// identities, that cached policies of the account no longer hold.
func Touch(tx *kv.Tx, account arn.AccountID) error {
	n, err := generation(tx, account)
	if err != nil {
		return err
	}
	n++
	return generations.Put(tx, &n, account)
}

// generation is 0 for an account that never changed.
func generation(tx *kv.Tx, account arn.AccountID) (uint64, error) {
	n, err := generations.Get(tx, account)
	if isNotFound(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return *n, nil
}

// ARN makes the ARN of an IAM resource, such as kind "user", path "/a/", name "bob".
func ARN(account arn.AccountID, kind, path, name string) string {
	if path == "" {
		path = "/"
	}
	return arn.ARN{Partition: "aws", Service: "iam", AccountID: account, Resource: kind + path + name}.String()
}
