package eventstream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"
)

// Limits of the framing. AWS allows 16 MiB of payload and 128 KiB of headers.
const (
	MaxPayload = 16 << 20
	MaxHeaders = 128 << 10

	preludeSize = 12
	overhead    = preludeSize + 4
)

// Message is one frame of an event stream.
type Message struct {
	Headers []Header
	Payload []byte
}

// Header is a named value: bool, int8, int16, int32, int64, []byte, string,
// time.Time (milliseconds) or [UUID].
type Header struct {
	Name  string
	Value any
}

// UUID is a header's value of that type.
type UUID [16]byte

// Get returns the header's value, or nil.
func (m *Message) Get(name string) any {
	for i := range m.Headers {
		if m.Headers[i].Name == name {
			return m.Headers[i].Value
		}
	}
	return nil
}

// Text returns a header that is a string, or "".
func (m *Message) Text(name string) string {
	s, _ := m.Get(name).(string)
	return s
}

// The types of header values on the wire.
const (
	typeTrue = iota
	typeFalse
	typeInt8
	typeInt16
	typeInt32
	typeInt64
	typeBytes
	typeString
	typeTime
	typeUUID
)

// Append writes the frame of m to b.
func (m *Message) Append(b []byte) ([]byte, error) {
	start := len(b)
	b = append(b, make([]byte, preludeSize)...)
	var err error
	for _, h := range m.Headers {
		if b, err = appendHeader(b, h); err != nil {
			return b[:start], err
		}
	}
	headers := len(b) - start - preludeSize
	if headers > MaxHeaders || len(m.Payload) > MaxPayload {
		return b[:start], fmt.Errorf("eventstream: a message has %d bytes of headers and %d of payload", headers, len(m.Payload))
	}
	b = append(b, m.Payload...)
	frame := b[start:]
	binary.BigEndian.PutUint32(frame[0:], uint32(len(frame)+4))
	binary.BigEndian.PutUint32(frame[4:], uint32(headers))
	binary.BigEndian.PutUint32(frame[8:], crc32.ChecksumIEEE(frame[:8]))
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(frame)), nil
}

func appendHeader(b []byte, h Header) ([]byte, error) {
	if n := len(h.Name); n == 0 || n > 255 {
		return b, fmt.Errorf("eventstream: a header's name has %d bytes", n)
	}
	b = append(b, byte(len(h.Name)))
	b = append(b, h.Name...)
	switch v := h.Value.(type) {
	case bool:
		if v {
			return append(b, typeTrue), nil
		}
		return append(b, typeFalse), nil
	case int8:
		return append(b, typeInt8, byte(v)), nil
	case int16:
		return binary.BigEndian.AppendUint16(append(b, typeInt16), uint16(v)), nil
	case int32:
		return binary.BigEndian.AppendUint32(append(b, typeInt32), uint32(v)), nil
	case int64:
		return binary.BigEndian.AppendUint64(append(b, typeInt64), uint64(v)), nil
	case []byte:
		if len(v) > 1<<15-1 {
			break
		}
		b = binary.BigEndian.AppendUint16(append(b, typeBytes), uint16(len(v)))
		return append(b, v...), nil
	case string:
		if len(v) > 1<<15-1 {
			break
		}
		b = binary.BigEndian.AppendUint16(append(b, typeString), uint16(len(v)))
		return append(b, v...), nil
	case time.Time:
		return binary.BigEndian.AppendUint64(append(b, typeTime), uint64(v.UnixMilli())), nil
	case UUID:
		return append(append(b, typeUUID), v[:]...), nil
	default:
		return b, fmt.Errorf("eventstream: header %s is a %T", h.Name, h.Value)
	}
	return b, fmt.Errorf("eventstream: header %s is too long", h.Name)
}

// What a frame can have wrong.
var (
	ErrPrelude  = errors.New("eventstream: the prelude's checksum does not match")
	ErrChecksum = errors.New("eventstream: the message's checksum does not match")
	ErrLength   = errors.New("eventstream: the message's lengths are not possible")
	ErrHeader   = errors.New("eventstream: the message's headers are damaged")
)

// Read reads one frame. It returns io.EOF at the end of the stream, and
// io.ErrUnexpectedEOF within a frame.
func Read(r io.Reader) (*Message, error) {
	var prelude [preludeSize]byte
	if _, err := io.ReadFull(r, prelude[:]); err != nil {
		return nil, err
	}
	total, headers, err := lengths(prelude[:])
	if err != nil {
		return nil, err
	}
	frame := make([]byte, preludeSize, min(total, 64<<10))
	copy(frame, prelude[:])
	for len(frame) < total {
		n := len(frame)
		step := min(total-n, 64<<10)
		frame = append(frame, make([]byte, step)...)
		if _, err := io.ReadFull(r, frame[n:]); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return parse(frame, headers)
}

// Decode reads the frame at the front of b and returns what follows it.
func Decode(b []byte) (m *Message, rest []byte, err error) {
	if len(b) == 0 {
		return nil, nil, io.EOF
	}
	if len(b) < preludeSize {
		return nil, nil, io.ErrUnexpectedEOF
	}
	total, headers, err := lengths(b)
	if err != nil {
		return nil, nil, err
	}
	if len(b) < total {
		return nil, nil, io.ErrUnexpectedEOF
	}
	m, err = parse(b[:total], headers)
	return m, b[total:], err
}

func lengths(prelude []byte) (total, headers int, err error) {
	if crc32.ChecksumIEEE(prelude[:8]) != binary.BigEndian.Uint32(prelude[8:]) {
		return 0, 0, ErrPrelude
	}
	t, h := binary.BigEndian.Uint32(prelude), binary.BigEndian.Uint32(prelude[4:])
	if t < overhead || t > overhead+MaxHeaders+MaxPayload || h > MaxHeaders || h > t-overhead || t-overhead-h > MaxPayload {
		return 0, 0, ErrLength
	}
	return int(t), int(h), nil
}

func parse(frame []byte, headers int) (*Message, error) {
	end := len(frame) - 4
	if crc32.ChecksumIEEE(frame[:end]) != binary.BigEndian.Uint32(frame[end:]) {
		return nil, ErrChecksum
	}
	m := &Message{Payload: frame[preludeSize+headers : end]}
	for b := frame[preludeSize : preludeSize+headers]; len(b) > 0; {
		h, rest, ok := parseHeader(b)
		if !ok {
			return nil, ErrHeader
		}
		m.Headers = append(m.Headers, h)
		b = rest
	}
	return m, nil
}

// sizes are those of the values of fixed size, by type.
var sizes = [...]int{typeInt8: 1, typeInt16: 2, typeInt32: 4, typeInt64: 8, typeTime: 8, typeUUID: 16}

func parseHeader(b []byte) (h Header, rest []byte, ok bool) {
	n := int(b[0])
	if n == 0 || len(b) < n+2 {
		return h, nil, false
	}
	h.Name = string(b[1 : n+1])
	t := b[n+1]
	b = b[n+2:]
	if t > typeUUID {
		return h, nil, false
	}
	size := sizes[t]
	if t == typeBytes || t == typeString {
		if len(b) < 2 {
			return h, nil, false
		}
		size = int(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) < size {
		return h, nil, false
	}
	v := b[:size]
	switch t {
	case typeTrue, typeFalse:
		h.Value = t == typeTrue
	case typeInt8:
		h.Value = int8(v[0])
	case typeInt16:
		h.Value = int16(binary.BigEndian.Uint16(v))
	case typeInt32:
		h.Value = int32(binary.BigEndian.Uint32(v))
	case typeInt64:
		h.Value = int64(binary.BigEndian.Uint64(v))
	case typeBytes:
		h.Value = append([]byte{}, v...)
	case typeString:
		h.Value = string(v)
	case typeTime:
		h.Value = time.UnixMilli(int64(binary.BigEndian.Uint64(v))).UTC()
	case typeUUID:
		h.Value = UUID(v)
	}
	return h, b[size:], true
}
