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

const (
	maxGroups        = 300
	maxGroupsPerUser = 10
)

// getGroup returns a group or NoSuchEntity.
func getGroup(tx *kv.Tx, account arn.AccountID, name string) (*identity.Group, error) {
	g, err := identity.Groups.Find(tx, account, name)
	return g, entity.OrNoSuchEntity(err, "The group with name %s cannot be found.", name)
}

func apiGroup(account arn.AccountID, g *identity.Group) api.Group {
	return api.Group{Path: g.Path, GroupName: g.Name, GroupId: g.ID, Arn: identity.Groups.ARN(account, g), CreateDate: g.Created}
}

func needCreateGroup(c *service.Call, in *api.CreateGroupInput) []policy.Need {
	return entity.NeedNew(c, "CreateGroup", identity.KindGroup, in.Path, in.GroupName, nil)
}

func (s *svc) createGroup(ctx context.Context, c *service.Call, in *api.CreateGroupInput) (*api.CreateGroupOutput, error) {
	g := &identity.Group{Entity: entity.New(c, "AGPA", in.Path, in.GroupName)}
	err := c.Update(ctx, func(tx *kv.Tx) error {
		if err := entity.Quota(tx, c.Account, identity.KindGroup, "GroupsPerAccount", maxGroups); err != nil {
			return err
		}
		return entity.OrExists(identity.Groups.Create(tx, c.Account, g), "Group with name %s already exists.", in.GroupName)
	})
	if err != nil {
		return nil, err
	}
	out := apiGroup(c.Account, g)
	return &api.CreateGroupOutput{Group: &out}, nil
}

func (s *svc) needGetGroup(c *service.Call, in *api.GetGroupInput) []policy.Need {
	return entity.Need(c, s.who, "GetGroup", identity.KindGroup, in.GroupName, nil)
}

// getGroup pages through the members of a group.
func (s *svc) getGroup(ctx context.Context, c *service.Call, in *api.GetGroupInput) (*api.GetGroupOutput, error) {
	p, err := entity.NewPage(c, in.GroupName, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.GetGroupOutput{}
	err = c.View(ctx, func(tx *kv.Tx) error {
		g, err := getGroup(tx, c.Account, in.GroupName)
		if err != nil {
			return err
		}
		a := apiGroup(c.Account, g)
		out.Group = &a
		rows := identity.Roster.Scan(tx, kv.Scan{Prefix: []any{c.Account, g.ID}, After: p.After})
		out.Users, err = entity.Collect(p, rows, func(id *string) (api.User, bool, error) {
			u, err := identity.Users.ByID(tx, c.Account, *id)
			if err != nil {
				return api.User{}, false, err
			}
			return apiUser(c.Account, u), true, nil
		})
		return err
	})
	out.IsTruncated, out.Marker = p.Truncated(), p.Marker()
	return out, err
}

func needListGroups(c *service.Call, in *api.ListGroupsInput) []policy.Need {
	return entity.NeedList(c, "ListGroups", identity.KindGroup, in.PathPrefix)
}

func (s *svc) listGroups(ctx context.Context, c *service.Call, in *api.ListGroupsInput) (*api.ListGroupsOutput, error) {
	prefix := entity.Value(in.PathPrefix)
	p, err := entity.NewPage(c, prefix, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.ListGroupsOutput{}
	err = c.View(ctx, func(tx *kv.Tx) error {
		out.Groups, err = entity.Collect(p, identity.Groups.Scan(tx, c.Account, p.After), func(g *identity.Group) (api.Group, bool, error) {
			return apiGroup(c.Account, g), entity.Under(g.Path, prefix), nil
		})
		return err
	})
	out.IsTruncated, out.Marker = p.Truncated(), p.Marker()
	return out, err
}

func (s *svc) needListGroupsForUser(c *service.Call, in *api.ListGroupsForUserInput) []policy.Need {
	return entity.Need(c, s.who, "ListGroupsForUser", identity.KindUser, in.UserName, nil)
}

func (s *svc) listGroupsForUser(ctx context.Context, c *service.Call, in *api.ListGroupsForUserInput) (*api.ListGroupsForUserOutput, error) {
	p, err := entity.NewPage(c, in.UserName, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.ListGroupsForUserOutput{}
	err = c.View(ctx, func(tx *kv.Tx) error {
		u, err := entity.GetUser(tx, c.Account, in.UserName)
		if err != nil {
			return err
		}
		rows := identity.Members.Scan(tx, kv.Scan{Prefix: []any{c.Account, u.ID}, After: p.After})
		out.Groups, err = entity.Collect(p, rows, func(id *string) (api.Group, bool, error) {
			g, err := identity.Groups.ByID(tx, c.Account, *id)
			if err != nil {
				return api.Group{}, false, err
			}
			return apiGroup(c.Account, g), true, nil
		})
		return err
	})
	out.IsTruncated, out.Marker = p.Truncated(), p.Marker()
	return out, err
}

func (s *svc) needUpdateGroup(c *service.Call, in *api.UpdateGroupInput) []policy.Need {
	needs := entity.Need(c, s.who, "UpdateGroup", identity.KindGroup, in.GroupName, nil)
	return append(needs, s.renamed(c, needs[0], identity.KindGroup, in.GroupName, in.NewPath, in.NewGroupName)...)
}

func (s *svc) updateGroup(ctx context.Context, c *service.Call, in *api.UpdateGroupInput) (*api.UpdateGroupOutput, error) {
	return &api.UpdateGroupOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		g, err := getGroup(tx, c.Account, in.GroupName)
		if err != nil {
			return err
		}
		if in.NewPath != nil {
			g.Path = *in.NewPath
		}
		name := g.Name
		if in.NewGroupName != nil {
			name = *in.NewGroupName
		}
		return entity.OrExists(identity.Groups.Rename(tx, c.Account, g, name), "Group with name %s already exists.", name)
	})
}

func (s *svc) needAddUserToGroup(c *service.Call, in *api.AddUserToGroupInput) []policy.Need {
	return entity.Need(c, s.who, "AddUserToGroup", identity.KindGroup, in.GroupName, nil)
}

func (s *svc) addUserToGroup(ctx context.Context, c *service.Call, in *api.AddUserToGroupInput) (*api.AddUserToGroupOutput, error) {
	return &api.AddUserToGroupOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		g, u, err := member(tx, c.Account, in.GroupName, in.UserName)
		if err != nil {
			return err
		}
		has, err := identity.Members.Has(tx, c.Account, u.ID, g.ID)
		if err != nil || has {
			return err
		}
		n, err := entity.CountRows(identity.Members, tx, c.Account, u.ID)
		if err != nil {
			return err
		}
		if n >= maxGroupsPerUser {
			return entity.ErrQuota("GroupsPerUser", maxGroupsPerUser)
		}
		if err := identity.Members.Put(tx, &g.ID, c.Account, u.ID, g.ID); err != nil {
			return err
		}
		if err := identity.Roster.Put(tx, &u.ID, c.Account, g.ID, u.ID); err != nil {
			return err
		}
		return identity.Touch(tx, c.Account)
	})
}

func member(tx *kv.Tx, account arn.AccountID, group, user string) (*identity.Group, *identity.User, error) {
	g, err := getGroup(tx, account, group)
	if err != nil {
		return nil, nil, err
	}
	u, err := entity.GetUser(tx, account, user)
	return g, u, err
}

func (s *svc) needRemoveUserFromGroup(c *service.Call, in *api.RemoveUserFromGroupInput) []policy.Need {
	return entity.Need(c, s.who, "RemoveUserFromGroup", identity.KindGroup, in.GroupName, nil)
}

func (s *svc) removeUserFromGroup(ctx context.Context, c *service.Call, in *api.RemoveUserFromGroupInput) (*api.RemoveUserFromGroupOutput, error) {
	return &api.RemoveUserFromGroupOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		g, u, err := member(tx, c.Account, in.GroupName, in.UserName)
		if err != nil {
			return err
		}
		if err := identity.Members.Delete(tx, c.Account, u.ID, g.ID); err != nil {
			return err
		}
		if err := identity.Roster.Delete(tx, c.Account, g.ID, u.ID); err != nil {
			return err
		}
		return identity.Touch(tx, c.Account)
	})
}

func (s *svc) needDeleteGroup(c *service.Call, in *api.DeleteGroupInput) []policy.Need {
	return entity.Need(c, s.who, "DeleteGroup", identity.KindGroup, in.GroupName, nil)
}

func (s *svc) deleteGroup(ctx context.Context, c *service.Call, in *api.DeleteGroupInput) (*api.DeleteGroupOutput, error) {
	return &api.DeleteGroupOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		g, err := getGroup(tx, c.Account, in.GroupName)
		if err != nil {
			return err
		}
		has, err := entity.Any(identity.Roster, tx, []any{c.Account, g.ID})
		if err != nil {
			return err
		}
		if has {
			return api.ErrDeleteConflictException("Cannot delete entity, must remove users from group first.")
		}
		h := &holder{kind: identity.KindGroup, account: c.Account, Entity: &g.Entity}
		if err := h.empty(tx); err != nil {
			return err
		}
		return identity.Groups.Delete(tx, c.Account, g)
	})
}
