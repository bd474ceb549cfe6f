package config

import (
	"context"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
)

func (o *Operations) putBucketRequestPayment(ctx context.Context, c *service.Call, in *s3api.PutBucketRequestPaymentInput) (*s3api.PutBucketRequestPaymentOutput, error) {
	if in.RequestPaymentConfiguration == nil {
		return nil, malformed()
	}
	payer := in.RequestPaymentConfiguration.Payer
	return nil, o.store.Change(ctx, c, in.Bucket, in.ExpectedBucketOwner, func(_ *kv.Tx, b *Bucket) error {
		b.Payer = payer
		return nil
	})
}

func (o *Operations) getBucketRequestPayment(ctx context.Context, c *service.Call, in *s3api.GetBucketRequestPaymentInput) (*s3api.GetBucketRequestPaymentOutput, error) {
	b, err := o.store.View(ctx, c, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	return &s3api.GetBucketRequestPaymentOutput{Payer: &b.Payer}, nil
}

// AdmitPayer refuses a request of another account than the owner to a bucket
// whose requesters pay, unless it says that it does.
func (s *Settings) AdmitPayer(c *service.Call, owner arn.AccountID, payer *string) (charged *string, err error) {
	if s.Payer != s3api.PayerRequester || c.Principal.AccountID == owner {
		return nil, nil
	}
	if payer == nil || *payer != s3api.RequestPayerRequester {
		return nil, awserr.New("AccessDenied", 403, "Access Denied")
	}
	answer := s3api.RequestChargedRequester
	return &answer, nil
}

// putBucketAccelerateConfiguration opens or closes the bucket's accelerate
// endpoint. The gateway serves it, from the same machine as the other one.
func (o *Operations) putBucketAccelerateConfiguration(ctx context.Context, c *service.Call, in *s3api.PutBucketAccelerateConfigurationInput) (*s3api.PutBucketAccelerateConfigurationOutput, error) {
	if in.AccelerateConfiguration == nil || in.AccelerateConfiguration.Status == nil {
		return nil, malformed()
	}
	status := *in.AccelerateConfiguration.Status
	switch {
	case status != s3api.BucketAccelerateStatusEnabled && status != s3api.BucketAccelerateStatusSuspended:
		return nil, malformed()
	case strings.Contains(in.Bucket, "."):
		return nil, awserr.New("InvalidRequest", 400, "S3 Transfer Acceleration is not supported for buckets with periods (.) in their names")
	}
	return nil, o.store.Change(ctx, c, in.Bucket, in.ExpectedBucketOwner, func(_ *kv.Tx, b *Bucket) error {
		b.Accelerate = status
		return nil
	})
}

func (o *Operations) getBucketAccelerateConfiguration(ctx context.Context, c *service.Call, in *s3api.GetBucketAccelerateConfigurationInput) (*s3api.GetBucketAccelerateConfigurationOutput, error) {
	b, err := o.store.View(ctx, c, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	out := &s3api.GetBucketAccelerateConfigurationOutput{}
	if out.RequestCharged, err = b.AdmitPayer(c, b.Owner, in.RequestPayer); err != nil {
		return nil, err
	}
	if b.Accelerate != "" {
		out.Status = &b.Accelerate
	}
	return out, nil
}
