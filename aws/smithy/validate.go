package smithy

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// Violation is one constraint of the model that a value does not satisfy.
type Violation struct {
	// Path leads to the member: names, 0-based indices in decimal, map keys.
	Path []Segment
	// Null says that a required member is missing.
	Null bool
	// Value is the offending value as AWS prints it.
	Value string
	// Constraint is AWS's wording, such as "Member must not be null".
	Constraint string
	// Shape is the shape of the value, and Rule which of its constraints is
	// violated. Length is that of a value that is too short or too long.
	Shape  *Shape
	Rule   Rule
	Length int
}

// Rule is a kind of constraint.
type Rule uint8

// The kinds of constraints.
const (
	RuleRequired Rule = iota
	RuleLength
	RuleRange
	RulePattern
	RuleEnum
	RuleUnique
	RuleUnion
)

// Segment is one step of a path.
type Segment struct {
	// Name is a member's name or a map's key; "" for an index.
	Name  string
	Index int
	// Key says that Name is a map's key.
	Key bool
}

// PathString writes v's path as AWS does: 'keySchema.1.member.attributeName'.
func (v *Violation) PathString() string {
	var b strings.Builder
	for i, s := range v.Path {
		if i > 0 {
			b.WriteByte('.')
		}
		switch {
		case s.Key:
			b.WriteString(s.Name + ".member")
		case s.Name != "":
			b.WriteString(strings.ToLower(s.Name[:1]) + s.Name[1:])
		default:
			b.WriteString(strconv.Itoa(s.Index+1) + ".member")
		}
	}
	return b.String()
}

// String words the violation as AWS does.
func (v *Violation) String() string {
	value := "null"
	if !v.Null {
		value = "'" + v.Value + "'"
	}
	return "Value " + value + " at '" + v.PathString() + "' failed to satisfy constraint: " + v.Constraint
}

// Problems collects violations while a value is decoded and validated, and
// keeps the path to the member at hand. The zero value is ready.
type Problems struct {
	List []Violation
	path []Segment
}

// Push enters a member.
func (p *Problems) Push(m *Member) { p.path = append(p.path, Segment{Name: m.Name}) }

// PushIndex enters a list's element.
func (p *Problems) PushIndex(i int) { p.path = append(p.path, Segment{Index: i}) }

// PushKey enters a map's entry.
func (p *Problems) PushKey(key string) { p.path = append(p.path, Segment{Name: key, Key: true}) }

// Pop leaves what was last entered.
func (p *Problems) Pop() { p.path = p.path[:len(p.path)-1] }

// Depth is the number of steps from the root; decoders bound it.
func (p *Problems) Depth() int { return len(p.path) }

// Missing records each required member of the structure that f was not given.
func (p *Problems) Missing(f *Fields) {
	f.MissingRequired(func(m *Member) {
		p.List = append(p.List, Violation{
			Path: append(slices.Clone(p.path), Segment{Name: m.Name}), Null: true,
			Constraint: "Member must not be null", Shape: m.Shape,
		})
	})
}

func (p *Problems) add(sh *Shape, rule Rule, length int, value, constraint string, args ...any) {
	p.List = append(p.List, Violation{
		Path: slices.Clone(p.path), Value: value, Constraint: fmt.Sprintf(constraint, args...),
		Shape: sh, Rule: rule, Length: length,
	})
}

// Message words all violations as AWS does, or is "" when there are none.
func (p *Problems) Message() string {
	if len(p.List) == 0 {
		return ""
	}
	parts := make([]string, len(p.List))
	for i := range p.List {
		parts[i] = p.List[i].String()
	}
	word := "errors"
	if len(parts) == 1 {
		word = "error"
	}
	return fmt.Sprintf("%d validation %s detected: %s", len(parts), word, strings.Join(parts, "; "))
}

// Validate adds to p what v, a decoded value of shape sh, violates: lengths,
// ranges, patterns, enums and unions. Missing members were noted in decoding.
func (p *Problems) Validate(sh *Shape, v reflect.Value) {
	if v, ok := Indirect(v); ok && sh != nil && sh.checked {
		p.value(sh, v)
	}
}

func (p *Problems) value(sh *Shape, v reflect.Value) {
	switch sh.Kind {
	case Structure, Union:
		n := 0
		for _, m := range sh.Members {
			f, ok := Get(v, m)
			if !ok {
				continue
			}
			n++
			if m.Shape.checked && !m.IsStream() && !m.Shape.EventStream {
				p.Push(m)
				p.value(m.Shape, f)
				p.Pop()
			}
		}
		if sh.Kind == Union && n != 1 {
			p.add(sh, RuleUnion, 0, "{}", "Member must have exactly one of its members set")
		}
	case List:
		p.length(sh, v.Len(), v)
		if sh.UniqueItems && repeats(v) {
			p.add(sh, RuleUnique, 0, printed(v), "Member must have unique values")
		}
		if !sh.Elem.Shape.checked {
			return
		}
		for i := range v.Len() {
			if e, ok := Indirect(v.Index(i)); ok {
				p.PushIndex(i)
				p.value(sh.Elem.Shape, e)
				p.Pop()
			}
		}
	case Map:
		p.entries(sh, v)
	case String:
		p.text(sh, v.String())
	case Blob:
		if v.Kind() == reflect.Slice {
			p.length(sh, v.Len(), v)
		}
	case Byte, Short, Integer, Long, Float, Double:
		p.number(sh, v)
	}
}

func (p *Problems) entries(sh *Shape, v reflect.Value) {
	p.length(sh, v.Len(), v)
	if !sh.Elem.Shape.checked && !sh.Key.Shape.checked {
		return
	}
	mark := len(p.List)
	if m, ok := v.Interface().(map[string]any); ok {
		for k, e := range m {
			p.entry(sh, v, k, reflect.ValueOf(e))
		}
	} else {
		key, elem := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		for it := v.MapRange(); it.Next(); {
			key.SetIterKey(it)
			elem.SetIterValue(it)
			p.entry(sh, v, key.String(), elem)
		}
	}
	// Entries come in any order, their violations in that of the keys.
	slices.SortStableFunc(p.List[mark:], func(a, b Violation) int {
		return strings.Compare(a.keyAt(len(p.path)), b.keyAt(len(p.path)))
	})
}

// entry validates the key and the value of one entry of the map v.
func (p *Problems) entry(sh *Shape, v reflect.Value, key string, elem reflect.Value) {
	if sh.Key.Shape.checked {
		var keys Problems
		keys.text(sh.Key.Shape, key)
		if len(keys.List) > 0 {
			first := &keys.List[0]
			p.add(first.Shape, first.Rule, first.Length, printed(v), "Map keys must satisfy constraint: [%s]", constraints(&keys))
		}
	}
	if e, ok := Indirect(elem); ok && sh.Elem.Shape.checked {
		p.PushKey(key)
		p.value(sh.Elem.Shape, e)
		p.Pop()
	}
}

// keyAt is the key that v's path has behind its first n steps, "" for none.
func (v *Violation) keyAt(n int) string {
	if n < len(v.Path) {
		return v.Path[n].Name
	}
	return ""
}

func constraints(p *Problems) string {
	var out []string
	for i := range p.List {
		out = append(out, p.List[i].Constraint)
	}
	return strings.Join(out, ", ")
}

func (p *Problems) text(sh *Shape, s string) {
	if sh.HasMin || sh.HasMax {
		p.length(sh, utf8.RuneCountInString(s), reflect.ValueOf(s))
	}
	if sh.Enum != nil && !slices.Contains(sh.Enum, s) && !slices.Contains(sh.InternalEnum, s) {
		p.add(sh, RuleEnum, 0, s, "Member must satisfy enum value set: [%s]", strings.Join(sh.Enum, ", "))
	}
	if sh.Pattern != "" {
		if re := Regexp(sh.Pattern); re != nil && !re.MatchString(s) {
			p.add(sh, RulePattern, 0, s, "Member must satisfy regular expression pattern: %s", sh.Pattern)
		}
	}
}

func (p *Problems) length(sh *Shape, n int, v reflect.Value) {
	switch {
	case sh.HasMin && float64(n) < sh.Min:
		p.add(sh, RuleLength, n, printed(v), "Member must have length greater than or equal to %s", decimal(sh.Min))
	case sh.HasMax && float64(n) > sh.Max:
		p.add(sh, RuleLength, n, printed(v), "Member must have length less than or equal to %s", decimal(sh.Max))
	}
}

func (p *Problems) number(sh *Shape, v reflect.Value) {
	n := Number(v)
	switch {
	case sh.HasMin && n < sh.Min:
		p.add(sh, RuleRange, 0, decimal(n), "Member must have value greater than or equal to %s", decimal(sh.Min))
	case sh.HasMax && n > sh.Max:
		p.add(sh, RuleRange, 0, decimal(n), "Member must have value less than or equal to %s", decimal(sh.Max))
	}
}

// repeats reports whether two elements of a list are equal. The printed form
// tells elements apart but for long ones, which are then compared whole.
func repeats(v reflect.Value) bool {
	seen := make(map[string][]int, v.Len())
	for i := range v.Len() {
		key := printed(v.Index(i))
		for _, j := range seen[key] {
			if reflect.DeepEqual(v.Index(i).Interface(), v.Index(j).Interface()) {
				return true
			}
		}
		seen[key] = append(seen[key], i)
	}
	return false
}

func decimal(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// printed writes a value as AWS's messages do: lists in brackets, maps in
// braces, blobs as a word, and nothing longer than a screen.
func printed(v reflect.Value) string {
	const limit = 2048
	v, ok := Indirect(v)
	if !ok {
		return "null"
	}
	var s string
	switch {
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8:
		return fmt.Sprintf("java.nio.HeapByteBuffer[pos=0 lim=%d cap=%d]", v.Len(), v.Len())
	case v.Kind() == reflect.Slice:
		parts := make([]string, 0, min(v.Len(), 100))
		for i := range min(v.Len(), 100) {
			parts = append(parts, printed(v.Index(i)))
		}
		s = "[" + strings.Join(parts, ", ") + "]"
	case v.Kind() == reflect.Map:
		var parts []string
		for _, k := range SortedKeys(v) {
			parts = append(parts, k.String()+"="+printed(v.MapIndex(k)))
		}
		s = "{" + strings.Join(parts, ", ") + "}"
	case v.Type() == TimeType:
		s = v.Interface().(time.Time).Format(time.RFC3339)
	case v.Kind() == reflect.Struct:
		return v.Type().Name()
	default:
		s = fmt.Sprint(v.Interface())
	}
	if len(s) > limit {
		s = s[:limit]
	}
	return s
}

var patterns sync.Map // string -> *regexp.Regexp, nil when Go cannot express it

var unicodeEscape = regexp.MustCompile(`\\u([0-9A-Fa-f]{4})`)

// Regexp compiles a model's pattern, matched against the whole string as AWS
// does. It returns nil for the few patterns that use look-around, which Go's
// engine does not have: their values are left to the service.
func Regexp(pattern string) *regexp.Regexp {
	if re, ok := patterns.Load(pattern); ok {
		return re.(*regexp.Regexp)
	}
	re, err := regexp.Compile(`^(?:` + unicodeEscape.ReplaceAllString(pattern, `\x{$1}`) + `)$`)
	if err != nil {
		re = nil
	}
	patterns.Store(pattern, re)
	return re
}

// markChecked finds the shapes that have anything to validate, below them too.
func markChecked(shapes []*Shape) {
	for _, s := range shapes {
		s.checked = s.HasMin || s.HasMax || s.Enum != nil || s.Pattern != "" || s.UniqueItems || s.Kind == Union && !s.EventStream
	}
	for changed := true; changed; {
		changed = false
		for _, s := range shapes {
			if s.checked {
				continue
			}
			c := s.Elem != nil && s.Elem.Shape.checked || s.Key != nil && s.Key.Shape.checked
			for _, m := range s.Members {
				c = c || m.Shape.checked
			}
			if c {
				s.checked, changed = true, true
			}
		}
	}
}
