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

// bound sets the permissions boundary of a user or role, or removes it ("").
func bound(ctx context.Context, c *service.Call, kind identity.Kind, name, policyARN string) error {
	return c.Update(ctx, func(tx *kv.Tx) error {
		h, err := getHolder(tx, c.Account, kind, name)
		if err != nil {
			return err
		}
		if err := h.changeable(); err != nil {
			return err
		}
		if policyARN == "" && *h.boundary() == "" {
			return api.ErrNoSuchEntityException("%s %s has no permissions boundary.", title[kind], h.Name)
		}
		if err := h.setBoundary(tx, policyARN); err != nil {
			return err
		}
		return h.put(tx)
	})
}

func (s *svc) needPutUserPermissionsBoundary(c *service.Call, in *api.PutUserPermissionsBoundaryInput) []policy.Need {
	return entity.Need(c, s.who, "PutUserPermissionsBoundary", identity.KindUser, in.UserName, boundaryKeys(&in.PermissionsBoundary))
}

func (s *svc) putUserPermissionsBoundary(ctx context.Context, c *service.Call, in *api.PutUserPermissionsBoundaryInput) (*api.PutUserPermissionsBoundaryOutput, error) {
	return &api.PutUserPermissionsBoundaryOutput{}, bound(ctx, c, identity.KindUser, in.UserName, in.PermissionsBoundary)
}

func (s *svc) needDeleteUserPermissionsBoundary(c *service.Call, in *api.DeleteUserPermissionsBoundaryInput) []policy.Need {
	return entity.Need(c, s.who, "DeleteUserPermissionsBoundary", identity.KindUser, in.UserName, nil)
}

func (s *svc) deleteUserPermissionsBoundary(ctx context.Context, c *service.Call, in *api.DeleteUserPermissionsBoundaryInput) (*api.DeleteUserPermissionsBoundaryOutput, error) {
	return &api.DeleteUserPermissionsBoundaryOutput{}, bound(ctx, c, identity.KindUser, in.UserName, "")
}

func (s *svc) needPutRolePermissionsBoundary(c *service.Call, in *api.PutRolePermissionsBoundaryInput) []policy.Need {
	return entity.Need(c, s.who, "PutRolePermissionsBoundary", identity.KindRole, in.RoleName, boundaryKeys(&in.PermissionsBoundary))
}

func (s *svc) putRolePermissionsBoundary(ctx context.Context, c *service.Call, in *api.PutRolePermissionsBoundaryInput) (*api.PutRolePermissionsBoundaryOutput, error) {
	return &api.PutRolePermissionsBoundaryOutput{}, bound(ctx, c, identity.KindRole, in.RoleName, in.PermissionsBoundary)
}

func (s *svc) needDeleteRolePermissionsBoundary(c *service.Call, in *api.DeleteRolePermissionsBoundaryInput) []policy.Need {
	return entity.Need(c, s.who, "DeleteRolePermissionsBoundary", identity.KindRole, in.RoleName, nil)
}

func (s *svc) deleteRolePermissionsBoundary(ctx context.Context, c *service.Call, in *api.DeleteRolePermissionsBoundaryInput) (*api.DeleteRolePermissionsBoundaryOutput, error) {
	return &api.DeleteRolePermissionsBoundaryOutput{}, bound(ctx, c, identity.KindRole, in.RoleName, "")
}
