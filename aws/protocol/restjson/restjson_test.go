package restjson

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/eventstream"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy/model"
)

const wireModel = `{"metadata":{"protocol":"rest-json"},"operations":{
"Put":{"name":"Put","http":{"method":"PUT","requestUri":"/things/{Id}","responseCode":201},"input":{"shape":"PutIn"},"output":{"shape":"PutOut"},"errors":[{"shape":"Gone"}]},
"Raw":{"name":"Raw","http":{"method":"POST","requestUri":"/raw"},"input":{"shape":"RawIO"},"output":{"shape":"RawIO"}},
"Text":{"name":"Text","http":{"method":"POST","requestUri":"/text"},"input":{"shape":"TextIO"},"output":{"shape":"TextIO"}},
"Maybe":{"name":"Maybe","http":{"method":"POST","requestUri":"/maybe"},"input":{"shape":"MaybeIO"}},
"Nested":{"name":"Nested","http":{"method":"POST","requestUri":"/nested"},"input":{"shape":"NestedIO"},"output":{"shape":"NestedIO"}},
"Upload":{"name":"Upload","http":{"method":"POST","requestUri":"/upload"},"input":{"shape":"UploadIO"},"output":{"shape":"UploadIO"}},
"Watch":{"name":"Watch","http":{"method":"POST","requestUri":"/watch"},"input":{"shape":"WatchIO"},"output":{"shape":"WatchIO"}},
"Head":{"name":"Head","http":{"method":"HEAD","requestUri":"/things/{Id}"},"input":{"shape":"HeadIn"},"output":{"shape":"PutOut"}},
"Delete":{"name":"Delete","http":{"method":"DELETE","requestUri":"/things/{Id}","responseCode":204},"input":{"shape":"HeadIn"},"output":{"shape":"Empty"}},
"Ping":{"name":"Ping","http":{"method":"GET","requestUri":"/ping"}}},"shapes":{
"PutIn":{"type":"structure","required":["Id","Name"],"members":{"Id":{"shape":"S","location":"uri","locationName":"Id"},"Name":{"shape":"S","locationName":"name"},"Trace":{"shape":"S","location":"header","locationName":"X-Trace"},"Count":{"shape":"I","location":"querystring","locationName":"count"},"Parts":{"shape":"Parts","locationName":"parts"}}},
"PutOut":{"type":"structure","members":{"ETag":{"shape":"S","location":"header","locationName":"ETag"},"Name":{"shape":"S","locationName":"name"}}},
"RawIO":{"type":"structure","payload":"Data","members":{"Data":{"shape":"B"},"Trace":{"shape":"S","location":"header","locationName":"X-Trace"}}},
"TextIO":{"type":"structure","payload":"Text","members":{"Text":{"shape":"S"}}},
"NestedIO":{"type":"structure","payload":"Thing","required":["Thing"],"members":{"Thing":{"shape":"Thing"}}},
"MaybeIO":{"type":"structure","payload":"Thing","members":{"Thing":{"shape":"Thing"}}},
"Thing":{"type":"structure","required":["A"],"members":{"A":{"shape":"S"}}},
"UploadIO":{"type":"structure","payload":"Body","required":["Body"],"members":{"Body":{"shape":"Big"},"Trace":{"shape":"S","location":"header","locationName":"X-Trace"}}},
"WatchIO":{"type":"structure","payload":"Events","members":{"Events":{"shape":"Events"},"Trace":{"shape":"S","location":"header","locationName":"X-Trace"}}},
"Events":{"type":"structure","eventstream":true,"members":{"Thing":{"shape":"Thing"}}},
"HeadIn":{"type":"structure","required":["Id"],"members":{"Id":{"shape":"S","location":"uri","locationName":"Id"}}},
"Empty":{"type":"structure","members":{}},
"Gone":{"type":"structure","exception":true,"error":{"httpStatusCode":410},"members":{"message":{"shape":"S"},"After":{"shape":"I","location":"header","locationName":"Retry-After"},"Kind":{"shape":"S"}}},
"Parts":{"type":"list","member":{"shape":"Thing"}},"S":{"type":"string"},"I":{"type":"integer"},"B":{"type":"blob"},"Big":{"type":"blob","streaming":true}}}`

type putIn struct {
	Id, Name string
	Trace    *string
	Count    *int32
	Parts    []thing
}

type thing struct{ A string }

type uploadIO struct {
	Body  io.Reader
	Trace *string
}

func service(tb testing.TB) *smithy.Service {
	tb.Helper()
	sv, err := model.Parse("things", []byte(wireModel))
	if err != nil {
		tb.Fatal(err)
	}
	return sv
}

func request(body string) *protocol.Request {
	return &protocol.Request{
		Labels: map[string]string{"Id": "a%2Fb"}, RawQuery: "count=3", Header: http.Header{"X-Trace": {"t"}},
		Body: strings.NewReader(body), ContentLength: int64(len(body)), MaxBody: 1 << 20,
	}
}

func TestDecode(t *testing.T) {
	sv := service(t)
	var in putIn
	var p smithy.Problems
	if err := New().Decode(sv.Operation("Put"), request(`{"name":"n","Id":"not this","parts":[{"A":"1"},{}]}`), &in, &p); err != nil {
		t.Fatal(err)
	}
	three, trace := int32(3), "t"
	if d := cmp.Diff(putIn{Id: "a/b", Name: "n", Trace: &trace, Count: &three, Parts: []thing{{A: "1"}, {}}}, in); d != "" {
		t.Error(d)
	}
	if want := "1 validation error detected: Value null at 'parts.2.member.a' failed to satisfy constraint: Member must not be null"; p.Message() != want {
		t.Error(p.Message())
	}
	for _, tc := range []struct {
		op, body string
		want     map[string]any // nil when refused
		problems int
	}{
		{"Put", "", map[string]any{"Id": "a/b", "Count": int64(3), "Trace": "t"}, 1},
		{"Raw", "", map[string]any{"Trace": "t"}, 0},
		{"Raw", "\x00\xff", map[string]any{"Trace": "t", "Data": []byte("\x00\xff")}, 0},
		{"Text", "raw", map[string]any{"Text": "raw"}, 0},
		{"Nested", `{"A":"1"}`, map[string]any{"Thing": map[string]any{"A": "1"}}, 0},
		{"Nested", `{}`, map[string]any{"Thing": map[string]any{}}, 1},
		{"Maybe", ` { } `, map[string]any{}, 0},
		{"Maybe", `{"A":"1"}`, map[string]any{"Thing": map[string]any{"A": "1"}}, 0},
		{"Maybe", `{`, nil, 0},
		{"Maybe", `}`, nil, 0},
		{"Nested", ``, map[string]any{}, 1},
		{"Delete", "ignored", map[string]any{"Id": "a/b"}, 0},
		{"Put", "null", nil, 0},
		{"Put", "[]", nil, 0},
		{"Text", "\xff", nil, 0},
		{"Nested", `"x"`, nil, 0},
	} {
		var in any
		var p smithy.Problems
		err := New().Decode(sv.Operation(tc.op), request(tc.body), &in, &p)
		if (err != nil) != (tc.want == nil) {
			t.Errorf("%s %q: %v", tc.op, tc.body, err)
		}
		if d := cmp.Diff(any(tc.want), in); tc.want != nil && (d != "" || len(p.List) != tc.problems) {
			t.Error(tc.op, tc.body, p.Message(), d)
		}
	}
}

func TestStreams(t *testing.T) {
	sv := service(t)
	var in uploadIO
	if err := New().Decode(sv.Operation("Upload"), request("stream"), &in, &smithy.Problems{}); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(in.Body); string(b) != "stream" || err != nil {
		t.Error(string(b), err)
	}
	body := bytes.NewReader([]byte("out"))
	for name, out := range map[string]any{"typed": &uploadIO{Body: body}, "generic": map[string]any{"Body": body}} {
		resp, err := New().Encode(sv.Operation("Upload"), out, "r")
		if err != nil || resp.Stream != io.Reader(body) || resp.ContentLength != -1 || resp.Header.Get("Content-Type") != "application/octet-stream" {
			t.Error(name, resp, err)
		}
	}
	if resp, err := New().Encode(sv.Operation("Upload"), map[string]any{"Body": []byte("held")}, "r"); err != nil || string(resp.Body) != "held" {
		t.Error(resp, err)
	}
	var events smithy.Stream = func(yield func(any, error) bool) {
		if yield(map[string]any{"Thing": map[string]any{"A": "1"}}, nil) {
			yield(nil, awserr.New("Gone", 410, "bye"))
		}
	}
	resp, err := New().Encode(sv.Operation("Watch"), map[string]any{"Events": events, "Trace": "t"}, "r")
	if err != nil || resp.Header.Get("Content-Type") != eventstream.ContentType || resp.Header.Get("X-Trace") != "t" {
		t.Fatal(resp, err)
	}
	var buf bytes.Buffer
	if err := resp.Events(&buf, func() {}); !awserr.HasCode(err, "Gone") {
		t.Error(err)
	}
	frames := buf.String()
	if _, last, err := eventstream.Decode(buf.Bytes()); err != nil {
		t.Error(err)
	} else if m, _, err := eventstream.Decode(last); err != nil || m.Text(":message-type") != "error" || m.Text(":error-code") != "Gone" || m.Text(":error-message") != "bye" {
		t.Error(m, err)
	}
	var watched any
	if err := New().Decode(sv.Operation("Watch"), request(frames), &watched, &smithy.Problems{}); err != nil {
		t.Fatal(err)
	}
	var got []any
	var last error
	for ev, err := range watched.(map[string]any)["Events"].(smithy.Stream) {
		got, last = append(got, ev), err
	}
	if d := cmp.Diff([]any{map[string]any{"Thing": map[string]any{"A": "1"}}, nil}, got); d != "" || last == nil {
		t.Error(last, d)
	}
}

func TestEncode(t *testing.T) {
	sv := service(t)
	for _, tc := range []struct {
		op     string
		out    any
		status int
		media  string
		body   string
	}{
		{"Put", map[string]any{"ETag": "e", "Name": "n"}, 201, "application/json", `{"name":"n"}`},
		{"Put", nil, 201, "application/json", `{}`},
		{"Head", map[string]any{"ETag": "e", "Name": "n"}, 200, "application/json", ``},
		{"Delete", nil, 204, "", ``},
		{"Ping", nil, 200, "", ``},
		{"Raw", map[string]any{"Data": []byte("d")}, 200, "application/octet-stream", `d`},
		{"Raw", map[string]any{}, 200, "", ``},
		{"Text", map[string]any{"Text": "t"}, 200, "text/plain", `t`},
		{"Nested", map[string]any{"Thing": map[string]any{"A": "1"}}, 200, "application/json", `{"A":"1"}`},
	} {
		resp, err := New().Encode(sv.Operation(tc.op), tc.out, "r")
		if err != nil {
			t.Errorf("%s: %v", tc.op, err)
			continue
		}
		if resp.Status != tc.status || resp.Header.Get("Content-Type") != tc.media || string(resp.Body) != tc.body || resp.Header.Get("x-amzn-RequestId") != "r" {
			t.Errorf("%s: %d %v %s", tc.op, resp.Status, resp.Header, resp.Body)
		}
	}
	if _, err := New().Encode(sv.Operation("Upload"), map[string]any{"Body": 1}, "r"); err == nil {
		t.Error("a number was streamed")
	}
}

func TestEncodeError(t *testing.T) {
	op := service(t).Operation("Put")
	resp := New().EncodeError(nil, op, awserr.New("Gone", 0, "bye").With("After", int64(9)).With("Kind", "k"), "r")
	if resp.Status != 410 || string(resp.Body) != `{"message":"bye","Kind":"k"}` || resp.Header.Get("x-amzn-errortype") != "Gone" || resp.Header.Get("Retry-After") != "9" {
		t.Errorf("%d %v %s", resp.Status, resp.Header, resp.Body)
	}
	resp = New().EncodeError(nil, nil, awserr.New("AccessDeniedException", 403, "no"), "r")
	if resp.Status != 403 || string(resp.Body) != `{"message":"no"}` || resp.Header.Get("x-amzn-errortype") != "AccessDeniedException" {
		t.Errorf("%d %v %s", resp.Status, resp.Header, resp.Body)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("Put", "a%2Fb", "count=3", "t", []byte(`{"name":"n","parts":[{"A":"1"}]}`))
	f.Add("Nested", "", "", "", []byte(`{"A":"1"}`))
	f.Add("Watch", "%", "&=;", "\xff", []byte("\x00\x00\x00\x10"))
	sv := service(f)
	f.Fuzz(func(t *testing.T, name, label, query, trace string, body []byte) {
		op := sv.Operation(name)
		if op == nil {
			return
		}
		rq := func() *protocol.Request {
			return &protocol.Request{Labels: map[string]string{"Id": label}, RawQuery: query, Header: http.Header{"X-Trace": {trace}}, Body: bytes.NewReader(body), ContentLength: -1, MaxBody: 1 << 20}
		}
		var generic any
		var p smithy.Problems
		err := New().Decode(op, rq(), &generic, &p)
		if m, ok := generic.(map[string]any); ok && err == nil {
			if s, ok := m["Events"].(smithy.Stream); ok {
				for range s {
				}
			}
		}
		if name != "Put" {
			return
		}
		var typed putIn
		var q smithy.Problems
		if e := New().Decode(op, rq(), &typed, &q); (e == nil) != (err == nil) || q.Message() != p.Message() {
			t.Fatalf("typed %v, generic %v", e, err)
		}
	})
}
