// Package gigawatt is the operator's own API, modelled in models/gigawatt.json
// and served, signed and authorized like any AWS service: the state of the
// server, usage, why a request was allowed or denied, backups, and the clock
// in dev mode.
//
// Its operations are the operator's: the principal has to belong to the
// cloud's own account, and needs the action gigawatt:OPERATION on "*".
package gigawatt

import (
	"context"
	"time"

	api "github.com/gigawatt-cloud/gigawatt/api/gigawattapi"
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/service"
)

// Operator is what the composition root lets the operator see and do.
type Operator interface {
	// Status describes the server.
	Status() Status
	// Explain returns how a recent request was decided.
	Explain(requestID string) (Explanation, bool)
	// Advance moves the clock forward; it fails outside of dev mode.
	Advance(d time.Duration) (now time.Time, offset time.Duration, err error)
	// RootKey returns the access key of an account's root, made the first time.
	RootKey(ctx context.Context, account arn.AccountID) (accessKeyID, secret string, err error)
	// Backup writes a copy of all state into a new directory of the server.
	Backup(ctx context.Context, dir string) (bytes, files int64, err error)
}

// Status is the state of a server.
type Status struct {
	Version           string
	StartedAt         time.Time
	Open              bool
	Region            string
	Account           arn.AccountID
	StoreBytes, Blobs int64
	Services          []ServiceStatus
	Problem           error
}

// ServiceStatus says how much of a service is implemented.
type ServiceStatus struct {
	Name               string
	Implemented, Total int
}

// Explanation is how a request was decided.
type Explanation struct {
	RequestID          string
	Time               time.Time
	Account            arn.AccountID
	Principal          string
	Service, Operation string
	Code               string
	Needs              []policy.Need
	Decisions          []policy.Decision
}

type svc struct {
	op      Operator
	account arn.AccountID
}

// New returns the service. account is the operator's.
func New(op Operator, account arn.AccountID) *service.Service {
	s := &svc{op, account}
	return &service.Service{Name: "gigawatt", Jobs: []service.JobKind{{Name: foldKind, Run: fold}}, Start: start, Handlers: []*service.Handler{
		service.Handle(api.GetStatus, need[api.GetStatusInput]("GetStatus"), s.getStatus).Free(),
		service.Handle(api.ListUsage, need[api.ListUsageInput]("ListUsage"), s.listUsage).Free(),
		service.Handle(api.ExplainRequest, need[api.ExplainRequestInput]("ExplainRequest"), s.explainRequest).Free(),
		service.Handle(api.AdvanceClock, need[api.AdvanceClockInput]("AdvanceClock"), s.advanceClock).Free(),
		service.Handle(api.CreateAccount, need[api.CreateAccountInput]("CreateAccount"), s.createAccount).Free(),
		service.Handle(api.ListAccounts, need[api.ListAccountsInput]("ListAccounts"), s.listAccounts).Free(),
		service.Handle(api.CreateBackup, need[api.CreateBackupInput]("CreateBackup"), s.createBackup).Free(),
	}}
}

// need is the one permission of an operation of the operator's.
func need[In any](operation string) func(*service.Call, *In) []policy.Need {
	return func(*service.Call, *In) []policy.Need {
		return []policy.Need{{Action: "gigawatt:" + operation, Resource: "*"}}
	}
}

// operator refuses principals of other accounts.
func (s *svc) operator(c *service.Call) error {
	if c.Principal.AccountID != s.account {
		return api.ErrAccessDeniedException("%s is for principals of account %s, which operates this cloud.", c.Op.Name, s.account)
	}
	return nil
}
