package gigawatt

import (
	"context"
	"path"
	"strconv"
	"time"

	api "github.com/gigawatt-cloud/gigawatt/api/gigawattapi"
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/meter"
	"github.com/gigawatt-cloud/gigawatt/service"
)

func (s *svc) getStatus(_ context.Context, c *service.Call, _ *api.GetStatusInput) (*api.GetStatusOutput, error) {
	if err := s.operator(c); err != nil {
		return nil, err
	}
	st := s.op.Status()
	healthy := st.Problem == nil
	account := string(st.Account)
	out := &api.GetStatusOutput{
		Version: &st.Version, StartedAt: &st.StartedAt, Now: &c.Now, Open: &st.Open, Region: &st.Region,
		AccountId: &account, StoreBytes: &st.StoreBytes, BlobBytes: &st.Blobs, Healthy: &healthy,
	}
	if !healthy {
		p := st.Problem.Error()
		out.Problem = &p
	}
	for _, v := range st.Services {
		implemented, total := int32(v.Implemented), int32(v.Total)
		out.Services = append(out.Services, api.ServiceStatus{Name: &v.Name, Implemented: &implemented, Total: &total})
	}
	return out, nil
}

const defaultUsagePage = 1000

// listUsage pages by position in the ordered sums. A principal of another
// account sees its own account's usage.
func (s *svc) listUsage(ctx context.Context, c *service.Call, in *api.ListUsageInput) (*api.ListUsageOutput, error) {
	f := meter.Filter{Account: c.Principal.AccountID}
	if c.Principal.AccountID == s.account {
		f.Account = arn.AccountID(value(in.AccountId))
	} else if in.AccountId != nil && arn.AccountID(*in.AccountId) != c.Principal.AccountID {
		return nil, api.ErrAccessDeniedException("An account sees its own usage only.")
	}
	f.Service, f.Start, f.End = value(in.ServiceName), value(in.StartTime), value(in.EndTime)
	var list []meter.Usage
	err := c.View(ctx, func(tx *kv.Tx) (err error) {
		list, err = meter.List(tx, f)
		return err
	})
	if err != nil {
		return nil, err
	}
	at, err := c.OpenPage(string(f.Account), value(in.NextToken))
	if err != nil {
		return nil, api.ErrValidationException("NextToken is not valid.")
	}
	start, _ := strconv.Atoi(string(at))
	start = min(start, len(list))
	end := min(start+defaultUsagePage, len(list))
	if in.MaxResults != nil {
		end = min(start+int(*in.MaxResults), len(list))
	}
	out := &api.ListUsageOutput{Usage: make([]api.Usage, 0, end-start)}
	for _, u := range list[start:end] {
		account, unit := string(u.Account), meter.Unit(u.Type)
		out.Usage = append(out.Usage, api.Usage{
			AccountId: &account, Region: &u.Region, Hour: &u.Hour, ServiceName: &u.Service, OperationName: &u.Operation,
			UsageType: &u.Type, Resource: &u.Resource, Quantity: &u.Quantity, Unit: &unit,
		})
	}
	if end < len(list) {
		token := c.PageToken(string(f.Account), []byte(strconv.Itoa(end)))
		out.NextToken = &token
	}
	return out, nil
}

func (s *svc) explainRequest(_ context.Context, c *service.Call, in *api.ExplainRequestInput) (*api.ExplainRequestOutput, error) {
	x, ok := s.op.Explain(in.RequestId)
	if !ok || c.Principal.AccountID != s.account && c.Principal.AccountID != x.Account {
		return nil, api.ErrResourceNotFoundException("Request %s is not among the recent requests of this server.", in.RequestId)
	}
	allowed := true
	account := string(x.Account)
	out := &api.ExplainRequestOutput{
		RequestId: &x.RequestID, Time: &x.Time, AccountId: &account, Principal: &x.Principal,
		ServiceName: &x.Service, OperationName: &x.Operation, Allowed: &allowed,
	}
	if x.Code != "" {
		out.ErrorCode = &x.Code
	}
	for i, d := range x.Decisions {
		allowed = allowed && d.Allowed()
		effect := d.Effect.String()
		e := api.Decision{Action: &x.Needs[i].Action, Resource: &x.Needs[i].Resource, Effect: &effect, Layer: &d.Layer, Reason: &d.Reason}
		for _, m := range d.By {
			index, kind := int32(m.Index), "Allow"
			if m.Deny {
				kind = "Deny"
			}
			e.Statements = append(e.Statements, api.MatchedStatement{Source: &m.Source, Sid: &m.SID, Index: &index, Effect: &kind})
		}
		out.Decisions = append(out.Decisions, e)
	}
	return out, nil
}

func (s *svc) advanceClock(_ context.Context, c *service.Call, in *api.AdvanceClockInput) (*api.AdvanceClockOutput, error) {
	if err := s.operator(c); err != nil {
		return nil, err
	}
	now, offset, err := s.op.Advance(time.Duration(in.Seconds) * time.Second)
	if err != nil {
		return nil, api.ErrAccessDeniedException("%s", err.Error())
	}
	seconds := int64(offset / time.Second)
	return &api.AdvanceClockOutput{Now: &now, OffsetSeconds: &seconds}, nil
}

func (s *svc) createBackup(ctx context.Context, c *service.Call, in *api.CreateBackupInput) (*api.CreateBackupOutput, error) {
	if err := s.operator(c); err != nil {
		return nil, err
	}
	if !path.IsAbs(in.Directory) {
		return nil, api.ErrValidationException("Directory has to be an absolute path on the server.")
	}
	bytes, files, err := s.op.Backup(ctx, in.Directory)
	if err != nil {
		return nil, api.ErrConflictException("The backup failed: %s", err.Error())
	}
	return &api.CreateBackupOutput{Directory: &in.Directory, Bytes: &bytes, Files: &files}, nil
}

// value is what p points to, or the zero value.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
