package s3

import (
	"context"
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/blob"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/meter"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/s3/config"
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
	logEvery     = config.LogEvery
	// orphanAge is how old a blob without a row has to be: uploads take long.
	orphanAge = 24 * time.Hour
)

// garbage lists the blobs that lost their row.
var garbage = kv.NewTable[string]("s3/garbage", kv.Small()) // blob id -> blob id

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
func discard(tx *kv.Tx, o *object) error {
	if o.Parts == 0 {
		return discardBody(tx, &o.Body)
	}
	parts, err := partLists.Get(tx, o.Body.UID)
	if err != nil {
		return err
	}
	for i := range *parts {
		if err := discardBody(tx, &(*parts)[i].Body); err != nil {
			return err
		}
	}
	return partLists.Delete(tx, o.Body.UID)
}

// discardBody deletes a row, or has the collector delete a blob.
func discardBody(tx *kv.Tx, b *body) error {
	if b.Blob == "" {
		return bodies.Delete(tx, b.UID)
	}
	if err := blobRefs.Delete(tx, b.Blob); err != nil {
		return err
	}
	return garbage.Put(tx, &b.Blob, b.Blob)
}

const collectBatch = 500

// collect deletes the blobs that lost their row.
func (s *svc) collect(ctx context.Context, c *service.Call, _ *service.Job) (time.Time, error) {
	for {
		var ids []string
		err := c.View(ctx, func(tx *kv.Tx) error {
			ids = nil
			for r, err := range garbage.Scan(tx, kv.Scan{Limit: collectBatch}) {
				if err != nil {
					return err
				}
				ids = append(ids, *r.Value)
			}
			return nil
		})
		if err != nil || len(ids) == 0 {
			return c.Now.Add(garbageEvery), err
		}
		for _, id := range ids {
			if err := s.env.Blobs.Delete(ctx, blob.ID(id)); err != nil {
				return time.Time{}, err
			}
		}
		err = c.Update(ctx, func(tx *kv.Tx) error {
			for _, id := range ids {
				if err := garbage.Delete(tx, id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return time.Time{}, err
		}
	}
}

// sweep deletes old blobs that no row refers to: a crash left them.
func (s *svc) sweep(ctx context.Context, c *service.Call, _ *service.Job) (time.Time, error) {
	swept, err := s.env.Blobs.Sweep(ctx, c.Now.Add(-orphanAge), func(i blob.Info) (used bool, err error) {
		err = c.View(ctx, func(tx *kv.Tx) (err error) {
			used, err = blobRefs.Has(tx, string(i.ID))
			return err
		})
		return used, err
	})
	if swept.Deleted > 0 {
		s.env.Log.Info("deleted blobs that no object refers to", "blobs", swept.Deleted, "bytes", swept.DeletedBytes)
	}
	return c.Now.Add(sweepEvery), err
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
