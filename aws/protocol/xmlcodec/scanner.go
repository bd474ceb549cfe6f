package xmlcodec

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
)

type token uint8

const (
	atEOF token = iota
	atStart
	atEnd
	atText
)

// scanner splits a document into tags and text. It checks that the document is
// well formed as far as it has gone.
type scanner struct {
	b   []byte
	pos int
	// stack holds the names of the open elements.
	stack [][]byte
	// closing says that an empty-element tag still has to be ended.
	closing bool
	rooted  bool

	// name and attrs are of the tag at hand, text of the text; they are valid
	// until the next token.
	name    []byte
	attrs   []attr
	text    []byte
	scratch []byte
}

type attr struct{ name, value []byte }

var (
	errSyntax  = protocol.Malformed("The XML is not well-formed.")
	errDoctype = protocol.Malformed("The XML has a document type declaration, which is not accepted.")
	errUTF8    = protocol.Malformed("The XML is not valid UTF-8.")
	errDepth   = protocol.Malformed("The XML is nested too deeply.")
)

func (s *scanner) reset(b []byte) error {
	if !utf8.Valid(b) {
		return errUTF8
	}
	s.b, s.pos = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")), 0
	return nil
}

// next moves to the next tag or text. Comments and processing instructions are skipped.
func (s *scanner) next() (token, error) {
	if s.closing {
		s.closing = false
		s.pop()
		return atEnd, nil
	}
	for {
		if s.pos == len(s.b) {
			if len(s.stack) > 0 || !s.rooted {
				return atEOF, errSyntax
			}
			return atEOF, nil
		}
		if s.b[s.pos] != '<' {
			if err := s.chars(); err != nil {
				return 0, err
			}
			if len(s.stack) > 0 {
				return atText, nil
			}
			if len(bytes.TrimSpace(s.text)) > 0 {
				return 0, errSyntax
			}
			continue
		}
		rest := s.b[s.pos+1:]
		switch {
		case len(rest) == 0:
			return 0, errSyntax
		case rest[0] == '/':
			return atEnd, s.endTag()
		case rest[0] == '?':
			if err := s.skipPast("?>"); err != nil {
				return 0, err
			}
		case bytes.HasPrefix(rest, []byte("!--")):
			s.pos += len("<!--")
			if err := s.skipPast("-->"); err != nil {
				return 0, err
			}
		case bytes.HasPrefix(rest, []byte("![CDATA[")):
			return atText, s.cdata()
		case rest[0] == '!':
			return 0, errDoctype
		default:
			return atStart, s.startTag()
		}
	}
}

func (s *scanner) skipPast(end string) error {
	i := bytes.Index(s.b[s.pos:], []byte(end))
	if i < 0 {
		return errSyntax
	}
	s.pos += i + len(end)
	return nil
}

func (s *scanner) pop() { s.stack = s.stack[:len(s.stack)-1] }

func (s *scanner) cdata() error {
	if len(s.stack) == 0 {
		return errSyntax
	}
	s.pos += len("<![CDATA[")
	start := s.pos
	if err := s.skipPast("]]>"); err != nil {
		return err
	}
	var err error
	s.text, err = s.plain(s.b[start:s.pos-len("]]>")], false)
	return err
}

// chars reads text up to the next tag.
func (s *scanner) chars() (err error) {
	end := bytes.IndexByte(s.b[s.pos:], '<')
	if end < 0 {
		end = len(s.b) - s.pos
	}
	raw := s.b[s.pos : s.pos+end]
	s.pos += end
	s.text, err = s.plain(raw, true)
	return err
}

// plain resolves references, when asked to, and line ends. The result shares
// raw's memory or the scanner's.
func (s *scanner) plain(raw []byte, references bool) ([]byte, error) {
	for i, c := range raw {
		switch {
		case c == '&' && references, c == '\r':
			return s.resolve(raw, i, references)
		case c < ' ' && c != '\t' && c != '\n':
			return nil, errSyntax
		}
	}
	return raw, nil
}

func (s *scanner) resolve(raw []byte, from int, references bool) ([]byte, error) {
	out := s.scratch[:0]
	out = append(out, raw[:from]...)
	for i := from; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '\r':
			if i+1 == len(raw) || raw[i+1] != '\n' {
				out = append(out, '\n')
			}
		case c == '&' && references:
			end := bytes.IndexByte(raw[i:], ';')
			r, ok := rune(0), false
			if end > 0 {
				r, ok = reference(raw[i+1 : i+end])
			}
			if !ok {
				return nil, errSyntax
			}
			out = utf8.AppendRune(out, r)
			i += end
		case c < ' ' && c != '\t' && c != '\n':
			return nil, errSyntax
		default:
			out = append(out, c)
		}
	}
	s.scratch = out
	return out, nil
}

// reference resolves what is between & and ;. Control characters may be
// written so although XML 1.0 forbids it: names of S3's objects hold them.
func reference(name []byte) (rune, bool) {
	switch string(name) {
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "amp":
		return '&', true
	case "quot":
		return '"', true
	case "apos":
		return '\'', true
	}
	if len(name) < 2 || name[0] != '#' {
		return 0, false
	}
	digits, base := name[1:], 10
	if digits[0] == 'x' {
		digits, base = digits[1:], 16
	}
	n, err := strconv.ParseUint(string(digits), base, 32)
	if err != nil || n == 0 || n > utf8.MaxRune || !utf8.ValidRune(rune(n)) || n == 0xFFFE || n == 0xFFFF {
		return 0, false
	}
	return rune(n), true
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func (s *scanner) space() {
	for s.pos < len(s.b) && isSpace(s.b[s.pos]) {
		s.pos++
	}
}

// nameEnds are the bytes that a name cannot hold, among those below U+0080.
var nameEnds = func() (t [256]bool) {
	for c := range 128 {
		t[c] = !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.' || c == ':')
	}
	return t
}()

func (s *scanner) ident() ([]byte, error) {
	start := s.pos
	for s.pos < len(s.b) && !nameEnds[s.b[s.pos]] {
		s.pos++
	}
	name := s.b[start:s.pos]
	if len(name) == 0 || name[0] <= '9' {
		return nil, errSyntax
	}
	return name, nil
}

func (s *scanner) endTag() error {
	s.pos += len("</")
	name, err := s.ident()
	if err != nil {
		return err
	}
	s.space()
	if s.pos == len(s.b) || s.b[s.pos] != '>' || len(s.stack) == 0 || !bytes.Equal(name, s.stack[len(s.stack)-1]) {
		return errSyntax
	}
	s.pos++
	s.pop()
	return nil
}

func (s *scanner) startTag() (err error) {
	if len(s.stack) == 0 && s.rooted {
		return errSyntax
	}
	if len(s.stack) == protocol.MaxDepth {
		return errDepth
	}
	s.pos++
	if s.name, err = s.ident(); err != nil {
		return err
	}
	s.attrs = s.attrs[:0]
	for {
		before := s.pos
		s.space()
		if s.pos == len(s.b) {
			return errSyntax
		}
		switch s.b[s.pos] {
		case '>':
			s.pos++
		case '/':
			if s.pos+1 == len(s.b) || s.b[s.pos+1] != '>' {
				return errSyntax
			}
			s.pos += 2
			s.closing = true
		default:
			if s.pos == before {
				return errSyntax
			}
			if err := s.attribute(); err != nil {
				return err
			}
			continue
		}
		s.stack, s.rooted = append(s.stack, s.name), true
		return nil
	}
}

func (s *scanner) attribute() error {
	name, err := s.ident()
	if err != nil {
		return err
	}
	s.space()
	if s.pos == len(s.b) || s.b[s.pos] != '=' {
		return errSyntax
	}
	s.pos++
	s.space()
	if s.pos == len(s.b) || s.b[s.pos] != '"' && s.b[s.pos] != '\'' {
		return errSyntax
	}
	end := bytes.IndexByte(s.b[s.pos+1:], s.b[s.pos])
	if end < 0 {
		return errSyntax
	}
	value := s.b[s.pos+1 : s.pos+1+end]
	s.pos += end + 2
	if bytes.IndexByte(value, '<') >= 0 {
		return errSyntax
	}
	if value, err = s.plain(value, true); err != nil {
		return err
	}
	if len(s.scratch) > 0 && len(value) > 0 && &value[0] == &s.scratch[0] {
		value = bytes.Clone(value)
	}
	for _, a := range s.attrs {
		if bytes.Equal(a.name, name) {
			return errSyntax
		}
	}
	s.attrs = append(s.attrs, attr{name, value})
	return nil
}

// skip moves past the element whose start tag is at hand.
func (s *scanner) skip() error {
	for depth := 1; depth > 0; {
		t, err := s.next()
		if err != nil {
			return err
		}
		switch t {
		case atStart:
			depth++
		case atEnd:
			depth--
		case atEOF:
			return errSyntax
		}
	}
	return nil
}

// local is a name without its namespace's prefix.
func local(name []byte) []byte {
	if i := bytes.IndexByte(name, ':'); i >= 0 {
		return name[i+1:]
	}
	return name
}
