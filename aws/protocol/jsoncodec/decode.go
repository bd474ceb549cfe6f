package jsoncodec

import (
	"encoding/base64"
	"math"
	"reflect"
	"strconv"
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/timestamp"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

type decoder struct {
	scanner
	rules    Rules
	problems *smithy.Problems
}

// Decode reads a JSON document of m's shape into v, which is settable. A null
// document leaves v as it is. b belongs to the value from then on: strings
// may share its memory.
func (r Rules) Decode(b []byte, m *smithy.Member, v reflect.Value, problems *smithy.Problems) error {
	d := decoder{scanner: newScanner(b), rules: r, problems: problems}
	if null, err := d.null(); err != nil {
		return err
	} else if !null {
		if err := d.value(m, v); err != nil {
			return err
		}
	}
	return d.end()
}

// DecodeFields reads a JSON object into the body members of the structure that
// f fills, of shape sh. The caller records what is missing. b belongs to the
// value from then on.
func (r Rules) DecodeFields(b []byte, sh *smithy.Shape, f *smithy.Fields, problems *smithy.Problems) error {
	d := decoder{scanner: newScanner(b), rules: r, problems: problems}
	if d.peek() != '{' {
		return d.wrong("Structure")
	}
	if err := d.fields(sh, f, r.Bindings); err != nil {
		return err
	}
	return d.end()
}

func (d *decoder) value(m *smithy.Member, v reflect.Value) error {
	switch sh := m.Shape; sh.Kind {
	case smithy.Structure, smithy.Union:
		return d.structure(sh, v)
	case smithy.List:
		return d.list(sh, v)
	case smithy.Map:
		return d.entries(sh, v)
	case smithy.String:
		s, err := d.wantString("String")
		if err == nil {
			smithy.SetString(v, s)
		}
		return err
	case smithy.Blob:
		return d.blob(v)
	case smithy.Boolean:
		return d.boolean(v)
	case smithy.Byte, smithy.Short, smithy.Integer, smithy.Long:
		return d.integer(sh.Kind, v)
	case smithy.Float, smithy.Double:
		return d.float(sh.Kind, v)
	case smithy.Timestamp:
		return d.time(m, v)
	}
	x, err := d.document()
	if err == nil {
		smithy.SetAny(v, x)
	}
	return err
}

func (d *decoder) structure(sh *smithy.Shape, v reflect.Value) error {
	if d.peek() != '{' {
		return d.wrong("Structure")
	}
	f := smithy.Fill(v, sh)
	if err := d.fields(sh, &f, false); err != nil {
		return err
	}
	d.problems.Missing(&f)
	return nil
}

// fields reads an object; bound says that members outside of the body are not
// looked for in it.
func (d *decoder) fields(sh *smithy.Shape, f *smithy.Fields, bound bool) error {
	if err := d.open(); err != nil {
		return err
	}
	next, known := 0, 0
	for first := true; ; first = false {
		ok, err := d.more(first, '}')
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		name, err := d.key()
		if err != nil {
			return err
		}
		m := d.rules.find(sh, name, next)
		if m == nil || bound && m.Location != smithy.Body || m.IsStream() || m.Shape.EventStream {
			if sh.Kind == smithy.Union && name != "__type" {
				return protocol.Malformed("The union %s has no member %q", sh.Name, name)
			}
			if err := d.skip(); err != nil {
				return err
			}
			continue
		}
		next = m.Index + 1
		if null, err := d.null(); err != nil {
			return err
		} else if null {
			continue
		}
		known++
		if err := d.member(m, f); err != nil {
			return err
		}
	}
	if sh.Kind == smithy.Union && known != 1 {
		return protocol.Malformed("The union %s must have exactly one member set, but has %d", sh.Name, known)
	}
	return nil
}

func (d *decoder) member(m *smithy.Member, f *smithy.Fields) error {
	if f.Has(m) {
		return protocol.Malformed("The member %q occurs more than once", m.Name)
	}
	if m.Shape.Kind <= smithy.Map {
		d.problems.Push(m)
		defer d.problems.Pop()
	}
	return f.Set(m, func(v reflect.Value) error { return d.value(m, v) })
}

// find looks a member up; next is the index of the likeliest one, because
// clients write members in the model's order or in that of the alphabet.
func (r Rules) find(sh *smithy.Shape, name string, next int) *smithy.Member {
	if r.Bindings {
		if next < len(sh.Members) && sh.Members[next].WireName() == name {
			return sh.Members[next]
		}
		return sh.WireMember(name)
	}
	if next < len(sh.Members) && sh.Members[next].Name == name {
		return sh.Members[next]
	}
	return sh.Member(name)
}

func (d *decoder) list(sh *smithy.Shape, v reflect.Value) error {
	if d.peek() != '[' {
		return d.wrong("List")
	}
	if err := d.open(); err != nil {
		return err
	}
	for n := 0; ; n++ {
		ok, err := d.more(n == 0, ']')
		if err != nil {
			return err
		}
		if !ok {
			if n == 0 {
				smithy.MakeList(v, 0)
			}
			return nil
		}
		null, err := d.null()
		if err != nil {
			return err
		}
		if null && !nullable(sh) {
			return protocol.Malformed("The list %s cannot hold null", sh.Name)
		}
		if err := smithy.Append(v, func(e reflect.Value) error {
			if null {
				return nil
			}
			d.problems.PushIndex(n)
			defer d.problems.Pop()
			return d.value(sh.Elem, e)
		}); err != nil {
			return err
		}
	}
}

// nullable reports whether a list or map may hold null.
func nullable(sh *smithy.Shape) bool { return sh.Sparse || sh.Elem.Shape.Kind == smithy.Document }

func (d *decoder) entries(sh *smithy.Shape, v reflect.Value) error {
	if d.peek() != '{' {
		return d.wrong("Map")
	}
	if err := d.open(); err != nil {
		return err
	}
	out := smithy.FillMap(v)
	for first := true; ; first = false {
		ok, err := d.more(first, '}')
		if !ok || err != nil {
			return err
		}
		key, err := d.key()
		if err != nil {
			return err
		}
		null, err := d.null()
		if err != nil {
			return err
		}
		if null && !nullable(sh) {
			return protocol.Malformed("The map %s cannot hold null", sh.Name)
		}
		if err := out.Put(key, func(e reflect.Value) error {
			if null {
				return nil
			}
			d.problems.PushKey(key)
			defer d.problems.Pop()
			return d.value(sh.Elem, e)
		}); err != nil {
			return err
		}
	}
}

// wrong says that the next value has another type than wanted.
func (d *decoder) wrong(want string) error {
	article := "a"
	if want == "Integer" {
		article = "an"
	}
	var got string
	switch c := d.peek(); {
	case c == '"':
		got = "STRING_VALUE"
	case c == '-' || c-'0' <= 9:
		got = "NUMBER_VALUE"
	case c == 't':
		got = "TRUE_VALUE"
	case c == 'f':
		got = "FALSE_VALUE"
	case c == 'n':
		got = "NULL_VALUE"
	case c == '{':
		return protocol.Malformed("Start of structure or map found where not expected.")
	case c == '[':
		return protocol.Malformed("Start of list found where not expected")
	default:
		return d.syntax()
	}
	return protocol.Malformed("%s can not be converted to %s %s", got, article, want)
}

func (d *decoder) wantString(want string) (string, error) {
	if d.peek() != '"' {
		return "", d.wrong(want)
	}
	return d.str()
}

func (d *decoder) blob(v reflect.Value) error {
	s, err := d.wantString("Blob")
	if err != nil {
		return err
	}
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return protocol.Malformed("A blob is not in base64")
	}
	smithy.SetBytes(v, b)
	return nil
}

func (d *decoder) boolean(v reflect.Value) (err error) {
	c := d.peek()
	switch c {
	case 't':
		err = d.word("true")
	case 'f':
		err = d.word("false")
	default:
		return d.wrong("Boolean")
	}
	if err == nil {
		smithy.SetBool(v, c == 't')
	}
	return err
}

var kindNames = map[smithy.Kind]string{
	smithy.Byte: "Byte", smithy.Short: "Short", smithy.Integer: "Integer", smithy.Long: "Long",
	smithy.Float: "Float", smithy.Double: "Double",
}

func (d *decoder) integer(k smithy.Kind, v reflect.Value) error {
	if c := d.peek(); c != '-' && c-'0' > 9 {
		return d.wrong(kindNames[k])
	}
	tok, integer, err := d.number()
	if err != nil {
		return err
	}
	n, ok := parseInt(tok)
	if !integer {
		n, ok = wholeFloat(tok)
	}
	if !ok || !smithy.IntFits(k, n) {
		return protocol.Malformed("NUMBER_VALUE can not be converted to %s %s", map[bool]string{true: "an", false: "a"}[k == smithy.Integer], kindNames[k])
	}
	smithy.SetInt(v, n)
	return nil
}

// wholeFloat reads forms such as 1.0 and 1e3 that hold an integer.
func wholeFloat(tok []byte) (int64, bool) {
	f, err := strconv.ParseFloat(string(tok), 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false
	}
	return int64(f), true
}

func (d *decoder) float(k smithy.Kind, v reflect.Value) error {
	c := d.peek()
	if c == '"' {
		at := d.i
		s, err := d.str()
		if err != nil {
			return err
		}
		f, ok := namedFloat(s)
		if !ok {
			d.i = at
			return d.wrong(kindNames[k])
		}
		smithy.SetFloat(v, f)
		return nil
	}
	if c != '-' && c-'0' > 9 {
		return d.wrong(kindNames[k])
	}
	tok, _, err := d.number()
	if err != nil {
		return err
	}
	bits := 64
	if k == smithy.Float {
		bits = 32
	}
	f, err := strconv.ParseFloat(string(tok), bits)
	if err != nil {
		return protocol.Malformed("NUMBER_VALUE can not be converted to a %s", kindNames[k])
	}
	smithy.SetFloat(v, f)
	return nil
}

func namedFloat(s string) (float64, bool) {
	switch s {
	case "NaN":
		return math.NaN(), true
	case "Infinity":
		return math.Inf(1), true
	case "-Infinity":
		return math.Inf(-1), true
	}
	return 0, false
}

func (d *decoder) time(m *smithy.Member, v reflect.Value) error {
	var t time.Time
	var err error
	if f := d.rules.time(m); f == smithy.UnixTimestamp {
		if c := d.peek(); c != '-' && c-'0' > 9 {
			return d.wrong("Timestamp")
		}
		tok, _, nerr := d.number()
		if nerr != nil {
			return nerr
		}
		t, err = timestamp.ParseEpoch(string(tok))
	} else {
		s, serr := d.wantString("Timestamp")
		if serr != nil {
			return serr
		}
		t, err = timestamp.Parse(f, s)
	}
	if err != nil {
		return protocol.Malformed("A timestamp %v", err)
	}
	smithy.SetTime(v, t)
	return nil
}

// document reads any value: objects are map[string]any, arrays []any, numbers
// int64 when they are integers of 64 bits and float64 otherwise.
func (d *decoder) document() (any, error) {
	switch d.peek() {
	case '"':
		return d.str()
	case '{':
		return d.documentMap()
	case '[':
		return d.documentList()
	case 't':
		return true, d.word("true")
	case 'f':
		return false, d.word("false")
	case 'n':
		return nil, d.word("null")
	}
	tok, integer, err := d.number()
	if err != nil {
		return nil, err
	}
	if integer {
		if n, ok := parseInt(tok); ok {
			return n, nil
		}
	}
	f, err := strconv.ParseFloat(string(tok), 64)
	if err != nil {
		return nil, protocol.Malformed("A number of a document is out of range")
	}
	return f, nil
}

func (d *decoder) documentMap() (any, error) {
	if err := d.open(); err != nil {
		return nil, err
	}
	out := map[string]any{}
	for first := true; ; first = false {
		ok, err := d.more(first, '}')
		if err != nil {
			return nil, err
		}
		if !ok {
			return out, nil
		}
		k, err := d.key()
		if err != nil {
			return nil, err
		}
		if out[k], err = d.document(); err != nil {
			return nil, err
		}
	}
}

func (d *decoder) documentList() (any, error) {
	if err := d.open(); err != nil {
		return nil, err
	}
	out := []any{}
	for {
		ok, err := d.more(len(out) == 0, ']')
		if err != nil {
			return nil, err
		}
		if !ok {
			return out, nil
		}
		e, err := d.document()
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
}
