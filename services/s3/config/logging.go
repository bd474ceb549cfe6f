package config

import (
	"context"
	"errors"
	"sync"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/s3/accesslog"
)

var (
	// logged names the buckets whose requests are logged.
	logged = kv.NewTable[string]("s3/logged", kv.Small()) // bucket name -> bucket ID
	// accessLog holds the records that are not delivered yet.
	accessLog = kv.NewTable[accesslog.Record]("s3/accesslog", kv.Small()) // bucket ID, time, request id
)

func (o *Operations) putBucketLogging(ctx context.Context, c *service.Call, in *s3api.PutBucketLoggingInput) (*s3api.PutBucketLoggingOutput, error) {
	if in.BucketLoggingStatus == nil {
		return nil, malformed()
	}
	var target *accesslog.Config
	if on := in.BucketLoggingStatus.LoggingEnabled; on != nil {
		var err error
		if target, err = accesslog.Parse(on); err != nil {
			return nil, err
		}
	}
	return nil, o.store.Change(ctx, c, in.Bucket, in.ExpectedBucketOwner, func(tx *kv.Tx, b *Bucket) error {
		b.Logging = target
		if target == nil {
			return logged.Delete(tx, b.Name)
		}
		if err := o.admitTarget(tx, b, target); err != nil {
			return err
		}
		return logged.Put(tx, &b.ID, b.Name)
	})
}

// admitTarget checks that a bucket's log can go to its target.
func (o *Operations) admitTarget(tx *kv.Tx, b *Bucket, target *accesslog.Config) error {
	bad := func(sentence string) error {
		return awserr.New("InvalidTargetBucketForLogging", 400, "%s", sentence).With("TargetBucket", target.Bucket)
	}
	t, err := o.store.Find(tx, target.Bucket)
	switch {
	case errors.Is(err, kv.ErrNotFound):
		return bad("The target bucket for logging does not exist")
	case err != nil:
		return err
	case t.Owner != b.Owner:
		return bad("The owner for the bucket to be logged and the target bucket must be the same.")
	case t.Region != b.Region:
		return bad("The target bucket for logging must be in the same region as the bucket to be logged.")
	case len(target.Grants) > 0 && !t.ACLs:
		return bad("The target bucket does not allow ACLs, so TargetGrants cannot be set.")
	}
	return nil
}

func (o *Operations) getBucketLogging(ctx context.Context, c *service.Call, in *s3api.GetBucketLoggingInput) (*s3api.GetBucketLoggingOutput, error) {
	b, err := o.store.View(ctx, c, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	if b.Logging == nil {
		return &s3api.GetBucketLoggingOutput{}, nil
	}
	return &s3api.GetBucketLoggingOutput{LoggingEnabled: accesslog.Output(b.Logging)}, nil
}

// loggedBuckets remembers which buckets are logged, so that requests to all
// others cost nothing. It reads them again after each change.
type loggedBuckets struct {
	mu    sync.Mutex
	wake  <-chan struct{}
	names map[string]bool
}

func (l *loggedBuckets) has(ctx context.Context, db *kv.DB, name string) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	stale := l.names == nil
	if l.wake == nil {
		l.wake, _ = db.Watch(logged.Prefix()) // for as long as the store is open
	}
	select {
	case <-l.wake:
		stale = true
	default:
	}
	if stale {
		l.names = nil
		names := map[string]bool{}
		err := db.View(ctx, func(tx *kv.Tx) error {
			clear(names)
			for r, err := range logged.Scan(tx, kv.Scan{}) {
				if err != nil {
					return err
				}
				parts, err := r.Key.Decode()
				if err != nil {
					return err
				}
				if n, ok := parts[0].(string); ok {
					names[n] = true
				}
			}
			return nil
		})
		if err != nil {
			return false, err
		}
		l.names = names
	}
	return l.names[name], nil
}

// Forget says that a bucket is gone. Its records are dropped with the next delivery.
func Forget(tx *kv.Tx, bucket string) error { return logged.Delete(tx, bucket) }
