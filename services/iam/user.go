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

const maxUsers = 5000

// apiUser is a user as lists have it.
func apiUser(account arn.AccountID, u *identity.User) api.User {
	out := api.User{Path: u.Path, UserName: u.Name, UserId: u.ID, Arn: identity.Users.ARN(account, u), CreateDate: u.Created}
	if !u.PasswordLastUsed.IsZero() {
		out.PasswordLastUsed = &u.PasswordLastUsed
	}
	return out
}

// apiWholeUser is a user as GetUser has it.
func apiWholeUser(account arn.AccountID, u *identity.User) *api.User {
	out := apiUser(account, u)
	out.PermissionsBoundary, out.Tags = apiBoundary(u.Boundary), entity.Tags(u.Tags)
	return &out
}

func boundaryKeys(policyARN *string) policy.Context {
	if policyARN == nil {
		return nil
	}
	keys := policy.Context{}
	keys.Set("iam:PermissionsBoundary", *policyARN)
	return keys
}

func needCreateUser(c *service.Call, in *api.CreateUserInput) []policy.Need {
	return entity.WithTagging(entity.NeedNew(c, "CreateUser", identity.KindUser, in.Path, in.UserName,
		entity.TagKeys(boundaryKeys(in.PermissionsBoundary), in.Tags)), "TagUser", in.Tags)
}

func (s *svc) createUser(ctx context.Context, c *service.Call, in *api.CreateUserInput) (*api.CreateUserOutput, error) {
	u := &identity.User{Entity: entity.New(c, "AIDA", in.Path, in.UserName)}
	var err error
	if u.Tags, err = entity.Retag(nil, in.Tags); err != nil {
		return nil, err
	}
	err = c.Update(ctx, func(tx *kv.Tx) error {
		u.Boundary = ""
		if err := entity.Quota(tx, c.Account, identity.KindUser, "UsersPerAccount", maxUsers); err != nil {
			return err
		}
		if in.PermissionsBoundary != nil {
			h := &holder{kind: identity.KindUser, account: c.Account, Entity: &u.Entity, user: u}
			if err := h.setBoundary(tx, *in.PermissionsBoundary); err != nil {
				return err
			}
		}
		return entity.OrExists(identity.Users.Create(tx, c.Account, u), "User with name %s already exists.", in.UserName)
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateUserOutput{User: apiWholeUser(c.Account, u)}, nil
}

func (s *svc) needGetUser(c *service.Call, in *api.GetUserInput) []policy.Need {
	return entity.NeedCaller(c, s.who, "GetUser", in.UserName)
}

func (s *svc) getUser(ctx context.Context, c *service.Call, in *api.GetUserInput) (*api.GetUserOutput, error) {
	name, err := entity.Caller(c, in.UserName)
	if err != nil {
		return nil, err
	}
	out := &api.GetUserOutput{}
	err = c.View(ctx, func(tx *kv.Tx) error {
		if name == "" {
			created, err := entity.RootCreated(tx, c.Account, c.Now)
			out.User = &api.User{Path: "/", UserId: string(c.Account), Arn: identity.RootARN(c.Account), CreateDate: created}
			return err
		}
		u, err := entity.GetUser(tx, c.Account, name)
		if err != nil {
			return err
		}
		out.User = apiWholeUser(c.Account, u)
		return nil
	})
	return out, err
}

func needListUsers(c *service.Call, in *api.ListUsersInput) []policy.Need {
	return entity.NeedList(c, "ListUsers", identity.KindUser, in.PathPrefix)
}

func (s *svc) listUsers(ctx context.Context, c *service.Call, in *api.ListUsersInput) (*api.ListUsersOutput, error) {
	prefix := entity.Value(in.PathPrefix)
	p, err := entity.NewPage(c, prefix, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.ListUsersOutput{}
	err = c.View(ctx, func(tx *kv.Tx) error {
		out.Users, err = entity.Collect(p, identity.Users.Scan(tx, c.Account, p.After), func(u *identity.User) (api.User, bool, error) {
			return apiUser(c.Account, u), entity.Under(u.Path, prefix), nil
		})
		return err
	})
	out.IsTruncated, out.Marker = p.Truncated(), p.Marker()
	return out, err
}

func (s *svc) needUpdateUser(c *service.Call, in *api.UpdateUserInput) []policy.Need {
	needs := entity.Need(c, s.who, "UpdateUser", identity.KindUser, in.UserName, nil)
	return append(needs, s.renamed(c, needs[0], identity.KindUser, in.UserName, in.NewPath, in.NewUserName)...)
}

// renamed is the permission for the ARN that an entity gets with a new path or name.
func (s *svc) renamed(c *service.Call, old policy.Need, kind identity.Kind, name string, newPath, newName *string) []policy.Need {
	if newPath == nil && newName == nil {
		return nil
	}
	path := entity.PathOf(old.Resource)
	if newPath != nil {
		path = *newPath
	}
	if newName != nil {
		name = *newName
	}
	return []policy.Need{{Action: old.Action, Resource: identity.ARN(c.Account, kind, path, name)}}
}

func (s *svc) updateUser(ctx context.Context, c *service.Call, in *api.UpdateUserInput) (*api.UpdateUserOutput, error) {
	return &api.UpdateUserOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		u, err := entity.GetUser(tx, c.Account, in.UserName)
		if err != nil {
			return err
		}
		if in.NewPath != nil {
			u.Path = *in.NewPath
		}
		name := u.Name
		if in.NewUserName != nil {
			name = *in.NewUserName
		}
		return entity.OrExists(identity.Users.Rename(tx, c.Account, u, name), "User with name %s already exists.", name)
	})
}

func (s *svc) needDeleteUser(c *service.Call, in *api.DeleteUserInput) []policy.Need {
	return entity.Need(c, s.who, "DeleteUser", identity.KindUser, in.UserName, nil)
}

func (s *svc) deleteUser(ctx context.Context, c *service.Call, in *api.DeleteUserInput) (*api.DeleteUserOutput, error) {
	return &api.DeleteUserOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		u, err := entity.GetUser(tx, c.Account, in.UserName)
		if err != nil {
			return err
		}
		if err := deletable(tx, c.Account, u); err != nil {
			return err
		}
		h := &holder{kind: identity.KindUser, account: c.Account, Entity: &u.Entity, user: u}
		if err := h.setBoundary(tx, ""); err != nil {
			return err
		}
		if err := identity.DropUses(tx, c.Account, u.ID); err != nil {
			return err
		}
		return identity.Users.Delete(tx, c.Account, u)
	})
}

// deletable refuses to delete a user who still has anything.
func deletable(tx *kv.Tx, account arn.AccountID, u *identity.User) error {
	prefix := []any{account, u.ID}
	has, err := entity.Any(identity.KeysOf, tx, prefix)
	if err != nil {
		return err
	}
	if has {
		return api.ErrDeleteConflictException("Cannot delete entity, must delete access keys first.")
	}
	for r, err := range identity.Belongings.Scan(tx, kv.Scan{Prefix: prefix, Limit: 1}) {
		if err != nil {
			return err
		}
		return api.ErrDeleteConflictException("Cannot delete entity, must delete %s first.", *r.Value)
	}
	if has, err = entity.Any(identity.Members, tx, prefix); err != nil {
		return err
	}
	if has {
		return api.ErrDeleteConflictException("Cannot delete entity, must remove users from group first.")
	}
	h := &holder{kind: identity.KindUser, account: account, Entity: &u.Entity, user: u}
	return h.empty(tx)
}

func (s *svc) needTagUser(c *service.Call, in *api.TagUserInput) []policy.Need {
	return entity.Need(c, s.who, "TagUser", identity.KindUser, in.UserName, entity.TagKeys(nil, in.Tags))
}

func (s *svc) tagUser(ctx context.Context, c *service.Call, in *api.TagUserInput) (*api.TagUserOutput, error) {
	return &api.TagUserOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		u, err := entity.GetUser(tx, c.Account, in.UserName)
		if err != nil {
			return err
		}
		if u.Tags, err = entity.Retag(u.Tags, in.Tags); err != nil {
			return err
		}
		return identity.Users.Put(tx, c.Account, u)
	})
}

func (s *svc) needUntagUser(c *service.Call, in *api.UntagUserInput) []policy.Need {
	return entity.Need(c, s.who, "UntagUser", identity.KindUser, in.UserName, entity.UntagKeys(nil, in.TagKeys))
}

func (s *svc) untagUser(ctx context.Context, c *service.Call, in *api.UntagUserInput) (*api.UntagUserOutput, error) {
	return &api.UntagUserOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		u, err := entity.GetUser(tx, c.Account, in.UserName)
		if err != nil {
			return err
		}
		u.Tags = entity.Untag(u.Tags, in.TagKeys)
		return identity.Users.Put(tx, c.Account, u)
	})
}

func (s *svc) needListUserTags(c *service.Call, in *api.ListUserTagsInput) []policy.Need {
	return entity.Need(c, s.who, "ListUserTags", identity.KindUser, in.UserName, nil)
}

func (s *svc) listUserTags(ctx context.Context, c *service.Call, in *api.ListUserTagsInput) (*api.ListUserTagsOutput, error) {
	p, err := entity.NewPage(c, in.UserName, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.ListUserTagsOutput{}
	err = c.View(ctx, func(tx *kv.Tx) error {
		u, err := entity.GetUser(tx, c.Account, in.UserName)
		if err != nil {
			return err
		}
		out.Tags, err = entity.TagPage(p, u.Tags)
		return err
	})
	out.IsTruncated, out.Marker = p.Truncated(), p.Marker()
	return out, err
}
