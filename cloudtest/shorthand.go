package cloudtest

import (
	"fmt"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// parseShorthand reads the AWS CLI's key=value,key={…},key=[…] form of a
// structure or map into its neutral form.
func parseShorthand(sh *smithy.Shape, text string) (any, error) {
	p := &shorthand{s: strings.TrimSpace(text)}
	v, err := p.object(sh, 0)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", text, err)
	}
	return v, nil
}

// shorthand is a text and how far it was read.
type shorthand struct {
	s string
	i int
}

// peek is the next byte, 0 at the end.
func (p *shorthand) peek() byte {
	if p.i < len(p.s) {
		return p.s[p.i]
	}
	return 0
}

func (p *shorthand) spaces() {
	for p.peek() == ' ' {
		p.i++
	}
}

// more reads the comma or the closing byte after an element; it reports
// whether another element follows. The closing byte 0 is the end of the text.
func (p *shorthand) more(closing byte) (bool, error) {
	p.spaces()
	switch c := p.peek(); {
	case p.i >= len(p.s) && closing == 0:
		return false, nil
	case p.i >= len(p.s):
		return false, fmt.Errorf("expected %q at the end", closing)
	case c == ',':
		p.i++
		p.spaces()
		return true, nil
	case c == closing:
		p.i++
		return false, nil
	}
	return false, fmt.Errorf("expected a comma at %q", p.s[p.i:])
}

// object reads pairs up to the closing byte.
func (p *shorthand) object(sh *smithy.Shape, closing byte) (any, error) {
	out := map[string]any{}
	if p.spaces(); closing != 0 && p.peek() == closing {
		p.i++
		return out, nil
	}
	for {
		eq := strings.IndexByte(p.s[p.i:], '=')
		if eq < 0 {
			return nil, fmt.Errorf("expected key=value at %q", p.s[p.i:])
		}
		key := strings.TrimSpace(p.s[p.i : p.i+eq])
		p.i += eq + 1
		elem := sh.Elem
		if sh.Kind == smithy.Structure || sh.Kind == smithy.Union {
			elem = sh.Member(key)
		}
		if elem == nil {
			return nil, fmt.Errorf("%s has no member %q", sh.Name, key)
		}
		v, err := p.value(elem.Shape, closing)
		if err != nil {
			return nil, err
		}
		out[key] = v
		if again, err := p.more(closing); !again {
			return out, err
		}
	}
}

func (p *shorthand) value(sh *smithy.Shape, closing byte) (any, error) {
	p.spaces()
	nested := sh.Kind == smithy.Structure || sh.Kind == smithy.Union || sh.Kind == smithy.Map
	switch c := p.peek(); {
	case c == '{' && nested:
		p.i++
		return p.object(sh, '}')
	case nested:
		return nil, fmt.Errorf("%s wants {…}", sh.Name)
	case c == '[' && sh.Kind == smithy.List:
		p.i++
		return p.list(sh)
	case sh.Kind == smithy.List:
		return p.words(sh, closing)
	}
	return p.scalar(sh, closing)
}

// list reads the elements up to the closing bracket.
func (p *shorthand) list(sh *smithy.Shape) (any, error) {
	out := []any{}
	if p.spaces(); p.peek() == ']' {
		p.i++
		return out, nil
	}
	for {
		v, err := p.value(sh.Elem.Shape, ']')
		if err != nil {
			return nil, err
		}
		out = append(out, v)
		if again, err := p.more(']'); !again {
			return out, err
		}
	}
}

// words reads a list without brackets: scalars up to the next key.
func (p *shorthand) words(sh *smithy.Shape, closing byte) (any, error) {
	out := []any{}
	for {
		v, err := p.value(sh.Elem.Shape, closing)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
		if p.peek() != ',' {
			return out, nil
		}
		next := p.s[p.i+1:]
		if j := strings.IndexAny(next, ",="); j >= 0 && next[j] == '=' {
			return out, nil // more reads the comma
		}
		p.i++
	}
}

func (p *shorthand) scalar(sh *smithy.Shape, closing byte) (any, error) {
	w, err := p.word(closing)
	if err != nil {
		return nil, err
	}
	return scalar(sh, w)
}

// word reads a value in quotes, or up to a comma or the closing byte.
func (p *shorthand) word(closing byte) (string, error) {
	var b strings.Builder
	quote := p.peek()
	if quote != '"' && quote != '\'' {
		for ; p.i < len(p.s) && p.s[p.i] != ',' && (closing == 0 || p.s[p.i] != closing); p.i++ {
			if strings.HasPrefix(p.s[p.i:], `\,`) {
				p.i++
			}
			b.WriteByte(p.s[p.i])
		}
		return strings.TrimRight(b.String(), " "), nil
	}
	for p.i++; p.i < len(p.s); p.i++ {
		switch c := p.s[p.i]; {
		case c == quote:
			p.i++
			return b.String(), nil
		case c == '\\' && p.i+1 < len(p.s) && (p.s[p.i+1] == quote || p.s[p.i+1] == '\\'):
			p.i++
		}
		b.WriteByte(p.s[p.i])
	}
	return "", fmt.Errorf("expected %q at the end", quote)
}
