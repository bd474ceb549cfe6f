package snapshots

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
	"github.com/gigawatt-cloud/gigawatt/gateway/route"
)

// leaves counts the simple values in a decoded value.
func leaves(sh *smithy.Shape, x any, p smithy.Protocol) int {
	if x == nil {
		return 0
	}
	n := 0
	switch sh.Kind {
	case smithy.Structure, smithy.Union:
		for name, v := range x.(map[string]any) {
			n += leaves(sh.Member(name).Shape, v, p)
		}
	case smithy.List:
		for _, v := range x.([]any) {
			n += leaves(sh.Elem.Shape, v, p)
		}
	case smithy.Map:
		for _, v := range x.(map[string]any) {
			n += leaves(sh.Elem.Shape, v, p)
			if p == smithy.AWSQuery || p == smithy.EC2Query { // a key is a parameter
				n++
			}
		}
	default:
		return 1
	}
	return n
}

// account counts the simple values of a golden request and refuses what the
// model does not have.
func account(m *route.Match, g *golden) (int, error) {
	sh := m.Op.Input
	switch m.Protocol {
	case smithy.AWSJSON:
		return accountJSON(sh, g.body)
	case smithy.AWSQuery, smithy.EC2Query:
		return accountForm(m, g)
	}
	n, err := accountHead(m, g)
	if err != nil || len(g.body) == 0 {
		return n, err
	}
	payload := sh.PayloadMember()
	k := 1
	switch {
	case payload != nil && (payload.Shape.Kind == smithy.Blob || payload.Shape.Kind == smithy.String):
	case payload != nil && m.Protocol == smithy.RestJSON:
		k, err = accountJSON(payload.Shape, g.body)
	case payload != nil:
		k, err = accountXML(payload.Shape, g.body)
	case m.Protocol == smithy.RestJSON:
		k, err = accountJSON(sh, g.body)
	default:
		k, err = accountXML(sh, g.body)
	}
	return n + k, err
}

// accountHead counts labels, headers and parameters of the query string.
func accountHead(m *route.Match, g *golden) (int, error) {
	n := len(m.Labels)
	if bound(m.Op.Input, smithy.Header, "Content-Length") {
		n++ // Go sends it without keeping it among the headers
	}
	for name := range g.header {
		switch bound(m.Op.Input, smithy.Header, name) || prefixed(m.Op.Input, name) {
		case true:
			n += values(m.Op.Input, name, g.header[name])
		case false:
			if name != "Content-Type" && name != "Accept" {
				return 0, fmt.Errorf("no member has the header %s", name)
			}
		}
	}
	_, literal, _ := strings.Cut(m.Op.URI, "?")
	fixed, err := url.ParseQuery(literal)
	if err != nil {
		return 0, err
	}
	q, err := url.ParseQuery(g.query)
	if err != nil {
		return 0, err
	}
	for name, vs := range q {
		_, isFixed := fixed[name]
		switch {
		case bound(m.Op.Input, smithy.Querystring, name):
			n += len(vs)
		case !isFixed && name != "x-id":
			return 0, fmt.Errorf("no member has the parameter %s", name)
		}
	}
	return n, nil
}

func bound(sh *smithy.Shape, l smithy.Location, name string) bool {
	for _, m := range sh.Members {
		if m.Location == l && (m.WireName() == name || l == smithy.Header && strings.EqualFold(m.WireName(), name) || l == smithy.Querystring && m.Shape.Kind == smithy.Map) {
			return true
		}
	}
	return false
}

func prefixed(sh *smithy.Shape, name string) bool {
	for _, m := range sh.Members {
		if m.Location == smithy.Headers && strings.HasPrefix(strings.ToLower(name), strings.ToLower(m.LocationName)) {
			return true
		}
	}
	return false
}

// values counts the elements of a list in headers.
func values(sh *smithy.Shape, name string, vs []string) int {
	for _, m := range sh.Members {
		if m.Location == smithy.Header && strings.EqualFold(m.WireName(), name) && m.Shape.Kind == smithy.List {
			return strings.Count(strings.Join(vs, ","), ",") + 1
		}
	}
	return len(vs)
}

// accountForm counts the parameters. One that decodes to nothing on its own is
// unknown.
func accountForm(m *route.Match, g *golden) (int, error) {
	n := 0
	for pair := range strings.SplitSeq(string(g.body), "&") {
		name, _, _ := strings.Cut(pair, "=")
		if name == "Action" || name == "Version" {
			continue
		}
		n++
	}
	if in, err := decode(m, g); err != nil || leaves(m.Op.Input, in, m.Protocol) == n {
		return n, err
	}
	for pair := range strings.SplitSeq(string(g.body), "&") {
		one := *g
		one.body = []byte(pair)
		// That the others are missing is no matter.
		in, _ := decode(m, &one)
		if leaves(m.Op.Input, in, m.Protocol) == 0 && !strings.HasPrefix(pair, "Action=") && !strings.HasPrefix(pair, "Version=") {
			return 0, fmt.Errorf("no member has the parameter %s", pair)
		}
	}
	return n, nil
}

func accountJSON(sh *smithy.Shape, body []byte) (int, error) {
	if len(body) == 0 {
		return 0, nil
	}
	var x any
	if err := json.Unmarshal(body, &x); err != nil {
		return 0, err
	}
	return accountTree(sh, x, sh.Name)
}

func accountTree(sh *smithy.Shape, x any, at string) (n int, err error) {
	add := func(sh *smithy.Shape, v any, at string) {
		k, e := accountTree(sh, v, at)
		n, err = n+k, errors.Join(err, e)
	}
	switch x := x.(type) {
	case nil:
		return 0, nil
	case map[string]any:
		for name, v := range x {
			switch sh.Kind {
			case smithy.Structure, smithy.Union:
				m := wireMember(sh, name)
				if m == nil {
					return 0, fmt.Errorf("%s has no member %s", at, name)
				}
				add(m.Shape, v, at+"."+name)
			case smithy.Map:
				add(sh.Elem.Shape, v, at+"."+name)
			case smithy.Document:
				return 1, nil
			default:
				return 0, fmt.Errorf("%s is no structure", at)
			}
		}
		return n, err
	case []any:
		if sh.Kind != smithy.List {
			return 0, fmt.Errorf("%s is no list", at)
		}
		for _, v := range x {
			add(sh.Elem.Shape, v, at+".member")
		}
		return n, err
	}
	return 1, nil
}

func wireMember(sh *smithy.Shape, name string) *smithy.Member {
	for _, m := range sh.Members {
		if m.Location == smithy.Body && m.WireName() == name {
			return m
		}
	}
	return nil
}

// accountXML walks a document by the model.
func accountXML(sh *smithy.Shape, body []byte) (int, error) {
	d := xml.NewDecoder(strings.NewReader(string(body)))
	for {
		t, err := d.Token()
		if err != nil {
			return 0, err
		}
		if s, ok := t.(xml.StartElement); ok {
			return accountElement(d, sh, s, sh.Name)
		}
	}
}

// accountElement reads the content of an element that has started.
func accountElement(d *xml.Decoder, sh *smithy.Shape, start xml.StartElement, at string) (int, error) {
	n := 0
	for _, a := range start.Attr {
		if a.Name.Local != "xmlns" && a.Name.Space != "xmlns" {
			n++ // an attribute of a member
		}
	}
	for {
		t, err := d.Token()
		if err != nil {
			return 0, err
		}
		switch t := t.(type) {
		case xml.EndElement:
			if sh.Kind == smithy.Structure || sh.Kind == smithy.Union || sh.Kind == smithy.List || sh.Kind == smithy.Map {
				return n, nil
			}
			return n + 1, nil
		case xml.StartElement:
			below, err := childShape(sh, t.Name.Local)
			if err != nil {
				return 0, fmt.Errorf("%s: %w", at, err)
			}
			k, err := accountElement(d, below, t, at+"."+t.Name.Local)
			if err != nil {
				return 0, err
			}
			n += k
		}
	}
}

// childShape is the shape of an element inside of one of shape sh.
func childShape(sh *smithy.Shape, name string) (*smithy.Shape, error) {
	switch sh.Kind {
	case smithy.Structure, smithy.Union:
		for _, m := range sh.Members {
			flat := m.IsFlat() && m.Shape.Kind == smithy.List
			switch {
			case flat && m.Shape.Elem.LocationName == name, flat && m.WireName() == name:
				return m.Shape.Elem.Shape, nil
			case m.Location == smithy.Body && m.WireName() == name:
				return m.Shape, nil
			}
		}
	case smithy.List:
		if want := sh.Elem.LocationName; name == want || want == "" && name == "member" {
			return sh.Elem.Shape, nil
		}
	}
	return nil, fmt.Errorf("%s has no element %s", sh.Name, name)
}
