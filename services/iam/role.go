package iam

import (
	"context"
	"strings"
	"time"

	api "github.com/gigawatt-cloud/gigawatt/api/iamapi"
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/iam/entity"
)

const maxRoles = 1000

// linkedPath is where service-linked roles are, and no others.
const linkedPath = "/aws-service-role/"

func isLinked(r *identity.Role) bool { return strings.HasPrefix(r.Path, linkedPath) }

// changeable refuses to change a service-linked role.
func changeable(r *identity.Role) error {
	if isLinked(r) {
		return api.ErrUnmodifiableEntityException("Cannot perform the operation on the protected role '%s' - this role is only modifiable by AWS", r.Name)
	}
	return nil
}

// getRole returns a role or NoSuchEntity.
func getRole(tx *kv.Tx, account arn.AccountID, name string) (*identity.Role, error) {
	r, err := identity.Roles.Find(tx, account, name)
	return r, entity.OrNoSuchEntity(err, "The role with name %s cannot be found.", name)
}

// getOwnRole returns a role that may be changed.
func getOwnRole(tx *kv.Tx, account arn.AccountID, name string) (*identity.Role, error) {
	r, err := getRole(tx, account, name)
	if err != nil {
		return nil, err
	}
	return r, changeable(r)
}

// apiRole is a role as lists have it.
func apiRole(tx *kv.Tx, account arn.AccountID, r *identity.Role) (api.Role, error) {
	trust, err := identity.TrustText(tx, r)
	if err != nil {
		return api.Role{}, err
	}
	return apiNewRole(account, r, trust), nil
}

// apiNewRole is a role as it is when it is made.
func apiNewRole(account arn.AccountID, r *identity.Role, trust string) api.Role {
	trust, seconds := encode(trust), int32(r.MaxSession/time.Second)
	return api.Role{
		Path: r.Path, RoleName: r.Name, RoleId: r.ID, Arn: identity.Roles.ARN(account, r), CreateDate: r.Created,
		AssumeRolePolicyDocument: &trust, Description: entity.Ptr(r.Description), MaxSessionDuration: &seconds,
	}
}

// apiWholeRole is a role as GetRole has it.
func apiWholeRole(tx *kv.Tx, account arn.AccountID, r *identity.Role) (*api.Role, error) {
	out, err := apiRole(tx, account, r)
	if err != nil {
		return nil, err
	}
	out.PermissionsBoundary, out.Tags = apiBoundary(r.Boundary), entity.Tags(r.Tags)
	out.RoleLastUsed, err = lastUsed(tx, account, r)
	return &out, err
}

// lastUsed is empty, and not nil, for a role that was never used.
func lastUsed(tx *kv.Tx, account arn.AccountID, r *identity.Role) (*api.RoleLastUsed, error) {
	use, err := identity.RoleUse(tx, account, r.ID)
	if entity.IsNotFound(err) {
		return &api.RoleLastUsed{}, nil
	}
	if err != nil {
		return nil, err
	}
	return &api.RoleLastUsed{LastUsedDate: &use.Time, Region: &use.Region}, nil
}

func needCreateRole(c *service.Call, in *api.CreateRoleInput) []policy.Need {
	return entity.WithTagging(entity.NeedNew(c, "CreateRole", identity.KindRole, in.Path, in.RoleName,
		entity.TagKeys(boundaryKeys(in.PermissionsBoundary), in.Tags)), "TagRole", in.Tags)
}

func (s *svc) createRole(ctx context.Context, c *service.Call, in *api.CreateRoleInput) (*api.CreateRoleOutput, error) {
	r := &identity.Role{
		Entity:      entity.New(c, "AROA", in.Path, in.RoleName),
		Description: entity.Value(in.Description), MaxSession: time.Hour,
	}
	if isLinked(r) {
		return nil, entity.ErrValidation("The path %s is reserved for service-linked roles.", r.Path)
	}
	if in.MaxSessionDuration != nil {
		r.MaxSession = time.Duration(*in.MaxSessionDuration) * time.Second
	}
	var err error
	if r.Tags, err = entity.Retag(nil, in.Tags); err != nil {
		return nil, err
	}
	err = c.Update(ctx, func(tx *kv.Tx) error {
		r.Boundary = ""
		if err := setTrust(tx, r, in.AssumeRolePolicyDocument); err != nil {
			return err
		}
		if in.PermissionsBoundary != nil {
			h := &holder{kind: identity.KindRole, account: c.Account, Entity: &r.Entity, role: r}
			if err := h.setBoundary(tx, *in.PermissionsBoundary); err != nil {
				return err
			}
		}
		return putNewRole(tx, c.Account, r)
	})
	if err != nil {
		return nil, err
	}
	out := apiNewRole(c.Account, r, r.Trust)
	out.PermissionsBoundary, out.Tags = apiBoundary(r.Boundary), entity.Tags(r.Tags)
	return &api.CreateRoleOutput{Role: &out}, nil
}

func putNewRole(tx *kv.Tx, account arn.AccountID, r *identity.Role) error {
	if err := entity.Quota(tx, account, identity.KindRole, "RolesPerAccount", maxRoles); err != nil {
		return err
	}
	return entity.OrExists(identity.Roles.Create(tx, account, r), "Role with name %s already exists.", r.Name)
}

func (s *svc) needGetRole(c *service.Call, in *api.GetRoleInput) []policy.Need {
	return entity.Need(c, s.who, "GetRole", identity.KindRole, in.RoleName, nil)
}

func (s *svc) getRole(ctx context.Context, c *service.Call, in *api.GetRoleInput) (*api.GetRoleOutput, error) {
	out := &api.GetRoleOutput{}
	return out, c.View(ctx, func(tx *kv.Tx) error {
		r, err := getRole(tx, c.Account, in.RoleName)
		if err != nil {
			return err
		}
		out.Role, err = apiWholeRole(tx, c.Account, r)
		return err
	})
}

func needListRoles(c *service.Call, in *api.ListRolesInput) []policy.Need {
	return entity.NeedList(c, "ListRoles", identity.KindRole, in.PathPrefix)
}

func (s *svc) listRoles(ctx context.Context, c *service.Call, in *api.ListRolesInput) (*api.ListRolesOutput, error) {
	prefix := entity.Value(in.PathPrefix)
	p, err := entity.NewPage(c, prefix, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.ListRolesOutput{}
	err = c.View(ctx, func(tx *kv.Tx) error {
		out.Roles, err = entity.Collect(p, identity.Roles.Scan(tx, c.Account, p.After), func(r *identity.Role) (api.Role, bool, error) {
			a, err := apiRole(tx, c.Account, r)
			return a, entity.Under(r.Path, prefix), err
		})
		return err
	})
	out.IsTruncated, out.Marker = p.Truncated(), p.Marker()
	return out, err
}

// changeRole changes a role that is not linked to a service.
func changeRole(ctx context.Context, c *service.Call, name string, fn func(tx *kv.Tx, r *identity.Role) error) error {
	return c.Update(ctx, func(tx *kv.Tx) error {
		r, err := getOwnRole(tx, c.Account, name)
		if err != nil {
			return err
		}
		if err := fn(tx, r); err != nil {
			return err
		}
		return identity.Roles.Put(tx, c.Account, r)
	})
}

func (s *svc) needUpdateRole(c *service.Call, in *api.UpdateRoleInput) []policy.Need {
	return entity.Need(c, s.who, "UpdateRole", identity.KindRole, in.RoleName, nil)
}

func (s *svc) updateRole(ctx context.Context, c *service.Call, in *api.UpdateRoleInput) (*api.UpdateRoleOutput, error) {
	return &api.UpdateRoleOutput{}, changeRole(ctx, c, in.RoleName, func(_ *kv.Tx, r *identity.Role) error {
		if in.Description != nil {
			r.Description = *in.Description
		}
		if in.MaxSessionDuration != nil {
			r.MaxSession = time.Duration(*in.MaxSessionDuration) * time.Second
		}
		return nil
	})
}

func (s *svc) needUpdateRoleDescription(c *service.Call, in *api.UpdateRoleDescriptionInput) []policy.Need {
	return entity.Need(c, s.who, "UpdateRoleDescription", identity.KindRole, in.RoleName, nil)
}

// updateRoleDescription may change service-linked roles too.
func (s *svc) updateRoleDescription(ctx context.Context, c *service.Call, in *api.UpdateRoleDescriptionInput) (*api.UpdateRoleDescriptionOutput, error) {
	out := &api.UpdateRoleDescriptionOutput{}
	return out, c.Update(ctx, func(tx *kv.Tx) error {
		r, err := getRole(tx, c.Account, in.RoleName)
		if err != nil {
			return err
		}
		r.Description = in.Description
		if out.Role, err = apiWholeRole(tx, c.Account, r); err != nil {
			return err
		}
		return identity.Roles.Put(tx, c.Account, r)
	})
}

func (s *svc) needUpdateAssumeRolePolicy(c *service.Call, in *api.UpdateAssumeRolePolicyInput) []policy.Need {
	return entity.Need(c, s.who, "UpdateAssumeRolePolicy", identity.KindRole, in.RoleName, nil)
}

func (s *svc) updateAssumeRolePolicy(ctx context.Context, c *service.Call, in *api.UpdateAssumeRolePolicyInput) (*api.UpdateAssumeRolePolicyOutput, error) {
	return &api.UpdateAssumeRolePolicyOutput{}, changeRole(ctx, c, in.RoleName, func(tx *kv.Tx, r *identity.Role) error {
		return setTrust(tx, r, in.PolicyDocument)
	})
}

func (s *svc) needDeleteRole(c *service.Call, in *api.DeleteRoleInput) []policy.Need {
	return entity.Need(c, s.who, "DeleteRole", identity.KindRole, in.RoleName, nil)
}

func (s *svc) deleteRole(ctx context.Context, c *service.Call, in *api.DeleteRoleInput) (*api.DeleteRoleOutput, error) {
	return &api.DeleteRoleOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		r, err := getOwnRole(tx, c.Account, in.RoleName)
		if err != nil {
			return err
		}
		has, err := entity.Any(identity.ProfilesOf, tx, []any{c.Account, r.ID})
		if err != nil {
			return err
		}
		if has {
			return api.ErrDeleteConflictException("Cannot delete entity, must remove roles from instance profile first.")
		}
		h := &holder{kind: identity.KindRole, account: c.Account, Entity: &r.Entity, role: r}
		if err := h.empty(tx); err != nil {
			return err
		}
		return dropRole(tx, h)
	})
}

// dropRole deletes a role that holds nothing any more.
func dropRole(tx *kv.Tx, h *holder) error {
	if err := h.setBoundary(tx, ""); err != nil {
		return err
	}
	if err := identity.DropUses(tx, h.account, h.ID); err != nil {
		return err
	}
	return identity.Roles.Delete(tx, h.account, h.role)
}

func (s *svc) needTagRole(c *service.Call, in *api.TagRoleInput) []policy.Need {
	return entity.Need(c, s.who, "TagRole", identity.KindRole, in.RoleName, entity.TagKeys(nil, in.Tags))
}

func (s *svc) tagRole(ctx context.Context, c *service.Call, in *api.TagRoleInput) (*api.TagRoleOutput, error) {
	return &api.TagRoleOutput{}, changeRole(ctx, c, in.RoleName, func(_ *kv.Tx, r *identity.Role) (err error) {
		r.Tags, err = entity.Retag(r.Tags, in.Tags)
		return err
	})
}

func (s *svc) needUntagRole(c *service.Call, in *api.UntagRoleInput) []policy.Need {
	return entity.Need(c, s.who, "UntagRole", identity.KindRole, in.RoleName, entity.UntagKeys(nil, in.TagKeys))
}

func (s *svc) untagRole(ctx context.Context, c *service.Call, in *api.UntagRoleInput) (*api.UntagRoleOutput, error) {
	return &api.UntagRoleOutput{}, changeRole(ctx, c, in.RoleName, func(_ *kv.Tx, r *identity.Role) error {
		r.Tags = entity.Untag(r.Tags, in.TagKeys)
		return nil
	})
}

func (s *svc) needListRoleTags(c *service.Call, in *api.ListRoleTagsInput) []policy.Need {
	return entity.Need(c, s.who, "ListRoleTags", identity.KindRole, in.RoleName, nil)
}

func (s *svc) listRoleTags(ctx context.Context, c *service.Call, in *api.ListRoleTagsInput) (*api.ListRoleTagsOutput, error) {
	p, err := entity.NewPage(c, in.RoleName, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.ListRoleTagsOutput{}
	err = c.View(ctx, func(tx *kv.Tx) error {
		r, err := getRole(tx, c.Account, in.RoleName)
		if err != nil {
			return err
		}
		out.Tags, err = entity.TagPage(p, r.Tags)
		return err
	})
	out.IsTruncated, out.Marker = p.Truncated(), p.Marker()
	return out, err
}
