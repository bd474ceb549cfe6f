package iam

import (
	"context"
	"regexp"
	"strings"

	api "github.com/gigawatt-cloud/gigawatt/api/iamapi"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/iam/entity"
)

func needCreateAccountAlias(*service.Call, *api.CreateAccountAliasInput) []policy.Need {
	return entity.NeedAny("CreateAccountAlias")
}

// aliasChars is the model's pattern, but for two dashes in a row, which a
// regular expression of Go cannot exclude.
var aliasChars = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`)

// createAccountAlias replaces the alias that the account has.
func (s *svc) createAccountAlias(ctx context.Context, c *service.Call, in *api.CreateAccountAliasInput) (*api.CreateAccountAliasOutput, error) {
	if !aliasChars.MatchString(in.AccountAlias) || strings.Contains(in.AccountAlias, "--") {
		return nil, entity.ErrValidation("1 validation error detected: Value '%s' at 'accountAlias' failed to satisfy constraint: "+
			"Member must satisfy regular expression pattern: ^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$", in.AccountAlias)
	}
	return &api.CreateAccountAliasOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		taken, err := identity.Aliases.Has(tx, in.AccountAlias)
		if err != nil {
			return err
		}
		if taken {
			return api.ErrEntityAlreadyExistsException("The account alias %s already exists.", in.AccountAlias)
		}
		old, err := identity.AliasOf.Get(tx, c.Account)
		if err == nil {
			err = identity.Aliases.Delete(tx, *old)
		} else if entity.IsNotFound(err) {
			err = nil
		}
		if err != nil {
			return err
		}
		if err := identity.Aliases.Put(tx, &c.Account, in.AccountAlias); err != nil {
			return err
		}
		return identity.AliasOf.Put(tx, &in.AccountAlias, c.Account)
	})
}

func needListAccountAliases(*service.Call, *api.ListAccountAliasesInput) []policy.Need {
	return entity.NeedAny("ListAccountAliases")
}

func (s *svc) listAccountAliases(ctx context.Context, c *service.Call, in *api.ListAccountAliasesInput) (*api.ListAccountAliasesOutput, error) {
	pg, err := entity.NewPage(c, "", in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.ListAccountAliasesOutput{}
	err = c.View(ctx, func(tx *kv.Tx) error {
		rows := identity.AliasOf.Scan(tx, kv.Scan{Prefix: []any{c.Account}, After: pg.After})
		out.AccountAliases, err = entity.Collect(pg, rows, entity.All[string])
		return err
	})
	out.IsTruncated, out.Marker = pg.Truncated(), pg.Marker()
	return out, err
}

func needDeleteAccountAlias(*service.Call, *api.DeleteAccountAliasInput) []policy.Need {
	return entity.NeedAny("DeleteAccountAlias")
}

func (s *svc) deleteAccountAlias(ctx context.Context, c *service.Call, in *api.DeleteAccountAliasInput) (*api.DeleteAccountAliasOutput, error) {
	return &api.DeleteAccountAliasOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		a, err := identity.AliasOf.Get(tx, c.Account)
		if err == nil && *a != in.AccountAlias {
			err = kv.ErrNotFound
		}
		if err != nil {
			return entity.OrNoSuchEntity(err, "The account alias %s cannot be found.", in.AccountAlias)
		}
		if err := identity.Aliases.Delete(tx, in.AccountAlias); err != nil {
			return err
		}
		return identity.AliasOf.Delete(tx, c.Account)
	})
}

const (
	defaultPasswordLength = 6
	minPasswordLength     = 6
)

func needUpdateAccountPasswordPolicy(*service.Call, *api.UpdateAccountPasswordPolicyInput) []policy.Need {
	return entity.NeedAny("UpdateAccountPasswordPolicy")
}

// updateAccountPasswordPolicy sets what is left out to its default, as AWS does.
func (s *svc) updateAccountPasswordPolicy(ctx context.Context, c *service.Call, in *api.UpdateAccountPasswordPolicyInput) (*api.UpdateAccountPasswordPolicyOutput, error) {
	p := &identity.PasswordPolicy{
		MinLength: defaultPasswordLength, Symbols: entity.Value(in.RequireSymbols), Numbers: entity.Value(in.RequireNumbers),
		Uppercase: entity.Value(in.RequireUppercaseCharacters), Lowercase: entity.Value(in.RequireLowercaseCharacters),
		MayChange: entity.Value(in.AllowUsersToChangePassword), MaxAgeDays: int(entity.Value(in.MaxPasswordAge)),
		Remember: int(entity.Value(in.PasswordReusePrevention)), HardExpiry: entity.Value(in.HardExpiry),
	}
	if in.MinimumPasswordLength != nil {
		p.MinLength = max(int(*in.MinimumPasswordLength), minPasswordLength)
	}
	return &api.UpdateAccountPasswordPolicyOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		return identity.PasswordPolicies.Put(tx, p, c.Account)
	})
}

func needGetAccountPasswordPolicy(*service.Call, *api.GetAccountPasswordPolicyInput) []policy.Need {
	return entity.NeedAny("GetAccountPasswordPolicy")
}

func (s *svc) getAccountPasswordPolicy(ctx context.Context, c *service.Call, _ *api.GetAccountPasswordPolicyInput) (*api.GetAccountPasswordPolicyOutput, error) {
	var p *identity.PasswordPolicy
	err := c.View(ctx, func(tx *kv.Tx) (err error) {
		p, err = identity.PasswordPolicies.Get(tx, c.Account)
		return noPasswordPolicy(err, c)
	})
	if err != nil {
		return nil, err
	}
	length, expires := int32(p.MinLength), p.MaxAgeDays > 0
	return &api.GetAccountPasswordPolicyOutput{PasswordPolicy: &api.PasswordPolicy{
		MinimumPasswordLength: &length, RequireSymbols: &p.Symbols, RequireNumbers: &p.Numbers,
		RequireUppercaseCharacters: &p.Uppercase, RequireLowercaseCharacters: &p.Lowercase,
		AllowUsersToChangePassword: &p.MayChange, ExpirePasswords: &expires, MaxPasswordAge: entity.Ptr(int32(p.MaxAgeDays)),
		PasswordReusePrevention: entity.Ptr(int32(p.Remember)), HardExpiry: &p.HardExpiry,
	}}, nil
}

func noPasswordPolicy(err error, c *service.Call) error {
	return entity.OrNoSuchEntity(err, "The Password Policy with domain name %s cannot be found.", c.Account)
}

func needDeleteAccountPasswordPolicy(*service.Call, *api.DeleteAccountPasswordPolicyInput) []policy.Need {
	return entity.NeedAny("DeleteAccountPasswordPolicy")
}

func (s *svc) deleteAccountPasswordPolicy(ctx context.Context, c *service.Call, _ *api.DeleteAccountPasswordPolicyInput) (*api.DeleteAccountPasswordPolicyOutput, error) {
	return &api.DeleteAccountPasswordPolicyOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		if _, err := identity.PasswordPolicies.Get(tx, c.Account); err != nil {
			return noPasswordPolicy(err, c)
		}
		return identity.PasswordPolicies.Delete(tx, c.Account)
	})
}

func needGetAccountSummary(*service.Call, *api.GetAccountSummaryInput) []policy.Need {
	return entity.NeedAny("GetAccountSummary")
}

// quotas are the limits that GetAccountSummary tells.
var quotas = map[string]int32{
	"UsersQuota": maxUsers, "GroupsQuota": maxGroups, "RolesQuota": maxRoles, "PoliciesQuota": maxPolicies,
	"InstanceProfilesQuota": maxProfiles, "ServerCertificatesQuota": 20, "GroupsPerUserQuota": maxGroupsPerUser,
	"AccessKeysPerUserQuota": maxKeysPerUser, "SigningCertificatesPerUserQuota": 2, "AttachedPoliciesPerUserQuota": maxAttached,
	"AttachedPoliciesPerGroupQuota": maxAttached, "AttachedPoliciesPerRoleQuota": maxAttached, "VersionsPerPolicyQuota": maxVersions,
	"PolicySizeQuota": maxManagedPolicy, "AssumeRolePolicySizeQuota": maxTrustPolicy, "PolicyVersionsInUseQuota": 10000,
	"UserPolicySizeQuota": 2048, "GroupPolicySizeQuota": 5120, "RolePolicySizeQuota": 10240, "GlobalEndpointTokenVersion": 2,
}

func (s *svc) getAccountSummary(ctx context.Context, c *service.Call, _ *api.GetAccountSummaryInput) (*api.GetAccountSummaryOutput, error) {
	out := &api.GetAccountSummaryOutput{}
	return out, c.View(ctx, func(tx *kv.Tx) error {
		m := map[string]int32{}
		for k, v := range quotas {
			m[k] = v
		}
		for name, kind := range map[string]identity.Kind{
			"Users": identity.KindUser, "Groups": identity.KindGroup, "Roles": identity.KindRole, "Policies": identity.KindPolicy,
			"InstanceProfiles": identity.KindProfile, "MFADevices": identity.KindMFA, "ServerCertificates": identity.KindServerCertificate,
		} {
			n, err := identity.Count(tx, c.Account, kind)
			if err != nil {
				return err
			}
			m[name] = int32(n)
		}
		if err := summarize(tx, c, m); err != nil {
			return err
		}
		out.SummaryMap = m
		return nil
	})
}

// summarize adds what has to be counted.
func summarize(tx *kv.Tx, c *service.Call, m map[string]int32) error {
	m["Providers"], m["AccountSigningCertificatesPresent"], m["AccountPasswordPresent"] = 0, 0, 0
	for _, kind := range []identity.Kind{identity.KindOIDCProvider, identity.KindSAMLProvider} {
		n, err := identity.Count(tx, c.Account, kind)
		if err != nil {
			return err
		}
		m["Providers"] += int32(n)
	}
	m["PolicyVersionsInUse"] = 0
	for r, err := range identity.Policies.Scan(tx, c.Account, nil) {
		if err != nil {
			return err
		}
		m["PolicyVersionsInUse"] += int32(len(r.Value.Versions))
	}
	m["MFADevicesInUse"], m["AccountMFAEnabled"] = 0, 0
	for r, err := range identity.MFADevices.Scan(tx, c.Account, nil) {
		if err != nil {
			return err
		}
		if r.Value.Enabled.IsZero() {
			continue
		}
		m["MFADevicesInUse"]++
		if r.Value.UserID == string(c.Account) {
			m["AccountMFAEnabled"] = 1
		}
	}
	keys, err := entity.CountRows(identity.KeysOf, tx, c.Account, "")
	m["AccountAccessKeysPresent"] = int32(min(keys, 1))
	return err
}
