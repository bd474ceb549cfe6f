package credential

import (
	"bytes"
	"context"

	api "github.com/gigawatt-cloud/gigawatt/api/iamapi"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/iam/entity"
)

// userOf finds the named user, or the caller; the root's own credentials are
// not managed here.
func userOf(tx *kv.Tx, c *service.Call, name *string) (*identity.User, error) {
	n, err := entity.Caller(c, name)
	if err != nil {
		return nil, err
	}
	if n == "" {
		return nil, entity.ErrValidation("Must specify userName when calling with the root user's credentials")
	}
	return entity.GetUser(tx, c.Account, n)
}

func noLoginProfile(err error, name string) error {
	return entity.OrNoSuchEntity(err, "Login Profile for User %s cannot be found.", name)
}

func apiLoginProfile(u *identity.User, l *identity.LoginProfile) *api.LoginProfile {
	return &api.LoginProfile{UserName: u.Name, CreateDate: l.Created, PasswordResetRequired: &l.ResetRequired}
}

func (s *svc) needCreateLoginProfile(c *service.Call, in *api.CreateLoginProfileInput) []policy.Need {
	return entity.NeedCaller(c, s.who, "CreateLoginProfile", in.UserName)
}

func (s *svc) createLoginProfile(ctx context.Context, c *service.Call, in *api.CreateLoginProfileInput) (*api.CreateLoginProfileOutput, error) {
	if in.Password == nil {
		return nil, entity.ErrValidation("Must specify password when calling with non-root credentials")
	}
	hash, err := identity.HashPassword(*in.Password)
	if err != nil {
		return nil, err
	}
	out := &api.CreateLoginProfileOutput{}
	return out, c.Update(ctx, func(tx *kv.Tx) error {
		u, err := userOf(tx, c, in.UserName)
		if err != nil {
			return err
		}
		has, err := identity.LoginProfiles.Has(tx, c.Account, u.ID)
		if err != nil {
			return err
		}
		if has {
			return api.ErrEntityAlreadyExistsException("Login Profile for user %s already exists.", u.Name)
		}
		if err := checkPassword(tx, c.Account, *in.Password); err != nil {
			return err
		}
		what := identity.LoginProfileBelonging
		if err := identity.Belongings.Put(tx, &what, c.Account, u.ID, what, ""); err != nil {
			return err
		}
		l := &identity.LoginProfile{
			Password: hash, Created: entity.Second(c), Changed: entity.Second(c), ResetRequired: entity.Value(in.PasswordResetRequired),
		}
		out.LoginProfile = apiLoginProfile(u, l)
		return identity.LoginProfiles.Put(tx, l, c.Account, u.ID)
	})
}

func (s *svc) needGetLoginProfile(c *service.Call, in *api.GetLoginProfileInput) []policy.Need {
	return entity.NeedCaller(c, s.who, "GetLoginProfile", in.UserName)
}

func (s *svc) getLoginProfile(ctx context.Context, c *service.Call, in *api.GetLoginProfileInput) (*api.GetLoginProfileOutput, error) {
	out := &api.GetLoginProfileOutput{}
	return out, c.View(ctx, func(tx *kv.Tx) error {
		u, l, err := getLogin(tx, c, in.UserName)
		if err != nil {
			return err
		}
		out.LoginProfile = apiLoginProfile(u, l)
		return nil
	})
}

func getLogin(tx *kv.Tx, c *service.Call, name *string) (*identity.User, *identity.LoginProfile, error) {
	u, err := userOf(tx, c, name)
	if err != nil {
		return nil, nil, err
	}
	l, err := identity.LoginProfiles.Get(tx, c.Account, u.ID)
	return u, l, noLoginProfile(err, u.Name)
}

func (s *svc) needUpdateLoginProfile(c *service.Call, in *api.UpdateLoginProfileInput) []policy.Need {
	return entity.NeedCaller(c, s.who, "UpdateLoginProfile", &in.UserName)
}

// updateLoginProfile lets an administrator set a password, also one that was
// used before.
func (s *svc) updateLoginProfile(ctx context.Context, c *service.Call, in *api.UpdateLoginProfileInput) (*api.UpdateLoginProfileOutput, error) {
	var hash identity.PasswordHash
	if in.Password != nil {
		var err error
		if hash, err = identity.HashPassword(*in.Password); err != nil {
			return nil, err
		}
	}
	return &api.UpdateLoginProfileOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		u, l, err := getLogin(tx, c, &in.UserName)
		if err != nil {
			return err
		}
		if in.Password != nil {
			if err := checkPassword(tx, c.Account, *in.Password); err != nil {
				return err
			}
			setPassword(l, hash, c)
		}
		if in.PasswordResetRequired != nil {
			l.ResetRequired = *in.PasswordResetRequired
		}
		return identity.LoginProfiles.Put(tx, l, c.Account, u.ID)
	})
}

// maxEarlier is how many passwords a policy can have remembered.
const maxEarlier = 24

func setPassword(l *identity.LoginProfile, hash identity.PasswordHash, c *service.Call) {
	l.Earlier = append([]identity.PasswordHash{l.Password}, l.Earlier...)
	l.Earlier = l.Earlier[:min(len(l.Earlier), maxEarlier)]
	l.Password, l.Changed = hash, entity.Second(c)
}

func (s *svc) needDeleteLoginProfile(c *service.Call, in *api.DeleteLoginProfileInput) []policy.Need {
	return entity.NeedCaller(c, s.who, "DeleteLoginProfile", in.UserName)
}

func (s *svc) deleteLoginProfile(ctx context.Context, c *service.Call, in *api.DeleteLoginProfileInput) (*api.DeleteLoginProfileOutput, error) {
	return &api.DeleteLoginProfileOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		u, _, err := getLogin(tx, c, in.UserName)
		if err != nil {
			return err
		}
		if err := identity.Belongings.Delete(tx, c.Account, u.ID, identity.LoginProfileBelonging, ""); err != nil {
			return err
		}
		return identity.LoginProfiles.Delete(tx, c.Account, u.ID)
	})
}

func needChangePassword(c *service.Call, _ *api.ChangePasswordInput) []policy.Need {
	return entity.NeedARN("ChangePassword", c.Principal.ARN, nil)
}

// changePassword compares passwords outside of the transaction, because that
// takes long; the row has to be the same one in it.
func (s *svc) changePassword(ctx context.Context, c *service.Call, in *api.ChangePasswordInput) (*api.ChangePasswordOutput, error) {
	if c.Principal.Type != policy.User {
		return nil, api.ErrInvalidUserTypeException("Only IAM Users can change their own password")
	}
	var l *identity.LoginProfile
	var rules *identity.PasswordPolicy
	err := c.View(ctx, func(tx *kv.Tx) (err error) {
		if _, l, err = getLogin(tx, c, nil); err != nil {
			return err
		}
		rules, err = passwordRules(tx, c.Account)
		return err
	})
	if err != nil {
		return nil, err
	}
	switch {
	case rules.HardExpiry && expired(l, rules, c):
		return nil, awserr.New("AccessDenied", 403, "The password has expired. Ask an administrator for a new one.")
	case !l.Password.Matches(in.OldPassword):
		return nil, awserr.New("AccessDenied", 403, "The old password was incorrect.")
	case used(l, rules, in.NewPassword):
		return nil, api.ErrPasswordPolicyViolationException("Password cannot be the same as one of the last %d passwords", max(rules.Remember, 1))
	}
	hash, err := identity.HashPassword(in.NewPassword)
	if err != nil {
		return nil, err
	}
	return &api.ChangePasswordOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		u, now, err := getLogin(tx, c, nil)
		if err != nil {
			return err
		}
		if !bytes.Equal(now.Password.Hash, l.Password.Hash) {
			return api.ErrEntityTemporarilyUnmodifiableException("Login Profile for User %s is being changed.", u.Name)
		}
		if err := checkPassword(tx, c.Account, in.NewPassword); err != nil {
			return err
		}
		setPassword(now, hash, c)
		now.ResetRequired = false
		return identity.LoginProfiles.Put(tx, now, c.Account, u.ID)
	})
}
