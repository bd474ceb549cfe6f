package rpcv2cbor

import (
	"bytes"
	"encoding/hex"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/eventstream"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy/model"
)

const sinkModel = `{"metadata":{"protocol":"smithy-rpc-v2-cbor","awsQueryCompatible":{}},"operations":{
"Put":{"name":"Put","http":{"method":"POST","requestUri":"/"},"input":{"shape":"Sink"},"output":{"shape":"Sink"},"errors":[{"shape":"Problem"}]},
"Watch":{"name":"Watch","http":{"method":"POST","requestUri":"/"},"input":{"shape":"Watching"},"output":{"shape":"Watching"}},
"Ping":{"name":"Ping","http":{"method":"POST","requestUri":"/"}}},"shapes":{
"Sink":{"type":"structure","required":["N"],"members":{
  "N":{"shape":"S"},"F":{"shape":"Bool"},"By":{"shape":"Byte"},"L":{"shape":"Long"},"Fl":{"shape":"Float"},"D":{"shape":"Double"},
  "B":{"shape":"Blob"},"T":{"shape":"Time"},"Li":{"shape":"List"},"Sp":{"shape":"Sparse"},"M":{"shape":"Map"},
  "Subs":{"shape":"Subs"},"U":{"shape":"Union"},"Doc":{"shape":"Doc"},"A":{"shape":"Sink"}}},
"S":{"type":"string"},"Bool":{"type":"boolean"},"Byte":{"type":"byte"},"Long":{"type":"long"},
"Float":{"type":"float"},"Double":{"type":"double"},"Blob":{"type":"blob"},"Time":{"type":"timestamp"},
"List":{"type":"list","member":{"shape":"S"}},"Sparse":{"type":"list","sparse":true,"member":{"shape":"S"}},
"Map":{"type":"map","key":{"shape":"S"},"value":{"shape":"Long"}},"Subs":{"type":"map","key":{"shape":"S"},"value":{"shape":"Sub"}},
"Sub":{"type":"structure","required":["X"],"members":{"X":{"shape":"S"}}},
"Union":{"type":"structure","union":true,"members":{"Text":{"shape":"S"},"Many":{"shape":"List"}}},
"Doc":{"type":"structure","document":true,"members":{}},
"Watching":{"type":"structure","members":{"Name":{"shape":"S"},"Events":{"shape":"Events"}}},
"Events":{"type":"structure","eventstream":true,"members":{"Sub":{"shape":"Sub"}}},
"Problem":{"type":"structure","exception":true,"error":{"code":"Old","httpStatusCode":409},"members":{"Message":{"shape":"S"},"Count":{"shape":"Long"}}}}}`

type sink struct {
	N    string
	F    *bool
	By   *int8
	L    *int64
	Fl   *float32
	D    *float64
	B    []byte
	T    *time.Time
	Li   []string
	Sp   []*string
	M    map[string]int64
	Subs map[string]sub
	U    *union
	Doc  any
	A    *sink
}

type sub struct{ X string }

type union struct {
	Text *string
	Many []string
}

func service(tb testing.TB) *smithy.Service {
	tb.Helper()
	sv, err := model.Parse("cloudwatch", []byte(sinkModel))
	if err != nil {
		tb.Fatal(err)
	}
	return sv
}

func request(body []byte) *protocol.Request {
	return &protocol.Request{Method: "POST", Body: bytes.NewReader(body), ContentLength: int64(len(body)), MaxBody: 1 << 20}
}

func TestRoundTrip(t *testing.T) {
	op := service(t).Operation("Put")
	text := "x"
	at := time.Date(2000, 1, 2, 20, 34, 56, 123e6, time.UTC)
	i8, i64, f32, f64, yes := int8(-128), int64(math.MinInt64), float32(7.625), 1.889, true
	in := &sink{
		N: strings.Repeat("é", 200), F: &yes, By: &i8, L: &i64, Fl: &f32, D: &f64, B: []byte{0, 255}, T: &at, Li: []string{}, Sp: []*string{nil, &text},
		M: map[string]int64{"a": 1, "b": 70000, "c": 1 << 40, "d": 300}, Subs: map[string]sub{"s": {X: ""}}, U: &union{Many: []string{"m"}},
		Doc: map[string]any{"n": int64(-1), "f": 0.5, "l": []any{nil, true, "s"}}, A: &sink{N: "inner"},
	}
	first, err := New().Encode(op, in, "r")
	if err != nil {
		t.Fatal(err)
	}
	var typed sink
	var generic any
	var p smithy.Problems
	if err := New().Decode(op, request(first.Body), &typed, &p); err != nil || p.Message() != "" {
		t.Fatal(err, p.Message())
	}
	if d := cmp.Diff(in, &typed); d != "" {
		t.Error(d)
	}
	if err := New().Decode(op, request(first.Body), &generic, &p); err != nil || p.Message() != "" {
		t.Fatal(err, p.Message())
	}
	second, err := New().Encode(op, generic, "r")
	if err != nil || !bytes.Equal(first.Body, second.Body) {
		t.Errorf("%v\n%x\n%x", err, first.Body, second.Body)
	}
}

// head is {"N": "" ... without its end.
const head = "bf614e60"

func TestDecode(t *testing.T) {
	op := service(t).Operation("Put")
	for _, tc := range []struct {
		name, in string
		want     map[string]any // nil when refused
		problems int
	}{
		{"empty body", "", map[string]any{}, 1},
		{"empty map", "a0", map[string]any{}, 1},
		{"null member", "bf614ef6ff", map[string]any{}, 1},
		{"undefined member", "bf614ef7ff", map[string]any{}, 1},
		{"definite", "a1614e6178", map[string]any{"N": "x"}, 0},
		{"chunked text", "bf614e7f61616162ffff", map[string]any{"N": "ab"}, 0},
		{"chunked bytes", head + "61425f41014102ffff", map[string]any{"N": "", "B": []byte{1, 2}}, 0},
		{"unknown", head + "617aa16178c1fb3ff00000000000006179bf6161 9f01ff ff 6178 d9d9f7 80 ff", map[string]any{"N": ""}, 0},
		{"half", head + "6144f93e00ff", map[string]any{"N": "", "D": 1.5}, 0},
		{"half subnormal", head + "6144f90050ff", map[string]any{"N": "", "D": 4.76837158203125e-06}, 0},
		{"half nan", head + "6144f97e00ff", map[string]any{"N": "", "D": math.NaN()}, 0},
		{"half -inf", head + "6144f9fc00ff", map[string]any{"N": "", "D": math.Inf(-1)}, 0},
		{"integer as double", head + "614420ff", map[string]any{"N": "", "D": -1.0}, 0},
		{"epoch integer", head + "6154c11a386fc0f0ff", map[string]any{"N": "", "T": time.Unix(946847984, 0).UTC()}, 0},
		{"document", head + "63446f63a161619f20f5f6fb3ff8000000000000ffff", map[string]any{"N": "", "Doc": map[string]any{"a": []any{int64(-1), true, nil, 1.5}}}, 0},
		{"union type", head + "6155a2665f5f747970656178645465787460ff", map[string]any{"N": "", "U": map[string]any{"Text": ""}}, 0},
		{"missing inside", head + "6453756273a16161a0ff", map[string]any{"N": "", "Subs": map[string]any{"a": map[string]any{}}}, 1},
		{name: "text is int", in: "a1614e01"},
		{name: "text is bytes", in: "a1614e4101"},
		{name: "bad utf8", in: "a1614e61ff"},
		{name: "bad utf8 chunk", in: "a1614e7f61ffff"},
		{name: "mixed chunks", in: "a1614e7f4101ff"},
		{name: "nested chunks", in: "a1614e7f7f6161ffff"},
		{name: "int key", in: "a10101"},
		{name: "array", in: "80"},
		{name: "null", in: "f6"},
		{name: "tail", in: "a000"},
		{name: "short", in: "a1614e6578"},
		{name: "no end", in: "bf"},
		{name: "huge map", in: "bbffffffffffffffff"},
		{name: "huge text", in: "a1614e7bffffffffffffffff"},
		{name: "byte range", in: head + "6242791880ff"},
		{name: "long range", in: head + "614c1bffffffffffffffffff"},
		{name: "int is float", in: head + "614cf93c00ff"},
		{name: "float range", in: head + "62466cfb7fe0000000000000ff"},
		{name: "bool is int", in: head + "614601ff"},
		{name: "time untagged", in: head + "615401ff"},
		{name: "time tag 0", in: head + "6154c001ff"},
		{name: "time nan", in: head + "6154c1f97e00ff"},
		{name: "time text", in: head + "6154c16161ff"},
		{name: "null in list", in: head + "624c6981f6ff"},
		{name: "null in map", in: head + "614da16161f6ff"},
		{name: "union two", in: head + "6155a2645465787460644d616e7980ff"},
		{name: "union none", in: head + "6155a0ff"},
		{name: "union unknown", in: head + "6155a1617a60ff"},
		{name: "twice", in: head + "614e60ff"},
		{name: "reserved", in: "1c"},
		{name: "reserved in unknown", in: head + "617afcff"},
		{name: "stop in unknown", in: head + "617aff"},
		{name: "endless int", in: "1f"},
		{name: "short simple", in: head + "617af800ff"},
		{name: "document bytes", in: head + "63446f634101ff"},
		{name: "depth", in: head + "617a" + strings.Repeat("81", 5000) + "00ff"},
		{name: "tag depth", in: head + "617a" + strings.Repeat("c1", 5000) + "00ff"},
		{name: "known depth", in: strings.Repeat("a16141", 5000) + "a0"},
	} {
		b, err := hex.DecodeString(strings.ReplaceAll(tc.in, " ", ""))
		if err != nil {
			t.Fatal(tc.name, err)
		}
		var generic any
		var typed sink
		var p, q smithy.Problems
		err = New().Decode(op, request(b), &generic, &p)
		if (err != nil) != (tc.want == nil) {
			t.Errorf("%s: %v", tc.name, err)
		}
		if e := New().Decode(op, request(b), &typed, &q); (e != nil) != (err != nil) || q.Message() != p.Message() {
			t.Errorf("%s: typed %v, generic %v", tc.name, e, err)
		}
		if err != nil || tc.want == nil {
			continue
		}
		if d := cmp.Diff(any(tc.want), generic, cmpopts.EquateNaNs()); d != "" || len(p.List) != tc.problems {
			t.Error(tc.name, p.Message(), d)
		}
	}
}

func TestEncodeForms(t *testing.T) {
	sv := service(t)
	resp, err := New().Encode(sv.Operation("Ping"), nil, "r")
	if err != nil || len(resp.Body) != 0 || resp.Header["Content-Type"] != nil || resp.Header.Get("smithy-protocol") != "rpc-v2-cbor" {
		t.Error(resp, err)
	}
	resp, err = New().Encode(sv.Operation("Put"), nil, "r")
	if err != nil || hex.EncodeToString(resp.Body) != "bfff" || resp.Header.Get("Content-Type") != "application/cbor" {
		t.Error(resp, err)
	}
	if _, err := New().Encode(sv.Operation("Put"), map[string]any{"L": "text"}, "r"); err == nil {
		t.Error("text was written as a long")
	}
	e := awserr.New("Problem", 0, "no").With("Count", int64(1)).With("Bad", 1)
	resp = New().EncodeError(&sv.Meta, sv.Operation("Put"), e, "r")
	want := "\xbf\x66__type\x78\x20com.amazonaws.cloudwatch#Problem\x67Message\x62no\x65Count\x01\xff"
	if string(resp.Body) != want || resp.Status != 409 || resp.Header.Get("x-amzn-query-error") != "Old;Sender" {
		t.Errorf("%d %q %v", resp.Status, resp.Body, resp.Header)
	}
	resp = New().EncodeError(nil, nil, awserr.New("InternalFailure", 500, "x"), "r")
	if want := "\xbf\x66__type\x6fInternalFailure\x67message\x61x\xff"; string(resp.Body) != want {
		t.Errorf("%q", resp.Body)
	}
}

func TestEventStream(t *testing.T) {
	op := service(t).Operation("Watch")
	var stream smithy.Stream = func(yield func(any, error) bool) { yield(&struct{ Sub *sub }{&sub{X: "1"}}, nil) }
	resp, err := New().Encode(op, map[string]any{"Name": "w", "Events": stream}, "r")
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	if err := resp.Events(&buf, func() {}); err != nil {
		t.Fatal(err)
	}

	first, rest, err := eventstream.Decode(buf.Bytes())
	if err != nil || first.Text(":event-type") != "initial-response" || first.Text(":content-type") != "application/cbor" {
		t.Fatal(first, err)
	}
	first.Headers[1].Value = "initial-request"
	frames, err := first.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	var in any
	if err := New().Decode(op, request(append(frames, rest...)), &in, &smithy.Problems{}); err != nil {
		t.Fatal(err)
	}
	m := in.(map[string]any)
	for ev, err := range m["Events"].(smithy.Stream) {
		if d := cmp.Diff(map[string]any{"Sub": map[string]any{"X": "1"}}, ev); d != "" || err != nil || m["Name"] != "w" {
			t.Error(err, d)
		}
	}
}

func TestTarget(t *testing.T) {
	for path, want := range map[string][2]string{
		"/service/Granite/operation/PutMetricData":     {"Granite", "PutMetricData"},
		"/v1/service/com.amazon.Granite/operation/Put": {"Granite", "Put"},
		"/service//operation/Put":                      {},
		"/service/X/operation/":                        {},
		"/service/X/operations/Y":                      {},
		"/":                                            {},
	} {
		s, o, ok := Target(path)
		if s != want[0] || o != want[1] || ok != (want[0] != "") {
			t.Errorf("%s: %s %s %v", path, s, o, ok)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{head + "ff", "bf614e7f61616162ffff", head + "6453756273a16161a0ff", head + "63446f63a161619f20f5f6fb3ff8000000000000ffff", head + "6154c1fb41cc37db3803be77ff", "9bffffffffffffffff"} {
		b, err := hex.DecodeString(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	op := service(f).Operation("Put")
	f.Fuzz(func(t *testing.T, b []byte) {
		var typed sink
		var generic any
		var p, q smithy.Problems
		e1 := New().Decode(op, request(b), &typed, &p)
		e2 := New().Decode(op, request(b), &generic, &q)
		if (e1 == nil) != (e2 == nil) || p.Message() != q.Message() {
			t.Fatalf("typed %v, generic %v", e1, e2)
		}
		if e1 != nil {
			return
		}
		first, err := New().Encode(op, &typed, "r")
		if err != nil {
			t.Fatal(err)
		}
		var again sink
		if err := New().Decode(op, request(first.Body), &again, &smithy.Problems{}); err != nil {
			t.Fatalf("%v: %x", err, first.Body)
		}
		second, err := New().Encode(op, &again, "r")
		if err != nil || !bytes.Equal(first.Body, second.Body) {
			t.Fatalf("%v: %x became %x", err, first.Body, second.Body)
		}
	})
}

func BenchmarkPut(b *testing.B) {
	op := service(b).Operation("Put")
	f64 := 1.5
	out := &sink{N: "metric", D: &f64, Subs: map[string]sub{"a": {X: "1"}, "b": {X: "2"}}, Li: []string{"x", "y", "z"}}
	resp, err := New().Encode(op, out, "r")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		var in sink
		var p smithy.Problems
		if err := New().Decode(op, request(resp.Body), &in, &p); err != nil {
			b.Fatal(err)
		}
		if _, err := New().Encode(op, out, "r"); err != nil {
			b.Fatal(err)
		}
	}
}
