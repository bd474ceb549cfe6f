package sts

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	api "github.com/gigawatt-cloud/gigawatt/api/stsapi"
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/aws/saml"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
)

// The attributes of AWS in an assertion.
const (
	attrPrefix     = "https://aws.amazon.com/SAML/Attributes/"
	attrRole       = attrPrefix + "Role"
	attrSession    = attrPrefix + "RoleSessionName"
	attrSource     = attrPrefix + "SourceIdentity"
	attrTransitive = attrPrefix + "TransitiveTagKeys"
	attrTag        = attrPrefix + "PrincipalTag:"
)

// Whom an assertion for AWS names as its reader.
const (
	audienceURN = "urn:amazon:webservices"
	signInURL   = "https://signin.aws.amazon.com/saml"
)

// recipient matches the sign-in addresses of AWS and of its regions.
var recipient = regexp.MustCompile(`^https://([a-z0-9-]+\.)?signin\.(aws\.amazon\.com|amazonaws-us-gov\.com|amazonaws\.cn)/saml(/acs/[A-Za-z0-9]+)?$`)

// redeem is how long after its issue an assertion may be used.
const redeem = 5 * time.Minute

var sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)

// assumeRoleWithSAML needs no credentials: the assertion is what is checked,
// and then whether the role trusts whom it names.
func (s *svc) assumeRoleWithSAML(ctx context.Context, c *service.Call, in *api.AssumeRoleWithSAMLInput) (*api.AssumeRoleWithSAMLOutput, error) {
	provider, a, confirmed, err := s.assertion(ctx, c, in)
	if err != nil {
		return nil, err
	}
	account, _, name := identity.ParseARN(in.PrincipalArn)
	r := &federated{
		action: "sts:AssumeRoleWithSAML", roleARN: in.RoleArn, provider: identity.SAMLProviders.ARN(account, provider), subject: a.Subject,
		seconds: in.DurationSeconds, document: in.Policy, policies: in.PolicyArns, until: a.SessionNotOnOrAfter,
	}
	if err := r.read(a, in); err != nil {
		return nil, err
	}
	qualifier := nameQualifier(a.Issuer, account, name)
	kind := subjectType(a.SubjectFormat)
	r.keys = samlKeys(a, confirmed.Recipient, qualifier, kind, string(account)+"/"+name)
	x, cred, packed, err := s.federate(ctx, c, r)
	if err != nil {
		return nil, err
	}
	out := &api.AssumeRoleWithSAMLOutput{
		Credentials: cred, AssumedRoleUser: &api.AssumedRoleUser{AssumedRoleId: x.UserID, Arn: x.ARN}, PackedPolicySize: packed,
		Subject: &a.Subject, SubjectType: &kind, Issuer: &a.Issuer, Audience: &confirmed.Recipient, NameQualifier: &qualifier,
	}
	if r.source != "" {
		out.SourceIdentity = &r.source
	}
	return out, nil
}

// assertion verifies what the provider says, and that it says it to AWS and now.
func (s *svc) assertion(ctx context.Context, c *service.Call, in *api.AssumeRoleWithSAMLInput) (*identity.SAMLProvider, *saml.Assertion, *saml.Confirmation, error) {
	account, kind, _ := identity.ParseARN(in.PrincipalArn)
	if kind != identity.KindSAMLProvider {
		return nil, nil, nil, errValidation("%s is invalid", in.PrincipalArn)
	}
	response, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(in.SAMLAssertion), ""))
	if err != nil {
		return nil, nil, nil, errToken("Invalid base64 SAMLResponse")
	}
	var p *identity.SAMLProvider
	err = c.View(ctx, func(tx *kv.Tx) (err error) {
		p, err = identity.FindSAMLProvider(tx, account, in.PrincipalArn)
		return err
	})
	if isNotFound(err) {
		return nil, nil, nil, errToken("Specified provider doesn't exist")
	}
	if err != nil {
		return nil, nil, nil, err
	}
	if !c.Now.Before(p.ValidUntil) {
		return nil, nil, nil, errToken("The metadata of the provider has expired")
	}
	md, err := saml.ParseMetadata([]byte(p.Metadata))
	if err != nil {
		return nil, nil, nil, err
	}
	a, err := saml.Verify(response, md)
	if err != nil {
		return nil, nil, nil, samlError(err)
	}
	confirmed, err := a.Check(c.Now, recipient.MatchString)
	switch {
	case err != nil:
		return nil, nil, nil, samlError(err)
	case confirmed == nil:
		return nil, nil, nil, errToken("The recipient of the assertion is not a sign-in address of AWS")
	case !a.For(audienceURN, signInURL):
		return nil, nil, nil, errToken("Audience is not valid: the assertion is not for %s", audienceURN)
	case c.Now.After(a.IssueInstant.Add(redeem)):
		return nil, nil, nil, api.ErrExpiredTokenException("Token must be redeemed within 5 minutes of issuance")
	}
	return p, a, confirmed, nil
}

// samlError is what AWS says of a response that is not taken.
func samlError(err error) error {
	switch {
	case errors.Is(err, saml.ErrStatus):
		return api.ErrIDPRejectedClaimException("The identity provider reported that authentication failed")
	case errors.Is(err, saml.ErrSignature):
		return errToken("Response signature invalid")
	case errors.Is(err, saml.ErrIssuer):
		return errToken("Issuer not present in specified provider")
	case errors.Is(err, saml.ErrExpired):
		return api.ErrExpiredTokenException("The assertion has expired")
	case errors.Is(err, saml.ErrNotYet):
		return errToken("The assertion is not valid yet")
	case errors.Is(err, saml.ErrEncrypted):
		return errToken("Encrypted assertions are not supported")
	}
	return errToken("Invalid SAML response")
}

// read takes the attributes of AWS.
func (r *federated) read(a *saml.Assertion, in *api.AssumeRoleWithSAMLInput) error {
	if !slices.ContainsFunc(a.Attributes[attrRole], func(pair string) bool {
		one, two, _ := strings.Cut(pair, ",")
		one, two = strings.TrimSpace(one), strings.TrimSpace(two)
		return one == in.RoleArn && two == in.PrincipalArn || one == in.PrincipalArn && two == in.RoleArn
	}) {
		return awserr.New("AccessDenied", 403, "Not authorized to perform sts:AssumeRoleWithSAML")
	}
	names := a.Attributes[attrSession]
	if len(names) != 1 {
		return errToken("RoleSessionName is required in AuthnResponse")
	}
	if r.session = names[0]; !sessionName.MatchString(r.session) {
		return errToken("RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}")
	}
	if source := a.Attributes[attrSource]; len(source) > 0 {
		if r.source = source[0]; len(source) > 1 || !sessionName.MatchString(r.source) {
			return errToken("Source Identity in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.Attributes)) {
		key, ok := strings.CutPrefix(name, attrTag)
		if !ok {
			continue
		}
		values := a.Attributes[name]
		if len(values) != 1 || key == "" || len(key) > 128 || len(values[0]) > 256 {
			return errToken("The principal tag %s in AuthnResponse must have one value", key)
		}
		r.tags = append(r.tags, api.Tag{Key: key, Value: values[0]})
	}
	r.transitive = a.Attributes[attrTransitive]
	return nil
}

// nameQualifier tells the same subject of two providers apart; the formula is
// that of STS's documentation.
func nameQualifier(issuer string, account arn.AccountID, provider string) string {
	sum := sha1.Sum([]byte(issuer + string(account) + "/" + provider))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// subjectType is the format of a name in short.
func subjectType(format string) string {
	const prefix = "urn:oasis:names:tc:SAML:2.0:nameid-format:"
	switch short := strings.TrimPrefix(format, prefix); short {
	case "persistent", "transient":
		return short
	}
	return format
}

// samlAttributes are the attributes of eduPerson and eduOrg that are condition keys.
var samlAttributes = map[string]string{
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.1": "edupersonaffiliation", "urn:oid:1.3.6.1.4.1.5923.1.1.1.2": "edupersonnickname",
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.3": "edupersonorgdn", "urn:oid:1.3.6.1.4.1.5923.1.1.1.4": "edupersonorgunitdn",
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.5": "edupersonprimaryaffiliation", "urn:oid:1.3.6.1.4.1.5923.1.1.1.6": "edupersonprincipalname",
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.7": "edupersonentitlement", "urn:oid:1.3.6.1.4.1.5923.1.1.1.8": "edupersonprimaryorgunitdn",
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.9": "edupersonscopedaffiliation", "urn:oid:1.3.6.1.4.1.5923.1.1.1.10": "edupersontargetedid",
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.11": "edupersonassurance", "urn:oid:1.3.6.1.4.1.5923.1.2.1.2": "eduorghomepageuri",
	"urn:oid:1.3.6.1.4.1.5923.1.2.1.3": "eduorgidentityauthnpolicyuri", "urn:oid:1.3.6.1.4.1.5923.1.2.1.4": "eduorglegalname",
	"urn:oid:1.3.6.1.4.1.5923.1.2.1.5": "eduorgsuperioruri", "urn:oid:1.3.6.1.4.1.5923.1.2.1.6": "eduorgwhitepagesuri",
	"urn:oid:2.5.4.3": "cn", "urn:oid:2.5.4.4": "surname", "urn:oid:2.5.4.42": "givenname", "urn:oid:2.5.4.10": "organizationname",
	"urn:oid:2.5.4.45": "x500uniqueidentifier", "urn:oid:0.9.2342.19200300.100.1.1": "uid", "urn:oid:0.9.2342.19200300.100.1.3": "mail",
}

// samlKeys are the condition keys of an assertion.
func samlKeys(a *saml.Assertion, audience, qualifier, kind, doc string) policy.Context {
	keys := policy.Context{}
	for name, values := range map[string]string{
		"aud": audience, "iss": a.Issuer, "sub": a.Subject, "sub_type": kind, "namequalifier": qualifier, "doc": doc,
	} {
		keys.Set("saml:"+name, values)
	}
	for name, values := range a.Attributes {
		if short, ok := samlAttributes[name]; ok {
			keys.Set("saml:"+short, values...)
		}
	}
	return keys
}
