package iam

import (
	"context"
	"strings"

	api "github.com/gigawatt-cloud/gigawatt/api/iamapi"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/iam/entity"
)

// policyKeys are the condition keys of attaching and detaching a managed policy.
func policyKeys(policyARN string) policy.Context {
	keys := policy.Context{}
	keys.Set("iam:PolicyARN", policyARN)
	return keys
}

// attach attaches a managed policy to a user, group or role.
func attach(ctx context.Context, c *service.Call, kind identity.Kind, name, policyARN string) error {
	return c.Update(ctx, func(tx *kv.Tx) error {
		h, err := getHolder(tx, c.Account, kind, name)
		if err != nil {
			return err
		}
		if err := h.changeable(); err != nil {
			return err
		}
		p, err := identity.FindPolicy(tx, c.Account, policyARN)
		if err != nil {
			return entity.OrNoSuchEntity(err, "Policy %s does not exist or is not attachable.", policyARN)
		}
		if isLinkedPolicy(policyARN) {
			return api.ErrPolicyNotAttachableException("Cannot attach a Service Role Policy to a Customer %s.", title[kind])
		}
		return attachTo(tx, h, p, policyARN)
	})
}

// isLinkedPolicy reports whether a policy is for service-linked roles only.
func isLinkedPolicy(policyARN string) bool {
	return strings.HasPrefix(policyARN, "arn:aws:iam::aws:policy/aws-service-role/")
}

func attachTo(tx *kv.Tx, h *holder, p *identity.Policy, policyARN string) error {
	has, err := identity.Attached.Has(tx, h.account, h.ID, p.ID)
	if err != nil || has {
		return err
	}
	n, err := entity.CountRows(identity.Attached, tx, h.account, h.ID)
	if err != nil {
		return err
	}
	if n >= maxAttached {
		return entity.ErrQuota("PoliciesPer"+title[h.kind], maxAttached)
	}
	if err := identity.Attached.Put(tx, &policyARN, h.account, h.ID, p.ID); err != nil {
		return err
	}
	if err := identity.Attachment.Put(tx, &h.ID, h.account, p.ID, h.ID); err != nil {
		return err
	}
	return identity.Touch(tx, h.account)
}

// detach detaches a managed policy from a user, group or role.
func detach(ctx context.Context, c *service.Call, kind identity.Kind, name, policyARN string) error {
	return c.Update(ctx, func(tx *kv.Tx) error {
		h, err := getHolder(tx, c.Account, kind, name)
		if err != nil {
			return err
		}
		if err := h.changeable(); err != nil {
			return err
		}
		p, err := identity.FindPolicy(tx, c.Account, policyARN)
		if err == nil {
			_, err = identity.Attached.Get(tx, c.Account, h.ID, p.ID)
		}
		if err != nil {
			return entity.OrNoSuchEntity(err, "Policy %s was not found.", policyARN)
		}
		return detachFrom(tx, h, p)
	})
}

func detachFrom(tx *kv.Tx, h *holder, p *identity.Policy) error {
	if err := identity.Attached.Delete(tx, h.account, h.ID, p.ID); err != nil {
		return err
	}
	if err := identity.Attachment.Delete(tx, h.account, p.ID, h.ID); err != nil {
		return err
	}
	return identity.Touch(tx, h.account)
}

// listAttached lists the managed policies of a user, group or role.
func listAttached(ctx context.Context, c *service.Call, kind identity.Kind, name string, prefix, marker *string, maxItems *int32) (list []api.AttachedPolicy, p *entity.Page, err error) {
	if p, err = entity.NewPage(c, name+" "+entity.Value(prefix), marker, maxItems); err != nil {
		return nil, p, err
	}
	err = c.View(ctx, func(tx *kv.Tx) error {
		h, err := getHolder(tx, c.Account, kind, name)
		if err != nil {
			return err
		}
		rows := identity.Attached.Scan(tx, kv.Scan{Prefix: []any{c.Account, h.ID}, After: p.After})
		list, err = entity.Collect(p, rows, func(a *string) (api.AttachedPolicy, bool, error) {
			return apiAttached(*a), entity.Under(entity.PathOf(*a), entity.Value(prefix)), nil
		})
		return err
	})
	return list, p, err
}

func apiAttached(policyARN string) api.AttachedPolicy {
	_, name := identity.SplitARN(policyARN)
	return api.AttachedPolicy{PolicyArn: &policyARN, PolicyName: &name}
}

func (s *svc) needAttachUserPolicy(c *service.Call, in *api.AttachUserPolicyInput) []policy.Need {
	return entity.Need(c, s.who, "AttachUserPolicy", identity.KindUser, in.UserName, policyKeys(in.PolicyArn))
}

func (s *svc) attachUserPolicy(ctx context.Context, c *service.Call, in *api.AttachUserPolicyInput) (*api.AttachUserPolicyOutput, error) {
	return &api.AttachUserPolicyOutput{}, attach(ctx, c, identity.KindUser, in.UserName, in.PolicyArn)
}

func (s *svc) needListAttachedUserPolicies(c *service.Call, in *api.ListAttachedUserPoliciesInput) []policy.Need {
	return entity.Need(c, s.who, "ListAttachedUserPolicies", identity.KindUser, in.UserName, nil)
}

func (s *svc) listAttachedUserPolicies(ctx context.Context, c *service.Call, in *api.ListAttachedUserPoliciesInput) (*api.ListAttachedUserPoliciesOutput, error) {
	list, p, err := listAttached(ctx, c, identity.KindUser, in.UserName, in.PathPrefix, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &api.ListAttachedUserPoliciesOutput{AttachedPolicies: list, IsTruncated: p.Truncated(), Marker: p.Marker()}, nil
}

func (s *svc) needDetachUserPolicy(c *service.Call, in *api.DetachUserPolicyInput) []policy.Need {
	return entity.Need(c, s.who, "DetachUserPolicy", identity.KindUser, in.UserName, policyKeys(in.PolicyArn))
}

func (s *svc) detachUserPolicy(ctx context.Context, c *service.Call, in *api.DetachUserPolicyInput) (*api.DetachUserPolicyOutput, error) {
	return &api.DetachUserPolicyOutput{}, detach(ctx, c, identity.KindUser, in.UserName, in.PolicyArn)
}

func (s *svc) needAttachGroupPolicy(c *service.Call, in *api.AttachGroupPolicyInput) []policy.Need {
	return entity.Need(c, s.who, "AttachGroupPolicy", identity.KindGroup, in.GroupName, policyKeys(in.PolicyArn))
}

func (s *svc) attachGroupPolicy(ctx context.Context, c *service.Call, in *api.AttachGroupPolicyInput) (*api.AttachGroupPolicyOutput, error) {
	return &api.AttachGroupPolicyOutput{}, attach(ctx, c, identity.KindGroup, in.GroupName, in.PolicyArn)
}

func (s *svc) needListAttachedGroupPolicies(c *service.Call, in *api.ListAttachedGroupPoliciesInput) []policy.Need {
	return entity.Need(c, s.who, "ListAttachedGroupPolicies", identity.KindGroup, in.GroupName, nil)
}

func (s *svc) listAttachedGroupPolicies(ctx context.Context, c *service.Call, in *api.ListAttachedGroupPoliciesInput) (*api.ListAttachedGroupPoliciesOutput, error) {
	list, p, err := listAttached(ctx, c, identity.KindGroup, in.GroupName, in.PathPrefix, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &api.ListAttachedGroupPoliciesOutput{AttachedPolicies: list, IsTruncated: p.Truncated(), Marker: p.Marker()}, nil
}

func (s *svc) needDetachGroupPolicy(c *service.Call, in *api.DetachGroupPolicyInput) []policy.Need {
	return entity.Need(c, s.who, "DetachGroupPolicy", identity.KindGroup, in.GroupName, policyKeys(in.PolicyArn))
}

func (s *svc) detachGroupPolicy(ctx context.Context, c *service.Call, in *api.DetachGroupPolicyInput) (*api.DetachGroupPolicyOutput, error) {
	return &api.DetachGroupPolicyOutput{}, detach(ctx, c, identity.KindGroup, in.GroupName, in.PolicyArn)
}

func (s *svc) needAttachRolePolicy(c *service.Call, in *api.AttachRolePolicyInput) []policy.Need {
	return entity.Need(c, s.who, "AttachRolePolicy", identity.KindRole, in.RoleName, policyKeys(in.PolicyArn))
}

func (s *svc) attachRolePolicy(ctx context.Context, c *service.Call, in *api.AttachRolePolicyInput) (*api.AttachRolePolicyOutput, error) {
	return &api.AttachRolePolicyOutput{}, attach(ctx, c, identity.KindRole, in.RoleName, in.PolicyArn)
}

func (s *svc) needListAttachedRolePolicies(c *service.Call, in *api.ListAttachedRolePoliciesInput) []policy.Need {
	return entity.Need(c, s.who, "ListAttachedRolePolicies", identity.KindRole, in.RoleName, nil)
}

func (s *svc) listAttachedRolePolicies(ctx context.Context, c *service.Call, in *api.ListAttachedRolePoliciesInput) (*api.ListAttachedRolePoliciesOutput, error) {
	list, p, err := listAttached(ctx, c, identity.KindRole, in.RoleName, in.PathPrefix, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &api.ListAttachedRolePoliciesOutput{AttachedPolicies: list, IsTruncated: p.Truncated(), Marker: p.Marker()}, nil
}

func (s *svc) needDetachRolePolicy(c *service.Call, in *api.DetachRolePolicyInput) []policy.Need {
	return entity.Need(c, s.who, "DetachRolePolicy", identity.KindRole, in.RoleName, policyKeys(in.PolicyArn))
}

func (s *svc) detachRolePolicy(ctx context.Context, c *service.Call, in *api.DetachRolePolicyInput) (*api.DetachRolePolicyOutput, error) {
	return &api.DetachRolePolicyOutput{}, detach(ctx, c, identity.KindRole, in.RoleName, in.PolicyArn)
}
