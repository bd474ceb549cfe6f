package awsquery_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/awsquery"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy/model"
)

const iamModel = `{
"metadata": {"protocol": "query", "xmlNamespace": "https://iam.amazonaws.com/doc/2010-05-08/"},
"operations": {
 "CreateUser": {"name": "CreateUser", "http": {"method": "POST", "requestUri": "/"}, "input": {"shape": "CreateUserRequest"},
  "output": {"shape": "CreateUserResponse", "resultWrapper": "CreateUserResult"}, "errors": [{"shape": "NoSuchEntityException"}]},
 "DeleteUser": {"name": "DeleteUser", "http": {"method": "POST", "requestUri": "/"}, "input": {"shape": "CreateUserRequest"}}
},
"shapes": {
 "CreateUserRequest": {"type": "structure", "required": ["UserName"], "members": {"Path": {"shape": "String"}, "UserName": {"shape": "String"}, "Tags": {"shape": "Tags"}}},
 "CreateUserResponse": {"type": "structure", "members": {"User": {"shape": "User"}}},
 "User": {"type": "structure", "required": ["UserName"], "members": {"UserName": {"shape": "String"}, "Tags": {"shape": "Tags"}}},
 "Tags": {"type": "list", "member": {"shape": "Tag"}},
 "Tag": {"type": "structure", "required": ["Key", "Value"], "members": {"Key": {"shape": "String"}, "Value": {"shape": "String"}}},
 "NoSuchEntityException": {"type": "structure", "members": {"message": {"shape": "String"}, "Name": {"shape": "String"}}, "error": {"code": "NoSuchEntity", "httpStatusCode": 404}, "exception": true},
 "String": {"type": "string"}
}}`

const sqsModel = `{
"metadata": {"protocol": "json"},
"operations": {
 "SendMessage": {"name": "SendMessage", "http": {"method": "POST", "requestUri": "/"}, "input": {"shape": "SendMessageRequest"}, "output": {"shape": "SendMessageResult"}},
 "GetQueueAttributes": {"name": "GetQueueAttributes", "http": {"method": "POST", "requestUri": "/"}, "input": {"shape": "GetQueueAttributesRequest"}, "output": {"shape": "GetQueueAttributesResult"}}
},
"shapes": {
 "SendMessageRequest": {"type": "structure", "required": ["QueueUrl", "MessageBody"], "members": {
  "QueueUrl": {"shape": "String"}, "MessageBody": {"shape": "String"}, "DelaySeconds": {"shape": "Integer"}, "MessageAttributes": {"shape": "MessageBodyAttributeMap"}}},
 "SendMessageResult": {"type": "structure", "members": {"MessageId": {"shape": "String"}}},
 "MessageBodyAttributeMap": {"type": "map", "flattened": true, "key": {"shape": "String"}, "value": {"shape": "MessageAttributeValue"}},
 "MessageAttributeValue": {"type": "structure", "required": ["DataType"], "members": {"StringValue": {"shape": "String"}, "StringListValues": {"shape": "StringList", "flattened": true}, "DataType": {"shape": "String"}}},
 "GetQueueAttributesRequest": {"type": "structure", "required": ["QueueUrl"], "members": {"QueueUrl": {"shape": "String"}, "AttributeNames": {"shape": "AttributeNameList"}}},
 "GetQueueAttributesResult": {"type": "structure", "members": {"Attributes": {"shape": "QueueAttributeMap"}}},
 "AttributeNameList": {"type": "list", "flattened": true, "member": {"shape": "String"}},
 "StringList": {"type": "list", "member": {"shape": "String"}},
 "QueueAttributeMap": {"type": "map", "flattened": true, "key": {"shape": "String"}, "value": {"shape": "String"}},
 "String": {"type": "string"}, "Integer": {"type": "integer"}
}}`

func service(t testing.TB, name, text string) *smithy.Service {
	t.Helper()
	sv, err := model.Parse(name, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return sv
}

func request(form string) *protocol.Request {
	return &protocol.Request{Method: "POST", Header: http.Header{}, Body: strings.NewReader(form), ContentLength: int64(len(form)), MaxBody: 1 << 20}
}

func TestDecode(t *testing.T) {
	iam, sqs := service(t, "iam", iamModel), service(t, "sqs", sqsModel)
	labeled := request("Action=GetQueueAttributes&AttributeName.1=All&AttributeName.2=Policy")
	labeled.Labels = map[string]string{"QueueUrl": "http://127.0.0.1:4566/000000000000/q"}
	for _, tt := range []struct {
		name    string
		op      *smithy.Operation
		rq      *protocol.Request
		want    any
		missing string
	}{
		{
			"a form", iam.Operation("CreateUser"), request("Action=CreateUser&Version=2010-05-08&UserName=ann&Tags.member.1.Key=k&Tags.member.1.Value="),
			map[string]any{"UserName": "ann", "Tags": []any{map[string]any{"Key": "k", "Value": ""}}},
			"",
		},
		{
			"a query string", iam.Operation("CreateUser"), &protocol.Request{Method: "GET", RawQuery: "Action=CreateUser&UserName=ann"},
			map[string]any{"UserName": "ann"},
			"",
		},
		{
			"something missing", iam.Operation("CreateUser"), request("Action=CreateUser"),
			map[string]any{},
			"1 validation error detected: Value null at 'userName' failed to satisfy constraint: Member must not be null",
		},
		{
			"SQS's older names", sqs.Operation("SendMessage"),
			request("QueueUrl=u&MessageBody=b&DelaySeconds=0&MessageAttribute.1.Name=n&MessageAttribute.1.Value.DataType=String&MessageAttribute.1.Value.StringValue=v&MessageAttribute.1.Value.StringListValue.1=w"),
			map[string]any{
				"QueueUrl": "u", "MessageBody": "b", "DelaySeconds": int64(0),
				"MessageAttributes": map[string]any{"n": map[string]any{"DataType": "String", "StringValue": "v", "StringListValues": []any{"w"}}},
			},
			"",
		},
		{
			"the queue of the path", sqs.Operation("GetQueueAttributes"), labeled,
			map[string]any{"QueueUrl": "http://127.0.0.1:4566/000000000000/q", "AttributeNames": []any{"All", "Policy"}},
			"",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var in any
			var problems smithy.Problems
			if err := awsquery.New().Decode(tt.op, tt.rq, &in, &problems); err != nil {
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

func TestDecodeRefusal(t *testing.T) {
	var in any
	var problems smithy.Problems
	op := service(t, "sqs", sqsModel).Operation("SendMessage")
	err := awsquery.New().Decode(op, request("DelaySeconds=soon"), &in, &problems)
	want := &protocol.SerializationError{Code: "MalformedInput", Message: `The value "soon" of DelaySeconds is not an integer.`}
	if d := cmp.Diff(error(want), err); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestEncode(t *testing.T) {
	iam, sqs := service(t, "iam", iamModel), service(t, "sqs", sqsModel)
	type tag struct{ Key, Value string }
	type user struct {
		UserName string
		Tags     []*tag
	}
	type createUserResponse struct{ User *user }
	for _, tt := range []struct {
		name string
		op   *smithy.Operation
		out  any
		want string
	}{
		{
			"generic", iam.Operation("CreateUser"),
			map[string]any{"User": map[string]any{"UserName": "a<b", "Tags": []any{map[string]any{"Key": "k", "Value": "v"}}}},
			`<CreateUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><CreateUserResult><User><UserName>a&lt;b</UserName><Tags><member><Key>k</Key><Value>v</Value></member></Tags></User></CreateUserResult>` +
				`<ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata></CreateUserResponse>`,
		},
		{
			"typed", iam.Operation("CreateUser"), &createUserResponse{User: &user{UserName: "ann"}},
			`<CreateUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><CreateUserResult><User><UserName>ann</UserName></User></CreateUserResult>` +
				`<ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata></CreateUserResponse>`,
		},
		{
			"no output", iam.Operation("DeleteUser"), nil,
			`<DeleteUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata></DeleteUserResponse>`,
		},
		{
			"SQS's older names", sqs.Operation("GetQueueAttributes"),
			map[string]any{"Attributes": map[string]any{"b": "2", "a": "1"}},
			`<GetQueueAttributesResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><GetQueueAttributesResult><Attribute><Name>a</Name><Value>1</Value></Attribute>` +
				`<Attribute><Name>b</Name><Value>2</Value></Attribute></GetQueueAttributesResult><ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata></GetQueueAttributesResponse>`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, err := awsquery.New().Encode(tt.op, tt.out, "id-1")
			if err != nil {
				t.Fatal(err)
			}
			want := &protocol.Response{Status: 200, Header: http.Header{"Content-Type": {"text/xml"}, "X-Amzn-Requestid": {"id-1"}}, Body: []byte(tt.want)}
			if d := cmp.Diff(want, resp, cmpopts.IgnoreFields(protocol.Response{}, "Events")); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

func TestEncodeError(t *testing.T) {
	iam, sqs := service(t, "iam", iamModel), service(t, "sqs", sqsModel)
	for _, tt := range []struct {
		name   string
		sv     *smithy.Meta
		op     *smithy.Operation
		err    *awserr.Error
		status int
		want   string
	}{
		{
			"modelled", &iam.Meta, iam.Operation("CreateUser"), (&awserr.Error{Code: "NoSuchEntityException", Message: "gone"}).With("Name", "ann"), 404,
			`<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type><Code>NoSuchEntity</Code><Message>gone</Message><Name>ann</Name></Error><RequestId>id-1</RequestId></ErrorResponse>`,
		},
		{
			"of the server", nil, nil, awserr.New("InternalFailure", 500, "oops"), 500,
			`<ErrorResponse><Error><Type>Receiver</Type><Code>InternalFailure</Code><Message>oops</Message></Error><RequestId>id-1</RequestId></ErrorResponse>`,
		},
		{
			"with an older code", &sqs.Meta, nil, &awserr.Error{Code: "QueueDoesNotExist", Message: "none", Status: 400, QueryCode: "AWS.SimpleQueueService.NonExistentQueue"}, 400,
			`<ErrorResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><Error><Type>Sender</Type><Code>AWS.SimpleQueueService.NonExistentQueue</Code><Message>none</Message></Error><RequestId>id-1</RequestId></ErrorResponse>`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp := awsquery.New().EncodeError(tt.sv, tt.op, tt.err, "id-1")
			if resp.Status != tt.status {
				t.Errorf("status %d, want %d", resp.Status, tt.status)
			}
			if d := cmp.Diff(tt.want, string(resp.Body)); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

// SendMessage with one attribute: decoded, and its answer encoded.
func BenchmarkSendMessage(b *testing.B) {
	type value struct {
		StringValue      *string
		StringListValues []string
		DataType         string
	}
	type sendMessageRequest struct {
		QueueUrl, MessageBody string
		DelaySeconds          *int32
		MessageAttributes     map[string]value
	}
	type sendMessageResult struct{ MessageId *string }
	op := service(b, "sqs", sqsModel).Operation("SendMessage")
	form := "Action=SendMessage&Version=2012-11-05&QueueUrl=http%3A%2F%2F127.0.0.1%3A4566%2F000000000000%2Fq&MessageBody=hello+world&DelaySeconds=5" +
		"&MessageAttribute.1.Name=n&MessageAttribute.1.Value.DataType=String&MessageAttribute.1.Value.StringValue=v"
	codec := awsquery.New()
	out := &sendMessageResult{MessageId: new("5fea7756-0ea4-451a-a703-a558b933e274")}
	b.ReportAllocs()
	for b.Loop() {
		var in sendMessageRequest
		var problems smithy.Problems
		if err := codec.Decode(op, request(form), &in, &problems); err != nil {
			b.Fatal(err)
		}
		if _, err := codec.Encode(op, out, "id-1"); err != nil {
			b.Fatal(err)
		}
	}
}
