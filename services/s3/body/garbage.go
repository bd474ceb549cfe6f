package body

import (
	"context"
	"time"

	"github.com/gigawatt-cloud/gigawatt/blob"
	"github.com/gigawatt-cloud/gigawatt/kv"
)

const (
	// orphanAge is how old a blob without a row has to be: uploads take long.
	orphanAge = 24 * time.Hour
	// readerGrace is how long a blob stays for those who read it when it loses its row.
	readerGrace  = 10 * time.Minute
	collectBatch = 500
)

// garbage lists the blobs that lost their row.
var garbage = kv.NewTable[string]("s3/garbage", kv.Small()) // time, blob id -> blob id

// Discard gives up a body: it deletes a row, or has Collect delete a blob.
func Discard(tx *kv.Tx, now time.Time, b *Ref) error {
	if b.Blob == "" {
		return bodies.Delete(tx, b.UID)
	}
	if err := blobRefs.Delete(tx, b.Blob); err != nil {
		return err
	}
	return garbage.Put(tx, &b.Blob, now, b.Blob)
}

// Collect deletes some of the blobs that lost their row a while ago, and
// reports whether there may be more.
func (s *Store) Collect(ctx context.Context, db *kv.DB, now time.Time) (more bool, err error) {
	var keys []kv.Key
	var ids []string
	err = db.View(ctx, func(tx *kv.Tx) error {
		keys, ids = nil, nil
		for r, err := range garbage.RangeScan(tx, nil, kv.K(now.Add(-readerGrace))) {
			if err != nil || len(ids) == collectBatch {
				return err
			}
			keys, ids = append(keys, r.Key), append(ids, *r.Value)
		}
		return nil
	})
	if err != nil || len(ids) == 0 {
		return false, err
	}
	for _, id := range ids {
		if err := s.blobs.Delete(ctx, blob.ID(id)); err != nil {
			return false, err
		}
	}
	err = db.Update(ctx, func(tx *kv.Tx) error {
		for _, k := range keys {
			at, err := k.Decode()
			if err != nil {
				return err
			}
			if err := garbage.Delete(tx, at...); err != nil {
				return err
			}
		}
		return nil
	})
	return len(ids) == collectBatch, err
}

// Sweep deletes old blobs that no row refers to: a crash left them.
func (s *Store) Sweep(ctx context.Context, db *kv.DB, now time.Time) error {
	swept, err := s.blobs.Sweep(ctx, now.Add(-orphanAge), func(i blob.Info) (used bool, err error) {
		err = db.View(ctx, func(tx *kv.Tx) (err error) {
			used, err = blobRefs.Has(tx, string(i.ID))
			return err
		})
		return used, err
	})
	if swept.Deleted > 0 {
		s.log.Info("deleted blobs that no object refers to", "blobs", swept.Deleted, "bytes", swept.DeletedBytes)
	}
	return err
}
