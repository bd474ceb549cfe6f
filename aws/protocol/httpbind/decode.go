package httpbind

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/scalar"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// Decode sets the members of f, which is being filled with op's input, that
// are bound to the path, to headers and to the query string. What cannot be
// parsed is a *protocol.SerializationError with its Location. Which members
// are missing is for the caller to note when the body was read too.
func Decode(op *smithy.Operation, rq *protocol.Request, f *smithy.Fields) error {
	if op.Input == nil {
		return nil
	}
	p := planOf(op.Input)
	for _, m := range p.labels {
		if err := label(m, rq, f); err != nil {
			return at(err, smithy.URI)
		}
	}
	for i := range p.headers {
		if err := setHeader(&p.headers[i], rq, f); err != nil {
			return at(err, smithy.Header)
		}
	}
	for i := range p.prefixes {
		if err := prefixed(&p.prefixes[i], rq.Header, f); err != nil {
			return at(err, smithy.Headers)
		}
	}
	if rq.RawQuery != "" && (len(p.query) > 0 || p.queryMap != nil) {
		return at(query(op, p, rq.RawQuery, f), smithy.Querystring)
	}
	return nil
}

func at(err error, l smithy.Location) error {
	if err == nil {
		return nil
	}
	var s *protocol.SerializationError
	if errors.As(err, &s) {
		s.Location = l
	}
	return err
}

func label(m *smithy.Member, rq *protocol.Request, f *smithy.Fields) error {
	raw, ok := rq.Labels[m.WireName()]
	if !ok {
		return nil
	}
	s, err := url.PathUnescape(raw)
	if err != nil {
		return protocol.Malformed("The path has an invalid percent-encoding in %s.", m.Name)
	}
	return f.Set(m, func(v reflect.Value) error {
		return text(v, m, s, m.Time(smithy.ISO8601))
	})
}

// text stores one value. ISO8601 times in a path or a query string are in UTC.
func text(v reflect.Value, m *smithy.Member, s string, tf smithy.TimestampFormat) error {
	if m.Shape.Kind == smithy.Timestamp && tf == smithy.ISO8601 && m.Location != smithy.Header && !strings.HasSuffix(s, "Z") {
		return protocol.Malformed("The value of %s is not a timestamp in UTC.", m.WireName())
	}
	return scalar.Set(v, m, s, tf)
}

func setHeader(h *header, rq *protocol.Request, f *smithy.Fields) error {
	values, ok := rq.Header[h.name]
	m := h.m
	if isContentLength(h.name) && rq.ContentLength > 0 {
		// The gateway may have freed the body of a transfer coding since.
		return f.Set(m, func(v reflect.Value) error {
			return scalar.Set(v, m, strconv.FormatInt(rq.ContentLength, 10), smithy.DefaultTime)
		})
	}
	if !ok || len(values) == 0 {
		return nil
	}
	s := values[0]
	if len(values) > 1 {
		s = strings.Join(values, ",")
	}
	tf := m.Time(smithy.RFC822)
	switch kind := m.Shape.Kind; {
	case kind == smithy.List:
		return f.Set(m, func(v reflect.Value) error { return list(v, m.Shape.Elem, s) })
	case kind == smithy.String:
		if m.JSONValue {
			b, err := base64.StdEncoding.DecodeString(s)
			if err != nil {
				return protocol.Malformed("The header %s is not valid base64.", m.WireName())
			}
			s = string(b)
		}
	case s == "":
		return nil
	case kind == smithy.Timestamp && dateIsAdvice(h.name):
		// RFC 9110 has recipients ignore a condition whose date is not valid.
		if _, ok := scalar.ParseTime(s, tf); !ok {
			return nil
		}
	}
	return f.Set(m, func(v reflect.Value) error { return scalar.Set(v, m, s, tf) })
}

func dateIsAdvice(name string) bool {
	return name == "If-Modified-Since" || name == "If-Unmodified-Since"
}

// list splits a header's value into elements.
func list(v reflect.Value, elem *smithy.Member, s string) error {
	smithy.MakeList(v, 0)
	tf := elem.Time(smithy.RFC822)
	commas := 0
	if elem.Shape.Kind == smithy.Timestamp && tf == smithy.RFC822 {
		commas = 1
	}
	for s = strings.TrimSpace(s); s != ""; {
		item, rest, err := cut(s, commas)
		if err != nil {
			return err
		}
		s = rest
		if err := smithy.Append(v, func(e reflect.Value) error { return scalar.Set(e, elem, item, tf) }); err != nil {
			return err
		}
	}
	return nil
}

// cut takes the first element off a header's list. It may be quoted, with
// backslashes before quotes and backslashes; inner is the number of commas
// that an element has itself.
func cut(s string, inner int) (item, rest string, err error) {
	if s[0] != '"' {
		end := -1
		for i := range len(s) {
			if s[i] == ',' {
				if inner == 0 {
					end = i
					break
				}
				inner--
			}
		}
		if end < 0 {
			return strings.TrimSpace(s), "", nil
		}
		return strings.TrimSpace(s[:end]), strings.TrimSpace(s[end+1:]), nil
	}
	var b []byte
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			b = append(b, s[i])
		case c == '"':
			rest = strings.TrimSpace(s[i+1:])
			if rest != "" && rest[0] != ',' {
				return "", "", protocol.Malformed("A list in a header has text after a quoted value.")
			}
			return string(b), strings.TrimSpace(strings.TrimPrefix(rest, ",")), nil
		default:
			b = append(b, c)
		}
	}
	return "", "", protocol.Malformed("A list in a header has an unclosed quote.")
}

func prefixed(h *header, in http.Header, f *smithy.Fields) error {
	var keys []string
	for k := range in {
		if len(k) >= len(h.name) && strings.EqualFold(k[:len(h.name)], h.name) {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	slices.Sort(keys)
	elem := h.m.Shape.Elem
	return f.Set(h.m, func(v reflect.Value) error {
		for _, k := range keys {
			err := smithy.Put(v, strings.ToLower(k[len(h.name):]), func(e reflect.Value) error {
				return scalar.Set(e, elem, strings.Join(in[k], ","), elem.Time(smithy.RFC822))
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

type pair struct{ name, value string }

// parseQuery splits a query string into its parameters in their order. A
// parameter without = has the value "".
func parseQuery(raw string) ([]pair, error) {
	pairs := make([]pair, 0, strings.Count(raw, "&")+1)
	for raw != "" {
		var item string
		item, raw, _ = strings.Cut(raw, "&")
		if item == "" {
			continue
		}
		k, v, _ := strings.Cut(item, "=")
		name, err := url.QueryUnescape(k)
		if err != nil {
			return nil, protocol.Malformed("The query string has an invalid percent-encoding.")
		}
		value, err := url.QueryUnescape(v)
		if err != nil {
			return nil, protocol.Malformed("The query string has an invalid percent-encoding.")
		}
		if !utf8.ValidString(name) || !utf8.ValidString(value) {
			return nil, protocol.Malformed("The query string is not valid UTF-8.")
		}
		pairs = append(pairs, pair{name, value})
	}
	return pairs, nil
}

func query(op *smithy.Operation, p *plan, raw string, f *smithy.Fields) error {
	pairs, err := parseQuery(raw)
	if err != nil {
		return err
	}
	for i := range pairs {
		m := p.query[pairs[i].name]
		if m == nil || f.Has(m) {
			continue
		}
		if m.Shape.Kind != smithy.List {
			if pairs[i].value == "" && m.Shape.Kind != smithy.String && m.Shape.Kind != smithy.Blob {
				continue
			}
			err = f.Set(m, func(v reflect.Value) error { return text(v, m, pairs[i].value, m.Time(smithy.ISO8601)) })
		} else {
			err = f.Set(m, func(v reflect.Value) error { return same(v, m.Shape.Elem, pairs[i:]) })
		}
		if err != nil {
			return err
		}
	}
	if p.queryMap == nil {
		return nil
	}
	return all(p.queryMap, op.URI, pairs, f)
}

// same appends the values of all pairs that have the first one's name.
func same(v reflect.Value, elem *smithy.Member, pairs []pair) error {
	smithy.MakeList(v, 1)
	for i := range pairs {
		if pairs[i].name != pairs[0].name {
			continue
		}
		err := smithy.Append(v, func(e reflect.Value) error {
			return text(e, elem, pairs[i].value, elem.Time(smithy.ISO8601))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// isLiteral says that a parameter belongs to the operation's URI rather than
// to the caller; the JavaScript SDK adds x-id to them.
func isLiteral(uri, name string) bool {
	if name == "x-id" {
		return true
	}
	_, q, _ := strings.Cut(uri, "?")
	for q != "" {
		var item string
		item, q, _ = strings.Cut(q, "&")
		if n, _, _ := strings.Cut(item, "="); n == name {
			return true
		}
	}
	return false
}

// all puts every parameter into the map that member m is.
func all(m *smithy.Member, uri string, pairs []pair, f *smithy.Fields) error {
	pairs = slices.DeleteFunc(pairs, func(p pair) bool { return isLiteral(uri, p.name) })
	if len(pairs) == 0 {
		return nil
	}
	elem := m.Shape.Elem
	return f.Set(m, func(v reflect.Value) error {
		done := make(map[string]bool, len(pairs))
		for i := range pairs {
			if done[pairs[i].name] {
				continue
			}
			done[pairs[i].name] = true
			err := smithy.Put(v, pairs[i].name, func(e reflect.Value) error {
				if elem.Shape.Kind == smithy.List {
					return same(e, elem.Shape.Elem, pairs[i:])
				}
				return text(e, elem, pairs[i].value, elem.Time(smithy.ISO8601))
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}
