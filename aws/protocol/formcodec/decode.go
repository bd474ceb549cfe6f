package formcodec

import (
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/scalar"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

type decoder struct {
	rules    *Rules
	problems *smithy.Problems
	depth    int
}

var errDepth = protocol.Malformed("The parameters are nested too deeply.")

// structure reads the members whose names begin at at, and returns how many
// there were.
func (d *decoder) structure(sh *smithy.Shape, at int, ps params, f *smithy.Fields) (n int, err error) {
	if d.depth++; d.depth > protocol.MaxDepth {
		return 0, errDepth
	}
	members := d.rules.members(sh)
	err = ps.groups(at, func(seg string, end int, exact, below params) error {
		m := members[seg]
		if m == nil {
			if sh.Kind == smithy.Union {
				return protocol.Malformed("The union %s has an unknown member.", sh.Name)
			}
			return nil
		}
		if !present(m.Shape, exact, below) {
			return nil
		}
		n++
		return d.member(m, end, exact, below, f)
	})
	d.depth--
	return n, err
}

// present says whether there is a value of the shape: parameters below the
// name, or one of the name itself. An empty one stands for an empty string or
// list, and for no number.
func present(sh *smithy.Shape, exact, below params) bool {
	switch sh.Kind {
	case smithy.Structure, smithy.Union, smithy.Map:
		return len(below) > 0
	case smithy.List:
		return len(below) > 0 || len(exact) > 0
	case smithy.String, smithy.Blob:
		return len(exact) > 0
	}
	return len(exact) > 0 && exact[0].value != ""
}

func (d *decoder) member(m *smithy.Member, end int, exact, below params, f *smithy.Fields) error {
	d.problems.Push(m)
	defer d.problems.Pop()
	return f.Set(m, func(v reflect.Value) error { return d.value(m, end, exact, below, v) })
}

func (d *decoder) value(m *smithy.Member, end int, exact, below params, v reflect.Value) error {
	switch m.Shape.Kind {
	case smithy.Structure, smithy.Union:
		f := smithy.Fill(v, m.Shape)
		n, err := d.structure(m.Shape, end+1, below, &f)
		if err != nil {
			return err
		}
		if m.Shape.Kind == smithy.Union && n != 1 {
			return protocol.Malformed("The union %s must have exactly one member.", m.Shape.Name)
		}
		d.problems.Missing(&f)
		return nil
	case smithy.List:
		return d.list(m, end, exact, below, v)
	case smithy.Map:
		return d.entries(m, end, below, v)
	}
	if len(exact) == 0 {
		return protocol.Malformed("The parameter %s has members although it is a simple value.", short(below[0].name))
	}
	s := exact[0].value
	if m.Shape.Kind == smithy.Boolean {
		s = strings.ToLower(s)
	}
	return scalar.Set(v, m, s, m.Time(smithy.ISO8601))
}

func (d *decoder) list(m *smithy.Member, end int, exact, below params, v reflect.Value) error {
	elem := m.Shape.Elem
	smithy.MakeList(v, 0)
	if len(below) == 0 {
		return d.only(elem, end, exact, v)
	}
	var words []string
	if !d.rules.Flat && !m.IsFlat() {
		words = []string{"member"}
		if elem.LocationName != "" {
			words[0] = elem.LocationName
		}
	}
	items, err := below.items(end+1, words...)
	if err != nil {
		return err
	}
	if d.depth++; d.depth > protocol.MaxDepth {
		return errDepth
	}
	for i, it := range items {
		d.problems.PushIndex(i)
		err := smithy.Append(v, func(e reflect.Value) error { return d.value(elem, it.end, it.exact, it.below, e) })
		d.problems.Pop()
		if err != nil {
			return err
		}
	}
	d.depth--
	return nil
}

// only reads a list that was given without an index: empty, or one simple value.
func (d *decoder) only(elem *smithy.Member, end int, exact params, v reflect.Value) error {
	if len(exact) == 0 || exact[0].value == "" {
		return nil
	}
	switch elem.Shape.Kind {
	case smithy.Structure, smithy.Union, smithy.List, smithy.Map:
		return noIndex(exact)
	}
	return smithy.Append(v, func(e reflect.Value) error { return d.value(elem, end, exact, nil, e) })
}

func (d *decoder) entries(m *smithy.Member, end int, below params, v reflect.Value) error {
	sh := m.Shape
	smithy.MakeMap(v)
	entries := smithy.FillMap(v)
	items, err := below.items(end+1, "entry")
	if err != nil {
		return err
	}
	if d.depth++; d.depth > protocol.MaxDepth {
		return errDepth
	}
	for i := range items {
		if err := d.entry(sh, &items[i], &entries); err != nil {
			return err
		}
	}
	d.depth--
	return nil
}

func (d *decoder) entry(sh *smithy.Shape, it *item, entries *smithy.Entries) error {
	keyName, valueName := "key", "value"
	if sh.Key.LocationName != "" {
		keyName = sh.Key.LocationName
	}
	if sh.Elem.LocationName != "" {
		valueName = sh.Elem.LocationName
	}
	var key *string
	var value item
	_ = it.below.groups(it.end+1, func(seg string, end int, exact, below params) error {
		switch {
		case seg == keyName && len(exact) > 0:
			key = &exact[0].value
		case seg == valueName:
			value = item{end: end, exact: exact, below: below}
		}
		return nil
	})
	if key == nil || len(value.exact)+len(value.below) == 0 {
		return protocol.Malformed("An entry of %s lacks its %s or its %s.", sh.Name, keyName, valueName)
	}
	if !utf8.ValidString(*key) {
		return protocol.Malformed("A key of %s is not valid UTF-8.", sh.Name)
	}
	d.problems.PushKey(*key)
	defer d.problems.Pop()
	return entries.Put(*key, func(e reflect.Value) error {
		return d.value(sh.Elem, value.end, value.exact, value.below, e)
	})
}
