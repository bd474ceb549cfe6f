package entity

import (
	"errors"
	"strings"
	"time"

	api "github.com/gigawatt-cloud/gigawatt/api/iamapi"
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
)

// Any reports whether a table has a row with a prefix.
func Any[T any](t *kv.Table[T], tx *kv.Tx, prefix []any) (bool, error) {
	for _, err := range t.Scan(tx, kv.Scan{Prefix: prefix, Limit: 1}) {
		return err == nil, err
	}
	return false, nil
}

// CountRows counts the rows with a prefix.
func CountRows[T any](t *kv.Table[T], tx *kv.Tx, prefix ...any) (int, error) {
	n := 0
	for _, err := range t.Scan(tx, kv.Scan{Prefix: prefix}) {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

// New is the common part of what a call creates.
func New(c *service.Call, prefix string, path *string, name string) identity.Entity {
	e := identity.Entity{Path: "/", Name: name, ID: prefix + c.IDs.Alnum(17), Created: Second(c)}
	if path != nil {
		e.Path = *path
	}
	return e
}

// Second is the time of the call as IAM keeps it.
func Second(c *service.Call) time.Time { return c.Now.Truncate(time.Second) }

// WithTagging adds the permission to tag to that of creating with tags.
func WithTagging(needs []policy.Need, action string, tags []api.Tag) []policy.Need {
	if len(tags) == 0 {
		return needs
	}
	n := needs[0]
	n.Action = "iam:" + action
	return append(needs, n)
}

// Quota refuses one more of a kind than an account may have.
func Quota(tx *kv.Tx, account arn.AccountID, kind identity.Kind, name string, limit int) error {
	n, err := identity.Count(tx, account, kind)
	if err == nil && n >= limit {
		return ErrQuota(name, limit)
	}
	return err
}

// OrExists turns identity.ErrExists into EntityAlreadyExists with a sentence.
func OrExists(err error, format string, args ...any) error {
	if errors.Is(err, identity.ErrExists) {
		return api.ErrEntityAlreadyExistsException(format, args...)
	}
	return err
}

// GetUser returns a user or NoSuchEntity.
func GetUser(tx *kv.Tx, account arn.AccountID, name string) (*identity.User, error) {
	u, err := identity.Users.Find(tx, account, name)
	return u, OrNoSuchEntity(err, "The user with name %s cannot be found.", name)
}

// Under reports whether a path is below a prefix; "" and "/" are above all.
func Under(path, prefix string) bool { return strings.HasPrefix(path, prefix) }

// PathOf is the path in an IAM ARN, "/" when it has none.
func PathOf(s string) string {
	a, err := arn.Parse(s)
	if err != nil {
		return "/"
	}
	from, to := strings.IndexByte(a.Resource, '/'), strings.LastIndexByte(a.Resource, '/')
	if from < 0 {
		return "/"
	}
	return a.Resource[from : to+1]
}

// RootCreated is when the account's root got its first key that is left, or the
// present time when it has none.
func RootCreated(tx *kv.Tx, account arn.AccountID, now time.Time) (time.Time, error) {
	first := now
	for r, err := range identity.KeysOf.Scan(tx, kv.Scan{Prefix: []any{account, ""}}) {
		if err != nil {
			return first, err
		}
		k, err := identity.Keys.Get(tx, *r.Value)
		if err != nil {
			return first, err
		}
		if k.Created.Before(first) {
			first = k.Created
		}
	}
	return first, nil
}
