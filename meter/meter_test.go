package meter_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/kv/memkv"
	"github.com/gigawatt-cloud/gigawatt/meter"
)

var noon = time.Date(2026, 11, 22, 12, 30, 0, 0, time.UTC)

func request(n float64) meter.Usage {
	return meter.Usage{Account: "111111111111", Region: "us-east-1", Hour: noon, Service: "sqs", Operation: "SendMessage", Type: meter.Requests, Quantity: n}
}

func list(t *testing.T, db *kv.DB, f meter.Filter) (out []meter.Usage) {
	t.Helper()
	err := db.View(t.Context(), func(tx *kv.Tx) (err error) {
		out, err = meter.List(tx, f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func total(all []meter.Usage) (n float64) {
	for _, u := range all {
		n += u.Quantity
	}
	return n
}

func TestFoldKeepsSums(t *testing.T) {
	db := memkv.New()
	for i := range 1200 {
		tally := meter.NewTally(fmt.Sprintf("request-%04d", i))
		tally.Add(request(1))
		if err := db.Update(t.Context(), func(tx *kv.Tx) error { _, err := tally.Write(tx); return err }); err != nil {
			t.Fatal(err)
		}
	}
	before := list(t, db, meter.Filter{})
	for more := true; more; {
		var err error
		if more, err = meter.Fold(t.Context(), db, noon); err != nil {
			t.Fatal(err)
		}
	}
	after := list(t, db, meter.Filter{})
	if diff := cmp.Diff(before, after); diff != "" || total(after) != 1200 || len(after) != 1 {
		t.Errorf("folding changed the sums: %s\n%+v", diff, after)
	}
}

func TestTallyIsWrittenOnce(t *testing.T) {
	db := memkv.New()
	tally := meter.NewTally("request")
	tally.Add(request(1))
	write := func(fail bool) error {
		return db.Update(t.Context(), func(tx *kv.Tx) error {
			if _, err := tally.Write(tx); err != nil {
				return err
			}
			if fail {
				return errors.New("the call fails after writing")
			}
			return nil
		})
	}
	if write(true) == nil {
		t.Fatal("the transaction committed")
	}
	if n := total(list(t, db, meter.Filter{})); n != 0 {
		t.Errorf("a transaction that failed left usage of %g", n)
	}
	for range 2 { // the same call again, as after an answer that got lost
		if err := write(false); err != nil {
			t.Fatal(err)
		}
	}
	if n := total(list(t, db, meter.Filter{})); n != 1 {
		t.Errorf("usage = %g, want 1", n)
	}
}

func TestWriteOnceAcrossFolds(t *testing.T) {
	db := memkv.New()
	for i := range 3 {
		var fresh bool
		err := db.Update(t.Context(), func(tx *kv.Tx) (err error) {
			fresh, err = meter.WriteOnce(tx, "s3/storage/bucket/12", request(5))
			return err
		})
		if err != nil || fresh != (i == 0) {
			t.Fatalf("write %d: fresh %t, %v", i, fresh, err)
		}
		if _, err := meter.Fold(t.Context(), db, noon); err != nil {
			t.Fatal(err)
		}
	}
	if n := total(list(t, db, meter.Filter{})); n != 5 {
		t.Errorf("usage = %g, want 5", n)
	}
}

func TestFilter(t *testing.T) {
	db := memkv.New()
	tally := meter.NewTally("request")
	other := request(2)
	other.Account, other.Hour = "222222222222", noon.Add(3*time.Hour)
	tally.Add(request(1))
	tally.Add(other)
	if err := db.Update(t.Context(), func(tx *kv.Tx) error { _, err := tally.Write(tx); return err }); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		f    meter.Filter
		want float64
	}{
		{meter.Filter{}, 3},
		{meter.Filter{Account: "222222222222"}, 2},
		{meter.Filter{Service: "s3"}, 0},
		{meter.Filter{End: noon.Add(time.Hour)}, 1},
		{meter.Filter{Start: noon.Add(time.Hour)}, 2},
	} {
		if got := total(list(t, db, c.f)); got != c.want {
			t.Errorf("%+v selects %g, want %g", c.f, got, c.want)
		}
	}
}

func TestJournal(t *testing.T) {
	db := memkv.New()
	j := meter.NewJournal(db)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { j.Run(ctx); close(ended) }()
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			tally := meter.NewTally(fmt.Sprintf("request-%d", i))
			tally.Add(request(1))
			if err := j.Write(t.Context(), tally); err != nil || tally.Pending() {
				t.Errorf("write: %v, pending %t", err, tally.Pending())
			}
		})
	}
	wg.Wait()
	if n := total(list(t, db, meter.Filter{})); n != 200 {
		t.Errorf("usage = %g, want 200", n)
	}
	stop()
	<-ended
	tally := meter.NewTally("late")
	tally.Add(request(1))
	if err := j.Write(t.Context(), tally); !errors.Is(err, meter.ErrClosed) {
		t.Errorf("a closed journal answered %v", err)
	}
}

func BenchmarkJournal(b *testing.B) {
	db := memkv.New()
	j := meter.NewJournal(db)
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan struct{})
	go func() { j.Run(ctx); close(ended) }()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			tally := meter.NewTally("request")
			tally.Add(request(1))
			if err := j.Write(ctx, tally); err != nil {
				b.Error(err)
			}
		}
	})
	stop()
	<-ended
}
