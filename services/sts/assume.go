package sts

import (
	"context"
	"strings"
	"time"

	api "github.com/gigawatt-cloud/gigawatt/api/stsapi"
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
)

func needAssumeRole(c *service.Call, in *api.AssumeRoleInput) []policy.Need {
	keys := tagKeys(in.Tags)
	keys.Set("sts:RoleSessionName", in.RoleSessionName)
	if in.ExternalId != nil {
		keys.Set("sts:ExternalId", *in.ExternalId)
	}
	if len(in.TransitiveTagKeys) > 0 {
		keys.Set("sts:TransitiveTagKeys", in.TransitiveTagKeys...)
	}
	source := value(in.SourceIdentity)
	if source == "" {
		source = c.Principal.SourceIdentity
	}
	if source != "" {
		keys.Set("sts:SourceIdentity", source)
	}
	if in.SerialNumber != nil { // the handler verifies the code before it answers
		keys.Set("aws:MultiFactorAuthPresent", "true")
		keys.Set("aws:MultiFactorAuthAge", "0")
	}
	needs := []policy.Need{{Action: "sts:AssumeRole", Resource: in.RoleArn, Context: keys}}
	if len(in.Tags) > 0 {
		needs = append(needs, policy.Need{Action: "sts:TagSession", Resource: in.RoleArn, Context: keys})
	}
	if source != "" {
		needs = append(needs, policy.Need{Action: "sts:SetSourceIdentity", Resource: in.RoleArn, Context: keys})
	}
	return needs
}

// chained is the longest session of a role that a role assumes.
const chained = time.Hour

func (s *svc) assumeRole(ctx context.Context, c *service.Call, in *api.AssumeRoleInput) (*api.AssumeRoleOutput, error) {
	if err := mayAssume(c); err != nil {
		return nil, err
	}
	lasts := time.Hour
	if in.DurationSeconds != nil {
		lasts = time.Duration(*in.DurationSeconds) * time.Second
	}
	if c.Principal.Type == policy.AssumedRole && lasts > chained {
		return nil, errValidation("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	}
	from := s.callerSession(c)
	passed, err := sessionTags(in.Tags, in.TransitiveTagKeys, from)
	if err != nil {
		return nil, err
	}
	source, err := sourceIdentity(c, in)
	if err != nil {
		return nil, err
	}
	mfa, err := s.secondFactor(ctx, c, in.SerialNumber, in.TokenCode)
	if err != nil {
		return nil, err
	}
	var role *identity.Role
	var limits *policy.SessionLimits
	err = c.View(ctx, func(tx *kv.Tx) error {
		var account arn.AccountID
		if role, account, err = identity.FindRole(tx, in.RoleArn); err != nil {
			return noRole(err, c, in.RoleArn)
		}
		if lasts > role.MaxSession {
			return errValidation("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
		}
		limits, err = sessionLimits(tx, account, in.Policy, in.PolicyArns)
		return err
	})
	if err != nil {
		return nil, err
	}
	a, err := arn.Parse(in.RoleArn)
	if err != nil {
		return nil, err
	}
	x := &identity.Session{
		Type: policy.AssumedRole, Account: a.AccountID, RoleARN: in.RoleArn, SessionName: in.RoleSessionName,
		ARN:    arn.New("sts", "", a.AccountID, "assumed-role/"+role.Name+"/"+in.RoleSessionName).String(),
		UserID: role.ID + ":" + in.RoleSessionName, SourceIdentity: source,
		Tags: overlay(role.Tags, passed.tags), TransitiveKeys: passed.transitive,
		Issued: c.Now, Expires: c.Now.Add(lasts), MFA: mfa, Limits: limits,
	}
	cred, packed, err := s.issue(c, x, in.Tags)
	if err != nil {
		return nil, err
	}
	out := &api.AssumeRoleOutput{
		Credentials: cred, AssumedRoleUser: &api.AssumedRoleUser{AssumedRoleId: x.UserID, Arn: x.ARN}, PackedPolicySize: packed,
	}
	if source != "" {
		out.SourceIdentity = &source
	}
	return out, nil
}

// mayAssume refuses callers who can assume no role, whatever policies say.
//
// Differs from AWS: with --open, where the root stands for anybody and nothing
// is decided, the root may assume roles.
func mayAssume(c *service.Call) error {
	switch c.Principal.Type {
	case policy.Root:
		if len(c.Decisions) > 0 {
			return errAccessDenied("Roles may not be assumed by root accounts.")
		}
	case policy.FederatedUser:
		return errAccessDenied("Cannot call AssumeRole with credentials from GetFederationToken.")
	}
	return nil
}

// noRole tells a caller no more of a role that does not exist than of one that
// does not trust it.
func noRole(err error, c *service.Call, roleARN string) error {
	if !isNotFound(err) {
		return err
	}
	return errAccessDenied("User: %s is not authorized to perform: sts:AssumeRole on resource: %s", c.Principal.ARN, roleARN)
}

// sourceIdentity is the session's: once set, roles assumed from it keep it.
func sourceIdentity(c *service.Call, in *api.AssumeRoleInput) (string, error) {
	had, wants := c.Principal.SourceIdentity, value(in.SourceIdentity)
	switch {
	case strings.HasPrefix(strings.ToLower(wants), "aws:"):
		return "", errValidation("A source identity cannot begin with aws:.")
	case had == "":
		return wants, nil
	case wants != "" && wants != had:
		return "", errAccessDenied("The source identity of the calling session is set and cannot be changed.")
	}
	return had, nil
}
