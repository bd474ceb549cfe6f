// Package sts is AWS Security Token Service: temporary credentials for users,
// roles and federated users, and who a caller is.
//
// Credentials are sealed into their session token by package identity, so
// nothing here is stored. AssumeRole's permission is decided by the gateway,
// which gets the role's trust policy from [svc.resource]; that of somebody whom
// an identity provider vouches for, in federate.go. What the session may then
// do is decided call by call, from the policies of the role at that time.
package sts

import (
	"context"
	"strings"

	api "github.com/gigawatt-cloud/gigawatt/api/stsapi"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
)

type svc struct {
	who  *identity.Store
	keys keyRing
}

// New returns the service. web reads the public keys of identity providers.
func New(_ service.Env, who *identity.Store, web Fetcher) *service.Service {
	s := &svc{who: who, keys: keyRing{from: web}}
	return &service.Service{
		Name: "sts", Resource: s.resource,
		Handlers: []*service.Handler{
			service.Handle(api.AssumeRole, needAssumeRole, s.assumeRole).Refuse("ProvidedContexts", "MinimumSessionTokenSize"),
			service.Handle(api.AssumeRoleWithSAML, service.Public, s.assumeRoleWithSAML).Refuse("MinimumSessionTokenSize"),
			service.Handle(api.AssumeRoleWithWebIdentity, service.Public, s.assumeRoleWithWebIdentity).Refuse("MinimumSessionTokenSize", "ProviderId"),
			service.Handle(api.DecodeAuthorizationMessage, needDecodeAuthorizationMessage, s.decodeAuthorizationMessage),
			service.Handle(api.GetAccessKeyInfo, needGetAccessKeyInfo, s.getAccessKeyInfo),
			service.Handle(api.GetCallerIdentity, service.Public, s.getCallerIdentity),
			service.Handle(api.GetFederationToken, needGetFederationToken, s.getFederationToken).Refuse("MinimumSessionTokenSize"),
			service.Handle(api.GetSessionToken, service.Public, s.getSessionToken).Refuse("MinimumSessionTokenSize"),
		},
	}
}

// resource tells the permission check who a role trusts, and its tags.
func (s *svc) resource(ctx context.Context, c *service.Call, n policy.Need) (service.Resource, error) {
	account, kind, _ := identity.ParseARN(n.Resource)
	if kind != identity.KindRole {
		return service.Resource{}, nil
	}
	r := service.Resource{Account: account}
	err := c.View(ctx, func(tx *kv.Tx) error {
		role, trust, err := s.who.TrustPolicy(tx, n.Resource)
		if err != nil {
			return err
		}
		r.Policies, r.Context = []policy.Source{trust}, policy.Context{}
		if role == nil {
			return nil
		}
		for _, t := range role.Tags {
			r.Context.Set("aws:ResourceTag/"+t.Key, t.Value)
			r.Context.Set("iam:ResourceTag/"+t.Key, t.Value)
		}
		return nil
	})
	return r, err
}

// callerSession is the session that the call was signed with; nil for
// long-lived keys.
func (s *svc) callerSession(c *service.Call) *identity.Session {
	if c.Principal.IssuedAt.IsZero() {
		return nil
	}
	for name, values := range c.Transport.Header {
		if !strings.EqualFold(name, "X-Amz-Security-Token") || len(values) == 0 {
			continue
		}
		if x, err := s.who.Session(c.Principal.AccessKeyID, values[0], c.Now); err == nil {
			return x
		}
	}
	return nil
}

func errAccessDenied(format string, args ...any) error {
	return awserr.New("AccessDenied", 403, format, args...)
}

func errValidation(format string, args ...any) error {
	return awserr.New("ValidationError", 400, format, args...)
}

// value is what p points to, or the zero value.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
