package iam

import (
	api "github.com/gigawatt-cloud/gigawatt/api/iamapi"
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/services/iam/entity"
)

// holder is a user, group or role in what is the same for all three: it holds
// inline policies, managed policies, and perhaps a boundary.
type holder struct {
	kind    identity.Kind
	account arn.AccountID
	*identity.Entity
	user *identity.User
	role *identity.Role
}

// getHolder returns a user, group or role, or NoSuchEntity.
func getHolder(tx *kv.Tx, account arn.AccountID, kind identity.Kind, name string) (*holder, error) {
	h := &holder{kind: kind, account: account}
	var err error
	switch kind {
	case identity.KindUser:
		if h.user, err = entity.GetUser(tx, account, name); err == nil {
			h.Entity = &h.user.Entity
		}
	case identity.KindRole:
		if h.role, err = getRole(tx, account, name); err == nil {
			h.Entity = &h.role.Entity
		}
	default:
		var g *identity.Group
		if g, err = getGroup(tx, account, name); err == nil {
			h.Entity = &g.Entity
		}
	}
	return h, err
}

// changeable refuses to change what a service-linked role holds.
func (h *holder) changeable() error {
	if h.role != nil {
		return changeable(h.role)
	}
	return nil
}

// boundary points to the ARN of the permissions boundary; nil for a group.
func (h *holder) boundary() *string {
	switch {
	case h.user != nil:
		return &h.user.Boundary
	case h.role != nil:
		return &h.role.Boundary
	}
	return nil
}

// put stores a user or role.
func (h *holder) put(tx *kv.Tx) error {
	if h.user != nil {
		return identity.Users.Put(tx, h.account, h.user)
	}
	return identity.Roles.Put(tx, h.account, h.role)
}

// Numbers of policies, and sizes without white space, that AWS allows by default.
const maxAttached = 10

var inlineSize = map[identity.Kind]int{identity.KindUser: 2048, identity.KindGroup: 5120, identity.KindRole: 10240}

// title is a kind as quotas are named.
var title = map[identity.Kind]string{identity.KindUser: "User", identity.KindGroup: "Group", identity.KindRole: "Role"}

// empty refuses to delete a holder that still has policies.
func (h *holder) empty(tx *kv.Tx) error {
	prefix := []any{h.account, h.ID}
	has, err := entity.Any(identity.Attached, tx, prefix)
	if err != nil {
		return err
	}
	if has {
		return api.ErrDeleteConflictException("Cannot delete entity, must detach all policies first.")
	}
	if has, err = entity.Any(identity.Inlines, tx, prefix); err != nil {
		return err
	}
	if has {
		return api.ErrDeleteConflictException("Cannot delete entity, must delete policies first.")
	}
	return nil
}

// setBoundary sets or removes ("") the permissions boundary of a user or role
// that is about to be stored.
func (h *holder) setBoundary(tx *kv.Tx, policyARN string) error {
	at := h.boundary()
	if *at != "" {
		old, err := identity.FindPolicy(tx, h.account, *at)
		if err != nil {
			return err
		}
		if err := identity.Bounded.Delete(tx, h.account, old.ID, h.ID); err != nil {
			return err
		}
	}
	*at = policyARN
	if policyARN == "" {
		return nil
	}
	p, err := identity.FindPolicy(tx, h.account, policyARN)
	if err != nil {
		return entity.OrNoSuchEntity(err, "Scope ARN: %s does not exist or is not attachable.", policyARN)
	}
	return identity.Bounded.Put(tx, &h.ID, h.account, p.ID, h.ID)
}

// apiBoundary is a boundary as the API has it.
func apiBoundary(policyARN string) *api.AttachedPermissionsBoundary {
	if policyARN == "" {
		return nil
	}
	kind := "Policy"
	return &api.AttachedPermissionsBoundary{PermissionsBoundaryType: &kind, PermissionsBoundaryArn: &policyARN}
}
