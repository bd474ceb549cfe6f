package kv

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"reflect"
	"strings"
	"time"
)

// Key is an encoded tuple. Keys compare byte by byte as their tuples compare
// part by part, and the key of a tuple is a prefix of the keys of all tuples
// that begin with it.
type Key []byte

// Each part is a tag, a payload and, where the payload has no fixed length, an
// end. Integers take as many bytes as they need: the tag carries their number,
// so that longer ones sort after shorter ones (and before, when negative).
// Text ends in a zero byte, and writes 0 as 1 1 and 1 as 1 2, so that the end
// sorts before everything and stands nowhere else: no part's encoding is a
// prefix of another's.
const (
	tagFalse  = 0x10
	tagTrue   = 0x11
	tagInt    = 0x20 // ±8
	tagUint   = 0x30 // +8
	tagTime   = 0x40
	tagString = 0x50
	tagBytes  = 0x60

	end    = 0x00
	escape = 0x01
)

// K encodes a tuple. A part is a string, a []byte, a bool, a time.Time (to the
// nanosecond, without its zone), an integer, or of a type made from one. Signed
// integers sort among themselves and so do unsigned ones; which of two types
// sorts first is fixed but means nothing. Any other type is a bug and panics.
func K(parts ...any) Key { return appendTuple(make(Key, 0, 16*len(parts)), parts) }

func appendTuple(k Key, parts []any) Key {
	for _, p := range parts {
		k = appendPart(k, p)
	}
	return k
}

func appendPart(k Key, part any) Key {
	switch p := part.(type) {
	case string:
		return appendText(k, tagString, p)
	case []byte:
		return appendText(k, tagBytes, p)
	case int:
		return appendInt(k, int64(p))
	case int64:
		return appendInt(k, p)
	case uint64:
		return appendUint(k, p)
	case bool:
		if p {
			return append(k, tagTrue)
		}
		return append(k, tagFalse)
	case time.Time:
		k = append(k, tagTime)
		k = binary.BigEndian.AppendUint64(k, uint64(p.Unix())^1<<63)
		return binary.BigEndian.AppendUint32(k, uint32(p.Nanosecond()))
	}
	switch v := reflect.ValueOf(part); v.Kind() {
	case reflect.String:
		return appendText(k, tagString, v.String())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return appendInt(k, v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return appendUint(k, v.Uint())
	case reflect.Bool:
		return appendPart(k, v.Bool())
	default:
		panic(fmt.Sprintf("kv: a key cannot hold a %T", part))
	}
}

func appendText[S string | []byte](k Key, tag byte, s S) Key {
	k = append(k, tag)
	for i := range len(s) {
		if s[i] <= escape {
			k = append(k, escape, s[i]+1)
		} else {
			k = append(k, s[i])
		}
	}
	return append(k, end)
}

func appendUint(k Key, u uint64) Key {
	n := (bits.Len64(u) + 7) / 8
	return appendLow(append(k, tagUint+byte(n)), u, n)
}

func appendInt(k Key, i int64) Key {
	if i >= 0 {
		n := (bits.Len64(uint64(i)) + 7) / 8
		return appendLow(append(k, tagInt+byte(n)), uint64(i), n)
	}
	n := (bits.Len64(^uint64(i)) + 7) / 8
	n = max(n, 1) // -1 has no significant bits, but must differ from 0
	return appendLow(append(k, tagInt-byte(n)), uint64(i), n)
}

// appendLow appends the n low bytes of u.
func appendLow(k Key, u uint64, n int) Key {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], u)
	return append(k, b[8-n:]...)
}

var errKey = errors.New("kv: not an encoded tuple")

// Decode returns the parts of the tuple as string, []byte, bool, time.Time (in
// UTC), int64 and uint64. It accepts only what K returns.
func (k Key) Decode() ([]any, error) {
	var parts []any
	for rest := []byte(k); len(rest) > 0; {
		part, n, err := decodePart(rest)
		if err != nil {
			return nil, fmt.Errorf("%w: %x", err, []byte(k))
		}
		parts = append(parts, part)
		rest = rest[n:]
	}
	return parts, nil
}

// decodePart returns the first part and the number of bytes that it takes.
func decodePart(b []byte) (part any, n int, err error) {
	tag, payload := b[0], b[1:]
	switch {
	case tag == tagFalse, tag == tagTrue:
		return tag == tagTrue, 1, nil
	case tag == tagString || tag == tagBytes:
		text, n, err := decodeText(payload)
		if tag == tagString {
			return string(text), 1 + n, err
		}
		return text, 1 + n, err
	case tag == tagTime:
		if len(payload) < 12 {
			return nil, 0, errKey
		}
		sec := int64(binary.BigEndian.Uint64(payload) ^ 1<<63)
		nsec := binary.BigEndian.Uint32(payload[8:])
		t := time.Unix(sec, int64(nsec)).UTC()
		if nsec > 999_999_999 || t.Unix() != sec {
			return nil, 0, errKey
		}
		return t, 13, nil
	case tagInt-8 <= tag && tag <= tagInt+8, tagUint <= tag && tag <= tagUint+8:
		return decodeNumber(tag, payload)
	}
	return nil, 0, errKey
}

func decodeText(b []byte) (text []byte, n int, err error) {
	size := bytes.IndexByte(b, end)
	if size < 0 {
		return nil, 0, errKey
	}
	text = make([]byte, 0, size)
	for i := 0; i < size; i++ {
		if b[i] != escape {
			text = append(text, b[i])
			continue
		}
		i++
		if b[i] != 1 && b[i] != 2 { // the end, at b[size], is neither
			return nil, 0, errKey
		}
		text = append(text, b[i]-1)
	}
	return text, size + 1, nil
}

func decodeNumber(tag byte, b []byte) (part any, n int, err error) {
	size := int(tag) - tagInt
	if tag >= tagUint {
		size = int(tag) - tagUint
	}
	negative := size < 0
	size = max(size, -size)
	if len(b) < size {
		return nil, 0, errKey
	}
	var buf [8]byte
	if negative {
		buf = [8]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	}
	copy(buf[8-size:], b[:size])
	u := binary.BigEndian.Uint64(buf[:])
	if tag >= tagUint {
		part = u
	} else {
		part = int64(u)
	}
	// Only the shortest form is an encoding, so that keys and tuples are one to one.
	if !bytes.Equal(appendPart(nil, part), append([]byte{tag}, b[:size]...)) {
		return nil, 0, errKey
	}
	return part, 1 + size, nil
}

// String shows the tuple for people, or the bytes when there is none.
func (k Key) String() string {
	parts, err := k.Decode()
	if err != nil {
		return fmt.Sprintf("%x", []byte(k))
	}
	var sb strings.Builder
	for i, p := range parts {
		if i > 0 {
			sb.WriteByte('/')
		}
		switch p := p.(type) {
		case string:
			fmt.Fprintf(&sb, "%q", p)
		case []byte:
			fmt.Fprintf(&sb, "0x%x", p)
		case time.Time:
			sb.WriteString(p.Format(time.RFC3339Nano))
		default:
			fmt.Fprint(&sb, p)
		}
	}
	return sb.String()
}
