package smithy_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

type inner struct {
	Text *string
	N    *int32
}

type outer struct {
	At    *time.Time
	Blob  []byte
	Names []string
	ByKey map[string]inner
	All   []inner
	Doc   any
	F     *float64
	OK    *bool
}

func defaulted() *smithy.Shape {
	str := &smithy.Shape{Name: "S", Kind: smithy.String}
	in := &smithy.Shape{Name: "Inner", Kind: smithy.Structure, Members: []*smithy.Member{
		{Name: "Text", Shape: str, Default: "hi"},
		{Name: "N", Shape: &smithy.Shape{Name: "N", Kind: smithy.Integer}, Default: int64(7)},
	}}
	names := &smithy.Shape{Name: "Names", Kind: smithy.List, Elem: &smithy.Member{Shape: str}}
	byKey := &smithy.Shape{Name: "ByKey", Kind: smithy.Map, Key: &smithy.Member{Shape: str}, Elem: &smithy.Member{Shape: in}}
	all := &smithy.Shape{Name: "All", Kind: smithy.List, Elem: &smithy.Member{Shape: in}}
	out := &smithy.Shape{Name: "Outer", Kind: smithy.Structure, Members: []*smithy.Member{
		{Name: "At", Shape: &smithy.Shape{Name: "T", Kind: smithy.Timestamp}, Default: time.Unix(0, 0).UTC()},
		{Name: "Blob", Shape: &smithy.Shape{Name: "B", Kind: smithy.Blob}, Default: []byte("abc")},
		{Name: "Names", Shape: names, Default: []any{}},
		{Name: "ByKey", Shape: byKey},
		{Name: "All", Shape: all},
		{Name: "Doc", Shape: &smithy.Shape{Name: "D", Kind: smithy.Document}, Default: map[string]any{}},
		{Name: "F", Shape: &smithy.Shape{Name: "F", Kind: smithy.Double}, Default: 1.5},
		{Name: "OK", Shape: &smithy.Shape{Name: "OK", Kind: smithy.Boolean}, Default: false},
	}}
	sv := &smithy.Service{Shapes: []*smithy.Shape{str, in, names, byKey, all, out}}
	sv.Link()
	return out
}

func TestApplyDefaults(t *testing.T) {
	sh := defaulted()
	hi, seven, half, no, bye, at := "hi", int32(7), 1.5, false, "bye", time.Unix(0, 0).UTC()
	typed := &outer{ByKey: map[string]inner{"a": {Text: &bye}}, All: []inner{{}}}
	smithy.ApplyDefaults(sh, reflect.ValueOf(typed))
	want := &outer{
		At: &at, Blob: []byte("abc"), Names: []string{}, ByKey: map[string]inner{"a": {&bye, &seven}}, All: []inner{{&hi, &seven}},
		Doc: map[string]any{}, F: &half, OK: &no,
	}
	if d := cmp.Diff(want, typed); d != "" {
		t.Error("typed:", d)
	}

	generic := map[string]any{"ByKey": map[string]any{"a": map[string]any{"Text": "bye"}}, "All": []any{map[string]any{}, nil}}
	smithy.ApplyDefaults(sh, reflect.ValueOf(generic))
	wantGeneric := map[string]any{
		"At": at, "Blob": []byte("abc"), "Names": []any{}, "Doc": map[string]any{}, "F": 1.5, "OK": false,
		"ByKey": map[string]any{"a": map[string]any{"Text": "bye", "N": int64(7)}},
		"All":   []any{map[string]any{"Text": "hi", "N": int64(7)}, nil},
	}
	if d := cmp.Diff(wantGeneric, generic); d != "" {
		t.Error("generic:", d)
	}
	generic["Blob"].([]byte)[0] = 'x'
	if got := string(sh.Member("Blob").Default.([]byte)); got != "abc" {
		t.Errorf("the model's default became %q", got)
	}
}

func TestFieldMessage(t *testing.T) {
	str := &smithy.Shape{Name: "S", Kind: smithy.String, Min: 2, HasMin: true, Max: 4, HasMax: true, Enum: []string{"abc"}}
	list := &smithy.Shape{Name: "L", Kind: smithy.List, Elem: &smithy.Member{Shape: str}, UniqueItems: true}
	in := &smithy.Shape{Name: "In", Kind: smithy.Structure, Members: []*smithy.Member{{Name: "a/b", Shape: list}}}
	sv := &smithy.Service{Shapes: []*smithy.Shape{str, list, in}}
	sv.Link()
	var p smithy.Problems
	p.Validate(in, reflect.ValueOf(map[string]any{"a/b": []any{"abc", "abc", "x"}}))
	want := "3 validation errors detected. Value at '/a~1b' failed to satisfy constraint: Member must have unique values; " +
		"Value with length 1 at '/a~1b/2' failed to satisfy constraint: Member must have length between 2 and 4, inclusive; " +
		"Value at '/a~1b/2' failed to satisfy constraint: Member must satisfy enum value set: [abc]"
	if got := p.FieldMessage(); got != want {
		t.Errorf("FieldMessage:\n got %s\nwant %s", got, want)
	}
}
