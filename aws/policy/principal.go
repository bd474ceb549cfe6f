package policy

import (
	"regexp"
	"strings"
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/arn"
)

// PrincipalType says what kind of caller a [Principal] is.
type PrincipalType uint8

const (
	// Anonymous sent no credentials. It is the zero value, so that a forgotten
	// type grants nothing.
	Anonymous PrincipalType = iota
	// Root is an account's root user.
	Root
	// User is an IAM user, with its own keys or a session from GetSessionToken.
	User
	// AssumedRole is a role's session.
	AssumedRole
	// FederatedUser is a session from GetFederationToken.
	FederatedUser
	// WebIdentity is the caller of AssumeRoleWithWebIdentity or
	// AssumeRoleWithSAML, known by its provider.
	WebIdentity
	// Service is an AWS service that calls in its own name.
	Service
)

// keyValue is the value of aws:PrincipalType; AWS defines none for services.
func (t PrincipalType) keyValue() string {
	switch t {
	case Anonymous:
		return "Anonymous"
	case Root:
		return "Account"
	case User:
		return "User"
	case AssumedRole:
		return "AssumedRole"
	case FederatedUser:
		return "FederatedUser"
	default:
		return ""
	}
}

// Principal is who calls.
type Principal struct {
	// Type says which of the other fields apply.
	Type PrincipalType
	// ARN is as GetCallerIdentity answers it: for a session, the session's.
	ARN string
	// AccountID is the caller's account; "" for Anonymous, WebIdentity and Service.
	AccountID arn.AccountID
	// UserID is as GetCallerIdentity answers it: "AIDA…", "AROA…:session",
	// "account:name" for a federated user, the account for root.
	UserID string
	// UserName is an IAM user's name.
	UserName string
	// RoleARN is the ARN of an assumed role, with its path.
	RoleARN string
	// UserARN is the ARN of the user who made a FederatedUser's session.
	UserARN string
	// SessionName is the name of a role's session.
	SessionName string
	// SourceIdentity is what was set when the role was assumed.
	SourceIdentity string
	// Tags are the tags of the user or role, overlaid with those of the session.
	Tags map[string]string
	// Service is a service principal's name, such as "events.amazonaws.com".
	Service string
	// FederatedProvider is the identity provider of a WebIdentity and of the
	// role session made for one: a provider's ARN, or "accounts.google.com".
	FederatedProvider string
	// CanonicalUser is the account's canonical user id in S3.
	CanonicalUser string
	// AccessKeyID is the key that signed; no decision depends on it.
	AccessKeyID string
	// MFAAge is how long ago MFA was given for this session; nil when it was not.
	MFAAge *time.Duration
	// IssuedAt is when temporary credentials were made; zero for long-term keys.
	IssuedAt time.Time
	// CalledVia are the services that forward this call in the caller's name,
	// the first one first.
	CalledVia []string
	// Limits are the policies that temporary credentials were made with; nil
	// for none. [Evaluate] gets them, compiled, in its [Set].
	Limits *SessionLimits
}

// SessionLimits are session policies: documents, and ARNs of managed policies.
type SessionLimits struct {
	Documents []string
	Managed   []string
}

func (p *Principal) temporary() bool { return !p.IssuedAt.IsZero() }

// arnForKey is the value of aws:PrincipalArn: for a role's session, the role's.
func (p *Principal) arnForKey() string {
	if p.Type == AssumedRole {
		return p.RoleARN
	}
	return p.ARN
}

// serviceLinked reports whether p is a session of a service-linked role, which
// service control policies do not touch.
func (p *Principal) serviceLinked() bool {
	return p.Type == AssumedRole && strings.Contains(p.RoleARN, ":role/aws-service-role/")
}

// hasIdentity reports whether p can have identity-based policies.
func (p *Principal) hasIdentity() bool {
	switch p.Type {
	case Root, User, AssumedRole, FederatedUser:
		return true
	default:
		return false
	}
}

// grant is how directly a Principal element names the caller; a stronger one
// is larger.
type grant uint8

const (
	grantNone    grant = iota
	grantAccount       // the caller's account, which then decides by identity-based policies
	grantIssuer        // the role or user behind the session: boundary and session policy limit it
	grantDirect        // the caller itself, or everybody
)

type principalKind uint8

const (
	namesEverybody principalKind = iota
	namesAccount
	namesARN // a user, role, session or federated user
	namesID  // a unique id, which IAM leaves behind when the entity is deleted
	namesService
	namesProvider
	namesCanonical
)

// principalPattern is one entry of a Principal element.
type principalPattern struct {
	element string // "AWS", "Service", "Federated", "CanonicalUser"
	text    string
	kind    principalKind
	account arn.AccountID
}

// match says how e names p.
func (e *principalPattern) match(p *Principal) grant {
	switch e.kind {
	case namesEverybody:
		return grantDirect
	case namesAccount:
		return accountGrant(p, p.hasIdentity() && p.AccountID == e.account)
	case namesCanonical:
		return accountGrant(p, p.hasIdentity() && p.CanonicalUser == e.text)
	case namesARN:
		switch {
		case !p.hasIdentity():
		case p.ARN == e.text:
			return grantDirect
		case p.Type == AssumedRole && p.RoleARN == e.text, p.Type == FederatedUser && p.UserARN == e.text:
			return grantIssuer
		}
	case namesID:
		switch id, _, _ := strings.Cut(p.UserID, ":"); {
		case !p.hasIdentity() || p.Type == Root || p.Type == FederatedUser:
		case p.UserID == e.text:
			return grantDirect
		case id == e.text:
			return grantIssuer
		}
	case namesService:
		if p.Type == Service && p.Service == e.text {
			return grantDirect
		}
	case namesProvider:
		switch {
		case p.FederatedProvider != e.text:
		case p.Type == WebIdentity:
			return grantDirect
		case p.Type == AssumedRole:
			return grantIssuer
		}
	}
	return grantNone
}

func accountGrant(p *Principal, same bool) grant {
	switch {
	case !same:
		return grantNone
	case p.Type == Root:
		return grantDirect
	default:
		return grantAccount
	}
}

var (
	principalARN  = regexp.MustCompile(`^arn:aws[a-z-]*:(iam::([0-9]{12}|cloudfront):(user|role)/[^*?]+|sts::[0-9]{12}:(assumed-role/[^/*?]+/[^/*?]+|federated-user/[^/*?]+))$`)
	rootARN       = regexp.MustCompile(`^arn:aws[a-z-]*:iam::([0-9]{12}):root$`)
	uniqueID      = regexp.MustCompile(`^(AIDA|AROA)[A-Z0-9]{12,}(:[\w+=,.@-]+)?$`)
	serviceName   = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]*\.(amazonaws\.com(\.cn)?|aws\.internal)$`)
	providerARN   = regexp.MustCompile(`^arn:aws[a-z-]*:iam::[0-9]{12}:(saml-provider|oidc-provider)/[^*]+$`)
	canonicalUser = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// webProviders are the providers that a trust policy names by host.
var webProviders = map[string]bool{
	"accounts.google.com": true, "cognito-identity.amazonaws.com": true,
	"graph.facebook.com": true, "www.amazon.com": true,
}

// compilePrincipal compiles one entry; ok is false when it names nobody.
func compilePrincipal(element, text string) (e principalPattern, ok bool) {
	e = principalPattern{element: element, text: text}
	switch element {
	case "AWS":
		return e.compileAWS()
	case "Service":
		e.kind = namesService
		return e, serviceName.MatchString(text)
	case "Federated":
		e.kind = namesProvider
		return e, webProviders[text] || providerARN.MatchString(text)
	default:
		e.kind = namesCanonical
		return e, canonicalUser.MatchString(text)
	}
}

func (e principalPattern) compileAWS() (principalPattern, bool) {
	switch {
	case e.text == "*":
		e.kind = namesEverybody
	case arn.AccountID(e.text).Valid():
		e.kind, e.account = namesAccount, arn.AccountID(e.text)
	case principalARN.MatchString(e.text):
		e.kind = namesARN
	case uniqueID.MatchString(e.text):
		e.kind = namesID
	default:
		m := rootARN.FindStringSubmatch(e.text)
		if m == nil {
			return e, false
		}
		e.kind, e.account = namesAccount, arn.AccountID(m[1])
	}
	return e, true
}

// exempts reports whether e, in a NotPrincipal element, leaves p alone. AWS
// asks for the caller itself here: an account stands for its root user only,
// and a role does not stand for its sessions.
func (e *principalPattern) exempts(p *Principal) bool { return e.match(p) == grantDirect }
