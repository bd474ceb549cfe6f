package policy

import (
	"fmt"
	"slices"
)

// Kind says where a document is attached, and so which grammar it has.
type Kind uint8

const (
	// Identity is a managed or inline policy of a user, group or role.
	Identity Kind = iota
	// Resource is a policy attached to a resource, such as a bucket or queue.
	Resource
	// Trust is a role's trust policy: a resource-based policy without resources.
	Trust
	// SCP is a service control policy of an organization.
	SCP
	// Boundary is a permissions boundary.
	Boundary
	// Session is a policy passed when temporary credentials are made.
	Session
)

var kindNames = [...]string{
	Identity: "identity-based policy",
	Resource: "resource-based policy",
	Trust:    "role trust policy",
	SCP:      "service control policy",
	Boundary: "permissions boundary",
	Session:  "session policy",
}

// String names k as AWS's access-denied messages do.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// hasPrincipal reports whether statements of this kind name principals.
func (k Kind) hasPrincipal() bool { return k == Resource || k == Trust }

// Versions of the policy language. Policy variables exist only in the newer one.
const (
	Version2008 = "2008-10-17"
	Version2012 = "2012-10-17"
)

// Document is a parsed and compiled policy. It is immutable and safe for
// concurrent use.
type Document struct {
	// Version is the language version; a document without one has Version2008.
	Version string
	// ID is the document's optional Id.
	ID string
	// Kind is the grammar the document was parsed with.
	Kind Kind
	// Statements are in the order of the document.
	Statements []Statement
}

// Statement is one compiled statement.
type Statement struct {
	// SID is the statement's optional Sid.
	SID string
	// Index is the position in the document, from 0.
	Index int
	// Deny is true for "Effect": "Deny".
	Deny bool

	notAction bool
	actions   []actionPattern

	hasResource bool // false: every resource, as in a trust policy
	notResource bool
	resources   []arnPattern

	notPrincipal bool
	principals   []principalPattern

	conditions []condition
}

// Actions returns the action patterns as written, and whether they are in
// NotAction.
func (st *Statement) Actions() (patterns []string, not bool) {
	for i := range st.actions {
		patterns = append(patterns, st.actions[i].text)
	}
	return patterns, st.notAction
}

// Resources returns the resource patterns as written, and whether they are in
// NotResource. A statement with neither element (a trust policy's, or one of a
// service that leaves it out) returns nil.
func (st *Statement) Resources() (patterns []string, not bool) {
	for i := range st.resources {
		patterns = append(patterns, st.resources[i].text)
	}
	return patterns, st.notResource
}

// PrincipalElement is one entry of a Principal or NotPrincipal element.
type PrincipalElement struct {
	// Type is "AWS", "Service", "Federated" or "CanonicalUser".
	Type string
	// Value is as written; "*" stands for everybody.
	Value string
}

// Principals returns the statement's principals, and whether they are in
// NotPrincipal.
func (st *Statement) Principals() (elements []PrincipalElement, not bool) {
	for i := range st.principals {
		p := &st.principals[i]
		elements = append(elements, PrincipalElement{Type: p.element, Value: p.text})
	}
	return elements, st.notPrincipal
}

// ConditionKeys returns the condition keys that st tests, as written, in order
// and without repeats.
func (st *Statement) ConditionKeys() []string {
	var out []string
	for i := range st.conditions {
		out = append(out, st.conditions[i].key.text)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Size returns the length of a document as AWS counts it against quotas:
// white space outside of strings is free.
func Size(b []byte) int {
	n := 0
	inString, escaped := false, false
	for _, c := range b {
		switch {
		case inString:
			n++
			switch {
			case escaped:
				escaped = false
			case c == '\\':
				escaped = true
			case c == '"':
				inString = false
			}
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
		default:
			n++
			inString = c == '"'
		}
	}
	return n
}
