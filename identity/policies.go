package identity

import (
	"context"
	"fmt"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/kv"
)

// Policies returns the policies that bear on a principal: its own and its
// groups', its boundary, and those of its session. The set is shared: the
// caller copies it before changing it.
func (s *Store) Policies(ctx context.Context, p *policy.Principal) (*policy.Set, error) {
	switch p.Type {
	case policy.User, policy.AssumedRole, policy.FederatedUser:
	default:
		return &policy.Set{}, nil
	}
	var out *policy.Set
	err := s.db.View(ctx, func(tx *kv.Tx) error {
		c, err := s.account(tx, p.AccountID)
		if err != nil {
			return err
		}
		base, err := s.base(tx, c, p)
		if err != nil {
			return err
		}
		out, err = s.withSession(tx, c, base, p)
		return err
	})
	return out, err
}

// uniqueID is the unique id of the user or role behind a principal, or what
// else stands for it.
func uniqueID(p *policy.Principal) string {
	switch p.Type {
	case policy.AssumedRole:
		id, _, _ := strings.Cut(p.UserID, ":")
		return id
	case policy.FederatedUser:
		return p.UserARN
	}
	return p.UserID
}

// base is the set of the user or role behind a principal.
func (s *Store) base(tx *kv.Tx, c *cached, p *policy.Principal) (*policy.Set, error) {
	key := uniqueID(p)
	if set, ok := lookup(c, c.sets, key); ok {
		return set, nil
	}
	set, err := load(tx, p)
	if err != nil {
		return nil, fmt.Errorf("policies of %s: %w", p.ARN, err)
	}
	remember(c, c.sets, key, set)
	return set, nil
}

// load reads and compiles the policies of a user or role. One that was deleted
// has none, so that its sessions may do nothing.
func load(tx *kv.Tx, p *policy.Principal) (*policy.Set, error) {
	account, set := p.AccountID, &policy.Set{}
	var id, boundary string
	switch {
	case p.Type == policy.FederatedUser && p.UserARN == RootARN(account):
		src, err := Managed(tx, account, "arn:aws:iam::aws:policy/AdministratorAccess", policy.Identity)
		if err != nil {
			return nil, err
		}
		return &policy.Set{Identity: []policy.Source{*src}}, nil
	case p.Type == policy.AssumedRole:
		r, err := Roles.ByID(tx, account, uniqueID(p))
		if isNotFound(err) {
			return set, nil
		}
		if err != nil {
			return nil, err
		}
		id, boundary = r.ID, r.Boundary
	default:
		u, err := userOf(tx, p)
		if isNotFound(err) {
			return set, nil
		}
		if err != nil {
			return nil, err
		}
		id, boundary = u.ID, u.Boundary
		for r, err := range Members.Scan(tx, kv.Scan{Prefix: []any{account, id}}) {
			if err != nil {
				return nil, err
			}
			if err := attachedTo(tx, set, account, *r.Value); err != nil {
				return nil, err
			}
		}
	}
	if err := attachedTo(tx, set, account, id); err != nil {
		return nil, err
	}
	if boundary != "" {
		b, err := Managed(tx, account, boundary, policy.Boundary)
		if err != nil {
			return nil, err
		}
		set.Boundary = b
	}
	return set, nil
}

func userOf(tx *kv.Tx, p *policy.Principal) (*User, error) {
	if p.Type != policy.FederatedUser {
		return Users.ByID(tx, p.AccountID, p.UserID)
	}
	u, err := Users.Find(tx, p.AccountID, p.UserARN[strings.LastIndexByte(p.UserARN, '/')+1:])
	if err == nil && Users.ARN(p.AccountID, u) != p.UserARN {
		return nil, kv.ErrNotFound
	}
	return u, err
}

// attachedTo adds the inline and managed policies of a user, group or role.
func attachedTo(tx *kv.Tx, set *policy.Set, account arn.AccountID, id string) error {
	prefix := []any{account, id}
	n, err := NameOf(tx, account, id)
	if err != nil {
		return err
	}
	for r, err := range Inlines.Scan(tx, kv.Scan{Prefix: prefix}) {
		if err != nil {
			return err
		}
		src, err := compile("inline:"+string(n.Kind)+"/"+n.Name+"/"+r.Value.Name, r.Value.Document, policy.Identity)
		if err != nil {
			return err
		}
		set.Identity = append(set.Identity, *src)
	}
	for r, err := range Attached.Scan(tx, kv.Scan{Prefix: prefix}) {
		if err != nil {
			return err
		}
		src, err := Managed(tx, account, *r.Value, policy.Identity)
		if err != nil {
			return err
		}
		set.Identity = append(set.Identity, *src)
	}
	return nil
}

func compile(id, document string, k policy.Kind) (*policy.Source, error) {
	doc, err := policy.Parse([]byte(document), k)
	if err != nil {
		return nil, fmt.Errorf("stored policy %s: %w", id, err)
	}
	return &policy.Source{ID: id, Doc: doc}, nil
}

// Managed returns the version in force of a managed policy, the account's or
// AWS's own.
func Managed(tx *kv.Tx, account arn.AccountID, policyARN string, k policy.Kind) (*policy.Source, error) {
	p, err := FindPolicy(tx, account, policyARN)
	if err != nil {
		return nil, fmt.Errorf("managed policy %s: %w", policyARN, err)
	}
	return compile(policyARN, p.Document(), k)
}

// FindPolicy returns a managed policy by its ARN; the error is kv.ErrNotFound
// when there is none.
func FindPolicy(tx *kv.Tx, account arn.AccountID, policyARN string) (*Policy, error) {
	a, err := arn.Parse(policyARN)
	if err != nil || a.Service != "iam" || !strings.HasPrefix(a.Resource, "policy/") {
		return nil, kv.ErrNotFound
	}
	if a.AccountID == "aws" {
		if p := awsManaged(policyARN); p != nil {
			return p, nil
		}
		return nil, kv.ErrNotFound
	}
	if a.AccountID != account {
		return nil, kv.ErrNotFound
	}
	p, err := Policies.Find(tx, account, a.Resource[strings.LastIndexByte(a.Resource, '/')+1:])
	if err == nil && Policies.ARN(account, p) != policyARN {
		return nil, kv.ErrNotFound
	}
	return p, err
}

// withSession adds the policies of a principal's session.
func (s *Store) withSession(tx *kv.Tx, c *cached, base *policy.Set, p *policy.Principal) (*policy.Set, error) {
	x := p.Limits
	if x == nil {
		return base, nil
	}
	if set, ok := lookup(c, c.sets, "session:"+p.AccessKeyID); ok {
		return set, nil
	}
	set := *base
	set.HasSession = true
	for i, d := range x.Documents {
		src, err := compile(fmt.Sprintf("session policy %d", i+1), d, policy.Session)
		if err != nil {
			return nil, err
		}
		set.Session = append(set.Session, *src)
	}
	for _, a := range x.Managed {
		src, err := Managed(tx, p.AccountID, a, policy.Session)
		if isNotFound(err) {
			continue // deleted since: it allows nothing
		}
		if err != nil {
			return nil, err
		}
		set.Session = append(set.Session, *src)
	}
	remember(c, c.sets, "session:"+p.AccessKeyID, &set)
	return &set, nil
}
