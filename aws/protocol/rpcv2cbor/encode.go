package rpcv2cbor

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"

	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// Initial bytes that are whole items or begin indefinite ones.
const (
	startArray = majArray<<5 | indefinite
	startMap   = majMap<<5 | indefinite
	itemNull   = majSimple<<5 | simpleNull
)

func appendHead(b []byte, major byte, n uint64) []byte {
	major <<= 5
	switch {
	case n < 24:
		return append(b, major|byte(n))
	case n <= math.MaxUint8:
		return append(b, major|24, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, major|25), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, major|27), n)
}

func appendText(b []byte, s string) []byte {
	return append(appendHead(b, majText, uint64(len(s))), s...)
}

func appendInt(b []byte, n int64) []byte {
	if n < 0 {
		return appendHead(b, majNegInt, uint64(-1-n))
	}
	return appendHead(b, majUint, uint64(n))
}

func appendDouble(b []byte, f float64) []byte {
	return binary.BigEndian.AppendUint64(append(b, majSimple<<5|float64Bits), math.Float64bits(f))
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, majSimple<<5|simpleTrue)
	}
	return append(b, majSimple<<5|simpleFalse)
}

// appendValue writes v, a present value of m's shape, to b.
func appendValue(b []byte, m *smithy.Member, v reflect.Value) ([]byte, error) {
	var err error
	switch sh := m.Shape; sh.Kind {
	case smithy.Structure, smithy.Union:
		b, err = appendMembers(append(b, startMap), sh, v)
		return append(b, stop), err
	case smithy.List:
		return appendList(b, sh, v)
	case smithy.Map:
		return appendEntries(b, sh, v)
	case smithy.Document:
		return appendDocument(b, reflect.ValueOf(v.Interface()), 0)
	}
	return appendScalar(b, m.Shape, v)
}

// appendMembers writes the present members of a structure without its bounds.
func appendMembers(b []byte, sh *smithy.Shape, v reflect.Value) ([]byte, error) {
	if k := v.Kind(); k != reflect.Struct && k != reflect.Map {
		return b, wrongType(sh, v)
	}
	for _, m := range sh.Members {
		if m.IsStream() || m.Shape.EventStream {
			continue
		}
		e, ok := smithy.Get(v, m)
		if !ok {
			continue
		}
		var err error
		if b, err = appendValue(appendText(b, m.Name), m, e); err != nil {
			return b, fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	return b, nil
}

func wrongType(sh *smithy.Shape, v reflect.Value) error {
	return fmt.Errorf("a value of shape %s is a %s", sh.Name, v.Type())
}

// emptied reports whether e, which is nil, stands for an empty list, map or blob.
func emptied(m *smithy.Member, e reflect.Value) bool {
	if !e.IsValid() {
		return false
	}
	switch k := m.Shape.Kind; e.Kind() {
	case reflect.Slice:
		return k == smithy.List || k == smithy.Blob
	case reflect.Map:
		return k == smithy.Map
	}
	return false
}

// appendElement writes an element of a list of shape sh or a value of a map;
// ok is false for nil, which is null where the shape is sparse.
func appendElement(b []byte, sh *smithy.Shape, e reflect.Value, ok bool) ([]byte, error) {
	if !ok && (nullable(sh) || !emptied(sh.Elem, e)) {
		return append(b, itemNull), nil
	}
	return appendValue(b, sh.Elem, e)
}

func appendList(b []byte, sh *smithy.Shape, v reflect.Value) ([]byte, error) {
	if v.Kind() != reflect.Slice {
		return b, wrongType(sh, v)
	}
	b = append(b, startArray)
	for i := range v.Len() {
		e, ok := smithy.Indirect(v.Index(i))
		if !ok && !nullable(sh) && !emptied(sh.Elem, e) {
			continue
		}
		var err error
		if b, err = appendElement(b, sh, e, ok); err != nil {
			return b, err
		}
	}
	return append(b, stop), nil
}

func appendEntries(b []byte, sh *smithy.Shape, v reflect.Value) ([]byte, error) {
	if v.Kind() != reflect.Map {
		return b, wrongType(sh, v)
	}
	b = append(b, startMap)
	err := smithy.EachSorted(v, func(k string, e reflect.Value) error {
		e, ok := smithy.Indirect(e)
		if !ok && !nullable(sh) && !emptied(sh.Elem, e) {
			return nil
		}
		var err error
		b, err = appendElement(appendText(b, k), sh, e, ok)
		return err
	})
	return append(b, stop), err
}

func appendScalar(b []byte, sh *smithy.Shape, v reflect.Value) ([]byte, error) {
	switch k := sh.Kind; k {
	case smithy.String:
		if v.Kind() == reflect.String {
			return appendText(b, v.String()), nil
		}
	case smithy.Blob:
		if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
			return append(appendHead(b, majBytes, uint64(v.Len())), v.Bytes()...), nil
		}
	case smithy.Boolean:
		if v.Kind() == reflect.Bool {
			return appendBool(b, v.Bool()), nil
		}
	case smithy.Byte, smithy.Short, smithy.Integer, smithy.Long:
		if v.CanInt() {
			return appendInt(b, v.Int()), nil
		}
		if v.CanFloat() && v.Float() == math.Trunc(v.Float()) && math.Abs(v.Float()) <= 1<<53 {
			return appendInt(b, int64(v.Float())), nil
		}
	case smithy.Float, smithy.Double:
		if !v.CanInt() && !v.CanFloat() {
			break
		}
		f := smithy.Number(v)
		if k == smithy.Float {
			return binary.BigEndian.AppendUint32(append(b, majSimple<<5|float32Bits), math.Float32bits(float32(f))), nil
		}
		return appendDouble(b, f), nil
	case smithy.Timestamp:
		t, err := smithy.Time(v)
		if err != nil {
			return b, err
		}
		return appendDouble(appendHead(b, majTag, tagEpoch), float64(t.UnixMilli())/1e3), nil
	}
	return b, wrongType(sh, v)
}

func appendDocument(b []byte, v reflect.Value, depth int) ([]byte, error) {
	const limit = 1000
	if depth > limit {
		return b, fmt.Errorf("a document is nested more than %d levels deep", limit)
	}
	for v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	var err error
	switch {
	case !v.IsValid():
		return append(b, itemNull), nil
	case v.Kind() == reflect.Bool:
		return appendBool(b, v.Bool()), nil
	case v.Kind() == reflect.String:
		return appendText(b, v.String()), nil
	case v.CanInt():
		return appendInt(b, v.Int()), nil
	case v.CanUint():
		return appendHead(b, majUint, v.Uint()), nil
	case v.CanFloat():
		return appendDouble(b, v.Float()), nil
	case v.Kind() == reflect.Slice:
		b = append(b, startArray)
		for i := range v.Len() {
			if b, err = appendDocument(b, v.Index(i), depth+1); err != nil {
				return b, err
			}
		}
		return append(b, stop), nil
	case v.Kind() == reflect.Map && v.Type().Key().Kind() == reflect.String:
		b = append(b, startMap)
		for _, k := range smithy.SortedKeys(v) {
			if b, err = appendDocument(appendText(b, k.String()), v.MapIndex(k), depth+1); err != nil {
				return b, err
			}
		}
		return append(b, stop), nil
	}
	return b, fmt.Errorf("a document holds a %s", v.Type())
}
