package formcodec_test

import (
	"errors"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/formcodec"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy/model"
)

const testModel = `{
"metadata": {"protocol": "query"}, "operations": {},
"shapes": {
 "In": {"type": "structure", "required": ["Need"], "members": {
  "Need": {"shape": "String"}, "Flag": {"shape": "Bool"}, "Byte": {"shape": "Byte"}, "When": {"shape": "Time"}, "Data": {"shape": "Blob"},
  "List": {"shape": "Strings"}, "Named": {"shape": "Named"}, "Flat": {"shape": "Strings", "flattened": true, "locationName": "F"},
  "Lists": {"shape": "Lists"}, "Nodes": {"shape": "Nodes"}, "Map": {"shape": "Map"}, "FlatMap": {"shape": "NodeMap", "flattened": true},
  "Node": {"shape": "Node"}, "Either": {"shape": "Either"}}},
 "Node": {"type": "structure", "required": ["Name"], "members": {"Name": {"shape": "String"}, "Next": {"shape": "Node"}}},
 "Either": {"type": "structure", "union": true, "members": {"A": {"shape": "String"}, "B": {"shape": "Strings"}}},
 "String": {"type": "string"}, "Bool": {"type": "boolean"}, "Byte": {"type": "byte"}, "Blob": {"type": "blob"}, "Time": {"type": "timestamp"},
 "Strings": {"type": "list", "member": {"shape": "String"}}, "Lists": {"type": "list", "member": {"shape": "Strings"}},
 "Named": {"type": "list", "member": {"shape": "String", "locationName": "item"}}, "Nodes": {"type": "list", "member": {"shape": "Node"}},
 "Map": {"type": "map", "key": {"shape": "String"}, "value": {"shape": "String"}},
 "NodeMap": {"type": "map", "key": {"shape": "String", "locationName": "K"}, "value": {"shape": "Node", "locationName": "V"}}
}}`

type node struct {
	Name string
	Next *node
}

type either struct {
	A *string
	B []string
}

type input struct {
	Need    string
	Flag    *bool
	Byte    *int8
	When    *time.Time
	Data    []byte
	List    []string
	Named   []string
	Flat    []string
	Lists   [][]string
	Nodes   []*node
	Map     map[string]string
	FlatMap map[string]*node
	Node    *node
	Either  *either
}

func shape(t testing.TB) *smithy.Shape {
	t.Helper()
	sv, err := model.Parse("test", []byte(testModel))
	if err != nil {
		t.Fatal(err)
	}
	return sv.Shape("In")
}

var nested, flat = newRules(false), newRules(true)

func newRules(flat bool) *formcodec.Rules {
	return &formcodec.Rules{Name: (*smithy.Member).WireName, Flat: flat}
}

func decode(r *formcodec.Rules, sh *smithy.Shape, form string, in any) (*smithy.Problems, error) {
	var problems smithy.Problems
	f := smithy.Fill(reflect.ValueOf(in), sh)
	rq := &protocol.Request{Body: strings.NewReader(form), ContentLength: int64(len(form)), MaxBody: 1 << 20}
	err := r.Decode(rq, sh, &f, &problems)
	problems.Missing(&f)
	return &problems, err
}

var cases = []struct {
	name    string
	rules   *formcodec.Rules
	form    string
	generic map[string]any
	typed   input
}{
	{
		"scalars", nested, "Action=Op&Need=a+%26&Flag=TRUE&Byte=-1&When=2015-01-25T08:00:00Z&Data=dmFsdWU%3D&Unknown.1=x\n",
		map[string]any{"Need": "a &", "Flag": true, "Byte": int64(-1), "When": time.Date(2015, 1, 25, 8, 0, 0, 0, time.UTC), "Data": []byte("value")},
		input{Need: "a &", Flag: new(true), Byte: new(int8(-1)), When: new(time.Date(2015, 1, 25, 8, 0, 0, 0, time.UTC)), Data: []byte("value")},
	},
	{"empty values", nested, "Need=&Byte=&List=&Node=&Flag", map[string]any{"Need": "", "List": []any{}}, input{List: []string{}}},
	{
		"lists", nested, "Need=&List.member.2=b&List.member.10=c&List.member.1=a&Named.item.1=d&F.1=e&Lists.member.1.member.1=f&Nodes.member.3.Name=g&Nodes.member.3.Next.Name=h",
		map[string]any{
			"Need": "", "List": []any{"a", "b", "c"}, "Named": []any{"d"}, "Flat": []any{"e"}, "Lists": []any{[]any{"f"}},
			"Nodes": []any{map[string]any{"Name": "g", "Next": map[string]any{"Name": "h"}}},
		},
		input{List: []string{"a", "b", "c"}, Named: []string{"d"}, Flat: []string{"e"}, Lists: [][]string{{"f"}}, Nodes: []*node{{Name: "g", Next: &node{Name: "h"}}}},
	},
	{
		"lists without a word", flat, "Need=&List.1=a&List.2=b&Lists.1.1=c&Lists.1.2=d&Lists.2.1=e&F=f",
		map[string]any{"Need": "", "List": []any{"a", "b"}, "Lists": []any{[]any{"c", "d"}, []any{"e"}}, "Flat": []any{"f"}},
		input{List: []string{"a", "b"}, Lists: [][]string{{"c", "d"}, {"e"}}, Flat: []string{"f"}},
	},
	{
		"maps", nested, "Need=&Map.entry.1.key=a&Map.entry.1.value=1&Map.entry.2.value=2&Map.entry.2.key=b&FlatMap.1.K=c&FlatMap.1.V.Name=d",
		map[string]any{"Need": "", "Map": map[string]any{"a": "1", "b": "2"}, "FlatMap": map[string]any{"c": map[string]any{"Name": "d"}}},
		input{Map: map[string]string{"a": "1", "b": "2"}, FlatMap: map[string]*node{"c": {Name: "d"}}},
	},
	{
		"names that begin alike", nested, "Need=1&Need-2=x&Need.x=y&NeedMore=z&Node-x=1&Node.Name=n&NodeX.Name=m&Either.A=1",
		map[string]any{"Need": "1", "Node": map[string]any{"Name": "n"}, "Either": map[string]any{"A": "1"}},
		input{Need: "1", Node: &node{Name: "n"}, Either: &either{A: new("1")}},
	},
}

func TestDecode(t *testing.T) {
	sh := shape(t)
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			var generic any
			problems, err := decode(tt.rules, sh, tt.form, &generic)
			if err != nil || len(problems.List) > 0 {
				t.Fatal(err, problems.Message())
			}
			if d := cmp.Diff(any(tt.generic), generic); d != "" {
				t.Errorf("generic: -want +got\n%s", d)
			}
			var typed input
			if _, err := decode(tt.rules, sh, tt.form, &typed); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.typed, typed); d != "" {
				t.Errorf("typed: -want +got\n%s", d)
			}
		})
	}
}

func TestDecodeReadsTheQueryString(t *testing.T) {
	sh := shape(t)
	var in input
	var problems smithy.Problems
	f := smithy.Fill(reflect.ValueOf(&in), sh)
	rq := &protocol.Request{RawQuery: "Need=a&List.member.1=b", Body: strings.NewReader("List.member.2=c"), ContentLength: -1, MaxBody: 100}
	if err := nested.Decode(rq, sh, &f, &problems); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(input{Need: "a", List: []string{"b", "c"}}, in); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestDecodeNotesWhatIsMissing(t *testing.T) {
	var in any
	problems, err := decode(nested, shape(t), "Nodes.member.7.Next.Name=x", &in)
	if err != nil {
		t.Fatal(err)
	}
	want := "2 validation errors detected: " +
		"Value null at 'nodes.1.member.name' failed to satisfy constraint: Member must not be null; " +
		"Value null at 'need' failed to satisfy constraint: Member must not be null"
	if d := cmp.Diff(want, problems.Message()); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestDecodeRefuses(t *testing.T) {
	sh := shape(t)
	for name, form := range map[string]string{
		"escape in a name":      "%zz=1",
		"escape in a value":     "Need=%",
		"not UTF-8":             "Need=%ff",
		"key that is not UTF-8": "Map.entry.1.key=%ff&Map.entry.1.value=a",
		"boolean":               "Flag=yes",
		"range":                 "Byte=128",
		"time":                  "When=yesterday",
		"base64":                "Data=a",
		"no index":              "List.member.x=1",
		"structure as a value":  "Nodes.member=1",
		"value as a structure":  "List.member.1.x=1",
		"entry without a key":   "Map.entry.1.value=a",
		"entry without a value": "Map.entry.1.key=a",
		"union with two":        "Either.A=1&Either.B.member.1=2",
		"union with unknown":    "Either.C=1",
		"depth":                 "Node" + strings.Repeat(".Next", 200) + ".Name=x",
		"depth that leads on":   "Node" + strings.Repeat(".Next", 10_000) + "=",
	} {
		t.Run(name, func(t *testing.T) {
			var generic any
			_, err := decode(nested, sh, form, &generic)
			var s *protocol.SerializationError
			if !errors.As(err, &s) {
				t.Errorf("got %v, want a SerializationError; decoded %v", err, generic)
			}
		})
	}
}

func TestDecodeBoundsTheBody(t *testing.T) {
	var in any
	if _, err := decode(nested, shape(t), "Need="+strings.Repeat("a", 1<<20), &in); !errors.Is(err, protocol.ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, tt := range cases {
		f.Add(tt.form, tt.rules == flat)
	}
	f.Add("Node"+strings.Repeat(".Next", 200)+"=", false)
	sh := shape(f)
	f.Fuzz(func(t *testing.T, form string, isFlat bool) {
		r := nested
		if isFlat {
			r = flat
		}
		var generic any
		var typed input
		_, g := decode(r, sh, form, &generic)
		_, e := decode(r, sh, form, &typed)
		if (g == nil) != (e == nil) {
			t.Fatalf("generic: %v, typed: %v", g, e)
		}
	})
}

// A batch of ten messages with an attribute each, as SQS's older clients send it.
func BenchmarkDecode(b *testing.B) {
	sh := shape(b)
	v := url.Values{"Action": {"Op"}, "Version": {"2012-11-05"}, "Need": {"https://sqs.us-east-1.amazonaws.com/000000000000/q"}}
	for i := range 10 {
		p := "Nodes.member." + strconv.Itoa(i+1)
		v.Set(p+".Name", "message body "+strconv.Itoa(i))
		v.Set(p+".Next.Name", "attribute")
	}
	form := v.Encode()
	b.ReportAllocs()
	b.SetBytes(int64(len(form)))
	for b.Loop() {
		var in input
		if _, err := decode(nested, sh, form, &in); err != nil {
			b.Fatal(err)
		}
	}
}
