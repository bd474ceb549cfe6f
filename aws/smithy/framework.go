package smithy

import (
	"fmt"
	"strconv"
	"strings"
)

// Services whose servers are built on Smithy word validation errors in another
// way than [Problems.Message]: the path is a JSON pointer, the value is left
// out, both bounds are named, and each violation is repeated in a list. Which
// wording a service uses shows in its model: its ValidationException has a
// member fieldList whose elements have a path.

// FieldProblem is one violation in the newer wording.
type FieldProblem struct {
	// Path is a JSON pointer such as "/items/0/name".
	Path    string
	Message string
}

// FieldProblems words each violation in the newer way.
func (p *Problems) FieldProblems() []FieldProblem {
	out := make([]FieldProblem, len(p.List))
	for i := range p.List {
		v := &p.List[i]
		out[i] = FieldProblem{Path: v.Pointer(), Message: v.fieldMessage()}
	}
	return out
}

// FieldMessage is the message of a ValidationException in the newer wording,
// or "" when there are no violations.
func (p *Problems) FieldMessage() string {
	if len(p.List) == 0 {
		return ""
	}
	parts := make([]string, len(p.List))
	for i := range p.List {
		parts[i] = p.List[i].fieldMessage()
	}
	word := "errors"
	if len(parts) == 1 {
		word = "error"
	}
	return fmt.Sprintf("%d validation %s detected. %s", len(parts), word, strings.Join(parts, "; "))
}

var pointerEscape = strings.NewReplacer("~", "~0", "/", "~1")

// Pointer is the violation's path as a JSON pointer.
func (v *Violation) Pointer() string {
	var b strings.Builder
	for _, s := range v.Path {
		b.WriteByte('/')
		if s.Name == "" && !s.Key {
			b.WriteString(strconv.Itoa(s.Index))
		} else {
			b.WriteString(pointerEscape.Replace(s.Name))
		}
	}
	return b.String()
}

func (v *Violation) fieldMessage() string {
	at := "Value at"
	constraint := v.Constraint
	switch v.Rule {
	case RuleLength:
		at = fmt.Sprintf("Value with length %d at", v.Length)
		constraint = "Member must have length " + bounds(v.Shape)
	case RuleRange:
		constraint = "Member must be " + bounds(v.Shape)
	case RulePattern:
		constraint = "Member must satisfy regular expression pattern: " + v.Shape.Pattern
	case RuleEnum:
		constraint = "Member must satisfy enum value set: [" + strings.Join(v.Shape.Enum, ", ") + "]"
	}
	return at + " '" + v.Pointer() + "' failed to satisfy constraint: " + constraint
}

func bounds(sh *Shape) string {
	switch {
	case sh.HasMin && sh.HasMax:
		return "between " + decimal(sh.Min) + " and " + decimal(sh.Max) + ", inclusive"
	case sh.HasMin:
		return "greater than or equal to " + decimal(sh.Min)
	}
	return "less than or equal to " + decimal(sh.Max)
}
