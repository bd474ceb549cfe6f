package credential

import (
	"context"
	"time"

	api "github.com/gigawatt-cloud/gigawatt/api/iamapi"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/iam/entity"
)

// sshKey is a user's SSH public key.
type sshKey struct {
	ID string `cbor:"id"`
	// Blob is the key as the SSH protocol has it.
	Blob     []byte    `cbor:"blob"`
	Status   string    `cbor:"status"`
	Uploaded time.Time `cbor:"uploaded"`
}

var sshKeys = kv.NewTable[sshKey]("iam/sshkey", kv.Small()) // account, user id, key id

const (
	maxSSHKeys   = 5
	sshBelonging = "SSH public keys"
)

func (k *sshKey) api(user, body string) *api.SSHPublicKey {
	return &api.SSHPublicKey{
		UserName: user, SSHPublicKeyId: k.ID, Fingerprint: fingerprint(k.Blob), SSHPublicKeyBody: body, Status: k.Status, UploadDate: &k.Uploaded,
	}
}

func (s *svc) needUploadSSHPublicKey(c *service.Call, in *api.UploadSSHPublicKeyInput) []policy.Need {
	return entity.NeedCaller(c, s.who, "UploadSSHPublicKey", &in.UserName)
}

func (s *svc) uploadSSHPublicKey(ctx context.Context, c *service.Call, in *api.UploadSSHPublicKeyInput) (*api.UploadSSHPublicKeyOutput, error) {
	blob, err := parsePublicKey(in.SSHPublicKeyBody)
	if err != nil {
		return nil, err
	}
	k := &sshKey{ID: "APKA" + c.IDs.Alnum(17), Blob: blob, Status: api.StatusTypeActive, Uploaded: entity.Second(c)}
	out := &api.UploadSSHPublicKeyOutput{}
	return out, c.Update(ctx, func(tx *kv.Tx) error {
		u, err := entity.GetUser(tx, c.Account, in.UserName)
		if err != nil {
			return err
		}
		n := 0
		for r, err := range sshKeys.Scan(tx, kv.Scan{Prefix: []any{c.Account, u.ID}}) {
			if err != nil {
				return err
			}
			if string(r.Value.Blob) == string(blob) {
				return api.ErrDuplicateSSHPublicKeyException("The SSH public key is already associated with the user %s.", u.Name)
			}
			n++
		}
		if n >= maxSSHKeys {
			return entity.ErrQuota("SSHPublicKeysPerUser", maxSSHKeys)
		}
		what := sshBelonging
		if err := identity.Belongings.Put(tx, &what, c.Account, u.ID, what, k.ID); err != nil {
			return err
		}
		out.SSHPublicKey = k.api(u.Name, in.SSHPublicKeyBody)
		return sshKeys.Put(tx, k, c.Account, u.ID, k.ID)
	})
}

func getSSHKey(tx *kv.Tx, c *service.Call, user, id string) (*identity.User, *sshKey, error) {
	u, err := entity.GetUser(tx, c.Account, user)
	if err != nil {
		return nil, nil, err
	}
	k, err := sshKeys.Get(tx, c.Account, u.ID, id)
	return u, k, entity.OrNoSuchEntity(err, "The Public Key with id %s cannot be found.", id)
}

func (s *svc) needGetSSHPublicKey(c *service.Call, in *api.GetSSHPublicKeyInput) []policy.Need {
	return entity.NeedCaller(c, s.who, "GetSSHPublicKey", &in.UserName)
}

func (s *svc) getSSHPublicKey(ctx context.Context, c *service.Call, in *api.GetSSHPublicKeyInput) (*api.GetSSHPublicKeyOutput, error) {
	out := &api.GetSSHPublicKeyOutput{}
	return out, c.View(ctx, func(tx *kv.Tx) error {
		u, k, err := getSSHKey(tx, c, in.UserName, in.SSHPublicKeyId)
		if err != nil {
			return err
		}
		body := sshText(k.Blob)
		if in.Encoding == api.EncodingTypePem {
			if body, err = pemText(k.Blob); err != nil {
				return err
			}
		}
		out.SSHPublicKey = k.api(u.Name, body)
		return nil
	})
}

func (s *svc) needListSSHPublicKeys(c *service.Call, in *api.ListSSHPublicKeysInput) []policy.Need {
	return entity.NeedCaller(c, s.who, "ListSSHPublicKeys", in.UserName)
}

func (s *svc) listSSHPublicKeys(ctx context.Context, c *service.Call, in *api.ListSSHPublicKeysInput) (*api.ListSSHPublicKeysOutput, error) {
	p, err := entity.NewPage(c, entity.Value(in.UserName), in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.ListSSHPublicKeysOutput{}
	err = c.View(ctx, func(tx *kv.Tx) error {
		u, err := userOf(tx, c, in.UserName)
		if err != nil {
			return err
		}
		rows := sshKeys.Scan(tx, kv.Scan{Prefix: []any{c.Account, u.ID}, After: p.After})
		out.SSHPublicKeys, err = entity.Collect(p, rows, func(k *sshKey) (api.SSHPublicKeyMetadata, bool, error) {
			return api.SSHPublicKeyMetadata{UserName: u.Name, SSHPublicKeyId: k.ID, Status: k.Status, UploadDate: k.Uploaded}, true, nil
		})
		return err
	})
	out.IsTruncated, out.Marker = p.Truncated(), p.Marker()
	return out, err
}

func (s *svc) needUpdateSSHPublicKey(c *service.Call, in *api.UpdateSSHPublicKeyInput) []policy.Need {
	return entity.NeedCaller(c, s.who, "UpdateSSHPublicKey", &in.UserName)
}

func (s *svc) updateSSHPublicKey(ctx context.Context, c *service.Call, in *api.UpdateSSHPublicKeyInput) (*api.UpdateSSHPublicKeyOutput, error) {
	if err := settable(in.Status); err != nil {
		return nil, err
	}
	return &api.UpdateSSHPublicKeyOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		u, k, err := getSSHKey(tx, c, in.UserName, in.SSHPublicKeyId)
		if err != nil {
			return err
		}
		k.Status = in.Status
		return sshKeys.Put(tx, k, c.Account, u.ID, k.ID)
	})
}

// settable refuses a status that only the system sets.
func settable(status string) error {
	if status == api.StatusTypeExpired {
		return api.ErrInvalidInputException("The status cannot be set to %s.", status)
	}
	return nil
}

func (s *svc) needDeleteSSHPublicKey(c *service.Call, in *api.DeleteSSHPublicKeyInput) []policy.Need {
	return entity.NeedCaller(c, s.who, "DeleteSSHPublicKey", &in.UserName)
}

func (s *svc) deleteSSHPublicKey(ctx context.Context, c *service.Call, in *api.DeleteSSHPublicKeyInput) (*api.DeleteSSHPublicKeyOutput, error) {
	return &api.DeleteSSHPublicKeyOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		u, k, err := getSSHKey(tx, c, in.UserName, in.SSHPublicKeyId)
		if err != nil {
			return err
		}
		if err := identity.Belongings.Delete(tx, c.Account, u.ID, sshBelonging, k.ID); err != nil {
			return err
		}
		return sshKeys.Delete(tx, c.Account, u.ID, k.ID)
	})
}
