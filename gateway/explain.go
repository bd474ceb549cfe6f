package gateway

import (
	"sync"
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
)

// Explanation says how the permissions of a request were decided.
type Explanation struct {
	RequestID          string
	Time               time.Time
	Account            arn.AccountID
	Principal          string
	Service, Operation string
	// Code is the error that was answered, "" for none.
	Code      string
	Needs     []policy.Need
	Decisions []policy.Decision
}

// keptExplanations is how many requests can be explained afterwards.
const keptExplanations = 4096

// explanations keeps the last requests' decisions in a ring, in memory.
type explanations struct {
	mu   sync.Mutex
	ring []Explanation
	next int
	byID map[string]int
}

func newExplanations() *explanations {
	return &explanations{byID: make(map[string]int)}
}

func (e *explanations) add(x *exchange, code string) {
	if x.call == nil || x.match.Op == nil {
		return
	}
	n := Explanation{
		RequestID: x.id, Time: x.now, Account: x.call.Account, Principal: x.call.Principal.ARN,
		Service: x.match.Service.Name, Operation: x.match.Op.Name, Code: code,
		Needs: x.needs, Decisions: x.call.Decisions,
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.ring) < keptExplanations {
		e.ring = append(e.ring, n)
		e.byID[n.RequestID] = len(e.ring) - 1
		return
	}
	delete(e.byID, e.ring[e.next].RequestID)
	e.ring[e.next] = n
	e.byID[n.RequestID] = e.next
	e.next = (e.next + 1) % keptExplanations
}

// Explain returns how a recent request was decided; ok is false when it is
// unknown or was too long ago.
func (g *Gateway) Explain(requestID string) (x Explanation, ok bool) {
	g.explain.mu.Lock()
	defer g.explain.mu.Unlock()
	i, ok := g.explain.byID[requestID]
	if !ok {
		return Explanation{}, false
	}
	return g.explain.ring[i], true
}
