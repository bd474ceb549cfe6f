package policy

import (
	"strings"
	"unicode/utf8"
)

// Compiled patterns mark wildcards with bytes that no UTF-8 text holds, so
// that a "*" from ${*} or from a variable's value is only ever a character.
const (
	wildStar = 0xFF
	wildOne  = 0xFE
)

type patternKind uint8

const (
	matchExact patternKind = iota
	matchAny
	matchPrefix
	matchGlob
	matchTemplate
)

// pattern matches text, with the wildcards * and ? and with policy variables.
type pattern struct {
	text  string // as written
	kind  patternKind
	lit   string // for exact, prefix (without the star) and glob
	parts []part // for templates
}

// part is a piece of a template: literal text, or a variable.
type part struct {
	lit      string
	variable bool
	key      keyRef
	fallback string // the literal of ${key, 'fallback'}
	hasFall  bool
}

// syntax says which features a pattern's text has.
type syntax struct {
	wildcards bool
	variables bool
}

func compilePattern(text string, sx syntax) pattern {
	return joinParts(text, splitParts(text, sx))
}

func joinParts(text string, parts []part) pattern {
	p := pattern{text: text}
	var b strings.Builder
	for i := range parts {
		if parts[i].variable {
			p.kind, p.parts = matchTemplate, parts
			return p
		}
		b.WriteString(parts[i].lit)
	}
	p.lit = b.String()
	star := strings.IndexByte(p.lit, wildStar)
	switch {
	case star < 0 && strings.IndexByte(p.lit, wildOne) < 0:
		p.kind = matchExact
	case strings.Count(p.lit, "\xff") == len(p.lit):
		p.kind = matchAny
	case star == len(p.lit)-1 && strings.IndexByte(p.lit, wildOne) < 0:
		p.kind, p.lit = matchPrefix, p.lit[:star]
	default:
		p.kind = matchGlob
	}
	return p
}

// splitParts cuts text into literals, with wildcards marked, and variables.
// A "${" that is never closed is literal.
func splitParts(text string, sx syntax) []part {
	var parts []part
	var lit []byte
	flush := func() {
		if len(lit) > 0 {
			parts = append(parts, part{lit: string(lit)})
			lit = lit[:0]
		}
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case sx.variables && c == '$' && strings.HasPrefix(text[i:], "${"):
			end := strings.IndexByte(text[i:], '}')
			if end < 0 {
				lit = append(lit, c)
				continue
			}
			name := text[i+2 : i+end]
			i += end
			if name == "*" || name == "?" || name == "$" {
				lit = append(lit, name...)
				continue
			}
			flush()
			parts = append(parts, variablePart(name))
		case sx.wildcards && c == '*':
			lit = append(lit, wildStar)
		case sx.wildcards && c == '?':
			lit = append(lit, wildOne)
		default:
			lit = append(lit, c)
		}
	}
	flush()
	return parts
}

func variablePart(name string) part {
	key, rest, found := strings.Cut(name, ",")
	p := part{variable: true, key: makeKey(strings.TrimSpace(key))}
	if rest = strings.TrimSpace(rest); found && len(rest) >= 2 && rest[0] == '\'' && rest[len(rest)-1] == '\'' {
		p.fallback, p.hasFall = rest[1:len(rest)-1], true
	}
	return p
}

// match reports whether s matches p; unresolved is true when p could not match
// because a variable in it has no single value in the request.
func (p *pattern) match(ev *evaluation, s string) (matched, unresolved bool) {
	switch p.kind {
	case matchExact:
		return p.lit == s, false
	case matchAny:
		return true, false
	case matchPrefix:
		return strings.HasPrefix(s, p.lit), false
	case matchGlob:
		return glob(p.lit, s), false
	default:
		var buf [256]byte
		text, ok := p.expand(ev, buf[:0])
		if !ok {
			return false, true
		}
		return glob(text, s), false
	}
}

// matchIgnoreCase is match for a pattern without wildcards, by Unicode case folding.
func (p *pattern) matchIgnoreCase(ev *evaluation, s string) (matched, unresolved bool) {
	if p.kind != matchTemplate {
		return strings.EqualFold(p.lit, s), false
	}
	var buf [256]byte
	text, ok := p.expand(ev, buf[:0])
	if !ok {
		return false, true
	}
	return strings.EqualFold(string(text), s), false
}

// expand appends the template's text with its variables replaced.
func (p *pattern) expand(ev *evaluation, out []byte) ([]byte, bool) {
	for i := range p.parts {
		pt := &p.parts[i]
		if !pt.variable {
			out = append(out, pt.lit...)
			continue
		}
		v, ok := ev.variable(&pt.key)
		if !ok {
			if !pt.hasFall {
				return out, false
			}
			v = pt.fallback
		}
		if strings.IndexByte(v, wildStar) >= 0 || strings.IndexByte(v, wildOne) >= 0 {
			return out, false // not text; it must not become a wildcard
		}
		out = append(out, v...)
	}
	return out, true
}

// glob matches s with a pattern whose wildcards are wildStar and wildOne. It
// goes back to the last star only, so it takes at most len(p)*len(s) steps.
func glob[P string | []byte](p P, s string) bool {
	pi, si := 0, 0
	star, mark := -1, 0
	for si < len(s) {
		if pi < len(p) {
			switch p[pi] {
			case wildStar:
				star, mark = pi, si
				pi++
				continue
			case wildOne:
				si += width(s, si)
				pi++
				continue
			case s[si]:
				pi++
				si++
				continue
			}
		}
		if star < 0 {
			return false
		}
		mark += width(s, mark)
		pi, si = star+1, mark
	}
	for pi < len(p) && p[pi] == wildStar {
		pi++
	}
	return pi == len(p)
}

// width is the length in bytes of the character at s[i].
func width(s string, i int) int {
	if s[i] < utf8.RuneSelf {
		return 1
	}
	_, n := utf8.DecodeRuneInString(s[i:])
	return n
}

// actionPattern matches "service:Action" without regard to case.
type actionPattern struct {
	text string
	kind patternKind
	lit  string // lower case
}

func compileAction(text string) actionPattern {
	p := compilePattern(lowerASCII(text), syntax{wildcards: true})
	return actionPattern{text: text, kind: p.kind, lit: p.lit}
}

// match takes the request's action in lower case.
func (a *actionPattern) match(lower []byte) bool {
	switch a.kind {
	case matchAny:
		return true
	case matchExact:
		return a.lit == string(lower)
	case matchPrefix:
		return len(lower) >= len(a.lit) && a.lit == string(lower[:len(a.lit)])
	default:
		return globBytes(a.lit, lower)
	}
}

// globBytes is glob for ASCII text in bytes, such as an action's name.
func globBytes(p string, s []byte) bool {
	pi, si := 0, 0
	star, mark := -1, 0
	for si < len(s) {
		if pi < len(p) && p[pi] == wildStar {
			star, mark = pi, si
			pi++
			continue
		}
		if pi < len(p) && (p[pi] == wildOne || p[pi] == s[si]) {
			pi++
			si++
			continue
		}
		if star < 0 {
			return false
		}
		mark++
		pi, si = star+1, mark
	}
	for pi < len(p) && p[pi] == wildStar {
		pi++
	}
	return pi == len(p)
}

func lowerASCII(s string) string {
	for i := range len(s) {
		if s[i] >= 'A' && s[i] <= 'Z' {
			return string(appendLower(make([]byte, 0, len(s)), s))
		}
	}
	return s
}

func appendLower(b []byte, s string) []byte {
	for i := range len(s) {
		c := s[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return b
}
