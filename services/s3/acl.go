package s3

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
)

// acl is an access control list.
type acl struct {
	Owner  arn.AccountID `cbor:"owner"`
	Grants []grant       `cbor:"grants"`
}

// grant gives a permission to an account, by its canonical id, or to a group.
type grant struct {
	Canonical  string `cbor:"canonical"`
	Group      string `cbor:"group"`
	Permission string `cbor:"permission"`
}

// The predefined groups.
const (
	groupAll  = "http://acs.amazonaws.com/groups/global/AllUsers"
	groupAuth = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
	groupLog  = "http://acs.amazonaws.com/groups/s3/LogDelivery"
)

// canonicalID is an account's canonical user id: 64 hexadecimal digits that
// follow from its number.
func canonicalID(a arn.AccountID) string {
	sum := sha256.Sum256([]byte("gigawatt canonical user " + string(a)))
	return hex.EncodeToString(sum[:])
}

func owner(a arn.AccountID) *s3api.Owner {
	return &s3api.Owner{ID: ptr(canonicalID(a)), DisplayName: ptr(string(a))}
}

// aclHeaders are the members by which a request sets an ACL.
type aclHeaders struct {
	canned, full, read, readACP, write, writeACP *string
}

func (h *aclHeaders) any() bool {
	return h.canned != nil || h.full != nil || h.read != nil || h.readACP != nil || h.write != nil || h.writeACP != nil
}

var (
	bucketCanned = []string{"private", "public-read", "public-read-write", "authenticated-read", "log-delivery-write"}
	objectCanned = []string{"private", "public-read", "public-read-write", "authenticated-read", "aws-exec-read", "bucket-owner-read", "bucket-owner-full-control"}
)

// newACL makes the ACL of something that account owns in a bucket of
// bucketOwner's.
func newACL(account, bucketOwner arn.AccountID, h aclHeaders, canned []string) (*acl, error) {
	a := &acl{Owner: account}
	if h.canned != nil && (h.full != nil || h.read != nil || h.readACP != nil || h.write != nil || h.writeACP != nil) {
		return nil, errInvalidRequest("Specifying both Canned ACLs and Header Grants is not allowed")
	}
	for _, g := range []struct {
		header     *string
		permission string
	}{{h.full, "FULL_CONTROL"}, {h.read, "READ"}, {h.readACP, "READ_ACP"}, {h.write, "WRITE"}, {h.writeACP, "WRITE_ACP"}} {
		if g.header == nil {
			continue
		}
		grants, err := parseGrants(*g.header, g.permission)
		if err != nil {
			return nil, err
		}
		a.Grants = append(a.Grants, grants...)
	}
	if len(a.Grants) > 0 {
		return a, nil
	}
	a.Grants = []grant{{Canonical: canonicalID(account), Permission: "FULL_CONTROL"}}
	name := "private"
	if h.canned != nil {
		name = *h.canned
	}
	known := false
	for _, k := range canned {
		known = known || k == name
	}
	if !known {
		return nil, errInvalidArgument("", "x-amz-acl", name)
	}
	add := func(g grant) { a.Grants = append(a.Grants, g) }
	switch name {
	case "public-read":
		add(grant{Group: groupAll, Permission: "READ"})
	case "public-read-write":
		add(grant{Group: groupAll, Permission: "READ"})
		add(grant{Group: groupAll, Permission: "WRITE"})
	case "authenticated-read":
		add(grant{Group: groupAuth, Permission: "READ"})
	case "log-delivery-write":
		add(grant{Group: groupLog, Permission: "WRITE"})
		add(grant{Group: groupLog, Permission: "READ_ACP"})
	case "bucket-owner-read":
		if bucketOwner != account {
			add(grant{Canonical: canonicalID(bucketOwner), Permission: "READ"})
		}
	case "bucket-owner-full-control":
		if bucketOwner != account {
			add(grant{Canonical: canonicalID(bucketOwner), Permission: "FULL_CONTROL"})
		}
	}
	return a, nil
}

// parseGrants reads a grant header: id="…", uri="…" separated by commas.
func parseGrants(header, permission string) ([]grant, error) {
	var out []grant
	for part := range strings.SplitSeq(header, ",") {
		kind, v, ok := strings.Cut(strings.TrimSpace(part), "=")
		v = strings.Trim(v, `"`)
		switch {
		case !ok:
			return nil, errInvalidArgument("Argument format not recognized", "x-amz-grant-"+strings.ToLower(permission), header)
		case kind == "id":
			if !validCanonical(v) {
				return nil, errInvalidArgument("Invalid id", "id", v)
			}
			out = append(out, grant{Canonical: v, Permission: permission})
		case kind == "uri":
			if v != groupAll && v != groupAuth && v != groupLog {
				return nil, errInvalidArgument("Invalid group uri", "uri", v)
			}
			out = append(out, grant{Group: v, Permission: permission})
		case kind == "emailAddress":
			return nil, awserr.New("UnresolvableGrantByEmailAddress", 400, "The email address you provided does not match any account on record.")
		default:
			return nil, errInvalidArgument("Argument format not recognized", kind, v)
		}
	}
	return out, nil
}

func validCanonical(id string) bool {
	b, err := hex.DecodeString(id)
	return err == nil && len(b) == sha256.Size
}

// parseACL checks an ACL in a request's body.
func parseACL(in *s3api.AccessControlPolicy, account arn.AccountID) (*acl, error) {
	if in.Owner == nil || in.Owner.ID == nil {
		return nil, awserr.New("MalformedACLError", 400, "The XML you provided was not well-formed or did not validate against our published schema")
	}
	if *in.Owner.ID != canonicalID(account) {
		return nil, errAccessDenied("Access Denied")
	}
	a := &acl{Owner: account}
	for _, g := range in.Grants {
		if g.Grantee == nil || g.Permission == nil {
			return nil, awserr.New("MalformedACLError", 400, "The XML you provided was not well-formed or did not validate against our published schema")
		}
		switch *g.Permission {
		case "FULL_CONTROL", "READ", "WRITE", "READ_ACP", "WRITE_ACP":
		default:
			return nil, awserr.New("MalformedACLError", 400, "The XML you provided was not well-formed or did not validate against our published schema")
		}
		n := grant{Permission: *g.Permission}
		switch g.Grantee.Type {
		case "CanonicalUser":
			if n.Canonical = value(g.Grantee.ID); !validCanonical(n.Canonical) {
				return nil, errInvalidArgument("Invalid id", "CanonicalUser/ID", n.Canonical)
			}
		case "Group":
			if n.Group = value(g.Grantee.URI); n.Group != groupAll && n.Group != groupAuth && n.Group != groupLog {
				return nil, errInvalidArgument("Invalid group uri", "Group/URI", n.Group)
			}
		case "AmazonCustomerByEmail":
			return nil, awserr.New("UnresolvableGrantByEmailAddress", 400, "The email address you provided does not match any account on record.").With("EmailAddress", value(g.Grantee.EmailAddress))
		default:
			return nil, awserr.New("MalformedACLError", 400, "The XML you provided was not well-formed or did not validate against our published schema")
		}
		a.Grants = append(a.Grants, n)
	}
	return a, nil
}

func (a *acl) output() []s3api.Grant {
	out := make([]s3api.Grant, 0, len(a.Grants))
	for i := range a.Grants {
		g := &a.Grants[i]
		who := &s3api.Grantee{Type: "CanonicalUser", ID: &g.Canonical}
		if g.Group != "" {
			who = &s3api.Grantee{Type: "Group", URI: &g.Group}
		}
		out = append(out, s3api.Grant{Grantee: who, Permission: &g.Permission})
	}
	return out
}

// private reports whether only the owner has a grant.
func (a *acl) private() bool {
	return len(a.Grants) == 1 && a.Grants[0].Canonical == canonicalID(a.Owner)
}

// public reports whether a grant goes to everybody.
func (a *acl) public() bool {
	for _, g := range a.Grants {
		if g.Group == groupAll || g.Group == groupAuth {
			return true
		}
	}
	return false
}
