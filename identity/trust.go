package identity

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/kv"
)

// trustNobody is the trust policy of a role that does not exist.
var trustNobody = policy.Source{ID: "no role", Doc: &policy.Document{Kind: policy.Trust, Version: policy.Version2012}}

// TrustPolicy is the trust policy of a role, compiled, and the role itself. A
// role that does not exist is nil and trusts nobody. Users and roles are
// matched by unique id: one that is renamed keeps the trust, and another that
// later gets the name does not inherit it.
func (s *Store) TrustPolicy(tx *kv.Tx, roleARN string) (*Role, policy.Source, error) {
	r, account, err := FindRole(tx, roleARN)
	if isNotFound(err) {
		return nil, trustNobody, nil
	}
	if err != nil {
		return nil, policy.Source{}, err
	}
	c, err := s.account(tx, account)
	if err != nil {
		return nil, policy.Source{}, err
	}
	key := "trust:" + r.ID
	set, ok := lookup(c, c.sets, key)
	if !ok {
		text, err := replacePrincipals(r.Trust, r.Trusted)
		if err != nil {
			return nil, policy.Source{}, err
		}
		src, err := compile(roleARN, text, policy.Trust)
		if err != nil {
			return nil, policy.Source{}, err
		}
		set = &policy.Set{Resource: []policy.Source{*src}}
		remember(c, c.sets, key, set)
	}
	return r, set.Resource[0], nil
}

// FindRole returns a role by its ARN, and its account; kv.ErrNotFound when
// there is none.
func FindRole(tx *kv.Tx, roleARN string) (*Role, arn.AccountID, error) {
	account, kind, name := ParseARN(roleARN)
	if kind != KindRole {
		return nil, "", kv.ErrNotFound
	}
	r, err := Roles.Find(tx, account, name)
	if err != nil {
		return nil, "", err
	}
	if Roles.ARN(account, r) != roleARN {
		return nil, "", kv.ErrNotFound
	}
	return r, account, nil
}

// ResolvePrincipals returns the unique ids of the users and roles that a trust
// policy names, by their ARNs as written. A user or role that does not exist
// is a *policy.SyntaxError.
//
// Differs from AWS: principals of accounts that this cloud has never seen are
// taken as they are.
func ResolvePrincipals(tx *kv.Tx, doc *policy.Document) (map[string]string, error) {
	ids := map[string]string{}
	for i := range doc.Statements {
		list, _ := doc.Statements[i].Principals()
		for _, e := range list {
			id, ok, err := principalID(tx, e)
			if err != nil {
				return nil, err
			}
			if !ok {
				return nil, &policy.SyntaxError{
					Element: "Principal", Statement: i,
					Reason: fmt.Sprintf("Invalid principal in policy: %q:%q", strings.ToUpper(e.Type), e.Value),
				}
			}
			if id != "" {
				ids[e.Value] = id
			}
		}
	}
	return ids, nil
}

// principalID is the unique id of a user or role, "" for anything else; ok is
// false when there should be one.
func principalID(tx *kv.Tx, e policy.PrincipalElement) (id string, ok bool, err error) {
	account, kind, name := ParseARN(e.Value)
	if e.Type != "AWS" || kind != KindUser && kind != KindRole {
		return "", true, nil
	}
	known, err := Exists(tx, account)
	if err != nil || !known {
		return "", true, err
	}
	found, err := FindEntity(tx, account, kind, name)
	if isNotFound(err) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	return found.ID, ARN(account, kind, found.Path, found.Name) == e.Value, nil
}

// TrustText is a role's trust policy for people: a principal that was renamed
// has its new ARN, and in the place of one that was deleted is its unique id.
func TrustText(tx *kv.Tx, r *Role) (string, error) {
	moved := map[string]string{}
	for was, id := range r.Trusted {
		a, err := arn.Parse(was)
		if err != nil {
			return "", err
		}
		now := id
		n, err := NameOf(tx, a.AccountID, id)
		if err == nil {
			e, err := FindEntity(tx, a.AccountID, n.Kind, n.Name)
			if err != nil {
				return "", err
			}
			now = ARN(a.AccountID, n.Kind, e.Path, e.Name)
		} else if !isNotFound(err) {
			return "", err
		}
		if now != was {
			moved[was] = now
		}
	}
	return replacePrincipals(r.Trust, moved)
}

// replacePrincipals replaces AWS principals of a document that parses.
func replacePrincipals(document string, with map[string]string) (string, error) {
	if len(with) == 0 {
		return document, nil
	}
	dec := json.NewDecoder(strings.NewReader(document))
	dec.UseNumber()
	var doc map[string]any
	if err := dec.Decode(&doc); err != nil {
		return "", err
	}
	statements, ok := doc["Statement"].([]any)
	if !ok {
		statements = []any{doc["Statement"]}
	}
	for _, st := range statements {
		st, ok := st.(map[string]any)
		if !ok {
			continue
		}
		principal, ok := st["Principal"].(map[string]any)
		if !ok {
			continue
		}
		switch v := principal["AWS"].(type) {
		case string:
			if n, ok := with[v]; ok {
				principal["AWS"] = n
			}
		case []any:
			for i := range v {
				if s, ok := v[i].(string); ok && with[s] != "" {
					v[i] = with[s]
				}
			}
		}
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(doc)
	return strings.TrimSpace(b.String()), err
}
