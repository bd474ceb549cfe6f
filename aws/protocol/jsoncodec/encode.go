package jsoncodec

import (
	"encoding/base64"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/timestamp"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// Append writes v, a present value of m's shape, to b.
func (r Rules) Append(b []byte, m *smithy.Member, v reflect.Value) ([]byte, error) {
	switch sh := m.Shape; sh.Kind {
	case smithy.Structure, smithy.Union:
		b, _, err := r.members(append(b, '{'), sh, v, false, true)
		return append(b, '}'), err
	case smithy.List:
		return r.list(b, sh, v)
	case smithy.Map:
		return r.entries(b, sh, v)
	case smithy.Document:
		return AppendDocument(b, v.Interface())
	}
	return r.appendScalar(b, m, v)
}

// AppendFields writes the body members of v, a value of shape sh, without the
// braces around them, and says whether there was any. first says that b holds
// no member yet. v may be the zero Value for no members.
func (r Rules) AppendFields(b []byte, sh *smithy.Shape, v reflect.Value, first bool) (out []byte, some bool, err error) {
	if sh == nil || !v.IsValid() {
		return b, false, nil
	}
	b, first, err = r.members(b, sh, v, r.Bindings, first)
	return b, !first, err
}

// members writes the present members of a structure; bound leaves out what is
// bound to headers and to the status code.
func (r Rules) members(b []byte, sh *smithy.Shape, v reflect.Value, bound, first bool) ([]byte, bool, error) {
	if k := v.Kind(); k != reflect.Struct && k != reflect.Map {
		return b, first, wrongType(sh, v)
	}
	for _, m := range sh.Members {
		if bound && m.Location != smithy.Body && m.Location != smithy.Querystring && m.Location != smithy.URI || m.IsStream() || m.Shape.EventStream {
			continue
		}
		e, ok := smithy.Get(v, m)
		if !ok {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, '"')
		b = append(b, r.name(m)...)
		b = append(b, '"', ':')
		var err error
		if b, err = r.Append(b, m, e); err != nil {
			return b, first, fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	return b, first, nil
}

func wrongType(sh *smithy.Shape, v reflect.Value) error {
	return fmt.Errorf("a value of shape %s is a %s", sh.Name, v.Type())
}

func (r Rules) list(b []byte, sh *smithy.Shape, v reflect.Value) ([]byte, error) {
	if v.Kind() != reflect.Slice {
		return b, wrongType(sh, v)
	}
	b = append(b, '[')
	some := false
	for i := range v.Len() {
		e, ok := smithy.Indirect(v.Index(i))
		if !ok && !nullable(sh) && !emptied(sh.Elem, e) {
			continue
		}
		if some {
			b = append(b, ',')
		}
		some = true
		var err error
		if b, err = r.element(b, sh, e, ok); err != nil {
			return b, err
		}
	}
	return append(b, ']'), nil
}

// emptied reports whether e, which is nil, is a list or map that stands for an
// empty one because it is an element and has no other way to be absent.
func emptied(m *smithy.Member, e reflect.Value) bool {
	if !e.IsValid() {
		return false
	}
	k := e.Kind()
	return m.Shape.Kind == smithy.List && k == reflect.Slice || m.Shape.Kind == smithy.Map && k == reflect.Map ||
		m.Shape.Kind == smithy.Blob && k == reflect.Slice
}

// element writes an element of a list of shape sh or a value of a map; ok is
// false for nil, which is null where the shape is sparse.
func (r Rules) element(b []byte, sh *smithy.Shape, e reflect.Value, ok bool) ([]byte, error) {
	if !ok && (nullable(sh) || !emptied(sh.Elem, e)) {
		return append(b, "null"...), nil
	}
	return r.Append(b, sh.Elem, e)
}

func (r Rules) entries(b []byte, sh *smithy.Shape, v reflect.Value) ([]byte, error) {
	if v.Kind() != reflect.Map {
		return b, wrongType(sh, v)
	}
	b = append(b, '{')
	if sh.Elem.Shape.Kind == smithy.String {
		if m, ok := v.Interface().(map[string]string); ok {
			return appendStrings(b, m), nil
		}
	}
	some := false
	err := smithy.EachSorted(v, func(k string, e reflect.Value) error {
		e, ok := smithy.Indirect(e)
		if !ok && !nullable(sh) && !emptied(sh.Elem, e) {
			return nil
		}
		if some {
			b = append(b, ',')
		}
		some = true
		b = append(AppendString(b, k), ':')
		var err error
		b, err = r.element(b, sh, e, ok)
		return err
	})
	return append(b, '}'), err
}

// appendStrings writes the commonest kind of map, whose brace is open.
func appendStrings(b []byte, m map[string]string) []byte {
	var room [16]string
	keys := room[:0]
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(AppendString(b, k), ':')
		b = AppendString(b, m[k])
	}
	return append(b, '}')
}

func (r Rules) appendScalar(b []byte, m *smithy.Member, v reflect.Value) ([]byte, error) {
	switch k := m.Shape.Kind; k {
	case smithy.String:
		if v.Kind() == reflect.String {
			return AppendString(b, v.String()), nil
		}
	case smithy.Blob:
		if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
			b = base64.StdEncoding.AppendEncode(append(b, '"'), v.Bytes())
			return append(b, '"'), nil
		}
	case smithy.Boolean:
		if v.Kind() == reflect.Bool {
			return strconv.AppendBool(b, v.Bool()), nil
		}
	case smithy.Byte, smithy.Short, smithy.Integer, smithy.Long:
		if v.CanInt() {
			return strconv.AppendInt(b, v.Int(), 10), nil
		}
		if v.CanFloat() && v.Float() == math.Trunc(v.Float()) {
			return strconv.AppendFloat(b, v.Float(), 'f', -1, 64), nil
		}
	case smithy.Float, smithy.Double:
		if v.CanInt() || v.CanFloat() {
			return appendFloat(b, smithy.Number(v), k == smithy.Float), nil
		}
	case smithy.Timestamp:
		t, err := smithy.Time(v)
		if err != nil {
			return b, err
		}
		f := r.time(m)
		if f == smithy.UnixTimestamp {
			return timestamp.Append(b, f, t), nil
		}
		return append(timestamp.Append(append(b, '"'), f, t), '"'), nil
	}
	return b, wrongType(m.Shape, v)
}

func appendFloat(b []byte, f float64, single bool) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(b, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(b, `"-Infinity"`...)
	}
	bits := 64
	if single {
		bits = 32
	}
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(b, f, format, -1, bits)
}

const hex = "0123456789abcdef"

// AppendString writes s to b as a JSON string. Bytes that are not UTF-8 become
// U+FFFD.
func AppendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || size != 1 {
				i += size
				continue
			}
		}
		b = append(b, s[start:i]...)
		i++
		start = i
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			if c >= utf8.RuneSelf {
				b = append(b, "\ufffd"...)
				break
			}
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(append(b, s[start:]...), '"')
}

// AppendDocument writes x, a document's value, to b: nil, bool, string,
// numbers, []any and map[string]any, nested no deeper than a document may be.
func AppendDocument(b []byte, x any) ([]byte, error) { return appendDocument(b, reflect.ValueOf(x), 0) }

func appendDocument(b []byte, v reflect.Value, depth int) ([]byte, error) {
	const limit = 1000
	if depth > limit {
		return b, fmt.Errorf("a document is nested more than %d levels deep", limit)
	}
	for v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	var err error
	switch v.Kind() {
	case reflect.Invalid:
		return append(b, "null"...), nil
	case reflect.Bool:
		return strconv.AppendBool(b, v.Bool()), nil
	case reflect.String:
		return AppendString(b, v.String()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.AppendInt(b, v.Int(), 10), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return strconv.AppendUint(b, v.Uint(), 10), nil
	case reflect.Float32, reflect.Float64:
		return appendFloat(b, v.Float(), v.Kind() == reflect.Float32), nil
	case reflect.Slice:
		b = append(b, '[')
		for i := range v.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = appendDocument(b, v.Index(i), depth+1); err != nil {
				return b, err
			}
		}
		return append(b, ']'), nil
	case reflect.Map:
		if v.Type().Key().Kind() != reflect.String {
			break
		}
		b = append(b, '{')
		for i, k := range smithy.SortedKeys(v) {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(AppendString(b, k.String()), ':')
			if b, err = appendDocument(b, v.MapIndex(k), depth+1); err != nil {
				return b, err
			}
		}
		return append(b, '}'), nil
	}
	return b, fmt.Errorf("a document holds a %s", v.Type())
}

// AppendError writes the members of an error, whose shape may be nil, without
// the braces around them: the modelled ones, and always its message. A member
// that cannot be written is left out, because there is nobody to tell.
func (r Rules) AppendError(b []byte, sh *smithy.Shape, e *awserr.Error, first bool) []byte {
	if sh != nil {
		v := reflect.ValueOf(protocol.ErrorValue(sh, e))
		for _, m := range sh.Members {
			one := smithy.Shape{Name: sh.Name, Kind: smithy.Structure, Members: []*smithy.Member{m}}
			if out, some, err := r.AppendFields(b, &one, v, first); err == nil {
				b, first = out, !some
			}
		}
	}
	if e.Message == "" || protocol.MessageMember(sh) != nil {
		return b
	}
	if !first {
		b = append(b, ',')
	}
	return AppendString(append(b, `"message":`...), e.Message)
}
