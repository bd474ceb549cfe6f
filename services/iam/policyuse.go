package iam

import (
	"context"
	"fmt"

	api "github.com/gigawatt-cloud/gigawatt/api/iamapi"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/iam/entity"
)

func needListEntitiesForPolicy(_ *service.Call, in *api.ListEntitiesForPolicyInput) []policy.Need {
	return entity.NeedARN("ListEntitiesForPolicy", in.PolicyArn, nil)
}

// usedBy is an entity that a policy is attached to, or bounds.
type usedBy struct {
	named *identity.Named
	id    string
}

// entityKinds are the kinds that ListEntitiesForPolicy filters by.
var entityKinds = map[string]identity.Kind{
	api.EntityTypeUser: identity.KindUser, api.EntityTypeGroup: identity.KindGroup, api.EntityTypeRole: identity.KindRole,
}

func (s *svc) listEntitiesForPolicy(ctx context.Context, c *service.Call, in *api.ListEntitiesForPolicyInput) (*api.ListEntitiesForPolicyOutput, error) {
	filter, prefix := entity.Value(in.EntityFilter), entity.Value(in.PathPrefix)
	table := identity.Attachment
	if entity.Value(in.PolicyUsageFilter) == api.PolicyUsageTypePermissionsBoundary {
		table = identity.Bounded
	}
	pg, err := entity.NewPage(c, fmt.Sprintf("%s %s %s %s", in.PolicyArn, filter, prefix, table.Name()), in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.ListEntitiesForPolicyOutput{PolicyGroups: []api.PolicyGroup{}, PolicyUsers: []api.PolicyUser{}, PolicyRoles: []api.PolicyRole{}}
	err = c.View(ctx, func(tx *kv.Tx) error {
		p, err := getPolicy(tx, c.Account, in.PolicyArn)
		if err != nil {
			return err
		}
		rows := table.Scan(tx, kv.Scan{Prefix: []any{c.Account, p.ID}, After: pg.After})
		list, err := entity.Collect(pg, rows, func(id *string) (usedBy, bool, error) {
			n, err := identity.NameOf(tx, c.Account, *id)
			if err != nil || filter != "" && n.Kind != entityKinds[filter] {
				return usedBy{}, false, err
			}
			e, err := identity.FindEntity(tx, c.Account, n.Kind, n.Name)
			if err != nil {
				return usedBy{}, false, err
			}
			return usedBy{n, *id}, entity.Under(e.Path, prefix), nil
		})
		for i := range list {
			addUser(out, &list[i])
		}
		return err
	})
	out.IsTruncated, out.Marker = pg.Truncated(), pg.Marker()
	return out, err
}

func addUser(out *api.ListEntitiesForPolicyOutput, u *usedBy) {
	switch u.named.Kind {
	case identity.KindUser:
		out.PolicyUsers = append(out.PolicyUsers, api.PolicyUser{UserName: &u.named.Name, UserId: &u.id})
	case identity.KindGroup:
		out.PolicyGroups = append(out.PolicyGroups, api.PolicyGroup{GroupName: &u.named.Name, GroupId: &u.id})
	case identity.KindRole:
		out.PolicyRoles = append(out.PolicyRoles, api.PolicyRole{RoleName: &u.named.Name, RoleId: &u.id})
	}
}
