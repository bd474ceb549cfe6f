package policy

import (
	"regexp"
	"slices"
	"strings"
)

// Parse reads and compiles a document of kind k. The error is a *[SyntaxError]
// with IAM's sentence for the first thing that is wrong, in IAM's order: the
// shape of the whole document, its version, its conditions and ARNs' form,
// Sids, then the elements themselves.
//
// Identity, Boundary, Session and SCP documents name actions and resources and
// no principal, in the newer language version. Trust documents name principals
// and STS actions, and no resource. Resource documents name principals; a
// statement without a resource means the one that the policy is attached to.
func Parse(b []byte, k Kind) (*Document, error) {
	root, err := readJSON(b)
	if err != nil {
		return nil, syntaxf("", -1, "%v", err)
	}
	d := &Document{Kind: k, Version: Version2008}
	statements, serr := d.readTop(root)
	if serr != nil {
		return nil, serr
	}
	raw := make([]rawStatement, len(statements))
	for i := range statements {
		if raw[i], serr = readStatement(&statements[i], i); serr != nil {
			return nil, serr
		}
	}
	if !k.hasPrincipal() && d.Version != Version2012 {
		return nil, reasonf("Version", -1, reasonVersion)
	}
	d.Statements = make([]Statement, len(raw))
	for _, step := range []func(*Document, *rawStatement, *Statement) *SyntaxError{
		compileHead, checkForm, checkSID, checkActions, compilePrincipals, compileResources, compileActions, checkResources,
	} {
		for i := range raw {
			if serr := step(d, &raw[i], &d.Statements[i]); serr != nil {
				return nil, serr
			}
		}
	}
	return d, nil
}

func (d *Document) readTop(root *node) ([]node, *SyntaxError) {
	if root.kind != '{' {
		return nil, syntaxf("", -1, "the document is not an object")
	}
	for _, m := range root.members {
		v := m.value
		switch m.name {
		case "Version":
			if v.kind != 's' || v.text != Version2008 && v.text != Version2012 {
				return nil, syntaxf("Version", -1, "unknown version")
			}
			d.Version = v.text
		case "Id":
			if v.kind != 's' {
				return nil, syntaxf("Id", -1, "Id is not a string")
			}
			d.ID = v.text
		case "Statement":
		default:
			return nil, syntaxf("", -1, "unknown element %q", m.name)
		}
	}
	st := root.get("Statement")
	switch {
	case st == nil:
		return nil, syntaxf("Statement", -1, "no Statement")
	case st.kind == '{':
		return []node{*st}, nil
	case st.kind == '[' && len(st.items) > 0:
		return st.items, nil
	default:
		return nil, syntaxf("Statement", -1, "Statement is neither an object nor a list of them")
	}
}

// rawStatement is a statement whose shape is right and whose text is unread.
type rawStatement struct {
	index                             int
	sid, effect                       string
	action, notAction                 []string
	resource, notResource             []string
	hasResource, hasNotResource       bool
	hasAction, hasNotAction           bool
	principal, notPrincipal           []PrincipalElement
	hasPrincipalElem, hasNotPrincipal bool
	conditions                        []rawCondition
}

type rawCondition struct {
	operator string
	key      string
	values   []string
}

func readStatement(n *node, i int) (r rawStatement, err *SyntaxError) {
	r.index = i
	if n.kind != '{' {
		return r, syntaxf("Statement", i, "a statement is not an object")
	}
	for _, m := range n.members {
		v := &m.value
		switch m.name {
		case "Sid":
			r.sid, err = readString(v, m.name, i)
		case "Effect":
			r.effect, err = readString(v, m.name, i)
		case "Action":
			r.hasAction = true
			r.action, err = readList(v, m.name, i)
		case "NotAction":
			r.hasNotAction = true
			r.notAction, err = readList(v, m.name, i)
		case "Resource":
			r.hasResource = true
			r.resource, err = readList(v, m.name, i)
		case "NotResource":
			r.hasNotResource = true
			r.notResource, err = readList(v, m.name, i)
		case "Principal":
			r.hasPrincipalElem = true
			r.principal, err = readPrincipal(v, m.name, i)
		case "NotPrincipal":
			r.hasNotPrincipal = true
			r.notPrincipal, err = readPrincipal(v, m.name, i)
		case "Condition":
			r.conditions, err = readConditions(v, i)
		default:
			err = syntaxf("Statement", i, "unknown element %q", m.name)
		}
		if err != nil {
			return r, err
		}
	}
	switch {
	case !strings.EqualFold(r.effect, "Allow") && !strings.EqualFold(r.effect, "Deny"):
		return r, syntaxf("Effect", i, "Effect is %q", r.effect)
	case r.hasAction && r.hasNotAction:
		return r, syntaxf("Action", i, "both Action and NotAction")
	case r.hasResource && r.hasNotResource:
		return r, syntaxf("Resource", i, "both Resource and NotResource")
	case r.hasPrincipalElem && r.hasNotPrincipal:
		return r, syntaxf("Principal", i, "both Principal and NotPrincipal")
	}
	return r, nil
}

func readString(n *node, element string, i int) (string, *SyntaxError) {
	if n.kind != 's' {
		return "", syntaxf(element, i, "%s is not a string", element)
	}
	return n.text, nil
}

// readList reads a string or a list of strings; IAM passes over nulls in it.
func readList(n *node, element string, i int) ([]string, *SyntaxError) {
	switch n.kind {
	case 's':
		return []string{n.text}, nil
	case '[':
		var out []string
		for j := range n.items {
			switch n.items[j].kind {
			case 's':
				out = append(out, n.items[j].text)
			case '0':
			default:
				return nil, syntaxf(element, i, "%s holds something that is not a string", element)
			}
		}
		return out, nil
	default:
		return nil, syntaxf(element, i, "%s is neither a string nor a list", element)
	}
}

var principalElements = []string{"AWS", "Service", "Federated", "CanonicalUser"}

func readPrincipal(n *node, element string, i int) ([]PrincipalElement, *SyntaxError) {
	if n.kind == 's' {
		if n.text == "*" {
			return []PrincipalElement{{Type: "AWS", Value: "*"}}, nil
		}
		return nil, reasonf(element, i, "Invalid principal in policy: %q", n.text)
	}
	if n.kind != '{' {
		return nil, syntaxf(element, i, "%s is neither \"*\" nor an object", element)
	}
	var out []PrincipalElement
	for _, m := range n.members {
		if !slices.Contains(principalElements, m.name) {
			return nil, syntaxf(element, i, "unknown kind of principal %q", m.name)
		}
		list, err := readList(&m.value, element, i)
		if err != nil {
			return nil, err
		}
		for _, text := range list {
			out = append(out, PrincipalElement{Type: m.name, Value: text})
		}
	}
	return out, nil
}

func readConditions(n *node, i int) ([]rawCondition, *SyntaxError) {
	if n.kind != '{' {
		return nil, syntaxf("Condition", i, "Condition is not an object")
	}
	var out []rawCondition
	for _, op := range n.members {
		if op.value.kind != '{' {
			return nil, syntaxf("Condition", i, "%s is not an object", op.name)
		}
		if len(op.value.members) == 0 {
			continue // tests nothing, and IAM does not read its name
		}
		if _, err := parseOperator(op.name); err != nil {
			return nil, syntaxf("Condition", i, "%v", err)
		}
		for _, key := range op.value.members {
			c := rawCondition{operator: op.name, key: key.name}
			items := []node{key.value}
			if key.value.kind == '[' {
				items = key.value.items
			}
			for j := range items {
				switch items[j].kind {
				case 's', 'n', 'b':
					c.values = append(c.values, items[j].text)
				default:
					return nil, syntaxf("Condition", i, "a value of %s is no scalar", key.name)
				}
			}
			out = append(out, c)
		}
	}
	return out, nil
}

func compileHead(d *Document, r *rawStatement, st *Statement) *SyntaxError {
	st.SID, st.Index, st.Deny = r.sid, r.index, r.effect == "Deny"
	if r.effect != "Allow" && r.effect != "Deny" {
		return legacyf("Effect", r.index, "Effect is %q", r.effect)
	}
	for _, rc := range r.conditions {
		c, err := parseOperator(rc.operator)
		if err != nil {
			return syntaxf("Condition", r.index, "%v", err)
		}
		c.key = makeKey(rc.key)
		for _, v := range rc.values {
			if err := c.add(v, d.Version == Version2012); err != nil {
				return legacyf("Condition", r.index, "%v", err)
			}
		}
		st.conditions = append(st.conditions, c)
	}
	return nil
}

// checkForm refuses ARNs that are cut short in the middle.
func checkForm(_ *Document, r *rawStatement, _ *Statement) *SyntaxError {
	for _, text := range slices.Concat(r.resource, r.notResource) {
		if !wellFormed(text) {
			return legacyf("Resource", r.index, "%q is not an ARN", text)
		}
	}
	return nil
}

var sidChars = regexp.MustCompile(`^[0-9A-Za-z]*$`)

// checkSID wants Sids to be unique and, in documents that IAM keeps, plain.
func checkSID(d *Document, r *rawStatement, _ *Statement) *SyntaxError {
	if r.sid == "" {
		return nil
	}
	if d.Kind != Resource && !sidChars.MatchString(r.sid) {
		return reasonf("Sid", r.index, reasonSIDChars)
	}
	for i := range d.Statements[:r.index] {
		if d.Statements[i].SID == r.sid {
			return reasonf("Sid", r.index, reasonSIDUnique)
		}
	}
	return nil
}

func checkActions(_ *Document, r *rawStatement, _ *Statement) *SyntaxError {
	if len(r.action)+len(r.notAction) == 0 {
		return reasonf("Action", r.index, reasonNoAction)
	}
	return nil
}

func compilePrincipals(d *Document, r *rawStatement, st *Statement) *SyntaxError {
	switch {
	case !d.Kind.hasPrincipal():
		if r.hasPrincipalElem || r.hasNotPrincipal {
			return reasonf("Principal", r.index, reasonPrincipal)
		}
		return nil
	case len(r.principal)+len(r.notPrincipal) == 0:
		return reasonf("Principal", r.index, "Missing required field Principal")
	case r.hasNotPrincipal && (d.Kind == Trust || !st.Deny):
		return reasonf("Principal", r.index, "Has prohibited field NotPrincipal")
	}
	st.notPrincipal = r.hasNotPrincipal
	for _, e := range append(r.principal, r.notPrincipal...) {
		p, ok := compilePrincipal(e.Type, e.Value)
		if !ok {
			return reasonf("Principal", r.index, "Invalid principal in policy: %q:%q", strings.ToUpper(e.Type), e.Value)
		}
		st.principals = append(st.principals, p)
	}
	return nil
}

func compileActions(d *Document, r *rawStatement, st *Statement) *SyntaxError {
	st.notAction = r.hasNotAction
	for _, text := range append(r.action, r.notAction...) {
		if reason := ValidateAction(text); reason != "" {
			return reasonf("Action", r.index, "%s", reason)
		}
		if d.Kind == Trust && (r.hasNotAction || !strings.HasPrefix(lowerASCII(text), "sts:")) {
			return reasonf("Action", r.index, reasonTrustSTS)
		}
		st.actions = append(st.actions, compileAction(text))
	}
	return nil
}

func compileResources(d *Document, r *rawStatement, st *Statement) *SyntaxError {
	st.hasResource = r.hasResource || r.hasNotResource
	st.notResource = r.hasNotResource
	for _, text := range append(r.resource, r.notResource...) {
		if reason := ValidateResource(text, d.Kind); reason != "" {
			return reasonf("Resource", r.index, "%s", reason)
		}
		st.resources = append(st.resources, compileARN(text, d.Version == Version2012))
	}
	return nil
}

// checkResources refuses statements without a resource where one must be, and
// with one where none may be.
func checkResources(d *Document, r *rawStatement, st *Statement) *SyntaxError {
	switch {
	case d.Kind == Trust && st.hasResource:
		return reasonf("Resource", r.index, "Has prohibited field Resource")
	case len(st.resources) > 0, d.Kind.hasPrincipal() && !st.hasResource:
		return nil
	default:
		return reasonf("Resource", r.index, reasonNoResource)
	}
}
