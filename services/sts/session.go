package sts

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	api "github.com/gigawatt-cloud/gigawatt/api/stsapi"
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
)

// Lifetimes of sessions that are made with long-lived keys.
const (
	defaultLife = 12 * time.Hour
	rootLife    = time.Hour
)

// life is how long a session lasts; the root's at most an hour.
func life(c *service.Call, seconds *int32) time.Duration {
	d := defaultLife
	if seconds != nil {
		d = time.Duration(*seconds) * time.Second
	}
	if c.Principal.Type == policy.Root {
		d = min(d, rootLife)
	}
	return d
}

// longLived refuses callers whose own credentials are temporary.
func longLived(c *service.Call) error {
	p := c.Principal
	if p.IssuedAt.IsZero() && (p.Type == policy.User || p.Type == policy.Root) {
		return nil
	}
	return errAccessDenied("Cannot call %s with session credentials", c.Op.Name)
}

// getSessionToken needs no permission: the session may do what its user may.
func (s *svc) getSessionToken(ctx context.Context, c *service.Call, in *api.GetSessionTokenInput) (*api.GetSessionTokenOutput, error) {
	if err := longLived(c); err != nil {
		return nil, err
	}
	mfa, err := s.secondFactor(ctx, c, in.SerialNumber, in.TokenCode)
	if err != nil {
		return nil, err
	}
	p := c.Principal
	cred, _, err := s.issue(c, &identity.Session{
		Type: p.Type, Account: p.AccountID, ARN: p.ARN, UserID: p.UserID, UserName: p.UserName, Tags: p.Tags,
		Issued: c.Now, Expires: c.Now.Add(life(c, in.DurationSeconds)), MFA: mfa,
	}, nil)
	if err != nil {
		return nil, err
	}
	return &api.GetSessionTokenOutput{Credentials: cred}, nil
}

func needGetFederationToken(c *service.Call, in *api.GetFederationTokenInput) []policy.Need {
	resource := federatedARN(c.Account, in.Name)
	keys := tagKeys(in.Tags)
	needs := []policy.Need{{Action: "sts:GetFederationToken", Resource: resource, Context: keys}}
	if len(in.Tags) > 0 {
		needs = append(needs, policy.Need{Action: "sts:TagSession", Resource: resource, Context: keys})
	}
	return needs
}

func federatedARN(account arn.AccountID, name string) string {
	return arn.New("sts", "", account, "federated-user/"+name).String()
}

// getFederationToken makes a session that may do what both its user and the
// session policies allow: without session policies nothing but what resources
// allow it by name.
func (s *svc) getFederationToken(ctx context.Context, c *service.Call, in *api.GetFederationTokenInput) (*api.GetFederationTokenOutput, error) {
	if err := longLived(c); err != nil {
		return nil, err
	}
	passed, err := sessionTags(in.Tags, nil, nil)
	if err != nil {
		return nil, err
	}
	p := c.Principal
	var limits *policy.SessionLimits
	err = c.View(ctx, func(tx *kv.Tx) error {
		limits, err = sessionLimits(tx, p.AccountID, in.Policy, in.PolicyArns)
		return err
	})
	if err != nil {
		return nil, err
	}
	if limits == nil {
		limits = &policy.SessionLimits{}
	}
	x := &identity.Session{
		Type: policy.FederatedUser, Account: p.AccountID, ARN: federatedARN(p.AccountID, in.Name),
		UserID: string(p.AccountID) + ":" + in.Name, UserARN: p.ARN, Tags: overlayMap(p.Tags, passed.tags),
		Issued: c.Now, Expires: c.Now.Add(life(c, in.DurationSeconds)), Limits: limits,
	}
	cred, packed, err := s.issue(c, x, in.Tags)
	if err != nil {
		return nil, err
	}
	return &api.GetFederationTokenOutput{
		Credentials: cred, FederatedUser: &api.FederatedUser{FederatedUserId: x.UserID, Arn: x.ARN}, PackedPolicySize: packed,
	}, nil
}

// issue seals a session. packed is nil for a session without policies and tags.
func (s *svc) issue(c *service.Call, x *identity.Session, tags []api.Tag) (cred *api.Credentials, packed *int32, err error) {
	if x.Limits != nil || len(tags) > 0 {
		list := make([]identity.Tag, len(tags))
		for i, t := range tags {
			list[i] = identity.Tag{Key: t.Key, Value: t.Value}
		}
		percent, err := identity.PackedSize(x.Limits, list)
		if err != nil {
			return nil, nil, err
		}
		if percent > 100 {
			return nil, nil, api.ErrPackedPolicyTooLargeException("Session policies and session tags take %d%% of the space that there is for them.", percent)
		}
		n := int32(percent)
		packed = &n
	}
	token, err := s.who.Issue(c.IDs, x)
	if err != nil {
		return nil, nil, err
	}
	return &api.Credentials{AccessKeyId: x.AccessKeyID, SecretAccessKey: x.Secret, SessionToken: token, Expiration: x.Expires}, packed, nil
}

// secondFactor takes an MFA code and returns when; the zero time when none was given.
func (s *svc) secondFactor(ctx context.Context, c *service.Call, serial, code *string) (time.Time, error) {
	if serial == nil && code == nil {
		return time.Time{}, nil
	}
	if serial == nil || code == nil {
		return time.Time{}, errAccessDenied("MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code.")
	}
	p := c.Principal
	if p.Type != policy.User && p.Type != policy.Root {
		return time.Time{}, errAccessDenied("MultiFactorAuthentication failed, only users have MFA devices.")
	}
	err := c.Update(ctx, func(tx *kv.Tx) error {
		return s.who.UseMFA(tx, p.AccountID, p.UserID, *serial, *code, c.Now)
	})
	if errors.Is(err, identity.ErrMFA) {
		return time.Time{}, errAccessDenied("MultiFactorAuthentication failed with invalid MFA one time pass code.")
	}
	return c.Now, err
}

const (
	maxSessionPolicy = 2048 // characters, of the document and the ARNs together
	maxPolicyARNs    = 10
)

// sessionLimits are the session policies of a request; nil for none.
func sessionLimits(tx *kv.Tx, account arn.AccountID, document *string, arns []api.PolicyDescriptorType) (*policy.SessionLimits, error) {
	if document == nil && len(arns) == 0 {
		return nil, nil
	}
	x := &policy.SessionLimits{}
	size := 0
	if document != nil {
		if _, err := policy.Parse([]byte(*document), policy.Session); err != nil {
			return nil, malformed(err)
		}
		x.Documents = []string{*document}
		size = len(*document)
	}
	if len(arns) > maxPolicyARNs {
		return nil, errValidation("A session takes at most %d PolicyArns.", maxPolicyARNs)
	}
	for _, d := range arns {
		a := value(d.Arn)
		if _, err := identity.FindPolicy(tx, account, a); isNotFound(err) {
			return nil, api.ErrMalformedPolicyDocumentException("The managed policy %s does not exist.", a)
		} else if err != nil {
			return nil, err
		}
		x.Managed = append(x.Managed, a)
		size += len(a)
	}
	if size > maxSessionPolicy {
		return nil, api.ErrPackedPolicyTooLargeException("Session policies have %d characters; at most %d are allowed.", size, maxSessionPolicy)
	}
	return x, nil
}

func malformed(err error) error {
	var e *policy.SyntaxError
	if errors.As(err, &e) {
		return api.ErrMalformedPolicyDocumentException("%s", e.Reason)
	}
	return err
}

func isNotFound(err error) bool { return errors.Is(err, kv.ErrNotFound) }

// tagKeys are the condition keys of session tags.
func tagKeys(tags []api.Tag) policy.Context {
	keys := policy.Context{}
	var names []string
	for _, t := range tags {
		keys.Set("aws:RequestTag/"+t.Key, t.Value)
		names = append(names, t.Key)
	}
	if names != nil {
		keys.Set("aws:TagKeys", names...)
	}
	return keys
}

// passedTags are the tags of a session, with those that its caller's session
// hands on.
type passedTags struct {
	tags       map[string]string
	transitive []string
}

func sessionTags(tags []api.Tag, transitive []string, from *identity.Session) (passedTags, error) {
	out := passedTags{tags: map[string]string{}}
	if from != nil {
		for _, k := range from.TransitiveKeys {
			out.tags[k] = from.Tags[k]
		}
		out.transitive = slices.Clone(from.TransitiveKeys)
	}
	seen := map[string]string{}
	for _, t := range tags {
		fold := strings.ToLower(t.Key)
		if _, ok := seen[fold]; ok {
			return out, errParameter("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		if strings.HasPrefix(fold, "aws:") {
			return out, errParameter("Tag keys that begin with aws: are reserved.")
		}
		if containsFold(out.transitive, t.Key) {
			return out, errParameter("The tag %s is a transitive tag of the calling session and cannot be set again.", t.Key)
		}
		seen[fold] = t.Key
	}
	for _, t := range tags {
		out.tags[t.Key] = t.Value
	}
	for _, k := range transitive {
		key, ok := seen[strings.ToLower(k)]
		if !ok {
			return out, errParameter("The specified transitive tag key must be included in the requested tags.")
		}
		if !slices.Contains(out.transitive, key) {
			out.transitive = append(out.transitive, key)
		}
	}
	return out, nil
}

func containsFold(list []string, s string) bool {
	return slices.ContainsFunc(list, func(t string) bool { return strings.EqualFold(s, t) })
}

func errParameter(format string, args ...any) error {
	return awserr.New("InvalidParameterValue", 400, format, args...)
}

// overlay puts session tags over those of a role.
func overlay(under []identity.Tag, over map[string]string) map[string]string {
	return overlayMap(identity.TagMap(under), over)
}

func overlayMap(under, over map[string]string) map[string]string {
	out := make(map[string]string, len(under)+len(over))
	for k, v := range over {
		out[k] = v
	}
	for k, v := range under {
		covered := false
		for o := range over {
			covered = covered || strings.EqualFold(o, k)
		}
		if !covered {
			out[k] = v
		}
	}
	return out
}
