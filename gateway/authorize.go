package gateway

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
	"github.com/gigawatt-cloud/gigawatt/gateway/route"
	"github.com/gigawatt-cloud/gigawatt/service"
)

// authorize evaluates the policies for every permission that the call needs.
func (x *exchange) authorize() error {
	x.needs = x.handler.Needs(x.call, x.in)
	if x.g.Open {
		return nil
	}
	return x.g.permit(x.ctx, x.call, x.svc, x.match, x.needs, x.globals())
}

// permit checks the needs of a call, in order; the first that is denied
// refuses it. The decisions are kept in the call.
func (g *Gateway) permit(ctx context.Context, c *service.Call, svc *service.Service, m *route.Match, needs []policy.Need, globals policy.Context) error {
	if len(needs) == 0 {
		return nil
	}
	set, err := g.Identity.Policies(ctx, c.Principal)
	if err != nil {
		return fmt.Errorf("load the policies of %s: %w", c.Principal.ARN, err)
	}
	for _, n := range needs {
		own := *set
		rq := &policy.Request{Principal: c.Principal, Need: n, Global: globals, Time: c.Now}
		if n.ResourceAccount == "" {
			rq.Need.ResourceAccount = c.Account
		}
		if svc.Resource != nil {
			r, err := svc.Resource(ctx, c, n)
			if err != nil {
				return err
			}
			own.Resource = r.Policies
			if r.Account != "" {
				rq.Need.ResourceAccount = r.Account
			}
			rq.Need.Context = merge(n.Context, r.Context)
		}
		d := policy.Evaluate(rq, &own)
		c.Decisions = append(c.Decisions, d)
		if d.Effect != policy.Allow {
			return denied(m, rq, d)
		}
	}
	return nil
}

func merge(a, b policy.Context) policy.Context {
	if len(b) == 0 {
		return a
	}
	out := make(policy.Context, len(a)+len(b))
	for k, v := range b {
		out[k] = v
	}
	for k, v := range a {
		out[k] = v
	}
	return out
}

// globals are the condition keys that every request has.
func (x *exchange) globals() policy.Context {
	t := &x.call.Transport
	c := policy.Context{
		"aws:sourceip":        {t.SourceIP},
		"aws:securetransport": {strconv.FormatBool(t.Secure)},
		"aws:requestedregion": {x.call.Region},
		"aws:viaawsservice":   {"false"},
	}
	if t.UserAgent != "" {
		c["aws:useragent"] = []string{t.UserAgent}
	}
	if t.Referer != "" {
		c["aws:referer"] = []string{t.Referer}
	}
	return c
}

// denied words a denial as the service's protocol does.
func denied(m *route.Match, rq *policy.Request, d policy.Decision) error {
	msg := d.Message(rq)
	switch {
	case m.Service.Name == "s3" && rq.Principal.Type == policy.Anonymous:
		return awserr.New("AccessDenied", http.StatusForbidden, "Access Denied")
	case m.Protocol == smithy.EC2Query:
		return awserr.New("UnauthorizedOperation", http.StatusForbidden, "%s", msg)
	case m.Protocol == smithy.AWSQuery || m.Protocol == smithy.RestXML:
		return awserr.New("AccessDenied", http.StatusForbidden, "%s", msg)
	case m.Protocol == smithy.RestJSON:
		return awserr.New("AccessDeniedException", http.StatusForbidden, "%s", msg)
	case m.Service.QueryCompatible:
		e := awserr.New("AccessDeniedException", http.StatusForbidden, "%s", msg)
		e.QueryCode = "AccessDenied"
		return e
	}
	return awserr.New("AccessDeniedException", http.StatusBadRequest, "%s", msg)
}

// refusedMember is the error for a member that an operation does not honour.
func refusedMember(m *route.Match, path string) error {
	msg := fmt.Sprintf("%s of %s is not supported by this version of Gigawatt.", path, m.Op.Name)
	code, status := "ValidationException", http.StatusBadRequest
	switch {
	case m.Service.Name == "s3":
		code, status = "NotImplemented", http.StatusNotImplemented
	case m.Protocol == smithy.AWSQuery:
		code = "ValidationError"
	case m.Protocol == smithy.EC2Query:
		code = "UnsupportedOperation"
	}
	return awserr.New(code, status, "%s", msg)
}

// Call implements service.Caller: a call from inside goes through the same
// checks and is metered to the account that it goes to.
func (g *Gateway) Call(ctx context.Context, p *policy.Principal, account arn.AccountID, region, serviceName, operation string, keys policy.Context, in any) (any, error) {
	svc := g.services[serviceName]
	h := g.handlers[serviceName][operation]
	if svc == nil || h == nil {
		return nil, awserr.New("UnknownOperationException", http.StatusBadRequest, "%s %s is not supported by this version of Gigawatt.", serviceName, operation)
	}
	op := operationOf(serviceName, operation)
	c := g.newCall(p, op, region, g.IDs.UUID(), g.Frame.Clock.Now())
	c.Account = account
	m := &route.Match{Service: &op.Service.Meta, Protocol: op.Service.Protocols[0], Op: op, Name: operation}
	globals := policy.Context{
		"aws:securetransport": {"true"}, "aws:requestedregion": {c.Region},
		"aws:viaawsservice": {strconv.FormatBool(p.Type == policy.Service)},
	}
	for k, v := range keys {
		globals[strings.ToLower(k)] = v
	}
	if !g.Open {
		if err := g.permit(ctx, c, svc, m, h.Needs(c, in), globals); err != nil {
			return nil, err
		}
	}
	x := &exchange{g: g, ctx: ctx, call: c, handler: h, svc: svc, match: m, in: in}
	if err := x.invoke(); err != nil {
		return nil, err
	}
	if err := x.meter(); err != nil {
		return nil, err
	}
	return x.out, nil
}

// JobCall makes the Call that a service's background job runs with: as the
// service itself, in the job's account and region.
func (g *Gateway) JobCall(j *service.Job, serviceName string) *service.Call {
	name := serviceName + ".amazonaws.com"
	p := &policy.Principal{Type: policy.Service, Service: name, ARN: name, AccountID: j.Account}
	op := &smithy.Operation{Name: "job " + j.Kind, Service: catalogService(serviceName)}
	id := g.IDs.UUID()
	return g.newCall(p, op, j.Region, id, g.Frame.Clock.Now())
}
