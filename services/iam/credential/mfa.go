package credential

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"net/url"
	"time"

	"rsc.io/qr"

	api "github.com/gigawatt-cloud/gigawatt/api/iamapi"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/iam/entity"
)

const seedSize = 40 // bytes: 64 characters of base32

// getMFA returns a virtual MFA device by its serial number, or NoSuchEntity.
func getMFA(tx *kv.Tx, c *service.Call, serial string) (*identity.MFADevice, error) {
	d, err := identity.FindMFA(tx, c.Account, serial)
	return d, entity.OrNoSuchEntity(err, "VirtualMFADevice with serial number %s does not exist.", serial)
}

func needCreateVirtualMFADevice(c *service.Call, in *api.CreateVirtualMFADeviceInput) []policy.Need {
	return entity.WithTagging(entity.NeedNew(c, "CreateVirtualMFADevice", identity.KindMFA, in.Path, in.VirtualMFADeviceName,
		entity.TagKeys(nil, in.Tags)), "TagMFADevice", in.Tags)
}

// createVirtualMFADevice makes a seed and shows it, once.
func (s *svc) createVirtualMFADevice(ctx context.Context, c *service.Call, in *api.CreateVirtualMFADeviceInput) (*api.CreateVirtualMFADeviceOutput, error) {
	d := &identity.MFADevice{Entity: entity.New(c, "AMFA", in.Path, in.VirtualMFADeviceName)}
	var err error
	if d.Tags, err = entity.Retag(nil, in.Tags); err != nil {
		return nil, err
	}
	seed := make([]byte, seedSize)
	if _, err := rand.Read(seed); err != nil {
		return nil, err
	}
	if d.Seed, err = s.who.SealSeed(d.ID, seed); err != nil {
		return nil, err
	}
	name := string(c.Account)
	err = c.Update(ctx, func(tx *kv.Tx) error {
		alias, err := identity.AliasOf.Get(tx, c.Account)
		if err == nil {
			name = *alias
		} else if !entity.IsNotFound(err) {
			return err
		}
		return entity.OrExists(identity.MFADevices.Create(tx, c.Account, d), "MFADevice entity at the same path and name already exists.")
	})
	if err != nil {
		return nil, err
	}
	text := base32.StdEncoding.EncodeToString(seed)
	picture, err := qr.Encode(otpauth(d.Name, name, text), qr.M)
	if err != nil {
		return nil, err
	}
	return &api.CreateVirtualMFADeviceOutput{VirtualMFADevice: &api.VirtualMFADevice{
		SerialNumber: identity.MFADevices.ARN(c.Account, d), Base32StringSeed: []byte(text), QRCodePNG: picture.PNG(), Tags: entity.Tags(d.Tags),
	}}, nil
}

// otpauth is the address that authenticator programs read from a QR code.
func otpauth(device, account, seed string) string {
	u := url.URL{Scheme: "otpauth", Host: "totp", Path: "/Gigawatt:" + device + "@" + account}
	u.RawQuery = url.Values{"secret": {seed}, "issuer": {"Gigawatt"}}.Encode()
	return u.String()
}

func (s *svc) needEnableMFADevice(c *service.Call, in *api.EnableMFADeviceInput) []policy.Need {
	return entity.NeedCaller(c, s.who, "EnableMFADevice", &in.UserName)
}

const maxMFADevices = 8 // a user

// enableMFADevice gives a device to the user who shows that it is theirs.
func (s *svc) enableMFADevice(ctx context.Context, c *service.Call, in *api.EnableMFADeviceInput) (*api.EnableMFADeviceOutput, error) {
	return &api.EnableMFADeviceOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		u, err := entity.GetUser(tx, c.Account, in.UserName)
		if err != nil {
			return err
		}
		d, err := getMFA(tx, c, in.SerialNumber)
		if err != nil {
			return err
		}
		if !d.Enabled.IsZero() {
			return api.ErrEntityAlreadyExistsException("MFADevice with serial number %s is already in use.", in.SerialNumber)
		}
		n, err := entity.CountRows(identity.MFADevicesOf, tx, c.Account, u.ID)
		if err != nil {
			return err
		}
		if n >= maxMFADevices {
			return entity.ErrQuota("MFADevicesPerUser", maxMFADevices)
		}
		if err := s.sync(d, in.AuthenticationCode1, in.AuthenticationCode2, c); err != nil {
			return err
		}
		d.UserID, d.Enabled = u.ID, entity.Second(c)
		what := mfaBelonging
		if err := identity.Belongings.Put(tx, &what, c.Account, u.ID, what, d.ID); err != nil {
			return err
		}
		if err := identity.MFADevicesOf.Put(tx, &d.Name, c.Account, u.ID, identity.Fold(d.Name)); err != nil {
			return err
		}
		return identity.MFADevices.Put(tx, c.Account, d)
	})
}

// How far a device's clock may be off when it is enabled or synchronized.
const syncWindow = time.Hour

// sync takes two codes in a row.
func (s *svc) sync(d *identity.MFADevice, first, second string, c *service.Call) error {
	err := s.who.SyncMFA(d, first, second, c.Now, syncWindow)
	if errors.Is(err, identity.ErrMFA) {
		return api.ErrInvalidAuthenticationCodeException("Authentication code for device is not valid.")
	}
	return err
}

const mfaBelonging = "MFA device"

func (s *svc) needResyncMFADevice(c *service.Call, in *api.ResyncMFADeviceInput) []policy.Need {
	return entity.NeedCaller(c, s.who, "ResyncMFADevice", &in.UserName)
}

func (s *svc) resyncMFADevice(ctx context.Context, c *service.Call, in *api.ResyncMFADeviceInput) (*api.ResyncMFADeviceOutput, error) {
	return &api.ResyncMFADeviceOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		_, d, err := getEnabled(tx, c, &in.UserName, in.SerialNumber)
		if err != nil {
			return err
		}
		if err := s.sync(d, in.AuthenticationCode1, in.AuthenticationCode2, c); err != nil {
			return err
		}
		return identity.MFADevices.Put(tx, c.Account, d)
	})
}

// getEnabled returns a user's device, or NoSuchEntity.
func getEnabled(tx *kv.Tx, c *service.Call, user *string, serial string) (*identity.User, *identity.MFADevice, error) {
	u, err := userOf(tx, c, user)
	if err != nil {
		return nil, nil, err
	}
	d, err := getMFA(tx, c, serial)
	if err != nil {
		return nil, nil, err
	}
	if d.Enabled.IsZero() || d.UserID != u.ID {
		return nil, nil, api.ErrNoSuchEntityException("MFA Device invalid for user.")
	}
	return u, d, nil
}

func (s *svc) needDeactivateMFADevice(c *service.Call, in *api.DeactivateMFADeviceInput) []policy.Need {
	return entity.NeedCaller(c, s.who, "DeactivateMFADevice", in.UserName)
}

func (s *svc) deactivateMFADevice(ctx context.Context, c *service.Call, in *api.DeactivateMFADeviceInput) (*api.DeactivateMFADeviceOutput, error) {
	return &api.DeactivateMFADeviceOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		u, d, err := getEnabled(tx, c, in.UserName, in.SerialNumber)
		if err != nil {
			return err
		}
		if err := identity.Belongings.Delete(tx, c.Account, u.ID, mfaBelonging, d.ID); err != nil {
			return err
		}
		if err := identity.MFADevicesOf.Delete(tx, c.Account, u.ID, identity.Fold(d.Name)); err != nil {
			return err
		}
		d.UserID, d.Enabled = "", time.Time{}
		return identity.MFADevices.Put(tx, c.Account, d)
	})
}

func (s *svc) needGetMFADevice(c *service.Call, in *api.GetMFADeviceInput) []policy.Need {
	return entity.NeedCaller(c, s.who, "GetMFADevice", in.UserName)
}

func (s *svc) getMFADevice(ctx context.Context, c *service.Call, in *api.GetMFADeviceInput) (*api.GetMFADeviceOutput, error) {
	out := &api.GetMFADeviceOutput{SerialNumber: in.SerialNumber}
	return out, c.View(ctx, func(tx *kv.Tx) error {
		u, d, err := getEnabled(tx, c, in.UserName, in.SerialNumber)
		if err != nil {
			return err
		}
		out.UserName, out.EnableDate = &u.Name, &d.Enabled
		return nil
	})
}

func (s *svc) needListMFADevices(c *service.Call, in *api.ListMFADevicesInput) []policy.Need {
	return entity.NeedCaller(c, s.who, "ListMFADevices", in.UserName)
}

func (s *svc) listMFADevices(ctx context.Context, c *service.Call, in *api.ListMFADevicesInput) (*api.ListMFADevicesOutput, error) {
	p, err := entity.NewPage(c, entity.Value(in.UserName), in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.ListMFADevicesOutput{}
	err = c.View(ctx, func(tx *kv.Tx) error {
		name, err := entity.Caller(c, in.UserName)
		if err != nil {
			return err
		}
		u := &identity.User{Entity: identity.Entity{ID: string(c.Account)}} // the root
		if name != "" {
			if u, err = entity.GetUser(tx, c.Account, name); err != nil {
				return err
			}
		}
		rows := identity.MFADevicesOf.Scan(tx, kv.Scan{Prefix: []any{c.Account, u.ID}, After: p.After})
		out.MFADevices, err = entity.Collect(p, rows, func(device *string) (v api.MFADevice, ok bool, err error) {
			d, err := identity.MFADevices.Find(tx, c.Account, *device)
			if err != nil {
				return v, false, err
			}
			return api.MFADevice{UserName: u.Name, SerialNumber: identity.MFADevices.ARN(c.Account, d), EnableDate: d.Enabled}, true, nil
		})
		return err
	})
	out.IsTruncated, out.Marker = p.Truncated(), p.Marker()
	return out, err
}

func needListVirtualMFADevices(*service.Call, *api.ListVirtualMFADevicesInput) []policy.Need {
	return entity.NeedAny("ListVirtualMFADevices")
}

func (s *svc) listVirtualMFADevices(ctx context.Context, c *service.Call, in *api.ListVirtualMFADevicesInput) (*api.ListVirtualMFADevicesOutput, error) {
	status := entity.Value(in.AssignmentStatus)
	p, err := entity.NewPage(c, status, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.ListVirtualMFADevicesOutput{}
	err = c.View(ctx, func(tx *kv.Tx) error {
		rows := identity.MFADevices.Scan(tx, c.Account, p.After)
		out.VirtualMFADevices, err = entity.Collect(p, rows, func(d *identity.MFADevice) (v api.VirtualMFADevice, ok bool, err error) {
			used := !d.Enabled.IsZero()
			if status == api.AssignmentStatusTypeAssigned && !used || status == api.AssignmentStatusTypeUnassigned && used {
				return v, false, nil
			}
			v.SerialNumber = identity.MFADevices.ARN(c.Account, d)
			if !used {
				return v, true, nil
			}
			u, err := identity.Users.ByID(tx, c.Account, d.UserID)
			if err != nil {
				return v, false, err
			}
			v.EnableDate = &d.Enabled
			v.User = &api.User{Path: u.Path, UserName: u.Name, UserId: u.ID, Arn: identity.Users.ARN(c.Account, u), CreateDate: u.Created}
			return v, true, nil
		})
		return err
	})
	out.IsTruncated, out.Marker = p.Truncated(), p.Marker()
	return out, err
}

func needDeleteVirtualMFADevice(_ *service.Call, in *api.DeleteVirtualMFADeviceInput) []policy.Need {
	return entity.NeedARN("DeleteVirtualMFADevice", in.SerialNumber, nil)
}

func (s *svc) deleteVirtualMFADevice(ctx context.Context, c *service.Call, in *api.DeleteVirtualMFADeviceInput) (*api.DeleteVirtualMFADeviceOutput, error) {
	return &api.DeleteVirtualMFADeviceOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		d, err := getMFA(tx, c, in.SerialNumber)
		if err != nil {
			return err
		}
		if !d.Enabled.IsZero() {
			return api.ErrDeleteConflictException("MFA VirtualDevice in use. Must deactivate first.")
		}
		return identity.MFADevices.Delete(tx, c.Account, d)
	})
}

func needTagMFADevice(_ *service.Call, in *api.TagMFADeviceInput) []policy.Need {
	return entity.NeedARN("TagMFADevice", in.SerialNumber, entity.TagKeys(nil, in.Tags))
}

func (s *svc) tagMFADevice(ctx context.Context, c *service.Call, in *api.TagMFADeviceInput) (*api.TagMFADeviceOutput, error) {
	return &api.TagMFADeviceOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		v, err := getMFA(tx, c, in.SerialNumber)
		if err != nil {
			return err
		}
		if v.Tags, err = entity.Retag(v.Tags, in.Tags); err != nil {
			return err
		}
		return identity.MFADevices.Put(tx, c.Account, v)
	})
}

func needUntagMFADevice(_ *service.Call, in *api.UntagMFADeviceInput) []policy.Need {
	return entity.NeedARN("UntagMFADevice", in.SerialNumber, entity.UntagKeys(nil, in.TagKeys))
}

func (s *svc) untagMFADevice(ctx context.Context, c *service.Call, in *api.UntagMFADeviceInput) (*api.UntagMFADeviceOutput, error) {
	return &api.UntagMFADeviceOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		v, err := getMFA(tx, c, in.SerialNumber)
		if err != nil {
			return err
		}
		v.Tags = entity.Untag(v.Tags, in.TagKeys)
		return identity.MFADevices.Put(tx, c.Account, v)
	})
}

func needListMFADeviceTags(_ *service.Call, in *api.ListMFADeviceTagsInput) []policy.Need {
	return entity.NeedARN("ListMFADeviceTags", in.SerialNumber, nil)
}

func (s *svc) listMFADeviceTags(ctx context.Context, c *service.Call, in *api.ListMFADeviceTagsInput) (*api.ListMFADeviceTagsOutput, error) {
	p, err := entity.NewPage(c, in.SerialNumber, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.ListMFADeviceTagsOutput{}
	err = c.View(ctx, func(tx *kv.Tx) error {
		v, err := getMFA(tx, c, in.SerialNumber)
		if err != nil {
			return err
		}
		out.Tags, err = entity.TagPage(p, v.Tags)
		return err
	})
	out.IsTruncated, out.Marker = p.Truncated(), p.Marker()
	return out, err
}
