package jsoncodec

import (
	"encoding/binary"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"

	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
)

// scanner is a JSON tokenizer over a body that is held in memory. It follows
// RFC 8259 to the letter.
type scanner struct {
	b     []byte
	i     int
	depth int
	// alias says that strings may share the body's memory. It is false for
	// large bodies, so that a short string does not keep a long body alive.
	alias bool
}

// aliasLimit is the longest body whose memory strings share.
const aliasLimit = 16 << 10

func newScanner(b []byte) scanner { return scanner{b: b, alias: len(b) <= aliasLimit} }

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\n', '\t', '\r':
			s.i++
		default:
			return
		}
	}
}

// peek skips white space and returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	for s.i < len(s.b) {
		switch c := s.b[s.i]; c {
		case ' ', '\n', '\t', '\r':
			s.i++
		default:
			return c
		}
	}
	return 0
}

func (s *scanner) syntax() error {
	if s.i >= len(s.b) {
		return protocol.Malformed("Unexpected end of the JSON document")
	}
	c := s.b[s.i]
	if c < ' ' || c >= utf8.RuneSelf {
		return protocol.Malformed("Unexpected byte 0x%02x at offset %d of the JSON document", c, s.i)
	}
	return protocol.Malformed("Unexpected character '%c' at offset %d of the JSON document", c, s.i)
}

// end checks that nothing but white space is left.
func (s *scanner) end() error {
	if s.space(); s.i < len(s.b) {
		return s.syntax()
	}
	return nil
}

func (s *scanner) expect(c byte) error {
	if s.peek() != c {
		return s.syntax()
	}
	s.i++
	return nil
}

// open enters an object or array.
func (s *scanner) open() error {
	if s.depth++; s.depth > protocol.MaxDepth {
		return protocol.Malformed("The document is nested more than %d levels deep", protocol.MaxDepth)
	}
	s.i++
	return nil
}

// more steps to the next element of an object or array that ends with c: it
// is false, and past the end, when there is none.
func (s *scanner) more(first bool, c byte) (bool, error) {
	switch b := s.peek(); {
	case b == c:
		s.i++
		s.depth--
		return false, nil
	case first:
		return true, nil
	case b != ',':
		return false, s.syntax()
	}
	s.i++
	if s.peek() == c {
		return false, s.syntax()
	}
	return true, nil
}

// key reads a member's name and the colon.
func (s *scanner) key() (string, error) {
	if s.peek() != '"' {
		return "", s.syntax()
	}
	k, err := s.str()
	if err != nil {
		return "", err
	}
	if s.i < len(s.b) && s.b[s.i] == ':' {
		s.i++
		return k, nil
	}
	return k, s.expect(':')
}

// null reads null when it is next.
func (s *scanner) null() (bool, error) {
	if s.peek() != 'n' {
		return false, nil
	}
	return true, s.word("null")
}

func (s *scanner) word(w string) error {
	for k := range len(w) {
		if s.i >= len(s.b) || s.b[s.i] != w[k] {
			return s.syntax()
		}
		s.i++
	}
	return nil
}

// Masks for eight bytes at a time.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// plain reports whether eight bytes hold no quote, backslash, control
// character or byte outside of ASCII.
func plain(w uint64) bool {
	quote := w ^ '"'*ones
	slash := w ^ '\\'*ones
	return ((quote-ones)|(slash-ones)|(w-' '*ones)|w)&highs == 0
}

// span returns the end of the string's part from i on that needs no work, and
// whether it is ASCII.
func (s *scanner) span(i int) (end int, ascii bool) {
	ascii = true
	for {
		for i+8 <= len(s.b) && plain(binary.LittleEndian.Uint64(s.b[i:])) {
			i += 8
		}
		stop := min(i+8, len(s.b))
		for ; i < stop; i++ {
			switch c := s.b[i]; {
			case c == '"' || c == '\\' || c < ' ':
				return i, ascii
			case c >= utf8.RuneSelf:
				ascii = false
			}
		}
		if i >= len(s.b) {
			return i, ascii
		}
	}
}

// text makes a string of the bytes from i to j.
func (s *scanner) text(i, j int) string {
	if i == j {
		return ""
	}
	if s.alias {
		return unsafe.String(&s.b[i], j-i)
	}
	return string(s.b[i:j])
}

// str reads a string; the next byte is its quote.
func (s *scanner) str() (string, error) {
	start := s.i + 1
	end, ascii := s.span(start)
	if end < len(s.b) && s.b[end] == '"' {
		if !ascii && !utf8.Valid(s.b[start:end]) {
			return "", errUTF8
		}
		s.i = end + 1
		return s.text(start, end), nil
	}
	return s.escaped(start, end)
}

var errUTF8 = protocol.Malformed("The JSON document holds a string that is not valid UTF-8")

// escaped reads a string that has escapes; its first part is known.
func (s *scanner) escaped(start, end int) (string, error) {
	out := append(make([]byte, 0, end-start+32), s.b[start:end]...)
	for {
		s.i = end
		if end >= len(s.b) || s.b[end] < ' ' {
			return "", s.syntax()
		}
		if s.b[end] == '"' {
			s.i++
			break
		}
		var err error
		if out, err = s.escape(out); err != nil {
			return "", err
		}
		start = s.i
		end, _ = s.span(start)
		out = append(out, s.b[start:end]...)
	}
	if !utf8.Valid(out) {
		return "", errUTF8
	}
	return unsafe.String(unsafe.SliceData(out), len(out)), nil
}

// escape reads one escape sequence; the next byte is its backslash.
func (s *scanner) escape(out []byte) ([]byte, error) {
	if s.i++; s.i >= len(s.b) {
		return nil, s.syntax()
	}
	c := s.b[s.i]
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		return s.unicode(out)
	default:
		return nil, s.syntax()
	}
	s.i++
	return append(out, c), nil
}

// unicode reads uXXXX, and the second half of a surrogate pair.
func (s *scanner) unicode(out []byte) ([]byte, error) {
	r, err := s.hex4()
	if err != nil {
		return nil, err
	}
	if utf16.IsSurrogate(r) {
		if s.i+1 >= len(s.b) || s.b[s.i] != '\\' || s.b[s.i+1] != 'u' {
			return nil, errUTF8
		}
		s.i++
		low, err := s.hex4()
		if err != nil {
			return nil, err
		}
		if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
			return nil, errUTF8
		}
	}
	return utf8.AppendRune(out, r), nil
}

func (s *scanner) hex4() (rune, error) {
	var r rune
	for range 4 {
		if s.i++; s.i >= len(s.b) {
			return 0, s.syntax()
		}
		c := s.b[s.i]
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, s.syntax()
		}
		r = r<<4 | rune(c)
	}
	s.i++
	return r, nil
}

// number reads a number and says whether it is written as an integer.
func (s *scanner) number() (tok []byte, integer bool, err error) {
	start := s.i
	if s.i < len(s.b) && s.b[s.i] == '-' {
		s.i++
	}
	first := s.i
	if !s.digits() || s.b[first] == '0' && s.i > first+1 {
		return nil, false, s.syntax()
	}
	integer = true
	if s.i < len(s.b) && s.b[s.i] == '.' {
		s.i++
		if integer = false; !s.digits() {
			return nil, false, s.syntax()
		}
	}
	if s.i < len(s.b) && s.b[s.i]|0x20 == 'e' {
		s.i++
		if s.i < len(s.b) && (s.b[s.i] == '+' || s.b[s.i] == '-') {
			s.i++
		}
		if integer = false; !s.digits() {
			return nil, false, s.syntax()
		}
	}
	return s.b[start:s.i], integer, nil
}

func (s *scanner) digits() bool {
	start := s.i
	for s.i < len(s.b) && s.b[s.i]-'0' <= 9 {
		s.i++
	}
	return s.i > start
}

// skip reads a value and forgets it.
func (s *scanner) skip() error {
	switch c := s.peek(); {
	case c == '"':
		_, err := s.str()
		return err
	case c == '{' || c == '[':
		return s.skipMany(c)
	case c == 't':
		return s.word("true")
	case c == 'f':
		return s.word("false")
	case c == 'n':
		return s.word("null")
	case c == '-' || c-'0' <= 9:
		_, _, err := s.number()
		return err
	}
	return s.syntax()
}

func (s *scanner) skipMany(c byte) error {
	if err := s.open(); err != nil {
		return err
	}
	for first := true; ; first = false {
		ok, err := s.more(first, c+2) // '{'+2 is '}', '['+2 is ']'
		if !ok || err != nil {
			return err
		}
		if c == '{' {
			if _, err := s.key(); err != nil {
				return err
			}
		}
		if err := s.skip(); err != nil {
			return err
		}
	}
}

// parseInt reads a token that is written as an integer.
func parseInt(tok []byte) (int64, bool) {
	if len(tok) > 20 {
		return 0, false
	}
	n, err := strconv.ParseInt(unsafe.String(unsafe.SliceData(tok), len(tok)), 10, 64)
	return n, err == nil
}
