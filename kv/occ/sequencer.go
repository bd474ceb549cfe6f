package occ

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/gigawatt-cloud/gigawatt/kv/driver"
)

type requestKind int

const (
	commitRequest requestKind = iota
	turnRequest               // for an exclusive transaction
	resetRequest
)

// request is what waits for the sequencer.
type request struct {
	kind  requestKind
	state atomic.Int32 // waiting, taken or abandoned
	entry *entry

	base      uint64
	exclusive bool
	reads     *readSet
	writes    []*Write
	changes   []driver.Change

	granted chan struct{} // closed when an exclusive transaction may begin
	next    chan *request // its commit; closed when there is none
}

const (
	waiting int32 = iota
	taken
	abandoned
)

// queue is where requests wait, in the order in which they came.
type queue struct {
	mu     sync.Mutex
	more   *sync.Cond
	items  []*request
	closed bool
}

func (q *queue) init() { q.more = sync.NewCond(&q.mu) }

func (q *queue) push(r *request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.items = append(q.items, r)
	if len(q.items) == 1 {
		q.more.Signal()
	}
	return true
}

// take waits for requests and returns all of them; none once the queue is closed and empty.
func (q *queue) take(spare []*request) []*request {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.items) == 0 && !q.closed {
		q.more.Wait()
	}
	items := q.items
	q.items = spare[:0]
	return items
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.more.Broadcast()
}

// submit has the sequencer take a request and waits for its end. While the
// gate is shut nothing is taken, and nobody waits.
func (d *DB) submit(ctx context.Context, r *request) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := d.gate.Err(); err != nil {
		return err
	}
	if r.entry == nil {
		r.entry = &entry{done: make(chan struct{})}
	}
	if !d.queue.push(r) {
		return driver.ErrClosed
	}
	return d.await(r)
}

// await waits for the end of a request. It does not heed a context: whoever
// gave up would not know what became of the writes, and syncs are short. Only
// the gate cuts it short.
func (d *DB) await(r *request) error {
	select {
	case <-r.entry.done:
		return r.entry.err
	case <-d.gate.shut():
	}
	if !r.exclusive && r.state.CompareAndSwap(waiting, abandoned) {
		return d.gate.Err()
	}
	select {
	case <-r.entry.done:
		return r.entry.err
	default:
	}
	if err := d.gate.Err(); err != nil {
		return err
	}
	return d.await(r)
}

// acquire waits for the turn of an exclusive transaction.
func (d *DB) acquire(ctx context.Context) (*request, error) {
	if err := d.gate.Err(); err != nil {
		return nil, err
	}
	r := &request{
		kind: turnRequest, granted: make(chan struct{}), next: make(chan *request, 1),
		entry: &entry{done: make(chan struct{})},
	}
	if !d.queue.push(r) {
		return nil, driver.ErrClosed
	}
	err := d.awaitTurn(ctx, r)
	if err == nil {
		return r, nil
	}
	if !r.state.CompareAndSwap(waiting, abandoned) {
		close(r.next) // the turn came at the same time; it is not wanted any more
	}
	return nil, err
}

func (d *DB) awaitTurn(ctx context.Context, r *request) error {
	for {
		select {
		case <-r.granted:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-d.gate.shut():
			if err := d.gate.Err(); err != nil {
				return err
			}
		}
	}
}

// maxGroup is the number of bytes after which the sequencer applies what it
// has gathered.
const maxGroup = 512 << 10

// group is a batch of commits on its way to the disk.
type group struct {
	writes  []*Write
	entries []*entry
	size    int
	wait    func() error
}

// sequence takes requests in order until the queue is closed.
func (d *DB) sequence() {
	defer close(d.syncs)
	var spare []*request
	for {
		batch := d.queue.take(spare)
		if len(batch) == 0 {
			return
		}
		g := &group{}
		for i, r := range batch {
			batch[i] = nil
			if !r.state.CompareAndSwap(waiting, taken) {
				continue
			}
			switch r.kind {
			case commitRequest:
				d.place(g, r)
				if g.size >= maxGroup {
					g = d.apply(g)
				}
			case turnRequest:
				g = d.apply(g)
				d.exclusives.Add(1)
				close(r.granted)
				if commit, ok := <-r.next; ok {
					d.place(g, commit)
				}
			case resetRequest:
				g = d.apply(g)
				d.reset(r.entry)
			}
		}
		d.apply(g)
		spare = batch
		d.history.prune(min(d.active.oldest(d.applied.Load()), d.durable.Load()))
	}
}

// place validates a commit and puts it into the group.
func (d *DB) place(g *group, r *request) {
	e := r.entry
	if err := d.failure(); err != nil {
		e.finish(err)
		return
	}
	if !r.exclusive && d.history.conflict(r.reads, r.base) {
		d.conflicts.Add(1)
		e.finish(driver.ErrConflict)
		return
	}
	e.num = d.nextNum(g)
	e.keys = make([][]byte, len(r.writes), len(r.writes)+len(r.changes))
	for i, w := range r.writes {
		e.keys[i] = w.Key
		g.size += len(w.Key) + len(w.Value)
	}
	g.writes = append(g.writes, r.writes...)
	for _, c := range r.changes {
		d.lastSeq++
		c.Seq = d.lastSeq
		w := changeRow(c)
		g.writes = append(g.writes, w)
		e.keys = append(e.keys, w.Key) // behind all others: see reserved
		g.size += len(w.Key) + len(w.Value)
	}
	g.entries = append(g.entries, e)
	d.history.add(e)
}

func (d *DB) nextNum(g *group) uint64 {
	if n := len(g.entries); n > 0 {
		return g.entries[n-1].num + 1
	}
	return d.applied.Load() + 1
}

func (e *entry) finish(err error) {
	e.err = err
	close(e.done)
}

// apply gives the group to the engine and returns an empty one.
func (d *DB) apply(g *group) *group {
	if len(g.entries) == 0 {
		return g
	}
	last := g.entries[len(g.entries)-1].num
	d.shown.Store(last)
	wait, err := d.engine.Apply(g.writes)
	if err != nil {
		err = d.fail(err)
		wait = func() error { return err }
	} else {
		d.applied.Store(last)
	}
	g.wait = wait
	if wait == nil {
		d.finish(g, nil)
	} else {
		d.turnover.Add(1)
		d.syncs <- g
	}
	return &group{}
}

// sync waits for groups to become durable, in order.
func (d *DB) sync() {
	for g := range d.syncs {
		err := g.wait()
		if err != nil {
			err = d.fail(err)
		}
		d.finish(g, err)
		d.turnover.Done()
	}
}

func (d *DB) finish(g *group, err error) {
	if err == nil {
		last := g.entries[len(g.entries)-1].num
		d.durable.Store(max(last, d.durable.Load()))
		d.commits.Add(uint64(len(g.entries)))
	}
	for _, e := range g.entries {
		e.finish(err)
	}
	if err == nil && d.observe != nil {
		for _, e := range g.entries {
			d.observe(e.keys)
		}
	}
}

// reset empties the engine as one commit that conflicts with everything.
func (d *DB) reset(e *entry) {
	if err := d.failure(); err != nil {
		e.finish(err)
		return
	}
	e.num, e.all = d.applied.Load()+1, true
	d.history.add(e)
	d.shown.Store(e.num)
	g := &group{entries: []*entry{e}}
	if err := d.engine.Clear([]*Write{trimmedRow(d.lastSeq)}); err != nil {
		d.finish(g, d.fail(err))
		return
	}
	d.applied.Store(e.num)
	d.turnover.Wait() // commits become durable in order
	d.finish(g, nil)
}
