// Package clock is the only source of time: the system's, or one that tests
// and dev mode move by hand.
package clock

import (
	"sync"
	"time"
)

// Clock tells the time and wakes sleepers.
type Clock interface {
	// Now returns the current time in UTC.
	Now() time.Time
	// After returns a channel that receives once, when d has passed on this clock.
	After(d time.Duration) <-chan time.Time
}

// Adjustable is the system's clock plus an offset that can be moved forward.
// The zero value is the system's clock.
type Adjustable struct {
	mu      sync.Mutex
	offset  time.Duration
	waiters map[*waiter]struct{}
}

type waiter struct {
	at    time.Time
	ch    chan time.Time
	timer *time.Timer
}

// System returns a clock that follows the machine's.
func System() *Adjustable { return &Adjustable{} }

// Now implements Clock.
func (a *Adjustable) Now() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.now()
}

func (a *Adjustable) now() time.Time { return time.Now().UTC().Add(a.offset) }

// After implements Clock.
func (a *Adjustable) After(d time.Duration) <-chan time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.waiters == nil {
		a.waiters = map[*waiter]struct{}{}
	}
	w := &waiter{at: a.now().Add(d), ch: make(chan time.Time, 1)}
	a.waiters[w] = struct{}{}
	w.timer = time.AfterFunc(max(d, 0), func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.fire(w)
	})
	return w.ch
}

func (a *Adjustable) fire(w *waiter) {
	if _, ok := a.waiters[w]; !ok {
		return
	}
	delete(a.waiters, w)
	w.timer.Stop()
	w.ch <- a.now()
}

// Advance moves the clock forward by d and wakes whoever is due.
func (a *Adjustable) Advance(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.offset += d
	now := a.now()
	for w := range a.waiters {
		if !w.at.After(now) {
			a.fire(w)
		}
	}
}

// Offset returns how far the clock is ahead of the machine's.
func (a *Adjustable) Offset() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.offset
}

// Manual is a clock that stands still until it is advanced.
type Manual struct {
	mu      sync.Mutex
	now     time.Time
	waiters map[*waiter]struct{}
}

// NewManual returns a clock that stands at t.
func NewManual(t time.Time) *Manual {
	return &Manual{now: t.UTC(), waiters: map[*waiter]struct{}{}}
}

// Now implements Clock.
func (m *Manual) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

// After implements Clock.
func (m *Manual) After(d time.Duration) <-chan time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	w := &waiter{at: m.now.Add(d), ch: make(chan time.Time, 1)}
	if d <= 0 {
		w.ch <- m.now
		return w.ch
	}
	m.waiters[w] = struct{}{}
	return w.ch
}

// Advance moves the clock forward by d and wakes whoever is due.
func (m *Manual) Advance(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = m.now.Add(d)
	for w := range m.waiters {
		if !w.at.After(m.now) {
			delete(m.waiters, w)
			w.ch <- m.now
		}
	}
}
