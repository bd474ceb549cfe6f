package sts

import (
	"context"
	"maps"
	"slices"

	api "github.com/gigawatt-cloud/gigawatt/api/stsapi"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
)

// assumeRoleWithWebIdentity needs no credentials: the token is what is
// checked, and then whether the role trusts whom it names.
func (s *svc) assumeRoleWithWebIdentity(ctx context.Context, c *service.Call, in *api.AssumeRoleWithWebIdentityInput) (*api.AssumeRoleWithWebIdentityOutput, error) {
	t, err := parseToken(in.WebIdentityToken)
	if err != nil {
		return nil, err
	}
	account, kind, _ := identity.ParseARN(in.RoleArn)
	if kind != identity.KindRole {
		return nil, errValidation("%s is invalid", in.RoleArn)
	}
	var p *identity.OIDCProvider
	err = c.View(ctx, func(tx *kv.Tx) (err error) {
		p, err = identity.OIDCProviders.Find(tx, account, identity.OIDCName(t.Issuer))
		if err == nil && p.URL != t.Issuer {
			err = kv.ErrNotFound
		}
		return err
	})
	if isNotFound(err) {
		return nil, errToken("No OpenIDConnect provider found in your account for %s", t.Issuer)
	}
	if err != nil {
		return nil, err
	}
	if err := s.verify(ctx, t, p, c.Now); err != nil {
		return nil, err
	}
	r := &federated{
		action: "sts:AssumeRoleWithWebIdentity", roleARN: in.RoleArn, provider: identity.OIDCProviders.ARN(account, p),
		session: in.RoleSessionName, source: t.Source, keys: t.keys(p.Name), subject: t.Subject,
		seconds: in.DurationSeconds, document: in.Policy, policies: in.PolicyArns, transitive: t.Tags.Transitive,
	}
	for _, k := range slices.Sorted(maps.Keys(t.Tags.Principal)) {
		v := t.Tags.Principal[k]
		if len(v) != 1 {
			return nil, errToken("The principal tag %s must have one value", k)
		}
		r.tags = append(r.tags, api.Tag{Key: k, Value: v[0]})
	}
	x, cred, packed, err := s.federate(ctx, c, r)
	if err != nil {
		return nil, err
	}
	aud := t.Audience[0]
	if t.Party != "" {
		aud = t.Party
	}
	out := &api.AssumeRoleWithWebIdentityOutput{
		Credentials: cred, AssumedRoleUser: &api.AssumedRoleUser{AssumedRoleId: x.UserID, Arn: x.ARN}, PackedPolicySize: packed,
		SubjectFromWebIdentityToken: &t.Subject, Provider: &t.Issuer, Audience: &aud,
	}
	if t.Source != "" {
		out.SourceIdentity = &t.Source
	}
	return out, nil
}
