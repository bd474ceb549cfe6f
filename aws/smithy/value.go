package smithy

import (
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"
	"time"
)

// How values look in Go. Two forms are understood everywhere a value is read
// or set, so that codecs work with and without generated types:
//
//   - typed: a struct whose fields are the shape's members in order. Required
//     scalars are plain, optional ones pointers; structures are pointers,
//     lists slices, maps map[string]T; nil is absent.
//   - generic: structures and maps are map[string]any, lists []any, scalars
//     string, bool, int64, float64, []byte, time.Time; documents any.
//
// A streaming blob is an io.Reader, an event stream a [Stream] in both forms.

// Stream is a sequence of events, each a pointer to the union's struct (typed)
// or a map with one entry (generic). It ends after an error.
type Stream = iter.Seq2[any, error]

// StreamOf returns the event stream that v holds, nil when it holds none.
func StreamOf(v reflect.Value) Stream {
	if v.IsValid() && v.CanConvert(streamType) {
		s, _ := v.Convert(streamType).Interface().(Stream)
		return s
	}
	return nil
}

var (
	streamType    = reflect.TypeFor[Stream]()
	stringPointer = reflect.TypeFor[*string]()
)

// TimeType is time.Time's reflection type.
var TimeType = reflect.TypeFor[time.Time]()

// Indirect follows pointers and interfaces; ok is false when it meets nil, or
// v is a nil slice or map.
func Indirect(v reflect.Value) (out reflect.Value, ok bool) {
	for {
		switch v.Kind() {
		case reflect.Invalid:
			return v, false
		case reflect.Pointer, reflect.Interface:
			if v.IsNil() {
				return v, false
			}
			v = v.Elem()
		case reflect.Slice, reflect.Map, reflect.Func:
			return v, !v.IsNil()
		default:
			return v, true
		}
	}
}

// Get returns the value of a structure's member, followed through pointers; ok
// is false when it is absent. v is a struct or a map[string]any.
func Get(v reflect.Value, m *Member) (out reflect.Value, ok bool) {
	if v.Kind() == reflect.Map {
		e, found := v.Interface().(map[string]any)[m.Name]
		if !found || e == nil {
			return reflect.Value{}, false
		}
		if m.IsStream() {
			return reflect.ValueOf(e), true
		}
		return Indirect(reflect.ValueOf(e))
	}
	f := v.Field(m.Index)
	if f.Kind() == reflect.Interface && (m.IsStream() || m.Shape.Kind == Document) {
		return f, !f.IsNil()
	}
	return Indirect(f)
}

// Time returns a timestamp's value.
func Time(v reflect.Value) (time.Time, error) {
	switch {
	case v.Type() != TimeType:
	case v.CanAddr(): // spares the copy on the heap
		return *v.Addr().Interface().(*time.Time), nil
	default:
		return v.Interface().(time.Time), nil
	}
	return time.Time{}, fmt.Errorf("a timestamp is a %s", v.Type())
}

// Number returns a number's value as a float64.
func Number(v reflect.Value) float64 {
	if v.CanInt() {
		return float64(v.Int())
	}
	return v.Float()
}

// SortedKeys returns the keys of a map of strings in order.
func SortedKeys(v reflect.Value) []reflect.Value {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int {
		switch as, bs := a.String(), b.String(); {
		case as < bs:
			return -1
		case as > bs:
			return 1
		}
		return 0
	})
	return keys
}

// EachSorted calls yield for each entry of the map v in the order of the keys,
// until yield fails. elem is valid until yield returns.
func EachSorted(v reflect.Value, yield func(key string, elem reflect.Value) error) error {
	type entry struct {
		key string
		i   int
	}
	var room [16]entry
	order := room[:0]
	byKey := func(a, b entry) int { return strings.Compare(a.key, b.key) }
	if m, ok := v.Interface().(map[string]any); ok {
		for k := range m {
			order = append(order, entry{key: k})
		}
		slices.SortFunc(order, byKey)
		for _, e := range order {
			if err := yield(e.key, reflect.ValueOf(m[e.key])); err != nil {
				return err
			}
		}
		return nil
	}
	elems := reflect.MakeSlice(reflect.SliceOf(v.Type().Elem()), v.Len(), v.Len())
	key := reflect.New(v.Type().Key()).Elem()
	it := v.MapRange()
	for i := 0; it.Next(); i++ {
		key.SetIterKey(it)
		elems.Index(i).SetIterValue(it)
		order = append(order, entry{key.String(), i})
	}
	slices.SortFunc(order, byKey)
	for _, e := range order {
		if err := yield(e.key, elems.Index(e.i)); err != nil {
			return err
		}
	}
	return nil
}

// target makes room at v, which is settable: it allocates a pointer's pointee.
func target(v reflect.Value) reflect.Value {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		v = v.Elem()
	}
	return v
}

// SetString stores s at v.
func SetString(v reflect.Value, s string) {
	if v.Type() == stringPointer {
		stored := s // so that only this case allocates
		*v.Addr().Interface().(**string) = &stored
		return
	}
	if v = target(v); v.Kind() == reflect.Interface {
		v.Set(reflect.ValueOf(s))
		return
	}
	v.SetString(s)
}

// SetBool stores b at v.
func SetBool(v reflect.Value, b bool) {
	if v = target(v); v.Kind() == reflect.Interface {
		v.Set(reflect.ValueOf(b))
		return
	}
	v.SetBool(b)
}

// SetInt stores n at v. The caller has checked the range with [IntFits].
func SetInt(v reflect.Value, n int64) {
	if v = target(v); v.Kind() == reflect.Interface {
		v.Set(reflect.ValueOf(n))
		return
	}
	v.SetInt(n)
}

// SetFloat stores f at v.
func SetFloat(v reflect.Value, f float64) {
	if v = target(v); v.Kind() == reflect.Interface {
		v.Set(reflect.ValueOf(f))
		return
	}
	v.SetFloat(f)
}

// SetBytes stores b at v without copying it.
func SetBytes(v reflect.Value, b []byte) {
	if b == nil {
		b = []byte{}
	}
	if v = target(v); v.Kind() == reflect.Interface {
		v.Set(reflect.ValueOf(b))
		return
	}
	v.SetBytes(b)
}

// SetTime stores t at v.
func SetTime(v reflect.Value, t time.Time) {
	target(v).Set(reflect.ValueOf(t))
}

// SetAny stores a stream, a reader or a document at v.
func SetAny(v reflect.Value, x any) {
	if x == nil {
		return
	}
	target(v).Set(reflect.ValueOf(x))
}

// IntFits reports whether n is in the range of an integer kind.
func IntFits(k Kind, n int64) bool {
	switch k {
	case Byte:
		return n >= -1<<7 && n < 1<<7
	case Short:
		return n >= -1<<15 && n < 1<<15
	case Integer:
		return n >= -1<<31 && n < 1<<31
	}
	return true
}

// Fields is a structure that is being filled.
type Fields struct {
	shape *Shape
	v     reflect.Value  // typed
	m     map[string]any // generic
	seen  uint64         // the first 64 members
	more  map[int]bool   // the others
}

// Fill starts to fill the structure at v, which is settable; it is made when
// v holds nil.
func Fill(v reflect.Value, sh *Shape) Fields {
	v = target(v)
	if v.Kind() == reflect.Interface {
		m, ok := v.Interface().(map[string]any)
		if !ok {
			m = map[string]any{}
			v.Set(reflect.ValueOf(m))
		}
		return Fields{shape: sh, m: m}
	}
	return Fields{shape: sh, v: v}
}

// Set calls fill with the settable value of member m and keeps what it stores.
// A member that was set before has its former value, so that fill can append
// to it. Errors come from fill.
func (f *Fields) Set(m *Member, fill func(v reflect.Value) error) error {
	again := f.Has(m)
	f.Mark(m)
	if f.m == nil {
		return fill(f.v.Field(m.Index))
	}
	var cell any
	if again {
		cell = f.m[m.Name]
	}
	v := reflect.ValueOf(&cell).Elem()
	if err := fill(v); err != nil {
		return err
	}
	f.m[m.Name] = cell
	return nil
}

// Mark notes that member m was present.
func (f *Fields) Mark(m *Member) {
	if m.Index < 64 {
		f.seen |= 1 << m.Index
		return
	}
	if f.more == nil {
		f.more = map[int]bool{}
	}
	f.more[m.Index] = true
}

// Has reports whether member m was present.
func (f *Fields) Has(m *Member) bool {
	if m.Index < 64 {
		return f.seen&(1<<m.Index) != 0
	}
	return f.more[m.Index]
}

// MissingRequired calls yield for each required member that was not present.
func (f *Fields) MissingRequired(yield func(m *Member)) {
	for _, m := range f.shape.Members {
		if m.Required && !f.Has(m) {
			yield(m)
		}
	}
}

// MakeList makes v an empty list, present though without elements.
func MakeList(v reflect.Value, capacity int) {
	if v = target(v); v.Kind() == reflect.Interface {
		v.Set(reflect.ValueOf(make([]any, 0, capacity)))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), 0, capacity))
}

// Append adds an element to the list at v and calls fill with its settable
// value. A fill that stores nothing leaves a nil element in a sparse list.
func Append(v reflect.Value, fill func(elem reflect.Value) error) error {
	v = target(v)
	if v.Kind() == reflect.Interface {
		var cell any
		if err := fill(reflect.ValueOf(&cell).Elem()); err != nil {
			return err
		}
		list, _ := v.Interface().([]any)
		v.Set(reflect.ValueOf(append(list, cell)))
		return nil
	}
	n := v.Len()
	v.Grow(1)
	v.SetLen(n + 1)
	e := v.Index(n)
	e.SetZero()
	return fill(e)
}

// MakeMap makes v an empty map, present though without entries.
func MakeMap(v reflect.Value) {
	if v = target(v); v.Kind() == reflect.Interface {
		v.Set(reflect.ValueOf(map[string]any{}))
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
}

// Put adds an entry to the map at v and calls fill with its settable value.
func Put(v reflect.Value, key string, fill func(elem reflect.Value) error) error {
	e := FillMap(v)
	return e.Put(key, fill)
}

// Entries is a map that is being filled.
type Entries struct {
	v         reflect.Value // typed
	key, elem reflect.Value
	m         map[string]any // generic
}

// FillMap starts to fill the map at v, which is settable; it is made when v
// holds nil.
func FillMap(v reflect.Value) Entries {
	if v = target(v); v.Kind() == reflect.Interface {
		m, ok := v.Interface().(map[string]any)
		if !ok {
			m = map[string]any{}
			v.Set(reflect.ValueOf(m))
		}
		return Entries{m: m}
	}
	if v.IsNil() {
		v.Set(reflect.MakeMap(v.Type()))
	}
	return Entries{v: v}
}

// Put adds an entry and calls fill with its settable value, which is valid
// until fill returns. A fill that stores nothing leaves nil in a sparse map.
func (e *Entries) Put(key string, fill func(elem reflect.Value) error) error {
	if e.m != nil {
		var cell any
		if err := fill(reflect.ValueOf(&cell).Elem()); err != nil {
			return err
		}
		e.m[key] = cell
		return nil
	}
	if !e.key.IsValid() {
		e.key = reflect.New(e.v.Type().Key()).Elem()
		e.elem = reflect.New(e.v.Type().Elem()).Elem()
	}
	e.elem.SetZero()
	if err := fill(e.elem); err != nil {
		return err
	}
	e.key.SetString(key)
	e.v.SetMapIndex(e.key, e.elem)
	return nil
}
