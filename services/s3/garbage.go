package s3

import (
	"context"
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/meter"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/s3/body"
)

// The recurring jobs.
const (
	garbageKind = "s3.garbage"
	sweepKind   = "s3.sweep"
	meterKind   = "s3.meter"
	logKind     = "s3.log"

	garbageEvery = 10 * time.Second
	sweepEvery   = 6 * time.Hour
	meterEvery   = time.Hour
	logEvery     = 5 * time.Minute
)

// discarded lists the uploads whose parts are given up.
var discarded = kv.NewTable[string]("s3/discarded", kv.Small()) // upload id -> upload id

func (s *svc) startJobs(ctx context.Context, c *service.Call) error {
	return c.Update(ctx, func(tx *kv.Tx) error {
		for kind, in := range map[string]time.Duration{garbageKind: garbageEvery, sweepKind: sweepEvery, meterKind: meterEvery, lifecycleKind: lifecycleEvery, logKind: logEvery} {
			j := &service.Job{Kind: kind, ID: "s3", Account: c.Account, Region: c.Region, RunAt: c.Now.Add(in)}
			if err := service.EnsureJob(tx, j); err != nil {
				return err
			}
		}
		return nil
	})
}

// discard gives up the bytes of a version.
func discard(tx *kv.Tx, c *service.Call, o *object) error {
	if o.Parts == 0 {
		return body.Discard(tx, c.Now, &o.Body)
	}
	return discardParts(tx, o.Body.UID)
}

// discardParts has the collector give up the parts of an upload: there can be
// more than one transaction holds.
func discardParts(tx *kv.Tx, id string) error {
	return discarded.Put(tx, &id, id)
}

const collectBatch = 500

// collect gives up parts, and deletes the blobs that lost their row.
func (s *svc) collect(ctx context.Context, c *service.Call, _ *service.Job) (time.Time, error) {
	steps := []func() (more bool, err error){
		func() (bool, error) { return s.collectParts(ctx, c) },
		func() (bool, error) { return s.bodies.Collect(ctx, c.Frame.DB, c.Now) },
	}
	for _, step := range steps {
		for more := true; more; {
			var err error
			if more, err = step(); err != nil {
				return time.Time{}, err
			}
		}
	}
	return c.Now.Add(garbageEvery), nil
}

// collectParts gives up some parts of one discarded upload.
func (s *svc) collectParts(ctx context.Context, c *service.Call) (more bool, err error) {
	err = c.Update(ctx, func(tx *kv.Tx) error {
		more = false
		for r, err := range discarded.Scan(tx, kv.Scan{Limit: 1}) {
			if err != nil {
				return err
			}
			more = true
			return discardSome(tx, c, *r.Value)
		}
		return nil
	})
	return more, err
}

func discardSome(tx *kv.Tx, c *service.Call, id string) error {
	n := 0
	for r, err := range parts.Scan(tx, kv.Scan{Prefix: []any{id}, Limit: collectBatch}) {
		if err != nil {
			return err
		}
		if err := body.Discard(tx, c.Now, &r.Value.Body); err != nil {
			return err
		}
		if err := parts.Delete(tx, id, r.Value.Number); err != nil {
			return err
		}
		n++
	}
	if n == collectBatch {
		return nil
	}
	if err := layouts.Delete(tx, id); err != nil {
		return err
	}
	return discarded.Delete(tx, id)
}

// sweep deletes the blobs that a crash left behind.
func (s *svc) sweep(ctx context.Context, c *service.Call, _ *service.Job) (time.Time, error) {
	return c.Now.Add(sweepEvery), s.bodies.Sweep(ctx, c.Frame.DB, c.Now)
}

// stored is what a bucket holds at one time.
type stored struct {
	bucket *bucket
	bytes  int64
}

// meterStorage notes the bytes that each bucket holds for the past hour.
func (s *svc) meterStorage(ctx context.Context, c *service.Call, _ *service.Job) (time.Time, error) {
	hour := c.Now.Truncate(time.Hour)
	var all []stored
	err := c.View(ctx, func(tx *kv.Tx) error {
		all = nil
		for r, err := range buckets.Scan(tx, kv.Scan{}) {
			if err != nil {
				return err
			}
			n, err := bucketBytes(tx, r.Value)
			if err != nil {
				return err
			}
			all = append(all, stored{r.Value, n})
		}
		return nil
	})
	if err != nil {
		return time.Time{}, err
	}
	for _, b := range all {
		if b.bytes == 0 {
			continue
		}
		err := c.Update(ctx, func(tx *kv.Tx) error {
			_, err := meter.WriteOnce(tx, "s3/storage/"+b.bucket.ID, storageUsage(b.bucket, b.bytes, hour))
			return err
		})
		if err != nil {
			return time.Time{}, err
		}
	}
	return hour.Add(meterEvery), nil
}

func storageUsage(b *bucket, bytes int64, hour time.Time) meter.Usage {
	return meter.Usage{
		Account: b.Owner, Region: b.Region, Hour: hour, Service: "s3", Operation: "Storage",
		Type: meter.ByteHours, Resource: arn.New("s3", "", "", b.Name).String(), Quantity: float64(bytes),
	}
}

func bucketBytes(tx *kv.Tx, b *bucket) (n int64, err error) {
	for r, err := range objects.Scan(tx, kv.Scan{Prefix: []any{b.ID}}) {
		if err != nil {
			return 0, err
		}
		n += r.Value.Size
	}
	return n, nil
}
