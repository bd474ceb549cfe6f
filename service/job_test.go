package service_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/gigawatt-cloud/gigawatt/internal/clock"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/kv/memkv"
	"github.com/gigawatt-cloud/gigawatt/service"
)

var start = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// world runs the jobs of one kind on a clock that stands still.
type world struct {
	t     *testing.T
	db    *kv.DB
	clock *clock.Manual
	runs  chan *service.Job
	stop  func()
}

func run(t *testing.T, db *kv.DB, clk *clock.Manual, do func(j *service.Job) (time.Time, error)) *world {
	w := &world{t: t, db: db, clock: clk, runs: make(chan *service.Job, 100)}
	kind := service.JobKind{Name: "test.job", Run: func(_ context.Context, _ *service.Call, j *service.Job) (time.Time, error) {
		again, err := do(j)
		w.runs <- j
		return again, err
	}}
	r := service.NewRunner(db, clk, slog.New(slog.DiscardHandler), []*service.Service{{Name: "test", Jobs: []service.JobKind{kind}}},
		func(j *service.Job, _ string) *service.Call { return &service.Call{Account: j.Account, Now: clk.Now()} })
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { r.Run(ctx) })
	w.stop = func() { cancel(); wg.Wait() }
	t.Cleanup(w.stop)
	return w
}

func (w *world) enqueue(id string, at time.Time) {
	w.t.Helper()
	err := w.db.Update(w.t.Context(), func(tx *kv.Tx) error {
		return service.Enqueue(tx, &service.Job{Kind: "test.job", ID: id, RunAt: at})
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// gone waits until the job's row is removed.
func (w *world) gone(id string) {
	w.t.Helper()
	for {
		err := w.db.View(w.t.Context(), func(tx *kv.Tx) error { _, err := service.FindJob(tx, "test.job", id); return err })
		if errors.Is(err, kv.ErrNotFound) {
			return
		}
		if err != nil {
			w.t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestJobRunsWhenDue(t *testing.T) {
	clk := clock.NewManual(start)
	w := run(t, memkv.New(), clk, func(*service.Job) (time.Time, error) { return time.Time{}, nil })
	w.enqueue("later", start.Add(time.Hour))
	w.enqueue("now", start)
	if j := <-w.runs; j.ID != "now" {
		t.Fatalf("%s ran first", j.ID)
	}
	w.gone("now")
	select {
	case j := <-w.runs:
		t.Fatalf("%s ran before it was due", j.ID)
	default:
	}
	for done := false; !done; {
		clk.Advance(time.Hour) // again, should the loop not sleep yet
		select {
		case j := <-w.runs:
			done = j.ID == "later"
		case <-time.After(time.Millisecond):
		}
	}
	w.gone("later")
}

func TestJobRunsAgainAfterAnError(t *testing.T) {
	clk := clock.NewManual(start)
	w := run(t, memkv.New(), clk, func(j *service.Job) (time.Time, error) {
		switch j.Attempts {
		case 1:
			return time.Time{}, errors.New("not yet")
		case 2:
			panic("worse")
		}
		return time.Time{}, nil
	})
	w.enqueue("stubborn", start)
	// A job whose run panics sends nothing: attempts 1 and 3 are seen.
	if j := <-w.runs; j.Attempts != 1 {
		t.Fatalf("attempt %d", j.Attempts)
	}
	for {
		clk.Advance(10 * time.Second)
		select {
		case j := <-w.runs:
			if j.Attempts != 3 {
				t.Fatalf("attempt %d", j.Attempts)
			}
			w.gone("stubborn")
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// A replica that dies in the middle of a run loses its lease, and another runs the job.
func TestLeaseRunsOut(t *testing.T) {
	db, clk := memkv.New(), clock.NewManual(start)
	hung := make(chan struct{})
	first := run(t, db, clk, func(*service.Job) (time.Time, error) {
		<-hung
		return time.Time{}, errors.New("too late")
	})
	first.enqueue("work", start)
	for leased := false; !leased; {
		err := db.View(t.Context(), func(tx *kv.Tx) error {
			j, err := service.FindJob(tx, "test.job", "work")
			leased = err == nil && j.Attempts == 1
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	second := run(t, db, clk, func(*service.Job) (time.Time, error) { return time.Time{}, nil })
	for {
		clk.Advance(time.Minute)
		select {
		case j := <-second.runs:
			if j.Attempts != 2 {
				t.Errorf("attempt %d", j.Attempts)
			}
			second.gone("work")
			close(hung)
			return
		case <-time.After(time.Millisecond):
		}
	}
}

func TestCancelAndReplace(t *testing.T) {
	db := memkv.New()
	err := db.Update(t.Context(), func(tx *kv.Tx) error {
		for _, at := range []time.Time{start, start.Add(time.Hour)} {
			if err := service.Enqueue(tx, &service.Job{Kind: "test.job", ID: "one", RunAt: at}); err != nil {
				return err
			}
		}
		if err := service.EnsureJob(tx, &service.Job{Kind: "test.job", ID: "one", RunAt: start}); err != nil {
			return err
		}
		j, err := service.FindJob(tx, "test.job", "one")
		if err != nil {
			return err
		}
		if !j.RunAt.Equal(start.Add(time.Hour)) {
			t.Errorf("RunAt = %s", j.RunAt)
		}
		return service.Cancel(tx, "test.job", "one")
	})
	if err != nil {
		t.Fatal(err)
	}
	w := run(t, db, clock.NewManual(start.Add(2*time.Hour)), func(*service.Job) (time.Time, error) { return time.Time{}, nil })
	w.enqueue("other", start)
	if j := <-w.runs; j.ID != "other" {
		t.Errorf("the cancelled job ran")
	}
}

func TestPageTokens(t *testing.T) {
	p := service.NewPages([32]byte{1})
	token := p.Token("sqs ListQueues", []byte("after this"))
	if key, err := p.Open("sqs ListQueues", token); err != nil || string(key) != "after this" {
		t.Errorf("open: %q, %v", key, err)
	}
	for what, try := range map[string]func() ([]byte, error){
		"another list":  func() ([]byte, error) { return p.Open("sqs ListQueueTags", token) },
		"another key":   func() ([]byte, error) { return service.NewPages([32]byte{2}).Open("sqs ListQueues", token) },
		"a forged one":  func() ([]byte, error) { return p.Open("sqs ListQueues", "AAAA"+token[4:]) },
		"not base64":    func() ([]byte, error) { return p.Open("sqs ListQueues", "§") },
		"a cut-off one": func() ([]byte, error) { return p.Open("sqs ListQueues", token[:10]) },
	} {
		if _, err := try(); !errors.Is(err, service.ErrPageToken) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if key, err := p.Open("any", ""); key != nil || err != nil {
		t.Errorf("an empty token: %q, %v", key, err)
	}
}
