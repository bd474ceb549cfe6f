package rpcv2cbor

import (
	"encoding/binary"
	"math"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
)

// Major types of CBOR.
const (
	majUint = iota
	majNegInt
	majBytes
	majText
	majArray
	majMap
	majTag
	majSimple
)

// Simple values, and the additional information of floats.
const (
	simpleFalse = 20 + iota
	simpleTrue
	simpleNull
	simpleUndefined
	_ // a simple value in the next byte
	float16
	float32Bits
	float64Bits
)

const (
	indefinite = 31
	stop       = 0xff
)

// scanner reads CBOR (RFC 8949) that is held in memory.
type scanner struct {
	b     []byte
	i     int
	depth int
	alias bool
}

// aliasLimit is the longest body whose memory strings share.
const aliasLimit = 16 << 10

func newScanner(b []byte) scanner { return scanner{b: b, alias: len(b) <= aliasLimit} }

var (
	errShort    = protocol.Malformed("Unexpected end of the CBOR document")
	errUTF8     = protocol.Malformed("The CBOR document holds a string that is not valid UTF-8")
	errReserved = protocol.Malformed("The CBOR document holds a reserved code")
	errTail     = protocol.Malformed("The CBOR document has bytes after its end")
)

// peek returns the next initial byte without reading it.
func (s *scanner) peek() (byte, error) {
	if s.i >= len(s.b) {
		return 0, errShort
	}
	return s.b[s.i], nil
}

// head reads an initial byte with its argument. info is 31 for indefinite
// lengths and for the stop code, which have no argument.
func (s *scanner) head() (major, info byte, arg uint64, err error) {
	c, err := s.peek()
	if err != nil {
		return 0, 0, 0, err
	}
	s.i++
	major, info = c>>5, c&31
	if info < 24 {
		return major, info, uint64(info), nil
	}
	if info == indefinite {
		if major == majUint || major == majNegInt || major == majTag {
			return 0, 0, 0, errReserved
		}
		return major, info, 0, nil
	}
	if info > 27 {
		return 0, 0, 0, errReserved
	}
	n := 1 << (info - 24)
	if len(s.b)-s.i < n {
		return 0, 0, 0, errShort
	}
	switch p := s.b[s.i:]; n {
	case 1:
		arg = uint64(p[0])
	case 2:
		arg = uint64(binary.BigEndian.Uint16(p))
	case 4:
		arg = uint64(binary.BigEndian.Uint32(p))
	default:
		arg = binary.BigEndian.Uint64(p)
	}
	s.i += n
	return major, info, arg, nil
}

func (s *scanner) take(n uint64) ([]byte, error) {
	if n > uint64(len(s.b)-s.i) {
		return nil, errShort
	}
	out := s.b[s.i : s.i+int(n)]
	s.i += int(n)
	return out, nil
}

// chunks reads a byte or text string whose head is read; what is definite
// shares the document's memory.
func (s *scanner) chunks(major, info byte, n uint64) (b []byte, shared bool, err error) {
	if info != indefinite {
		b, err = s.take(n)
		return b, true, err
	}
	for {
		c, err := s.peek()
		if err != nil {
			return nil, false, err
		}
		if c == stop {
			s.i++
			return b, false, nil
		}
		m, info, n, err := s.head()
		if err != nil {
			return nil, false, err
		}
		if m != major || info == indefinite {
			return nil, false, protocol.Malformed("A chunk of a CBOR string has another type than the string")
		}
		part, err := s.take(n)
		if err != nil {
			return nil, false, err
		}
		if major == majText && !utf8.Valid(part) {
			return nil, false, errUTF8
		}
		b = append(b, part...)
	}
}

// text reads a text string whose head is read.
func (s *scanner) text(info byte, n uint64) (string, error) {
	b, shared, err := s.chunks(majText, info, n)
	if err != nil || len(b) == 0 {
		return "", err
	}
	if !utf8.Valid(b) {
		return "", errUTF8
	}
	if shared && !s.alias {
		return string(b), nil
	}
	return unsafe.String(&b[0], len(b)), nil
}

// key reads a map's key, which is text.
func (s *scanner) key() (string, error) {
	major, info, n, err := s.head()
	if err != nil {
		return "", err
	}
	if major != majText {
		return "", protocol.Malformed("A key of a CBOR map is not text")
	}
	return s.text(info, n)
}

// many counts the elements of an array or map that is being read.
type many struct {
	left    uint64
	endless bool
}

// open enters an array or a map whose head is read.
func (s *scanner) open(info byte, n uint64) (many, error) {
	if s.depth++; s.depth > protocol.MaxDepth {
		return many{}, protocol.Malformed("The document is nested more than %d levels deep", protocol.MaxDepth)
	}
	if n > uint64(len(s.b)-s.i) {
		return many{}, errShort
	}
	return many{left: n, endless: info == indefinite}, nil
}

// more reports whether another element follows, and leaves the array or map
// when none does.
func (s *scanner) more(m *many) (bool, error) {
	if !m.endless {
		if m.left == 0 {
			s.depth--
			return false, nil
		}
		m.left--
		return true, nil
	}
	c, err := s.peek()
	if err != nil {
		return false, err
	}
	if c == stop {
		s.i++
		s.depth--
		return false, nil
	}
	return true, nil
}

// null reads null or undefined when it is next.
func (s *scanner) null() bool {
	if s.i < len(s.b) && (s.b[s.i] == majSimple<<5|simpleNull || s.b[s.i] == majSimple<<5|simpleUndefined) {
		s.i++
		return true
	}
	return false
}

// float reads a float whose head is read; ok is false when it is none.
func float(info byte, arg uint64) (f float64, ok bool) {
	switch info {
	case float16:
		return halfFloat(uint16(arg)), true
	case float32Bits:
		return float64(math.Float32frombits(uint32(arg))), true
	case float64Bits:
		return math.Float64frombits(arg), true
	}
	return 0, false
}

func halfFloat(h uint16) float64 {
	exp, frac := int(h>>10&31), float64(h&1023)
	var f float64
	switch exp {
	case 0:
		f = math.Ldexp(frac, -24)
	case 31:
		if f = math.Inf(1); frac != 0 {
			return math.NaN()
		}
	default:
		f = math.Ldexp(1024+frac, exp-25)
	}
	if h&0x8000 != 0 {
		return -f
	}
	return f
}

// skip reads a value and forgets it.
func (s *scanner) skip() error {
	major, info, n, err := s.head()
	if err != nil {
		return err
	}
	switch major {
	case majBytes, majText:
		_, _, err := s.chunks(major, info, n)
		return err
	case majTag:
		if s.depth++; s.depth > protocol.MaxDepth {
			return protocol.Malformed("The document is nested more than %d levels deep", protocol.MaxDepth)
		}
		err := s.skip()
		s.depth--
		return err
	case majArray, majMap:
		return s.skipMany(major, info, n)
	case majSimple:
		if info == indefinite || info == 24 && n < 32 {
			return errReserved
		}
	}
	return nil
}

func (s *scanner) skipMany(major, info byte, n uint64) error {
	m, err := s.open(info, n)
	if err != nil {
		return err
	}
	for {
		ok, err := s.more(&m)
		if !ok || err != nil {
			return err
		}
		if major == majMap {
			if err := s.skip(); err != nil {
				return err
			}
		}
		if err := s.skip(); err != nil {
			return err
		}
	}
}

// typeName says what an initial byte begins, for messages.
func typeName(c byte) string {
	switch c >> 5 {
	case majUint, majNegInt:
		return "INTEGER_VALUE"
	case majBytes:
		return "BYTE_STRING_VALUE"
	case majText:
		return "STRING_VALUE"
	case majArray:
		return "LIST_VALUE"
	case majMap:
		return "MAP_VALUE"
	case majTag:
		return "TAGGED_VALUE"
	}
	switch c & 31 {
	case simpleFalse, simpleTrue:
		return "BOOLEAN_VALUE"
	case float16, float32Bits, float64Bits:
		return "FLOAT_VALUE"
	}
	return "SIMPLE_VALUE"
}

// wrong says that the next value has another type than wanted.
func (s *scanner) wrong(want string) error {
	c, err := s.peek()
	if err != nil {
		return err
	}
	article := "a"
	if strings.HasPrefix(want, "I") {
		article = "an"
	}
	return protocol.Malformed("%s can not be converted to %s %s", typeName(c), article, want)
}
