package memkv

import (
	"bytes"
	"hash/maphash"

	"github.com/gigawatt-cloud/gigawatt/kv/driver"
)

// node is the root of an immutable search tree over keys: what changes is
// copied on the way from the root, so that an old root stays a snapshot. It is
// a treap: the hash of the key keeps it balanced.
type node struct {
	key, value  []byte
	priority    uint64
	left, right *node
}

var seed = maphash.MakeSeed()

func (n *node) get(key []byte) ([]byte, bool) {
	for n != nil {
		switch c := bytes.Compare(key, n.key); {
		case c < 0:
			n = n.left
		case c > 0:
			n = n.right
		default:
			return n.value, true
		}
	}
	return nil, false
}

// put returns the tree with a row set.
func (n *node) put(key, value []byte) *node {
	return n.insert(&node{key: key, value: value, priority: maphash.Bytes(seed, key)})
}

func (n *node) insert(in *node) *node {
	if n == nil {
		return in
	}
	c := bytes.Compare(in.key, n.key)
	if c == 0 {
		return &node{key: in.key, value: in.value, priority: n.priority, left: n.left, right: n.right}
	}
	if in.priority > n.priority {
		left, right := n.split(in.key)
		return &node{key: in.key, value: in.value, priority: in.priority, left: left, right: right}
	}
	m := *n
	if c < 0 {
		m.left = n.left.insert(in)
	} else {
		m.right = n.right.insert(in)
	}
	return &m
}

// split returns the rows before key and those after it.
func (n *node) split(key []byte) (left, right *node) {
	if n == nil {
		return nil, nil
	}
	switch c := bytes.Compare(key, n.key); {
	case c == 0:
		return n.left, n.right
	case c < 0:
		m := *n
		left, m.left = n.left.split(key)
		return left, &m
	default:
		m := *n
		m.right, right = n.right.split(key)
		return &m, right
	}
}

// remove returns the tree without a key.
func (n *node) remove(key []byte) *node {
	if n == nil {
		return nil
	}
	m := *n
	switch c := bytes.Compare(key, n.key); {
	case c == 0:
		return merge(n.left, n.right)
	case c < 0:
		m.left = n.left.remove(key)
	default:
		m.right = n.right.remove(key)
	}
	return &m
}

// merge joins two trees, of which all of a is before all of b.
func merge(a, b *node) *node {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.priority > b.priority:
		m := *a
		m.right = merge(a.right, b)
		return &m
	default:
		m := *b
		m.left = merge(a, b.left)
		return &m
	}
}

// iterator walks over a tree with a stack of the nodes that are still to come.
type iterator struct {
	stack      []*node
	start, end []byte
	reverse    bool
	at         *node
}

func (n *node) scan(start, end []byte, reverse bool) driver.Iterator {
	it := &iterator{start: start, end: end, reverse: reverse}
	it.descend(n)
	return it
}

// descend pushes the way to the first row of a subtree within the bounds.
func (it *iterator) descend(n *node) {
	for n != nil {
		switch {
		case bytes.Compare(n.key, it.start) < 0:
			n = n.right
		case len(it.end) > 0 && bytes.Compare(n.key, it.end) >= 0:
			n = n.left
		case it.reverse:
			it.stack = append(it.stack, n)
			n = n.right
		default:
			it.stack = append(it.stack, n)
			n = n.left
		}
	}
}

func (it *iterator) Next() bool {
	if len(it.stack) == 0 {
		it.at = nil
		return false
	}
	it.at = it.stack[len(it.stack)-1]
	it.stack = it.stack[:len(it.stack)-1]
	if it.reverse {
		it.descend(it.at.left)
	} else {
		it.descend(it.at.right)
	}
	return true
}

func (it *iterator) Key() []byte   { return it.at.key }
func (it *iterator) Value() []byte { return it.at.value }
func (it *iterator) Err() error    { return nil }
func (it *iterator) Close()        { it.stack = nil }
