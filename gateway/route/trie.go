package route

import (
	"net/http"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// trie holds the paths of one service by segment. A leaf holds the operations
// that share a method and a path; query strings and headers tell them apart.
type trie struct {
	root *node
}

type node struct {
	literal map[string]*node
	label   *node
	// greedy continues with the segments that follow a greedy label.
	greedy *node
	leaves map[string][]*leaf // by method
}

// leaf is one operation and what distinguishes it.
type leaf struct {
	op *smithy.Operation
	// labels are the label names in the order of the path.
	labels []string
	// slash says that the model's path ends with a slash.
	slash bool
	// literals are the query arguments written in the model's path.
	literals [][2]string
	// queries and headers are the required members bound there.
	queries, headers []string
}

func newTrie(s *smithy.Service) *trie {
	t := &trie{root: &node{}}
	for _, op := range s.Operations {
		t.add(op)
	}
	return t
}

func (t *trie) add(op *smithy.Operation) {
	path, query, _ := strings.Cut(op.URI, "?")
	l := &leaf{op: op, slash: len(path) > 1 && strings.HasSuffix(path, "/")}
	for arg := range strings.SplitSeq(query, "&") {
		if arg != "" {
			k, v, _ := strings.Cut(arg, "=")
			l.literals = append(l.literals, [2]string{k, v})
		}
	}
	if op.Input != nil {
		for _, m := range op.Input.Members {
			switch {
			case !m.Required:
			case m.Location == smithy.Querystring:
				l.queries = append(l.queries, m.WireName())
			case m.Location == smithy.Header:
				l.headers = append(l.headers, http.CanonicalHeaderKey(m.WireName()))
			}
		}
	}
	n := t.root
	for _, seg := range segments(path) {
		n = n.child(seg, l)
	}
	if n.leaves == nil {
		n.leaves = map[string][]*leaf{}
	}
	n.leaves[op.Method] = append(n.leaves[op.Method], l)
}

func (n *node) child(seg string, l *leaf) *node {
	next := func(p **node) *node {
		if *p == nil {
			*p = &node{}
		}
		return *p
	}
	if !strings.HasPrefix(seg, "{") {
		if n.literal == nil {
			n.literal = map[string]*node{}
		}
		c := n.literal[seg]
		c = next(&c)
		n.literal[seg] = c
		return c
	}
	name := strings.Trim(seg, "{}")
	if strings.HasSuffix(name, "+") {
		l.labels = append(l.labels, name[:len(name)-1])
		return next(&n.greedy)
	}
	l.labels = append(l.labels, name)
	return next(&n.label)
}

func segments(path string) []string {
	path = strings.Trim(path, "/")
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

// found is a leaf group with the label values that led to it.
type found struct {
	leaves   []*leaf
	values   []string
	literals int
}

// find returns the operation, the raw label values and how many segments
// matched literally; op is nil when nothing fits.
func (t *trie) find(method, path, rawQuery string, h http.Header) (op *smithy.Operation, labels map[string]string, literals int) {
	f := t.root.walk(method, strings.TrimPrefix(path, "/"), nil, 0)
	if f == nil {
		return nil, nil, 0
	}
	l := choose(f.leaves, rawQuery, h, strings.HasSuffix(path, "/"))
	if l == nil {
		return nil, nil, 0
	}
	labels = make(map[string]string, len(f.values))
	for i, v := range f.values {
		labels[l.labels[i]] = v
	}
	return l.op, labels, f.literals
}

// walk matches the rest of a path: literals before labels before greedy labels.
func (n *node) walk(method, rest string, values []string, literals int) *found {
	if rest == "" {
		if ls := n.leaves[method]; ls != nil {
			return &found{ls, values, literals}
		}
		return nil
	}
	seg, tail, _ := strings.Cut(rest, "/")
	if c := n.literal[seg]; c != nil {
		if f := c.walk(method, tail, values, literals+1); f != nil {
			return f
		}
	}
	if n.label != nil && seg != "" {
		if f := n.label.walk(method, tail, append(values[:len(values):len(values)], seg), literals); f != nil {
			return f
		}
	}
	if n.greedy == nil {
		return nil
	}
	if f := n.greedy.suffix(method, rest, values, literals); f != nil {
		return f
	}
	if ls := n.greedy.leaves[method]; ls != nil {
		return &found{ls, append(values[:len(values):len(values)], rest), literals}
	}
	return nil
}

// suffix matches the literal segments that follow a greedy label.
func (n *node) suffix(method, rest string, values []string, literals int) *found {
	for i := len(rest) - 1; i > 0; i-- {
		if rest[i] != '/' {
			continue
		}
		seg, _, _ := strings.Cut(rest[i+1:], "/")
		if c := n.literal[seg]; c != nil {
			_, tail, _ := strings.Cut(rest[i+1:], "/")
			if f := c.walk(method, tail, append(values[:len(values):len(values)], rest[:i]), literals+1); f != nil {
				return f
			}
		}
	}
	return nil
}

// choose picks the operation with the most distinguishing arguments present.
func choose(leaves []*leaf, rawQuery string, h http.Header, slash bool) *leaf {
	var best *leaf
	bestScore := 0
	for _, l := range leaves {
		score, ok := l.score(rawQuery, h)
		if !ok {
			continue
		}
		if len(leaves) > 1 && l.slash == slash {
			score++
		}
		if best == nil || score > bestScore {
			best, bestScore = l, score
		}
	}
	if best != nil {
		return best
	}
	// Nothing has all it requires: the validation of the likeliest says what is missing.
	for _, l := range leaves {
		if n := l.literalScore(rawQuery); n >= 0 && (best == nil || n > bestScore) {
			best, bestScore = l, n
		}
	}
	return best
}

func (l *leaf) score(rawQuery string, h http.Header) (int, bool) {
	n := l.literalScore(rawQuery)
	if n < 0 {
		return 0, false
	}
	for _, q := range l.queries {
		if _, ok := argument(rawQuery, q); !ok {
			return 0, false
		}
		n += 10
	}
	for _, name := range l.headers {
		if _, ok := h[name]; !ok {
			return 0, false
		}
		n += 10
	}
	if l.op.Deprecated {
		n -= 5
	}
	if id, ok := argument(rawQuery, "x-id"); ok && id == l.op.Name {
		n += 5 // newer SDKs name the operation
	}
	return n, true
}

// literalScore is ten for each literal query argument, or -1 when one is missing.
func (l *leaf) literalScore(rawQuery string) int {
	n := 0
	for _, q := range l.literals {
		v, ok := argument(rawQuery, q[0])
		if !ok || q[1] != "" && v != q[1] {
			return -1
		}
		n += 10
	}
	return n
}

// argument finds a raw query argument by its name.
func argument(rawQuery, name string) (value string, ok bool) {
	for rawQuery != "" {
		var arg string
		arg, rawQuery, _ = strings.Cut(rawQuery, "&")
		k, v, _ := strings.Cut(arg, "=")
		if k == name {
			return v, true
		}
	}
	return "", false
}
