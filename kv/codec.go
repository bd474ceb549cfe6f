package kv

import (
	"encoding/binary"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// A stored row is one byte that says how it is kept, and then either the whole
// encoding, or the number of continuation rows and the first piece.
const (
	formWhole = 0x01
	formSplit = 0x02
)

// pieceSize is what one entry of a split row holds at most.
const pieceSize = MaxValue - 16

// maxPieces is the number of continuation rows that a row of MaxRow needs.
const maxPieces = MaxRow / pieceSize

var (
	encMode = mustMode(cbor.EncOptions{
		Sort:          cbor.SortBytewiseLexical,
		Time:          cbor.TimeRFC3339NanoUTC,
		ShortestFloat: cbor.ShortestFloatNone,
		IndefLength:   cbor.IndefLengthForbidden,
	}.EncMode())
	decMode = mustMode(cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		IndefLength:      cbor.IndefLengthForbidden,
		MaxNestedLevels:  256,
		MaxArrayElements: 4 << 20,
		MaxMapPairs:      4 << 20,
	}.DecMode())
)

func mustMode[M any](m M, err error) M {
	if err != nil {
		panic(err) // the options are constants
	}
	return m
}

// encodeRow returns the stored forms of a value: the row itself and its
// continuation rows.
func encodeRow(v any) (row []byte, more [][]byte, err error) {
	buf := make([]byte, 1, 256)
	buf[0] = formWhole
	w := sliceWriter{buf}
	if err := encMode.NewEncoder(&w).Encode(v); err != nil {
		return nil, nil, fmt.Errorf("encode %T: %w", v, err)
	}
	if len(w.b) <= MaxValue {
		return w.b, nil, nil
	}
	data := w.b[1:]
	if len(data) > MaxRow {
		return nil, nil, fmt.Errorf("%w: a %T of %d bytes, at most %d are allowed", ErrTooLarge, v, len(data), MaxRow)
	}
	first := data[:pieceSize]
	for rest := data[pieceSize:]; len(rest) > 0; {
		n := min(len(rest), pieceSize)
		more = append(more, rest[:n:n])
		rest = rest[n:]
	}
	row = binary.AppendUvarint([]byte{formSplit}, uint64(len(more)))
	return append(row, first...), more, nil
}

type sliceWriter struct{ b []byte }

func (w *sliceWriter) Write(p []byte) (int, error) {
	w.b = append(w.b, p...)
	return len(p), nil
}

// splitRow returns the number of continuation rows of a stored row and the
// piece of the encoding that it holds itself.
func splitRow(row []byte) (pieces int, data []byte, err error) {
	if len(row) > 0 {
		switch row[0] {
		case formWhole:
			return 0, row[1:], nil
		case formSplit:
			n, size := binary.Uvarint(row[1:])
			if size > 0 && 0 < n && n <= maxPieces {
				return int(n), row[1+size:], nil
			}
		}
	}
	return 0, nil, fmt.Errorf("%w: a row of unknown form %.16x", ErrDamaged, row)
}

func decodeValue(data []byte, v any) error {
	if err := decMode.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%w: decode %T: %w", ErrDamaged, v, err)
	}
	return nil
}
