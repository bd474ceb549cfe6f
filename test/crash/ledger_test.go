package crash

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/gigawatt-cloud/gigawatt/test/wire"
)

// absent is the value of a thing that is not there.
const absent = ""

// ledger knows what the cloud has answered. A thing has a name and a value; as
// long as the answer to a change is out, several values are possible.
type ledger struct {
	mu     sync.Mutex
	things map[string][]string
	calls  map[string]*count
	wrong  []string
}

// count counts the calls of one operation.
type count struct{ answered, lost int }

func newLedger() *ledger {
	return &ledger{things: map[string][]string{}, calls: map[string]*count{}}
}

// problem notes something that must not be.
func (l *ledger) problem(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	const enough = 20
	if len(l.wrong) < enough {
		l.wrong = append(l.wrong, fmt.Sprintf(format, args...))
	}
}

func (l *ledger) problems() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.wrong)
}

// change makes do, which changes things to value. Each thing is changed by one
// goroutine at a time.
func (l *ledger) change(value string, do func() error, names ...string) error {
	before := l.begin(value, names)
	err := do()
	switch {
	case err == nil:
		l.settle(value, names...)
	case !wire.Lost(err): // refused: nothing has changed
		l.mu.Lock()
		for i, n := range names {
			l.things[n] = before[i]
		}
		l.mu.Unlock()
	}
	return err
}

func (l *ledger) begin(value string, names []string) [][]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := make([][]string, len(names))
	for i, n := range names {
		may, known := l.things[n]
		if !known {
			may = []string{absent}
		}
		before[i] = may
		if !slices.Contains(may, value) {
			may = append(slices.Clone(may), value)
		}
		l.things[n] = may
	}
	return before
}

// settle notes that things have a value for sure.
func (l *ledger) settle(value string, names ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range names {
		l.things[n] = []string{value}
	}
}

// found notes what a thing turned out to be, which must be possible.
func (l *ledger) found(name, value string) {
	may := l.may(name)
	if !slices.Contains(may, value) {
		switch {
		case value == absent:
			l.problem("%s is lost: acknowledged as %q", name, may)
		case len(may) == 1 && may[0] == absent:
			l.problem("%s is there as %q although it was never made or its deletion was acknowledged", name, value)
		default:
			l.problem("%s is %q, acknowledged as %q", name, value, may)
		}
	}
	l.settle(value, name)
}

// may returns the possible values of a thing.
func (l *ledger) may(name string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if may, ok := l.things[name]; ok {
		return may
	}
	return []string{absent}
}

// names returns the names that begin with prefix, of things that may be there.
func (l *ledger) names(prefix string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for n, may := range l.things {
		if len(n) > len(prefix) && n[:len(prefix)] == prefix && !(len(may) == 1 && may[0] == absent) {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

// call makes one call of an operation and counts it.
func (l *ledger) call(service, operation string, do func() error) error {
	err := do()
	l.mu.Lock()
	defer l.mu.Unlock()
	k := service + " " + operation
	c := l.calls[k]
	if c == nil {
		c = &count{}
		l.calls[k] = c
	}
	switch {
	case err == nil:
		c.answered++
	case wire.Lost(err):
		c.lost++
	}
	return err
}

// checkUsage compares the usage that the cloud has recorded with the calls. It
// is run while no call is out; what was lost is then known to have been counted or not.
func (l *ledger) checkUsage(ctx context.Context, c *wire.Client) error {
	used, err := usage(ctx, c)
	if err != nil {
		return err
	}
	for k, n := range l.calls {
		got := used[k]
		if got < n.answered || got > n.answered+n.lost {
			l.problem("usage of %s is %d; %d calls were answered and %d lost", k, got, n.answered, n.lost)
		}
		n.answered, n.lost = got, 0
	}
	return nil
}

// usage sums up the requests by service and operation.
func usage(ctx context.Context, c *wire.Client) (map[string]int, error) {
	out := map[string]int{}
	in := map[string]string{}
	for {
		var page struct {
			Usage []struct {
				ServiceName, OperationName, UsageType string
				Quantity                              float64
			}
			NextToken string
		}
		if err := c.Operator(ctx, "ListUsage", in, &page); err != nil {
			return nil, err
		}
		for _, u := range page.Usage {
			if u.UsageType == "Requests" {
				out[u.ServiceName+" "+u.OperationName] += int(u.Quantity)
			}
		}
		if page.NextToken == "" {
			return out, nil
		}
		in["NextToken"] = page.NextToken
	}
}

// newHTTP returns a client with connections of its own, so that none of a
// killed server is left for its successor.
func newHTTP() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
}

// together runs do for 0 to n-1, a few at a time, and returns the first error.
func together(n int, do func(i int) error) error {
	const most = 16
	var (
		wg    sync.WaitGroup
		slots = make(chan struct{}, most)
		once  sync.Once
		first error
	)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := do(i); err != nil {
				once.Do(func() { first = err })
			}
		})
	}
	wg.Wait()
	return first
}
