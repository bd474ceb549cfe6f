package s3

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
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
		service.Handle(s3api.PutObjectAcl, needPutObjectACL, s.putObjectAcl),
		service.Handle(s3api.GetObjectAcl, needGetObjectACL, s.getObjectAcl),
	}
}

// granted is the policy that stands for an ACL's grant: the grant's conditions
// were checked before it is added.
var granted = sync.OnceValue(func() *policy.Document {
	doc, err := policy.Parse([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}]}`), policy.Resource)
	if err != nil {
		panic(err)
	}
	return doc
})

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
	if !ok {
		return out, nil
	}
	name, key, isObject := strings.Cut(name, "/")
	err := c.View(ctx, func(tx *kv.Tx) error {
		b, err := buckets.Get(tx, name)
		if isNotFound(err) {
			return nil // the operation says so itself
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
			return s.objectContext(tx, b, key, isObject, n, &out, nil)
		}
		if b.allows(&b.ACL, c, bucketPermission(n.Action)) {
			out.Policies = append(out.Policies, policy.Source{ID: "ACL of " + name, Doc: granted()})
		}
		return s.objectContext(tx, b, key, isObject, n, &out, c)
	})
	return out, err
}

// objectContext adds what an existing object contributes: its tags, and its
// ACL when c is given.
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
		if errors.As(err, &e) {
			return nil // the operation says so itself
		}
		return err
	}
	if len(o.Tags) > 0 {
		out.Context = policy.Context{}
		for _, t := range o.Tags {
			out.Context["s3:existingobjecttag/"+strings.ToLower(t.Key)] = []string{t.Value}
		}
	}
	if c == nil || permission == "" {
		return nil
	}
	if o.ACL.Owner != "" {
		out.Account = o.ACL.Owner
	}
	if b.allows(&o.ACL, c, permission) {
		out.Policies = append(out.Policies, policy.Source{ID: "ACL of " + b.Name + "/" + key, Doc: granted()})
	}
	return nil
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

// allows reports whether an ACL gives the caller a permission.
func (b *bucket) allows(a *acl, c *service.Call, permission string) bool {
	if permission == "" {
		return false
	}
	anonymous := c.Principal.Type == policy.Anonymous
	id := canonicalID(c.Principal.AccountID)
	for _, g := range a.Grants {
		if g.Permission != permission && g.Permission != "FULL_CONTROL" {
			continue
		}
		switch {
		case g.Group == groupAll, g.Group == groupAuth && !anonymous:
			if b.Public == nil || !b.Public.Ignore {
				return true
			}
		case g.Group == "" && !anonymous && g.Canonical == id:
			return true
		}
	}
	return false
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
	public := b.ACL.public() && b.Ownership != s3api.ObjectOwnershipBucketOwnerEnforced && (b.Public == nil || !b.Public.Ignore)
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
		if rule == s3api.ObjectOwnershipBucketOwnerEnforced && !b.ACL.private() {
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
