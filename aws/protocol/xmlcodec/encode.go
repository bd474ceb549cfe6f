package xmlcodec

import (
	"reflect"
	"unicode/utf8"

	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/scalar"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// Writer writes elements one after the other. The first error sticks.
type Writer struct {
	// Millis has timestamps written with three decimals always, as Amazon S3
	// and Amazon EC2 do.
	Millis bool

	b   []byte
	err error
}

// Write calls write with a Writer and returns what it wrote.
func Write(write func(w *Writer)) ([]byte, error) {
	return protocol.Build(func(b []byte) ([]byte, error) { return Append(b, write) })
}

// Append calls write with a Writer that writes behind what b holds.
func Append(b []byte, write func(w *Writer)) ([]byte, error) {
	w := Writer{b: b}
	write(&w)
	return w.b, w.err
}

// Raw writes markup as it is.
func (w *Writer) Raw(s string) { w.b = append(w.b, s...) }

// Text writes s with what has a meaning in XML escaped.
func (w *Writer) Text(s string) { w.b = appendEscaped(w.b, s) }

// Open writes a start tag that declares ns.
func (w *Writer) Open(name string, ns smithy.XMLNamespace) {
	w.b = append(append(append(w.b, '<'), name...), declaration(ns)...)
	w.b = append(w.b, '>')
}

// Close writes an end tag.
func (w *Writer) Close(name string) {
	w.b = append(append(append(w.b, '<', '/'), name...), '>')
}

// Leaf writes an element that holds text.
func (w *Writer) Leaf(name, text string) {
	w.Open(name, smithy.XMLNamespace{})
	w.Text(text)
	w.Close(name)
}

// Root writes a structure as the element name that declares ns. v is a struct,
// a map[string]any, or not valid for no members.
func (w *Writer) Root(name string, ns smithy.XMLNamespace, sh *smithy.Shape, v reflect.Value) {
	p := planOf(sh)
	w.b = append(append(append(w.b, '<'), name...), declaration(ns)...)
	if v.IsValid() {
		w.b = w.attributes(w.b, p, v)
	}
	w.b = append(w.b, '>')
	w.Members(sh, v)
	w.Close(name)
}

// Members writes the elements of a structure without one around them.
func (w *Writer) Members(sh *smithy.Shape, v reflect.Value) {
	if v.IsValid() {
		w.b = w.members(w.b, planOf(sh), v)
	}
}

func (w *Writer) attributes(b []byte, p *plan, v reflect.Value) []byte {
	for i := range p.attrs {
		f := &p.attrs[i]
		if e, ok := smithy.Get(v, f.m); ok {
			b = append(append(append(b, ' '), f.name...), '=', '"')
			b = append(w.scalar(b, f.m, e), '"')
		}
	}
	return b
}

func (w *Writer) members(b []byte, p *plan, v reflect.Value) []byte {
	for i := range p.fields {
		f := &p.fields[i]
		e, ok := smithy.Get(v, f.m)
		switch {
		case !ok:
		case !f.flat:
			b = w.element(b, f, f.open, f.end, e)
		case f.m.Shape.Kind == smithy.Map:
			b = w.entries(b, f.plan, f.open, f.end, e)
		default:
			b = w.items(b, &f.plan.elem, f.open, f.end, e)
		}
	}
	return b
}

// element writes v, a present value of f's member, in an element whose tags
// may be those of another field.
func (w *Writer) element(b []byte, f *field, open, end string, v reflect.Value) []byte {
	b = append(b, open...)
	switch f.m.Shape.Kind {
	case smithy.Structure, smithy.Union:
		b = append(w.attributes(b, f.plan, v), '>')
		b = w.members(b, f.plan, v)
	case smithy.List:
		b = append(b, '>')
		b = w.items(b, &f.plan.elem, f.plan.elem.open, f.plan.elem.end, v)
	case smithy.Map:
		b = append(b, '>')
		b = w.entries(b, f.plan, "<entry", "</entry>", v)
	default:
		b = append(b, '>')
		b = w.scalar(b, f.m, v)
	}
	return append(b, end...)
}

func (w *Writer) items(b []byte, elem *field, open, end string, v reflect.Value) []byte {
	for i := range v.Len() {
		if e, ok := smithy.Indirect(v.Index(i)); ok {
			b = w.element(b, elem, open, end, e)
		}
	}
	return b
}

func (w *Writer) entries(b []byte, p *plan, open, end string, v reflect.Value) []byte {
	for _, k := range smithy.SortedKeys(v) {
		e, ok := smithy.Indirect(v.MapIndex(k))
		if !ok {
			continue
		}
		b = append(append(b, open...), '>')
		b = w.element(b, &p.key, p.key.open, p.key.end, k)
		b = w.element(b, &p.elem, p.elem.open, p.elem.end, e)
		b = append(b, end...)
	}
	return b
}

func (w *Writer) scalar(b []byte, m *smithy.Member, v reflect.Value) []byte {
	tf := smithy.DefaultTime
	switch m.Shape.Kind {
	case smithy.String:
		return appendEscaped(b, v.String())
	case smithy.Timestamp:
		if tf = m.Time(smithy.ISO8601); w.Millis && tf == smithy.ISO8601 {
			t, err := smithy.Time(v)
			w.fail(err)
			return scalar.AppendMillis(b, t)
		}
	}
	b, err := scalar.Append(b, m, v, tf)
	w.fail(err)
	return b
}

func (w *Writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// plainText are the bytes that text holds as they are. Line ends are escaped
// so that a reader does not fold them.
var plainText = func() (t [256]bool) {
	for c := ' '; c < 0x7F; c++ {
		t[c] = c != '<' && c != '>' && c != '&' && c != '"'
	}
	t['\t'] = true
	return t
}()

func appendEscaped(b []byte, s string) []byte {
	start := 0
	for i := 0; i < len(s); {
		if plainText[s[i]] {
			i++
			continue
		}
		b = append(b, s[start:i]...)
		r, size := utf8.DecodeRuneInString(s[i:])
		b = appendRune(b, r, s[i:i+size])
		i += size
		start = i
	}
	return append(b, s[start:]...)
}

func appendRune(b []byte, r rune, raw string) []byte {
	switch {
	case r == '<':
		return append(b, "&lt;"...)
	case r == '>':
		return append(b, "&gt;"...)
	case r == '&':
		return append(b, "&amp;"...)
	case r == '"':
		return append(b, "&quot;"...)
	case r == utf8.RuneError || r == 0 || r == 0xFFFE || r == 0xFFFF:
		return append(b, "\uFFFD"...)
	case r < ' ', r == 0x7F, r == 0x85, r == 0x2028:
		const hex = "0123456789ABCDEF"
		b = append(b, "&#x"...)
		digits := false
		for shift := 12; shift >= 0; shift -= 4 {
			if d := r >> shift & 15; d != 0 || digits {
				b, digits = append(b, hex[d]), true
			}
		}
		return append(b, ';')
	}
	return append(b, raw...)
}
