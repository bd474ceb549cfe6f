package s3

import (
	"context"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/s3/acl"
	"github.com/gigawatt-cloud/gigawatt/services/s3/config"
	"github.com/gigawatt-cloud/gigawatt/services/s3/event"
	"github.com/gigawatt-cloud/gigawatt/services/s3/lifecycle"
)

// bucket is a bucket and its configuration. Names are global; ID is another
// for a bucket that is made again under the name of a deleted one.
type bucket struct {
	Name    string        `cbor:"name"`
	ID      string        `cbor:"id"`
	Owner   arn.AccountID `cbor:"owner"`
	Region  string        `cbor:"region"`
	Created time.Time     `cbor:"created"`
	// Versioning is "", Enabled or Suspended.
	Versioning string       `cbor:"versioning"`
	Ownership  string       `cbor:"ownership"`
	ACL        acl.List     `cbor:"acl"`
	Policy     string       `cbor:"policy"`
	Public     *publicBlock `cbor:"public"`
	Tags       []tag        `cbor:"tags"`
	// Settings is what package config looks after.
	config.Settings `cbor:"settings"`
	// BucketKey is the BucketKeyEnabled of the default encryption.
	BucketKey bool `cbor:"bucket_key"`
	// Lock says that versions can be locked; DefaultLock how by default.
	Lock        bool             `cbor:"lock"`
	DefaultLock *lockRule        `cbor:"default_lock"`
	Lifecycle   []lifecycle.Rule `cbor:"lifecycle"`
	// MinimumSize is the TransitionDefaultMinimumObjectSize.
	MinimumSize   string         `cbor:"minimum_size"`
	Notifications []event.Target `cbor:"notifications"`
}

var (
	buckets = kv.NewTable[bucket]("s3/bucket") // name
	owned   = kv.NewTable[string]("s3/owned")  // account, name -> region
)

func (s *svc) bucketHandlers() []*service.Handler {
	return []*service.Handler{
		service.Handle(s3api.CreateBucket, needCreateBucket, s.createBucket).Refuse("CreateBucketConfiguration.Location", "CreateBucketConfiguration.Bucket", "BucketNamespace"),
		service.Handle(s3api.HeadBucket, onBucket("ListBucket", func(in *s3api.HeadBucketInput) string { return in.Bucket }), s.headBucket),
		service.Handle(s3api.GetBucketLocation, onBucket("GetBucketLocation", func(in *s3api.GetBucketLocationInput) string { return in.Bucket }), s.getBucketLocation),
		service.Handle(s3api.ListBuckets, needListBuckets, s.listBuckets),
		service.Handle(s3api.DeleteBucket, onBucket("DeleteBucket", func(in *s3api.DeleteBucketInput) string { return in.Bucket }), s.deleteBucket),
		service.Handle(s3api.PutBucketVersioning, onBucket("PutBucketVersioning", func(in *s3api.PutBucketVersioningInput) string { return in.Bucket }), s.putBucketVersioning).Refuse("MFA"),
		service.Handle(s3api.GetBucketVersioning, onBucket("GetBucketVersioning", func(in *s3api.GetBucketVersioningInput) string { return in.Bucket }), s.getBucketVersioning),
	}
}

// findBucket returns a bucket's row, and refuses one that is not owned by the
// account that the caller expects.
func findBucket(tx *kv.Tx, name string, expected *string) (*bucket, error) {
	b, err := buckets.Get(tx, name)
	if isNotFound(err) {
		return nil, errNoSuchBucket(name)
	}
	if err == nil && expected != nil && *expected != string(b.Owner) {
		return nil, errAccessDenied("Access Denied")
	}
	return b, err
}

// viewBucket reads a bucket's row.
func viewBucket(ctx context.Context, c *service.Call, name string, expected *string) (b *bucket, err error) {
	err = c.View(ctx, func(tx *kv.Tx) (err error) {
		b, err = findBucket(tx, name, expected)
		return err
	})
	return b, err
}

// changeBucket changes a bucket's row.
func changeBucket(ctx context.Context, c *service.Call, name string, expected *string, change func(tx *kv.Tx, b *bucket) error) error {
	return c.Update(ctx, func(tx *kv.Tx) error {
		b, err := findBucket(tx, name, expected)
		if err != nil {
			return err
		}
		if err := change(tx, b); err != nil {
			return err
		}
		return buckets.Put(tx, b, name)
	})
}

var bucketForm = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// validBucket reports whether AWS allows a bucket's name.
func validBucket(name string) bool {
	if !bucketForm.MatchString(name) || strings.Contains(name, "..") || strings.Contains(name, ".-") || strings.Contains(name, "-.") ||
		strings.HasPrefix(name, "xn--") || strings.HasPrefix(name, "sthree-") || strings.HasSuffix(name, "-s3alias") || strings.HasSuffix(name, "--ol-s3") {
		return false
	}
	_, err := netip.ParseAddr(name)
	return err != nil
}

func needCreateBucket(_ *service.Call, in *s3api.CreateBucketInput) []policy.Need {
	needs := []policy.Need{{Action: "s3:CreateBucket", Resource: bucketARN(in.Bucket)}}
	if value(in.ObjectLockEnabledForBucket) {
		needs = append(needs, policy.Need{Action: "s3:PutBucketObjectLockConfiguration", Resource: bucketARN(in.Bucket)})
	}
	return needs
}

func (s *svc) createBucket(ctx context.Context, c *service.Call, in *s3api.CreateBucketInput) (*s3api.CreateBucketOutput, error) {
	if !validBucket(in.Bucket) {
		return nil, awserr.New("InvalidBucketName", 400, "The specified bucket is not valid.").With("BucketName", in.Bucket)
	}
	region := c.Region
	if cfg := in.CreateBucketConfiguration; cfg != nil && cfg.LocationConstraint != nil {
		if region = *cfg.LocationConstraint; region == "EU" {
			region = "eu-west-1"
		}
		if region != c.Region {
			return nil, awserr.New("IllegalLocationConstraintException", 400, "The %s location constraint is incompatible for the region specific endpoint this request was sent to.", region)
		}
	}
	b := &bucket{
		Name: in.Bucket, ID: c.IDs.Hex(16), Owner: c.Account, Region: region, Created: c.Now, Ownership: value(in.ObjectOwnership),
		Settings: config.Settings{Payer: s3api.PayerBucketOwner},
	}
	if b.Ownership == "" {
		b.Ownership = s.ownership
	}
	if !s.env.LegacyACLs {
		b.Public = &publicBlock{true, true, true, true}
	}
	grants, err := acl.New(c.Account, c.Account, acl.Headers{Canned: in.ACL, Full: in.GrantFullControl, Read: in.GrantRead, ReadACP: in.GrantReadACP, Write: in.GrantWrite, WriteACP: in.GrantWriteACP}, acl.BucketCanned)
	if err != nil {
		return nil, err
	}
	if b.ACL = *grants; b.Ownership == s3api.ObjectOwnershipBucketOwnerEnforced && !grants.Private() {
		return nil, awserr.New("InvalidBucketAclWithObjectOwnership", 400, "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting")
	}
	if value(in.ObjectLockEnabledForBucket) {
		b.Lock, b.Versioning = true, s3api.BucketVersioningStatusEnabled
	}
	if in.CreateBucketConfiguration != nil {
		if b.Tags, err = parseTags(in.CreateBucketConfiguration.Tags, maxBucketTags); err != nil {
			return nil, err
		}
	}
	err = c.Update(ctx, func(tx *kv.Tx) error {
		old, err := buckets.Get(tx, in.Bucket)
		switch {
		case err == nil && old.Owner == c.Account:
			if c.Region == "us-east-1" && old.Region == region && old.Ownership != s3api.ObjectOwnershipBucketOwnerEnforced {
				old.ACL = *grants // there, AWS answers as if it had made the bucket, and resets the ACL
				return buckets.Put(tx, old, old.Name)
			}
			if c.Region == "us-east-1" && old.Region == region {
				return nil
			}
			return awserr.New("BucketAlreadyOwnedByYou", 409, "Your previous request to create the named bucket succeeded and you already own it.").With("BucketName", in.Bucket)
		case err == nil:
			return awserr.New("BucketAlreadyExists", 409, "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.").With("BucketName", in.Bucket)
		case !isNotFound(err):
			return err
		}
		if err := owned.Put(tx, &b.Region, b.Owner, b.Name); err != nil {
			return err
		}
		return buckets.Put(tx, b, b.Name)
	})
	if err != nil {
		return nil, err
	}
	return &s3api.CreateBucketOutput{Location: ptr("/" + in.Bucket), BucketArn: ptr(bucketARN(in.Bucket))}, nil
}

func (s *svc) headBucket(ctx context.Context, c *service.Call, in *s3api.HeadBucketInput) (*s3api.HeadBucketOutput, error) {
	b, err := viewBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	return &s3api.HeadBucketOutput{BucketRegion: &b.Region, BucketArn: ptr(bucketARN(b.Name)), AccessPointAlias: ptr(false)}, nil
}

func (s *svc) getBucketLocation(ctx context.Context, c *service.Call, in *s3api.GetBucketLocationInput) (*s3api.GetBucketLocationOutput, error) {
	b, err := viewBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	if b.Region == "us-east-1" {
		return &s3api.GetBucketLocationOutput{}, nil
	}
	return &s3api.GetBucketLocationOutput{LocationConstraint: &b.Region}, nil
}

func needListBuckets(*service.Call, *s3api.ListBucketsInput) []policy.Need {
	return []policy.Need{{Action: "s3:ListAllMyBuckets", Resource: "*"}}
}

const maxBuckets = 10000

func (s *svc) listBuckets(ctx context.Context, c *service.Call, in *s3api.ListBucketsInput) (*s3api.ListBucketsOutput, error) {
	after, err := c.OpenPage(value(in.Prefix), value(in.ContinuationToken))
	if err != nil {
		return nil, errInvalidArgument("The continuation token provided is incorrect", "continuation-token", value(in.ContinuationToken))
	}
	limit := maxBuckets
	if in.MaxBuckets != nil {
		limit = int(*in.MaxBuckets)
	}
	out := &s3api.ListBucketsOutput{Buckets: []s3api.Bucket{}, Owner: acl.Owner(c.Account), Prefix: in.Prefix}
	err = c.View(ctx, func(tx *kv.Tx) error {
		for r, err := range owned.Scan(tx, kv.Scan{Prefix: []any{c.Account}, After: after}) {
			if err != nil {
				return err
			}
			b, err := s.listed(tx, r.Key, *r.Value, in)
			if err != nil || b == nil {
				if err != nil {
					return err
				}
				continue
			}
			if len(out.Buckets) == limit {
				last := out.Buckets[limit-1]
				out.ContinuationToken = ptr(c.PageToken(value(in.Prefix), kv.K(c.Account, *last.Name)))
				return nil
			}
			out.Buckets = append(out.Buckets, *b)
		}
		return nil
	})
	return out, err
}

// listed is a bucket in ListBuckets, or nil when it is not selected.
func (s *svc) listed(tx *kv.Tx, key kv.Key, region string, in *s3api.ListBucketsInput) (*s3api.Bucket, error) {
	parts, err := key.Decode()
	if err != nil {
		return nil, err
	}
	name := parts[1].(string)
	if !strings.HasPrefix(name, value(in.Prefix)) || in.BucketRegion != nil && *in.BucketRegion != region {
		return nil, nil
	}
	b, err := buckets.Get(tx, name)
	if err != nil {
		return nil, err
	}
	return &s3api.Bucket{Name: &b.Name, CreationDate: &b.Created, BucketRegion: &b.Region, BucketArn: ptr(bucketARN(b.Name))}, nil
}

func (s *svc) deleteBucket(ctx context.Context, c *service.Call, in *s3api.DeleteBucketInput) (*s3api.DeleteBucketOutput, error) {
	err := c.Update(ctx, func(tx *kv.Tx) error {
		b, err := findBucket(tx, in.Bucket, in.ExpectedBucketOwner)
		if err != nil {
			return err
		}
		for _, err := range objects.Scan(tx, kv.Scan{Prefix: []any{b.ID}, Limit: 1}) {
			if err != nil {
				return err
			}
			return awserr.New("BucketNotEmpty", 409, "The bucket you tried to delete is not empty").With("BucketName", in.Bucket)
		}
		if err := dropUploads(tx, b); err != nil {
			return err
		}
		if err := config.Forget(tx, b.Name); err != nil {
			return err
		}
		if err := owned.Delete(tx, b.Owner, b.Name); err != nil {
			return err
		}
		return buckets.Delete(tx, b.Name)
	})
	return nil, err
}

func (s *svc) putBucketVersioning(ctx context.Context, c *service.Call, in *s3api.PutBucketVersioningInput) (*s3api.PutBucketVersioningOutput, error) {
	cfg := in.VersioningConfiguration
	if cfg == nil || cfg.Status == nil || *cfg.Status != s3api.BucketVersioningStatusEnabled && *cfg.Status != s3api.BucketVersioningStatusSuspended {
		return nil, errMalformedXML()
	}
	if value(cfg.MFADelete) == s3api.MFADeleteEnabled {
		return nil, awserr.New("NotImplemented", 501, "MFADelete of PutBucketVersioning is not supported by this version of Gigawatt.")
	}
	return nil, changeBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner, func(_ *kv.Tx, b *bucket) error {
		if b.Lock && *cfg.Status != s3api.BucketVersioningStatusEnabled {
			return awserr.New("InvalidBucketState", 409, "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.")
		}
		b.Versioning = *cfg.Status
		return nil
	})
}

func (s *svc) getBucketVersioning(ctx context.Context, c *service.Call, in *s3api.GetBucketVersioningInput) (*s3api.GetBucketVersioningOutput, error) {
	b, err := viewBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	return &s3api.GetBucketVersioningOutput{Status: optional(b.Versioning)}, nil
}

// lender lends buckets out to package config.
type lender struct{}

func (lender) View(ctx context.Context, c *service.Call, name string, expected *string) (*config.Bucket, error) {
	b, err := viewBucket(ctx, c, name, expected)
	if err != nil {
		return nil, err
	}
	return b.lend(), nil
}

func (lender) Change(ctx context.Context, c *service.Call, name string, expected *string, change func(tx *kv.Tx, b *config.Bucket) error) error {
	return changeBucket(ctx, c, name, expected, func(tx *kv.Tx, b *bucket) error { return change(tx, b.lend()) })
}

func (lender) Find(tx *kv.Tx, name string) (*config.Bucket, error) {
	b, err := buckets.Get(tx, name)
	if err != nil {
		return nil, err
	}
	return b.lend(), nil
}

func (lender) Canonical(account arn.AccountID) string { return acl.CanonicalID(account) }

func (b *bucket) lend() *config.Bucket {
	return &config.Bucket{
		Name: b.Name, ID: b.ID, Owner: b.Owner, Region: b.Region, ACLs: b.Ownership != s3api.ObjectOwnershipBucketOwnerEnforced, Settings: &b.Settings,
	}
}
