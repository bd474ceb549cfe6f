// Package httpbind moves the members of a value that an HTTP message carries
// outside of its body: in headers, in the path, in the query string and in the
// status code.
//
// The REST protocols share it. It reads no body and routes nothing: the labels
// of the path were found by the router. Start at [Decode] and [Encode].
package httpbind

import (
	"net/http"
	"strings"
	"sync"

	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// plan is what a structure binds, looked up once for each shape.
type plan struct {
	labels   []*smithy.Member
	headers  []header
	prefixes []header
	status   *smithy.Member
	query    map[string]*smithy.Member
	// queryMap takes every parameter of the query string.
	queryMap *smithy.Member
}

type header struct {
	m *smithy.Member
	// name is in canonical form, or in lower case for a prefix.
	name string
}

var plans sync.Map // *smithy.Shape -> *plan

func planOf(sh *smithy.Shape) *plan {
	if p, ok := plans.Load(sh); ok {
		return p.(*plan)
	}
	p := &plan{query: map[string]*smithy.Member{}}
	for _, m := range sh.Members {
		switch m.Location {
		case smithy.URI:
			p.labels = append(p.labels, m)
		case smithy.Header:
			p.headers = append(p.headers, header{m, http.CanonicalHeaderKey(m.WireName())})
		case smithy.Headers:
			// An empty prefix has no locationName of its own.
			p.prefixes = append(p.prefixes, header{m, strings.ToLower(m.LocationName)})
		case smithy.Querystring:
			if m.Shape.Kind == smithy.Map {
				p.queryMap = m
			} else {
				p.query[m.WireName()] = m
			}
		case smithy.StatusCode:
			p.status = m
		}
	}
	plans.Store(sh, p)
	return p
}

// HasBody reports whether any member of sh is carried by the body.
func HasBody(sh *smithy.Shape) bool {
	if sh == nil {
		return false
	}
	for _, m := range sh.Members {
		if m.Location == smithy.Body {
			return true
		}
	}
	return false
}

// isContentLength says that a header is the framing's own.
func isContentLength(name string) bool { return name == "Content-Length" }
