package smithy

import (
	"reflect"
	"slices"
	"time"
)

// ApplyDefaults gives the absent members of v, a value of shape sh, the
// defaults that the model has for them, at every depth. v is a pointer to a
// struct or a map[string]any. A server does so with what it decoded and with
// what it answers.
func ApplyDefaults(sh *Shape, v reflect.Value) {
	if v, ok := Indirect(v); ok && sh != nil && sh.defaulted {
		applyDefaults(sh, v)
	}
}

func applyDefaults(sh *Shape, v reflect.Value) {
	switch sh.Kind {
	case Structure, Union:
		for _, m := range sh.Members {
			f, ok := Get(v, m)
			switch {
			case ok && m.Shape.defaulted && !m.IsStream() && !m.Shape.EventStream:
				applyDefaults(m.Shape, f)
			case !ok && m.Default != nil && !m.IsStream():
				setDefault(v, m)
			}
		}
	case List:
		for i := range v.Len() {
			if e, ok := Indirect(v.Index(i)); ok {
				applyDefaults(sh.Elem.Shape, e)
			}
		}
	case Map:
		for _, k := range v.MapKeys() {
			e := v.MapIndex(k)
			if e.Kind() == reflect.Struct { // not addressable within the map
				c := reflect.New(e.Type()).Elem()
				c.Set(e)
				applyDefaults(sh.Elem.Shape, c)
				v.SetMapIndex(k, c)
			} else if e, ok := Indirect(e); ok {
				applyDefaults(sh.Elem.Shape, e)
			}
		}
	}
}

// setDefault stores a copy of the default of member m in the structure v.
func setDefault(v reflect.Value, m *Member) {
	if v.Kind() == reflect.Map {
		v.SetMapIndex(reflect.ValueOf(m.Name), reflect.ValueOf(copied(m.Default)))
		return
	}
	f := v.Field(m.Index)
	switch d := copied(m.Default).(type) {
	case string:
		SetString(f, d)
	case bool:
		SetBool(f, d)
	case int64:
		SetInt(f, d)
	case float64:
		if m.Shape.Kind == Document {
			SetAny(f, d)
		} else {
			SetFloat(f, d)
		}
	case []byte:
		SetBytes(f, d)
	case time.Time:
		SetTime(f, d)
	case []any: // the only default of a list is the empty one
		if m.Shape.Kind == Document {
			SetAny(f, d)
		} else {
			MakeList(f, 0)
		}
	case map[string]any: // and so it is with maps
		if m.Shape.Kind == Document {
			SetAny(f, d)
		} else {
			MakeMap(f)
		}
	}
}

// copied keeps handlers from changing the model's own value.
func copied(x any) any {
	switch x := x.(type) {
	case []any:
		return append([]any{}, x...)
	case []byte:
		return append([]byte{}, x...)
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, v := range x {
			out[k] = copied(v)
		}
		return out
	}
	return x
}

// markDefaulted finds the shapes with defaults, below them too.
func markDefaulted(shapes []*Shape) {
	for _, s := range shapes {
		s.defaulted = slices.ContainsFunc(s.Members, func(m *Member) bool { return m.Default != nil })
	}
	for changed := true; changed; {
		changed = false
		for _, s := range shapes {
			d := s.Elem != nil && s.Elem.Shape.defaulted
			for _, m := range s.Members {
				d = d || m.Shape.defaulted
			}
			if d && !s.defaulted {
				s.defaulted, changed = true, true
			}
		}
	}
}
