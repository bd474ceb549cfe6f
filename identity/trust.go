package identity

import (
	"fmt"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/kv"
)

// trustNobody is the trust policy of a role that does not exist.
var trustNobody = policy.Source{ID: "no role", Doc: &policy.Document{Kind: policy.Trust, Version: policy.Version2012}}

// TrustPolicy is the trust policy of a role, compiled, and the role itself. A
// role that does not exist is nil and trusts nobody.
func (s *Store) TrustPolicy(tx *kv.Tx, roleARN string) (*Role, policy.Source, error) {
	r, account, err := FindRole(tx, roleARN)
	if isNotFound(err) {
		return nil, trustNobody, nil
	}
	if err != nil {
		return nil, policy.Source{}, err
	}
	c, err := s.account(tx, account)
	if err != nil {
		return nil, policy.Source{}, err
	}
	key := "trust:" + r.ID
	set, ok := lookup(c, c.sets, key)
	if !ok {
		src, err := compile(roleARN, r.Trust, policy.Trust)
		if err != nil {
			return nil, policy.Source{}, err
		}
		set = &policy.Set{Resource: []policy.Source{*src}}
		remember(c, c.sets, key, set)
	}
	return r, set.Resource[0], nil
}

// FindRole returns a role by its ARN, and its account; kv.ErrNotFound when
// there is none.
func FindRole(tx *kv.Tx, roleARN string) (*Role, arn.AccountID, error) {
	a, err := arn.Parse(roleARN)
	kind, name := SplitARN(roleARN)
	if err != nil || a.Service != "iam" || kind != KindRole {
		return nil, "", kv.ErrNotFound
	}
	r, err := Roles.Find(tx, a.AccountID, name)
	if err != nil {
		return nil, "", err
	}
	if Roles.ARN(a.AccountID, r) != roleARN {
		return nil, "", kv.ErrNotFound
	}
	return r, a.AccountID, nil
}

// CheckPrincipals refuses a trust policy or other resource policy that names a
// user or role that does not exist, in an account of this cloud. The error is
// a *policy.SyntaxError.
//
// Differs from AWS: principals of accounts that this cloud has never seen are
// taken as they are.
func CheckPrincipals(tx *kv.Tx, doc *policy.Document) error {
	for i := range doc.Statements {
		list, _ := doc.Statements[i].Principals()
		for _, e := range list {
			ok, err := principalExists(tx, e)
			if err != nil {
				return err
			}
			if !ok {
				return &policy.SyntaxError{
					Element: "Principal", Statement: i,
					Reason: fmt.Sprintf("Invalid principal in policy: %q:%q", strings.ToUpper(e.Type), e.Value),
				}
			}
		}
	}
	return nil
}

func principalExists(tx *kv.Tx, e policy.PrincipalElement) (bool, error) {
	a, err := arn.Parse(e.Value)
	if e.Type != "AWS" || err != nil || a.Service != "iam" {
		return true, nil
	}
	kind, name := SplitARN(e.Value)
	if kind != KindUser && kind != KindRole {
		return true, nil
	}
	known, err := Exists(tx, a.AccountID)
	if err != nil || !known {
		return true, err
	}
	found, err := FindEntity(tx, a.AccountID, kind, name)
	if isNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return ARN(a.AccountID, kind, found.Path, found.Name) == e.Value, nil
}
