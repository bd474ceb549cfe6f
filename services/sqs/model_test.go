package sqs

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gigawatt-cloud/gigawatt/api/sqsapi"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/kv/faultkv"
	"github.com/gigawatt-cloud/gigawatt/kv/memkv"
)

// model is what a queue has to do, in the plainest form: groups of messages in
// their order. A message of a standard queue is a group of its own.
type model struct {
	*world
	rnd    *rand.Rand
	faults *faultkv.Faults
	fifo   bool
	url    string
	groups map[string][]*modelMessage
	gone   []string // handles of what was deleted
	sent   int
	// broken is whether the last call ended in an injected fault.
	broken bool
}

type modelMessage struct {
	body      string
	visibleAt time.Time
	expires   time.Time
	handle    string // of the last receive
	stale     string // of one before
	count     int
	released  bool // its visibility was set to zero
	maybe     bool // a fault left open whether it is there
}

const (
	modelVisibility = 30 * time.Second
	modelRetention  = 10 * time.Minute
)

var errInjected = errors.New("injected")

// expect reports whether a call took place; a fault leaves that open and is healed.
func (m *model) expect(err error) bool {
	m.Helper()
	m.broken = false
	if err == nil {
		return true
	}
	if awserr.As(err) != nil {
		m.Fatalf("unexpected error: %v", err)
	}
	if !errors.Is(err, errInjected) && !errors.Is(err, faultkv.ErrCrashed) {
		m.Fatalf("an error that was not injected: %v", err)
	}
	m.broken = true
	m.faults.Heal()
	if errors.Is(err, faultkv.ErrCrashed) {
		m.restart()
	}
	return false
}

func (m *model) step() {
	switch n := m.rnd.IntN(100); {
	case n < 25:
		m.stepSend()
	case n < 55:
		m.stepReceive()
	case n < 75:
		m.stepDelete()
	case n < 85:
		m.stepVisibility()
	case n < 93:
		m.clock.Advance(time.Duration(m.rnd.IntN(15_000)) * time.Millisecond)
		m.forget()
	case n < 94:
		m.clock.Advance(modelRetention)
		m.forget()
	case n < 96:
		m.runJobsSafely()
	case n < 98:
		m.restart()
	default:
		m.inject()
	}
}

// inject makes a commit that comes soon fail, or the store crash around it.
func (m *model) inject() {
	switch skip := m.rnd.IntN(3); m.rnd.IntN(3) {
	case 0:
		m.faults.Fail(faultkv.Commit, errInjected, 1)
	case 1:
		m.faults.CrashBefore(faultkv.Commit, skip)
	default:
		m.faults.CrashAfter(faultkv.Commit, skip)
	}
}

func (m *model) runJobsSafely() {
	m.faults.Heal()
	m.runJobs()
}

// forget drops what has expired. Expired messages in flight are kept by the
// queue until it meets them, so that they may not be seen but their handles work.
func (m *model) forget() {
	for g, list := range m.groups {
		list = slices.DeleteFunc(list, func(x *modelMessage) bool { return !x.expires.After(m.clock.Now()) })
		if m.groups[g] = list; len(list) == 0 {
			delete(m.groups, g)
		}
	}
}

func (m *model) stepSend() {
	m.sent++
	body := "m" + strconv.Itoa(m.sent)
	in := &sqsapi.SendMessageInput{QueueUrl: m.url, MessageBody: body}
	group := body
	if m.fifo {
		group = "g" + strconv.Itoa(m.rnd.IntN(4))
		in.MessageGroupId, in.MessageDeduplicationId = &group, &body
	}
	x := &modelMessage{body: body, visibleAt: m.clock.Now(), expires: m.clock.Now().Add(modelRetention)}
	if !m.fifo && m.rnd.IntN(4) == 0 {
		delay := int32(m.rnd.IntN(20))
		in.DelaySeconds = &delay
		x.visibleAt = x.visibleAt.Add(time.Duration(delay) * time.Second)
	}
	_, err := try(m.world, sqsapi.SendMessage, in)
	x.maybe = !m.expect(err)
	m.groups[group] = append(m.groups[group], x)
	m.clock.Advance(time.Millisecond)
}

// visible returns how many messages at the head of a group can be received.
func (m *model) visible(list []*modelMessage) int {
	n := slices.IndexFunc(list, func(x *modelMessage) bool { return x.visibleAt.After(m.clock.Now()) })
	if n < 0 {
		return len(list)
	}
	return n
}

func (m *model) stepReceive() {
	n := int32(1 + m.rnd.IntN(10))
	out, err := try(m.world, sqsapi.ReceiveMessage, &sqsapi.ReceiveMessageInput{
		QueueUrl: m.url, MaxNumberOfMessages: &n, MessageSystemAttributeNames: []string{"All"},
	})
	if !m.expect(err) {
		// Perhaps they are in flight now: they come back, and nobody knows how often they were received.
		m.clock.Advance(modelVisibility)
		for _, list := range m.groups {
			for _, x := range list {
				x.handle, x.stale, x.count = "", "", -1
			}
		}
		m.clock.Advance(12 * time.Hour / 144) // beyond what any visibility was set to
		m.forget()
		return
	}
	if len(out.Messages) == 0 {
		for g, list := range m.groups {
			if k := m.visible(list); k > 0 && slices.ContainsFunc(list[:k], func(x *modelMessage) bool { return !x.maybe }) {
				m.Fatalf("nothing was received, but %s of group %s is visible", list[0].body, g)
			}
		}
	}
	for i := range out.Messages {
		m.received(&out.Messages[i])
	}
}

// received checks a message against the model: it is the first of its group
// that was not received just now, and visible.
func (m *model) received(got *sqsapi.Message) {
	now := m.clock.Now()
	group := *got.Body
	if m.fifo {
		group = got.Attributes["MessageGroupId"]
	}
	list := m.groups[group]
	for len(list) > 0 && (list[0].body != *got.Body) && (list[0].maybe || list[0].visibleAt.Equal(now.Add(modelVisibility))) {
		list = list[1:] // not there, or received together with this one
	}
	if len(list) == 0 || list[0].body != *got.Body {
		m.Fatalf("received %s of group %s, which is not at its head: %v", *got.Body, group, bodiesOf(m.groups[group]))
	}
	x := list[0]
	if x.visibleAt.After(now) {
		m.Fatalf("received %s, which is not visible for another %v", x.body, x.visibleAt.Sub(now))
	}
	if count, _ := strconv.Atoi(got.Attributes["ApproximateReceiveCount"]); x.count >= 0 && count != x.count+1 {
		m.Fatalf("%s was received %d times, not %d", x.body, x.count+1, count)
	} else {
		x.count = count
	}
	x.stale, x.handle = x.handle, *got.ReceiptHandle
	x.visibleAt, x.maybe, x.released = now.Add(modelVisibility), false, false
}

func bodiesOf(list []*modelMessage) (out []string) {
	for _, x := range list {
		out = append(out, fmt.Sprintf("%s@%s", x.body, x.visibleAt.Format("15:04:05")))
	}
	return out
}

// pick returns a message that was received, and its group.
func (m *model) pick() (string, *modelMessage) {
	var groups []string
	for g := range m.groups {
		groups = append(groups, g)
	}
	slices.Sort(groups)
	m.rnd.Shuffle(len(groups), func(i, j int) { groups[i], groups[j] = groups[j], groups[i] })
	for _, g := range groups {
		for _, x := range m.groups[g] {
			if x.handle != "" && !x.maybe {
				return g, x
			}
		}
	}
	return "", nil
}

func (m *model) stepDelete() {
	g, x := m.pick()
	if x == nil {
		return
	}
	expired := m.fifo && !(x.visibleAt.After(m.clock.Now()) && !x.released)
	handle := x.handle
	if x.stale != "" && m.rnd.IntN(5) == 0 {
		handle, expired = x.stale, m.fifo
	}
	_, err := try(m.world, sqsapi.DeleteMessage, &sqsapi.DeleteMessageInput{QueueUrl: m.url, ReceiptHandle: handle})
	switch {
	case expired && awserr.As(err) != nil:
	case expired && err == nil:
		m.Fatalf("%s was deleted by a handle that has expired", x.body)
	case m.expect(err) && handle == x.handle:
		m.groups[g] = slices.DeleteFunc(m.groups[g], func(y *modelMessage) bool { return y == x })
		m.gone = append(m.gone, handle)
	case m.broken && handle == x.handle:
		x.maybe = true
	}
}

func (m *model) stepVisibility() {
	_, x := m.pick()
	if x == nil || x.released || m.fifo && !x.visibleAt.After(m.clock.Now()) {
		return
	}
	seconds := int32(m.rnd.IntN(120))
	if m.rnd.IntN(3) == 0 {
		seconds = 0
	}
	_, err := try(m.world, sqsapi.ChangeMessageVisibility, &sqsapi.ChangeMessageVisibilityInput{
		QueueUrl: m.url, ReceiptHandle: x.handle, VisibilityTimeout: seconds,
	})
	if !m.expect(err) {
		m.clock.Advance(5 * time.Minute) // visible under either outcome
		x.handle, x.stale, x.visibleAt = "", "", m.clock.Now()
		m.forget()
		return
	}
	x.visibleAt = m.clock.Now().Add(time.Duration(seconds) * time.Second)
	x.released = seconds == 0
}

// drain receives and deletes everything, and compares with the model.
func (m *model) drain() {
	m.faults.Heal()
	m.clock.Advance(5 * time.Minute)
	m.forget()
	left := map[string]bool{}
	for _, list := range m.groups {
		for _, x := range list {
			if !x.maybe {
				left[x.body] = true
			}
		}
	}
	for {
		got := m.receive(m.url, 10)
		if len(got) == 0 {
			break
		}
		for i := range got {
			m.consume(&got[i])
			delete(left, *got[i].Body)
		}
	}
	if len(left) > 0 {
		m.Errorf("%d messages are lost: %v", len(left), left)
	}
	if n := m.counts(m.url); n != [3]string{"0", "0", "0"} {
		m.Errorf("the empty queue counts %v", n)
	}
}

// consume checks and deletes a message.
func (m *model) consume(got *sqsapi.Message) {
	m.received(got)
	m.world.delete(m.url, *got)
	for g, list := range m.groups {
		m.groups[g] = slices.DeleteFunc(list, func(x *modelMessage) bool { return x.body == *got.Body })
	}
}

// TestModel does random things to a queue and to the model, with restarts and
// faults of the store.
func TestModel(t *testing.T) {
	for _, fifo := range []bool{false, true} {
		for seed := range uint64(60) {
			t.Run(fmt.Sprintf("fifo=%v/%d", fifo, seed), func(t *testing.T) {
				m := &model{rnd: rand.New(rand.NewPCG(seed, 1)), faults: &faultkv.Faults{}, fifo: fifo, groups: map[string][]*modelMessage{}}
				m.world = worldOn(t, kv.New(faultkv.Wrap(memkv.NewDriver(), m.faults)))
				retention := []string{"MessageRetentionPeriod", strconv.Itoa(int(modelRetention.Seconds()))}
				if err := startSweep(t.Context(), m.call("ListQueues")); err != nil {
					t.Fatal(err)
				}
				if m.url = ""; fifo {
					m.url = m.createFIFO("q.fifo", retention...)
				} else {
					m.url = m.create("q", retention...)
				}
				for range 300 {
					m.step()
				}
				m.drain()
			})
		}
	}
}

// TestConcurrent sends, receives and deletes from many goroutines: every
// message arrives, a FIFO queue's in their order and none twice at once.
func TestConcurrent(t *testing.T) {
	const producers, consumers, each = 8, 8, 60
	for _, fifo := range []bool{false, true} {
		t.Run(fmt.Sprintf("fifo=%v", fifo), func(t *testing.T) {
			w := newWorld(t)
			url := ""
			if fifo {
				url = w.createFIFO("q.fifo", "VisibilityTimeout", "3600")
			} else {
				url = w.create("q", "VisibilityTimeout", "3600")
			}
			var mu sync.Mutex
			seen := map[string]int{}
			lastOf := map[string]int{}
			var wg sync.WaitGroup
			for p := range producers {
				wg.Go(func() {
					for i := range each {
						in := &sqsapi.SendMessageInput{QueueUrl: url, MessageBody: fmt.Sprintf("p%d %d", p, i)}
						if fifo {
							in.MessageGroupId, in.MessageDeduplicationId = ptr(fmt.Sprint("p", p)), ptr(fmt.Sprintf("%d-%d", p, i))
						}
						mu.Lock()
						c := w.call("SendMessage")
						mu.Unlock()
						if _, err := tryWith(t.Context(), w, c, sqsapi.SendMessage, in); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			for range consumers {
				wg.Go(func() {
					for {
						mu.Lock()
						total := len(seen)
						r, d := w.call("ReceiveMessage"), w.call("DeleteMessage")
						mu.Unlock()
						if total == producers*each {
							return
						}
						out, err := tryWith(t.Context(), w, r, sqsapi.ReceiveMessage, &sqsapi.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: ptr(int32(3))})
						if err != nil {
							t.Error(err)
							return
						}
						for _, m := range out.Messages {
							var p, i int
							if _, err := fmt.Sscanf(*m.Body, "p%d %d", &p, &i); err != nil {
								t.Error(err)
							}
							mu.Lock()
							seen[*m.Body]++
							group := fmt.Sprint("p", p)
							if fifo && lastOf[group] != i {
								t.Errorf("group %s: received %d, want %d", group, i, lastOf[group])
							}
							lastOf[group] = i + 1
							mu.Unlock()
							if _, err := tryWith(t.Context(), w, d, sqsapi.DeleteMessage, &sqsapi.DeleteMessageInput{QueueUrl: url, ReceiptHandle: *m.ReceiptHandle}); err != nil {
								t.Error(err)
							}
						}
					}
				})
			}
			wg.Wait()
			for body, n := range seen {
				if n != 1 {
					t.Errorf("%s was received %d times", body, n)
				}
			}
		})
	}
}
