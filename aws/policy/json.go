package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

const (
	// maxSize is the longest document that any AWS API takes, in bytes.
	maxSize = 131072
	// maxDepth is deeper than any policy: Statement, Condition, operator, key
	// and list make six.
	maxDepth = 16
)

// node is a JSON value that keeps the order of members and has no duplicates.
type node struct {
	kind    byte // '{', '[', 's'tring, 'n'umber, 'b'oolean or '0' for null
	text    string
	members []member
	items   []node
}

type member struct {
	name  string
	value node
}

func (n *node) get(name string) *node {
	for i := range n.members {
		if n.members[i].name == name {
			return &n.members[i].value
		}
	}
	return nil
}

// readJSON reads exactly one JSON value and refuses what encoding/json would
// let pass: repeated members, invalid UTF-8, trailing data, great depth.
func readJSON(b []byte) (*node, error) {
	if len(b) > maxSize {
		return nil, fmt.Errorf("longer than %d bytes", maxSize)
	}
	if !utf8.Valid(b) {
		return nil, errors.New("not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	n, err := readValue(dec, 0)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("data after the document")
	}
	return &n, nil
}

func readValue(dec *json.Decoder, depth int) (node, error) {
	if depth > maxDepth {
		return node{}, errors.New("nested too deeply")
	}
	tok, err := dec.Token()
	if err != nil {
		return node{}, err
	}
	switch t := tok.(type) {
	case string:
		return node{kind: 's', text: t}, nil
	case json.Number:
		return node{kind: 'n', text: t.String()}, nil
	case bool:
		return node{kind: 'b', text: fmt.Sprint(t)}, nil
	case json.Delim:
		if t == '[' {
			return readArray(dec, depth)
		}
		return readObject(dec, depth)
	default:
		return node{kind: '0'}, nil
	}
}

func readArray(dec *json.Decoder, depth int) (node, error) {
	n := node{kind: '['}
	for dec.More() {
		item, err := readValue(dec, depth+1)
		if err != nil {
			return node{}, err
		}
		n.items = append(n.items, item)
	}
	_, err := dec.Token()
	return n, err
}

func readObject(dec *json.Decoder, depth int) (node, error) {
	n := node{kind: '{'}
	seen := map[string]bool{}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return node{}, err
		}
		name, ok := tok.(string)
		if !ok {
			return node{}, errors.New("member name is not a string")
		}
		if seen[name] {
			return node{}, fmt.Errorf("repeated member %q", name)
		}
		seen[name] = true
		v, err := readValue(dec, depth+1)
		if err != nil {
			return node{}, err
		}
		n.members = append(n.members, member{name: name, value: v})
	}
	_, err := dec.Token()
	return n, err
}
