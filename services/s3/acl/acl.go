// Package acl is S3's access control lists: their stored form ([List]), the
// three ways in which a request writes one, and canonical user ids. It is pure.
// What a list allows is decided by the s3 package.
package acl

import (
	"crypto/aes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
)

// List is an access control list.
type List struct {
	Owner  arn.AccountID `cbor:"owner"`
	Grants []Grant       `cbor:"grants"`
	// Name is the owner's DisplayName that came with the list, "" for the account's own.
	Name string `cbor:"name"`
}

// By describes the list's owner.
func (a *List) By() *s3api.Owner {
	o := Owner(a.Owner)
	if a.Name != "" {
		o.DisplayName = &a.Name
	}
	return o
}

// Grant gives a permission to an account, by its canonical id, or to a group.
type Grant struct {
	Canonical  string `cbor:"canonical"`
	Group      string `cbor:"group"`
	Permission string `cbor:"permission"`
	// Name is the DisplayName that came with the grant, "" for the account's own.
	Name string `cbor:"name"`
}

// The predefined groups.
const (
	GroupAll  = "http://acs.amazonaws.com/groups/global/AllUsers"
	GroupAuth = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
	GroupLog  = "http://acs.amazonaws.com/groups/s3/LogDelivery"
)

// scramble hides account numbers in canonical ids, as AWS's do; it keeps no secret.
var scramble = func() func(dst, src []byte, back bool) {
	c, err := aes.NewCipher([]byte("gigawatt user id"))
	if err != nil {
		panic(err)
	}
	return func(dst, src []byte, back bool) {
		if back {
			c.Decrypt(dst, src)
		} else {
			c.Encrypt(dst, src)
		}
	}
}()

// CanonicalID is an account's canonical user id: 64 hexadecimal digits that
// follow from its number.
func CanonicalID(a arn.AccountID) string {
	var plain, id [aes.BlockSize]byte
	copy(plain[:], a)
	scramble(id[:], plain[:], false)
	sum := sha256.Sum256(id[:])
	return hex.EncodeToString(append(id[:], sum[:aes.BlockSize]...))
}

// Account is the account that has a canonical user id; ok is false for an id
// that no account can have.
func Account(canonical string) (a arn.AccountID, ok bool) {
	b, err := hex.DecodeString(canonical)
	if err != nil || len(b) != 2*aes.BlockSize {
		return "", false
	}
	var plain [aes.BlockSize]byte
	scramble(plain[:], b[:aes.BlockSize], true)
	a = arn.AccountID(strings.TrimRight(string(plain[:]), "\x00"))
	return a, a.Valid() && CanonicalID(a) == strings.ToLower(canonical)
}

// Owner describes an account as answers do.
func Owner(a arn.AccountID) *s3api.Owner {
	id, name := CanonicalID(a), string(a)
	return &s3api.Owner{ID: &id, DisplayName: &name}
}

// FullControl is the list that gives an account everything.
func FullControl(a arn.AccountID) *List {
	return &List{Owner: a, Grants: []Grant{{Canonical: CanonicalID(a), Permission: "FULL_CONTROL"}}}
}

// Headers are the members by which a request sets a list; nil is absent.
type Headers struct {
	Canned, Full, Read, ReadACP, Write, WriteACP *string
}

// Any reports whether one is present.
func (h *Headers) Any() bool { return h.Canned != nil || h.grants() }

func (h *Headers) grants() bool {
	return h.Full != nil || h.Read != nil || h.ReadACP != nil || h.Write != nil || h.WriteACP != nil
}

// BucketCanned and ObjectCanned are the canned lists of buckets and of objects.
var (
	BucketCanned = []string{"private", "public-read", "public-read-write", "authenticated-read", "log-delivery-write"}
	ObjectCanned = []string{"private", "public-read", "public-read-write", "authenticated-read", "aws-exec-read", "bucket-owner-read", "bucket-owner-full-control"}
)

// New makes the list of something that account owns in a bucket of bucketOwner's.
func New(account, bucketOwner arn.AccountID, h Headers, canned []string) (*List, error) {
	if h.Canned != nil && h.grants() {
		return nil, awserr.New("InvalidRequest", 400, "Specifying both Canned ACLs and Header Grants is not allowed")
	}
	if h.grants() {
		return fromHeaders(account, h)
	}
	name := "private"
	if h.Canned != nil {
		name = *h.Canned
	}
	if !slices.Contains(canned, name) {
		return nil, invalid("", "x-amz-acl", name)
	}
	a := FullControl(account)
	a.Grants = append(a.Grants, extra(name, account, bucketOwner)...)
	return a, nil
}

// extra is what a canned list grants beside the owner's full control.
func extra(name string, account, bucketOwner arn.AccountID) []Grant {
	switch name {
	case "public-read":
		return []Grant{{Group: GroupAll, Permission: "READ"}}
	case "public-read-write":
		return []Grant{{Group: GroupAll, Permission: "READ"}, {Group: GroupAll, Permission: "WRITE"}}
	case "authenticated-read":
		return []Grant{{Group: GroupAuth, Permission: "READ"}}
	case "log-delivery-write":
		return []Grant{{Group: GroupLog, Permission: "WRITE"}, {Group: GroupLog, Permission: "READ_ACP"}}
	}
	if bucketOwner == account {
		return nil
	}
	switch name {
	case "bucket-owner-read":
		return []Grant{{Canonical: CanonicalID(bucketOwner), Permission: "READ"}}
	case "bucket-owner-full-control":
		return []Grant{{Canonical: CanonicalID(bucketOwner), Permission: "FULL_CONTROL"}}
	}
	return nil
}

func fromHeaders(account arn.AccountID, h Headers) (*List, error) {
	a := &List{Owner: account}
	for _, g := range []struct {
		header     *string
		permission string
	}{{h.Full, "FULL_CONTROL"}, {h.Read, "READ"}, {h.ReadACP, "READ_ACP"}, {h.Write, "WRITE"}, {h.WriteACP, "WRITE_ACP"}} {
		if g.header == nil {
			continue
		}
		grants, err := parseGrants(*g.header, g.permission)
		if err != nil {
			return nil, err
		}
		a.Grants = append(a.Grants, grants...)
	}
	return a, nil
}

// parseGrants reads a grant header: id="…", uri="…" separated by commas.
func parseGrants(header, permission string) ([]Grant, error) {
	var out []Grant
	for part := range strings.SplitSeq(header, ",") {
		kind, v, ok := strings.Cut(strings.TrimSpace(part), "=")
		v = strings.Trim(v, `"`)
		switch {
		case !ok:
			return nil, invalid("Argument format not recognized", "x-amz-grant-"+strings.ToLower(permission), header)
		case kind == "id":
			if !validCanonical(v) {
				return nil, invalid("Invalid id", "id", v)
			}
			out = append(out, Grant{Canonical: v, Permission: permission})
		case kind == "uri":
			if v != GroupAll && v != GroupAuth && v != GroupLog {
				return nil, invalid("Invalid group uri", "uri", v)
			}
			out = append(out, Grant{Group: v, Permission: permission})
		case kind == "emailAddress":
			return nil, unresolvable(v)
		default:
			return nil, invalid("Argument format not recognized", kind, v)
		}
	}
	return out, nil
}

func validCanonical(id string) bool {
	_, ok := Account(id)
	return ok
}

func invalid(message, name, v string) error {
	return awserr.New("InvalidArgument", 400, "%s", message).With("ArgumentName", name).With("ArgumentValue", v)
}

// unresolvable refuses a grant by email: accounts of this cloud have none.
func unresolvable(email string) error {
	return awserr.New("UnresolvableGrantByEmailAddress", 400, "The email address you provided does not match any account on record.").With("EmailAddress", email)
}

func text(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

func malformed() error {
	return awserr.New("MalformedACLError", 400, "The XML you provided was not well-formed or did not validate against our published schema")
}

// Parse checks a list in a request's body, for something that account owns.
func Parse(in *s3api.AccessControlPolicy, account arn.AccountID) (*List, error) {
	if in.Owner == nil || in.Owner.ID == nil {
		return nil, malformed()
	}
	if *in.Owner.ID != CanonicalID(account) {
		return nil, awserr.New("AccessDenied", 403, "Access Denied")
	}
	a := &List{Owner: account, Name: text(in.Owner.DisplayName)}
	for _, g := range in.Grants {
		if g.Grantee == nil || g.Permission == nil {
			return nil, malformed()
		}
		switch *g.Permission {
		case "FULL_CONTROL", "READ", "WRITE", "READ_ACP", "WRITE_ACP":
		default:
			return nil, malformed()
		}
		n := Grant{Permission: *g.Permission}
		switch g.Grantee.Type {
		case "CanonicalUser":
			n.Name = text(g.Grantee.DisplayName)
			if n.Canonical = text(g.Grantee.ID); !validCanonical(n.Canonical) {
				return nil, invalid("Invalid id", "CanonicalUser/ID", n.Canonical)
			}
		case "Group":
			if n.Group = text(g.Grantee.URI); n.Group != GroupAll && n.Group != GroupAuth && n.Group != GroupLog {
				return nil, invalid("Invalid group uri", "Group/URI", n.Group)
			}
		case "AmazonCustomerByEmail":
			return nil, unresolvable(text(g.Grantee.EmailAddress))
		default:
			return nil, malformed()
		}
		a.Grants = append(a.Grants, n)
	}
	return a, nil
}

// Output is the list's grants as the API returns them, those to groups first.
func (a *List) Output() []s3api.Grant {
	out := make([]s3api.Grant, 0, len(a.Grants))
	for i := range a.Grants {
		g := &a.Grants[i]
		who := &s3api.Grantee{Type: "CanonicalUser", ID: &g.Canonical}
		if g.Group != "" {
			who = &s3api.Grantee{Type: "Group", URI: &g.Group}
		} else if name := g.name(); name != "" {
			who.DisplayName = &name
		}
		out = append(out, s3api.Grant{Grantee: who, Permission: &g.Permission})
	}
	slices.SortStableFunc(out, func(a, b s3api.Grant) int { return -strings.Compare(a.Grantee.Type, b.Grantee.Type) })
	return out
}

func (g *Grant) name() string {
	if g.Name != "" {
		return g.Name
	}
	account, _ := Account(g.Canonical)
	return string(account)
}

// Private reports whether only the owner has a grant.
func (a *List) Private() bool {
	return len(a.Grants) == 1 && a.Grants[0].Canonical == CanonicalID(a.Owner)
}

// Public reports whether a grant goes to everybody.
func (a *List) Public() bool {
	for _, g := range a.Grants {
		if g.Group == GroupAll || g.Group == GroupAuth {
			return true
		}
	}
	return false
}
