// Package service is the frame that every AWS service hangs in.
//
// A service is a [Service]: a list of operations, each one line made by
// [Handle] of a descriptor, a function that says which permissions it needs
// and the function that does it; and the jobs it runs in the background. The
// gateway decodes, authorizes and meters around them, so a handler sees typed
// input and a [Call]. Services know no HTTP, no clock and no other service:
// they meet through [Invoke].
package service

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
	"github.com/gigawatt-cloud/gigawatt/blob"
	"github.com/gigawatt-cloud/gigawatt/internal/id"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/meter"
)

// Call is one invocation of an operation: who, where and when. Identity and
// time come from nowhere else.
type Call struct {
	// Account is the account that is called. It is the caller's own, unless a
	// resource of another account is named.
	Account arn.AccountID
	Region  string
	// Principal is who calls; it is never nil, but may be anonymous.
	Principal *policy.Principal
	RequestID string
	// Now is the time of the call, fixed for its whole length.
	Now time.Time
	// IDs makes identifiers, reproducibly in tests.
	IDs *id.Source
	Log *slog.Logger
	// Usage collects what the call is to be billed for.
	Usage *meter.Tally
	// Op is the operation that is called.
	Op *smithy.Operation
	// Transport is how the call reached us; zero for a call from inside.
	Transport Transport
	// Decisions are what the permission check decided, in the order of its needs.
	Decisions []policy.Decision

	// Frame is what calls share; the gateway sets it.
	Frame *Frame
}

// Transport is what a call's HTTP request tells beyond its input.
type Transport struct {
	// Host is the host as the client named it, with its port.
	Host     string
	Scheme   string
	SourceIP string
	// Secure says that the request came over TLS.
	Secure    bool
	UserAgent string
	Referer   string
	// Presigned says that the request was authorized by its query string.
	Presigned bool
	// Method, Path and Header are the HTTP request's, for the few operations
	// whose behaviour depends on them. Header names are canonical.
	Method string
	Path   string
	Header map[string][]string
}

// Env is what a service is made with.
type Env struct {
	DB    *kv.DB
	Blobs *blob.Store
	Clock Clock
	Log   *slog.Logger
	// MasterKey wraps the data keys of what is encrypted at rest.
	MasterKey *[32]byte
	// Region is the region that the cloud calls its own, Account its first account.
	Region  string
	Account arn.AccountID
	// LegacyACLs has new buckets allow ACLs and public access, as AWS did
	// before April 2023.
	LegacyACLs bool
}

// Clock tells the time to what runs outside of calls, such as a long poll.
type Clock interface {
	Now() time.Time
	After(d time.Duration) <-chan time.Time
}

// Frame is what the calls of one server share.
type Frame struct {
	DB     *kv.DB
	Pages  *Pages
	Caller Caller
	Clock  Clock
}

// ARN names a resource of the call's account and region.
func (c *Call) ARN(service, resource string) string {
	return arn.New(service, c.Region, c.Account, resource).String()
}

// View reads one consistent snapshot of the state.
func (c *Call) View(ctx context.Context, fn func(tx *kv.Tx) error) error {
	return c.Frame.DB.View(ctx, fn)
}

// Update changes the state in one serializable transaction, together with the
// usage that the call has collected so far: both survive a crash or neither.
// fn may run again and touches only tx.
func (c *Call) Update(ctx context.Context, fn func(tx *kv.Tx) error) error {
	var committed func()
	err := c.Frame.DB.Update(ctx, func(tx *kv.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		var err error
		committed, err = c.Usage.Write(tx)
		return err
	})
	if err == nil {
		committed()
	}
	return err
}

// Meter notes usage of the called operation, attributed to a resource's ARN or "".
func (c *Call) Meter(usageType string, quantity float64, resource string) {
	c.Usage.Add(meter.Usage{
		Account: c.Account, Region: c.Region, Hour: c.Now, Service: c.Op.Service.Name, Operation: c.Op.Name,
		Type: usageType, Resource: resource, Quantity: quantity,
	})
}

// String names the call in logs and errors.
func (c *Call) String() string {
	return fmt.Sprintf("%s %s %s", c.Op.Service.Name, c.Op.Name, c.RequestID)
}

// Trailers is implemented by streamed request bodies: the HTTP trailers, which
// are known once the body has been read to its end. Names are canonical.
type Trailers interface {
	Trailers() map[string][]string
}
