package httpbind_test

import (
	"errors"
	"math"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/httpbind"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy/model"
)

const testModel = `{
"metadata": {"protocol": "rest-xml"},
"operations": {"Op": {"name": "Op", "http": {"method": "GET", "requestUri": "/{Label}/{Key+}?list-type=2"}, "input": {"shape": "In"}, "output": {"shape": "In"}}},
"shapes": {
 "In": {"type": "structure", "members": {
  "Label": {"shape": "String", "location": "uri", "locationName": "Label"},
  "When": {"shape": "Time", "location": "uri", "locationName": "When"},
  "Name": {"shape": "String", "location": "header", "locationName": "x-name"},
  "Names": {"shape": "Strings", "location": "header", "locationName": "x-names"},
  "Dates": {"shape": "Times", "location": "header", "locationName": "x-dates"},
  "Since": {"shape": "Time", "location": "header", "locationName": "If-Modified-Since"},
  "Date": {"shape": "Time", "location": "header", "locationName": "x-date"},
  "Stamp": {"shape": "ISO", "location": "header", "locationName": "x-stamp"},
  "Flag": {"shape": "Bool", "location": "header", "locationName": "x-flag"},
  "Size": {"shape": "Long", "location": "header", "locationName": "Content-Length"},
  "Media": {"shape": "String", "jsonvalue": true, "location": "header", "locationName": "x-media"},
  "Meta": {"shape": "Map", "location": "headers", "locationName": "x-meta-"},
  "Byte": {"shape": "Byte", "location": "querystring", "locationName": "byte"},
  "Double": {"shape": "Double", "location": "querystring", "locationName": "double"},
  "Text": {"shape": "String", "location": "querystring", "locationName": "text"},
  "Texts": {"shape": "Strings", "location": "querystring", "locationName": "texts"},
  "Day": {"shape": "Time", "location": "querystring", "locationName": "day"},
  "All": {"shape": "Lists", "location": "querystring"},
  "Status": {"shape": "Int", "location": "statusCode"},
  "Body": {"shape": "String"}}},
 "String": {"type": "string"}, "Bool": {"type": "boolean"}, "Byte": {"type": "byte"}, "Int": {"type": "integer"},
 "Long": {"type": "long"}, "Double": {"type": "double"}, "Time": {"type": "timestamp"},
 "ISO": {"type": "timestamp", "timestampFormat": "iso8601"},
 "Strings": {"type": "list", "member": {"shape": "String"}}, "Times": {"type": "list", "member": {"shape": "Time"}},
 "Map": {"type": "map", "key": {"shape": "String"}, "value": {"shape": "String"}},
 "Lists": {"type": "map", "key": {"shape": "String"}, "value": {"shape": "Strings"}}
}}`

// input is the typed form of the model's structure.
type input struct {
	Label  *string
	When   *time.Time
	Name   *string
	Names  []string
	Dates  []time.Time
	Since  *time.Time
	Date   *time.Time
	Stamp  *time.Time
	Flag   *bool
	Size   *int64
	Media  *string
	Meta   map[string]string
	Byte   *int8
	Double *float64
	Text   *string
	Texts  []string
	Day    *time.Time
	All    map[string][]string
	Status *int32
	Body   *string
}

func operation(t testing.TB) *smithy.Operation {
	t.Helper()
	sv, err := model.Parse("test", []byte(testModel))
	if err != nil {
		t.Fatal(err)
	}
	return sv.Operation("Op")
}

func decode(op *smithy.Operation, rq *protocol.Request, in any) error {
	f := smithy.Fill(reflect.ValueOf(in), op.Input)
	return httpbind.Decode(op, rq, &f)
}

var noon = time.Date(2019, 12, 16, 23, 48, 18, 0, time.UTC)

func TestDecode(t *testing.T) {
	op := operation(t)
	half := noon.Add(500 * time.Millisecond)
	for _, tt := range []struct {
		name  string
		rq    protocol.Request
		want  map[string]any
		typed input
	}{
		{"nothing", protocol.Request{}, map[string]any{}, input{}},
		{
			"labels are unescaped",
			protocol.Request{Labels: map[string]string{"Label": "a%2Fb+c/%C3%A9", "When": "2019-12-16T23%3A48%3A18.5Z"}},
			map[string]any{"Label": "a/b+c/é", "When": half},
			input{Label: new("a/b+c/é"), When: &half},
		},
		{
			"headers",
			protocol.Request{Header: http.Header{"X-Name": {" n "}, "X-Flag": {"true"}, "X-Stamp": {"2019-12-17T00:48:18+01:00"}}},
			map[string]any{"Name": " n ", "Flag": true, "Stamp": noon},
			input{Name: new(" n "), Flag: new(true), Stamp: &noon},
		},
		{
			"an empty header is an empty string and no number",
			protocol.Request{Header: http.Header{"X-Name": {""}, "X-Flag": {""}}},
			map[string]any{"Name": ""},
			input{Name: new("")},
		},
		{
			"lists in headers",
			protocol.Request{Header: http.Header{"X-Names": {`"b,c", "\"def\"", a`, "z"}}},
			map[string]any{"Names": []any{"b,c", `"def"`, "a", "z"}},
			input{Names: []string{"b,c", `"def"`, "a", "z"}},
		},
		{
			"dates in headers",
			protocol.Request{Header: http.Header{"X-Dates": {"Mon, 16 Dec 2019 23:48:18 GMT, Mon, 16 Dec 2019 23:48:18 GMT"}}},
			map[string]any{"Dates": []any{noon, noon}},
			input{Dates: []time.Time{noon, noon}},
		},
		{"a condition's bad date is ignored", protocol.Request{Header: http.Header{"If-Modified-Since": {"yesterday"}}}, map[string]any{}, input{}},
		{"base64", protocol.Request{Header: http.Header{"X-Media": {"dHJ1ZQ=="}}}, map[string]any{"Media": "true"}, input{Media: new("true")}},
		{
			"a prefix",
			protocol.Request{Header: http.Header{"X-Meta-Foo-Bar": {"1", "2"}, "X-Metal": {"no"}}},
			map[string]any{"Meta": map[string]any{"foo-bar": "1,2"}},
			input{Meta: map[string]string{"foo-bar": "1,2"}},
		},
		{"the length is the body's", protocol.Request{Header: http.Header{"Content-Length": {"99"}}, ContentLength: 7}, map[string]any{"Size": int64(7)}, input{Size: new(int64(7))}},
		{
			"query",
			protocol.Request{RawQuery: "byte=-128&double=NaN&text=a+b%2Bc&texts=1&texts=&day=2019-12-16T23:48:18Z&list-type=2&x-id=Op"},
			map[string]any{
				"Byte": int64(-128), "Double": math.NaN(), "Text": "a b+c", "Texts": []any{"1", ""}, "Day": noon,
				"All": map[string]any{"byte": []any{"-128"}, "double": []any{"NaN"}, "text": []any{"a b+c"}, "texts": []any{"1", ""}, "day": []any{"2019-12-16T23:48:18Z"}},
			},
			input{
				Byte: new(int8(-128)), Double: new(math.NaN()), Text: new("a b+c"), Texts: []string{"1", ""}, Day: &noon,
				All: map[string][]string{"byte": {"-128"}, "double": {"NaN"}, "text": {"a b+c"}, "texts": {"1", ""}, "day": {"2019-12-16T23:48:18Z"}},
			},
		},
		{
			"an empty parameter is an empty string and no number",
			protocol.Request{RawQuery: "text&byte="},
			map[string]any{"Text": "", "All": map[string]any{"text": []any{""}, "byte": []any{""}}},
			input{Text: new(""), All: map[string][]string{"text": {""}, "byte": {""}}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var generic any
			if err := decode(op, &tt.rq, &generic); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(any(tt.want), generic, cmpopts.EquateNaNs()); d != "" {
				t.Errorf("generic: -want +got\n%s", d)
			}
			var typed input
			if err := decode(op, &tt.rq, &typed); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.typed, typed, cmpopts.EquateNaNs()); d != "" {
				t.Errorf("typed: -want +got\n%s", d)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	op := operation(t)
	for _, tt := range []struct {
		name string
		rq   protocol.Request
		at   smithy.Location
	}{
		{"escape in a label", protocol.Request{Labels: map[string]string{"Label": "%zz"}}, smithy.URI},
		{"label that is not UTF-8", protocol.Request{Labels: map[string]string{"Label": "%ff"}}, smithy.URI},
		{"offset in a label", protocol.Request{Labels: map[string]string{"When": "1996-12-19T16:39:57-08:00"}}, smithy.URI},
		{"HTTP date in a label", protocol.Request{Labels: map[string]string{"When": "Mon, 16 Dec 2019 23:48:18 GMT"}}, smithy.URI},
		{"boolean", protocol.Request{Header: http.Header{"X-Flag": {"True"}}}, smithy.Header},
		{"date-time in a date header", protocol.Request{Header: http.Header{"X-Date": {"2019-12-16T23:48:18Z"}}}, smithy.Header},
		{"short date-time", protocol.Request{Header: http.Header{"X-Stamp": {"1996-12-19T16:39Z"}}}, smithy.Header},
		{"base64", protocol.Request{Header: http.Header{"X-Media": {"xyz"}}}, smithy.Header},
		{"open quote", protocol.Request{Header: http.Header{"X-Names": {`"a`}}}, smithy.Header},
		{"text behind a quote", protocol.Request{Header: http.Header{"X-Names": {`"a"b`}}}, smithy.Header},
		{"prefixed header that is not UTF-8", protocol.Request{Header: http.Header{"X-Meta-A": {"\xff"}}}, smithy.Headers},
		{"byte too large", protocol.Request{RawQuery: "byte=128"}, smithy.Querystring},
		{"byte with a fraction", protocol.Request{RawQuery: "byte=1.0"}, smithy.Querystring},
		{"hexadecimal", protocol.Request{RawQuery: "double=0x42"}, smithy.Querystring},
		{"infinity in other words", protocol.Request{RawQuery: "double=inf"}, smithy.Querystring},
		{"escape in the query", protocol.Request{RawQuery: "text=%"}, smithy.Querystring},
		{"query that is not UTF-8", protocol.Request{RawQuery: "other=%ff"}, smithy.Querystring},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var in any
			err := decode(op, &tt.rq, &in)
			var s *protocol.SerializationError
			if !errors.As(err, &s) {
				t.Fatalf("got %v, want a SerializationError; decoded %v", err, in)
			}
			if s.Location != tt.at {
				t.Errorf("location %d, want %d", s.Location, tt.at)
			}
		})
	}
}

func TestEncode(t *testing.T) {
	op := operation(t)
	out := map[string]any{
		"Name": "", "Names": []any{"b,c", `"def"`, "a", ""}, "Dates": []any{noon, noon}, "Stamp": noon.Add(time.Millisecond),
		"Flag": false, "Size": int64(12), "Media": "true", "Status": int64(207), "Body": "not a header",
		"Meta": map[string]any{"Foo": "1", "bar": "2"},
	}
	typed := &input{
		Name: new(""), Names: []string{"b,c", `"def"`, "a", ""}, Dates: []time.Time{noon, noon}, Stamp: new(noon.Add(time.Millisecond)),
		Flag: new(false), Size: new(int64(12)), Media: new("true"), Status: new(int32(207)), Body: new("not a header"),
		Meta: map[string]string{"Foo": "1", "bar": "2"},
	}
	want := &protocol.Response{
		Status: 207, ContentLength: 12,
		Header: http.Header{
			"X-Name": {""}, "X-Names": {`"b,c", "\"def\"", a, ""`},
			"X-Dates": {"Mon, 16 Dec 2019 23:48:18 GMT, Mon, 16 Dec 2019 23:48:18 GMT"}, "X-Stamp": {"2019-12-16T23:48:18.001Z"},
			"X-Flag": {"false"}, "Content-Length": {"12"}, "X-Media": {"dHJ1ZQ=="}, "x-meta-Foo": {"1"}, "x-meta-bar": {"2"},
		},
	}
	for _, v := range []reflect.Value{reflect.ValueOf(out), reflect.ValueOf(typed).Elem()} {
		resp := &protocol.Response{Status: 200}
		if err := httpbind.Encode(op.Output, v, resp); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, resp, cmpopts.IgnoreFields(protocol.Response{}, "Events")); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("a%2Fb", "n, \"m\"", "Mon, 16 Dec 2019 23:48:18 GMT", "byte=1&texts=a&texts=b")
	f.Add("%", `"\`, "x,y,z", "&&=&%3D=%26")
	op := operation(f)
	f.Fuzz(func(t *testing.T, label, names, dates, query string) {
		rq := &protocol.Request{
			Labels: map[string]string{"Label": label, "When": label}, RawQuery: query,
			Header: http.Header{"X-Names": {names}, "X-Dates": {dates}, "X-Meta-A": {names}, "X-Media": {names}},
		}
		var generic any
		var typed input
		g, e := decode(op, rq, &generic), decode(op, rq, &typed)
		if (g == nil) != (e == nil) {
			t.Fatalf("generic: %v, typed: %v", g, e)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	op := operation(b)
	rq := &protocol.Request{
		Labels: map[string]string{"Label": "photos/2019/a.jpg"}, RawQuery: "byte=1&text=abc",
		Header: http.Header{"X-Name": {"n"}, "X-Flag": {"true"}, "X-Meta-A": {"1"}, "User-Agent": {"x"}, "Authorization": {"y"}},
	}
	b.ReportAllocs()
	for b.Loop() {
		var in input
		if err := decode(op, rq, &in); err != nil {
			b.Fatal(err)
		}
	}
}
