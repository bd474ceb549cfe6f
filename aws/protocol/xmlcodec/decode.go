package xmlcodec

import (
	"bytes"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/scalar"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

type decoder struct {
	scanner
	problems *smithy.Problems
	acc      []byte
}

// Decode reads a document whose root element is a value of m's shape into v,
// which is settable. root is the root element's name, "" for any. Members that
// are missing though required are noted in problems.
func Decode(b []byte, root string, m *smithy.Member, v reflect.Value, problems *smithy.Problems) error {
	f := named1(m)
	return document(b, root, problems, func(d *decoder) error { return d.value(&f, v) })
}

// named1 is a field for m that is not one of a planned structure's.
func named1(m *smithy.Member) field {
	f := field{m: m, name: m.WireName()}
	switch m.Shape.Kind {
	case smithy.Structure, smithy.Union, smithy.List, smithy.Map:
		f.plan = planOf(m.Shape)
	}
	return f
}

// DecodeFields reads a document whose root element holds the body's members
// of the structure sh that f fills. Its own missing members are for the caller to note.
func DecodeFields(b []byte, root string, sh *smithy.Shape, f *smithy.Fields, problems *smithy.Problems) error {
	return document(b, root, problems, func(d *decoder) error {
		_, err := d.structure(planOf(sh), f)
		return err
	})
}

// document finds the root element, calls read inside of it, and checks that
// nothing follows.
func document(b []byte, root string, problems *smithy.Problems, read func(d *decoder) error) error {
	d := decoder{problems: problems}
	if err := d.reset(b); err != nil {
		return err
	}
	if t, err := d.next(); err != nil {
		return err
	} else if t != atStart {
		return errSyntax
	}
	if root != "" && string(local(d.name)) != root {
		return protocol.Malformed("The XML's root element is not %s.", root)
	}
	if err := read(&d); err != nil {
		return err
	}
	t, err := d.next()
	if err == nil && t != atEOF {
		err = errSyntax
	}
	return err
}

// structure reads attributes and elements up to the end tag and returns how
// many members there were.
func (d *decoder) structure(p *plan, f *smithy.Fields) (n int, err error) {
	if n, err = d.attributes(p, f); err != nil {
		return n, err
	}
	for {
		t, err := d.next()
		if err != nil {
			return n, err
		}
		switch t {
		case atEnd:
			return n, nil
		case atText:
			if err := d.noText(p.sh); err != nil {
				return n, err
			}
			continue
		case atEOF:
			return n, errSyntax
		}
		e := p.byName[string(local(d.name))]
		if e == nil {
			if p.sh.Kind == smithy.Union {
				return n, protocol.Malformed("The union %s has an unknown member.", p.sh.Name)
			}
			if err := d.skip(); err != nil {
				return n, err
			}
			continue
		}
		if !e.flat || !f.Has(e.m) {
			n++
		}
		if err := d.member(e, f); err != nil {
			return n, err
		}
	}
}

func (d *decoder) noText(sh *smithy.Shape) error {
	if len(bytes.TrimSpace(d.text)) > 0 {
		return protocol.Malformed("The XML has text where elements of %s are expected.", sh.Name)
	}
	return nil
}

func (d *decoder) attributes(p *plan, f *smithy.Fields) (n int, err error) {
	for i := range p.attrs {
		e := &p.attrs[i]
		_, bare, _ := strings.Cut(e.name, ":")
		for _, a := range d.attrs {
			if string(a.name) != e.name && (bare == "" || string(local(a.name)) != bare) {
				continue
			}
			n++
			value := string(a.value)
			err := f.Set(e.m, func(v reflect.Value) error {
				return scalar.Set(v, e.m, value, e.m.Time(smithy.ISO8601))
			})
			if err != nil {
				return n, err
			}
			break
		}
	}
	return n, nil
}

// member reads the element at hand, which is e's.
func (d *decoder) member(e *field, f *smithy.Fields) error {
	if e.plan == nil {
		return f.Set(e.m, func(v reflect.Value) error { return d.scalar(e.m, v) })
	}
	d.problems.Push(e.m)
	defer d.problems.Pop()
	return f.Set(e.m, func(v reflect.Value) error {
		switch {
		case !e.flat:
			return d.value(e, v)
		case e.m.Shape.Kind == smithy.Map:
			return d.entry(e.plan, v)
		}
		return d.element(&e.plan.elem, v, -1)
	})
}

// value reads the content of the element at hand up to its end tag.
func (d *decoder) value(e *field, v reflect.Value) error {
	switch e.m.Shape.Kind {
	case smithy.Structure, smithy.Union:
		f := smithy.Fill(v, e.m.Shape)
		n, err := d.structure(e.plan, &f)
		if err != nil {
			return err
		}
		if e.m.Shape.Kind == smithy.Union && n != 1 {
			return protocol.Malformed("The union %s must have exactly one member.", e.m.Shape.Name)
		}
		d.problems.Missing(&f)
		return nil
	case smithy.List:
		smithy.MakeList(v, 0)
		return d.children(e.plan.elem.name, e.m.Shape, func(i int) error { return d.element(&e.plan.elem, v, i) })
	case smithy.Map:
		smithy.MakeMap(v)
		return d.children("entry", e.m.Shape, func(int) error { return d.entry(e.plan, v) })
	case smithy.Document:
		return protocol.Malformed("The member %s cannot be given in XML.", e.m.Name)
	}
	return d.scalar(e.m, v)
}

// children calls each at every start tag of that name up to the end tag, and
// skips others.
func (d *decoder) children(name string, sh *smithy.Shape, each func(i int) error) error {
	for i := 0; ; {
		t, err := d.next()
		if err != nil {
			return err
		}
		switch t {
		case atEnd:
			return nil
		case atText:
			err = d.noText(sh)
		case atEOF:
			err = errSyntax
		case atStart:
			if string(local(d.name)) == name {
				err = each(i)
				i++
			} else {
				err = d.skip()
			}
		}
		if err != nil {
			return err
		}
	}
}

// element reads one element of the list at v; i is its index, or -1 when it
// is to be counted.
func (d *decoder) element(e *field, v reflect.Value, i int) error {
	if e.plan == nil {
		return smithy.Append(v, func(elem reflect.Value) error { return d.scalar(e.m, elem) })
	}
	if i < 0 {
		i = length(v)
	}
	d.problems.PushIndex(i)
	defer d.problems.Pop()
	return smithy.Append(v, func(elem reflect.Value) error { return d.value(e, elem) })
}

func length(v reflect.Value) int {
	if v, ok := smithy.Indirect(v); ok {
		return v.Len()
	}
	return 0
}

// entry reads one entry of the map at v.
func (d *decoder) entry(p *plan, v reflect.Value) error {
	var key string
	var hasKey, hasValue bool
	entries := smithy.FillMap(v)
	// The key comes first in what AWS's clients write, but XML does not say so:
	// a value that precedes its key is read when the key is known.
	var late *scanner
	for {
		t, err := d.next()
		if err != nil {
			return err
		}
		switch {
		case t == atText:
			err = d.noText(p.sh)
		case t == atEOF:
			err = errSyntax
		case t == atEnd:
			if !hasKey || !hasValue {
				return protocol.Malformed("An entry of %s has no %s.", p.sh.Name, missing(hasKey, p))
			}
			return nil
		case string(local(d.name)) == p.key.name && !hasKey:
			if key, hasKey, err = d.key(); err == nil && late != nil {
				err = d.replay(late, func() error { return d.put(p, &entries, key) })
				hasValue = true
			}
		case string(local(d.name)) == p.elem.name && !hasValue && late == nil:
			if hasKey {
				hasValue, err = true, d.put(p, &entries, key)
				break
			}
			mark := d.mark()
			late = &mark
			err = d.skip()
		default:
			err = d.skip()
		}
		if err != nil {
			return err
		}
	}
}

func missing(hasKey bool, p *plan) string {
	if hasKey {
		return p.elem.name
	}
	return p.key.name
}

func (d *decoder) key() (string, bool, error) {
	b, err := d.content()
	return string(b), true, err
}

func (d *decoder) put(p *plan, entries *smithy.Entries, key string) error {
	if p.elem.plan != nil {
		d.problems.PushKey(key)
		defer d.problems.Pop()
	}
	return entries.Put(key, func(v reflect.Value) error { return d.value(&p.elem, v) })
}

// mark keeps where the scanner is, just behind a start tag.
func (d *decoder) mark() scanner {
	m := d.scanner
	m.stack = append([][]byte(nil), m.stack...)
	m.attrs = append([]attr(nil), m.attrs...)
	m.scratch = nil
	return m
}

// replay reads from a mark and returns to where the decoder was.
func (d *decoder) replay(from *scanner, read func() error) error {
	now := d.scanner
	d.scanner = *from
	err := read()
	d.scanner = now
	return err
}

// content reads text up to the end tag. The result is valid until the next token.
func (d *decoder) content() ([]byte, error) {
	t, err := d.next()
	if err != nil {
		return nil, err
	}
	if t == atEnd {
		return nil, nil
	}
	if t != atText {
		return nil, protocol.Malformed("The XML has elements where text is expected.")
	}
	// Most often the text is whole, and nothing but the end tag follows.
	first := d.text
	d.acc = d.acc[:0]
	for pieces := 1; ; pieces++ {
		if pieces == 1 && !bytes.HasPrefix(d.b[d.pos:], []byte("</")) || pieces > 1 {
			d.acc = append(d.acc, d.text...)
			first = nil
		}
		if t, err = d.next(); err != nil {
			return nil, err
		}
		switch {
		case t == atEnd && first != nil:
			return first, nil
		case t == atEnd:
			return d.acc, nil
		case t != atText:
			return nil, protocol.Malformed("The XML has elements where text is expected.")
		}
	}
}

func (d *decoder) scalar(m *smithy.Member, v reflect.Value) error {
	b, err := d.content()
	if err != nil {
		return err
	}
	switch m.Shape.Kind {
	case smithy.String:
	case smithy.Blob:
		b = bytes.Map(dropSpace, b)
	case smithy.Document:
		return protocol.Malformed("The member %s cannot be given in XML.", m.Name)
	default:
		b = bytes.TrimSpace(b)
	}
	return scalar.Set(v, m, string(b), m.Time(smithy.ISO8601))
}

func dropSpace(r rune) rune {
	if r < utf8.RuneSelf && isSpace(byte(r)) {
		return -1
	}
	return r
}
