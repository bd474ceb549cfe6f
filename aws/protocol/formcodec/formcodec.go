// Package formcodec reads the requests of the query protocols: parameters of a
// form or a query string whose dotted names lead into a structure, such as
// Filter.1.Value.2.
//
// awsQuery and ec2 share it; they differ in [Rules]. It writes nothing: the
// answers of both are XML. Start at [Rules.Decode].
package formcodec

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// Rules are how a protocol names parameters. Their plans are kept, so a
// protocol makes its Rules once.
type Rules struct {
	// Name is a member's name in parameters.
	Name func(m *smithy.Member) string
	// Flat says that lists never have a segment between their name and the index.
	Flat bool

	plans sync.Map // *smithy.Shape -> map[string]*smithy.Member
}

func (r *Rules) members(sh *smithy.Shape) map[string]*smithy.Member {
	if p, ok := r.plans.Load(sh); ok {
		return p.(map[string]*smithy.Member)
	}
	p := make(map[string]*smithy.Member, len(sh.Members))
	for _, m := range sh.Members {
		p[r.Name(m)] = m
	}
	r.plans.Store(sh, p)
	return p
}

// Decode reads the parameters of rq, in its query string and in its body, into
// the structure sh that f fills. Parameters that the structure does not have are ignored.
func (r *Rules) Decode(rq *protocol.Request, sh *smithy.Shape, f *smithy.Fields, problems *smithy.Problems) error {
	body, err := protocol.ReadBody(rq)
	if err != nil {
		return err
	}
	var ps params
	if ps, err = parse(ps, rq.RawQuery); err != nil {
		return err
	}
	if ps, err = parse(ps, string(body)); err != nil {
		return err
	}
	slices.SortStableFunc(ps, func(a, b param) int { return compare(a.name, b.name) })
	d := decoder{rules: r, problems: problems}
	_, err = d.structure(sh, 0, ps, f)
	return err
}

type param struct{ name, value string }

// params are sorted by [compare], so that what has a prefix in common is contiguous.
type params []param

func parse(ps params, raw string) (params, error) {
	raw = strings.TrimRight(raw, "\r\n")
	ps = slices.Grow(ps, strings.Count(raw, "&")+1)
	for raw != "" {
		var item string
		item, raw, _ = strings.Cut(raw, "&")
		if item == "" {
			continue
		}
		k, v, _ := strings.Cut(item, "=")
		name, err := url.QueryUnescape(k)
		if err != nil {
			return nil, errEscape
		}
		value, err := url.QueryUnescape(v)
		if err != nil {
			return nil, errEscape
		}
		ps = append(ps, param{name, value})
	}
	return ps, nil
}

var errEscape = protocol.Malformed("The parameters have an invalid percent-encoding.")

// compare orders names with the dot before all other bytes.
func compare(a, b string) int {
	for i := range min(len(a), len(b)) {
		if x, y := a[i], b[i]; x != y {
			switch {
			case x == '.':
				return -1
			case y == '.':
				return 1
			}
			return cmp.Compare(x, y)
		}
	}
	return cmp.Compare(len(a), len(b))
}

// segment is the part of name from at to the next dot.
func segment(name string, at int) string {
	s := name[at:]
	if i := strings.IndexByte(s, '.'); i >= 0 {
		return s[:i]
	}
	return s
}

// groups calls yield for each run of ps with the same segment at at. end is
// where the segment ends; exact are those that end there too, below those that go on.
func (ps params) groups(at int, yield func(seg string, end int, exact, below params) error) error {
	for i := 0; i < len(ps); {
		seg := segment(ps[i].name, at)
		end := at + len(seg)
		j, k := i, i
		for ; j < len(ps) && len(ps[j].name) >= end && ps[j].name[at:end] == seg; j++ {
			if len(ps[j].name) == end {
				k++
			} else if ps[j].name[end] != '.' {
				break
			}
		}
		if err := yield(seg, end, ps[i:k], ps[k:j]); err != nil {
			return err
		}
		i = j
	}
	return nil
}

// item is an element of a list or an entry of a map.
type item struct {
	index        uint64
	end          int
	exact, below params
}

// index reads a segment that numbers an element.
func index(seg string) (n uint64, ok bool) {
	if seg == "" || len(seg) > 9 {
		return 0, false
	}
	for i := range len(seg) {
		c := seg[i] - '0'
		if c > 9 {
			return 0, false
		}
		n = n*10 + uint64(c)
	}
	return n, true
}

// items collects what is numbered below at, also where one of the words stands
// before the number, in the order of the numbers. Numbers may be left out.
func (ps params) items(at int, words ...string) ([]item, error) {
	var out []item
	err := ps.groups(at, func(seg string, end int, exact, below params) error {
		if n, ok := index(seg); ok {
			out = append(out, item{n, end, exact, below})
			return nil
		}
		if len(exact) > 0 || !slices.Contains(words, seg) {
			return noIndex(ps)
		}
		return below.groups(end+1, func(seg string, end int, exact, below params) error {
			n, ok := index(seg)
			if !ok {
				return noIndex(ps)
			}
			out = append(out, item{n, end, exact, below})
			return nil
		})
	})
	slices.SortStableFunc(out, func(a, b item) int { return cmp.Compare(a.index, b.index) })
	return out, err
}

func noIndex(ps params) error {
	return protocol.Malformed("The parameter %s has no index where one is expected.", short(ps[0].name))
}

func short(name string) string {
	const limit = 128
	if len(name) > limit {
		return name[:limit]
	}
	return name
}
