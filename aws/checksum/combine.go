package checksum

import (
	"encoding/binary"
	"fmt"
)

// Part is the checksum of one run of bytes and how many bytes it covers.
type Part struct {
	Sum    []byte
	Length int64
}

// Combine returns the checksum of the joined bytes of parts, in order, from
// their checksums alone. It is an error for an algorithm that is not
// [Algorithm.Combinable]. No parts give the checksum of no bytes.
func (a Algorithm) Combine(parts []Part) ([]byte, error) {
	if !a.Combinable() {
		return nil, fmt.Errorf("%s checksums of parts cannot be combined", a)
	}
	s := a.spec()
	f := field{poly: s.poly, top: 1 << (8*s.size - 1)}
	var crc uint64
	length, shift := int64(-1), uint64(0) // the parts of an upload are mostly of one length
	for i, p := range parts {
		if len(p.Sum) != s.size || p.Length < 0 {
			return nil, fmt.Errorf("part %d: a sum of %d bytes over %d bytes is not a %s checksum", i+1, len(p.Sum), p.Length, a)
		}
		if p.Length != length {
			length, shift = p.Length, f.shift(p.Length)
		}
		crc = f.mul(shift, crc) ^ s.number(p.Sum)
	}
	return s.bytes(crc), nil
}

func (s *spec) number(sum []byte) uint64 {
	if s.size == 4 {
		return uint64(binary.BigEndian.Uint32(sum))
	}
	return binary.BigEndian.Uint64(sum)
}

func (s *spec) bytes(crc uint64) []byte {
	if s.size == 4 {
		return binary.BigEndian.AppendUint32(nil, uint32(crc))
	}
	return binary.BigEndian.AppendUint64(nil, crc)
}

// field is the ring of polynomials over GF(2) modulo a CRC's polynomial, with
// reflected bits: top is the bit of x^0.
//
// A CRC over A then B is CRC(A)*x^(8*len(B)) + CRC(B): the start value and the
// final inversion cancel out between the two.
type field struct{ poly, top uint64 }

// mul multiplies two polynomials.
func (f field) mul(a, b uint64) uint64 {
	var p uint64
	for m := f.top; a != 0; m >>= 1 {
		if a&m != 0 {
			p ^= b
			a &^= m
		}
		b = f.timesX(b)
	}
	return p
}

func (f field) timesX(b uint64) uint64 {
	if b&1 == 1 {
		return b>>1 ^ f.poly
	}
	return b >> 1
}

// shift returns x^(8n), by squaring.
func (f field) shift(n int64) uint64 {
	p := f.top
	square := f.top >> 8 // x^8
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			p = f.mul(square, p)
		}
		square = f.mul(square, square)
	}
	return p
}
