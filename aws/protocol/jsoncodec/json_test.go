package jsoncodec

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy/model"
)

// sinkModel has one shape of each kind; Sink's fields follow its order.
const sinkModel = `{"metadata":{"protocol":"json","jsonVersion":"1.0"},"operations":{},"shapes":{
"Sink":{"type":"structure","required":["Name"],"members":{
  "Name":{"shape":"S"},"Note":{"shape":"S","locationName":"note"},"Flag":{"shape":"Bool"},"Tiny":{"shape":"Byte"},
  "Small":{"shape":"Short"},"Int":{"shape":"Int"},"Long":{"shape":"Long"},"Float":{"shape":"Float"},"Double":{"shape":"Double"},
  "Blob":{"shape":"Blob"},"Epoch":{"shape":"Time"},"Date":{"shape":"ISO"},"Http":{"shape":"HTTP"},"List":{"shape":"List"},
  "Sparse":{"shape":"Sparse"},"Map":{"shape":"Map"},"SparseMap":{"shape":"SparseMap"},"Subs":{"shape":"Subs"},"SubMap":{"shape":"SubMap"},
  "Sub":{"shape":"Sub"},"Union":{"shape":"Union"},"Doc":{"shape":"Doc"},"Again":{"shape":"Sink"},"Lists":{"shape":"Lists"},"H":{"shape":"S","location":"header","locationName":"x-h"}}},
"S":{"type":"string"},"Bool":{"type":"boolean"},"Byte":{"type":"byte"},"Short":{"type":"short"},"Int":{"type":"integer"},"Long":{"type":"long"},
"Float":{"type":"float"},"Double":{"type":"double"},"Blob":{"type":"blob"},"Time":{"type":"timestamp"},
"ISO":{"type":"timestamp","timestampFormat":"iso8601"},"HTTP":{"type":"timestamp","timestampFormat":"rfc822"},
"List":{"type":"list","member":{"shape":"S"}},"Sparse":{"type":"list","sparse":true,"member":{"shape":"S"}},"Lists":{"type":"list","member":{"shape":"List"}},
"Map":{"type":"map","key":{"shape":"S"},"value":{"shape":"S"}},"SparseMap":{"type":"map","sparse":true,"key":{"shape":"S"},"value":{"shape":"S"}},
"Subs":{"type":"list","member":{"shape":"Sub"}},"SubMap":{"type":"map","key":{"shape":"S"},"value":{"shape":"Sub"}},
"Sub":{"type":"structure","required":["A"],"members":{"A":{"shape":"S"},"B":{"shape":"Int"}}},
"Union":{"type":"structure","union":true,"members":{"Text":{"shape":"S"},"Sub":{"shape":"Sub"},"Many":{"shape":"List"}}},
"Doc":{"type":"structure","document":true,"members":{}},
"Problem":{"type":"structure","exception":true,"members":{"Message":{"shape":"S"},"Count":{"shape":"Int"}}}}}`

type sink struct {
	Name      string
	Note      *string
	Flag      *bool
	Tiny      *int8
	Small     *int16
	Int       *int32
	Long      *int64
	Float     *float32
	Double    *float64
	Blob      []byte
	Epoch     *time.Time
	Date      *time.Time
	Http      *time.Time
	List      []string
	Sparse    []*string
	Map       map[string]string
	SparseMap map[string]*string
	Subs      []sub
	SubMap    map[string]sub
	Sub       *sub
	Union     *union
	Doc       any
	Again     *sink
	Lists     [][]string
	H         *string
}

type sub struct {
	A string
	B *int32
}

type union struct {
	Text *string
	Sub  *sub
	Many []string
}

func sinkService(tb testing.TB) *smithy.Service {
	tb.Helper()
	sv, err := model.Parse("sink", []byte(sinkModel))
	if err != nil {
		tb.Fatal(err)
	}
	return sv
}

func sinkMember(tb testing.TB) *smithy.Member {
	return &smithy.Member{Shape: sinkService(tb).Shape("Sink")}
}

func TestRoundTrip(t *testing.T) {
	m := sinkMember(t)
	text := func(s string) *string { return &s }
	now := time.Date(2014, 4, 29, 18, 30, 38, 120e6, time.UTC)
	day := now.Truncate(time.Second)
	i8, i16, i32, i64 := int8(-128), int16(-32768), int32(math.MaxInt32), int64(math.MinInt64)
	f32, f64, yes := float32(7.625), 1e-9, true
	in := &sink{
		Name: "a\"\\\n\u00e9\u4e16\U0001f600", Note: text(""), Flag: &yes, Tiny: &i8, Small: &i16, Int: &i32, Long: &i64, Float: &f32, Double: &f64,
		Blob: []byte{0, 255, 1}, Epoch: &now, Date: &now, Http: &day, List: []string{}, Sparse: []*string{nil, text("x")},
		Map: map[string]string{"b": "2", "a": "1"}, SparseMap: map[string]*string{"n": nil}, Subs: []sub{{A: "1", B: &i32}, {A: ""}},
		SubMap: map[string]sub{"k": {A: "v"}, "a": {A: "w", B: &i32}}, Sub: &sub{}, Union: &union{Many: []string{"m"}},
		Doc: map[string]any{"n": int64(1), "f": 1.5, "l": []any{nil, true, "s"}}, Again: &sink{Name: "inner"}, Lists: [][]string{{"x"}, {}},
	}
	const want = `{"Name":"a\"\\\n` + "\u00e9\u4e16\U0001f600" + `","Note":"","Flag":true,"Tiny":-128,"Small":-32768,"Int":2147483647,` +
		`"Long":-9223372036854775808,"Float":7.625,"Double":1e-09,"Blob":"AP8B","Epoch":1398796238.12,"Date":"2014-04-29T18:30:38.120Z",` +
		`"Http":"Tue, 29 Apr 2014 18:30:38 GMT","List":[],"Sparse":[null,"x"],"Map":{"a":"1","b":"2"},"SparseMap":{"n":null},` +
		`"Subs":[{"A":"1","B":2147483647},{"A":""}],"SubMap":{"a":{"A":"w","B":2147483647},"k":{"A":"v"}},"Sub":{"A":""},"Union":{"Many":["m"]},` +
		`"Doc":{"f":1.5,"l":[null,true,"s"],"n":1},"Again":{"Name":"inner"},"Lists":[["x"],[]]}`
	got, err := Rules{}.Append(nil, m, reflect.ValueOf(in).Elem())
	if err != nil || string(got) != want {
		t.Fatalf("typed: %v\n%s\n%s", err, got, want)
	}
	var typed sink
	var p smithy.Problems
	if err := (Rules{}).Decode([]byte(want), m, reflect.ValueOf(&typed).Elem(), &p); err != nil || p.Message() != "" {
		t.Fatal(err, p.Message())
	}
	if d := cmp.Diff(in, &typed); d != "" {
		t.Error(d)
	}
	var generic any
	if err := (Rules{}).Decode([]byte(want), m, reflect.ValueOf(&generic).Elem(), &p); err != nil || p.Message() != "" {
		t.Fatal(err, p.Message())
	}
	got, err = Rules{}.Append(nil, m, reflect.ValueOf(generic))
	if err != nil || string(got) != want {
		t.Errorf("generic: %v\n%s\n%s", err, got, want)
	}
	if !json.Valid(got) {
		t.Error("not JSON")
	}
}

func TestDecode(t *testing.T) {
	m := sinkMember(t)
	deep := strings.Repeat(`{"Again":`, 200) + "{}" + strings.Repeat("}", 200)
	for _, tc := range []struct {
		in      string
		want    map[string]any // nil when refused
		problem string
	}{
		{in: ` { "Name" : "x" , "Unknown" : [ {"a":[1,2.5e3,-0,true,false,null,"\u00e9"]}, {} ], "__type":"y" } `, want: map[string]any{"Name": "x"}},
		{in: `{}`, want: map[string]any{}, problem: "1 validation error detected: Value null at 'name' failed to satisfy constraint: Member must not be null"},
		{in: `{"Name":null}`, want: map[string]any{}, problem: "1 validation error detected: Value null at 'name' failed to satisfy constraint: Member must not be null"},
		{
			in: `{"Name":"","Subs":[{"A":"1"},{"B":1}]}`, want: map[string]any{"Name": "", "Subs": []any{map[string]any{"A": "1"}, map[string]any{"B": int64(1)}}},
			problem: "1 validation error detected: Value null at 'subs.2.member.a' failed to satisfy constraint: Member must not be null",
		},
		{in: `{"Name":"\ud83d\ude00\u00e9\/\b\f\r\t"}`, want: map[string]any{"Name": "\U0001f600\u00e9/\b\f\r\t"}},
		{in: `{"Name":"","Int":1.0,"Long":1e3}`, want: map[string]any{"Name": "", "Int": int64(1), "Long": int64(1000)}},
		{in: `{"Name":"","Double":"-Infinity","Float":1e10}`, want: map[string]any{"Name": "", "Double": math.Inf(-1), "Float": 1e10}},
		{in: `{"Name":"","Double":"NaN"}`, want: map[string]any{"Name": "", "Double": math.NaN()}},
		{in: `{"Name":"","Doc":[99999999999999999999,{"a":null}]}`, want: map[string]any{"Name": "", "Doc": []any{1e20, map[string]any{"a": nil}}}},
		{in: `{"Name":"","Union":{"__type":"u","Text":"t","Many":null}}`, want: map[string]any{"Name": "", "Union": map[string]any{"Text": "t"}}},
		{in: `{"Name":"","Sparse":[null],"SparseMap":{"a":null}}`, want: map[string]any{"Name": "", "Sparse": []any{nil}, "SparseMap": map[string]any{"a": nil}}},
		{in: `{"Name":1}`},
		{in: `{"Name":true}`},
		{in: `{"Name":{}}`},
		{in: `{"Name":[]}`},
		{in: `{"Int":"1"}`},
		{in: `{"Int":1.5}`},
		{in: `{"Int":2147483648}`},
		{in: `{"Tiny":128}`},
		{in: `{"Small":-32769}`},
		{in: `{"Long":9223372036854775808}`},
		{in: `{"Long":1e30}`},
		{in: `{"Flag":"true"}`},
		{in: `{"Flag":tru}`},
		{in: `{"Flag":True}`},
		{in: `{"Float":1e39}`},
		{in: `{"Double":1e400}`},
		{in: `{"Double":"1"}`},
		{in: `{"Double":NaN}`},
		{in: `{"Blob":"xyz"}`},
		{in: `{"Blob":"-_=="}`},
		{in: `{"Epoch":"1"}`},
		{in: `{"Epoch":true}`},
		{in: `{"Epoch":1e300}`},
		{in: `{"Date":1}`},
		{in: `{"Http":"2014-04-29T18:30:38Z"}`},
		{in: `{"List":[null]}`},
		{in: `{"Map":{"a":null}}`},
		{in: `{"List":["a",]}`},
		{in: `{"List":["a" "b"]}`},
		{in: `{"List":["a"}`},
		{in: `{"Map":{a:1}}`},
		{in: `{"Union":{}}`},
		{in: `{"Union":{"Text":"a","Many":[]}}`},
		{in: `{"Union":{"Text":"a","New":1}}`},
		{in: `{"Union":[]}`},
		{in: `{"Name":"a","Name":"b"}`},
		{in: ``},
		{in: `{`},
		{in: `{[`},
		{in: `{"Name":"a"}x`},
		{in: `x{}`},
		{in: `{'a':1}`},
		{in: `{"Name":"a",}`},
		{in: `{,}`},
		{in: `{"Name" :` + "\f" + `"a"}`},
		{in: `{"Name":"a" // c` + "\n}"},
		{in: `[]`},
		{in: `10`},
		{in: `{"Name":"` + "\n" + `"}`},
		{in: "{\"Name\":\"\xff\"}"},
		{in: `{"Name":"\ud800"}`},
		{in: `{"Name":"\ud800\u0041"}`},
		{in: `{"Name":"\x"}`},
		{in: `{"Name":"\u12g4"}`},
		{in: `{"Name":"abc`},
		{in: `{"Int":01}`},
		{in: `{"Int":-}`},
		{in: `{"Double":1.}`},
		{in: `{"Double":1e}`},
		{in: `{"x":01}`},
		{in: deep},
		{in: strings.Repeat("[", 1e6)},
		{in: `{"x":` + strings.Repeat("[", 1e6)},
		{in: `{"Doc":` + strings.Repeat("[", 1e6)},
	} {
		for _, typed := range []bool{false, true} {
			var generic any
			var p smithy.Problems
			v := reflect.ValueOf(&generic).Elem()
			if typed {
				v = reflect.New(reflect.TypeFor[sink]()).Elem()
			}
			err := Rules{}.Decode([]byte(tc.in), m, v, &p)
			if (err != nil) != (tc.want == nil) {
				t.Errorf("%.80q, typed %v: %v", tc.in, typed, err)
			}
			if err != nil || tc.want == nil {
				continue
			}
			if p.Message() != tc.problem {
				t.Errorf("%s: %s; want %s", tc.in, p.Message(), tc.problem)
			}
			if d := cmp.Diff(any(tc.want), generic, cmpopts.EquateNaNs()); !typed && d != "" {
				t.Errorf("%s: %s", tc.in, d)
			}
		}
	}
}

func TestDecodeSaysWhatIsWrong(t *testing.T) {
	m := sinkMember(t)
	for in, want := range map[string]string{
		`{"Name":1}`:    "NUMBER_VALUE can not be converted to a String",
		`{"Int":"x"}`:   "STRING_VALUE can not be converted to an Integer",
		`{"Name":{}}`:   "Start of structure or map found where not expected.",
		`{"Map":[]}`:    "Start of list found where not expected",
		`{"Name":true}`: "TRUE_VALUE can not be converted to a String",
		`{"Name":`:      "Unexpected end of the JSON document",
		`{"Name":%`:     "Unexpected character '%' at offset 8 of the JSON document",
	} {
		var v sink
		err := Rules{}.Decode([]byte(in), m, reflect.ValueOf(&v).Elem(), &smithy.Problems{})
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v; want %s", in, err, want)
		}
	}
}

func TestBindings(t *testing.T) {
	sh := sinkService(t).Shape("Sink")
	text := "n"
	in := sink{Name: "x", Note: &text, H: &text, Again: &sink{Name: "y", H: &text}}
	got, some, err := Rules{Bindings: true}.AppendFields(nil, sh, reflect.ValueOf(in), true)
	if want := `"Name":"x","note":"n","Again":{"Name":"y","x-h":"n"}`; err != nil || !some || string(got) != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
	var out sink
	f := smithy.Fill(reflect.ValueOf(&out), sh)
	if err := (Rules{Bindings: true}).DecodeFields([]byte(`{"Name":"x","note":"n","Note":"no","x-h":"no"}`), sh, &f, &smithy.Problems{}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(sink{Name: "x", Note: &text}, out); d != "" {
		t.Error(d)
	}
}

func TestAppendError(t *testing.T) {
	sh := sinkService(t).Shape("Problem")
	e := awserr.New("Problem", 400, "no").With("Count", int32(3)).With("Other", 1)
	if got := string(Rules{}.AppendError(nil, sh, e, true)); got != `"Message":"no","Count":3` {
		t.Error(got)
	}
	if got := string(Rules{}.AppendError(nil, nil, e, false)); got != `,"message":"no"` {
		t.Error(got)
	}
	if got := string(Rules{}.AppendError(nil, sh, e.With("Count", "not a number"), true)); got != `"Message":"no"` {
		t.Error(got)
	}
}

func TestAppendRefusesWrongTypes(t *testing.T) {
	m := sinkMember(t)
	for name, x := range map[string]any{
		"Name": 1, "Int": "1", "Flag": 1, "Blob": "x", "List": "x", "Map": []any{}, "Sub": 1, "Epoch": 1, "Doc": map[string]any{"c": make(chan int)}, "Subs": []any{1}, "SubMap": map[string]any{"a": 1},
	} {
		if b, err := (Rules{}).Append(nil, m, reflect.ValueOf(map[string]any{name: x})); err == nil {
			t.Errorf("%s: %s", name, b)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{"Name":"x","Int":1,"Double":1e9,"Blob":"AP8B","Epoch":1398796238.12,"Date":"2014-04-29T18:30:38Z","List":["a"],"Sparse":[null]}`,
		`{"Name":"\ud83d\ude00","Map":{"a":"b"},"Subs":[{"A":"1"}],"SubMap":{"k":{"A":"v"}},"Union":{"Text":"t"},"Doc":{"a":[1,2.5,null]}}`,
		`{"Again":{"Again":{"Again":{}}},"Lists":[[],["x"]]}`, `[[[[[[`, `{"Int":1e999999999}`, "{\"Name\":\"\xff\"}",
	} {
		f.Add([]byte(s))
	}
	m := sinkMember(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		var typed sink
		var generic any
		var p, q smithy.Problems
		errTyped := Rules{}.Decode(append([]byte{}, b...), m, reflect.ValueOf(&typed).Elem(), &p)
		errGeneric := Rules{}.Decode(append([]byte{}, b...), m, reflect.ValueOf(&generic).Elem(), &q)
		if (errTyped == nil) != (errGeneric == nil) || p.Message() != q.Message() {
			t.Fatalf("typed %v %s, generic %v %s", errTyped, p.Message(), errGeneric, q.Message())
		}
		if errTyped != nil || generic == nil {
			return
		}
		if !json.Valid(b) {
			t.Fatalf("accepted though not JSON: %q", b)
		}
		out, err := Rules{}.Append(nil, m, reflect.ValueOf(typed))
		if err != nil || !json.Valid(out) {
			t.Fatalf("%v: %s", err, out)
		}
		var again sink
		if err := (Rules{}).Decode(append([]byte{}, out...), m, reflect.ValueOf(&again).Elem(), &smithy.Problems{}); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		last, err := Rules{}.Append(nil, m, reflect.ValueOf(again))
		if err != nil || string(last) != string(out) {
			t.Fatalf("%v: %s became %s", err, out, last)
		}
	})
}
