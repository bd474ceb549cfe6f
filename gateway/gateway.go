// Package gateway is the one http.Handler of the server: every request of
// every AWS service goes through its ordered list of steps.
//
// Read [steps] first: it is the whole story. Each step is a method of
// [exchange] in the file that is named after it. A step that fails ends the
// exchange with an error response in the service's own protocol. What is not
// an AWS call (health checks, resetting an open cloud) is in admin.go, and
// what S3 serves besides its API (browser uploads, websites, CORS) in the
// files named s3*.go.
package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/aws/sigv4"
	"github.com/gigawatt-cloud/gigawatt/gateway/route"
	"github.com/gigawatt-cloud/gigawatt/internal/id"
	"github.com/gigawatt-cloud/gigawatt/meter"
	"github.com/gigawatt-cloud/gigawatt/service"
)

// Credential is what an access key stands for.
type Credential struct {
	Secret    string
	Principal *policy.Principal
}

// The reasons for which an [Identity] does not know a credential.
var (
	ErrUnknownKey   = errors.New("the access key does not exist or is inactive")
	ErrInvalidToken = errors.New("the session token is not valid for the access key")
	ErrExpiredToken = errors.New("the session has expired")
)

// Identity knows who holds a key and what they may do.
type Identity interface {
	// Credential returns what an access key stands for. Its errors are
	// ErrUnknownKey, ErrInvalidToken, ErrExpiredToken, or the store's.
	Credential(ctx context.Context, accessKeyID, sessionToken string, now time.Time) (*Credential, error)
	// Policies returns the policies that bear on a principal, without the
	// resource's own.
	Policies(ctx context.Context, p *policy.Principal) (*policy.Set, error)
}

// Config is what a gateway is made of.
type Config struct {
	Services []*service.Service
	Identity Identity
	Frame    *service.Frame
	Journal  *meter.Journal
	IDs      *id.Source
	Log      *slog.Logger
	// Region and Account are those of calls that name none.
	Region  string
	Account arn.AccountID
	// Open accepts any credentials: see the design's promise 3.
	Open bool
	// Version is what the health checks report.
	Version string
	// Reset empties the cloud; it is only called when Open.
	Reset func(ctx context.Context) error
	// Healthy returns an error when the server cannot do its work.
	Healthy func() error
	// Observe is told of every finished exchange; nil is fine.
	Observe func(Observation)
	// Used is told who called which service (by its signing name) and region,
	// once the signature is verified; nil is fine. Its error is logged only.
	Used func(ctx context.Context, p *policy.Principal, service, region string, now time.Time) error
	// MaxInFlight bounds the requests that are worked on at once.
	MaxInFlight int
}

// Observation is what metrics and traces are made of.
type Observation struct {
	Service, Operation, Code string
	Status                   int
	Duration                 time.Duration
	BytesIn, BytesOut        int64
}

// Gateway serves the AWS API.
type Gateway struct {
	Config
	routes   *route.Table
	services map[string]*service.Service
	handlers map[string]map[string]*service.Handler
	keys     *sigv4.Keys
	slots    chan struct{}
	explain  *explanations
}

const (
	cachedSigningKeys  = 4096
	defaultMaxInFlight = 8192
)

// New returns a gateway. It starts nothing.
func New(cfg Config) *Gateway {
	if cfg.MaxInFlight == 0 {
		cfg.MaxInFlight = defaultMaxInFlight
	}
	g := &Gateway{
		Config: cfg, routes: route.New(), services: map[string]*service.Service{},
		handlers: map[string]map[string]*service.Handler{},
		keys:     sigv4.NewKeys(cachedSigningKeys), slots: make(chan struct{}, cfg.MaxInFlight),
		explain: newExplanations(),
	}
	for _, s := range cfg.Services {
		g.services[s.Name] = s
		byName := make(map[string]*service.Handler, len(s.Handlers))
		for _, h := range s.Handlers {
			byName[h.Name] = h
		}
		g.handlers[s.Name] = byName
	}
	return g
}

// step is one thing that happens to a request.
type step struct {
	name string
	do   func(x *exchange) error
}

// steps is what happens to a request, in this order.
var steps = []step{
	{"id", (*exchange).identify},
	{"route", (*exchange).route},
	{"cors", (*exchange).cors},
	{"accelerate", (*exchange).accelerate},
	{"sigv4", (*exchange).authenticate},
	{"decode", (*exchange).decode},
	{"validate", (*exchange).validate},
	{"authorize", (*exchange).authorize},
	{"admit", (*exchange).admit},
	{"invoke", (*exchange).invoke},
	{"meter", (*exchange).meter},
	{"encode", (*exchange).encode},
}

// ServeHTTP implements http.Handler.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g.admin(w, r) {
		return
	}
	x := &exchange{g: g, w: w, r: r, ctx: r.Context()}
	defer x.finish()
	for _, s := range x.plan() {
		if err := s.do(x); err != nil {
			x.step, x.err = s.name, err
			return
		}
	}
}
