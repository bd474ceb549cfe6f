package iam

import (
	"context"

	api "github.com/gigawatt-cloud/gigawatt/api/iamapi"
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/iam/entity"
)

const maxProfiles = 1000

// getProfile returns an instance profile or NoSuchEntity.
func getProfile(tx *kv.Tx, account arn.AccountID, name string) (*identity.Profile, error) {
	p, err := identity.Profiles.Find(tx, account, name)
	return p, entity.OrNoSuchEntity(err, "Instance Profile %s cannot be found.", name)
}

// apiProfile is an instance profile with its role.
func apiProfile(tx *kv.Tx, account arn.AccountID, p *identity.Profile) (api.InstanceProfile, error) {
	out := api.InstanceProfile{
		Path: p.Path, InstanceProfileName: p.Name, InstanceProfileId: p.ID, Arn: identity.Profiles.ARN(account, p),
		CreateDate: p.Created, Roles: []api.Role{}, Tags: entity.Tags(p.Tags),
	}
	if p.RoleID == "" {
		return out, nil
	}
	r, err := identity.Roles.ByID(tx, account, p.RoleID)
	if err != nil {
		return out, err
	}
	role, err := apiRole(tx, account, r)
	out.Roles = append(out.Roles, role)
	return out, err
}

func needCreateInstanceProfile(c *service.Call, in *api.CreateInstanceProfileInput) []policy.Need {
	return entity.WithTagging(entity.NeedNew(c, "CreateInstanceProfile", identity.KindProfile, in.Path, in.InstanceProfileName,
		entity.TagKeys(nil, in.Tags)), "TagInstanceProfile", in.Tags)
}

func (s *svc) createInstanceProfile(ctx context.Context, c *service.Call, in *api.CreateInstanceProfileInput) (*api.CreateInstanceProfileOutput, error) {
	p := &identity.Profile{Entity: entity.New(c, "AIPA", in.Path, in.InstanceProfileName)}
	var err error
	if p.Tags, err = entity.Retag(nil, in.Tags); err != nil {
		return nil, err
	}
	var out api.InstanceProfile
	err = c.Update(ctx, func(tx *kv.Tx) error {
		if err := entity.Quota(tx, c.Account, identity.KindProfile, "InstanceProfilesPerAccount", maxProfiles); err != nil {
			return err
		}
		if err := entity.OrExists(identity.Profiles.Create(tx, c.Account, p), "Instance Profile %s already exists.", p.Name); err != nil {
			return err
		}
		out, err = apiProfile(tx, c.Account, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateInstanceProfileOutput{InstanceProfile: &out}, nil
}

func (s *svc) needGetInstanceProfile(c *service.Call, in *api.GetInstanceProfileInput) []policy.Need {
	return entity.Need(c, s.who, "GetInstanceProfile", identity.KindProfile, in.InstanceProfileName, nil)
}

func (s *svc) getInstanceProfile(ctx context.Context, c *service.Call, in *api.GetInstanceProfileInput) (*api.GetInstanceProfileOutput, error) {
	out := &api.GetInstanceProfileOutput{}
	return out, c.View(ctx, func(tx *kv.Tx) error {
		p, err := getProfile(tx, c.Account, in.InstanceProfileName)
		if err != nil {
			return err
		}
		a, err := apiProfile(tx, c.Account, p)
		out.InstanceProfile = &a
		return err
	})
}

func needListInstanceProfiles(c *service.Call, in *api.ListInstanceProfilesInput) []policy.Need {
	return entity.NeedList(c, "ListInstanceProfiles", identity.KindProfile, in.PathPrefix)
}

func (s *svc) listInstanceProfiles(ctx context.Context, c *service.Call, in *api.ListInstanceProfilesInput) (*api.ListInstanceProfilesOutput, error) {
	prefix := entity.Value(in.PathPrefix)
	p, err := entity.NewPage(c, prefix, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.ListInstanceProfilesOutput{}
	err = c.View(ctx, func(tx *kv.Tx) error {
		rows := identity.Profiles.Scan(tx, c.Account, p.After)
		out.InstanceProfiles, err = entity.Collect(p, rows, func(v *identity.Profile) (api.InstanceProfile, bool, error) {
			a, err := apiProfile(tx, c.Account, v)
			return a, entity.Under(v.Path, prefix), err
		})
		return err
	})
	out.IsTruncated, out.Marker = p.Truncated(), p.Marker()
	return out, err
}

func (s *svc) needListInstanceProfilesForRole(c *service.Call, in *api.ListInstanceProfilesForRoleInput) []policy.Need {
	return entity.Need(c, s.who, "ListInstanceProfilesForRole", identity.KindRole, in.RoleName, nil)
}

func (s *svc) listInstanceProfilesForRole(ctx context.Context, c *service.Call, in *api.ListInstanceProfilesForRoleInput) (*api.ListInstanceProfilesForRoleOutput, error) {
	p, err := entity.NewPage(c, in.RoleName, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.ListInstanceProfilesForRoleOutput{}
	err = c.View(ctx, func(tx *kv.Tx) error {
		r, err := getRole(tx, c.Account, in.RoleName)
		if err != nil {
			return err
		}
		rows := identity.ProfilesOf.Scan(tx, kv.Scan{Prefix: []any{c.Account, r.ID}, After: p.After})
		out.InstanceProfiles, err = entity.Collect(p, rows, func(id *string) (api.InstanceProfile, bool, error) {
			v, err := identity.Profiles.ByID(tx, c.Account, *id)
			if err != nil {
				return api.InstanceProfile{}, false, err
			}
			a, err := apiProfile(tx, c.Account, v)
			return a, true, err
		})
		return err
	})
	out.IsTruncated, out.Marker = p.Truncated(), p.Marker()
	return out, err
}

// needAddRoleToInstanceProfile includes passing the role to EC2.
func (s *svc) needAddRoleToInstanceProfile(c *service.Call, in *api.AddRoleToInstanceProfileInput) []policy.Need {
	needs := entity.Need(c, s.who, "AddRoleToInstanceProfile", identity.KindProfile, in.InstanceProfileName, nil)
	role := entity.Need(c, s.who, "PassRole", identity.KindRole, in.RoleName, nil)
	return append(needs, identity.PassNeed(role[0].Resource, "ec2.amazonaws.com"))
}

func (s *svc) addRoleToInstanceProfile(ctx context.Context, c *service.Call, in *api.AddRoleToInstanceProfileInput) (*api.AddRoleToInstanceProfileOutput, error) {
	return &api.AddRoleToInstanceProfileOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		p, err := getProfile(tx, c.Account, in.InstanceProfileName)
		if err != nil {
			return err
		}
		r, err := getOwnRole(tx, c.Account, in.RoleName)
		if err != nil {
			return err
		}
		if p.RoleID != "" {
			return entity.ErrQuota("InstanceSessionsPerInstanceProfile", 1)
		}
		p.RoleID = r.ID
		if err := identity.ProfilesOf.Put(tx, &p.ID, c.Account, r.ID, p.ID); err != nil {
			return err
		}
		return identity.Profiles.Put(tx, c.Account, p)
	})
}

func (s *svc) needRemoveRoleFromInstanceProfile(c *service.Call, in *api.RemoveRoleFromInstanceProfileInput) []policy.Need {
	return entity.Need(c, s.who, "RemoveRoleFromInstanceProfile", identity.KindProfile, in.InstanceProfileName, nil)
}

func (s *svc) removeRoleFromInstanceProfile(ctx context.Context, c *service.Call, in *api.RemoveRoleFromInstanceProfileInput) (*api.RemoveRoleFromInstanceProfileOutput, error) {
	return &api.RemoveRoleFromInstanceProfileOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		p, err := getProfile(tx, c.Account, in.InstanceProfileName)
		if err != nil {
			return err
		}
		r, err := getOwnRole(tx, c.Account, in.RoleName)
		if err != nil {
			return err
		}
		if p.RoleID != r.ID {
			return api.ErrNoSuchEntityException("Role %s in Instance Profile %s cannot be found.", in.RoleName, in.InstanceProfileName)
		}
		p.RoleID = ""
		if err := identity.ProfilesOf.Delete(tx, c.Account, r.ID, p.ID); err != nil {
			return err
		}
		return identity.Profiles.Put(tx, c.Account, p)
	})
}

func (s *svc) needDeleteInstanceProfile(c *service.Call, in *api.DeleteInstanceProfileInput) []policy.Need {
	return entity.Need(c, s.who, "DeleteInstanceProfile", identity.KindProfile, in.InstanceProfileName, nil)
}

func (s *svc) deleteInstanceProfile(ctx context.Context, c *service.Call, in *api.DeleteInstanceProfileInput) (*api.DeleteInstanceProfileOutput, error) {
	return &api.DeleteInstanceProfileOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		p, err := getProfile(tx, c.Account, in.InstanceProfileName)
		if err != nil {
			return err
		}
		if p.RoleID != "" {
			return api.ErrDeleteConflictException("Cannot delete entity, must remove roles from instance profile first.")
		}
		return identity.Profiles.Delete(tx, c.Account, p)
	})
}

func (s *svc) needTagInstanceProfile(c *service.Call, in *api.TagInstanceProfileInput) []policy.Need {
	return entity.Need(c, s.who, "TagInstanceProfile", identity.KindProfile, in.InstanceProfileName, entity.TagKeys(nil, in.Tags))
}

func (s *svc) tagInstanceProfile(ctx context.Context, c *service.Call, in *api.TagInstanceProfileInput) (*api.TagInstanceProfileOutput, error) {
	return &api.TagInstanceProfileOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		p, err := getProfile(tx, c.Account, in.InstanceProfileName)
		if err != nil {
			return err
		}
		if p.Tags, err = entity.Retag(p.Tags, in.Tags); err != nil {
			return err
		}
		return identity.Profiles.Put(tx, c.Account, p)
	})
}

func (s *svc) needUntagInstanceProfile(c *service.Call, in *api.UntagInstanceProfileInput) []policy.Need {
	return entity.Need(c, s.who, "UntagInstanceProfile", identity.KindProfile, in.InstanceProfileName, entity.UntagKeys(nil, in.TagKeys))
}

func (s *svc) untagInstanceProfile(ctx context.Context, c *service.Call, in *api.UntagInstanceProfileInput) (*api.UntagInstanceProfileOutput, error) {
	return &api.UntagInstanceProfileOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		p, err := getProfile(tx, c.Account, in.InstanceProfileName)
		if err != nil {
			return err
		}
		p.Tags = entity.Untag(p.Tags, in.TagKeys)
		return identity.Profiles.Put(tx, c.Account, p)
	})
}

func (s *svc) needListInstanceProfileTags(c *service.Call, in *api.ListInstanceProfileTagsInput) []policy.Need {
	return entity.Need(c, s.who, "ListInstanceProfileTags", identity.KindProfile, in.InstanceProfileName, nil)
}

func (s *svc) listInstanceProfileTags(ctx context.Context, c *service.Call, in *api.ListInstanceProfileTagsInput) (*api.ListInstanceProfileTagsOutput, error) {
	pg, err := entity.NewPage(c, in.InstanceProfileName, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.ListInstanceProfileTagsOutput{}
	err = c.View(ctx, func(tx *kv.Tx) error {
		p, err := getProfile(tx, c.Account, in.InstanceProfileName)
		if err != nil {
			return err
		}
		out.Tags, err = entity.TagPage(pg, p.Tags)
		return err
	})
	out.IsTruncated, out.Marker = pg.Truncated(), pg.Marker()
	return out, err
}
