package policy

import (
	"strings"

	"github.com/gigawatt-cloud/gigawatt/aws/arn"
)

// Effect is the outcome of an evaluation.
type Effect uint8

const (
	// ImplicitDeny: nothing that had to allow did. The zero value.
	ImplicitDeny Effect = iota
	// Allow: the request may go on.
	Allow
	// ExplicitDeny: a Deny statement applies.
	ExplicitDeny
)

// String names e as SimulatePrincipalPolicy does.
func (e Effect) String() string {
	switch e {
	case Allow:
		return "allowed"
	case ExplicitDeny:
		return "explicitDeny"
	default:
		return "implicitDeny"
	}
}

// Verdict is what one layer of policies says. A worse one is larger.
type Verdict uint8

const (
	// NotEvaluated: the layer does not apply to the request.
	NotEvaluated Verdict = iota
	// Allowed: a statement allows and none denies.
	Allowed
	// ImplicitlyDenied: no statement applies.
	ImplicitlyDenied
	// ExplicitlyDenied: a Deny statement applies.
	ExplicitlyDenied
)

// String returns v in the words of [Effect.String], or "" for NotEvaluated.
func (v Verdict) String() string {
	return [...]string{"", Allow.String(), ImplicitDeny.String(), ExplicitDeny.String()}[v&3]
}

func (v Verdict) passes() bool { return v <= Allowed }

// Verdicts is what each layer says, whether or not it decided.
type Verdicts struct {
	SCP, Resource, Identity, Boundary, Session Verdict
}

// Match is a statement that applies to the request.
type Match struct {
	// Source is the policy's [Source].ID.
	Source string
	// SID is the statement's Sid, which may be empty.
	SID string
	// Index is the statement's position in its document, from 0.
	Index int
	// Kind names the policy's kind as [Kind.String] does.
	Kind string
	// Deny says which effect the statement has.
	Deny bool
}

// Decision is the outcome and why.
type Decision struct {
	// Effect is the outcome.
	Effect Effect
	// By are the statements that decided: those that deny, or those that allow.
	// It is empty for an implicit deny.
	By []Match
	// Layer is the kind of policy that decided, as [Kind.String] names it, or
	// "root user".
	Layer string
	// Reason is one sentence for people who ask why.
	Reason string
	// Verdicts is what each layer says.
	Verdicts Verdicts
}

// Allowed reports whether the request may go on.
func (d *Decision) Allowed() bool { return d.Effect == Allow }

const rootLayer = "root user"

// decide combines the layers. An explicit deny in any of them is final.
// Within one account, a resource policy that names the caller itself suffices,
// one that names the role or user behind a session is limited by boundary and
// session policy, and one that names the account leaves it to identity-based
// policies. Between accounts both sides must allow. Service control policies
// limit every caller of the account.
func (d *Decision) decide(ev *evaluation) {
	v := &d.Verdicts
	resourceKind := ev.resourceKind()
	for _, l := range [...]struct {
		verdict Verdict
		kind    Kind
	}{{v.SCP, SCP}, {v.Resource, resourceKind}, {v.Identity, Identity}, {v.Boundary, Boundary}, {v.Session, Session}} {
		if l.verdict == ExplicitlyDenied {
			d.Effect, d.Layer, d.Reason = ExplicitDeny, l.kind.String(), "a statement denies it explicitly"
			d.By = pick(ev.matches, true)
			return
		}
	}
	if !v.SCP.passes() {
		d.refuse(SCP, "no statement at some level of the organization allows it")
		return
	}
	if !ev.who.hasIdentity() {
		d.require(ev, resourceKind, ev.grant == grantDirect)
		return
	}
	switch {
	case !ev.sameAccount():
		d.crossAccount(ev, resourceKind)
	case ev.grant == grantDirect:
		d.allow(ev, resourceKind, "the resource's policy names the caller")
	case ev.grant == grantNone && ev.resourceMustAllow():
		d.refuse(resourceKind, "the resource's own policy has to allow it and does not")
	case ev.grant == grantIssuer:
		d.limited(ev, resourceKind, "the resource's policy names the role or user behind the session")
	case v.Identity != Allowed:
		d.refuse(Identity, "neither an identity-based policy nor the resource's policy allows it")
	default:
		d.limited(ev, Identity, "an identity-based policy allows it")
	}
}

// require is for callers without identity-based policies.
func (d *Decision) require(ev *evaluation, k Kind, granted bool) {
	if granted {
		d.allow(ev, k, "the resource's policy names the caller")
		return
	}
	d.refuse(k, "a caller without identity-based policies needs the resource's policy to allow it, which does not")
}

func (d *Decision) crossAccount(ev *evaluation, resourceKind Kind) {
	switch {
	case ev.grant == grantNone:
		d.refuse(resourceKind, "the resource is another account's, and its policy does not allow the caller")
	case d.Verdicts.Identity != Allowed:
		d.refuse(Identity, "the resource is another account's, and no policy of the caller's own account allows it")
	default:
		d.limited(ev, Identity, "the resource's policy and an identity-based policy both allow it")
	}
}

// limited allows unless the boundary or the session policy does not.
func (d *Decision) limited(ev *evaluation, k Kind, reason string) {
	switch {
	case !d.Verdicts.Boundary.passes():
		d.refuse(Boundary, "the permissions boundary does not allow it")
	case !d.Verdicts.Session.passes():
		d.refuse(Session, "no session policy allows it")
	default:
		d.allow(ev, k, reason)
	}
}

func (d *Decision) allow(ev *evaluation, k Kind, reason string) {
	d.Effect, d.Layer, d.Reason = Allow, k.String(), reason
	d.By = pick(ev.matches, false)
	if k == Identity && ev.who.Type == Root && ev.sameAccount() {
		d.Layer, d.Reason = rootLayer, "the root user needs no policy in its own account"
	}
}

func (d *Decision) refuse(k Kind, reason string) {
	d.Effect, d.Layer, d.Reason = ImplicitDeny, k.String(), reason
}

// pick keeps the matches with one effect, in place.
func pick(matches []Match, deny bool) []Match {
	out := matches[:0]
	for i := range matches {
		if matches[i].Deny == deny {
			out = append(out, matches[i])
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func (ev *evaluation) sameAccount() bool {
	return !foreign(ev.rq.Need.ResourceAccount, ev.who.AccountID)
}

func (ev *evaluation) resourceMustAllow() bool {
	return ev.set.ResourceMustAllow || ev.resourceKind() == Trust
}

func (ev *evaluation) resourceKind() Kind {
	if len(ev.set.Resource) > 0 && ev.set.Resource[0].Doc.Kind == Trust {
		return Trust
	}
	return Resource
}

// Message is AWS's sentence for the caller of a request that was not allowed.
// Like AWS, it gives no reason across accounts.
func (d Decision) Message(rq *Request) string {
	var b strings.Builder
	b.WriteString("User: ")
	b.WriteString(rq.Principal.name())
	b.WriteString(" is not authorized to perform: ")
	b.WriteString(rq.Need.Action)
	if rq.Need.Resource != "" {
		b.WriteString(" on resource: ")
		b.WriteString(rq.Need.Resource)
	}
	if rq.Principal != nil && rq.Principal.AccountID != "" && foreign(rq.Need.ResourceAccount, rq.Principal.AccountID) {
		return b.String()
	}
	switch d.Effect {
	case ExplicitDeny:
		b.WriteString(" with an explicit deny in ")
		b.WriteString(article(d.Layer))
		b.WriteString(d.Layer)
	case ImplicitDeny:
		b.WriteString(" because no ")
		b.WriteString(d.Layer)
		b.WriteString(" allows the ")
		b.WriteString(rq.Need.Action)
		b.WriteString(" action")
	}
	return b.String()
}

func foreign(owner, caller arn.AccountID) bool { return owner != "" && owner != caller }

func article(layer string) string {
	switch layer {
	case Identity.String():
		return "an "
	case Trust.String():
		return "the "
	default:
		return "a "
	}
}

// name is how messages call the principal.
func (p *Principal) name() string {
	switch {
	case p == nil || p.Type == Anonymous:
		return "anonymous"
	case p.ARN != "":
		return p.ARN
	case p.Service != "":
		return p.Service
	default:
		return p.FederatedProvider
	}
}
