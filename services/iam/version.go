package iam

import (
	"context"
	"slices"
	"strconv"

	api "github.com/gigawatt-cloud/gigawatt/api/iamapi"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/iam/entity"
)

const maxVersions = 5

// apiVersion is a version as lists have it.
func apiVersion(p *identity.Policy, v *identity.Version) api.PolicyVersion {
	inForce := v.ID == p.Default
	return api.PolicyVersion{VersionId: &v.ID, IsDefaultVersion: &inForce, CreateDate: &v.Created}
}

// apiWholeVersion is a version with its document.
func apiWholeVersion(p *identity.Policy, v *identity.Version) api.PolicyVersion {
	out := apiVersion(p, v)
	document := encode(v.Document)
	out.Document = &document
	return out
}

// getVersion returns a version or NoSuchEntity.
func getVersion(p *identity.Policy, policyARN, id string) (*identity.Version, error) {
	if v := p.Version(id); v != nil {
		return v, nil
	}
	return nil, api.ErrNoSuchEntityException("Policy %s version %s does not exist or is not attachable.", policyARN, id)
}

func needCreatePolicyVersion(_ *service.Call, in *api.CreatePolicyVersionInput) []policy.Need {
	return entity.NeedARN("CreatePolicyVersion", in.PolicyArn, nil)
}

func (s *svc) createPolicyVersion(ctx context.Context, c *service.Call, in *api.CreatePolicyVersionInput) (*api.CreatePolicyVersionOutput, error) {
	if err := checkManaged(in.PolicyDocument); err != nil {
		return nil, err
	}
	out := &api.CreatePolicyVersionOutput{}
	return out, c.Update(ctx, func(tx *kv.Tx) error {
		p, err := getOwnPolicy(tx, c.Account, in.PolicyArn)
		if err != nil {
			return err
		}
		if len(p.Versions) >= maxVersions {
			return api.ErrLimitExceededException("A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", maxVersions)
		}
		v := identity.Version{ID: "v" + strconv.Itoa(p.Next), Document: in.PolicyDocument, Created: entity.Second(c)}
		p.Next++
		p.Versions = append(p.Versions, v)
		p.Updated = entity.Second(c)
		if in.SetAsDefault != nil && *in.SetAsDefault {
			p.Default = v.ID
		}
		a := apiVersion(p, &v)
		out.PolicyVersion = &a
		return identity.Policies.Put(tx, c.Account, p)
	})
}

func needGetPolicyVersion(_ *service.Call, in *api.GetPolicyVersionInput) []policy.Need {
	return entity.NeedARN("GetPolicyVersion", in.PolicyArn, nil)
}

func (s *svc) getPolicyVersion(ctx context.Context, c *service.Call, in *api.GetPolicyVersionInput) (*api.GetPolicyVersionOutput, error) {
	out := &api.GetPolicyVersionOutput{}
	return out, c.View(ctx, func(tx *kv.Tx) error {
		p, err := getPolicy(tx, c.Account, in.PolicyArn)
		if err != nil {
			return err
		}
		v, err := getVersion(p, in.PolicyArn, in.VersionId)
		if err != nil {
			return err
		}
		a := apiWholeVersion(p, v)
		out.PolicyVersion = &a
		return nil
	})
}

func needListPolicyVersions(_ *service.Call, in *api.ListPolicyVersionsInput) []policy.Need {
	return entity.NeedARN("ListPolicyVersions", in.PolicyArn, nil)
}

// listPolicyVersions lists the newest version first, as AWS does.
func (s *svc) listPolicyVersions(ctx context.Context, c *service.Call, in *api.ListPolicyVersionsInput) (*api.ListPolicyVersionsOutput, error) {
	pg, err := entity.NewPage(c, in.PolicyArn, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.ListPolicyVersionsOutput{}
	err = c.View(ctx, func(tx *kv.Tx) error {
		p, err := getPolicy(tx, c.Account, in.PolicyArn)
		if err != nil {
			return err
		}
		newest := slices.Clone(p.Versions)
		slices.Reverse(newest)
		out.Versions, err = entity.Collect(pg, entity.Rows(newest, pg.After), func(v *identity.Version) (api.PolicyVersion, bool, error) {
			return apiVersion(p, v), true, nil
		})
		return err
	})
	out.IsTruncated, out.Marker = pg.Truncated(), pg.Marker()
	return out, err
}

func needSetDefaultPolicyVersion(_ *service.Call, in *api.SetDefaultPolicyVersionInput) []policy.Need {
	return entity.NeedARN("SetDefaultPolicyVersion", in.PolicyArn, nil)
}

func (s *svc) setDefaultPolicyVersion(ctx context.Context, c *service.Call, in *api.SetDefaultPolicyVersionInput) (*api.SetDefaultPolicyVersionOutput, error) {
	return &api.SetDefaultPolicyVersionOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		p, err := getOwnPolicy(tx, c.Account, in.PolicyArn)
		if err != nil {
			return err
		}
		v, err := getVersion(p, in.PolicyArn, in.VersionId)
		if err != nil {
			return err
		}
		p.Default, p.Updated = v.ID, entity.Second(c)
		return identity.Policies.Put(tx, c.Account, p)
	})
}

func needDeletePolicyVersion(_ *service.Call, in *api.DeletePolicyVersionInput) []policy.Need {
	return entity.NeedARN("DeletePolicyVersion", in.PolicyArn, nil)
}

func (s *svc) deletePolicyVersion(ctx context.Context, c *service.Call, in *api.DeletePolicyVersionInput) (*api.DeletePolicyVersionOutput, error) {
	return &api.DeletePolicyVersionOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		p, err := getOwnPolicy(tx, c.Account, in.PolicyArn)
		if err != nil {
			return err
		}
		v, err := getVersion(p, in.PolicyArn, in.VersionId)
		if err != nil {
			return err
		}
		if v.ID == p.Default {
			return api.ErrDeleteConflictException("Cannot delete the default version of a policy.")
		}
		p.Versions = slices.DeleteFunc(p.Versions, func(o identity.Version) bool { return o.ID == in.VersionId })
		return identity.Policies.Put(tx, c.Account, p)
	})
}
