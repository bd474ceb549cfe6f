package httpbind

import (
	"encoding/base64"
	"net/http"
	"reflect"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/scalar"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// Encode writes the members of v, a value of shape out that [smithy.Indirect]
// was applied to, that are bound to headers and to the status code. resp's Header is made
// when it is nil; its ContentLength follows a Content-Length member.
//
// Headers with a modelled name have canonical keys. Those of a prefix keep the
// prefix in lower case and the map's own key behind it, because clients hand that
// part to their callers as it was sent.
func Encode(out *smithy.Shape, v reflect.Value, resp *protocol.Response) error {
	if resp.Header == nil {
		resp.Header = http.Header{}
	}
	if out == nil || !v.IsValid() {
		return nil
	}
	p := planOf(out)
	values := make([]string, len(p.headers))
	var buf []byte
	for i := range p.headers {
		m := p.headers[i].m
		e, ok := smithy.Get(v, m)
		if !ok {
			continue
		}
		var err error
		if buf, err = appendHeader(buf[:0], m, e); err != nil {
			return err
		}
		values[i] = string(buf)
		resp.Header[p.headers[i].name] = values[i : i+1 : i+1]
		if isContentLength(p.headers[i].name) && e.CanInt() {
			resp.ContentLength = e.Int()
		}
	}
	for i := range p.prefixes {
		if err := encodePrefixed(&p.prefixes[i], v, resp.Header); err != nil {
			return err
		}
	}
	if p.status != nil {
		if e, ok := smithy.Get(v, p.status); ok && e.Int() != 0 {
			resp.Status = int(e.Int())
		}
	}
	return nil
}

func encodePrefixed(h *header, v reflect.Value, out http.Header) error {
	entries, ok := smithy.Get(v, h.m)
	if !ok {
		return nil
	}
	for _, k := range smithy.SortedKeys(entries) {
		e, ok := smithy.Indirect(entries.MapIndex(k))
		if !ok {
			continue
		}
		key := h.name + k.String()
		if _, named := out[http.CanonicalHeaderKey(key)]; named {
			continue
		}
		b, err := appendHeader(nil, h.m.Shape.Elem, e)
		if err != nil {
			return err
		}
		out[key] = []string{string(b)}
	}
	return nil
}

func appendHeader(b []byte, m *smithy.Member, v reflect.Value) ([]byte, error) {
	switch {
	case m.Shape.Kind == smithy.List:
		return appendList(b, m.Shape.Elem, v)
	case m.Shape.Kind == smithy.String && m.JSONValue:
		return base64.StdEncoding.AppendEncode(b, []byte(v.String())), nil
	}
	return scalar.Append(b, m, v, m.Time(smithy.RFC822))
}

func appendList(b []byte, elem *smithy.Member, v reflect.Value) ([]byte, error) {
	first := true
	for i := range v.Len() {
		e, ok := smithy.Indirect(v.Index(i))
		if !ok {
			continue
		}
		if !first {
			b = append(b, ", "...)
		}
		first = false
		if elem.Shape.Kind == smithy.String {
			b = appendQuoted(b, e.String())
			continue
		}
		var err error
		if b, err = appendHeader(b, elem, e); err != nil {
			return b, err
		}
	}
	return b, nil
}

// appendQuoted quotes an element that would otherwise be read as several, or
// as another.
func appendQuoted(b []byte, s string) []byte {
	if s != "" && !strings.ContainsAny(s, `",`) && strings.TrimSpace(s) == s {
		return append(b, s...)
	}
	b = append(b, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}
