package meter

import (
	"context"
	"errors"
	"sync"

	"github.com/gigawatt-cloud/gigawatt/kv"
)

// Journal writes the usage of calls that change nothing else. Calls that wait
// at the same time share one transaction, and so one fsync.
type Journal struct {
	db    *kv.DB
	queue chan *entry
	done  chan struct{}
	close sync.Once
}

type entry struct {
	t   *Tally
	err chan error
}

// ErrClosed says that the journal takes no more usage.
var ErrClosed = errors.New("meter: the journal is closed")

const (
	journalQueue = 1024
	journalBatch = 256
)

// NewJournal returns a journal; its writer runs in Run.
func NewJournal(db *kv.DB) *Journal {
	return &Journal{db: db, queue: make(chan *entry, journalQueue), done: make(chan struct{})}
}

// Write makes the tally's pending usage durable.
func (j *Journal) Write(ctx context.Context, t *Tally) error {
	if !t.Pending() {
		return nil
	}
	e := &entry{t: t, err: make(chan error, 1)}
	select {
	case j.queue <- e:
	case <-j.done:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-e.err:
		return err
	case <-j.done:
		return ErrClosed
	}
}

// Run writes until ctx ends, then what is still queued.
func (j *Journal) Run(ctx context.Context) {
	defer j.close.Do(func() { close(j.done) })
	for {
		select {
		case e := <-j.queue:
			j.batch(e)
		case <-ctx.Done():
			for {
				select {
				case e := <-j.queue:
					j.batch(e)
				default:
					return
				}
			}
		}
	}
}

// batch writes first and whatever else waits.
func (j *Journal) batch(first *entry) {
	entries := []*entry{first}
gather:
	for len(entries) < journalBatch {
		select {
		case e := <-j.queue:
			entries = append(entries, e)
		default:
			break gather
		}
	}
	committed := make([]func(), len(entries))
	err := j.db.Update(context.Background(), func(tx *kv.Tx) error {
		for i, e := range entries {
			var err error
			if committed[i], err = e.t.Write(tx); err != nil {
				return err
			}
		}
		return nil
	})
	for i, e := range entries {
		if err == nil {
			committed[i]()
		}
		e.err <- err
	}
}
