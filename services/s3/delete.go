package s3

import (
	"context"
	"time"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/s3/acl"
	"github.com/gigawatt-cloud/gigawatt/services/s3/event"
)

func needDeleteObject(_ *service.Call, in *s3api.DeleteObjectInput) []policy.Need {
	n := needObject("DeleteObject", "DeleteObjectVersion", in.Bucket, in.Key, in.VersionId)
	return append([]policy.Need{n}, needBypass(in.Bucket, in.Key, in.BypassGovernanceRetention)...)
}

// deletion is what a delete did.
type deletion struct {
	// version is the version that was deleted, or the marker that was made.
	version string
	// marker says that version is a delete marker; made that it was made.
	marker, made bool
	// done says that something was changed.
	done bool
}

func (s *svc) deleteObject(ctx context.Context, c *service.Call, in *s3api.DeleteObjectInput) (*s3api.DeleteObjectOutput, error) {
	var d deletion
	var charged *string
	err := c.Update(ctx, func(tx *kv.Tx) error {
		b, err := findBucket(tx, in.Bucket, in.ExpectedBucketOwner)
		if err != nil {
			return err
		}
		if charged, err = b.AdmitPayer(c, b.Owner, in.RequestPayer); err != nil {
			return err
		}
		if in.IfMatch != nil {
			o, err := findAny(tx, b, in.Key, value(in.VersionId))
			if err != nil {
				return err
			}
			if o == nil || o.Marker || !sameETag(*in.IfMatch, o.ETag) {
				return errPrecondition("If-Match")
			}
		}
		d, err = s.delete(tx, c, b, in.Key, value(in.VersionId), value(in.BypassGovernanceRetention))
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &s3api.DeleteObjectOutput{VersionId: optional(d.version), RequestCharged: charged}
	if d.marker {
		out.DeleteMarker = &d.marker
	}
	return out, nil
}

// remove deletes a version for good, or hides a key behind a delete marker. A
// version that is not there is no error.
// A locked version is refused; bypass lifts what governance locks.
func remove(tx *kv.Tx, c *service.Call, b *bucket, key, version string, bypass bool) (d deletion, err error) {
	if err := checkKey(key); err != nil {
		return d, err
	}
	if version == "" && b.Versioning != "" {
		m := &object{Key: key, Marker: true, Modified: c.Now, ACL: acl.List{Owner: b.Owner}}
		err := write(tx, c, b, m)
		return deletion{version: m.Version, marker: true, made: true, done: true}, err
	}
	o, err := findAny(tx, b, key, version)
	if err != nil || o == nil {
		return deletion{version: version}, err
	}
	if err := o.admitRemoval(c.Now, bypass); err != nil {
		return d, err
	}
	d.done = true
	if version != "" {
		d.version, d.marker = version, o.Marker
	}
	if err := removeRow(tx, c, b, o); err != nil || version == "" {
		return d, err
	}
	// The version before it may be the current one again.
	latest, err := newest(tx, b, key)
	if err != nil || latest == nil || latest.Noncurrent.IsZero() {
		return d, err
	}
	latest.Noncurrent = time.Time{}
	return d, putRow(tx, b, latest)
}

// delete removes a version for a caller, and tells the bucket's targets.
func (s *svc) delete(tx *kv.Tx, c *service.Call, b *bucket, key, version string, bypass bool) (deletion, error) {
	d, err := remove(tx, c, b, key, version, bypass)
	if err != nil || !d.done {
		return d, err
	}
	name := event.RemovedDelete
	if d.made {
		name = event.RemovedMarker
	}
	return d, s.emit(tx, c, b, &object{Key: key, Version: d.version}, name)
}

func needDeleteObjects(_ *service.Call, in *s3api.DeleteObjectsInput) []policy.Need {
	// Each object's own permission is the bucket's DeleteObject on its key; AWS
	// answers per key, which the policies of one bucket rarely tell apart.
	// Differs from AWS: a batch of deletions is allowed or denied as a whole.
	if in.Delete == nil {
		return nil
	}
	needs := make([]policy.Need, 0, len(in.Delete.Objects))
	for _, o := range in.Delete.Objects {
		needs = append(needs, needObject("DeleteObject", "DeleteObjectVersion", in.Bucket, o.Key, o.VersionId))
		needs = append(needs, needBypass(in.Bucket, o.Key, in.BypassGovernanceRetention)...)
	}
	return needs
}

const maxDeletes = 1000

func (s *svc) deleteObjects(ctx context.Context, c *service.Call, in *s3api.DeleteObjectsInput) (*s3api.DeleteObjectsOutput, error) {
	if in.Delete == nil || len(in.Delete.Objects) == 0 || len(in.Delete.Objects) > maxDeletes {
		return nil, errMalformedXML()
	}
	b, err := viewBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	out := &s3api.DeleteObjectsOutput{}
	if out.RequestCharged, err = b.AdmitPayer(c, b.Owner, in.RequestPayer); err != nil {
		return nil, err
	}
	for i := range in.Delete.Objects {
		id := &in.Delete.Objects[i]
		var d deletion
		err := c.Update(ctx, func(tx *kv.Tx) error {
			b, err := findBucket(tx, in.Bucket, in.ExpectedBucketOwner)
			if err != nil {
				return err
			}
			d, err = s.delete(tx, c, b, id.Key, value(id.VersionId), value(in.BypassGovernanceRetention))
			return err
		})
		if e := awserr.As(err); e != nil {
			out.Errors = append(out.Errors, s3api.Error{Key: &id.Key, VersionId: id.VersionId, Code: &e.Code, Message: &e.Message})
			continue
		}
		if err != nil {
			return nil, err
		}
		if value(in.Delete.Quiet) {
			continue
		}
		done := s3api.DeletedObject{Key: &id.Key, VersionId: id.VersionId}
		if d.marker {
			done.DeleteMarker, done.DeleteMarkerVersionId = ptr(true), &d.version
		}
		out.Deleted = append(out.Deleted, done)
	}
	return out, nil
}
