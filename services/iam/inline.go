package iam

import (
	"context"

	api "github.com/gigawatt-cloud/gigawatt/api/iamapi"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/iam/entity"
)

// putInline sets an inline policy of a user, group or role.
func putInline(ctx context.Context, c *service.Call, kind identity.Kind, name, policyName, document string) error {
	if _, err := parse(document, policy.Identity); err != nil {
		return err
	}
	return c.Update(ctx, func(tx *kv.Tx) error {
		h, err := getHolder(tx, c.Account, kind, name)
		if err != nil {
			return err
		}
		if err := h.changeable(); err != nil {
			return err
		}
		size := policy.Size([]byte(document))
		for r, err := range identity.Inlines.Scan(tx, kv.Scan{Prefix: []any{c.Account, h.ID}}) {
			if err != nil {
				return err
			}
			if identity.Fold(r.Value.Name) != identity.Fold(policyName) {
				size += policy.Size([]byte(r.Value.Document))
			}
		}
		if limit := inlineSize[kind]; size > limit {
			return api.ErrLimitExceededException("Maximum policy size of %d bytes exceeded for %s %s", limit, kind, h.Name)
		}
		p := &identity.Inline{Name: policyName, Document: document}
		if err := identity.Inlines.Put(tx, p, c.Account, h.ID, identity.Fold(policyName)); err != nil {
			return err
		}
		return identity.Touch(tx, c.Account)
	})
}

// getInline returns an inline policy with its document encoded, and its holder's name.
func getInline(ctx context.Context, c *service.Call, kind identity.Kind, name, policyName string) (p *identity.Inline, of string, err error) {
	err = c.View(ctx, func(tx *kv.Tx) error {
		h, err := getHolder(tx, c.Account, kind, name)
		if err != nil {
			return err
		}
		if p, err = identity.Inlines.Get(tx, c.Account, h.ID, identity.Fold(policyName)); err != nil {
			return noInline(err, kind, policyName)
		}
		of, p.Document = h.Name, encode(p.Document)
		return nil
	})
	return p, of, err
}

func noInline(err error, kind identity.Kind, policyName string) error {
	return entity.OrNoSuchEntity(err, "The %s policy with name %s cannot be found.", kind, policyName)
}

// listInline lists the names of inline policies.
func listInline(ctx context.Context, c *service.Call, kind identity.Kind, name string, marker *string, maxItems *int32) (names []string, p *entity.Page, err error) {
	if p, err = entity.NewPage(c, name, marker, maxItems); err != nil {
		return nil, p, err
	}
	err = c.View(ctx, func(tx *kv.Tx) error {
		h, err := getHolder(tx, c.Account, kind, name)
		if err != nil {
			return err
		}
		rows := identity.Inlines.Scan(tx, kv.Scan{Prefix: []any{c.Account, h.ID}, After: p.After})
		names, err = entity.Collect(p, rows, func(i *identity.Inline) (string, bool, error) { return i.Name, true, nil })
		return err
	})
	return names, p, err
}

// deleteInline removes an inline policy.
func deleteInline(ctx context.Context, c *service.Call, kind identity.Kind, name, policyName string) error {
	return c.Update(ctx, func(tx *kv.Tx) error {
		h, err := getHolder(tx, c.Account, kind, name)
		if err != nil {
			return err
		}
		if err := h.changeable(); err != nil {
			return err
		}
		if _, err := identity.Inlines.Get(tx, c.Account, h.ID, identity.Fold(policyName)); err != nil {
			return noInline(err, kind, policyName)
		}
		if err := identity.Inlines.Delete(tx, c.Account, h.ID, identity.Fold(policyName)); err != nil {
			return err
		}
		return identity.Touch(tx, c.Account)
	})
}

func (s *svc) needPutUserPolicy(c *service.Call, in *api.PutUserPolicyInput) []policy.Need {
	return entity.Need(c, s.who, "PutUserPolicy", identity.KindUser, in.UserName, nil)
}

func (s *svc) putUserPolicy(ctx context.Context, c *service.Call, in *api.PutUserPolicyInput) (*api.PutUserPolicyOutput, error) {
	return &api.PutUserPolicyOutput{}, putInline(ctx, c, identity.KindUser, in.UserName, in.PolicyName, in.PolicyDocument)
}

func (s *svc) needGetUserPolicy(c *service.Call, in *api.GetUserPolicyInput) []policy.Need {
	return entity.Need(c, s.who, "GetUserPolicy", identity.KindUser, in.UserName, nil)
}

func (s *svc) getUserPolicy(ctx context.Context, c *service.Call, in *api.GetUserPolicyInput) (*api.GetUserPolicyOutput, error) {
	p, of, err := getInline(ctx, c, identity.KindUser, in.UserName, in.PolicyName)
	if err != nil {
		return nil, err
	}
	return &api.GetUserPolicyOutput{UserName: of, PolicyName: p.Name, PolicyDocument: p.Document}, nil
}

func (s *svc) needListUserPolicies(c *service.Call, in *api.ListUserPoliciesInput) []policy.Need {
	return entity.Need(c, s.who, "ListUserPolicies", identity.KindUser, in.UserName, nil)
}

func (s *svc) listUserPolicies(ctx context.Context, c *service.Call, in *api.ListUserPoliciesInput) (*api.ListUserPoliciesOutput, error) {
	names, p, err := listInline(ctx, c, identity.KindUser, in.UserName, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &api.ListUserPoliciesOutput{PolicyNames: names, IsTruncated: p.Truncated(), Marker: p.Marker()}, nil
}

func (s *svc) needDeleteUserPolicy(c *service.Call, in *api.DeleteUserPolicyInput) []policy.Need {
	return entity.Need(c, s.who, "DeleteUserPolicy", identity.KindUser, in.UserName, nil)
}

func (s *svc) deleteUserPolicy(ctx context.Context, c *service.Call, in *api.DeleteUserPolicyInput) (*api.DeleteUserPolicyOutput, error) {
	return &api.DeleteUserPolicyOutput{}, deleteInline(ctx, c, identity.KindUser, in.UserName, in.PolicyName)
}

func (s *svc) needPutGroupPolicy(c *service.Call, in *api.PutGroupPolicyInput) []policy.Need {
	return entity.Need(c, s.who, "PutGroupPolicy", identity.KindGroup, in.GroupName, nil)
}

func (s *svc) putGroupPolicy(ctx context.Context, c *service.Call, in *api.PutGroupPolicyInput) (*api.PutGroupPolicyOutput, error) {
	return &api.PutGroupPolicyOutput{}, putInline(ctx, c, identity.KindGroup, in.GroupName, in.PolicyName, in.PolicyDocument)
}

func (s *svc) needGetGroupPolicy(c *service.Call, in *api.GetGroupPolicyInput) []policy.Need {
	return entity.Need(c, s.who, "GetGroupPolicy", identity.KindGroup, in.GroupName, nil)
}

func (s *svc) getGroupPolicy(ctx context.Context, c *service.Call, in *api.GetGroupPolicyInput) (*api.GetGroupPolicyOutput, error) {
	p, of, err := getInline(ctx, c, identity.KindGroup, in.GroupName, in.PolicyName)
	if err != nil {
		return nil, err
	}
	return &api.GetGroupPolicyOutput{GroupName: of, PolicyName: p.Name, PolicyDocument: p.Document}, nil
}

func (s *svc) needListGroupPolicies(c *service.Call, in *api.ListGroupPoliciesInput) []policy.Need {
	return entity.Need(c, s.who, "ListGroupPolicies", identity.KindGroup, in.GroupName, nil)
}

func (s *svc) listGroupPolicies(ctx context.Context, c *service.Call, in *api.ListGroupPoliciesInput) (*api.ListGroupPoliciesOutput, error) {
	names, p, err := listInline(ctx, c, identity.KindGroup, in.GroupName, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &api.ListGroupPoliciesOutput{PolicyNames: names, IsTruncated: p.Truncated(), Marker: p.Marker()}, nil
}

func (s *svc) needDeleteGroupPolicy(c *service.Call, in *api.DeleteGroupPolicyInput) []policy.Need {
	return entity.Need(c, s.who, "DeleteGroupPolicy", identity.KindGroup, in.GroupName, nil)
}

func (s *svc) deleteGroupPolicy(ctx context.Context, c *service.Call, in *api.DeleteGroupPolicyInput) (*api.DeleteGroupPolicyOutput, error) {
	return &api.DeleteGroupPolicyOutput{}, deleteInline(ctx, c, identity.KindGroup, in.GroupName, in.PolicyName)
}

func (s *svc) needPutRolePolicy(c *service.Call, in *api.PutRolePolicyInput) []policy.Need {
	return entity.Need(c, s.who, "PutRolePolicy", identity.KindRole, in.RoleName, nil)
}

func (s *svc) putRolePolicy(ctx context.Context, c *service.Call, in *api.PutRolePolicyInput) (*api.PutRolePolicyOutput, error) {
	return &api.PutRolePolicyOutput{}, putInline(ctx, c, identity.KindRole, in.RoleName, in.PolicyName, in.PolicyDocument)
}

func (s *svc) needGetRolePolicy(c *service.Call, in *api.GetRolePolicyInput) []policy.Need {
	return entity.Need(c, s.who, "GetRolePolicy", identity.KindRole, in.RoleName, nil)
}

func (s *svc) getRolePolicy(ctx context.Context, c *service.Call, in *api.GetRolePolicyInput) (*api.GetRolePolicyOutput, error) {
	p, of, err := getInline(ctx, c, identity.KindRole, in.RoleName, in.PolicyName)
	if err != nil {
		return nil, err
	}
	return &api.GetRolePolicyOutput{RoleName: of, PolicyName: p.Name, PolicyDocument: p.Document}, nil
}

func (s *svc) needListRolePolicies(c *service.Call, in *api.ListRolePoliciesInput) []policy.Need {
	return entity.Need(c, s.who, "ListRolePolicies", identity.KindRole, in.RoleName, nil)
}

func (s *svc) listRolePolicies(ctx context.Context, c *service.Call, in *api.ListRolePoliciesInput) (*api.ListRolePoliciesOutput, error) {
	names, p, err := listInline(ctx, c, identity.KindRole, in.RoleName, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &api.ListRolePoliciesOutput{PolicyNames: names, IsTruncated: p.Truncated(), Marker: p.Marker()}, nil
}

func (s *svc) needDeleteRolePolicy(c *service.Call, in *api.DeleteRolePolicyInput) []policy.Need {
	return entity.Need(c, s.who, "DeleteRolePolicy", identity.KindRole, in.RoleName, nil)
}

func (s *svc) deleteRolePolicy(ctx context.Context, c *service.Call, in *api.DeleteRolePolicyInput) (*api.DeleteRolePolicyOutput, error) {
	return &api.DeleteRolePolicyOutput{}, deleteInline(ctx, c, identity.KindRole, in.RoleName, in.PolicyName)
}
