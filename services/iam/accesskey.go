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

const maxKeysPerUser = 2

// owner is whose access keys an operation is about; the root has neither name nor id.
type owner struct{ name, id string }

// ownerOf finds the named user or the caller.
func ownerOf(tx *kv.Tx, c *service.Call, name *string) (owner, error) {
	n, err := entity.Caller(c, name)
	if err != nil || n == "" {
		return owner{}, err
	}
	u, err := entity.GetUser(tx, c.Account, n)
	if err != nil {
		return owner{}, err
	}
	return owner{u.Name, u.ID}, nil
}

// getKey returns an owner's access key, or NoSuchEntity.
func getKey(tx *kv.Tx, account arn.AccountID, o owner, id string) (*identity.Key, error) {
	k, err := identity.Keys.Get(tx, id)
	if err == nil && (k.Account != account || k.UserID != o.id) {
		err = kv.ErrNotFound
	}
	return k, entity.OrNoSuchEntity(err, "The Access Key with id %s cannot be found.", id)
}

func status(k *identity.Key) string {
	if k.Active {
		return api.StatusTypeActive
	}
	return api.StatusTypeInactive
}

func (s *svc) needCreateAccessKey(c *service.Call, in *api.CreateAccessKeyInput) []policy.Need {
	return entity.NeedCaller(c, s.who, "CreateAccessKey", in.UserName)
}

func (s *svc) createAccessKey(ctx context.Context, c *service.Call, in *api.CreateAccessKeyInput) (*api.CreateAccessKeyOutput, error) {
	id, err := identity.AccessKeyID("AKIA", c.Account, c.IDs.Bytes(5))
	if err != nil {
		return nil, err
	}
	secret, err := identity.NewSecret()
	if err != nil {
		return nil, err
	}
	sealed, err := s.who.SealSecret(id, secret)
	if err != nil {
		return nil, err
	}
	created := entity.Second(c)
	out := &api.AccessKey{AccessKeyId: id, SecretAccessKey: secret, Status: api.StatusTypeActive, CreateDate: &created}
	err = c.Update(ctx, func(tx *kv.Tx) error {
		o, err := ownerOf(tx, c, in.UserName)
		if err != nil {
			return err
		}
		n, err := entity.CountRows(identity.KeysOf, tx, c.Account, o.id)
		if err != nil {
			return err
		}
		if n >= maxKeysPerUser {
			return entity.ErrQuota("AccessKeysPerUser", maxKeysPerUser)
		}
		out.UserName = o.name
		return identity.PutKey(tx, &identity.Key{ID: id, Account: c.Account, UserID: o.id, Secret: sealed, Active: true, Created: created})
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateAccessKeyOutput{AccessKey: out}, nil
}

func (s *svc) needListAccessKeys(c *service.Call, in *api.ListAccessKeysInput) []policy.Need {
	return entity.NeedCaller(c, s.who, "ListAccessKeys", in.UserName)
}

func (s *svc) listAccessKeys(ctx context.Context, c *service.Call, in *api.ListAccessKeysInput) (*api.ListAccessKeysOutput, error) {
	p, err := entity.NewPage(c, entity.Value(in.UserName), in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.ListAccessKeysOutput{}
	err = c.View(ctx, func(tx *kv.Tx) error {
		o, err := ownerOf(tx, c, in.UserName)
		if err != nil {
			return err
		}
		rows := identity.KeysOf.Scan(tx, kv.Scan{Prefix: []any{c.Account, o.id}, After: p.After})
		out.AccessKeyMetadata, err = entity.Collect(p, rows, func(id *string) (api.AccessKeyMetadata, bool, error) {
			k, err := identity.Keys.Get(tx, *id)
			if err != nil {
				return api.AccessKeyMetadata{}, false, err
			}
			state := status(k)
			return api.AccessKeyMetadata{UserName: entity.Ptr(o.name), AccessKeyId: &k.ID, Status: &state, CreateDate: &k.Created}, true, nil
		})
		return err
	})
	out.IsTruncated, out.Marker = p.Truncated(), p.Marker()
	return out, err
}

// needGetAccessKeyLastUsed is for the user whose key it is.
func (s *svc) needGetAccessKeyLastUsed(c *service.Call, in *api.GetAccessKeyLastUsedInput) []policy.Need {
	resource, err := s.who.OwnerARN(context.Background(), c.Account, in.AccessKeyId)
	if err != nil {
		resource = ""
	}
	return entity.NeedARN("GetAccessKeyLastUsed", resource, nil)
}

func (s *svc) getAccessKeyLastUsed(ctx context.Context, c *service.Call, in *api.GetAccessKeyLastUsedInput) (*api.GetAccessKeyLastUsedOutput, error) {
	used := &api.AccessKeyLastUsed{ServiceName: "N/A", Region: "N/A"}
	out := &api.GetAccessKeyLastUsedOutput{AccessKeyLastUsed: used}
	return out, c.View(ctx, func(tx *kv.Tx) error {
		k, err := identity.Keys.Get(tx, in.AccessKeyId)
		if err == nil && k.Account != c.Account {
			err = kv.ErrNotFound
		}
		if err != nil {
			return entity.OrNoSuchEntity(err, "The Access Key with id %s cannot be found.", in.AccessKeyId)
		}
		if k.UserID != "" {
			u, err := identity.Users.ByID(tx, c.Account, k.UserID)
			if err != nil {
				return err
			}
			out.UserName = &u.Name
		}
		use, err := identity.KeyUse(tx, k.ID)
		if entity.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		used.LastUsedDate, used.ServiceName, used.Region = &use.Time, use.Service, use.Region
		return nil
	})
}

func (s *svc) needUpdateAccessKey(c *service.Call, in *api.UpdateAccessKeyInput) []policy.Need {
	return entity.NeedCaller(c, s.who, "UpdateAccessKey", in.UserName)
}

func (s *svc) updateAccessKey(ctx context.Context, c *service.Call, in *api.UpdateAccessKeyInput) (*api.UpdateAccessKeyOutput, error) {
	if in.Status != api.StatusTypeActive && in.Status != api.StatusTypeInactive {
		return nil, entity.ErrValidation("The status of an access key is Active or Inactive.")
	}
	return &api.UpdateAccessKeyOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		o, err := ownerOf(tx, c, in.UserName)
		if err != nil {
			return err
		}
		k, err := getKey(tx, c.Account, o, in.AccessKeyId)
		if err != nil {
			return err
		}
		k.Active = in.Status == api.StatusTypeActive
		return identity.PutKey(tx, k)
	})
}

func (s *svc) needDeleteAccessKey(c *service.Call, in *api.DeleteAccessKeyInput) []policy.Need {
	return entity.NeedCaller(c, s.who, "DeleteAccessKey", in.UserName)
}

func (s *svc) deleteAccessKey(ctx context.Context, c *service.Call, in *api.DeleteAccessKeyInput) (*api.DeleteAccessKeyOutput, error) {
	return &api.DeleteAccessKeyOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		o, err := ownerOf(tx, c, in.UserName)
		if err != nil {
			return err
		}
		k, err := getKey(tx, c.Account, o, in.AccessKeyId)
		if err != nil {
			return err
		}
		return identity.DeleteKey(tx, k)
	})
}
