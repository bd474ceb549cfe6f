package iam

import (
	"errors"
	"net/url"
	"strings"

	api "github.com/gigawatt-cloud/gigawatt/api/iamapi"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/services/iam/entity"
)

// Sizes of documents, without white space, that AWS allows by default.
const (
	maxManagedPolicy = 6144
	maxTrustPolicy   = 2048
)

// encode is how the API returns documents: URL-encoded by RFC 3986.
func encode(document string) string {
	return strings.ReplaceAll(url.QueryEscape(document), "+", "%20")
}

// parse checks a document, or returns MalformedPolicyDocument.
func parse(document string, k policy.Kind) (*policy.Document, error) {
	doc, err := policy.Parse([]byte(document), k)
	return doc, malformed(err)
}

func malformed(err error) error {
	var e *policy.SyntaxError
	if errors.As(err, &e) {
		return api.ErrMalformedPolicyDocumentException("%s", e.Reason)
	}
	return err
}

// setTrust checks and sets a role's trust policy; whom it names has to exist.
func setTrust(tx *kv.Tx, r *identity.Role, document string) error {
	doc, err := parse(document, policy.Trust)
	if err != nil {
		return err
	}
	if policy.Size([]byte(document)) > maxTrustPolicy {
		return entity.ErrQuota("ACLSizePerRole", maxTrustPolicy)
	}
	r.Trust = document
	r.Trusted, err = identity.ResolvePrincipals(tx, doc)
	return malformed(err)
}
