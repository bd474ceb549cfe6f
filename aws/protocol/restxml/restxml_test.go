package restxml_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/restxml"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy/model"
)

const testModel = `{
"metadata": {"protocol": "rest-xml"},
"operations": {
 "PutObject": {"name": "PutObject", "http": {"method": "PUT", "requestUri": "/{Bucket}/{Key+}"}, "input": {"shape": "PutObjectRequest"}},
 "GetObject": {"name": "GetObject", "http": {"method": "GET", "requestUri": "/{Bucket}/{Key+}"}, "input": {"shape": "Empty"}, "output": {"shape": "GetObjectOutput"}},
 "HeadObject": {"name": "HeadObject", "http": {"method": "HEAD", "requestUri": "/{Bucket}/{Key+}"}},
 "CreateBucket": {"name": "CreateBucket", "http": {"method": "PUT", "requestUri": "/{Bucket}"}, "input": {"shape": "CreateBucketRequest"}},
 "PutBucketPolicy": {"name": "PutBucketPolicy", "http": {"method": "PUT", "requestUri": "/{Bucket}?policy", "responseCode": 204}, "input": {"shape": "PolicyInOut"}},
 "GetBucketPolicy": {"name": "GetBucketPolicy", "http": {"method": "GET", "requestUri": "/{Bucket}?policy"}, "output": {"shape": "PolicyInOut"}},
 "GetBucketLocation": {"name": "GetBucketLocation", "http": {"method": "GET", "requestUri": "/{Bucket}?location"}, "output": {"shape": "GetBucketLocationOutput"}},
 "GetObjectRetention": {"name": "GetObjectRetention", "http": {"method": "GET", "requestUri": "/{Bucket}/{Key+}?retention"}, "output": {"shape": "GetObjectRetentionOutput"}},
 "ListObjectsV2": {"name": "ListObjectsV2", "http": {"method": "GET", "requestUri": "/{Bucket}?list-type=2"}, "input": {"shape": "ListRequest"}, "output": {"shape": "ListOutput"}},
 "SelectObjectContent": {"name": "SelectObjectContent", "http": {"method": "POST", "requestUri": "/{Bucket}/{Key+}?select"}, "output": {"shape": "SelectOutput"},
  "input": {"shape": "SelectRequest", "locationName": "SelectObjectContentRequest"}}
},
"shapes": {
 "Empty": {"type": "structure", "members": {}},
 "PutObjectRequest": {"type": "structure", "required": ["Bucket", "Key"], "payload": "Body", "members": {
  "Bucket": {"shape": "String", "location": "uri", "locationName": "Bucket"}, "Key": {"shape": "String", "location": "uri", "locationName": "Key"},
  "Body": {"shape": "Stream", "streaming": true}, "Metadata": {"shape": "Map", "location": "headers", "locationName": "x-amz-meta-"},
  "Days": {"shape": "Integer", "location": "header", "locationName": "x-days"}}},
 "GetObjectOutput": {"type": "structure", "payload": "Body", "members": {
  "Body": {"shape": "Stream", "streaming": true}, "ContentLength": {"shape": "Long", "location": "header", "locationName": "Content-Length"}, "ContentType": {"shape": "String", "location": "header", "locationName": "Content-Type"}}},
 "CreateBucketRequest": {"type": "structure", "required": ["Bucket"], "payload": "Config", "members": {
  "Bucket": {"shape": "String", "location": "uri", "locationName": "Bucket"}, "Config": {"shape": "Config", "locationName": "CreateBucketConfiguration"}}},
 "Config": {"type": "structure", "required": ["Must"], "members": {"LocationConstraint": {"shape": "String"}, "Must": {"shape": "String"}}},
 "PolicyInOut": {"type": "structure", "payload": "Policy", "members": {"Policy": {"shape": "String"}}},
 "GetBucketLocationOutput": {"type": "structure", "members": {"LocationConstraint": {"shape": "String"}}},
 "GetObjectRetentionOutput": {"type": "structure", "payload": "Retention", "members": {"Retention": {"shape": "Retention", "locationName": "Retention"}}},
 "Retention": {"type": "structure", "members": {"Mode": {"shape": "String"}, "RetainUntilDate": {"shape": "Time"}}},
 "ListRequest": {"type": "structure", "members": {"MaxKeys": {"shape": "Integer", "location": "querystring", "locationName": "max-keys"}}},
 "ListOutput": {"type": "structure", "members": {"Name": {"shape": "String"}, "Contents": {"shape": "Objects"}}},
 "Objects": {"type": "list", "flattened": true, "member": {"shape": "Object"}},
 "Object": {"type": "structure", "members": {"Key": {"shape": "String"}, "LastModified": {"shape": "Time"}, "ETag": {"shape": "String"}, "Size": {"shape": "Long"}, "StorageClass": {"shape": "String"}}},
 "SelectRequest": {"type": "structure", "members": {"Expression": {"shape": "String"}}},
 "SelectOutput": {"type": "structure", "payload": "Payload", "members": {"Payload": {"shape": "Events"}}},
 "Events": {"type": "structure", "eventstream": true, "members": {"Stats": {"shape": "StatsEvent"}}},
 "StatsEvent": {"type": "structure", "event": true, "members": {"Details": {"shape": "Stats", "eventpayload": true}}},
 "Stats": {"type": "structure", "members": {"BytesScanned": {"shape": "Long"}}},
 "Refused": {"type": "structure", "exception": true, "error": {"httpStatusCode": 409}, "members": {
  "Message": {"shape": "String"}, "Reason": {"shape": "String"}, "Retry": {"shape": "String", "location": "header", "locationName": "Retry-After"}}},
 "Map": {"type": "map", "key": {"shape": "String"}, "value": {"shape": "String"}},
 "Stream": {"type": "blob", "streaming": true}, "String": {"type": "string"}, "Integer": {"type": "integer"}, "Long": {"type": "long"}, "Time": {"type": "timestamp"}
}}`

func service(t testing.TB, name string) *smithy.Service {
	t.Helper()
	sv, err := model.Parse(name, []byte(testModel))
	if err != nil {
		t.Fatal(err)
	}
	return sv
}

func request(body string, labels ...string) *protocol.Request {
	rq := &protocol.Request{Header: http.Header{}, Labels: map[string]string{}, Body: strings.NewReader(body), ContentLength: int64(len(body)), MaxBody: 1 << 20}
	for i := 0; i < len(labels); i += 2 {
		rq.Labels[labels[i]] = labels[i+1]
	}
	return rq
}

func TestDecode(t *testing.T) {
	sv := service(t, "s3")
	for _, tt := range []struct {
		name, op string
		rq       *protocol.Request
		want     any
		missing  string
	}{
		{"no body", "CreateBucket", request("", "Bucket", "b"), map[string]any{"Bucket": "b"}, ""},
		{
			"a document", "CreateBucket", request(`<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>eu</LocationConstraint></CreateBucketConfiguration>`, "Bucket", "b"),
			map[string]any{"Bucket": "b", "Config": map[string]any{"LocationConstraint": "eu"}},
			"1 validation error detected: Value null at 'config.must' failed to satisfy constraint: Member must not be null",
		},
		{
			"labels missing", "CreateBucket", request(""),
			map[string]any{},
			"1 validation error detected: Value null at 'bucket' failed to satisfy constraint: Member must not be null",
		},
		{"text", "PutBucketPolicy", request("{ }"), map[string]any{"Policy": "{ }"}, ""},
		{"members of the body", "SelectObjectContent", request("<SelectObjectContentRequest><Expression>a</Expression></SelectObjectContentRequest>"), map[string]any{"Expression": "a"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var in any
			var problems smithy.Problems
			if err := restxml.New().Decode(sv.Operation(tt.op), tt.rq, &in, &problems); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, in); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
			if d := cmp.Diff(tt.missing, problems.Message()); d != "" {
				t.Errorf("problems: -want +got\n%s", d)
			}
		})
	}
}

func TestDecodeStream(t *testing.T) {
	op := service(t, "s3").Operation("PutObject")
	rq := request("bytes", "Bucket", "b", "Key", "a%2Fb")
	var problems smithy.Problems
	var in struct {
		Bucket, Key string
		Body        io.Reader
		Metadata    map[string]string
		Days        *int32
	}
	if err := restxml.New().Decode(op, rq, &in, &problems); err != nil {
		t.Fatal(err)
	}
	if in.Body != rq.Body || in.Key != "a/b" {
		t.Errorf("got %v, want the request's own body", in)
	}
	rq.Body = nil
	if err := restxml.New().Decode(op, rq, &in, &problems); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(in.Body); err != nil || len(b) > 0 {
		t.Errorf("an absent body reads %q, %v", b, err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	days := request("", "Bucket", "b", "Key", "k")
	days.Header.Set("X-Days", "many")
	keys := request("")
	keys.RawQuery = "max-keys=-x"
	large := request(strings.Repeat(" ", 1<<20) + "<CreateBucketConfiguration/>")
	const malformed = "The XML you provided was not well-formed or did not validate against our published schema"
	for _, tt := range []struct {
		name, service, op string
		rq                *protocol.Request
		code, message     string
	}{
		{"broken XML", "s3", "CreateBucket", request("<CreateBucketConfiguration>"), "MalformedXML", malformed},
		{"another document", "s3", "CreateBucket", request("<Tagging/>"), "MalformedXML", malformed},
		{"broken XML for another service", "route53", "CreateBucket", request("<a>"), "MalformedXML", "The XML is not well-formed."},
		{"header", "s3", "PutObject", days, "InvalidArgument", `The value "many" of x-days is not an integer.`},
		{"query", "s3", "ListObjectsV2", keys, "InvalidArgument", `The value "-x" of max-keys is not an integer.`},
		{"path", "s3", "CreateBucket", request("", "Bucket", "%zz"), "InvalidURI", "Couldn't parse the specified URI."},
		{"text that is not UTF-8", "s3", "PutBucketPolicy", request("\xff"), "MalformedXML", malformed},
		{"large", "s3", "CreateBucket", large, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var in any
			var problems smithy.Problems
			err := restxml.New().Decode(service(t, tt.service).Operation(tt.op), tt.rq, &in, &problems)
			if tt.code == "" {
				if !errors.Is(err, protocol.ErrTooLarge) {
					t.Errorf("got %v, want ErrTooLarge", err)
				}
				return
			}
			var s *protocol.SerializationError
			if !errors.As(err, &s) || s.Code != tt.code || s.Message != tt.message {
				t.Errorf("got %#v, want %s: %s", err, tt.code, tt.message)
			}
		})
	}
}

const declaration = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

var noon = time.Date(2019, 12, 16, 12, 0, 0, 0, time.UTC)

func TestEncode(t *testing.T) {
	body := strings.NewReader("bytes")
	for _, tt := range []struct {
		name, service, op string
		out               any
		want              protocol.Response
	}{
		{"nothing", "s3", "PutBucketPolicy", nil, protocol.Response{Status: 204, ContentLength: -1}},
		{
			"a list", "s3", "ListObjectsV2",
			map[string]any{"Name": "b", "Contents": []any{map[string]any{"Key": "a&b", "LastModified": noon, "ETag": `"e"`}}},
			protocol.Response{
				Status: 200, ContentLength: -1, Header: http.Header{"Content-Type": {"application/xml"}},
				Body: []byte(declaration + `<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Contents><Key>a&amp;b</Key>` +
					`<LastModified>2019-12-16T12:00:00.000Z</LastModified><ETag>&quot;e&quot;</ETag></Contents></ListBucketResult>`),
			},
		},
		{
			"an empty list", "s3", "ListObjectsV2", nil,
			protocol.Response{
				Status: 200, ContentLength: -1, Header: http.Header{"Content-Type": {"application/xml"}},
				Body: []byte(declaration + `<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></ListBucketResult>`),
			},
		},
		{
			"another service", "route53", "ListObjectsV2",
			map[string]any{"Contents": []any{map[string]any{"LastModified": noon}}},
			protocol.Response{
				Status: 200, ContentLength: -1, Header: http.Header{"Content-Type": {"application/xml"}},
				Body: []byte(declaration + `<ListOutput xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Contents><LastModified>2019-12-16T12:00:00Z</LastModified></Contents></ListOutput>`),
			},
		},
		{
			"a location", "s3", "GetBucketLocation",
			map[string]any{"LocationConstraint": "eu-west-1"},
			protocol.Response{
				Status: 200, ContentLength: -1, Header: http.Header{"Content-Type": {"application/xml"}},
				Body: []byte(declaration + `<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">eu-west-1</LocationConstraint>`),
			},
		},
		{
			"a payload", "s3", "GetObjectRetention",
			map[string]any{"Retention": map[string]any{"Mode": "GOVERNANCE"}},
			protocol.Response{
				Status: 200, ContentLength: -1, Header: http.Header{"Content-Type": {"application/xml"}},
				Body: []byte(declaration + `<Retention xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Mode>GOVERNANCE</Mode></Retention>`),
			},
		},
		{"no payload", "s3", "GetObjectRetention", map[string]any{}, protocol.Response{Status: 200, ContentLength: -1}},
		{
			"text", "s3", "GetBucketPolicy",
			map[string]any{"Policy": `{"Version":"2012-10-17"}`},
			protocol.Response{Status: 200, ContentLength: -1, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(`{"Version":"2012-10-17"}`)},
		},
		{
			"a stream", "s3", "GetObject",
			map[string]any{"Body": body, "ContentLength": int64(5), "ContentType": "text/x"},
			protocol.Response{Status: 200, ContentLength: 5, Stream: body, Header: http.Header{"Content-Type": {"text/x"}, "Content-Length": {"5"}}},
		},
		{
			"a typed stream", "s3", "GetObject", &struct {
				Body          io.Reader
				ContentLength *int64
				ContentType   *string
			}{Body: body},
			protocol.Response{Status: 200, ContentLength: -1, Stream: body, Header: http.Header{"Content-Type": {"application/octet-stream"}}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, err := restxml.New().Encode(service(t, tt.service).Operation(tt.op), tt.out, "id-1")
			if err != nil {
				t.Fatal(err)
			}
			if tt.want.Header == nil {
				tt.want.Header = http.Header{}
			}
			if tt.service == "s3" {
				tt.want.Header["X-Amz-Request-Id"] = []string{"id-1"}
				tt.want.Header["X-Amz-Id-2"] = []string{"aWQtMWlkLTE="}
			} else {
				tt.want.Header["X-Amzn-Requestid"] = []string{"id-1"}
			}
			same := cmp.Comparer(func(a, b io.Reader) bool { return a == b })
			if d := cmp.Diff(&tt.want, resp, cmpopts.IgnoreFields(protocol.Response{}, "Events"), same); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

func TestEncodeEvents(t *testing.T) {
	op := service(t, "s3").Operation("SelectObjectContent")
	stream := smithy.Stream(func(yield func(any, error) bool) {
		yield(map[string]any{"Stats": map[string]any{"Details": map[string]any{"BytesScanned": int64(7)}}}, nil)
	})
	resp, err := restxml.New().Encode(op, map[string]any{"Payload": stream}, "id-1")
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := resp.Events(&out, func() {}); err != nil {
		t.Fatal(err)
	}
	if want := "<Stats><BytesScanned>7</BytesScanned></Stats>"; !strings.Contains(out.String(), want) {
		t.Errorf("got %q, want a message with %s", out.String(), want)
	}
}

func TestEncodeError(t *testing.T) {
	s3, route53 := service(t, "s3"), service(t, "route53")
	noKey := awserr.New("NoSuchKey", 404, "The specified key does not exist.").With("Key", "a<b").With("Size", 7)
	for _, tt := range []struct {
		name   string
		sv     *smithy.Meta
		op     *smithy.Operation
		err    *awserr.Error
		status int
		header http.Header
		want   string
	}{
		{
			"S3", &s3.Meta, s3.Operation("GetObject"), noKey, 404, nil,
			declaration + `<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Key>a&lt;b</Key><Size>7</Size><RequestId>id-1</RequestId><HostId>aWQtMWlkLTE=</HostId></Error>`,
		},
		{
			"S3 without an operation", &s3.Meta, nil, awserr.New("AccessDenied", 403, "Access Denied"), 403, nil,
			declaration + `<Error><Code>AccessDenied</Code><Message>Access Denied</Message><RequestId>id-1</RequestId><HostId>aWQtMWlkLTE=</HostId></Error>`,
		},
		{"HEAD", &s3.Meta, s3.Operation("HeadObject"), noKey, 404, nil, ""},
		{"not modified", &s3.Meta, s3.Operation("GetObject"), awserr.New("NotModified", 304, ""), 304, nil, ""},
		{
			"another service", &route53.Meta, route53.Operation("GetObject"), (&awserr.Error{Code: "Refused", Message: "no"}).With("Reason", "r").With("Retry", "3"), 409,
			http.Header{"Retry-After": {"3"}},
			declaration + `<ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Error><Type>Sender</Type><Code>Refused</Code><Message>no</Message><Reason>r</Reason></Error><RequestId>id-1</RequestId></ErrorResponse>`,
		},
		{
			"no service", nil, nil, awserr.New("InternalError", 500, "oops"), 500, nil,
			declaration + `<ErrorResponse><Error><Type>Receiver</Type><Code>InternalError</Code><Message>oops</Message></Error><RequestId>id-1</RequestId></ErrorResponse>`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp := restxml.New().EncodeError(tt.sv, tt.op, tt.err, "id-1")
			if resp.Status != tt.status {
				t.Errorf("status %d, want %d", resp.Status, tt.status)
			}
			if d := cmp.Diff(tt.want, string(resp.Body)); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
			for k, v := range tt.header {
				if d := cmp.Diff(v, resp.Header[k]); d != "" {
					t.Errorf("%s: -want +got\n%s", k, d)
				}
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("<CreateBucketConfiguration><LocationConstraint>eu</LocationConstraint></CreateBucketConfiguration>", "b%2F", "a", "1", "max-keys=3")
	sv := service(f, "s3")
	f.Fuzz(func(t *testing.T, body, label, meta, days, query string) {
		for _, name := range []string{"CreateBucket", "PutBucketPolicy", "ListObjectsV2", "PutObject", "SelectObjectContent"} {
			rq := request(body, "Bucket", label, "Key", label)
			rq.RawQuery = query
			rq.Header = http.Header{"X-Days": {days}, "X-Amz-Meta-A": {meta}}
			var in any
			var problems smithy.Problems
			var s *protocol.SerializationError
			err := restxml.New().Decode(sv.Operation(name), rq, &in, &problems)
			if err != nil && !errors.As(err, &s) && !errors.Is(err, protocol.ErrTooLarge) {
				t.Fatalf("%s: %v", name, err)
			}
		}
	})
}

// A page of a thousand objects.
func BenchmarkListObjects(b *testing.B) {
	type object struct {
		Key          *string
		LastModified *time.Time
		ETag         *string
		Size         *int64
		StorageClass *string
	}
	type listOutput struct {
		Name     *string
		Contents []*object
	}
	out := listOutput{Name: new("bucket")}
	for range 1000 {
		out.Contents = append(out.Contents, &object{
			Key: new("photos/2019/12/16/image-0001.jpg"), LastModified: &noon, ETag: new(`"d41d8cd98f00b204e9800998ecf8427e"`),
			Size: new(int64(123456)), StorageClass: new("STANDARD"),
		})
	}
	op := service(b, "s3").Operation("ListObjectsV2")
	b.ReportAllocs()
	for b.Loop() {
		resp, err := restxml.New().Encode(op, &out, "id-1")
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(resp.Body)))
	}
}
