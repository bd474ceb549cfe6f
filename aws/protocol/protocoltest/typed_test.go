package protocoltest

import (
	"fmt"
	"io"
	"reflect"
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// The suites are run over both forms of values. The typed form needs Go types,
// which are made here by reflection after the rules of cmd/awsgen. A structure
// within itself, which reflection cannot make, is of the generic form.

type maker struct{ within map[*smithy.Shape]bool }

// typeOf is the Go type of a structure.
func typeOf(sh *smithy.Shape) reflect.Type {
	m := maker{within: map[*smithy.Shape]bool{}}
	return m.of(sh)
}

var (
	anyType    = reflect.TypeFor[any]()
	readerType = reflect.TypeFor[io.Reader]()
	streamType = reflect.TypeFor[smithy.Stream]()
)

var scalarTypes = map[smithy.Kind]reflect.Type{
	smithy.String: reflect.TypeFor[string](), smithy.Blob: reflect.TypeFor[[]byte](), smithy.Boolean: reflect.TypeFor[bool](),
	smithy.Byte: reflect.TypeFor[int8](), smithy.Short: reflect.TypeFor[int16](), smithy.Integer: reflect.TypeFor[int32](),
	smithy.Long: reflect.TypeFor[int64](), smithy.Float: reflect.TypeFor[float32](), smithy.Double: reflect.TypeFor[float64](),
	smithy.Timestamp: reflect.TypeFor[time.Time](), smithy.Document: anyType,
}

func (k *maker) of(sh *smithy.Shape) reflect.Type {
	switch sh.Kind {
	case smithy.Structure, smithy.Union:
		if k.within[sh] {
			return anyType
		}
		k.within[sh] = true
		defer delete(k.within, sh)
		fields := make([]reflect.StructField, len(sh.Members))
		for i, m := range sh.Members {
			fields[i] = reflect.StructField{Name: fmt.Sprintf("M%d", i), Type: k.field(sh, m)}
		}
		return reflect.StructOf(fields)
	case smithy.List:
		return reflect.SliceOf(k.elem(sh))
	case smithy.Map:
		return reflect.MapOf(reflect.TypeFor[string](), k.elem(sh))
	}
	return scalarTypes[sh.Kind]
}

func (k *maker) field(sh *smithy.Shape, m *smithy.Member) reflect.Type {
	switch {
	case m.Shape.EventStream:
		return streamType
	case m.IsStream():
		return readerType
	}
	t := k.of(m.Shape)
	switch m.Shape.Kind {
	case smithy.List, smithy.Map, smithy.Blob, smithy.Document:
		return t
	}
	if t == anyType || m.Required && sh.Kind == smithy.Structure && m.Shape.Kind != smithy.Structure && m.Shape.Kind != smithy.Union {
		return t
	}
	return reflect.PointerTo(t)
}

func (k *maker) elem(sh *smithy.Shape) reflect.Type {
	t := k.of(sh.Elem.Shape)
	switch sh.Elem.Shape.Kind {
	case smithy.List, smithy.Map, smithy.Blob, smithy.Document:
		return t
	}
	if sh.Sparse && t != anyType {
		return reflect.PointerTo(t)
	}
	return t
}

// generic turns a typed value into the generic form; nil is absent.
func generic(sh *smithy.Shape, v reflect.Value) any {
	v, ok := smithy.Indirect(v)
	if !ok {
		return nil
	}
	switch sh.Kind {
	case smithy.Structure, smithy.Union:
		out := map[string]any{}
		for _, m := range sh.Members {
			if f, ok := smithy.Get(v, m); ok {
				if m.IsStream() || m.Shape.EventStream {
					out[m.Name] = f.Interface()
				} else {
					out[m.Name] = generic(m.Shape, f)
				}
			}
		}
		return out
	case smithy.List:
		out := []any{}
		for i := range v.Len() {
			out = append(out, generic(sh.Elem.Shape, v.Index(i)))
		}
		return out
	case smithy.Map:
		out := map[string]any{}
		for _, k := range v.MapKeys() {
			out[k.String()] = generic(sh.Elem.Shape, v.MapIndex(k))
		}
		return out
	case smithy.Float:
		return v.Float()
	}
	return v.Interface()
}

// typed stores a value of the generic form at v, which is settable.
func typed(sh *smithy.Shape, x any, v reflect.Value) {
	if x == nil {
		return
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if v.Kind() == reflect.Interface || v.Type() == streamType {
		v.Set(reflect.ValueOf(x))
		return
	}
	switch sh.Kind {
	case smithy.Structure, smithy.Union:
		for _, m := range sh.Members {
			typed(m.Shape, x.(map[string]any)[m.Name], v.Field(m.Index))
		}
	case smithy.List:
		list := x.([]any)
		v.Set(reflect.MakeSlice(v.Type(), len(list), len(list)))
		for i, e := range list {
			typed(sh.Elem.Shape, e, v.Index(i))
		}
	case smithy.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for k, e := range x.(map[string]any) {
			cell := reflect.New(v.Type().Elem()).Elem()
			typed(sh.Elem.Shape, e, cell)
			v.SetMapIndex(reflect.ValueOf(k), cell)
		}
	default:
		v.Set(reflect.ValueOf(x).Convert(v.Type()))
	}
}

// required says that a typed value cannot leave out what x leaves out.
func required(sh *smithy.Shape, x any) bool {
	fields, ok := x.(map[string]any)
	if !ok || sh == nil {
		return false
	}
	for _, m := range sh.Members {
		f := fields[m.Name]
		if f == nil && m.Required || f != nil && m.Shape.Kind == smithy.Structure && required(m.Shape, f) {
			return true
		}
	}
	return false
}
