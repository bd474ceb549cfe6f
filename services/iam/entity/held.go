package entity

import (
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/kv"
)

// Held is a policy that bears on a user, group or role.
type Held struct {
	// Kind and Entity are whose it is: the user, one of its groups, or the role.
	Kind   identity.Kind
	Entity string
	Name   string
	// ARN is that of a managed policy, "" for an inline one.
	ARN      string
	Document string
}

// AWSManaged reports whether a policy is one of AWS's own.
func (h *Held) AWSManaged() bool {
	a, err := arn.Parse(h.ARN)
	return err == nil && a.AccountID == "aws"
}

// HeldBy returns the policies of an entity; those of a user's groups are among
// the user's.
func HeldBy(tx *kv.Tx, account arn.AccountID, kind identity.Kind, e *identity.Entity) ([]Held, error) {
	out, err := heldBy(tx, account, kind, e)
	if err != nil || kind != identity.KindUser {
		return out, err
	}
	for r, err := range identity.Members.Scan(tx, kv.Scan{Prefix: []any{account, e.ID}}) {
		if err != nil {
			return nil, err
		}
		g, err := identity.Groups.ByID(tx, account, *r.Value)
		if err != nil {
			return nil, err
		}
		list, err := heldBy(tx, account, identity.KindGroup, &g.Entity)
		if err != nil {
			return nil, err
		}
		out = append(out, list...)
	}
	return out, nil
}

func heldBy(tx *kv.Tx, account arn.AccountID, kind identity.Kind, e *identity.Entity) ([]Held, error) {
	var out []Held
	for r, err := range identity.Inlines.Scan(tx, kv.Scan{Prefix: []any{account, e.ID}}) {
		if err != nil {
			return nil, err
		}
		out = append(out, Held{Kind: kind, Entity: e.Name, Name: r.Value.Name, Document: r.Value.Document})
	}
	for r, err := range identity.Attached.Scan(tx, kv.Scan{Prefix: []any{account, e.ID}}) {
		if err != nil {
			return nil, err
		}
		p, err := identity.FindPolicy(tx, account, *r.Value)
		if err != nil {
			return nil, err
		}
		out = append(out, Held{Kind: kind, Entity: e.Name, Name: p.Name, ARN: *r.Value, Document: p.Document()})
	}
	return out, nil
}

// ByARN returns the kind of a user, group or role, and the entity itself; or
// NoSuchEntity.
func ByARN(tx *kv.Tx, account arn.AccountID, entityARN string) (identity.Kind, *identity.Entity, error) {
	owner, kind, name := identity.ParseARN(entityARN)
	if owner != account || kind != identity.KindUser && kind != identity.KindGroup && kind != identity.KindRole {
		return "", nil, OrNoSuchEntity(kv.ErrNotFound, "ARN %s is not that of a user, group or role of the account.", entityARN)
	}
	e, err := identity.FindEntity(tx, account, kind, name)
	if err == nil && identity.ARN(account, kind, e.Path, e.Name) != entityARN {
		err = kv.ErrNotFound
	}
	return kind, e, OrNoSuchEntity(err, "The %s with name %s cannot be found.", kind, name)
}
