package crash

import (
	"context"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/sigv4"
	"github.com/gigawatt-cloud/gigawatt/test/process"
	"github.com/gigawatt-cloud/gigawatt/test/wire"
)

// roundsEnv is the number of times that the server is killed.
const roundsEnv = "GIGAWATT_CRASH_ROUNDS"

const (
	defaultRounds = 5
	workers       = 8 // of each kind of load
	shortestLoad  = 300 * time.Millisecond
	longestLoad   = 1500 * time.Millisecond
)

// load is one kind of load and the check of what it left.
type load struct {
	name string
	// service and operation must be served.
	service, operation string
	// setup makes what the workers need, in the first round.
	setup func(ctx context.Context, w *world) error
	// step does one thing; an error ends the worker.
	step func(ctx context.Context, w *world, k *worker) error
	// check compares the cloud with the ledger while nothing else runs.
	check func(ctx context.Context, w *world) error
}

// loads is what the server is killed under.
var loads = []load{
	{"standard queues", "sqs", "SendMessage", makeQueues("standard"), sendAndConsume("standard"), drainQueues("standard", "standard queues")},
	{"fifo queues", "sqs", "SendMessage", makeQueues("fifo"), sendAndConsume("fifo"), drainQueues("fifo", "fifo queues")},
	{"batches", "sqs", "SendMessage", makeQueues("batch"), sendBatches("batch"), drainQueues("batch", "batches")},
	{"a queue that grows", "sqs", "SendMessage", makeQueues("cold"), sendOnly("cold"), countQueues("cold")},
	{"users", "iam", "CreateAccessKey", nil, liveAndDie, checkUsers},
}

// world is the cloud as the loads see it: it outlives the processes.
type world struct {
	*ledger
	client  *wire.Client
	workers map[string][]*worker // by load
}

// worker is one of the goroutines of a load.
type worker struct {
	id     int // among those of its load
	last   int // the last number that it gave to something
	random *rand.Rand
	redo   []resend
}

// next numbers what a worker makes.
func (k *worker) next() int {
	k.last++
	return k.last
}

func TestKill(t *testing.T) {
	rounds := defaultRounds
	if s := os.Getenv(roundsEnv); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			t.Fatalf("%s=%s: want a number of rounds", roundsEnv, s)
		}
		rounds = n
	}
	binary, err := process.Binary(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64() //nolint:gosec // chooses when to kill
	t.Logf("seed %d", seed)
	served := servedLoads(t)
	w := &world{ledger: newLedger(), workers: map[string][]*worker{}}
	for n, l := range served {
		for i := range workers {
			r := rand.New(rand.NewPCG(seed, uint64(n*workers+i))) //nolint:gosec // chooses sizes
			w.workers[l.name] = append(w.workers[l.name], &worker{id: i, random: r})
		}
	}
	when := rand.New(rand.NewPCG(seed, 1<<40)) //nolint:gosec // as above
	dir := t.TempDir()
	for round := range rounds {
		p := start(t, w, binary, dir)
		verify(t, w, served, round)
		answered := w.answered()
		drive(t, w, p, served, shortestLoad+time.Duration(when.Int64N(int64(longestLoad-shortestLoad))))
		t.Logf("round %d: killed after %d answered calls", round+1, w.answered()-answered)
		if t.Failed() {
			t.Fatal(p.Log())
		}
	}
	p := start(t, w, binary, dir)
	verify(t, w, served, rounds)
	if err := p.Stop(); err != nil {
		t.Errorf("a stop that was asked for: %v\n%s", err, p.Log())
	}
	p = start(t, w, binary, dir) // an orderly stop loses nothing either
	verify(t, w, served, rounds)
	if err := drainQueues("cold", "a queue that grows")(t.Context(), w); err != nil {
		t.Error(err)
	}
	verify(t, w, served, rounds)
	if err := p.Stop(); err != nil {
		t.Errorf("the last stop: %v\n%s", err, p.Log())
	}
}

// servedLoads leaves out the loads of services that the cloud does not serve.
func servedLoads(t *testing.T) []load {
	t.Helper()
	return slices.DeleteFunc(slices.Clone(loads), func(l load) bool {
		if !process.Serves(l.service, l.operation) {
			t.Logf("%s of %s is not served: no load of %s", l.operation, l.service, l.name)
			return true
		}
		return false
	})
}

// start starts the server again and points the world at it.
func start(t *testing.T, w *world, binary, dir string) *process.Process {
	t.Helper()
	p, err := process.Start(t.Context(), binary, dir)
	if err != nil {
		t.Fatalf("start after %d answered calls: %v", w.answered(), err)
	}
	t.Cleanup(func() {
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
	})
	w.client = &wire.Client{
		Endpoint: p.Endpoint, Region: p.Region, HTTP: newHTTP(),
		Credentials: sigv4.Credentials{AccessKeyID: p.AccessKeyID, SecretAccessKey: p.SecretAccessKey},
	}
	return p
}

// verify compares the cloud with the ledger, or sets it up in the first round.
func verify(t *testing.T, w *world, served []load, round int) {
	t.Helper()
	var wg sync.WaitGroup
	for _, l := range served {
		do := l.check
		if round == 0 {
			do = l.setup
		}
		if do == nil {
			continue
		}
		wg.Go(func() {
			if err := do(t.Context(), w); err != nil {
				t.Errorf("round %d: %s: %v", round, l.name, err)
			}
		})
	}
	wg.Wait()
	if err := w.checkUsage(t.Context(), w.client); err != nil {
		t.Errorf("round %d: usage: %v", round, err)
	}
	if wrong := w.problems(); len(wrong) > 0 {
		t.Fatalf("after %d kills:\n%s", round, strings.Join(wrong, "\n"))
	}
	if t.Failed() {
		t.FailNow()
	}
}

// drive runs all loads and kills the server while they run.
func drive(t *testing.T, w *world, p *process.Process, served []load, length time.Duration) {
	t.Helper()
	var wg sync.WaitGroup
	for _, l := range served {
		for _, k := range w.workers[l.name] {
			wg.Go(func() {
				for {
					err := l.step(t.Context(), w, k)
					if wire.Lost(err) {
						return
					}
					if err != nil {
						t.Errorf("%s: %v", l.name, err)
						return
					}
				}
			})
		}
	}
	time.Sleep(length)
	if p.Exited() {
		t.Error("the server ended by itself")
	}
	if err := p.Kill(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if wrong := w.problems(); len(wrong) > 0 {
		t.Error(strings.Join(wrong, "\n"))
	}
}

func (w *world) answered() (n int) {
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	for _, c := range w.calls {
		n += c.answered
	}
	return n
}
