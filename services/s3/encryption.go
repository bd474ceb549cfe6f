package s3

import (
	"context"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
)

func (s *svc) encryptionHandlers() []*service.Handler {
	return []*service.Handler{
		service.Handle(s3api.PutBucketEncryption, onBucket("PutEncryptionConfiguration", func(in *s3api.PutBucketEncryptionInput) string { return in.Bucket }), s.putBucketEncryption),
		service.Handle(s3api.GetBucketEncryption, onBucket("GetEncryptionConfiguration", func(in *s3api.GetBucketEncryptionInput) string { return in.Bucket }), s.getBucketEncryption),
		service.Handle(s3api.DeleteBucketEncryption, onBucket("PutEncryptionConfiguration", func(in *s3api.DeleteBucketEncryptionInput) string { return in.Bucket }), s.deleteBucketEncryption),
	}
}

func (s *svc) putBucketEncryption(ctx context.Context, c *service.Call, in *s3api.PutBucketEncryptionInput) (*s3api.PutBucketEncryptionOutput, error) {
	if in.ServerSideEncryptionConfiguration == nil || len(in.ServerSideEncryptionConfiguration.Rules) != 1 {
		return nil, errMalformedXML()
	}
	r := in.ServerSideEncryptionConfiguration.Rules[0]
	if d := r.ApplyServerSideEncryptionByDefault; d != nil && (d.SSEAlgorithm != s3api.ServerSideEncryptionAes256 || d.KMSMasterKeyID != nil) {
		return nil, errKMS()
	}
	if r.BlockedEncryptionTypes != nil && len(r.BlockedEncryptionTypes.EncryptionType) > 0 {
		return nil, awserr.New("NotImplemented", 501, "BlockedEncryptionTypes of PutBucketEncryption is not supported by this version of Gigawatt.")
	}
	return nil, changeBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner, func(_ *kv.Tx, b *bucket) error {
		b.BucketKey = value(r.BucketKeyEnabled)
		return nil
	})
}

func errKMS() error {
	return awserr.New("NotImplemented", 501, "Encryption with KMS keys is not supported before this version of Gigawatt has KMS; AES256 and customer-provided keys are.")
}

// getBucketEncryption always finds AES256: all objects are encrypted.
func (s *svc) getBucketEncryption(ctx context.Context, c *service.Call, in *s3api.GetBucketEncryptionInput) (*s3api.GetBucketEncryptionOutput, error) {
	b, err := viewBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	return &s3api.GetBucketEncryptionOutput{ServerSideEncryptionConfiguration: &s3api.ServerSideEncryptionConfiguration{Rules: []s3api.ServerSideEncryptionRule{{
		ApplyServerSideEncryptionByDefault: &s3api.ServerSideEncryptionByDefault{SSEAlgorithm: s3api.ServerSideEncryptionAes256},
		BucketKeyEnabled:                   &b.BucketKey,
	}}}}, nil
}

func (s *svc) deleteBucketEncryption(ctx context.Context, c *service.Call, in *s3api.DeleteBucketEncryptionInput) (*s3api.DeleteBucketEncryptionOutput, error) {
	return nil, changeBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner, func(_ *kv.Tx, b *bucket) error {
		b.BucketKey = false
		return nil
	})
}
