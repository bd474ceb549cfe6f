package s3

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/s3/event"
	"github.com/gigawatt-cloud/gigawatt/services/s3/lifecycle"
)

// lifecycleKind is the recurring job that carries lifecycle rules out.
const (
	lifecycleKind  = "s3.lifecycle"
	lifecycleEvery = 15 * time.Minute
	lifecyclePage  = 500
)

func (s *svc) lifecycleHandlers() []*service.Handler {
	return []*service.Handler{
		service.Handle(s3api.PutBucketLifecycleConfiguration, onBucket("PutLifecycleConfiguration", func(in *s3api.PutBucketLifecycleConfigurationInput) string { return in.Bucket }), s.putBucketLifecycleConfiguration).
			Refuse("TransitionDefaultMinimumObjectSize"),
		service.Handle(s3api.GetBucketLifecycleConfiguration, onBucket("GetLifecycleConfiguration", func(in *s3api.GetBucketLifecycleConfigurationInput) string { return in.Bucket }), s.getBucketLifecycleConfiguration),
		service.Handle(s3api.DeleteBucketLifecycle, onBucket("PutLifecycleConfiguration", func(in *s3api.DeleteBucketLifecycleInput) string { return in.Bucket }), s.deleteBucketLifecycle),
	}
}

func (s *svc) putBucketLifecycleConfiguration(ctx context.Context, c *service.Call, in *s3api.PutBucketLifecycleConfigurationInput) (*s3api.PutBucketLifecycleConfigurationOutput, error) {
	rules, err := lifecycle.Parse(in.LifecycleConfiguration, func() string { return c.IDs.UUID() })
	if err != nil {
		return nil, err
	}
	return &s3api.PutBucketLifecycleConfigurationOutput{}, changeBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner, func(_ *kv.Tx, b *bucket) error {
		b.Lifecycle = rules
		return nil
	})
}

func (s *svc) getBucketLifecycleConfiguration(ctx context.Context, c *service.Call, in *s3api.GetBucketLifecycleConfigurationInput) (*s3api.GetBucketLifecycleConfigurationOutput, error) {
	b, err := viewBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	if len(b.Lifecycle) == 0 {
		return nil, errNoConfiguration("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist", b.Name)
	}
	return &s3api.GetBucketLifecycleConfigurationOutput{Rules: lifecycle.Output(b.Lifecycle)}, nil
}

func (s *svc) deleteBucketLifecycle(ctx context.Context, c *service.Call, in *s3api.DeleteBucketLifecycleInput) (*s3api.DeleteBucketLifecycleOutput, error) {
	return nil, changeBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner, func(_ *kv.Tx, b *bucket) error {
		b.Lifecycle = nil
		return nil
	})
}

// facts are what a lifecycle decision depends on.
func (o *object) facts() *lifecycle.Version {
	v := &lifecycle.Version{Key: o.Key, Size: o.Size, Class: o.Class, Created: o.Modified, Marker: o.Marker, Noncurrent: o.Noncurrent}
	if len(o.Tags) > 0 {
		v.Tags = make(map[string]string, len(o.Tags))
		for _, t := range o.Tags {
			v.Tags[t.Key] = t.Value
		}
	}
	return v
}

// expiration is the x-amz-expiration of a version.
func (b *bucket) expiration(o *object) *string {
	if len(b.Lifecycle) == 0 {
		return nil
	}
	v := o.facts()
	v.Current = true
	at, rule, ok := lifecycle.Expiration(b.Lifecycle, v)
	if !ok {
		return nil
	}
	return ptr(fmt.Sprintf(`expiry-date="%s", rule-id="%s"`, at.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"), url.QueryEscape(rule)))
}

// decided is a version for which something is due.
type decided struct {
	object   *object
	decision lifecycle.Decision
}

// runLifecycle goes through the buckets with rules.
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
		if err := s.runRules(ctx, c, b); err != nil {
			return time.Time{}, fmt.Errorf("lifecycle of %s: %w", b.Name, err)
		}
	}
	return c.Now.Add(lifecycleEvery), nil
}

// runRules goes through a bucket's versions, a page of keys at a time.
func (s *svc) runRules(ctx context.Context, c *service.Call, b *bucket) error {
	var after string
	for more := true; more; {
		var due []decided
		err := c.View(ctx, func(tx *kv.Tx) (err error) {
			due, after, more, err = dueVersions(tx, c, b, after)
			return err
		})
		if err != nil {
			return err
		}
		for _, d := range due {
			if err := s.carryOut(ctx, c, b, d); err != nil {
				return err
			}
		}
	}
	return nil
}

// dueVersions decides for the keys after one, whole keys at a time.
func dueVersions(tx *kv.Tx, c *service.Call, b *bucket, after string) (due []decided, last string, more bool, err error) {
	var key []*object
	flush := func() {
		for i, o := range key {
			v := o.facts()
			v.Current, v.Only, v.Newer = i == 0, len(key) == 1, i-1
			if d := lifecycle.Evaluate(b.Lifecycle, v, c.Now); d.Action != lifecycle.Keep {
				due = append(due, decided{o, d})
			}
		}
		key = nil
	}
	from := kv.K(b.ID)
	if after != "" {
		from = kv.K(b.ID, after+"\x00")
	}
	n := 0
	for r, err := range objects.RangeScan(tx, from, append(kv.K(b.ID), 0xff)) {
		if err != nil {
			return nil, "", false, err
		}
		if len(key) > 0 && key[0].Key != r.Value.Key {
			last = key[0].Key
			flush()
			if n >= lifecyclePage {
				return due, last, true, nil
			}
		}
		key = append(key, r.Value)
		n++
	}
	flush()
	return due, "", false, nil
}

// carryOut does what is due for a version, unless it changed meanwhile.
func (s *svc) carryOut(ctx context.Context, c *service.Call, of *bucket, d decided) error {
	return c.Update(ctx, func(tx *kv.Tx) error {
		b, err := buckets.Get(tx, of.Name)
		if isNotFound(err) || err == nil && b.ID != of.ID {
			return nil
		}
		if err != nil {
			return err
		}
		o, err := objects.Get(tx, b.ID, d.object.Key, d.object.Order)
		if isNotFound(err) || err == nil && (o.Version != d.object.Version || !o.Modified.Equal(d.object.Modified)) {
			return nil
		}
		if err != nil {
			return err
		}
		switch d.decision.Action {
		case lifecycle.Move:
			o.Class = d.decision.Class
			if err := putRow(tx, b, o); err != nil {
				return err
			}
			return s.emit(tx, c, b, o, event.Transition)
		case lifecycle.Expire:
			return s.expire(tx, c, b, o)
		}
		if o.locked(c.Now, false) {
			return nil
		}
		if err := removeRow(tx, b, o); err != nil {
			return err
		}
		return s.emit(tx, c, b, o, event.ExpiredDelete)
	})
}

// expire is what deleting the key without a version does.
func (s *svc) expire(tx *kv.Tx, c *service.Call, b *bucket, o *object) error {
	d, err := remove(tx, c, b, o.Key, "", false)
	if err != nil {
		return err
	}
	name := event.ExpiredDelete
	if d.made {
		name = event.ExpiredMarker
	}
	return s.emit(tx, c, b, o, name)
}
