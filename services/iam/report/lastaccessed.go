package report

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	api "github.com/gigawatt-cloud/gigawatt/api/iamapi"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/iam/entity"
)

// lastAccessed is what GenerateServiceLastAccessedDetails found.
type lastAccessed struct {
	JobID   string    `cbor:"job"`
	ARN     string    `cbor:"arn"`
	Created time.Time `cbor:"created"`
	// Granted are the services that the policies allow, by namespace.
	Granted []string `cbor:"granted"`
	// Uses are the newest first.
	Uses []access `cbor:"uses"`
}

// access is the last use of a service by a user or role.
type access struct {
	Namespace string        `cbor:"namespace"`
	Kind      identity.Kind `cbor:"kind"`
	ID        string        `cbor:"id"`
	Name      string        `cbor:"name"`
	Path      string        `cbor:"path"`
	Time      time.Time     `cbor:"time"`
	Region    string        `cbor:"region"`
}

var lastAccesses = kv.NewTable[lastAccessed]("iam/lastaccessed") // account, job id

const (
	// keep is how long a job's result is there.
	keep = 7 * 24 * time.Hour
	// tracked is how far back AWS looks.
	tracked = 400 * 24 * time.Hour
)

func needGenerateLastAccessed(_ *service.Call, in *api.GenerateServiceLastAccessedDetailsInput) []policy.Need {
	return entity.NeedARN("GenerateServiceLastAccessedDetails", in.Arn, nil)
}

func generateLastAccessed(ctx context.Context, c *service.Call, in *api.GenerateServiceLastAccessedDetailsInput) (*api.GenerateServiceLastAccessedDetailsOutput, error) {
	if entity.Value(in.Granularity) == api.AccessAdvisorUsageGranularityTypeActionLevel {
		return nil, api.ErrInvalidInputException("Granularity %s is not supported by this version of Gigawatt.", *in.Granularity)
	}
	job := c.IDs.UUID()
	return &api.GenerateServiceLastAccessedDetailsOutput{JobId: &job}, c.Update(ctx, func(tx *kv.Tx) error {
		for r, err := range lastAccesses.Scan(tx, kv.Scan{Prefix: []any{c.Account}}) {
			if err != nil {
				return err
			}
			if c.Now.Sub(r.Value.Created) > keep {
				if err := lastAccesses.Delete(tx, c.Account, r.Value.JobID); err != nil {
					return err
				}
			}
		}
		x := &lastAccessed{JobID: job, ARN: in.Arn, Created: entity.Second(c)}
		docs, users, err := subject(tx, c, in.Arn)
		if err != nil {
			return err
		}
		for _, ns := range slices.Sorted(maps.Keys(namespaces())) {
			if slices.ContainsFunc(docs, func(d *policy.Document) bool { return grants(d, ns) }) {
				x.Granted = append(x.Granted, ns)
			}
		}
		for _, u := range users {
			if err := x.read(tx, c, u); err != nil {
				return err
			}
		}
		slices.SortStableFunc(x.Uses, func(a, b access) int { return b.Time.Compare(a.Time) })
		return lastAccesses.Put(tx, x, c.Account, job)
	})
}

// read adds the uses of a user or role.
func (x *lastAccessed) read(tx *kv.Tx, c *service.Call, u principal) error {
	list, err := identity.ServiceUses(tx, c.Account, u.ID)
	if err != nil {
		return err
	}
	for _, use := range list {
		if c.Now.Sub(use.Time) <= tracked && slices.Contains(x.Granted, use.Service) {
			x.Uses = append(x.Uses, access{
				Namespace: use.Service, Kind: u.kind, ID: u.ID, Name: u.Name, Path: u.Path, Time: use.Time.Truncate(time.Second), Region: use.Region,
			})
		}
	}
	return nil
}

// principal is a user or role.
type principal struct {
	kind identity.Kind
	*identity.Entity
}

// subject is what a report is about: the policies, and the users and roles who
// have them.
func subject(tx *kv.Tx, c *service.Call, a string) (docs []*policy.Document, users []principal, err error) {
	if _, kind, _ := identity.ParseARN(a); kind == identity.KindPolicy {
		return policySubject(tx, c, a)
	}
	kind, e, err := entity.ByARN(tx, c.Account, a)
	if err != nil {
		return nil, nil, err
	}
	held, err := heldBy(tx, c, kind, e)
	if err != nil {
		return nil, nil, err
	}
	for i := range held {
		docs = append(docs, held[i].doc)
	}
	if kind != identity.KindGroup {
		return docs, []principal{{kind, e}}, nil
	}
	users, err = membersOf(tx, c, e.ID)
	return docs, users, err
}

func membersOf(tx *kv.Tx, c *service.Call, groupID string) ([]principal, error) {
	var out []principal
	for r, err := range identity.Roster.Scan(tx, kv.Scan{Prefix: []any{c.Account, groupID}}) {
		if err != nil {
			return nil, err
		}
		u, err := identity.Users.ByID(tx, c.Account, *r.Value)
		if err != nil {
			return nil, err
		}
		out = append(out, principal{identity.KindUser, &u.Entity})
	}
	return out, nil
}

func policySubject(tx *kv.Tx, c *service.Call, a string) ([]*policy.Document, []principal, error) {
	p, err := identity.FindPolicy(tx, c.Account, a)
	if err != nil {
		return nil, nil, entity.OrNoSuchEntity(err, "Policy %s does not exist or is not attachable.", a)
	}
	doc, err := policy.Parse([]byte(p.Document()), policy.Identity)
	if err != nil {
		return nil, nil, err
	}
	var users []principal
	for r, err := range identity.Attachment.Scan(tx, kv.Scan{Prefix: []any{c.Account, p.ID}}) {
		if err != nil {
			return nil, nil, err
		}
		n, err := identity.NameOf(tx, c.Account, *r.Value)
		if err != nil {
			return nil, nil, err
		}
		if n.Kind == identity.KindGroup {
			members, err := membersOf(tx, c, *r.Value)
			if err != nil {
				return nil, nil, err
			}
			users = append(users, members...)
			continue
		}
		e, err := identity.FindEntity(tx, c.Account, n.Kind, n.Name)
		if err != nil {
			return nil, nil, err
		}
		users = append(users, principal{n.Kind, e})
	}
	slices.SortStableFunc(users, func(a, b principal) int { return strings.Compare(a.ID, b.ID) })
	return []*policy.Document{doc}, slices.CompactFunc(users, func(a, b principal) bool { return a.ID == b.ID }), nil
}

func getJob(tx *kv.Tx, c *service.Call, job string) (*lastAccessed, error) {
	x, err := lastAccesses.Get(tx, c.Account, job)
	if err == nil && c.Now.Sub(x.Created) > keep {
		err = kv.ErrNotFound
	}
	return x, entity.OrNoSuchEntity(err, "The report with job id %s cannot be found.", job)
}

func needGetLastAccessed(*service.Call, *api.GetServiceLastAccessedDetailsInput) []policy.Need {
	return entity.NeedAny("GetServiceLastAccessedDetails")
}

func getLastAccessed(ctx context.Context, c *service.Call, in *api.GetServiceLastAccessedDetailsInput) (*api.GetServiceLastAccessedDetailsOutput, error) {
	p, err := entity.NewPage(c, in.JobId, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.GetServiceLastAccessedDetailsOutput{JobStatus: api.JobStatusTypeCompleted, JobType: new(api.AccessAdvisorUsageGranularityTypeServiceLevel)}
	err = c.View(ctx, func(tx *kv.Tx) error {
		x, err := getJob(tx, c, in.JobId)
		if err != nil {
			return err
		}
		out.JobCreationDate, out.JobCompletionDate = x.Created, x.Created
		names := namespaces()
		out.ServicesLastAccessed, err = entity.Collect(p, entity.Rows(x.Granted, p.After), func(ns *string) (api.ServiceLastAccessed, bool, error) {
			return x.of(c, *ns, names[*ns]), true, nil
		})
		return err
	})
	out.IsTruncated, out.Marker = p.Truncated(), p.Marker()
	return out, err
}

// of is what is known of one service.
func (x *lastAccessed) of(c *service.Call, namespace, name string) api.ServiceLastAccessed {
	out := api.ServiceLastAccessed{ServiceName: name, ServiceNamespace: namespace}
	n := int32(0)
	for i := range x.Uses {
		u := &x.Uses[i]
		if u.Namespace != namespace {
			continue
		}
		if n == 0 {
			out.LastAuthenticated, out.LastAuthenticatedRegion = &u.Time, &u.Region
			out.LastAuthenticatedEntity = new(identity.ARN(c.Account, u.Kind, u.Path, u.Name))
		}
		n++
	}
	out.TotalAuthenticatedEntities = &n
	return out
}

func needGetLastAccessedWithEntities(*service.Call, *api.GetServiceLastAccessedDetailsWithEntitiesInput) []policy.Need {
	return entity.NeedAny("GetServiceLastAccessedDetailsWithEntities")
}

func getLastAccessedWithEntities(ctx context.Context, c *service.Call, in *api.GetServiceLastAccessedDetailsWithEntitiesInput) (*api.GetServiceLastAccessedDetailsWithEntitiesOutput, error) {
	p, err := entity.NewPage(c, in.JobId+" "+in.ServiceNamespace, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.GetServiceLastAccessedDetailsWithEntitiesOutput{JobStatus: api.JobStatusTypeCompleted}
	err = c.View(ctx, func(tx *kv.Tx) error {
		x, err := getJob(tx, c, in.JobId)
		if err != nil {
			return err
		}
		if !slices.Contains(x.Granted, in.ServiceNamespace) {
			return api.ErrNoSuchEntityException("The report has no service %s.", in.ServiceNamespace)
		}
		out.JobCreationDate, out.JobCompletionDate = x.Created, x.Created
		out.EntityDetailsList, err = entity.Collect(p, entity.Rows(x.Uses, p.After), func(u *access) (api.EntityDetails, bool, error) {
			return api.EntityDetails{LastAuthenticated: &u.Time, EntityInfo: &api.EntityInfo{
				Arn: identity.ARN(c.Account, u.Kind, u.Path, u.Name), Name: u.Name, Type: strings.ToUpper(string(u.Kind)), Id: u.ID, Path: &u.Path,
			}}, u.Namespace == in.ServiceNamespace, nil
		})
		return err
	})
	out.IsTruncated, out.Marker = p.Truncated(), p.Marker()
	return out, err
}
