package awsjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/eventstream"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy/model"
)

// wireModel resembles the hottest calls of SQS and DynamoDB, and an event stream.
const wireModel = `{"metadata":{"protocol":"json","jsonVersion":"1.0","awsQueryCompatible":{}},"operations":{
"SendMessage":{"name":"SendMessage","http":{"method":"POST","requestUri":"/"},"input":{"shape":"SendMessageInput"},"output":{"shape":"SendMessageOutput"},"errors":[{"shape":"NoQueue"},{"shape":"Busy"}]},
"PutItem":{"name":"PutItem","http":{"method":"POST","requestUri":"/"},"input":{"shape":"PutItemInput"},"output":{"shape":"PutItemOutput"}},
"Delete":{"name":"Delete","http":{"method":"POST","requestUri":"/"}},
"Watch":{"name":"Watch","http":{"method":"POST","requestUri":"/"},"input":{"shape":"WatchInput"},"output":{"shape":"WatchOutput"}}},
"shapes":{
"SendMessageInput":{"type":"structure","required":["QueueUrl","MessageBody"],"members":{"QueueUrl":{"shape":"S"},"MessageBody":{"shape":"S"},"DelaySeconds":{"shape":"I"},"MessageAttributes":{"shape":"Attrs"},"MessageDeduplicationId":{"shape":"S"},"MessageGroupId":{"shape":"S"}}},
"Attrs":{"type":"map","key":{"shape":"S"},"value":{"shape":"Attr"}},
"Attr":{"type":"structure","required":["DataType"],"members":{"StringValue":{"shape":"S"},"BinaryValue":{"shape":"B"},"DataType":{"shape":"S"}}},
"SendMessageOutput":{"type":"structure","members":{"MD5OfMessageBody":{"shape":"S"},"MD5OfMessageAttributes":{"shape":"S"},"MessageId":{"shape":"S"},"SequenceNumber":{"shape":"S"}}},
"PutItemInput":{"type":"structure","required":["TableName","Item"],"members":{"TableName":{"shape":"S"},"Item":{"shape":"Item"},"ConditionExpression":{"shape":"S"},"ExpressionAttributeValues":{"shape":"Item"},"ReturnValues":{"shape":"S"}}},
"Item":{"type":"map","key":{"shape":"S"},"value":{"shape":"Value"}},
"Value":{"type":"structure","union":true,"members":{"S":{"shape":"S"},"N":{"shape":"S"},"B":{"shape":"B"},"SS":{"shape":"L"},"NS":{"shape":"L"},"BS":{"shape":"BS"},"M":{"shape":"Item"},"L":{"shape":"Values"},"NULL":{"shape":"Bool"},"BOOL":{"shape":"Bool"}}},
"Values":{"type":"list","member":{"shape":"Value"}},"BS":{"type":"list","member":{"shape":"B"}},
"PutItemOutput":{"type":"structure","members":{"Attributes":{"shape":"Item"}}},
"WatchInput":{"type":"structure","members":{"Name":{"shape":"S"},"Events":{"shape":"Events"}}},
"WatchOutput":{"type":"structure","members":{"Name":{"shape":"S"},"Events":{"shape":"Events"}}},
"Events":{"type":"structure","eventstream":true,"members":{"Record":{"shape":"Record"},"Raw":{"shape":"Raw"},"End":{"shape":"End"},"Busy":{"shape":"Busy"}}},
"Record":{"type":"structure","event":true,"required":["Text"],"members":{"Seq":{"shape":"I","eventheader":true},"Text":{"shape":"S"}}},
"Raw":{"type":"structure","event":true,"members":{"Data":{"shape":"B","eventpayload":true},"When":{"shape":"T","eventheader":true}}},
"End":{"type":"structure","event":true,"members":{}},
"NoQueue":{"type":"structure","exception":true,"error":{"code":"AWS.NonExistentQueue","httpStatusCode":400,"senderFault":true},"members":{"message":{"shape":"S"}}},
"Busy":{"type":"structure","exception":true,"fault":true,"error":{"code":"Busy","httpStatusCode":503},"members":{"Message":{"shape":"S"},"Retry":{"shape":"I"}}},
"S":{"type":"string"},"I":{"type":"integer"},"B":{"type":"blob"},"L":{"type":"list","member":{"shape":"S"}},"Bool":{"type":"boolean"},"T":{"type":"timestamp"}}}`

type sendMessageInput struct {
	QueueUrl               string
	MessageBody            string
	DelaySeconds           *int32
	MessageAttributes      map[string]attr
	MessageDeduplicationId *string
	MessageGroupId         *string
}

type attr struct {
	StringValue *string
	BinaryValue []byte
	DataType    string
}

type sendMessageOutput struct{ MD5OfMessageBody, MD5OfMessageAttributes, MessageId, SequenceNumber *string }

type putItemInput struct {
	TableName                 string
	Item                      map[string]value
	ConditionExpression       *string
	ExpressionAttributeValues map[string]value
	ReturnValues              *string
}

type putItemOutput struct{ Attributes map[string]value }

type value struct {
	S    *string
	N    *string
	B    []byte
	SS   []string
	NS   []string
	BS   [][]byte
	M    map[string]value
	L    []value
	NULL *bool
	BOOL *bool
}

func service(tb testing.TB) *smithy.Service {
	tb.Helper()
	sv, err := model.Parse("sqs", []byte(wireModel))
	if err != nil {
		tb.Fatal(err)
	}
	return sv
}

func request(body string) *protocol.Request {
	return &protocol.Request{Method: "POST", Body: strings.NewReader(body), ContentLength: int64(len(body)), MaxBody: 1 << 20}
}

const sendMessage = `{"QueueUrl":"http://localhost:4566/000000000000/orders","MessageBody":"{\"order\":\"4f1c\",\"amount\":12.5,\"lines\":[1,2,3]}",` +
	`"DelaySeconds":5,"MessageAttributes":{"kind":{"DataType":"String","StringValue":"order"},"blob":{"DataType":"Binary","BinaryValue":"AP8B"}}}`

const putItem = `{"TableName":"orders","Item":{"pk":{"S":"customer#0001"},"sk":{"S":"order#2026-11-22#0001"},"total":{"N":"125.50"},` +
	`"paid":{"BOOL":true},"tags":{"SS":["a","b","c"]},"address":{"M":{"street":{"S":"1 Main Street"},"city":{"S":"Springfield"},"zip":{"N":"12345"}}},` +
	`"lines":{"L":[{"M":{"sku":{"S":"A-1"},"qty":{"N":"2"}}},{"M":{"sku":{"S":"B-2"},"qty":{"N":"1"}}},{"M":{"sku":{"S":"C-3"},"qty":{"N":"7"}}}]},` +
	`"note":{"NULL":true},"blob":{"B":"AAECAwQFBgcICQ=="}},"ConditionExpression":"attribute_not_exists(pk)","ReturnValues":"NONE"}`

func TestDecodeAndEncode(t *testing.T) {
	sv := service(t)
	op := sv.Operation("SendMessage")
	var in sendMessageInput
	var p smithy.Problems
	if err := New().Decode(op, request(sendMessage), &in, &p); err != nil || p.Message() != "" {
		t.Fatal(err, p.Message())
	}
	five, order := int32(5), "order"
	want := sendMessageInput{
		QueueUrl: "http://localhost:4566/000000000000/orders", MessageBody: `{"order":"4f1c","amount":12.5,"lines":[1,2,3]}`, DelaySeconds: &five,
		MessageAttributes: map[string]attr{"kind": {StringValue: &order, DataType: "String"}, "blob": {BinaryValue: []byte{0, 255, 1}, DataType: "Binary"}},
	}
	if d := cmp.Diff(want, in); d != "" {
		t.Error(d)
	}
	id := "m-1"
	resp, err := New().Encode(op, &sendMessageOutput{MessageId: &id}, "r-1")
	if err != nil {
		t.Fatal(err)
	}
	if got := string(resp.Body); got != `{"MessageId":"m-1"}` || resp.Status != 200 {
		t.Error(resp.Status, got)
	}
	if d := cmp.Diff(map[string][]string{"Content-Type": {"application/x-amz-json-1.0"}, "X-Amzn-Requestid": {"r-1"}}, map[string][]string(resp.Header)); d != "" {
		t.Error(d)
	}
}

func TestEmptyBodies(t *testing.T) {
	sv := service(t)
	for _, body := range []string{"", "{}", " \n"} {
		var in any
		var p smithy.Problems
		if err := New().Decode(sv.Operation("SendMessage"), request(body), &in, &p); err != nil || len(p.List) != 2 {
			t.Errorf("%q: %v, %s", body, err, p.Message())
		}
		if err := New().Decode(sv.Operation("Delete"), request(body), &in, &p); err != nil {
			t.Errorf("%q: %v", body, err)
		}
	}
	for _, body := range []string{"null", "[]", "x"} {
		var in any
		if err := New().Decode(sv.Operation("SendMessage"), request(body), &in, &smithy.Problems{}); err == nil {
			t.Errorf("%q was accepted", body)
		}
	}
	for name, want := range map[string]string{"Delete": "", "SendMessage": "{}"} {
		resp, err := New().Encode(sv.Operation(name), nil, "r")
		if err != nil || string(resp.Body) != want {
			t.Errorf("%s: %q, %v", name, resp.Body, err)
		}
	}
	rq := request(strings.Repeat(" ", 100))
	rq.MaxBody = 99
	if err := New().Decode(sv.Operation("SendMessage"), rq, new(any), &smithy.Problems{}); !errors.Is(err, protocol.ErrTooLarge) {
		t.Error(err)
	}
}

func TestEncodeError(t *testing.T) {
	sv := service(t)
	op := sv.Operation("SendMessage")
	plain := sv.Meta
	plain.QueryCompatible, plain.JSONVersion = false, "1.1"
	dynamo := sv.Meta
	dynamo.Name, dynamo.APIVersion, dynamo.QueryCompatible = "dynamodb", "2012-08-10", false
	for _, tc := range []struct {
		sv     *smithy.Meta
		e      *awserr.Error
		status int
		body   string
		query  string
	}{
		{&sv.Meta, awserr.New("NoQueue", 400, "gone"), 400, `{"__type":"com.amazonaws.sqs#NoQueue","message":"gone"}`, "AWS.NonExistentQueue;Sender"},
		{&sv.Meta, &awserr.Error{Code: "AWS.NonExistentQueue", Message: "gone"}, 400, `{"__type":"com.amazonaws.sqs#NoQueue","message":"gone"}`, "AWS.NonExistentQueue;Sender"},
		{&sv.Meta, &awserr.Error{Code: "Busy", Message: "later", Members: map[string]any{"Retry": 3}}, 503, `{"__type":"com.amazonaws.sqs#Busy","Message":"later","Retry":3}`, "Busy;Receiver"},
		{&sv.Meta, awserr.New("UnknownOperationException", 400, ""), 400, `{"__type":"com.amazon.coral.service#UnknownOperationException"}`, "UnknownOperationException;Sender"},
		{&plain, awserr.New("NoQueue", 400, "gone"), 400, `{"__type":"NoQueue","message":"gone"}`, ""},
		{&dynamo, awserr.New("NoQueue", 400, "gone"), 400, `{"__type":"com.amazonaws.dynamodb.v20120810#NoQueue","message":"gone"}`, ""},
		{nil, awserr.New("InternalFailure", 500, "x"), 500, `{"__type":"InternalFailure","message":"x"}`, ""},
	} {
		resp := New().EncodeError(tc.sv, op, tc.e, "r")
		if resp.Status != tc.status || string(resp.Body) != tc.body || resp.Header.Get("x-amzn-query-error") != tc.query || resp.Header.Get("x-amzn-RequestId") != "r" {
			t.Errorf("%v: %d %s %v", tc.e, resp.Status, resp.Body, resp.Header)
		}
	}
}

func TestEventStream(t *testing.T) {
	sv := service(t)
	op := sv.Operation("Watch")
	events := []any{
		map[string]any{"Record": map[string]any{"Seq": int64(7), "Text": "one"}},
		map[string]any{"Raw": map[string]any{"Data": []byte("raw")}},
		map[string]any{"End": map[string]any{}},
	}
	var stream smithy.Stream = func(yield func(any, error) bool) {
		for _, e := range events {
			if !yield(e, nil) {
				return
			}
		}
		yield(nil, awserr.New("Busy", 503, "later"))
	}
	resp, err := New().Encode(op, map[string]any{"Name": "w", "Events": stream}, "r")
	if err != nil || resp.Header.Get("Content-Type") != eventstream.ContentType {
		t.Fatal(err, resp)
	}
	var buf bytes.Buffer
	flushed := 0
	if err := resp.Events(&buf, func() { flushed++ }); awserr.As(err) == nil {
		t.Error(err)
	}
	var got []string
	for {
		m, err := eventstream.Read(&buf)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		line := ""
		for _, h := range m.Headers {
			line += h.Name + "=" + reflect.ValueOf(h.Value).String() + " "
		}
		got = append(got, line+string(m.Payload))
	}
	want := []string{
		":message-type=event :event-type=initial-response :content-type=application/x-amz-json-1.0 " + `{"Name":"w"}`,
		":message-type=event :event-type=Record :content-type=application/x-amz-json-1.0 Seq=<int32 Value> " + `{"Text":"one"}`,
		":message-type=event :event-type=Raw :content-type=application/octet-stream raw",
		":message-type=event :event-type=End ",
		":message-type=exception :exception-type=Busy :content-type=application/x-amz-json-1.0 " + `{"Message":"later"}`,
	}
	if d := cmp.Diff(want, got); d != "" || flushed != len(want) {
		t.Error(flushed, d)
	}
}

func TestEventStreamInput(t *testing.T) {
	op := service(t).Operation("Watch")
	frames := func(ms ...eventstream.Message) string {
		var b []byte
		for _, m := range ms {
			var err error
			if b, err = m.Append(b); err != nil {
				t.Fatal(err)
			}
		}
		return string(b)
	}
	head := func(event string, more ...eventstream.Header) []eventstream.Header {
		return append([]eventstream.Header{{Name: ":message-type", Value: "event"}, {Name: ":event-type", Value: event}}, more...)
	}
	body := frames(
		eventstream.Message{Headers: head("initial-request"), Payload: []byte(`{"Name":"w"}`)},
		eventstream.Message{Headers: head("Record", eventstream.Header{Name: "Seq", Value: int32(4)}), Payload: []byte(`{"Text":"t"}`)},
		eventstream.Message{Headers: head("Raw"), Payload: []byte("raw")},
		eventstream.Message{Headers: head("Record"), Payload: []byte(`{}`)},
	)
	var in any
	if err := New().Decode(op, request(body), &in, &smithy.Problems{}); err != nil {
		t.Fatal(err)
	}
	m := in.(map[string]any)
	if m["Name"] != "w" {
		t.Error(m)
	}
	var got []any
	var last error
	for ev, err := range m["Events"].(smithy.Stream) {
		got, last = append(got, ev), err
	}
	want := []any{map[string]any{"Record": map[string]any{"Seq": int64(4), "Text": "t"}}, map[string]any{"Raw": map[string]any{"Data": []byte("raw")}}, nil}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if last == nil || !strings.Contains(last.Error(), "'record.text'") {
		t.Error(last)
	}
	if err := New().Decode(op, request(body[:20]), &in, &smithy.Problems{}); err == nil {
		t.Error("a cut stream was accepted")
	}
	if err := New().Decode(op, &protocol.Request{}, &in, &smithy.Problems{}); err == nil {
		t.Error("no stream was accepted")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(sendMessage))
	f.Add([]byte(putItem))
	sv := service(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		for name, typed := range map[string]any{"SendMessage": &sendMessageInput{}, "PutItem": &putItemInput{}} {
			var generic any
			var p, q smithy.Problems
			e1 := New().Decode(sv.Operation(name), request(string(b)), typed, &p)
			e2 := New().Decode(sv.Operation(name), request(string(b)), &generic, &q)
			if (e1 == nil) != (e2 == nil) || p.Message() != q.Message() {
				t.Fatalf("%v %v", e1, e2)
			}
		}
	})
}

func bench(b *testing.B, name, body string, in func() any, out any) {
	op := service(b).Operation(name)
	c := New()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		var p smithy.Problems
		rq := protocol.Request{Body: strings.NewReader(body), ContentLength: int64(len(body)), MaxBody: 1 << 20}
		v := in()
		if err := c.Decode(op, &rq, v, &p); err != nil {
			b.Fatal(err)
		}
		p.Validate(op.Input, reflect.ValueOf(v))
		if len(p.List) > 0 {
			b.Fatal(p.Message())
		}
		if _, err := c.Encode(op, out, "r"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSendMessage(b *testing.B) {
	md5, id := "9bb58f26192e4ba00f01e2e7b136bbd8", "219f8380-5770-4cc2-8c3e-5c715e145f5e"
	out := &sendMessageOutput{MD5OfMessageBody: &md5, MD5OfMessageAttributes: &md5, MessageId: &id}
	b.Run("typed", func(b *testing.B) {
		bench(b, "SendMessage", sendMessage, func() any { return new(sendMessageInput) }, out)
	})
	b.Run("generic", func(b *testing.B) { bench(b, "SendMessage", sendMessage, func() any { return new(any) }, out) })
}

func BenchmarkPutItem(b *testing.B) {
	var old putItemInput
	if err := New().Decode(service(b).Operation("PutItem"), request(putItem), &old, &smithy.Problems{}); err != nil {
		b.Fatal(err)
	}
	out := &putItemOutput{Attributes: old.Item}
	b.Run("typed", func(b *testing.B) { bench(b, "PutItem", putItem, func() any { return new(putItemInput) }, out) })
	b.Run("generic", func(b *testing.B) { bench(b, "PutItem", putItem, func() any { return new(any) }, out) })
	b.Run("none", func(b *testing.B) {
		bench(b, "PutItem", putItem, func() any { return new(putItemInput) }, &putItemOutput{})
	})
}

// BenchmarkStdlib is the yardstick: encoding/json decodes PutItem's input only.
func BenchmarkStdlib(b *testing.B) {
	for b.Loop() {
		var v putItemInput
		if err := json.Unmarshal([]byte(putItem), &v); err != nil {
			b.Fatal(err)
		}
	}
}
