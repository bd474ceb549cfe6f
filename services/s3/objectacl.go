package s3

import (
	"context"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/s3/acl"
	"github.com/gigawatt-cloud/gigawatt/services/s3/event"
)

func (s *svc) objectACLHandlers() []*service.Handler {
	return []*service.Handler{
		service.Handle(s3api.PutObjectAcl, needPutObjectAcl, s.putObjectAcl),
		service.Handle(s3api.GetObjectAcl, needGetObjectAcl, s.getObjectAcl),
	}
}

func needPutObjectAcl(_ *service.Call, in *s3api.PutObjectAclInput) []policy.Need {
	n := needObject("PutObjectAcl", "PutObjectVersionAcl", in.Bucket, in.Key, in.VersionId)
	if in.ACL != nil {
		if n.Context == nil {
			n.Context = policy.Context{}
		}
		n.Context.Set("s3:x-amz-acl", *in.ACL)
	}
	return []policy.Need{n}
}

func needGetObjectAcl(_ *service.Call, in *s3api.GetObjectAclInput) []policy.Need {
	return []policy.Need{needObject("GetObjectAcl", "GetObjectVersionAcl", in.Bucket, in.Key, in.VersionId)}
}

func (s *svc) putObjectAcl(ctx context.Context, c *service.Call, in *s3api.PutObjectAclInput) (*s3api.PutObjectAclOutput, error) {
	h := acl.Headers{Canned: in.ACL, Full: in.GrantFullControl, Read: in.GrantRead, ReadACP: in.GrantReadACP, Write: in.GrantWrite, WriteACP: in.GrantWriteACP}
	out := &s3api.PutObjectAclOutput{}
	err := c.Update(ctx, func(tx *kv.Tx) error {
		b, err := findBucket(tx, in.Bucket, in.ExpectedBucketOwner)
		if err != nil {
			return err
		}
		if out.RequestCharged, err = b.AdmitPayer(c, b.Owner, in.RequestPayer); err != nil {
			return err
		}
		o, err := findVersion(tx, b, in.Key, value(in.VersionId))
		if err != nil {
			return err
		}
		a, err := requestedACL(h, in.AccessControlPolicy, o.ACL.Owner, b.Owner, acl.ObjectCanned)
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
		if out.RequestCharged, err = b.AdmitPayer(c, b.Owner, in.RequestPayer); err != nil {
			return err
		}
		o, err := findVersion(tx, b, in.Key, value(in.VersionId))
		if err != nil {
			return err
		}
		list := o.ACL
		if b.Ownership == s3api.ObjectOwnershipBucketOwnerEnforced {
			list = *acl.FullControl(b.Owner)
		}
		out.Owner, out.Grants = list.By(), list.Output()
		return nil
	})
	return out, err
}
