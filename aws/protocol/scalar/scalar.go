// Package scalar is how simple values look as text: in XML, in forms, in
// headers, in paths and in query strings.
//
// The protocols that write values as text share it; the JSON and CBOR ones
// have forms of their own. It knows no structure, list or map. Start at [Set]
// and [Append]; timestamps are package timestamp's.
package scalar

import (
	"encoding/base64"
	"math"
	"reflect"
	"strconv"
	"unicode/utf8"

	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/timestamp"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// Set parses s as a value of member m and stores it at v, which is settable.
// tf is the format of a timestamp, as [smithy.Member.Time] resolves it. Text
// that is not such a value is a *protocol.SerializationError.
func Set(v reflect.Value, m *smithy.Member, s string, tf smithy.TimestampFormat) error {
	switch k := m.Shape.Kind; k {
	case smithy.String:
		if !utf8.ValidString(s) {
			return protocol.Malformed("The value of %s is not valid UTF-8.", name(m))
		}
		smithy.SetString(v, s)
	case smithy.Boolean:
		switch s {
		case "true":
			smithy.SetBool(v, true)
		case "false":
			smithy.SetBool(v, false)
		default:
			return refused(m, s, "is not true or false")
		}
	case smithy.Byte, smithy.Short, smithy.Integer, smithy.Long:
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return refused(m, s, "is not an integer")
		}
		if !smithy.IntFits(k, n) {
			return refused(m, s, "is out of range")
		}
		smithy.SetInt(v, n)
	case smithy.Float, smithy.Double:
		f, ok := ParseFloat(s, k)
		if !ok {
			return refused(m, s, "is not a number")
		}
		smithy.SetFloat(v, f)
	case smithy.Timestamp:
		t, ok := ParseTime(s, tf)
		if !ok {
			return refused(m, s, "is not a timestamp in the expected format")
		}
		smithy.SetTime(v, t)
	case smithy.Blob:
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return protocol.Malformed("The value of %s is not valid base64.", name(m))
		}
		smithy.SetBytes(v, b)
	default:
		return protocol.Malformed("The value of %s cannot be given as text.", name(m))
	}
	return nil
}

func name(m *smithy.Member) string {
	if n := m.WireName(); n != "" {
		return n
	}
	return m.Shape.Name
}

func refused(m *smithy.Member, s, why string) error {
	const limit = 64
	if len(s) > limit {
		s = s[:limit]
	}
	return protocol.Malformed("The value %q of %s %s.", s, name(m), why)
}

// ParseFloat reads a decimal number, NaN, Infinity or -Infinity in the range
// of kind k; ok is false for anything else.
func ParseFloat(s string, k smithy.Kind) (f float64, ok bool) {
	switch s {
	case "NaN":
		return math.NaN(), true
	case "Infinity":
		return math.Inf(1), true
	case "-Infinity":
		return math.Inf(-1), true
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9', c == '.', c == '-', c == '+', c == 'e', c == 'E':
		default:
			return 0, false
		}
	}
	bits := 64
	if k == smithy.Float {
		bits = 32
	}
	f, err := strconv.ParseFloat(s, bits)
	return f, err == nil
}

// Append writes v, a present value of member m, to b. tf is the format of a
// timestamp. A kind that has no text leaves b as it is.
func Append(b []byte, m *smithy.Member, v reflect.Value, tf smithy.TimestampFormat) ([]byte, error) {
	switch k := m.Shape.Kind; k {
	case smithy.String:
		b = append(b, v.String()...)
	case smithy.Boolean:
		b = strconv.AppendBool(b, v.Bool())
	case smithy.Byte, smithy.Short, smithy.Integer, smithy.Long:
		b = strconv.AppendInt(b, v.Int(), 10)
	case smithy.Float, smithy.Double:
		b = AppendFloat(b, smithy.Number(v), k)
	case smithy.Timestamp:
		t, err := smithy.Time(v)
		if err != nil {
			return b, err
		}
		b = timestamp.Append(b, tf, t)
	case smithy.Blob:
		b = base64.StdEncoding.AppendEncode(b, v.Bytes())
	}
	return b, nil
}

// AppendFloat writes f to b in as few digits as name it among kind k's numbers.
func AppendFloat(b []byte, f float64, k smithy.Kind) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, "NaN"...)
	case math.IsInf(f, 1):
		return append(b, "Infinity"...)
	case math.IsInf(f, -1):
		return append(b, "-Infinity"...)
	}
	bits := 64
	if k == smithy.Float {
		bits = 32
	}
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'E'
	}
	return strconv.AppendFloat(b, f, format, -1, bits)
}
