// Package s3 is Amazon S3: buckets, objects with versions, multipart uploads
// and what can be configured on a bucket.
//
// Rows hold everything but the bytes of larger objects. A bucket (bucket.go)
// has one row with its configuration; an object version (object.go) has one
// row, keyed so that a scan meets keys in byte order and the newest version of
// a key first. Bodies (body.go) of up to 64 KB are rows too, larger ones blobs;
// all are encrypted. Blobs that lose their row are removed by a job, and a
// sweep finds those that a crash left behind (garbage.go).
//
// It knows no HTTP: browser uploads, websites and CORS are in the gateway.
// What lifecycle rules decide is in package lifecycle, and what notifications
// look like in package event.
package s3

import (
	"context"
	"slices"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/s3/body"
	"github.com/gigawatt-cloud/gigawatt/services/s3/config"
)

type svc struct {
	env    service.Env
	bodies *body.Store
	config *config.Operations
	// ownership is the ObjectOwnership of buckets that are made without one.
	ownership string
}

// New returns the service.
func New(env service.Env) *service.Service {
	s := &svc{env: env, bodies: body.New(env.Blobs, env.MasterKey, env.Log), ownership: s3api.ObjectOwnershipBucketOwnerEnforced}
	s.config = config.New(lender{}, env.DB, env.Log)
	if env.LegacyACLs {
		s.ownership = s3api.ObjectOwnershipObjectWriter
	}
	return &service.Service{
		Name: "s3", Resource: s.resource, Invalid: invalid, Start: s.start, Jobs: s.jobs(), Served: s.config.Served,
		Handlers: slices.Concat(
			s.bucketHandlers(), s.accessHandlers(), s.encryptionHandlers(), s.config.Handlers(), s.objectHandlers(), s.listHandlers(),
			s.tagHandlers(), s.objectACLHandlers(), s.lockHandlers(), s.multipartHandlers(), s.lifecycleHandlers(), s.notificationHandlers(),
		),
	}
}

func (s *svc) jobs() []service.JobKind {
	return []service.JobKind{
		{Name: garbageKind, Run: s.collect},
		{Name: sweepKind, Run: s.sweep},
		{Name: meterKind, Run: s.meterStorage},
		{Name: logKind, Run: s.config.DeliverLogs},
		{Name: lifecycleKind, Run: s.runLifecycle},
		{Name: notifyKind, Run: s.deliver, Parallel: 4},
	}
}

// start registers the recurring jobs.
func (s *svc) start(ctx context.Context, c *service.Call) error {
	return s.startJobs(ctx, c)
}

// invalid words violations of the model's constraints as S3 does.
func invalid(_ *service.Call, p *smithy.Problems) error {
	v := &p.List[0]
	last := v.Path[len(v.Path)-1].Name
	switch {
	case v.Null && len(v.Path) == 1:
		return errInvalidRequest("Missing required parameter for this request: '%s'", last)
	case v.Null, len(v.Path) > 1:
		return errMalformedXML()
	}
	return errInvalidArgument("Invalid Argument", last, v.Value)
}

// need makes the permissions of an operation on a bucket.
func onBucket[In any](action string, bucket func(in *In) string) func(*service.Call, *In) []policy.Need {
	return func(_ *service.Call, in *In) []policy.Need {
		return []policy.Need{{Action: "s3:" + action, Resource: bucketARN(bucket(in))}}
	}
}

func bucketARN(bucket string) string      { return "arn:aws:s3:::" + bucket }
func objectARN(bucket, key string) string { return "arn:aws:s3:::" + bucket + "/" + key }

// needObject is one permission on an object version.
func needObject(action, versioned, bucket, key string, version *string) policy.Need {
	n := policy.Need{Action: "s3:" + action, Resource: objectARN(bucket, key)}
	if version != nil {
		n.Action = "s3:" + versioned
		n.Context = policy.Context{"s3:versionid": {*version}}
	}
	return n
}

func ptr[T any](v T) *T { return &v }

// value is what p points to, or the zero value.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// optional is nil for the zero value.
func optional[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
