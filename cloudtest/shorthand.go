package cloudtest

import (
	"fmt"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// shorthand parses the AWS CLI's key=value,key={…},key=[…] form, by a shape.
type shorthand struct {
	s string
	i int
}

func (p *shorthand) peek() byte {
	if p.i < len(p.s) {
		return p.s[p.i]
	}
	return 0
}

// object reads pairs up to the closing byte, or to the end when it is "".
func (p *shorthand) object(sh *smithy.Shape, closing string) (any, error) {
	out := map[string]any{}
	for {
		if closing != "" && strings.HasPrefix(p.s[p.i:], closing) {
			p.i += len(closing)
			return out, nil
		}
		if p.i >= len(p.s) {
			if closing != "" {
				return nil, fmt.Errorf("%q lacks %s", p.s, closing)
			}
			return out, nil
		}
		eq := strings.IndexByte(p.s[p.i:], '=')
		if eq < 0 {
			return nil, fmt.Errorf("%q is not key=value", p.s[p.i:])
		}
		key := strings.TrimSpace(p.s[p.i : p.i+eq])
		p.i += eq + 1
		elem := sh.Elem
		if sh.Kind != smithy.Map {
			if elem = sh.Member(key); elem == nil {
				return nil, fmt.Errorf("%s has no member %q", sh.Name, key)
			}
		}
		v, err := p.value(elem.Shape, closing)
		if err != nil {
			return nil, err
		}
		out[key] = v
		if p.peek() == ',' {
			p.i++
		}
	}
}

func (p *shorthand) value(sh *smithy.Shape, closing string) (any, error) {
	switch {
	case p.peek() == '{':
		p.i++
		return p.object(sh, "}")
	case p.peek() == '[':
		p.i++
		return p.list(sh)
	case sh.Kind == smithy.List:
		return p.loose(sh, closing)
	}
	return scalar(sh, p.word(closing))
}

func (p *shorthand) list(sh *smithy.Shape) (any, error) {
	out := []any{}
	for p.peek() != ']' {
		if p.i >= len(p.s) {
			return nil, fmt.Errorf("%q lacks ]", p.s)
		}
		v, err := p.value(sh.Elem.Shape, "]")
		if err != nil {
			return nil, err
		}
		out = append(out, v)
		if p.peek() == ',' {
			p.i++
		}
	}
	p.i++
	return out, nil
}

// loose reads a list without brackets: words up to the next key.
func (p *shorthand) loose(sh *smithy.Shape, closing string) (any, error) {
	out := []any{}
	for {
		v, err := scalar(sh.Elem.Shape, p.word(closing))
		if err != nil {
			return nil, err
		}
		out = append(out, v)
		if p.peek() != ',' {
			return out, nil
		}
		next := p.s[p.i+1:]
		if j := strings.IndexAny(next, ",="); j >= 0 && next[j] == '=' {
			return out, nil
		}
		p.i++
	}
}

// word reads a value up to a comma or what closes the list or object.
func (p *shorthand) word(closing string) string {
	if q := p.peek(); q == '"' || q == '\'' {
		if end := strings.IndexByte(p.s[p.i+1:], q); end >= 0 {
			w := p.s[p.i+1 : p.i+1+end]
			p.i += end + 2
			return w
		}
	}
	end := strings.IndexAny(p.s[p.i:], ","+closing)
	if end < 0 {
		end = len(p.s) - p.i
	}
	w := p.s[p.i : p.i+end]
	p.i += end
	return w
}
