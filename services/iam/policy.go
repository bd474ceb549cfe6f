package iam

import (
	"context"
	"iter"
	"strings"

	api "github.com/gigawatt-cloud/gigawatt/api/iamapi"
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/iam/entity"
)

const maxPolicies = 1500

// getPolicy returns a managed policy, the account's or AWS's, or NoSuchEntity.
func getPolicy(tx *kv.Tx, account arn.AccountID, policyARN string) (*identity.Policy, error) {
	p, err := identity.FindPolicy(tx, account, policyARN)
	return p, entity.OrNoSuchEntity(err, "Policy %s was not found.", policyARN)
}

// getOwnPolicy returns a managed policy of the account, which may be changed.
func getOwnPolicy(tx *kv.Tx, account arn.AccountID, policyARN string) (*identity.Policy, error) {
	if a, err := arn.Parse(policyARN); err == nil && a.AccountID != account {
		return nil, awserr.New("AccessDenied", 403, "Policy is outside your own account.")
	}
	return getPolicy(tx, account, policyARN)
}

// policyARN is the ARN of a managed policy; AWS's own name AWS as the account.
func policyARN(account arn.AccountID, p *identity.Policy) string {
	if identity.IsAWSManaged(p) {
		account = identity.AWSAccount
	}
	return identity.Policies.ARN(account, p)
}

// apiPolicy is a policy as lists have it, with its number of uses.
func apiPolicy(tx *kv.Tx, account arn.AccountID, p *identity.Policy) (api.Policy, error) {
	attached, err := entity.CountRows(identity.Attachment, tx, account, p.ID)
	if err != nil {
		return api.Policy{}, err
	}
	bounds, err := entity.CountRows(identity.Bounded, tx, account, p.ID)
	if err != nil {
		return api.Policy{}, err
	}
	a, attachments, boundaries, yes := policyARN(account, p), int32(attached), int32(bounds), true
	return api.Policy{
		PolicyName: &p.Name, PolicyId: &p.ID, Arn: &a, Path: &p.Path, DefaultVersionId: &p.Default,
		AttachmentCount: &attachments, PermissionsBoundaryUsageCount: &boundaries, IsAttachable: &yes,
		CreateDate: &p.Created, UpdateDate: &p.Updated,
	}, nil
}

// apiWholePolicy is a policy as GetPolicy has it.
func apiWholePolicy(tx *kv.Tx, account arn.AccountID, p *identity.Policy) (*api.Policy, error) {
	out, err := apiPolicy(tx, account, p)
	out.Description, out.Tags = entity.Ptr(p.Description), entity.Tags(p.Tags)
	return &out, err
}

// checkManaged checks the document of a managed policy.
func checkManaged(document string) error {
	if _, err := parse(document, policy.Identity); err != nil {
		return err
	}
	if policy.Size([]byte(document)) > maxManagedPolicy {
		return entity.ErrQuota("PolicySize", maxManagedPolicy)
	}
	return nil
}

func needCreatePolicy(c *service.Call, in *api.CreatePolicyInput) []policy.Need {
	return entity.WithTagging(entity.NeedNew(c, "CreatePolicy", identity.KindPolicy, in.Path, in.PolicyName,
		entity.TagKeys(nil, in.Tags)), "TagPolicy", in.Tags)
}

func (s *svc) createPolicy(ctx context.Context, c *service.Call, in *api.CreatePolicyInput) (*api.CreatePolicyOutput, error) {
	if err := checkManaged(in.PolicyDocument); err != nil {
		return nil, err
	}
	p := &identity.Policy{
		Entity:      entity.New(c, "ANPA", in.Path, in.PolicyName),
		Description: entity.Value(in.Description), Default: "v1", Next: 2, Updated: entity.Second(c),
		Versions: []identity.Version{{ID: "v1", Document: in.PolicyDocument, Created: entity.Second(c)}},
	}
	var err error
	if p.Tags, err = entity.Retag(nil, in.Tags); err != nil {
		return nil, err
	}
	out := &api.CreatePolicyOutput{}
	err = c.Update(ctx, func(tx *kv.Tx) error {
		if err := entity.Quota(tx, c.Account, identity.KindPolicy, "PoliciesPerAccount", maxPolicies); err != nil {
			return err
		}
		if err := entity.OrExists(identity.Policies.Create(tx, c.Account, p), "A policy called %s already exists. Duplicate names are not allowed.", p.Name); err != nil {
			return err
		}
		out.Policy, err = apiWholePolicy(tx, c.Account, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func needGetPolicy(_ *service.Call, in *api.GetPolicyInput) []policy.Need {
	return entity.NeedARN("GetPolicy", in.PolicyArn, nil)
}

func (s *svc) getPolicy(ctx context.Context, c *service.Call, in *api.GetPolicyInput) (*api.GetPolicyOutput, error) {
	out := &api.GetPolicyOutput{}
	return out, c.View(ctx, func(tx *kv.Tx) error {
		p, err := getPolicy(tx, c.Account, in.PolicyArn)
		if err != nil {
			return err
		}
		out.Policy, err = apiWholePolicy(tx, c.Account, p)
		return err
	})
}

func needListPolicies(_ *service.Call, in *api.ListPoliciesInput) []policy.Need {
	prefix := entity.Value(in.PathPrefix)
	if prefix == "" {
		prefix = "/"
	}
	return entity.NeedARN("ListPolicies", "policy path "+prefix, nil)
}

func (s *svc) listPolicies(ctx context.Context, c *service.Call, in *api.ListPoliciesInput) (*api.ListPoliciesOutput, error) {
	scope, prefix, usage := entity.Value(in.Scope), entity.Value(in.PathPrefix), entity.Value(in.PolicyUsageFilter)
	attached := in.OnlyAttached != nil && *in.OnlyAttached
	filter := strings.Join([]string{scope, prefix, usage}, " ")
	p, err := entity.NewPage(c, filter, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.ListPoliciesOutput{}
	err = c.View(ctx, func(tx *kv.Tx) error {
		out.Policies, err = entity.Collect(p, everyPolicy(tx, c.Account, p.After), func(v *identity.Policy) (api.Policy, bool, error) {
			aws := identity.IsAWSManaged(v)
			if !entity.Under(v.Path, prefix) || aws && scope == api.PolicyScopeTypeLocal || !aws && scope == api.PolicyScopeTypeAws {
				return api.Policy{}, false, nil
			}
			a, err := apiPolicy(tx, c.Account, v)
			if err != nil {
				return a, false, err
			}
			return a, used(&a, attached, usage), nil
		})
		return err
	})
	out.IsTruncated, out.Marker = p.Truncated(), p.Marker()
	return out, err
}

// used reports whether a policy is used as a filter asks.
func used(p *api.Policy, attached bool, usage string) bool {
	n := *p.AttachmentCount + *p.PermissionsBoundaryUsageCount
	switch usage {
	case api.PolicyUsageTypePermissionsPolicy:
		n = *p.AttachmentCount
	case api.PolicyUsageTypePermissionsBoundary:
		n = *p.PermissionsBoundaryUsageCount
	}
	return n > 0 || !attached && usage == ""
}

// everyPolicy yields the account's policies by name, then AWS's by path and
// name. Keys begin with 0 for the account's and with 1 for AWS's.
func everyPolicy(tx *kv.Tx, account arn.AccountID, after kv.Key) iter.Seq2[kv.Row[identity.Policy], error] {
	return func(yield func(kv.Row[identity.Policy], error) bool) {
		var at byte
		if len(after) > 0 {
			at, after = after[0], after[1:]
		}
		if at == 0 {
			for r, err := range identity.Policies.Scan(tx, account, after) {
				r.Key = append(kv.Key{0}, r.Key...)
				if !yield(r, err) || err != nil {
					return
				}
			}
			after = nil
		}
		for r, err := range entity.Rows(identity.AWSManaged(), after) {
			r.Key = append(kv.Key{1}, r.Key...)
			if !yield(r, err) {
				return
			}
		}
	}
}

func needDeletePolicy(_ *service.Call, in *api.DeletePolicyInput) []policy.Need {
	return entity.NeedARN("DeletePolicy", in.PolicyArn, nil)
}

func (s *svc) deletePolicy(ctx context.Context, c *service.Call, in *api.DeletePolicyInput) (*api.DeletePolicyOutput, error) {
	return &api.DeletePolicyOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		p, err := getOwnPolicy(tx, c.Account, in.PolicyArn)
		if err != nil {
			return err
		}
		a, err := apiPolicy(tx, c.Account, p)
		if err != nil {
			return err
		}
		if used(&a, true, "") {
			return api.ErrDeleteConflictException("Cannot delete a policy attached to entities.")
		}
		if len(p.Versions) > 1 {
			return api.ErrDeleteConflictException("This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
		}
		return identity.Policies.Delete(tx, c.Account, p)
	})
}

func needTagPolicy(_ *service.Call, in *api.TagPolicyInput) []policy.Need {
	return entity.NeedARN("TagPolicy", in.PolicyArn, entity.TagKeys(nil, in.Tags))
}

func (s *svc) tagPolicy(ctx context.Context, c *service.Call, in *api.TagPolicyInput) (*api.TagPolicyOutput, error) {
	return &api.TagPolicyOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		p, err := getOwnPolicy(tx, c.Account, in.PolicyArn)
		if err != nil {
			return err
		}
		if p.Tags, err = entity.Retag(p.Tags, in.Tags); err != nil {
			return err
		}
		return identity.Policies.Put(tx, c.Account, p)
	})
}

func needUntagPolicy(_ *service.Call, in *api.UntagPolicyInput) []policy.Need {
	return entity.NeedARN("UntagPolicy", in.PolicyArn, entity.UntagKeys(nil, in.TagKeys))
}

func (s *svc) untagPolicy(ctx context.Context, c *service.Call, in *api.UntagPolicyInput) (*api.UntagPolicyOutput, error) {
	return &api.UntagPolicyOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		p, err := getOwnPolicy(tx, c.Account, in.PolicyArn)
		if err != nil {
			return err
		}
		p.Tags = entity.Untag(p.Tags, in.TagKeys)
		return identity.Policies.Put(tx, c.Account, p)
	})
}

func needListPolicyTags(_ *service.Call, in *api.ListPolicyTagsInput) []policy.Need {
	return entity.NeedARN("ListPolicyTags", in.PolicyArn, nil)
}

func (s *svc) listPolicyTags(ctx context.Context, c *service.Call, in *api.ListPolicyTagsInput) (*api.ListPolicyTagsOutput, error) {
	pg, err := entity.NewPage(c, in.PolicyArn, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.ListPolicyTagsOutput{}
	err = c.View(ctx, func(tx *kv.Tx) error {
		p, err := getPolicy(tx, c.Account, in.PolicyArn)
		if err != nil {
			return err
		}
		out.Tags, err = entity.TagPage(pg, p.Tags)
		return err
	})
	out.IsTruncated, out.Marker = pg.Truncated(), pg.Marker()
	return out, err
}
