package s3

import (
	"context"
	"fmt"
	"time"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/s3/event"
	"github.com/gigawatt-cloud/gigawatt/services/s3/lifecycle"
)

const (
	lifecycleKind  = "s3.lifecycle"
	lifecycleEvery = time.Hour
	// lifecycleBatch is how many due versions are found before they are worked off.
	lifecycleBatch = 500
	// smallObject is what is not moved between storage classes by default.
	smallObject = 128 << 10
)

func (s *svc) lifecycleHandlers() []*service.Handler {
	return []*service.Handler{
		service.Handle(s3api.PutBucketLifecycleConfiguration, onBucket("PutLifecycleConfiguration", func(in *s3api.PutBucketLifecycleConfigurationInput) string { return in.Bucket }), s.putBucketLifecycleConfiguration),
		service.Handle(s3api.GetBucketLifecycleConfiguration, onBucket("GetLifecycleConfiguration", func(in *s3api.GetBucketLifecycleConfigurationInput) string { return in.Bucket }), s.getBucketLifecycleConfiguration),
		service.Handle(s3api.DeleteBucketLifecycle, onBucket("PutLifecycleConfiguration", func(in *s3api.DeleteBucketLifecycleInput) string { return in.Bucket }), s.deleteBucketLifecycle),
	}
}

func (s *svc) putBucketLifecycleConfiguration(ctx context.Context, c *service.Call, in *s3api.PutBucketLifecycleConfigurationInput) (*s3api.PutBucketLifecycleConfigurationOutput, error) {
	rules, err := lifecycle.Parse(in.LifecycleConfiguration, func() string { return c.IDs.Alnum(48) })
	if err != nil {
		return nil, err
	}
	for i := range rules {
		for _, t := range append(rules[i].Transitions, rules[i].NoncurrentMoves...) {
			if err := checkClass(t.Class); err != nil {
				return nil, err
			}
		}
	}
	size := value(in.TransitionDefaultMinimumObjectSize)
	switch size {
	case "":
		size = s3api.TransitionDefaultMinimumObjectSizeAllStorageClasses128K
	case s3api.TransitionDefaultMinimumObjectSizeAllStorageClasses128K, s3api.TransitionDefaultMinimumObjectSizeVariesByStorageClass:
	default:
		return nil, errInvalidArgument("Invalid transition default minimum object size.", "x-amz-transition-default-minimum-object-size", size)
	}
	err = changeBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner, func(_ *kv.Tx, b *bucket) error {
		b.Lifecycle, b.MinimumSize = rules, size
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &s3api.PutBucketLifecycleConfigurationOutput{TransitionDefaultMinimumObjectSize: &size}, nil
}

func (s *svc) getBucketLifecycleConfiguration(ctx context.Context, c *service.Call, in *s3api.GetBucketLifecycleConfigurationInput) (*s3api.GetBucketLifecycleConfigurationOutput, error) {
	b, err := viewBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	if len(b.Lifecycle) == 0 {
		return nil, errNoConfiguration("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist", b.Name)
	}
	return &s3api.GetBucketLifecycleConfigurationOutput{Rules: lifecycle.Output(b.Lifecycle), TransitionDefaultMinimumObjectSize: &b.MinimumSize}, nil
}

func (s *svc) deleteBucketLifecycle(ctx context.Context, c *service.Call, in *s3api.DeleteBucketLifecycleInput) (*s3api.DeleteBucketLifecycleOutput, error) {
	return nil, changeBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner, func(_ *kv.Tx, b *bucket) error {
		b.Lifecycle, b.MinimumSize = nil, ""
		return nil
	})
}

func (o *object) tagMap() map[string]string {
	m := make(map[string]string, len(o.Tags))
	for _, t := range o.Tags {
		m[t.Key] = t.Value
	}
	return m
}

// expiration is the x-amz-expiration header of a current version.
func (b *bucket) expiration(o *object) *string {
	if len(b.Lifecycle) == 0 || o.Marker || !o.Noncurrent.IsZero() {
		return nil
	}
	v := &lifecycle.Version{Key: o.Key, Size: o.Size, Tags: o.tagMap(), Class: o.Class, Created: o.Modified, Current: true}
	at, rule, ok := lifecycle.Expiration(b.Lifecycle, v)
	if !ok {
		return nil
	}
	return ptr(fmt.Sprintf(`expiry-date="%s", rule-id="%s"`, at.UTC().Format(httpTime), rule))
}

// verdict is what is due for one version.
type verdict struct {
	lifecycle.Decision
	key   string
	order uint64
}

// runLifecycle does what is due in all buckets.
func (s *svc) runLifecycle(ctx context.Context, c *service.Call, _ *service.Job) (time.Time, error) {
	var all []*bucket
	err := c.View(ctx, func(tx *kv.Tx) error {
		all = nil
		for r, err := range buckets.Scan(tx, kv.Scan{}) {
			if err != nil {
				return err
			}
			if len(r.Value.Lifecycle) > 0 {
				all = append(all, r.Value)
			}
		}
		return nil
	})
	if err != nil {
		return time.Time{}, err
	}
	for _, b := range all {
		if err := s.ageVersions(ctx, c, b); err != nil {
			return time.Time{}, fmt.Errorf("lifecycle of bucket %s: %w", b.Name, err)
		}
		if err := s.ageUploads(ctx, c, b); err != nil {
			return time.Time{}, fmt.Errorf("lifecycle of bucket %s: %w", b.Name, err)
		}
	}
	return c.Now.Add(lifecycleEvery), nil
}

func (s *svc) ageVersions(ctx context.Context, c *service.Call, b *bucket) error {
	after := ""
	for {
		var due []verdict
		more := false
		err := c.View(ctx, func(tx *kv.Tx) (err error) {
			due, after, more, err = dueVersions(tx, b, after, c.Now)
			return err
		})
		if err != nil {
			return err
		}
		for i := range due {
			if err := s.age(ctx, c, b, &due[i]); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
	}
}

// dueVersions finds versions that a rule wants something of, key by key from
// after on. last is the last key that was looked at as a whole.
func dueVersions(tx *kv.Tx, b *bucket, after string, now time.Time) (due []verdict, last string, more bool, err error) {
	last = after
	from := kv.K(b.ID)
	if after != "" {
		from = kv.K(b.ID, after+"\x00")
	}
	var group []*object
	flush := func() {
		if len(group) > 0 {
			due = append(due, judge(b, group, now)...)
			last, group = group[0].Key, nil
		}
	}
	for r, err := range objects.RangeScan(tx, from, append(kv.K(b.ID), 0xff)) {
		if err != nil {
			return nil, last, false, err
		}
		if len(group) > 0 && group[0].Key != r.Value.Key {
			if flush(); len(due) >= lifecycleBatch {
				return due, last, true, nil
			}
		}
		group = append(group, r.Value)
	}
	flush()
	return due, last, false, nil
}

// judge decides about all versions of one key, the newest first.
func judge(b *bucket, group []*object, now time.Time) (due []verdict) {
	for i, o := range group {
		v := &lifecycle.Version{
			Key: o.Key, Size: o.Size, Tags: o.tagMap(), Class: o.Class, Created: o.Modified, Current: i == 0, Marker: o.Marker, Only: len(group) == 1,
			Noncurrent: o.Noncurrent, Newer: max(i-1, 0),
		}
		d := lifecycle.Evaluate(b.Lifecycle, v, now)
		if d.Action == lifecycle.Keep || d.Action == lifecycle.Move && o.Size < smallObject && b.MinimumSize != s3api.TransitionDefaultMinimumObjectSizeVariesByStorageClass {
			continue
		}
		due = append(due, verdict{d, o.Key, o.Order})
	}
	return due
}

// age carries a verdict out, unless the version changed meanwhile.
func (s *svc) age(ctx context.Context, c *service.Call, old *bucket, v *verdict) error {
	err := c.Update(ctx, func(tx *kv.Tx) error {
		b, err := buckets.Get(tx, old.Name)
		if isNotFound(err) || err == nil && b.ID != old.ID {
			return nil
		}
		if err != nil {
			return err
		}
		o, err := objects.Get(tx, b.ID, v.key, v.order)
		if isNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		switch v.Action {
		case lifecycle.Move:
			o.Class = v.Class
			if err := putRow(tx, b, o); err != nil {
				return err
			}
			return s.emit(tx, c, b, o, event.Transition)
		case lifecycle.Remove:
			return s.expire(tx, c, b, o, o.Version)
		}
		if latest, err := newest(tx, b, v.key); err != nil || latest == nil || latest.Order != v.order {
			return err
		}
		return s.expire(tx, c, b, o, "")
	})
	if awserr.HasCode(err, "AccessDenied") {
		return nil // it is locked, and expires when it no longer is
	}
	return err
}

func (s *svc) expire(tx *kv.Tx, c *service.Call, b *bucket, o *object, version string) error {
	d, err := remove(tx, c, b, o.Key, version, false)
	if err != nil {
		return err
	}
	name := event.ExpiredDelete
	if d.made {
		name = event.ExpiredMarker
	}
	return s.emit(tx, c, b, &object{Key: o.Key, Version: d.version}, name)
}

// ageUploads aborts the uploads that went on for too long.
func (s *svc) ageUploads(ctx context.Context, c *service.Call, b *bucket) error {
	var due []*upload
	err := c.View(ctx, func(tx *kv.Tx) error {
		due = nil
		for r, err := range uploads.Scan(tx, kv.Scan{Prefix: []any{b.ID}}) {
			if err != nil {
				return err
			}
			u := r.Value
			if at, _, ok := lifecycle.Abort(b.Lifecycle, u.Object.Key, u.Object.Modified); ok && !c.Now.Before(at) {
				due = append(due, u)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, u := range due {
		if err := c.Update(ctx, func(tx *kv.Tx) error { return dropUpload(tx, b, u) }); err != nil {
			return err
		}
	}
	return nil
}
