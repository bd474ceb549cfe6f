package sts

import (
	"context"
	"strconv"
	"strings"
	"time"

	api "github.com/gigawatt-cloud/gigawatt/api/stsapi"
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
)

// federated is somebody whom an identity provider vouches for and who wants a role.
type federated struct {
	action, roleARN string
	// provider is the ARN of the identity provider.
	provider         string
	session, subject string
	source           string
	tags             []api.Tag
	transitive       []string
	// keys are the condition keys of what the provider said.
	keys     policy.Context
	seconds  *int32
	until    time.Time // the end that the provider sets to sessions; zero for none
	document *string
	policies []api.PolicyDescriptorType
}

// federate makes a session of the role, if its trust policy allows it. The
// gateway cannot decide that, because who calls is known only by the token.
func (s *svc) federate(ctx context.Context, c *service.Call, r *federated) (x *identity.Session, cred *api.Credentials, packed *int32, err error) {
	passed, err := sessionTags(r.tags, r.transitive, nil)
	if err != nil {
		return nil, nil, nil, err
	}
	if strings.HasPrefix(strings.ToLower(r.source), "aws:") {
		return nil, nil, nil, errValidation("A source identity cannot begin with aws:.")
	}
	lasts := time.Hour
	if r.seconds != nil {
		lasts = time.Duration(*r.seconds) * time.Second
	}
	var role *identity.Role
	var trust policy.Source
	var limits *policy.SessionLimits
	var account arn.AccountID
	err = c.View(ctx, func(tx *kv.Tx) error {
		if role, trust, err = s.who.TrustPolicy(tx, r.roleARN); err != nil {
			return err
		}
		account, _, _ = identity.ParseARN(r.roleARN)
		limits, err = sessionLimits(tx, account, r.document, r.policies)
		return err
	})
	if err != nil {
		return nil, nil, nil, err
	}
	if err := r.permit(c, role, trust, account); err != nil {
		return nil, nil, nil, err
	}
	if lasts > role.MaxSession {
		return nil, nil, nil, errValidation("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	x = &identity.Session{
		Type: policy.AssumedRole, Account: account, RoleARN: r.roleARN, SessionName: r.session,
		ARN:    arn.New("sts", "", account, "assumed-role/"+role.Name+"/"+r.session).String(),
		UserID: role.ID + ":" + r.session, SourceIdentity: r.source, Provider: r.provider,
		Tags: overlay(role.Tags, passed.tags), TransitiveKeys: passed.transitive,
		Issued: c.Now, Expires: c.Now.Add(lasts), Limits: limits,
	}
	if !r.until.IsZero() && r.until.Before(x.Expires) {
		x.Expires = r.until
	}
	if !c.Now.Before(x.Expires) {
		return nil, nil, nil, api.ErrExpiredTokenException("The session at the identity provider has ended")
	}
	cred, packed, err = s.issue(c, x, r.tags)
	return x, cred, packed, err
}

// permit evaluates the role's trust policy for the action itself, for session
// tags and for a source identity. role is nil when there is none.
func (r *federated) permit(c *service.Call, role *identity.Role, trust policy.Source, account arn.AccountID) error {
	keys := tagKeys(r.tags)
	for k, v := range r.keys {
		keys[k] = v
	}
	keys.Set("sts:RoleSessionName", r.session)
	if len(r.transitive) > 0 {
		keys.Set("sts:TransitiveTagKeys", r.transitive...)
	}
	if r.source != "" {
		keys.Set("sts:SourceIdentity", r.source)
	}
	if role != nil {
		for _, t := range role.Tags {
			keys.Set("aws:ResourceTag/"+t.Key, t.Value)
			keys.Set("iam:ResourceTag/"+t.Key, t.Value)
		}
	}
	actions := []string{r.action}
	if len(r.tags) > 0 {
		actions = append(actions, "sts:TagSession")
	}
	if r.source != "" {
		actions = append(actions, "sts:SetSourceIdentity")
	}
	who := &policy.Principal{Type: policy.WebIdentity, FederatedProvider: r.provider, ARN: r.provider + ":" + r.subject}
	for _, action := range actions {
		rq := &policy.Request{
			Principal: who, Time: c.Now, Global: transportKeys(c),
			Need: policy.Need{Action: action, Resource: r.roleARN, Context: keys, ResourceAccount: account},
		}
		d := policy.Evaluate(rq, &policy.Set{Resource: []policy.Source{trust}})
		c.Decisions = append(c.Decisions, d)
		if !d.Allowed() || role == nil {
			return errAccessDenied("Not authorized to perform %s", action)
		}
	}
	return nil
}

// transportKeys are the condition keys of how a call came.
func transportKeys(c *service.Call) policy.Context {
	t := &c.Transport
	keys := policy.Context{
		"aws:sourceip":        {t.SourceIP},
		"aws:securetransport": {strconv.FormatBool(t.Secure)},
		"aws:requestedregion": {c.Region},
	}
	if t.UserAgent != "" {
		keys.Set("aws:UserAgent", t.UserAgent)
	}
	return keys
}
