package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/kv"
)

// Job is durable work that outlives the request that asked for it. It runs at
// least once at or after RunAt; a replica leases it while it runs, and a crash
// lets the lease run out.
type Job struct {
	// Kind names the JobKind, such as "s3.lifecycle"; ID is unique within it.
	Kind string `cbor:"k"`
	ID   string `cbor:"i"`
	// Account and Region are those of the Call that the job runs with.
	Account arn.AccountID `cbor:"a"`
	Region  string        `cbor:"r"`
	RunAt   time.Time     `cbor:"t"`
	// Attempts counts the runs that were started; it also identifies the lease.
	Attempts int `cbor:"n"`
	// Payload is the kind's own.
	Payload []byte `cbor:"p"`
}

// JobKind is a kind of durable work.
type JobKind struct {
	Name string
	// Run does the work. It is idempotent: after a crash it runs again. A job
	// that has more to do returns when; the zero time ends it. An error runs it
	// again after a growing delay.
	Run func(ctx context.Context, c *Call, j *Job) (again time.Time, err error)
	// Lease is how long one run may take before another replica takes over;
	// zero means a minute.
	Lease time.Duration
	// Parallel is how many jobs of the kind run at once; zero means one.
	Parallel int
}

var (
	jobs  = kv.NewTable[Job]("jobs/due", kv.Small())      // kind, RunAt, ID -> Job
	jobAt = kv.NewTable[time.Time]("jobs/at", kv.Small()) // kind, ID -> RunAt
)

// Enqueue adds a job, or replaces the one with its kind and ID.
func Enqueue(tx *kv.Tx, j *Job) error {
	if err := Cancel(tx, j.Kind, j.ID); err != nil {
		return err
	}
	j.RunAt = j.RunAt.UTC()
	if err := jobAt.Put(tx, &j.RunAt, j.Kind, j.ID); err != nil {
		return err
	}
	return jobs.Put(tx, j, j.Kind, j.RunAt, j.ID)
}

// Cancel removes a job if it is there. A run that has started goes on.
func Cancel(tx *kv.Tx, kind, id string) error {
	at, err := jobAt.Get(tx, kind, id)
	if errors.Is(err, kv.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := jobs.Delete(tx, kind, *at, id); err != nil {
		return err
	}
	return jobAt.Delete(tx, kind, id)
}

// FindJob returns the job with this kind and ID; kv.ErrNotFound when there is none.
func FindJob(tx *kv.Tx, kind, id string) (*Job, error) {
	at, err := jobAt.Get(tx, kind, id)
	if err != nil {
		return nil, err
	}
	return jobs.Get(tx, kind, *at, id)
}

// EnsureJob adds a recurring job unless it exists already.
func EnsureJob(tx *kv.Tx, j *Job) error {
	ok, err := jobAt.Has(tx, j.Kind, j.ID)
	if err != nil || ok {
		return err
	}
	return Enqueue(tx, j)
}

// Runner runs the jobs of all services on this replica.
type Runner struct {
	db    *kv.DB
	clock Clock
	log   *slog.Logger
	// newCall makes the Call that a job runs with.
	newCall func(j *Job, service string) *Call
	kinds   []runnerKind
}

type runnerKind struct {
	JobKind
	service string
}

// NewRunner returns a runner of the services' jobs.
func NewRunner(db *kv.DB, clock Clock, log *slog.Logger, services []*Service, newCall func(j *Job, service string) *Call) *Runner {
	r := &Runner{db: db, clock: clock, log: log, newCall: newCall}
	for _, s := range services {
		for _, k := range s.Jobs {
			if k.Lease == 0 {
				k.Lease = time.Minute
			}
			r.kinds = append(r.kinds, runnerKind{k, s.Name})
		}
	}
	return r
}

// Run works until ctx ends and waits for what it has started.
func (r *Runner) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, k := range r.kinds {
		for range max(k.Parallel, 1) {
			wg.Go(func() { r.loop(ctx, k) })
		}
	}
	wg.Wait()
}

// idle bounds how long a loop sleeps when no wake-up reaches it.
const idle = 30 * time.Second

func (r *Runner) loop(ctx context.Context, k runnerKind) {
	wake, stop := r.db.Watch(jobs.Prefix(k.Name))
	defer stop()
	for ctx.Err() == nil {
		j, wait, err := r.lease(ctx, k)
		switch {
		case err != nil:
			if ctx.Err() == nil {
				r.log.Error("lease a job", "kind", k.Name, "error", err)
			}
			wait = time.Second
		case j != nil:
			r.run(ctx, k, j)
			continue
		}
		select {
		case <-ctx.Done():
		case <-wake:
		case <-r.clock.After(wait):
		}
	}
}

// lease takes the first job that is due, or says how long until one is.
func (r *Runner) lease(ctx context.Context, k runnerKind) (j *Job, wait time.Duration, err error) {
	now := r.clock.Now()
	first, wait, err := r.due(ctx, k.Name, now)
	if err != nil || first == nil {
		return nil, wait, err
	}
	err = r.db.Update(ctx, func(tx *kv.Tx) error {
		j = nil
		cur, err := jobs.Get(tx, k.Name, first.RunAt, first.ID)
		if errors.Is(err, kv.ErrNotFound) {
			return nil // another replica was faster
		}
		if err != nil {
			return err
		}
		cur.Attempts++
		cur.RunAt = now.Add(k.Lease)
		j = cur
		return Enqueue(tx, cur)
	})
	return j, 0, err
}

func (r *Runner) due(ctx context.Context, kind string, now time.Time) (j *Job, wait time.Duration, err error) {
	wait = idle
	err = r.db.View(ctx, func(tx *kv.Tx) error {
		for row, err := range jobs.Scan(tx, kv.Scan{Prefix: []any{kind}, Limit: 1}) {
			if err != nil {
				return err
			}
			if row.Value.RunAt.After(now) {
				wait = min(wait, row.Value.RunAt.Sub(now))
				return nil
			}
			j = row.Value
		}
		return nil
	})
	return j, wait, err
}

func (r *Runner) run(ctx context.Context, k runnerKind, j *Job) {
	c := r.newCall(j, k.service)
	again, err := protect(func() (time.Time, error) { return k.Run(ctx, c, j) })
	if ctx.Err() != nil && err != nil {
		return // the lease runs out and the job runs again
	}
	if err != nil {
		r.log.Error("run a job", "kind", j.Kind, "id", j.ID, "attempts", j.Attempts, "error", err)
		again = r.clock.Now().Add(backoff(j.Attempts))
	}
	if err := r.finish(j, again, err == nil); err != nil {
		r.log.Error("finish a job", "kind", j.Kind, "id", j.ID, "error", err)
	}
}

// finish removes the job, or sets when it runs again, unless it was cancelled
// or replaced meanwhile.
func (r *Runner) finish(j *Job, again time.Time, ok bool) error {
	return r.db.Update(context.Background(), func(tx *kv.Tx) error {
		cur, err := FindJob(tx, j.Kind, j.ID)
		if errors.Is(err, kv.ErrNotFound) || err == nil && cur.Attempts != j.Attempts {
			return nil
		}
		if err != nil {
			return err
		}
		if again.IsZero() {
			return Cancel(tx, j.Kind, j.ID)
		}
		cur.RunAt = again
		if ok {
			cur.Attempts = 0
		}
		cur.Payload = j.Payload
		return Enqueue(tx, cur)
	})
}

// backoff is the delay before attempt n+1: one second, doubling, five minutes at most.
func backoff(n int) time.Duration {
	return min(time.Second<<min(n, 16), 5*time.Minute)
}

var errPanic = errors.New("panic")

func protect(fn func() (time.Time, error)) (again time.Time, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errPanic, p)
		}
	}()
	return fn()
}
