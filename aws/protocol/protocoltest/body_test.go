package protocoltest

import (
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"reflect"
	"sort"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"
)

// sameBody compares two bodies of a media type by meaning.
func sameBody(media, want string, got []byte) error {
	var w, g any
	var err error
	switch {
	case strings.HasSuffix(media, "json"):
		if err = unmarshal([]byte(want), &w); err != nil {
			return fmt.Errorf("the suite's body: %w", err)
		}
		if err = unmarshal(got, &g); err != nil {
			return fmt.Errorf("body %q: %w", got, err)
		}
		w, g = plain(w), plain(g)
	case strings.HasSuffix(media, "cbor"):
		raw, err := base64.StdEncoding.DecodeString(want)
		if err != nil {
			return err
		}
		if w, err = readCBOR(raw); err != nil {
			return fmt.Errorf("the suite's body: %w", err)
		}
		if g, err = readCBOR(got); err != nil {
			return fmt.Errorf("body %x: %w", got, err)
		}
		w, g = plain(w), plain(g)
	case strings.HasSuffix(media, "xml"):
		we, err := readXML(want)
		if err != nil {
			return fmt.Errorf("the suite's body: %w", err)
		}
		ge, err := readXML(string(got))
		if err != nil {
			return fmt.Errorf("body %q: %w", got, err)
		}
		w, g = we.String(), ge.String()
	case strings.HasSuffix(media, "x-www-form-urlencoded"):
		if w, err = url.ParseQuery(want); err != nil {
			return err
		}
		if g, err = url.ParseQuery(string(got)); err != nil {
			return err
		}
	default:
		w, g = want, string(got)
	}
	if d := cmp.Diff(w, g); d != "" {
		return fmt.Errorf("body (-want +got):\n%s", d)
	}
	return nil
}

var cborMode = func() cbor.DecMode {
	m, err := cbor.DecOptions{DefaultMapType: stringMap, TimeTag: cbor.DecTagOptional}.DecMode()
	if err != nil {
		panic(err)
	}
	return m
}()

// readCBOR decodes one CBOR item; NaN becomes comparable.
func readCBOR(b []byte) (any, error) {
	var x any
	err := cborMode.Unmarshal(b, &x)
	return plainForm(x), err
}

func plainForm(x any) any {
	switch x := x.(type) {
	case map[string]any:
		for k, v := range x {
			x[k] = plainForm(v)
		}
	case []any:
		for i, v := range x {
			x[i] = plainForm(v)
		}
	case float64:
		return printable(x)
	}
	return x
}

// element is an XML element with its raw names, prefixes included.
type element struct {
	name     string
	attrs    []string
	text     string
	children []*element
}

// readXML parses a document without resolving namespaces.
func readXML(s string) (*element, error) {
	d := xml.NewDecoder(strings.NewReader(s))
	root := &element{}
	stack := []*element{root}
	for {
		t, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		top := stack[len(stack)-1]
		switch t := t.(type) {
		case xml.StartElement:
			e := &element{name: rawName(t.Name)}
			for _, a := range t.Attr {
				e.attrs = append(e.attrs, rawName(a.Name)+"="+a.Value)
			}
			sort.Strings(e.attrs)
			top.children = append(top.children, e)
			stack = append(stack, e)
		case xml.EndElement:
			if len(stack) == 1 || top.name != rawName(t.Name) {
				return nil, fmt.Errorf("</%s> closes nothing", rawName(t.Name))
			}
			stack = stack[:len(stack)-1]
		case xml.CharData:
			top.text += string(t)
		}
	}
	if len(stack) != 1 || len(root.children) != 1 {
		return nil, errors.New("not one whole element")
	}
	return root.children[0], nil
}

func rawName(n xml.Name) string {
	if n.Space != "" {
		return n.Space + ":" + n.Local
	}
	return n.Local
}

// child returns the first child of that name, or nil.
func (e *element) child(name string) *element {
	for _, c := range e.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// content is the element's text: that of a structure has no meaning, and a
// time's offset is only a way to write it.
func (e *element) content() string {
	if len(e.children) > 0 {
		return ""
	}
	if at, err := time.Parse(time.RFC3339, e.text); err == nil {
		return at.UTC().Format(time.RFC3339Nano)
	}
	return e.text
}

// String writes the element with its members in the order of their names and
// the entries of maps in the order of their keys. Lists keep their order.
func (e *element) String() string {
	var b strings.Builder
	e.write(&b, "")
	return b.String()
}

func (e *element) write(b *strings.Builder, indent string) {
	fmt.Fprintf(b, "%s<%s %s> %q\n", indent, e.name, strings.Join(e.attrs, " "), e.content())
	sort.SliceStable(e.children, func(i, j int) bool {
		x, y := e.children[i], e.children[j]
		if x.name != y.name {
			return x.name < y.name
		}
		return x.key() < y.key()
	})
	for _, c := range e.children {
		c.write(b, indent+"  ")
	}
}

// key is the text of a map entry's key, "" for what is no entry.
func (e *element) key() string {
	if len(e.children) != 2 {
		return ""
	}
	if e.name == "entry" {
		return e.children[0].text
	}
	for _, name := range []string{"key", "K", "Attribute", "Name", "name", "Qux", "foo", "Hi"} {
		if c := e.child(name); c != nil {
			return c.text
		}
	}
	return ""
}

var stringMap = reflect.TypeFor[map[string]any]()
