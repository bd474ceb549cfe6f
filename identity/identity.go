// Package identity holds who may do what: the users, groups, roles, keys and
// policies of every account, as typed tables.
//
// services/iam and services/sts are its API; the gateway asks it whose an
// access key is ([Store.Credential]) and which policies bear on a principal
// ([Store.Policies]). What has a name and a path is an [Entity] in a
// [Directory]; everything that belongs to one (policies, keys, memberships)
// hangs on its unique id, so that renaming moves nothing and a new entity of
// an old name inherits nothing. Compiled policies are cached under the
// account's generation, which every change bumps with [Touch]: so a call reads
// one row when nothing has changed. Temporary credentials are sealed into
// their session token and need no row at all (session.go). This package
// evaluates nothing: aws/policy does.
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

// Entity is what users, groups, roles, policies and the like have in common.
type Entity struct {
	// Path begins and ends with a slash.
	Path    string    `cbor:"path"`
	Name    string    `cbor:"name"`
	ID      string    `cbor:"id"`
	Created time.Time `cbor:"created"`
	Tags    []Tag     `cbor:"tags"`
}

// User is an IAM user.
type User struct {
	Entity
	// Boundary is the ARN of the permissions boundary, "" for none.
	Boundary         string    `cbor:"boundary"`
	PasswordLastUsed time.Time `cbor:"password_last_used"`
}

// Group is an IAM group.
type Group struct {
	Entity
}

// Role is an IAM role.
type Role struct {
	Entity
	Boundary    string `cbor:"boundary"`
	Description string `cbor:"description"`
	// Trust is the policy that says who may assume the role.
	Trust string `cbor:"trust"`
	// Trusted are the unique ids of users and roles in Trust, by ARN as written there.
	Trusted map[string]string `cbor:"trusted"`
	// MaxSession is the longest session that AssumeRole may ask for.
	MaxSession time.Duration `cbor:"max_session"`
}

// Version is one version of a managed policy.
type Version struct {
	ID       string    `cbor:"id"`
	Document string    `cbor:"document"`
	Created  time.Time `cbor:"created"`
}

// Policy is a managed policy.
type Policy struct {
	Entity
	Description string `cbor:"description"`
	// Versions are ordered by age; Default names the one that is in force.
	Versions []Version `cbor:"versions"`
	Default  string    `cbor:"default"`
	// Next is the number that the next version gets.
	Next    int       `cbor:"next"`
	Updated time.Time `cbor:"updated"`
}

// Version returns one version, or nil.
func (p *Policy) Version(id string) *Version {
	for i := range p.Versions {
		if p.Versions[i].ID == id {
			return &p.Versions[i]
		}
	}
	return nil
}

// Document is the text of the version in force.
func (p *Policy) Document() string {
	if v := p.Version(p.Default); v != nil {
		return v.Document
	}
	return ""
}

// Profile is an instance profile.
type Profile struct {
	Entity
	// RoleID is the unique id of the role in it, "" for none.
	RoleID string `cbor:"role"`
}

// Kind is a kind of entity, as ARNs name it.
type Kind string

// The kinds of entities.
const (
	KindUser    Kind = "user"
	KindGroup   Kind = "group"
	KindRole    Kind = "role"
	KindPolicy  Kind = "policy"
	KindProfile Kind = "instance-profile"
)

// The entities of every account, by name and by unique id.
var (
	Users    = NewDirectory(KindUser, func(u *User) *Entity { return &u.Entity })
	Groups   = NewDirectory(KindGroup, func(g *Group) *Entity { return &g.Entity })
	Roles    = NewDirectory(KindRole, func(r *Role) *Entity { return &r.Entity })
	Policies = NewDirectory(KindPolicy, func(p *Policy) *Entity { return &p.Entity })
	Profiles = NewDirectory(KindProfile, func(p *Profile) *Entity { return &p.Entity })
)

// Inline is a policy that is part of its user, group or role.
type Inline struct {
	Name     string `cbor:"name"`
	Document string `cbor:"document"`
}

// The relations between entities; ids are unique ids.
var (
	Members    = kv.NewTable[string]("iam/member", kv.Small())    // account, user id, group id -> group id
	Roster     = kv.NewTable[string]("iam/roster", kv.Small())    // account, group id, user id -> user id
	Inlines    = kv.NewTable[Inline]("iam/inline")                // account, entity id, policy's folded name
	Attached   = kv.NewTable[string]("iam/attach", kv.Small())    // account, entity id, policy id -> policy ARN
	Attachment = kv.NewTable[string]("iam/reverse", kv.Small())   // account, policy id, entity id -> entity id
	Bounded    = kv.NewTable[string]("iam/bounded", kv.Small())   // account, policy id, entity id -> entity id
	ProfilesOf = kv.NewTable[string]("iam/profileof", kv.Small()) // account, role id, profile id -> profile id
	// Belongings are things that have to be deleted before their entity can be.
	Belongings = kv.NewTable[string]("iam/belonging", kv.Small()) // account, entity id, what, its id -> what, such as "login profile"

	generations = kv.NewTable[uint64]("iam/generation", kv.Small()) // account
)

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

// Exists reports whether an account was ever used in this cloud.
func Exists(tx *kv.Tx, account arn.AccountID) (bool, error) {
	n, err := generation(tx, account)
	return n > 0, err
}

// ARN makes the ARN of an IAM resource, such as kind "user", path "/a/", name "bob".
func ARN(account arn.AccountID, kind Kind, path, name string) string {
	if path == "" {
		path = "/"
	}
	return arn.ARN{Partition: "aws", Service: "iam", AccountID: account, Resource: string(kind) + path + name}.String()
}

// RootARN is the ARN of an account's root.
func RootARN(account arn.AccountID) string {
	return arn.ARN{Partition: "aws", Service: "iam", AccountID: account, Resource: "root"}.String()
}
