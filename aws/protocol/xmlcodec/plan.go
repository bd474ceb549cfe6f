// Package xmlcodec reads and writes XML by a schema, for the protocols whose
// bodies are XML.
//
// It knows elements, attributes, flattened lists and maps, namespaces and the
// renamings of the models; it does not know what is around a value: root
// elements, wrappers and errors are the protocols' own. Its reader takes no
// document type and no entity but the five of XML. Start at [Decode] and [Writer].
package xmlcodec

import (
	"strings"
	"sync"

	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// plan is how the parts of a structure, list or map look in XML, looked up
// once for each shape.
type plan struct {
	sh *smithy.Shape
	// fields are a structure's members that are elements when it is written: what
	// a request has in its path or query string is in the body of an answer.
	fields []field
	// attrs are the members that are attributes.
	attrs []field
	// byName are the elements that are read.
	byName map[string]*field
	// elem is a list's element or a map's value, key a map's key.
	elem, key field
}

// field is one element or attribute.
type field struct {
	m    *smithy.Member
	name string
	// flat says that each element of the list or entry of the map is its own field.
	flat bool
	// open is the start tag without its >, end the end tag.
	open, end string
	plan      *plan
}

var plans struct {
	sync.RWMutex
	byShape map[*smithy.Shape]*plan
}

func planOf(sh *smithy.Shape) *plan {
	plans.RLock()
	p := plans.byShape[sh]
	plans.RUnlock()
	if p != nil {
		return p
	}
	plans.Lock()
	defer plans.Unlock()
	if plans.byShape == nil {
		plans.byShape = map[*smithy.Shape]*plan{}
	}
	return build(sh)
}

// build makes the plan of sh and of all shapes below it; the lock is held.
func build(sh *smithy.Shape) *plan {
	if p := plans.byShape[sh]; p != nil {
		return p
	}
	p := &plan{sh: sh}
	plans.byShape[sh] = p
	switch sh.Kind {
	case smithy.Structure, smithy.Union:
		for _, m := range sh.Members {
			switch {
			case m.Location == smithy.Header, m.Location == smithy.Headers, m.Location == smithy.StatusCode:
			case m.XMLAttribute:
				p.attrs = append(p.attrs, field{m: m, name: m.WireName()})
			default:
				p.fields = append(p.fields, fieldOf(m))
			}
		}
		p.byName = make(map[string]*field, len(p.fields))
		for i := range p.fields {
			if p.fields[i].m.Location == smithy.Body {
				p.byName[p.fields[i].name] = &p.fields[i]
			}
		}
	case smithy.List:
		p.elem = named(sh.Elem, or(sh.Elem.LocationName, "member"))
	case smithy.Map:
		p.key = named(sh.Key, or(sh.Key.LocationName, "key"))
		p.elem = named(sh.Elem, or(sh.Elem.LocationName, "value"))
	}
	return p
}

func or(s, def string) string {
	if s != "" {
		return s
	}
	return def
}

// fieldOf describes a structure's member.
func fieldOf(m *smithy.Member) field {
	isList := m.Shape.Kind == smithy.List
	if !m.IsFlat() || !isList && m.Shape.Kind != smithy.Map {
		return named(m, m.WireName())
	}
	f := named(m, ElementName(m))
	f.flat = true
	if isList {
		f.tags(m.Shape.Elem)
	}
	return f
}

// ElementName is the name of a structure's member: of its element, or of each
// of its elements when it is flattened.
func ElementName(m *smithy.Member) string {
	// Older models flatten the list's shape and name its element there.
	if sh := m.Shape; sh.Kind == smithy.List && sh.Flattened && !m.Flattened && m.LocationName == "" && sh.Elem.LocationName != "" {
		return sh.Elem.LocationName
	}
	return m.WireName()
}

func named(m *smithy.Member, name string) field {
	f := field{m: m, name: name}
	f.tags(m)
	switch m.Shape.Kind {
	case smithy.Structure, smithy.Union, smithy.List, smithy.Map:
		f.plan = build(m.Shape)
	}
	return f
}

// tags writes the tags of f, whose namespace is that of m.
func (f *field) tags(m *smithy.Member) {
	f.open, f.end = "<"+f.name+declaration(namespaceOf(m)), "</"+f.name+">"
}

// namespaceOf is the namespace that an element for m declares inside of a
// document. That of a structure's shape is for its root element, but for a prefix that its attributes use.
func namespaceOf(m *smithy.Member) smithy.XMLNamespace {
	if m.XMLNamespace.URI == "" && m.Shape.XMLNamespace.Prefix != "" {
		return m.Shape.XMLNamespace
	}
	return m.XMLNamespace
}

// declaration is the attribute that declares ns, with a space before it.
func declaration(ns smithy.XMLNamespace) string {
	if ns.URI == "" {
		return ""
	}
	var b strings.Builder
	b.WriteString(" xmlns")
	if ns.Prefix != "" {
		b.WriteString(":" + ns.Prefix)
	}
	b.WriteString(`="` + string(appendEscaped(nil, ns.URI)) + `"`)
	return b.String()
}

// RootName is the name of the element that holds m as a whole body.
func RootName(m *smithy.Member) string {
	switch {
	case m.LocationName != "":
		return m.LocationName
	case m.Shape.XMLName != "":
		return m.Shape.XMLName
	}
	return m.Shape.Name
}

// RootNamespace is the namespace of the element that holds m as a whole body.
func RootNamespace(m *smithy.Member) smithy.XMLNamespace {
	if m.XMLNamespace.URI != "" {
		return m.XMLNamespace
	}
	return m.Shape.XMLNamespace
}
