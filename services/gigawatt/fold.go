package gigawatt

import (
	"context"
	"time"

	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/meter"
	"github.com/gigawatt-cloud/gigawatt/service"
)

// foldKind is the recurring job that folds usage into hourly sums.
const (
	foldKind  = "gigawatt.fold"
	foldEvery = time.Minute
)

func start(ctx context.Context, c *service.Call) error {
	return c.Update(ctx, func(tx *kv.Tx) error {
		return service.EnsureJob(tx, &service.Job{Kind: foldKind, ID: "usage", Account: c.Account, Region: c.Region, RunAt: c.Now.Add(foldEvery)})
	})
}

// fold runs until all raw usage is folded.
func fold(ctx context.Context, c *service.Call, _ *service.Job) (again time.Time, err error) {
	for more := true; more; {
		if more, err = meter.Fold(ctx, c.Frame.DB, c.Now); err != nil {
			return again, err
		}
	}
	return c.Now.Add(foldEvery), nil
}
