package s3

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/s3/acl"
)

// publicBlock is a public access block.
type publicBlock struct {
	ACLs     bool `cbor:"acls"`     // BlockPublicAcls
	Ignore   bool `cbor:"ignore"`   // IgnorePublicAcls
	Policy   bool `cbor:"policy"`   // BlockPublicPolicy
	Restrict bool `cbor:"restrict"` // RestrictPublicBuckets
}

func (s *svc) accessHandlers() []*service.Handler {
	return []*service.Handler{
		service.Handle(s3api.PutBucketPolicy, onBucket("PutBucketPolicy", func(in *s3api.PutBucketPolicyInput) string { return in.Bucket }), s.putBucketPolicy).Refuse("ConfirmRemoveSelfBucketAccess"),
		service.Handle(s3api.GetBucketPolicy, onBucket("GetBucketPolicy", func(in *s3api.GetBucketPolicyInput) string { return in.Bucket }), s.getBucketPolicy),
		service.Handle(s3api.GetBucketPolicyStatus, onBucket("GetBucketPolicyStatus", func(in *s3api.GetBucketPolicyStatusInput) string { return in.Bucket }), s.getBucketPolicyStatus),
		service.Handle(s3api.DeleteBucketPolicy, onBucket("DeleteBucketPolicy", func(in *s3api.DeleteBucketPolicyInput) string { return in.Bucket }), s.deleteBucketPolicy),
		service.Handle(s3api.PutPublicAccessBlock, onBucket("PutBucketPublicAccessBlock", func(in *s3api.PutPublicAccessBlockInput) string { return in.Bucket }), s.putPublicAccessBlock),
		service.Handle(s3api.GetPublicAccessBlock, onBucket("GetBucketPublicAccessBlock", func(in *s3api.GetPublicAccessBlockInput) string { return in.Bucket }), s.getPublicAccessBlock),
		service.Handle(s3api.DeletePublicAccessBlock, onBucket("PutBucketPublicAccessBlock", func(in *s3api.DeletePublicAccessBlockInput) string { return in.Bucket }), s.deletePublicAccessBlock),
		service.Handle(s3api.PutBucketOwnershipControls, onBucket("PutBucketOwnershipControls", func(in *s3api.PutBucketOwnershipControlsInput) string { return in.Bucket }), s.putBucketOwnershipControls),
		service.Handle(s3api.GetBucketOwnershipControls, onBucket("GetBucketOwnershipControls", func(in *s3api.GetBucketOwnershipControlsInput) string { return in.Bucket }), s.getBucketOwnershipControls),
		service.Handle(s3api.DeleteBucketOwnershipControls, onBucket("PutBucketOwnershipControls", func(in *s3api.DeleteBucketOwnershipControlsInput) string { return in.Bucket }), s.deleteBucketOwnershipControls),
		service.Handle(s3api.PutBucketAcl, onBucket("PutBucketAcl", func(in *s3api.PutBucketAclInput) string { return in.Bucket }), s.putBucketAcl),
		service.Handle(s3api.GetBucketAcl, onBucket("GetBucketAcl", func(in *s3api.GetBucketAclInput) string { return in.Bucket }), s.getBucketAcl),
	}
}

// granted is the policy that stands for an ACL's grant, whose conditions were
// checked before: to everybody, or to an account, which gives it on to its
// users by their own policies.
func granted(to string) (*policy.Document, error) {
	return compile(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + to + `"},"Action":"s3:*","Resource":"*"}]}`)
}

// compiled caches bucket policies by their text.
var compiled struct {
	sync.RWMutex
	docs map[string]*policy.Document
}

const compiledLimit = 1024

func compile(text string) (*policy.Document, error) {
	compiled.RLock()
	doc := compiled.docs[text]
	compiled.RUnlock()
	if doc != nil {
		return doc, nil
	}
	doc, err := policy.Parse([]byte(text), policy.Resource)
	if err != nil {
		return nil, err
	}
	compiled.Lock()
	defer compiled.Unlock()
	if compiled.docs == nil || len(compiled.docs) >= compiledLimit {
		compiled.docs = map[string]*policy.Document{}
	}
	compiled.docs[text] = doc
	return doc, nil
}

// resource finds the policy of the bucket that a permission is about, and
// turns the grants of ACLs that apply to the caller into policies.
func (s *svc) resource(ctx context.Context, c *service.Call, n policy.Need) (service.Resource, error) {
	var out service.Resource
	name, ok := strings.CutPrefix(n.Resource, bucketARN(""))
	if !ok || c.Op.Name == "CreateBucket" { // whose bucket is not there, or not the caller's
		return out, nil
	}
	name, key, isObject := strings.Cut(name, "/")
	err := c.View(ctx, func(tx *kv.Tx) error {
		b, err := buckets.Get(tx, name)
		if isNotFound(err) {
			return errNoSuchBucket(name) // which AWS tells everybody
		}
		if err != nil {
			return err
		}
		out.Account = b.Owner
		if b.Policy != "" {
			doc, err := compile(b.Policy)
			if err != nil {
				return err
			}
			restricted := b.Public != nil && b.Public.Restrict && doc.Public() && c.Principal.AccountID != b.Owner && c.Principal.Type != policy.Service
			if !restricted {
				out.Policies = append(out.Policies, policy.Source{ID: "bucket policy of " + name, Doc: doc})
			}
		}
		if b.Ownership == s3api.ObjectOwnershipBucketOwnerEnforced {
			return s.objectContext(tx, b, key, isObject, n, &out, c)
		}
		if err := b.grant(&b.ACL, c, bucketPermission(n.Action), "ACL of "+name, &out); err != nil {
			return err
		}
		return s.objectContext(tx, b, key, isObject, n, &out, c)
	})
	return out, err
}

// objectContext adds what an existing object contributes: its tags, and its
// ACL where there are ACLs.
func (s *svc) objectContext(tx *kv.Tx, b *bucket, key string, isObject bool, n policy.Need, out *service.Resource, c *service.Call) error {
	permission := objectPermission(n.Action)
	if !isObject || permission == "" && !strings.Contains(n.Action, "Tagging") {
		return nil
	}
	var version string
	if v := n.Context["s3:versionid"]; len(v) == 1 {
		version = v[0]
	}
	o, err := findVersion(tx, b, key, version)
	if err != nil {
		var e *awserr.Error
		if !errors.As(err, &e) {
			return err
		}
		return b.admitMissing(key, n, out, c)
	}
	if len(o.Tags) > 0 {
		out.Context = policy.Context{}
		for _, t := range o.Tags {
			out.Context["s3:existingobjecttag/"+strings.ToLower(t.Key)] = []string{t.Value}
		}
	}
	if permission == "" || b.Ownership == s3api.ObjectOwnershipBucketOwnerEnforced {
		return nil
	}
	if o.ACL.Owner != "" {
		out.Account = o.ACL.Owner
	}
	return b.grant(&o.ACL, c, permission, "ACL of "+b.Name+"/"+key, out)
}

// admitMissing lets the operation itself say that an object is not there, to
// those who may list the bucket. All others are denied as for an object that
// they may not read.
func (b *bucket) admitMissing(key string, n policy.Need, out *service.Resource, c *service.Call) error {
	if n.Action != "s3:GetObject" && n.Action != "s3:GetObjectVersion" {
		return nil
	}
	list := service.Resource{Account: b.Owner, Policies: slices.Clone(out.Policies)}
	if b.Ownership != s3api.ObjectOwnershipBucketOwnerEnforced {
		if err := b.grant(&b.ACL, c, "READ", "ACL of "+b.Name, &list); err != nil {
			return err
		}
	}
	rq := &policy.Request{Principal: c.Principal, Time: c.Now, Need: policy.Need{
		Action: "s3:ListBucket", Resource: bucketARN(b.Name), ResourceAccount: b.Owner, Context: policy.Context{"s3:prefix": {key}},
	}}
	if policy.Evaluate(rq, &policy.Set{Resource: list.Policies}).Effect != policy.Allow {
		return nil
	}
	doc, err := granted("*")
	out.Policies = append(out.Policies, policy.Source{ID: "who may list " + b.Name + " learns what is not there", Doc: doc})
	return err
}

// bucketPermission is the ACL permission on a bucket that allows an action.
func bucketPermission(action string) string {
	switch action {
	case "s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads":
		return "READ"
	case "s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:AbortMultipartUpload":
		return "WRITE"
	case "s3:GetBucketAcl":
		return "READ_ACP"
	case "s3:PutBucketAcl":
		return "WRITE_ACP"
	}
	return ""
}

// objectPermission is the ACL permission on an object that allows an action.
func objectPermission(action string) string {
	switch action {
	case "s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectAttributes", "s3:GetObjectVersionAttributes":
		return "READ"
	case "s3:GetObjectAcl", "s3:GetObjectVersionAcl":
		return "READ_ACP"
	case "s3:PutObjectAcl", "s3:PutObjectVersionAcl":
		return "WRITE_ACP"
	}
	return ""
}

// grant adds the policy that an ACL is for the caller and a permission. What
// an account grants itself says nothing: its users have their policies.
func (b *bucket) grant(a *acl.List, c *service.Call, permission, id string, out *service.Resource) error {
	if permission == "" {
		return nil
	}
	p := c.Principal
	for _, g := range a.Grants {
		if g.Permission != permission && g.Permission != "FULL_CONTROL" {
			continue
		}
		to := ""
		switch anonymous := p.Type == policy.Anonymous; {
		case g.Group == acl.GroupAll, g.Group == acl.GroupAuth && !anonymous:
			if b.Public == nil || !b.Public.Ignore {
				to = "*"
			}
		case g.Group == "" && !anonymous && p.AccountID != "" && p.AccountID != out.Account && g.Canonical == acl.CanonicalID(p.AccountID):
			to = string(p.AccountID)
		}
		if to == "" {
			continue
		}
		doc, err := granted(to)
		if err != nil {
			return err
		}
		out.Policies = append(out.Policies, policy.Source{ID: id, Doc: doc})
	}
	return nil
}

func (s *svc) putBucketPolicy(ctx context.Context, c *service.Call, in *s3api.PutBucketPolicyInput) (*s3api.PutBucketPolicyOutput, error) {
	doc, err := policy.Parse([]byte(in.Policy), policy.Resource)
	var syntax *policy.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return nil, awserr.New("MalformedPolicy", 400, "%s", syntax.Reason)
	case err != nil:
		return nil, err
	}
	for i := range doc.Statements {
		st := &doc.Statements[i]
		resources, _ := st.Resources()
		if len(resources) == 0 {
			return nil, awserr.New("MalformedPolicy", 400, "Missing required field Resource")
		}
		for _, r := range resources {
			name, ok := strings.CutPrefix(r, bucketARN(""))
			if name, _, _ = strings.Cut(name, "/"); r != "*" && (!ok || name != in.Bucket && !strings.ContainsAny(name, "*?$")) {
				return nil, awserr.New("MalformedPolicy", 400, "Policy has invalid resource")
			}
		}
	}
	return nil, changeBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner, func(_ *kv.Tx, b *bucket) error {
		if b.Public != nil && b.Public.Policy && doc.Public() {
			return errAccessDenied("User: " + c.Principal.ARN + " is not authorized to perform: s3:PutBucketPolicy on resource: \"" + bucketARN(b.Name) + "\" because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.")
		}
		b.Policy = in.Policy
		return nil
	})
}

func (s *svc) getBucketPolicy(ctx context.Context, c *service.Call, in *s3api.GetBucketPolicyInput) (*s3api.GetBucketPolicyOutput, error) {
	b, err := viewBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	if b.Policy == "" {
		return nil, errNoConfiguration("NoSuchBucketPolicy", "The bucket policy does not exist", b.Name)
	}
	return &s3api.GetBucketPolicyOutput{Policy: &b.Policy}, nil
}

func (s *svc) getBucketPolicyStatus(ctx context.Context, c *service.Call, in *s3api.GetBucketPolicyStatusInput) (*s3api.GetBucketPolicyStatusOutput, error) {
	b, err := viewBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	public := b.ACL.Public() && b.Ownership != s3api.ObjectOwnershipBucketOwnerEnforced && (b.Public == nil || !b.Public.Ignore)
	if b.Policy != "" {
		doc, err := compile(b.Policy)
		if err != nil {
			return nil, err
		}
		public = public || doc.Public()
	}
	return &s3api.GetBucketPolicyStatusOutput{PolicyStatus: &s3api.PolicyStatus{IsPublic: &public}}, nil
}

func (s *svc) deleteBucketPolicy(ctx context.Context, c *service.Call, in *s3api.DeleteBucketPolicyInput) (*s3api.DeleteBucketPolicyOutput, error) {
	return nil, changeBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner, func(_ *kv.Tx, b *bucket) error {
		b.Policy = ""
		return nil
	})
}

func (s *svc) putPublicAccessBlock(ctx context.Context, c *service.Call, in *s3api.PutPublicAccessBlockInput) (*s3api.PutPublicAccessBlockOutput, error) {
	p := in.PublicAccessBlockConfiguration
	if p == nil {
		return nil, errMalformedXML()
	}
	return nil, changeBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner, func(_ *kv.Tx, b *bucket) error {
		b.Public = &publicBlock{value(p.BlockPublicAcls), value(p.IgnorePublicAcls), value(p.BlockPublicPolicy), value(p.RestrictPublicBuckets)}
		return nil
	})
}

func (s *svc) getPublicAccessBlock(ctx context.Context, c *service.Call, in *s3api.GetPublicAccessBlockInput) (*s3api.GetPublicAccessBlockOutput, error) {
	b, err := viewBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	p := b.Public
	if p == nil {
		return nil, errNoConfiguration("NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found", b.Name)
	}
	return &s3api.GetPublicAccessBlockOutput{PublicAccessBlockConfiguration: &s3api.PublicAccessBlockConfiguration{
		BlockPublicAcls: &p.ACLs, IgnorePublicAcls: &p.Ignore, BlockPublicPolicy: &p.Policy, RestrictPublicBuckets: &p.Restrict,
	}}, nil
}

func (s *svc) deletePublicAccessBlock(ctx context.Context, c *service.Call, in *s3api.DeletePublicAccessBlockInput) (*s3api.DeletePublicAccessBlockOutput, error) {
	return nil, changeBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner, func(_ *kv.Tx, b *bucket) error {
		b.Public = nil
		return nil
	})
}

func (s *svc) putBucketOwnershipControls(ctx context.Context, c *service.Call, in *s3api.PutBucketOwnershipControlsInput) (*s3api.PutBucketOwnershipControlsOutput, error) {
	if in.OwnershipControls == nil || len(in.OwnershipControls.Rules) != 1 {
		return nil, errMalformedXML()
	}
	rule := in.OwnershipControls.Rules[0].ObjectOwnership
	return nil, changeBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner, func(_ *kv.Tx, b *bucket) error {
		if rule == s3api.ObjectOwnershipBucketOwnerEnforced && !b.ACL.Private() {
			return awserr.New("InvalidBucketAclWithObjectOwnership", 400, "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting")
		}
		b.Ownership = rule
		return nil
	})
}

func (s *svc) getBucketOwnershipControls(ctx context.Context, c *service.Call, in *s3api.GetBucketOwnershipControlsInput) (*s3api.GetBucketOwnershipControlsOutput, error) {
	b, err := viewBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	if b.Ownership == "" {
		return nil, errNoConfiguration("OwnershipControlsNotFoundError", "The bucket ownership controls were not found", b.Name)
	}
	return &s3api.GetBucketOwnershipControlsOutput{OwnershipControls: &s3api.OwnershipControls{Rules: []s3api.OwnershipControlsRule{{ObjectOwnership: b.Ownership}}}}, nil
}

func (s *svc) deleteBucketOwnershipControls(ctx context.Context, c *service.Call, in *s3api.DeleteBucketOwnershipControlsInput) (*s3api.DeleteBucketOwnershipControlsOutput, error) {
	return nil, changeBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner, func(_ *kv.Tx, b *bucket) error {
		b.Ownership = ""
		return nil
	})
}

// admitACL refuses an ACL that the bucket's settings do not allow.
func (b *bucket) admitACL(a *acl.List) error {
	if b.Ownership == s3api.ObjectOwnershipBucketOwnerEnforced {
		return awserr.New("AccessControlListNotSupported", 400, "The bucket does not allow ACLs")
	}
	if b.Public != nil && b.Public.ACLs && a.Public() {
		return errAccessDenied("Access Denied")
	}
	return nil
}

func (s *svc) putBucketAcl(ctx context.Context, c *service.Call, in *s3api.PutBucketAclInput) (*s3api.PutBucketAclOutput, error) {
	h := acl.Headers{Canned: in.ACL, Full: in.GrantFullControl, Read: in.GrantRead, ReadACP: in.GrantReadACP, Write: in.GrantWrite, WriteACP: in.GrantWriteACP}
	return nil, changeBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner, func(_ *kv.Tx, b *bucket) error {
		a, err := requestedACL(h, in.AccessControlPolicy, b.Owner, b.Owner, acl.BucketCanned)
		if err != nil {
			return err
		}
		if err := b.admitACL(a); err != nil {
			return err
		}
		b.ACL = *a
		return nil
	})
}

// requestedACL is the ACL of a request's headers or body, one of which is required.
func requestedACL(h acl.Headers, in *s3api.AccessControlPolicy, account, bucketOwner arn.AccountID, canned []string) (*acl.List, error) {
	switch {
	case h.Any() && in != nil && (len(in.Grants) > 0 || in.Owner != nil):
		return nil, awserr.New("UnexpectedContent", 400, "This request does not support content")
	case in != nil && !h.Any():
		return acl.Parse(in, account)
	case !h.Any():
		return nil, awserr.New("MissingSecurityHeader", 400, "Your request was missing a required header")
	}
	return acl.New(account, bucketOwner, h, canned)
}

func (s *svc) getBucketAcl(ctx context.Context, c *service.Call, in *s3api.GetBucketAclInput) (*s3api.GetBucketAclOutput, error) {
	b, err := viewBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	return &s3api.GetBucketAclOutput{Owner: b.ACL.By(), Grants: b.ACL.Output()}, nil
}
