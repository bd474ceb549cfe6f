package service

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// Handler is an implemented operation.
type Handler struct {
	// Service and Name identify the operation in the models.
	Service, Name string
	// Refused are the paths of input members that the operation does not
	// honour, such as "Filter.Name": a request that sets one is refused.
	Refused []string

	input  reflect.Type
	output reflect.Type
	need   func(c *Call, in any) []policy.Need
	invoke func(ctx context.Context, c *Call, in any) (any, error)
	free   bool
}

// Handle makes a handler of an operation's descriptor, of the function that
// says which permissions a call needs, and of the function that does it. need
// is required: an operation without permissions says so by [Public].
func Handle[In, Out any](op smithy.Op[In, Out], need func(c *Call, in *In) []policy.Need, fn func(ctx context.Context, c *Call, in *In) (*Out, error)) *Handler {
	if need == nil || fn == nil {
		panic("service: " + op.Service + " " + op.Name + " has no permission function or no handler")
	}
	return &Handler{
		Service: op.Service, Name: op.Name,
		input: reflect.TypeFor[In](), output: reflect.TypeFor[Out](),
		need: func(c *Call, in any) []policy.Need { return need(c, in.(*In)) },
		invoke: func(ctx context.Context, c *Call, in any) (any, error) {
			out, err := fn(ctx, c, in.(*In))
			if err != nil || out == nil {
				return nil, err // not a typed nil
			}
			return out, nil
		},
	}
}

// Public is the permission function of operations that AWS lets everybody
// call, such as sts GetCallerIdentity.
func Public[In any](*Call, *In) []policy.Need { return nil }

// Refuse names input members that the operation does not honour. The gateway
// refuses requests that set them.
func (h *Handler) Refuse(members ...string) *Handler {
	h.Refused = append(h.Refused, members...)
	slices.Sort(h.Refused)
	return h
}

// Free marks an operation that is not metered, because it reads the meter.
func (h *Handler) Free() *Handler {
	h.free = true
	return h
}

// IsFree reports whether calls are not metered.
func (h *Handler) IsFree() bool { return h.free }

// Input and Output are the types that the operation takes and returns.
func (h *Handler) Input() reflect.Type { return h.input }

// Output is the type that the operation returns.
func (h *Handler) Output() reflect.Type { return h.output }

// NewInput returns a pointer to an empty input.
func (h *Handler) NewInput() any { return reflect.New(h.input).Interface() }

// Needs returns the permissions that a call with this input needs.
func (h *Handler) Needs(c *Call, in any) []policy.Need { return h.need(c, in) }

// Invoke does the operation. in is what NewInput returned, filled.
func (h *Handler) Invoke(ctx context.Context, c *Call, in any) (any, error) {
	return h.invoke(ctx, c, in)
}

// Service is an AWS service: its operations and its background work.
type Service struct {
	// Name is the model's name, such as "sqs".
	Name     string
	Handlers []*Handler
	// Resource describes the resource that a permission is needed for: its
	// owner, its policy and its tags. Nil when the service has none of these.
	Resource func(ctx context.Context, c *Call, n policy.Need) (Resource, error)
	// Invalid words violations of the model's constraints where the service
	// does not use AWS's common wording.
	Invalid func(c *Call, p *smithy.Problems) error
	// Jobs are the kinds of durable background work.
	Jobs []JobKind
	// Start runs once before the first call; it registers recurring jobs.
	Start func(ctx context.Context, c *Call) error
	// Served is told of each request from outside that was answered, allowed or
	// not; nil is fine. The client may wait for it.
	Served func(ctx context.Context, c *Call, r *Reply) error
}

// Resource is what the permission check has to know of a resource.
type Resource struct {
	// Account owns the resource, "" for the called account.
	Account arn.AccountID
	// Policies are the resource-based policies that apply.
	Policies []policy.Source
	// Context adds condition keys, such as aws:ResourceTag/….
	Context policy.Context
}

// Handler returns the handler of an operation, or nil.
func (s *Service) Handler(name string) *Handler {
	for _, h := range s.Handlers {
		if h.Name == name {
			return h
		}
	}
	return nil
}

// Caller calls operations of other services inside the server, through the
// same steps of authorization and metering as a request from outside.
type Caller interface {
	// Call invokes an operation as principal p in an account and region, and
	// returns a pointer to its output. ctxKeys adds condition keys such as
	// aws:SourceArn.
	Call(ctx context.Context, p *policy.Principal, account arn.AccountID, region, service, operation string, ctxKeys policy.Context, in any) (any, error)
}

// As says on whose behalf a service calls another.
type As struct {
	// Service is the service principal, such as "s3.amazonaws.com".
	Service string
	// SourceARN is the resource that causes the call; SourceAccount its owner.
	SourceARN     string
	SourceAccount arn.AccountID
	// Account and Region are where the call goes.
	Account arn.AccountID
	Region  string
}

// Invoke calls an operation of another service as a service principal.
func Invoke[In, Out any](ctx context.Context, c *Call, as As, op smithy.Op[In, Out], in *In) (*Out, error) {
	p := &policy.Principal{Type: policy.Service, Service: as.Service, AccountID: as.SourceAccount, ARN: as.Service}
	keys := policy.Context{
		"aws:sourcearn":     {as.SourceARN},
		"aws:sourceaccount": {string(as.SourceAccount)},
	}
	out, err := c.Frame.Caller.Call(ctx, p, as.Account, as.Region, op.Service, op.Name, keys, in)
	if err != nil {
		return nil, err
	}
	if out == nil {
		return new(Out), nil
	}
	typed, ok := out.(*Out)
	if !ok {
		return nil, fmt.Errorf("%s %s answered a %T", op.Service, op.Name, out)
	}
	return typed, nil
}
