package protocoltest

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// What follows reads response bodies as a client does: by the model, forgiving
// about what it does not know. It shares nothing with the codecs, so that a
// mistake in them shows.

// readTree reads a JSON or CBOR value of shape sh.
func readTree(sh *smithy.Shape, x any) any {
	if x == nil {
		return nil
	}
	switch sh.Kind {
	case smithy.Structure, smithy.Union:
		out := map[string]any{}
		fields, _ := x.(map[string]any)
		for _, m := range sh.Members {
			if v := fields[m.WireName()]; v != nil {
				out[m.Name] = readTree(m.Shape, v)
			}
		}
		return out
	case smithy.List:
		out := []any{}
		for _, v := range x.([]any) {
			if v != nil || sh.Sparse {
				out = append(out, readTree(sh.Elem.Shape, v))
			}
		}
		return out
	case smithy.Map:
		out := map[string]any{}
		for k, v := range x.(map[string]any) {
			if v != nil || sh.Sparse {
				out[k] = readTree(sh.Elem.Shape, v)
			}
		}
		return out
	case smithy.Blob:
		if b, ok := x.([]byte); ok {
			return b
		}
		return fromBase64(x.(string))
	case smithy.Document:
		return plain(x)
	}
	switch x := x.(type) {
	case json.Number:
		return readScalar(sh, x.String())
	case string:
		return readScalar(sh, x)
	case bool:
		return x
	case uint64:
		return readScalar(sh, strconv.FormatUint(x, 10))
	case int64:
		return readScalar(sh, strconv.FormatInt(x, 10))
	case float64:
		return readScalar(sh, strconv.FormatFloat(x, 'g', -1, 64))
	case float32:
		return readScalar(sh, strconv.FormatFloat(float64(x), 'g', -1, 32))
	case cbor.Tag:
		return readTree(sh, x.Content)
	case time.Time:
		return x.UTC().Round(time.Millisecond)
	}
	panic(fmt.Sprintf("%s is a %T", sh.Name, x))
}

// readScalar reads the text of a simple value.
func readScalar(sh *smithy.Shape, s string) any {
	switch sh.Kind {
	case smithy.String:
		return s
	case smithy.Blob:
		b, err := base64.StdEncoding.DecodeString(s)
		must(err)
		return b
	case smithy.Boolean:
		b, err := strconv.ParseBool(s)
		must(err)
		return b
	case smithy.Timestamp:
		return readTime(s)
	case smithy.Float, smithy.Double:
		if s == "Infinity" || s == "-Infinity" {
			return math.Inf(map[bool]int{true: -1, false: 1}[s[0] == '-'])
		}
		f, err := strconv.ParseFloat(s, 64)
		must(err)
		if sh.Kind == smithy.Float {
			f = float64(float32(f))
		}
		return printable(f)
	}
	n, err := strconv.ParseFloat(s, 64)
	must(err)
	return int64(n)
}

func readTime(s string) time.Time {
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		return seconds(f)
	}
	for _, layout := range []string{time.RFC3339Nano, "Mon, 02 Jan 2006 15:04:05.999 GMT"} {
		if at, err := time.Parse(layout, s); err == nil {
			return at.UTC().Round(time.Millisecond)
		}
	}
	panic(s + " is no time")
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// readElement reads an XML element of shape sh.
func readElement(sh *smithy.Shape, e *element) any {
	switch sh.Kind {
	case smithy.Structure, smithy.Union:
		out := map[string]any{}
		for _, m := range sh.Members {
			if v, ok := readMember(m, e); ok {
				out[m.Name] = v
			}
		}
		return out
	case smithy.List:
		out := []any{}
		for _, c := range e.children {
			out = append(out, readElement(sh.Elem.Shape, c))
		}
		return out
	case smithy.Map:
		return readEntries(sh, e.children)
	}
	return readScalar(sh, e.text)
}

func readEntries(sh *smithy.Shape, entries []*element) any {
	out := map[string]any{}
	for _, c := range entries {
		key, v := c.child(or(sh.Key.LocationName, "key")), c.child(or(sh.Elem.LocationName, "value"))
		if v == nil {
			v = &element{}
		}
		out[key.text] = readElement(sh.Elem.Shape, v)
	}
	return out
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func readMember(m *smithy.Member, e *element) (any, bool) {
	name := m.WireName()
	if m.XMLAttribute {
		for _, a := range e.attrs {
			if k, v, _ := strings.Cut(a, "="); k == name {
				return v, true
			}
		}
		return nil, false
	}
	flat := m.IsFlat() && (m.Shape.Kind == smithy.List || m.Shape.Kind == smithy.Map)
	if flat && m.Shape.Kind == smithy.List && m.Shape.Elem.LocationName != "" {
		name = m.Shape.Elem.LocationName
	}
	var found []*element
	for _, c := range e.children {
		if c.name == name {
			found = append(found, c)
		}
	}
	switch {
	case len(found) == 0:
		return nil, false
	case flat && m.Shape.Kind == smithy.Map:
		return readEntries(m.Shape, found), true
	case flat:
		out := []any{}
		for _, c := range found {
			out = append(out, readElement(m.Shape.Elem.Shape, c))
		}
		return out, true
	}
	return readElement(m.Shape, found[0]), true
}

// readBody reads a body of a protocol as a value of shape sh. An error's body
// is read when isError.
func readBody(p smithy.Protocol, wrapper string, sh *smithy.Shape, body string, isError bool) (out any, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("body %q: %v", body, r)
		}
	}()
	if body == "" {
		return map[string]any{}, nil
	}
	switch p {
	case smithy.AWSJSON, smithy.RestJSON:
		var x any
		if err := unmarshal([]byte(body), &x); err != nil {
			return nil, err
		}
		return readTree(sh, x), nil
	case smithy.RPCv2CBOR:
		x, err := readCBOR([]byte(body))
		if err != nil {
			return nil, err
		}
		return readTree(sh, x), nil
	}
	e, err := readXML(body)
	if err != nil {
		return nil, err
	}
	if isError {
		if e = fault(e); e == nil {
			return nil, errors.New("there is no Error in " + body)
		}
	} else if wrapper != "" {
		if e = e.child(wrapper); e == nil {
			return map[string]any{}, nil
		}
	}
	return readElement(sh, e), nil
}

// fault finds the element Error.
func fault(e *element) *element {
	for e != nil && e.name != "Error" {
		next := e.child("Errors")
		if next == nil {
			next = e.child("Error")
		}
		e = next
	}
	return e
}
