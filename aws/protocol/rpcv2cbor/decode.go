package rpcv2cbor

import (
	"math"
	"reflect"
	"slices"

	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/timestamp"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

type decoder struct {
	scanner
	problems *smithy.Problems
}

// decode reads a whole document of m's shape into v, which is settable.
func decode(b []byte, m *smithy.Member, v reflect.Value, problems *smithy.Problems) error {
	d := decoder{scanner: newScanner(b), problems: problems}
	if !d.null() {
		if err := d.value(m, v); err != nil {
			return err
		}
	}
	return d.end()
}

// decodeFields reads a map into the structure that f fills.
func decodeFields(b []byte, sh *smithy.Shape, f *smithy.Fields, problems *smithy.Problems) error {
	d := decoder{scanner: newScanner(b), problems: problems}
	if err := d.fields(sh, f); err != nil {
		return err
	}
	return d.end()
}

func (d *decoder) end() error {
	if d.i < len(d.b) {
		return errTail
	}
	return nil
}

// expect reads a head that must be of one major type.
func (d *decoder) expect(major byte, want string) (info byte, n uint64, err error) {
	c, err := d.peek()
	if err != nil {
		return 0, 0, err
	}
	if c>>5 != major {
		return 0, 0, d.wrong(want)
	}
	_, info, n, err = d.head()
	return info, n, err
}

func (d *decoder) value(m *smithy.Member, v reflect.Value) error {
	switch sh := m.Shape; sh.Kind {
	case smithy.Structure, smithy.Union:
		f := smithy.Fill(v, sh)
		if err := d.fields(sh, &f); err != nil {
			return err
		}
		d.problems.Missing(&f)
		return nil
	case smithy.List:
		return d.list(sh, v)
	case smithy.Map:
		return d.entries(sh, v)
	case smithy.String:
		info, n, err := d.expect(majText, "String")
		if err != nil {
			return err
		}
		s, err := d.text(info, n)
		if err == nil {
			smithy.SetString(v, s)
		}
		return err
	case smithy.Blob:
		info, n, err := d.expect(majBytes, "Blob")
		if err != nil {
			return err
		}
		b, shared, err := d.chunks(majBytes, info, n)
		if shared {
			b = slices.Clone(b)
		}
		if err == nil {
			smithy.SetBytes(v, b)
		}
		return err
	case smithy.Boolean:
		return d.boolean(v)
	case smithy.Byte, smithy.Short, smithy.Integer, smithy.Long:
		return d.integer(sh.Kind, v)
	case smithy.Float, smithy.Double:
		return d.float(sh.Kind, v)
	case smithy.Timestamp:
		return d.time(v)
	}
	x, err := d.document()
	if err == nil {
		smithy.SetAny(v, x)
	}
	return err
}

func (d *decoder) fields(sh *smithy.Shape, f *smithy.Fields) error {
	info, n, err := d.expect(majMap, "Structure")
	if err != nil {
		return err
	}
	more, err := d.open(info, n)
	if err != nil {
		return err
	}
	next, known := 0, 0
	for {
		ok, err := d.more(&more)
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
		m := sh.Member(name)
		if next < len(sh.Members) && sh.Members[next].Name == name {
			m = sh.Members[next]
		}
		if m == nil || m.IsStream() || m.Shape.EventStream {
			if sh.Kind == smithy.Union && name != "__type" {
				return protocol.Malformed("The union %s has no member %q", sh.Name, name)
			}
			if err := d.skip(); err != nil {
				return err
			}
			continue
		}
		next = m.Index + 1
		if d.null() {
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

func nullable(sh *smithy.Shape) bool { return sh.Sparse || sh.Elem.Shape.Kind == smithy.Document }

func (d *decoder) list(sh *smithy.Shape, v reflect.Value) error {
	info, n, err := d.expect(majArray, "List")
	if err != nil {
		return err
	}
	more, err := d.open(info, n)
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		ok, err := d.more(&more)
		if err != nil {
			return err
		}
		if !ok {
			if i == 0 {
				smithy.MakeList(v, 0)
			}
			return nil
		}
		null := d.null()
		if null && !nullable(sh) {
			return protocol.Malformed("The list %s cannot hold null", sh.Name)
		}
		if err := smithy.Append(v, func(e reflect.Value) error {
			if null {
				return nil
			}
			d.problems.PushIndex(i)
			defer d.problems.Pop()
			return d.value(sh.Elem, e)
		}); err != nil {
			return err
		}
	}
}

func (d *decoder) entries(sh *smithy.Shape, v reflect.Value) error {
	info, n, err := d.expect(majMap, "Map")
	if err != nil {
		return err
	}
	more, err := d.open(info, n)
	if err != nil {
		return err
	}
	out := smithy.FillMap(v)
	for {
		ok, err := d.more(&more)
		if !ok || err != nil {
			return err
		}
		key, err := d.key()
		if err != nil {
			return err
		}
		null := d.null()
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

func (d *decoder) boolean(v reflect.Value) error {
	c, err := d.peek()
	if err != nil {
		return err
	}
	if c != majSimple<<5|simpleTrue && c != majSimple<<5|simpleFalse {
		return d.wrong("Boolean")
	}
	d.i++
	smithy.SetBool(v, c == majSimple<<5|simpleTrue)
	return nil
}

var kindNames = map[smithy.Kind]string{
	smithy.Byte: "Byte", smithy.Short: "Short", smithy.Integer: "Integer", smithy.Long: "Long",
	smithy.Float: "Float", smithy.Double: "Double",
}

func (d *decoder) integer(k smithy.Kind, v reflect.Value) error {
	c, err := d.peek()
	if err != nil {
		return err
	}
	if c>>5 > majNegInt {
		return d.wrong(kindNames[k])
	}
	major, _, n, err := d.head()
	if err != nil {
		return err
	}
	i, ok := signed(major, n)
	if !ok || !smithy.IntFits(k, i) {
		return protocol.Malformed("An integer is out of the range of a %s", kindNames[k])
	}
	smithy.SetInt(v, i)
	return nil
}

func signed(major byte, n uint64) (int64, bool) {
	if n > math.MaxInt64 {
		return 0, false
	}
	if major == majNegInt {
		return -1 - int64(n), true
	}
	return int64(n), true
}

// number reads a float or an integer as a float.
func (d *decoder) number(want string) (float64, error) {
	at := d.i
	major, info, n, err := d.head()
	if err != nil {
		return 0, err
	}
	switch major {
	case majUint:
		return float64(n), nil
	case majNegInt:
		return -1 - float64(n), nil
	case majSimple:
		if f, ok := float(info, n); ok {
			return f, nil
		}
	}
	d.i = at
	return 0, d.wrong(want)
}

func (d *decoder) float(k smithy.Kind, v reflect.Value) error {
	f, err := d.number(kindNames[k])
	if err != nil {
		return err
	}
	if k == smithy.Float && !math.IsInf(f, 0) && math.Abs(f) > math.MaxFloat32 {
		return protocol.Malformed("A number is out of the range of a Float")
	}
	smithy.SetFloat(v, f)
	return nil
}

// tagEpoch marks seconds since the epoch.
const tagEpoch = 1

func (d *decoder) time(v reflect.Value) error {
	_, n, err := d.expect(majTag, "Timestamp")
	if err != nil {
		return err
	}
	if n != tagEpoch {
		return protocol.Malformed("A timestamp has the CBOR tag %d", n)
	}
	f, err := d.number("Timestamp")
	if err != nil {
		return err
	}
	t, err := timestamp.FromFloat(f)
	if err != nil {
		return protocol.Malformed("A timestamp %v", err)
	}
	smithy.SetTime(v, t)
	return nil
}

// document reads any value in the form that documents have.
func (d *decoder) document() (any, error) {
	major, info, n, err := d.head()
	if err != nil {
		return nil, err
	}
	switch major {
	case majUint, majNegInt:
		if i, ok := signed(major, n); ok {
			return i, nil
		}
		if major == majNegInt {
			return -1 - float64(n), nil
		}
		return float64(n), nil
	case majText:
		return d.text(info, n)
	case majArray, majMap:
		return d.documentMany(major, info, n)
	case majSimple:
		switch info {
		case simpleFalse, simpleTrue:
			return info == simpleTrue, nil
		case simpleNull, simpleUndefined:
			return nil, nil
		}
		if f, ok := float(info, n); ok {
			return f, nil
		}
	}
	return nil, protocol.Malformed("A document cannot hold this type of CBOR value")
}

func (d *decoder) documentMany(major, info byte, n uint64) (any, error) {
	more, err := d.open(info, n)
	if err != nil {
		return nil, err
	}
	list, entries := []any{}, map[string]any{}
	for {
		ok, err := d.more(&more)
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		var key string
		if major == majMap {
			if key, err = d.key(); err != nil {
				return nil, err
			}
		}
		x, err := d.document()
		if err != nil {
			return nil, err
		}
		if major == majMap {
			entries[key] = x
		} else {
			list = append(list, x)
		}
	}
	if major == majMap {
		return entries, nil
	}
	return list, nil
}
