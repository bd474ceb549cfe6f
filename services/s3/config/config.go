// Package config is the operations on those configurations of a bucket that
// have no bearing on how its objects are kept: CORS, websites, request
// payment, acceleration and access logs.
//
// The s3 package holds the rows of buckets; it embeds [Settings] in them and
// lends them out through a [Store]. Start at [Operations.Handlers]. Who visits
// websites and asks for CORS meets the gateway; what is logged is gathered and
// delivered in log.go.
package config

import (
	"context"
	"log/slog"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/s3/accesslog"
	"github.com/gigawatt-cloud/gigawatt/services/s3/cors"
	"github.com/gigawatt-cloud/gigawatt/services/s3/website"
)

// Settings are the part of a bucket's row that this package changes.
type Settings struct {
	CORS []cors.Rule `cbor:"cors"`
	// Payer is BucketOwner or Requester.
	Payer string `cbor:"payer"`
	// Accelerate is the state of the accelerate endpoint: "", Enabled or Suspended.
	Accelerate string            `cbor:"accelerate"`
	Website    *website.Config   `cbor:"website"`
	Logging    *accesslog.Config `cbor:"logging"`
}

// Bucket is a bucket that is lent out. Only Settings may be changed.
type Bucket struct {
	Name, ID string
	Owner    arn.AccountID
	Region   string
	// ACLs says that objects in the bucket can have ACLs.
	ACLs bool
	*Settings
}

// Store lends out buckets. A bucket that does not exist, or whose owner is not
// the expected one, is an error of the API.
type Store interface {
	View(ctx context.Context, c *service.Call, name string, expected *string) (*Bucket, error)
	// Change keeps what change does to the Settings.
	Change(ctx context.Context, c *service.Call, name string, expected *string, change func(tx *kv.Tx, b *Bucket) error) error
	// Find returns kv.ErrNotFound when there is no such bucket.
	Find(tx *kv.Tx, name string) (*Bucket, error)
	// Canonical is an account's canonical user id.
	Canonical(account arn.AccountID) string
}

// Operations are the operations on configurations.
type Operations struct {
	store Store
	db    *kv.DB
	log   *slog.Logger
	// logged is what is known of the buckets whose requests are logged.
	logged loggedBuckets
}

// New returns the operations on the buckets of a store.
func New(store Store, db *kv.DB, log *slog.Logger) *Operations {
	return &Operations{store: store, db: db, log: log}
}

// Handlers lists the operations.
func (o *Operations) Handlers() []*service.Handler {
	return []*service.Handler{
		service.Handle(s3api.PutBucketCors, on("PutBucketCORS", func(in *s3api.PutBucketCorsInput) string { return in.Bucket }), o.putBucketCors),
		service.Handle(s3api.GetBucketCors, on("GetBucketCORS", func(in *s3api.GetBucketCorsInput) string { return in.Bucket }), o.getBucketCors),
		service.Handle(s3api.DeleteBucketCors, on("PutBucketCORS", func(in *s3api.DeleteBucketCorsInput) string { return in.Bucket }), o.deleteBucketCors),
		service.Handle(s3api.PutBucketWebsite, on("PutBucketWebsite", func(in *s3api.PutBucketWebsiteInput) string { return in.Bucket }), o.putBucketWebsite),
		service.Handle(s3api.GetBucketWebsite, on("GetBucketWebsite", func(in *s3api.GetBucketWebsiteInput) string { return in.Bucket }), o.getBucketWebsite),
		service.Handle(s3api.DeleteBucketWebsite, on("DeleteBucketWebsite", func(in *s3api.DeleteBucketWebsiteInput) string { return in.Bucket }), o.deleteBucketWebsite),
		service.Handle(s3api.PutBucketRequestPayment, on("PutBucketRequestPayment", func(in *s3api.PutBucketRequestPaymentInput) string { return in.Bucket }), o.putBucketRequestPayment),
		service.Handle(s3api.GetBucketRequestPayment, on("GetBucketRequestPayment", func(in *s3api.GetBucketRequestPaymentInput) string { return in.Bucket }), o.getBucketRequestPayment),
		service.Handle(s3api.PutBucketAccelerateConfiguration, on("PutAccelerateConfiguration", func(in *s3api.PutBucketAccelerateConfigurationInput) string { return in.Bucket }), o.putBucketAccelerateConfiguration),
		service.Handle(s3api.GetBucketAccelerateConfiguration, on("GetAccelerateConfiguration", func(in *s3api.GetBucketAccelerateConfigurationInput) string { return in.Bucket }), o.getBucketAccelerateConfiguration),
		service.Handle(s3api.PutBucketLogging, on("PutBucketLogging", func(in *s3api.PutBucketLoggingInput) string { return in.Bucket }), o.putBucketLogging),
		service.Handle(s3api.GetBucketLogging, on("GetBucketLogging", func(in *s3api.GetBucketLoggingInput) string { return in.Bucket }), o.getBucketLogging),
	}
}

// on makes the permissions of an operation on a bucket.
func on[In any](action string, bucket func(in *In) string) func(*service.Call, *In) []policy.Need {
	return func(_ *service.Call, in *In) []policy.Need {
		return []policy.Need{{Action: "s3:" + action, Resource: "arn:aws:s3:::" + bucket(in)}}
	}
}

func malformed() error {
	return awserr.New("MalformedXML", 400, "The XML you provided was not well-formed or did not validate against our published schema")
}

func absent(code, message, bucket string) error {
	return awserr.New(code, 404, "%s", message).With("BucketName", bucket)
}

func (o *Operations) putBucketCors(ctx context.Context, c *service.Call, in *s3api.PutBucketCorsInput) (*s3api.PutBucketCorsOutput, error) {
	rules, err := cors.Parse(in.CORSConfiguration)
	if err != nil {
		return nil, err
	}
	return nil, o.store.Change(ctx, c, in.Bucket, in.ExpectedBucketOwner, func(_ *kv.Tx, b *Bucket) error {
		b.CORS = rules
		return nil
	})
}

func (o *Operations) getBucketCors(ctx context.Context, c *service.Call, in *s3api.GetBucketCorsInput) (*s3api.GetBucketCorsOutput, error) {
	b, err := o.store.View(ctx, c, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	if len(b.CORS) == 0 {
		return nil, absent("NoSuchCORSConfiguration", "The CORS configuration does not exist", b.Name)
	}
	return &s3api.GetBucketCorsOutput{CORSRules: cors.Output(b.CORS)}, nil
}

func (o *Operations) deleteBucketCors(ctx context.Context, c *service.Call, in *s3api.DeleteBucketCorsInput) (*s3api.DeleteBucketCorsOutput, error) {
	return nil, o.store.Change(ctx, c, in.Bucket, in.ExpectedBucketOwner, func(_ *kv.Tx, b *Bucket) error {
		b.CORS = nil
		return nil
	})
}

func (o *Operations) putBucketWebsite(ctx context.Context, c *service.Call, in *s3api.PutBucketWebsiteInput) (*s3api.PutBucketWebsiteOutput, error) {
	w, err := website.Parse(in.WebsiteConfiguration)
	if err != nil {
		return nil, err
	}
	return nil, o.store.Change(ctx, c, in.Bucket, in.ExpectedBucketOwner, func(_ *kv.Tx, b *Bucket) error {
		b.Website = w
		return nil
	})
}

func (o *Operations) getBucketWebsite(ctx context.Context, c *service.Call, in *s3api.GetBucketWebsiteInput) (*s3api.GetBucketWebsiteOutput, error) {
	b, err := o.store.View(ctx, c, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	if b.Website == nil {
		return nil, absent("NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration", b.Name)
	}
	return website.Output(b.Website), nil
}

func (o *Operations) deleteBucketWebsite(ctx context.Context, c *service.Call, in *s3api.DeleteBucketWebsiteInput) (*s3api.DeleteBucketWebsiteOutput, error) {
	return nil, o.store.Change(ctx, c, in.Bucket, in.ExpectedBucketOwner, func(_ *kv.Tx, b *Bucket) error {
		b.Website = nil
		return nil
	})
}
