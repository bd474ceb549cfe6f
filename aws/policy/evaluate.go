package policy

import (
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/arn"
)

// Need is one permission that an operation needs.
type Need struct {
	// Action is the IAM action, such as "sqs:SendMessage".
	Action string
	// Resource is an ARN, or "*" for an action without resources.
	Resource string
	// Context holds the condition keys that the operation defines, such as
	// s3:prefix or aws:ResourceTag/team.
	Context Context
	// ResourceAccount owns the resource; "" means the caller's own account.
	ResourceAccount arn.AccountID
}

// Source is a policy and where it comes from.
type Source struct {
	// ID is for people: a policy's ARN, "inline:user/bob/p", "bucket policy".
	ID string
	// Doc is the compiled policy.
	Doc *Document
}

// Set is every policy that applies to a request.
//
// Differs from AWS: resource control policies and the policies of VPC endpoints
// are not among them.
type Set struct {
	// Identity are the policies of the user and its groups, or of the role. A
	// FederatedUser has those of the user who made the session.
	Identity []Source
	// Boundary is the permissions boundary of the user or role, if it has one.
	Boundary *Source
	// Session are the session policies; any of them may allow.
	Session []Source
	// HasSession says that the session was made with policies, so that an empty
	// Session allows nothing. GetFederationToken's always are.
	HasSession bool
	// SCPs are the service control policies on the caller's account, a slice
	// for each level of the organization from its root to the account. Every
	// level must allow. Empty for an organization's management account.
	SCPs [][]Source
	// Resource is the policy of the resource: a bucket policy, a trust policy.
	Resource []Source
	// ResourceMustAllow is for resources that an identity-based policy alone
	// does not open, such as KMS keys. Roles, by their Trust documents, are so too.
	ResourceMustAllow bool
}

// Request is what is to be decided.
type Request struct {
	// Principal is the caller; nil is the anonymous one.
	Principal *Principal
	// Need is what the operation needs.
	Need Need
	// Global holds the condition keys of the call that do not follow from the
	// principal, such as aws:SourceIp and aws:SecureTransport.
	Global Context
	// Time is the time of the call, for aws:CurrentTime and aws:EpochTime.
	Time time.Time
}

// Evaluate decides rq under the policies of s.
func Evaluate(rq *Request, s *Set) Decision {
	var ev evaluation
	ev.start(rq, s)
	var d Decision
	v := &d.Verdicts
	p := ev.who
	if p.hasIdentity() {
		v.SCP = ev.levels(s.SCPs)
		v.Identity = ev.layer(s.Identity)
		if s.Boundary != nil {
			v.Boundary = ev.layer1(s.Boundary)
		}
		if s.HasSession || len(s.Session) > 0 {
			v.Session = ev.layer(s.Session)
		}
		if p.Type == Root && v.Identity == ImplicitlyDenied {
			v.Identity = Allowed // root needs no policy to act in its own account
		}
	}
	v.Resource = ev.resourceLayer(s.Resource)
	d.decide(&ev)
	return d
}

// evaluation is the state of one Evaluate. It lives on the stack.
type evaluation struct {
	rq  *Request
	set *Set
	who *Principal

	// The action in lower case, in short unless it is very long. A slice of
	// short in this struct would move the struct to the heap.
	short    [96]byte
	shortLen int
	long     []byte
	resource arnFields
	isARN    bool

	grant   grant   // the strongest that the resource's policy gave
	matches []Match // of every statement that applies, Allow and Deny
}

var nobody = &Principal{Type: Anonymous}

func (ev *evaluation) start(rq *Request, s *Set) {
	ev.rq, ev.set, ev.who = rq, s, rq.Principal
	if ev.who == nil {
		ev.who = nobody
	}
	if n := len(rq.Need.Action); n <= len(ev.short) {
		ev.shortLen = len(appendLower(ev.short[:0], rq.Need.Action))
	} else {
		ev.long = appendLower(make([]byte, 0, n), rq.Need.Action)
	}
	ev.resource, ev.isARN = splitARN(rq.Need.Resource)
}

func (ev *evaluation) action() []byte {
	if ev.long != nil {
		return ev.long
	}
	return ev.short[:ev.shortLen]
}

// levels evaluates service control policies: each level has to allow.
func (ev *evaluation) levels(levels [][]Source) Verdict {
	if len(levels) == 0 || ev.who.serviceLinked() {
		return NotEvaluated
	}
	v := Allowed
	for _, sources := range levels {
		v = max(v, ev.layer(sources))
	}
	return v
}

// layer evaluates policies of which any may allow.
func (ev *evaluation) layer(sources []Source) Verdict {
	v := ImplicitlyDenied
	for i := range sources {
		v = combine(v, ev.layer1(&sources[i]))
	}
	return v
}

func (ev *evaluation) layer1(src *Source) Verdict {
	v := ImplicitlyDenied
	for i := range src.Doc.Statements {
		st := &src.Doc.Statements[i]
		if !st.covers(ev) || !st.conditionsHold(ev) {
			continue
		}
		v = combine(v, ev.record(src, st))
	}
	return v
}

// resourceLayer evaluates the resource's own policies, which name principals.
func (ev *evaluation) resourceLayer(sources []Source) Verdict {
	if len(sources) == 0 {
		return NotEvaluated
	}
	v := ImplicitlyDenied
	for i := range sources {
		src := &sources[i]
		for j := range src.Doc.Statements {
			st := &src.Doc.Statements[j]
			g := st.names(ev)
			if g == grantNone || !st.covers(ev) || !st.conditionsHold(ev) {
				continue
			}
			if !st.Deny {
				ev.grant = max(ev.grant, g)
			}
			v = combine(v, ev.record(src, st))
		}
	}
	return v
}

// record notes that st applies and returns what it says.
func (ev *evaluation) record(src *Source, st *Statement) Verdict {
	if ev.matches == nil {
		ev.matches = make([]Match, 0, 2)
	}
	ev.matches = append(ev.matches, Match{
		Source: src.ID, SID: st.SID, Index: st.Index, Kind: src.Doc.Kind.String(), Deny: st.Deny,
	})
	if st.Deny {
		return ExplicitlyDenied
	}
	return Allowed
}

// combine adds a statement's or policy's verdict to its layer's.
func combine(layer, v Verdict) Verdict {
	if layer == ExplicitlyDenied || v == ImplicitlyDenied {
		return layer
	}
	return v
}

// names says how st's principals name the caller.
func (st *Statement) names(ev *evaluation) grant {
	if st.notPrincipal {
		// AWS denies whoever has a permissions boundary, listed or not.
		if ev.set.Boundary == nil {
			for i := range st.principals {
				if st.principals[i].exempts(ev.who) {
					return grantNone
				}
			}
		}
		return grantDirect
	}
	g := grantNone
	for i := range st.principals {
		g = max(g, st.principals[i].match(ev.who))
	}
	return g
}

// covers reports whether st is about the request's action and resource.
func (st *Statement) covers(ev *evaluation) bool {
	found, action := false, ev.action()
	for i := range st.actions {
		if st.actions[i].match(action) {
			found = true
			break
		}
	}
	if found == st.notAction {
		return false
	}
	if !st.hasResource {
		return true
	}
	unresolved := false
	for i := range st.resources {
		m, u := st.resources[i].match(ev, &ev.resource, ev.isARN)
		if m {
			return !st.notResource
		}
		unresolved = unresolved || u
	}
	// A variable without a value must not widen an Allow with NotResource.
	return st.notResource && (st.Deny || !unresolved)
}

func (st *Statement) conditionsHold(ev *evaluation) bool {
	for i := range st.conditions {
		if !st.conditions[i].holds(ev, st.Deny) {
			return false
		}
	}
	return true
}
