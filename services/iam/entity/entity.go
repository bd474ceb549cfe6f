// Package entity is what the operations on every kind of IAM entity share:
// permission needs with exact ARNs, pages of lists, tags, and the sentences of
// common errors. It stores nothing: package identity has the tables.
package entity

import (
	"context"
	"errors"
	"sync"

	api "github.com/gigawatt-cloud/gigawatt/api/iamapi"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
)

// Need is the permission for an action on an entity that the input names; its
// ARN has the entity's own path and spelling. keys may be nil. When the path
// cannot be read the resource is "", which the permission check refuses.
func Need(c *service.Call, who *identity.Store, action string, kind identity.Kind, name string, keys policy.Context) []policy.Need {
	a, err := who.ARNOf(context.Background(), c.Account, kind, name)
	if err != nil {
		a = ""
	}
	return []policy.Need{{Action: "iam:" + action, Resource: a, Context: keys}}
}

// NeedNew is the permission to create an entity, whose path the input gives.
func NeedNew(c *service.Call, action string, kind identity.Kind, path *string, name string, keys policy.Context) []policy.Need {
	return []policy.Need{{Action: "iam:" + action, Resource: identity.ARN(c.Account, kind, Value(path), name), Context: keys}}
}

// NeedList is the permission to list the entities under a path.
func NeedList(c *service.Call, action string, kind identity.Kind, prefix *string) []policy.Need {
	return []policy.Need{{Action: "iam:" + action, Resource: identity.ARN(c.Account, kind, Value(prefix), "")}}
}

// NeedARN is the permission for an action on what the input names by its ARN.
func NeedARN(action, resource string, keys policy.Context) []policy.Need {
	return []policy.Need{{Action: "iam:" + action, Resource: resource, Context: keys}}
}

// NeedAny is the permission for an action without resources.
func NeedAny(action string) []policy.Need {
	return []policy.Need{{Action: "iam:" + action, Resource: "*"}}
}

// Caller is the name of the user that an operation with an optional UserName
// is about: the named one, or the caller; "" stands for the root.
func Caller(c *service.Call, name *string) (string, error) {
	switch {
	case name != nil:
		return *name, nil
	case c.Principal.Type == policy.User:
		return c.Principal.UserName, nil
	case c.Principal.Type == policy.Root:
		return "", nil
	}
	return "", ErrValidation("Must specify userName when calling with non-User credentials")
}

// NeedCaller is the permission for an action on the named user, or the caller.
func NeedCaller(c *service.Call, who *identity.Store, action string, name *string) []policy.Need {
	user, err := Caller(c, name)
	switch {
	case err != nil:
		return NeedARN(action, c.Principal.ARN, nil)
	case user == "":
		return NeedARN(action, identity.RootARN(c.Account), nil)
	}
	return Need(c, who, action, identity.KindUser, user, nil)
}

// Resource tells the permission check the tags and the boundary of an entity.
// Credentials of GetSessionToken without MFA, and those of GetFederationToken,
// cannot be used with IAM at all.
func Resource(ctx context.Context, c *service.Call, n policy.Need) (service.Resource, error) {
	p := c.Principal
	if !p.IssuedAt.IsZero() && (p.Type == policy.FederatedUser || p.Type != policy.AssumedRole && p.MFAAge == nil) {
		return service.Resource{}, awserr.New("InvalidClientTokenId", 403, "The security token included in the request is invalid")
	}
	if n.Resource == "" {
		return service.Resource{}, errors.New("iam: the resource of a permission could not be read")
	}
	account, kind, name := identity.ParseARN(n.Resource)
	if account != c.Account {
		return service.Resource{}, nil
	}
	keys := policy.Context{}
	var allows []policy.Source
	err := c.View(ctx, func(tx *kv.Tx) (err error) {
		if n.Action == "iam:ChangePassword" {
			if allows, err = ownPassword(tx, c); err != nil {
				return err
			}
		}
		e, err := identity.FindEntity(tx, c.Account, kind, name)
		if IsNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, t := range e.Tags {
			keys.Set("aws:ResourceTag/"+t.Key, t.Value)
			keys.Set("iam:ResourceTag/"+t.Key, t.Value)
		}
		boundary, err := identity.BoundaryOf(tx, c.Account, kind, name)
		if boundary != "" {
			keys.Set("iam:PermissionsBoundary", boundary)
		}
		return err
	})
	return service.Resource{Context: keys, Policies: allows}, err
}

// changeOwn is what an account's password policy allows with
// AllowUsersToChangePassword.
var changeOwn = sync.OnceValues(func() (*policy.Document, error) {
	return policy.Parse([]byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"iam:ChangePassword","Resource":"*"}}`), policy.Resource)
})

// ownPassword is the permission that a password policy gives to every user, for
// their own password.
func ownPassword(tx *kv.Tx, c *service.Call) ([]policy.Source, error) {
	rules, err := identity.PasswordPolicies.Get(tx, c.Account)
	if IsNotFound(err) || err == nil && !rules.MayChange {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	doc, err := changeOwn()
	return []policy.Source{{ID: "password policy", Doc: doc}}, err
}

// IsNotFound reports whether a row is not there.
func IsNotFound(err error) bool { return errors.Is(err, kv.ErrNotFound) }

// OrNoSuchEntity turns kv.ErrNotFound into NoSuchEntity with a sentence.
func OrNoSuchEntity(err error, format string, args ...any) error {
	if IsNotFound(err) {
		return api.ErrNoSuchEntityException(format, args...)
	}
	return err
}

// ErrValidation is the error for input that only the state shows to be wrong.
func ErrValidation(format string, args ...any) error {
	return awserr.New("ValidationError", 400, format, args...)
}

// ErrQuota is the error for more of something than an account or entity may have.
func ErrQuota(what string, limit int) error {
	return api.ErrLimitExceededException("Cannot exceed quota for %s: %d", what, limit)
}

// Value is what p points to, or the zero value.
func Value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// Ptr is a pointer to v; nil for the zero value.
func Ptr[T comparable](v T) *T {
	if v == *new(T) {
		return nil
	}
	return &v
}
