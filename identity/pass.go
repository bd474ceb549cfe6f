package identity

import (
	"strings"

	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
)

// PassNeed is the permission to hand a role to a service, such as
// "lambda.amazonaws.com". An operation that takes a role's ARN needs it beside
// its own. It ignores nothing: a string that is no ARN is needed as it stands.
func PassNeed(roleARN, service string) policy.Need {
	n := policy.Need{Action: "iam:PassRole", Resource: roleARN, Context: policy.Context{}}
	n.Context.Set("iam:PassedToService", service)
	if a, err := arn.Parse(roleARN); err == nil {
		n.ResourceAccount = a.AccountID
	}
	return n
}

// SplitARN returns the kind and the name of an IAM resource, whatever its
// path; the kind is "" for anything else.
func SplitARN(s string) (Kind, string) {
	_, kind, name := ParseARN(s)
	return kind, name
}

// ParseARN is SplitARN, with the account that owns the resource.
func ParseARN(s string) (arn.AccountID, Kind, string) {
	a, err := arn.Parse(s)
	if err != nil || a.Service != "iam" {
		return "", "", s
	}
	kind, rest, ok := strings.Cut(a.Resource, "/")
	if !ok {
		return a.AccountID, "", a.Resource
	}
	if Kind(kind) == KindOIDCProvider { // the slashes in it are the issuer's
		return a.AccountID, KindOIDCProvider, rest
	}
	return a.AccountID, Kind(kind), rest[strings.LastIndexByte(rest, '/')+1:]
}
