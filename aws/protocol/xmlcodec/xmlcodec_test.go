package xmlcodec_test

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/xmlcodec"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy/model"
)

const testModel = `{
"metadata": {"protocol": "rest-xml"}, "operations": {},
"shapes": {
 "Root": {"type": "structure", "members": {
  "Text": {"shape": "String"}, "Flag": {"shape": "Bool"}, "Short": {"shape": "Short"}, "Float": {"shape": "Float"},
  "When": {"shape": "Time"}, "Epoch": {"shape": "Epoch", "locationName": "epoch"}, "Data": {"shape": "Blob"},
  "List": {"shape": "Strings"}, "Renamed": {"shape": "Items", "locationName": "renamed"},
  "Flat": {"shape": "Items", "flattened": true}, "Old": {"shape": "OldFlat"}, "Nodes": {"shape": "Nodes", "flattened": true, "locationName": "Node"},
  "Map": {"shape": "Map"}, "FlatMap": {"shape": "NodeMap", "flattened": true, "locationName": "KVP"}, "Lists": {"shape": "Lists"},
  "Node": {"shape": "Node", "locationName": "OneNode", "xmlNamespace": {"prefix": "n", "uri": "http://n"}}, "Either": {"shape": "Either"},
  "Hidden": {"shape": "String", "location": "header", "locationName": "x-hidden"}}},
 "Node": {"type": "structure", "required": ["Name"], "members": {
  "Type": {"shape": "String", "locationName": "xsi:type", "xmlAttribute": true}, "Name": {"shape": "String"}, "Next": {"shape": "Node"}}},
 "Either": {"type": "structure", "union": true, "members": {"A": {"shape": "String"}, "B": {"shape": "Strings", "flattened": true}}},
 "String": {"type": "string"}, "Bool": {"type": "boolean"}, "Short": {"type": "short"}, "Float": {"type": "float"}, "Blob": {"type": "blob"},
 "Time": {"type": "timestamp"}, "Epoch": {"type": "timestamp", "timestampFormat": "unixTimestamp"},
 "Strings": {"type": "list", "member": {"shape": "String"}}, "Lists": {"type": "list", "member": {"shape": "Strings"}},
 "Items": {"type": "list", "member": {"shape": "String", "locationName": "item"}},
 "OldFlat": {"type": "list", "flattened": true, "member": {"shape": "String", "locationName": "OldItem"}},
 "Nodes": {"type": "list", "member": {"shape": "Node"}},
 "Map": {"type": "map", "key": {"shape": "String"}, "value": {"shape": "String"}},
 "NodeMap": {"type": "map", "key": {"shape": "String", "locationName": "K"}, "value": {"shape": "Node", "locationName": "V"}}
}}`

type node struct {
	Type *string
	Name string
	Next *node
}

type either struct {
	A *string
	B []string
}

type root struct {
	Text    *string
	Flag    *bool
	Short   *int16
	Float   *float32
	When    *time.Time
	Epoch   *time.Time
	Data    []byte
	List    []string
	Renamed []string
	Flat    []string
	Old     []string
	Nodes   []*node
	Map     map[string]string
	FlatMap map[string]*node
	Lists   [][]string
	Node    *node
	Either  *either
	Hidden  *string
}

func rootMember(t testing.TB) *smithy.Member {
	t.Helper()
	sv, err := model.Parse("test", []byte(testModel))
	if err != nil {
		t.Fatal(err)
	}
	return &smithy.Member{Name: "Root", Shape: sv.Shape("Root")}
}

func decode(m *smithy.Member, doc string, v any) (*smithy.Problems, error) {
	var problems smithy.Problems
	err := xmlcodec.Decode([]byte(doc), "", m, reflect.ValueOf(v).Elem(), &problems)
	return &problems, err
}

func encode(t testing.TB, m *smithy.Member, v any) string {
	t.Helper()
	b, err := xmlcodec.Write(func(w *xmlcodec.Writer) {
		w.Root("Root", smithy.XMLNamespace{}, m.Shape, reflect.Indirect(reflect.ValueOf(v)))
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var noon = time.Date(2014, 4, 29, 18, 30, 38, 0, time.UTC)

var cases = []struct {
	name string
	// xml is what is read; canonical what is written, when it differs.
	xml, canonical string
	generic        map[string]any
	typed          root
}{
	{"nothing", "<Root/>", "<Root></Root>", map[string]any{}, root{}},
	{
		"scalars", "<?xml version='1.0'?>\n<!-- c --><Root xmlns='http://x'><Text> a </Text><Flag>\n true </Flag><Short>-7</Short>" +
			"<Float>Infinity</Float><When>2014-04-29T18:30:38Z</When><epoch>1398796238.5</epoch><Data>dmFs\ndWU=</Data><Unknown a='1'><b/>x</Unknown></Root> ",
		"<Root><Text> a </Text><Flag>true</Flag><Short>-7</Short><Float>Infinity</Float><When>2014-04-29T18:30:38Z</When>" +
			"<epoch>1398796238.5</epoch><Data>dmFsdWU=</Data></Root>",
		map[string]any{
			"Text": " a ", "Flag": true, "Short": int64(-7), "Float": math.Inf(1), "When": noon,
			"Epoch": noon.Add(500 * time.Millisecond), "Data": []byte("value"),
		},
		root{
			Text: new(" a "), Flag: new(true), Short: new(int16(-7)), Float: new(float32(math.Inf(1))), When: &noon,
			Epoch: new(noon.Add(500 * time.Millisecond)), Data: []byte("value"),
		},
	},
	{
		"text", "<Root><Text>a&amp;&lt;&gt;&quot;&apos;&#233;&#x1F600;<![CDATA[<b>&amp;]]>\r\nend<!-- no --> &#xD;</Text></Root>",
		"<Root><Text>a&amp;&lt;&gt;&quot;'é😀&lt;b&gt;&amp;amp;&#xA;end &#xD;</Text></Root>",
		map[string]any{"Text": "a&<>\"'é😀<b>&amp;\nend \r"},
		root{Text: new("a&<>\"'é😀<b>&amp;\nend \r")},
	},
	{"control characters", "<Root><Text>&#x4;&#x85;&#x2028;</Text></Root>", "", map[string]any{"Text": "\x04\u0085\u2028"}, root{Text: new("\x04\u0085\u2028")}},
	{"empty string", "<Root><Text/><List></List></Root>", "<Root><Text></Text><List></List></Root>", map[string]any{"Text": "", "List": []any{}}, root{Text: new(""), List: []string{}}},
	{
		"lists", "<Root><List> <member>a</member><other/><member>b</member></List><renamed><item>c</item></renamed><Flat>d</Flat><OldItem>f</OldItem><Flat>e</Flat>" +
			"<Lists><member><member>g</member></member><member/></Lists></Root>",
		"<Root><List><member>a</member><member>b</member></List><renamed><item>c</item></renamed><Flat>d</Flat><Flat>e</Flat><OldItem>f</OldItem>" +
			"<Lists><member><member>g</member></member><member></member></Lists></Root>",
		map[string]any{
			"List": []any{"a", "b"}, "Renamed": []any{"c"}, "Flat": []any{"d", "e"}, "Old": []any{"f"},
			"Lists": []any{[]any{"g"}, []any{}},
		},
		root{List: []string{"a", "b"}, Renamed: []string{"c"}, Flat: []string{"d", "e"}, Old: []string{"f"}, Lists: [][]string{{"g"}, {}}},
	},
	{
		"maps", "<Root><KVP><V><Name>n</Name><x><y/></x></V><K>k</K></KVP><Map><entry><key>b</key><value>2</value></entry><entry><key>a</key><value>1</value></entry></Map></Root>",
		"<Root><Map><entry><key>a</key><value>1</value></entry><entry><key>b</key><value>2</value></entry></Map><KVP><K>k</K><V><Name>n</Name></V></KVP></Root>",
		map[string]any{"Map": map[string]any{"a": "1", "b": "2"}, "FlatMap": map[string]any{"k": map[string]any{"Name": "n"}}},
		root{Map: map[string]string{"a": "1", "b": "2"}, FlatMap: map[string]*node{"k": {Name: "n"}}},
	},
	{
		"structures", `<Root><n:OneNode xmlns:n="http://n" n:type='T"&lt;'><Name>a</Name><Next><Name>b</Name></Next></n:OneNode><Node><Name>c</Name></Node><Either><B>1</B><B>2</B></Either></Root>`,
		`<Root><Node><Name>c</Name></Node><OneNode xmlns:n="http://n" xsi:type="T&quot;&lt;"><Name>a</Name><Next><Name>b</Name></Next></OneNode><Either><B>1</B><B>2</B></Either></Root>`,
		map[string]any{
			"Node":  map[string]any{"Type": `T"<`, "Name": "a", "Next": map[string]any{"Name": "b"}},
			"Nodes": []any{map[string]any{"Name": "c"}}, "Either": map[string]any{"B": []any{"1", "2"}},
		},
		root{Node: &node{Type: new(`T"<`), Name: "a", Next: &node{Name: "b"}}, Nodes: []*node{{Name: "c"}}, Either: &either{B: []string{"1", "2"}}},
	},
}

func TestDecode(t *testing.T) {
	m := rootMember(t)
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			var generic any
			problems, err := decode(m, tt.xml, &generic)
			if err != nil || len(problems.List) > 0 {
				t.Fatal(err, problems.Message())
			}
			if d := cmp.Diff(any(tt.generic), generic); d != "" {
				t.Errorf("generic: -want +got\n%s", d)
			}
			var typed root
			if _, err := decode(m, tt.xml, &typed); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.typed, typed); d != "" {
				t.Errorf("typed: -want +got\n%s", d)
			}
		})
	}
}

func TestEncode(t *testing.T) {
	m := rootMember(t)
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			want := tt.canonical
			if want == "" {
				want = tt.xml
			}
			if d := cmp.Diff(want, encode(t, m, tt.generic)); d != "" {
				t.Errorf("generic: -want +got\n%s", d)
			}
			if d := cmp.Diff(want, encode(t, m, &tt.typed)); d != "" {
				t.Errorf("typed: -want +got\n%s", d)
			}
		})
	}
}

func TestDecodeNotesWhatIsMissing(t *testing.T) {
	var generic any
	problems, err := decode(rootMember(t), "<Root><Node><Name>x</Name></Node><Node><Next/></Node><KVP><K>k</K><V/></KVP></Root>", &generic)
	if err != nil {
		t.Fatal(err)
	}
	want := "3 validation errors detected: " +
		"Value null at 'nodes.2.member.next.name' failed to satisfy constraint: Member must not be null; " +
		"Value null at 'nodes.2.member.name' failed to satisfy constraint: Member must not be null; " +
		"Value null at 'flatMap.k.member.name' failed to satisfy constraint: Member must not be null"
	if d := cmp.Diff(want, problems.Message()); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestDecodeRefuses(t *testing.T) {
	m := rootMember(t)
	deep := strings.Repeat("<Next>", 200) + strings.Repeat("</Next>", 200)
	for name, doc := range map[string]string{
		"nothing":              "",
		"only text":            "hello",
		"text before":          "x<Root/>",
		"text after":           "<Root/>x",
		"two roots":            "<Root/><Root/>",
		"open":                 "<Root>",
		"crossed":              "<Root><Text></Root></Text>",
		"end without start":    "</Root>",
		"end of another":       "<Root></Toor>",
		"cut tag":              "<Root",
		"cut end":              "<Root></Root",
		"cut comment":          "<Root><!-- </Root>",
		"cut section":          "<Root><Text><![CDATA[</Text></Root>",
		"no name":              "<Root>< /></Root>",
		"name with a digit":    "<Root><1/></Root>",
		"attribute unquoted":   "<Root a=1/>",
		"attribute alone":      "<Root a/>",
		"attribute twice":      `<Root a="1" a="2"/>`,
		"attribute joined":     `<Root a="1"b="2"/>`,
		"tag in an attribute":  `<Root a="<"/>`,
		"document type":        `<!DOCTYPE Root [<!ENTITY a "b">]><Root/>`,
		"entity":               "<Root><Text>&a;</Text></Root>",
		"reference to nothing": "<Root><Text>&#0;</Text></Root>",
		"surrogate":            "<Root><Text>&#xD800;</Text></Root>",
		"beyond Unicode":       "<Root><Text>&#x110000;</Text></Root>",
		"open reference":       "<Root><Text>a & b</Text></Root>",
		"raw control":          "<Root><Text>\x01</Text></Root>",
		"not UTF-8":            "<Root><Text>\xff</Text></Root>",
		"element in text":      "<Root><Text>a<b/></Text></Root>",
		"text in a structure":  "<Root>a</Root>",
		"text in a list":       "<Root><List>a</List></Root>",
		"text in a map":        "<Root><Map>a</Map></Root>",
		"entry without a key":  "<Root><Map><entry><value>a</value></entry></Map></Root>",
		"entry with no value":  "<Root><Map><entry><key>a</key></entry></Map></Root>",
		"boolean":              "<Root><Flag>yes</Flag></Root>",
		"number":               "<Root><Short>1.5</Short></Root>",
		"empty number":         "<Root><Short/></Root>",
		"range":                "<Root><Short>32768</Short></Root>",
		"float range":          "<Root><Float>1e39</Float></Root>",
		"time":                 "<Root><When>1398796238</When></Root>",
		"base64":               "<Root><Data>a</Data></Root>",
		"union without member": "<Root><Either/></Root>",
		"union with two":       "<Root><Either><A/><B/></Either></Root>",
		"union with unknown":   "<Root><Either><A/><C/></Either></Root>",
		"depth":                "<Root><OneNode>" + deep + "</OneNode></Root>",
		"depth of unknown":     "<Root><Other>" + deep + "</Other></Root>",
	} {
		t.Run(name, func(t *testing.T) {
			var generic any
			_, err := decode(m, doc, &generic)
			var s *protocol.SerializationError
			if !errors.As(err, &s) {
				t.Errorf("got %v, want a SerializationError; decoded %v", err, generic)
			}
			var typed root
			if _, err := decode(m, doc, &typed); !errors.As(err, &s) {
				t.Errorf("typed: got %v, want a SerializationError", err)
			}
		})
	}
}

func TestDecodeChecksTheRoot(t *testing.T) {
	var v any
	var problems smithy.Problems
	err := xmlcodec.Decode([]byte("<Toor/>"), "Root", rootMember(t), reflect.ValueOf(&v).Elem(), &problems)
	if err == nil {
		t.Error("another root element was accepted")
	}
}

// What was read, written and read again is the same.
func FuzzDecode(f *testing.F) {
	for _, tt := range cases {
		f.Add(tt.xml)
	}
	f.Add("<Root><OneNode>" + strings.Repeat("<Next>", 200))
	f.Add("<!DOCTYPE a><a>&b;</a>")
	m := rootMember(f)
	f.Fuzz(func(t *testing.T, doc string) {
		var generic, again any
		var typed root
		_, g := decode(m, doc, &generic)
		_, e := decode(m, doc, &typed)
		if (g == nil) != (e == nil) {
			t.Fatalf("generic: %v, typed: %v", g, e)
		}
		if g != nil {
			return
		}
		out := encode(t, m, generic)
		if other := encode(t, m, &typed); len(typed.FlatMap) == 0 && len(typed.Nodes) == 0 && typed.Node == nil && out != other {
			t.Fatalf("generic wrote %s\ntyped wrote %s", out, other)
		}
		if _, err := decode(m, out, &again); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		if d := cmp.Diff(generic, again, cmpopts.EquateNaNs(), cmpopts.EquateApproxTime(time.Millisecond), cmpopts.EquateEmpty()); d != "" {
			t.Fatal(d)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	m := rootMember(b)
	doc := []byte("<Root>" + strings.Repeat("<Node><Name>photos/2019/12/16/a.jpg</Name><Next><Name>v</Name></Next></Node>", 100) + "</Root>")
	b.ReportAllocs()
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		var v root
		var problems smithy.Problems
		if err := xmlcodec.Decode(doc, "Root", m, reflect.ValueOf(&v).Elem(), &problems); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	m := rootMember(b)
	v := root{Text: new("t"), Flag: new(true), When: &noon}
	for range 100 {
		v.Nodes = append(v.Nodes, &node{Name: "photos/2019/12/16/a.jpg", Type: new("T"), Next: &node{Name: "v"}})
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(encode(b, m, &v))))
	for b.Loop() {
		encode(b, m, &v)
	}
}
