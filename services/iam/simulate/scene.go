package simulate

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	api "github.com/gigawatt-cloud/gigawatt/api/iamapi"
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/iam/entity"
)

// scene is everything that a simulated call is decided by.
type scene struct {
	set   policy.Set
	who   *policy.Principal
	owner arn.AccountID
	keys  policy.Context
	texts map[string]*text // by the Source's ID
}

// text is a policy as written.
type text struct {
	id, kind  string
	positions []span
}

func newScene() *scene { return &scene{texts: map[string]*text{}} }

// add compiles a policy and remembers where its statements are.
func (sc *scene) add(id, kind, document string, grammar policy.Kind) (*policy.Source, error) {
	doc, err := policy.Parse([]byte(document), grammar)
	if err != nil {
		var bad *policy.SyntaxError
		if errors.As(err, &bad) {
			return nil, api.ErrInvalidInputException("Invalid policy %s: %s", id, bad.Reason)
		}
		return nil, err
	}
	key := strconv.Itoa(len(sc.texts))
	sc.texts[key] = &text{id: id, kind: kind, positions: positions(document)}
	return &policy.Source{ID: key, Doc: doc}, nil
}

// inputs adds the policies of a PolicyInputList.
func (sc *scene) inputs(list []string) error {
	for i, document := range list {
		src, err := sc.add("PolicyInputList."+strconv.Itoa(i+1), api.PolicySourceTypeNone, document, policy.Identity)
		if err != nil {
			return err
		}
		sc.set.Identity = append(sc.set.Identity, *src)
	}
	return nil
}

// organization adds the service control policies, from the organization's root
// down to the account.
func (sc *scene) organization(levels []api.OrderedOrganizationPolicyType) error {
	for i, l := range levels {
		var level []policy.Source
		for j, document := range l.ServiceControlPolicyInputList {
			id := "ServiceControlPolicyInputList." + strconv.Itoa(i+1) + "." + strconv.Itoa(j+1)
			src, err := sc.add(id, api.PolicySourceTypeNone, document, policy.SCP)
			if err != nil {
				return err
			}
			level = append(level, *src)
		}
		sc.set.SCPs = append(sc.set.SCPs, level)
	}
	return nil
}

// source adds the policies of a user, group or role, and its boundary.
func (sc *scene) source(tx *kv.Tx, c *service.Call, sourceARN string, bounded bool) error {
	kind, e, err := entity.ByARN(tx, c.Account, sourceARN)
	if err != nil {
		return err
	}
	held, err := entity.HeldBy(tx, c.Account, kind, e)
	if err != nil {
		return err
	}
	for i := range held {
		h := &held[i]
		id, source := h.Name, string(h.Kind)
		switch {
		case h.AWSManaged():
			source = api.PolicySourceTypeAwsManaged
		case h.ARN != "":
			source = api.PolicySourceTypeUserManaged
		default:
			id = string(h.Kind) + "_" + h.Entity + "_" + h.Name
		}
		src, err := sc.add(id, source, h.Document, policy.Identity)
		if err != nil {
			return err
		}
		sc.set.Identity = append(sc.set.Identity, *src)
	}
	boundary, err := identity.BoundaryOf(tx, c.Account, kind, e.Name)
	if err != nil || boundary == "" || !bounded {
		return err
	}
	p, err := identity.FindPolicy(tx, c.Account, boundary)
	if err != nil {
		return err
	}
	sc.set.Boundary, err = sc.add(p.Name, api.PolicySourceTypeUserManaged, p.Document(), policy.Boundary)
	return err
}

// caller sets who calls: a user, with its id and tags if it exists, or somebody
// of the account who has the policies of the scene and nothing else.
func (sc *scene) caller(ctx context.Context, c *service.Call, userARN string) error {
	if userARN == "" {
		sc.who = &policy.Principal{Type: policy.User, AccountID: c.Account}
		return nil
	}
	account, _, name := identity.ParseARN(userARN)
	sc.who = &policy.Principal{Type: policy.User, AccountID: account, ARN: userARN, UserName: name}
	if account != c.Account {
		return nil
	}
	return c.View(ctx, func(tx *kv.Tx) error {
		u, err := identity.Users.Find(tx, account, name)
		if entity.IsNotFound(err) || err == nil && identity.Users.ARN(account, u) != userARN {
			return nil
		}
		if err != nil {
			return err
		}
		sc.who.UserID, sc.who.Tags = u.ID, identity.TagMap(u.Tags)
		return nil
	})
}

// statements are the matches as the API has them, each with its place.
func (sc *scene) statements(by []policy.Match) []api.Statement {
	out := []api.Statement{}
	for i := range by {
		t := sc.texts[by[i].Source]
		st := api.Statement{SourcePolicyId: &t.id, SourcePolicyType: &t.kind}
		if by[i].Index < len(t.positions) {
			at := t.positions[by[i].Index]
			st.StartPosition, st.EndPosition = at.start.api(), at.end.api()
		}
		out = append(out, st)
	}
	return out
}

// contextKeys are the condition keys that are given, checked for their types.
func contextKeys(entries []api.ContextEntry) (policy.Context, error) {
	out := policy.Context{}
	for _, e := range entries {
		name, kind := entity.Value(e.ContextKeyName), entity.Value(e.ContextKeyType)
		if name == "" || kind == "" {
			return nil, api.ErrInvalidInputException("A context entry has a ContextKeyName and a ContextKeyType.")
		}
		if len(e.ContextKeyValues) != 1 && !strings.HasSuffix(kind, "List") {
			return nil, api.ErrInvalidInputException("Context entry %s of type %s must have one value.", name, kind)
		}
		if i := slices.IndexFunc(e.ContextKeyValues, func(v string) bool { return !fits(kind, v) }); i >= 0 {
			return nil, api.ErrInvalidInputException("The value %s of context entry %s is not of the type %s.", e.ContextKeyValues[i], name, kind)
		}
		out.Set(name, e.ContextKeyValues...)
	}
	return out, nil
}

func fits(kind, v string) bool {
	var err error
	switch strings.TrimSuffix(kind, "List") {
	case api.ContextKeyTypeEnumNumeric:
		_, err = strconv.ParseFloat(v, 64)
	case api.ContextKeyTypeEnumBoolean:
		return strings.EqualFold(v, "true") || strings.EqualFold(v, "false")
	case api.ContextKeyTypeEnumIp:
		if _, err = netip.ParseAddr(v); err != nil {
			_, err = netip.ParsePrefix(v)
		}
	case api.ContextKeyTypeEnumDate:
		if _, err = time.Parse(time.RFC3339, v); err != nil {
			if _, err = time.Parse(time.DateOnly, v); err != nil {
				_, err = strconv.ParseInt(v, 10, 64)
			}
		}
	}
	return err == nil
}
