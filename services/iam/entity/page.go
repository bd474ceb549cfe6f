package entity

import (
	"bytes"
	"iter"

	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
)

// Page is one page of a list: Marker and MaxItems of a request, IsTruncated
// and Marker of its answer.
type Page struct {
	// After is the key of the last item of the page before.
	After kv.Key

	c     *service.Call
	scope string
	max   int
	last  kv.Key
	more  bool
}

const defaultMaxItems = 100

// NewPage opens the request's page. scope is what is listed, such as a user's
// name and a filter, so that a marker fits no other list.
func NewPage(c *service.Call, scope string, marker *string, maxItems *int32) (*Page, error) {
	p := &Page{c: c, scope: scope, max: defaultMaxItems}
	if maxItems != nil {
		p.max = int(*maxItems)
	}
	after, err := c.OpenPage(scope, Value(marker))
	if err != nil {
		return nil, ErrValidation("Invalid Marker.")
	}
	p.After = after
	return p, nil
}

// Collect fills the page from rows that begin after p.After. fn makes the item
// of a row, or says that the row is left out.
func Collect[T, V any](p *Page, rows iter.Seq2[kv.Row[T], error], fn func(*T) (v V, ok bool, err error)) ([]V, error) {
	out := []V{}
	p.more, p.last = false, nil
	for r, err := range rows {
		if err != nil {
			return nil, err
		}
		v, ok, err := fn(r.Value)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		if len(out) == p.max {
			p.more = true
			break
		}
		out = append(out, v)
		p.last = r.Key
	}
	return out, nil
}

// Rows are the rows of a list in memory, after a page's key. The list keeps
// its order while it is paged.
func Rows[T any](list []T, after kv.Key) iter.Seq2[kv.Row[T], error] {
	return func(yield func(kv.Row[T], error) bool) {
		for i := range list {
			k := kv.K(i)
			if bytes.Compare(k, after) > 0 && !yield(kv.Row[T]{Key: k, Value: &list[i]}, nil) {
				return
			}
		}
	}
}

// Truncated is the answer's IsTruncated.
func (p *Page) Truncated() *bool { return &p.more }

// Marker is the answer's Marker, nil on the last page.
func (p *Page) Marker() *string {
	if !p.more {
		return nil
	}
	m := p.c.PageToken(p.scope, p.last)
	return &m
}

// All is a Collect function that takes every row as it is.
func All[T any](v *T) (T, bool, error) { return *v, true, nil }
