package s3

import (
	"context"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/s3/event"
)

// admitACL refuses an ACL that the bucket's settings do not allow.
func (b *bucket) admitACL(a *acl) error {
	if b.Ownership == s3api.ObjectOwnershipBucketOwnerEnforced {
		return awserr.New("AccessControlListNotSupported", 400, "The bucket does not allow ACLs")
	}
	if b.Public != nil && b.Public.ACLs && a.public() {
		return errAccessDenied("Access Denied")
	}
	return nil
}

func (s *svc) putBucketAcl(ctx context.Context, c *service.Call, in *s3api.PutBucketAclInput) (*s3api.PutBucketAclOutput, error) {
	h := aclHeaders{in.ACL, in.GrantFullControl, in.GrantRead, in.GrantReadACP, in.GrantWrite, in.GrantWriteACP}
	return nil, changeBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner, func(_ *kv.Tx, b *bucket) error {
		a, err := requestedACL(h, in.AccessControlPolicy, b.Owner, b.Owner, bucketCanned)
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
func requestedACL(h aclHeaders, body *s3api.AccessControlPolicy, account, bucketOwner arn.AccountID, canned []string) (*acl, error) {
	switch {
	case h.any() && body != nil && (len(body.Grants) > 0 || body.Owner != nil):
		return nil, awserr.New("UnexpectedContent", 400, "This request does not support content")
	case body != nil && !h.any():
		return parseACL(body, account)
	case !h.any():
		return nil, awserr.New("MissingSecurityHeader", 400, "Your request was missing a required header")
	}
	return newACL(account, bucketOwner, h, canned)
}

func (s *svc) getBucketAcl(ctx context.Context, c *service.Call, in *s3api.GetBucketAclInput) (*s3api.GetBucketAclOutput, error) {
	b, err := viewBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	return &s3api.GetBucketAclOutput{Owner: owner(b.Owner), Grants: b.ACL.output()}, nil
}

func needPutObjectACL(_ *service.Call, in *s3api.PutObjectAclInput) []policy.Need {
	return []policy.Need{needObject("PutObjectAcl", "PutObjectVersionAcl", in.Bucket, in.Key, in.VersionId)}
}

func needGetObjectACL(_ *service.Call, in *s3api.GetObjectAclInput) []policy.Need {
	return []policy.Need{needObject("GetObjectAcl", "GetObjectVersionAcl", in.Bucket, in.Key, in.VersionId)}
}

func (s *svc) putObjectAcl(ctx context.Context, c *service.Call, in *s3api.PutObjectAclInput) (*s3api.PutObjectAclOutput, error) {
	h := aclHeaders{in.ACL, in.GrantFullControl, in.GrantRead, in.GrantReadACP, in.GrantWrite, in.GrantWriteACP}
	out := &s3api.PutObjectAclOutput{}
	err := c.Update(ctx, func(tx *kv.Tx) error {
		b, err := findBucket(tx, in.Bucket, in.ExpectedBucketOwner)
		if err != nil {
			return err
		}
		if out.RequestCharged, err = b.admitPayer(c, in.RequestPayer); err != nil {
			return err
		}
		o, err := findVersion(tx, b, in.Key, value(in.VersionId))
		if err != nil {
			return err
		}
		a, err := requestedACL(h, in.AccessControlPolicy, o.ACL.Owner, b.Owner, objectCanned)
		if err != nil {
			return err
		}
		if err := b.admitACL(a); err != nil {
			return err
		}
		o.ACL = *a
		if err := putRow(tx, b, o); err != nil {
			return err
		}
		return s.emit(tx, c, b, o, event.ACLPut)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (s *svc) getObjectAcl(ctx context.Context, c *service.Call, in *s3api.GetObjectAclInput) (*s3api.GetObjectAclOutput, error) {
	out := &s3api.GetObjectAclOutput{}
	err := c.View(ctx, func(tx *kv.Tx) error {
		b, err := findBucket(tx, in.Bucket, in.ExpectedBucketOwner)
		if err != nil {
			return err
		}
		if out.RequestCharged, err = b.admitPayer(c, in.RequestPayer); err != nil {
			return err
		}
		o, err := findVersion(tx, b, in.Key, value(in.VersionId))
		if err != nil {
			return err
		}
		out.Owner, out.Grants = owner(o.ACL.Owner), o.ACL.output()
		return nil
	})
	return out, err
}
