package sqs

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/api/sqsapi"
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
)

func TestSetQueueAttributes(t *testing.T) {
	w := newWorld(t)
	standard, fifo := w.create("q"), w.createFIFO("q.fifo")
	w.create("dead")
	for _, tt := range []struct {
		url, name, value string
		want             string // the error's sentence, or the value
	}{
		{standard, "DelaySeconds", "900", "900"},
		{standard, "DelaySeconds", "901", "Invalid value for the parameter DelaySeconds."},
		{standard, "DelaySeconds", "x", "Invalid value for the parameter DelaySeconds."},
		{standard, "MaximumMessageSize", "1023", "Invalid value for the parameter MaximumMessageSize."},
		{standard, "MaximumMessageSize", "1048576", "1048576"},
		{standard, "MessageRetentionPeriod", "59", "Invalid value for the parameter MessageRetentionPeriod."},
		{standard, "MessageRetentionPeriod", "1209600", "1209600"},
		{standard, "ReceiveMessageWaitTimeSeconds", "21", "Invalid value for the parameter ReceiveMessageWaitTimeSeconds."},
		{standard, "VisibilityTimeout", "43200", "43200"},
		{standard, "VisibilityTimeout", "-1", "Invalid value for the parameter VisibilityTimeout."},
		{standard, "SqsManagedSseEnabled", "false", "false"},
		{standard, "SqsManagedSseEnabled", "maybe", "Invalid value for the parameter SqsManagedSseEnabled."},
		{standard, "QueueArn", "x", "Unknown Attribute QueueArn."},
		{standard, "ApproximateNumberOfMessages", "1", "Unknown Attribute ApproximateNumberOfMessages."},
		{standard, "Colour", "red", "Unknown Attribute Colour."},
		{standard, "FifoQueue", "true", "Unknown Attribute FifoQueue."},
		{standard, "ContentBasedDeduplication", "true", "Unknown Attribute ContentBasedDeduplication."},
		{standard, "DeduplicationScope", "queue", "You can specify the DeduplicationScope only when FifoQueue is set to true."},
		{fifo, "FifoQueue", "true", "true"},
		{fifo, "FifoQueue", "false", "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported."},
		{fifo, "ContentBasedDeduplication", "true", "true"},
		{fifo, "DeduplicationScope", "messageGroup", "messageGroup"},
		{fifo, "DeduplicationScope", "all", "Invalid value for the parameter DeduplicationScope."},
		{fifo, "FifoThroughputLimit", "perMessageGroupId", "perMessageGroupId"},
		{fifo, "DeduplicationScope", "queue", "Invalid value for the parameter FifoThroughputLimit. Reason: The perMessageGroupId value is allowed only when the value for DeduplicationScope is messageGroup."},
		{fifo, "RedrivePolicy", `{"deadLetterTargetArn":"` + deadARN + `","maxReceiveCount":1}`, `Value {"deadLetterTargetArn":"` + deadARN + `","maxReceiveCount":1} for parameter RedrivePolicy is invalid. Reason: Dead-letter queue must be same type of queue as the source.`},
		{standard, "RedrivePolicy", `{"deadLetterTargetArn":"` + deadARN + `","maxReceiveCount":"7"}`, `{"deadLetterTargetArn":"` + deadARN + `","maxReceiveCount":7}`},
		{standard, "RedrivePolicy", `{"deadLetterTargetArn":"` + deadARN + `","maxReceiveCount":0}`, `Value {"deadLetterTargetArn":"` + deadARN + `","maxReceiveCount":0} for parameter RedrivePolicy is invalid. Reason: Invalid value for maxReceiveCount: 0, valid values are from 1 to 1000 both inclusive.`},
		{standard, "RedrivePolicy", `{"maxReceiveCount":1}`, `Value {"maxReceiveCount":1} for parameter RedrivePolicy is invalid. Reason: Redrive policy does not contain mandatory attribute: deadLetterTargetArn.`},
		{standard, "RedrivePolicy", `x`, `Value x for parameter RedrivePolicy is invalid. Reason: Redrive policy is not a valid JSON map.`},
		{standard, "RedrivePolicy", "", ""},
		{standard, "RedriveAllowPolicy", `{"redrivePermission":"byQueue","sourceQueueArns":["` + deadARN + `"]}`, `{"redrivePermission":"byQueue","sourceQueueArns":["` + deadARN + `"]}`},
		{standard, "RedriveAllowPolicy", `{"redrivePermission":"byQueue"}`, `Value {"redrivePermission":"byQueue"} for parameter RedriveAllowPolicy is invalid. Reason: sourceQueueArns must name 1 to 10 queues when redrivePermission is byQueue.`},
		{standard, "RedriveAllowPolicy", `{"redrivePermission":"some"}`, `Value {"redrivePermission":"some"} for parameter RedriveAllowPolicy is invalid. Reason: redrivePermission must be allowAll, denyAll or byQueue.`},
		{standard, "Policy", policyWith(8), "8 actions were found in a statement from the submitted policy, max allowed is 7"},
		{standard, "Policy", strings.Replace(policyWith(1), "SendMessage", "Shout", 1), "Value SQS:Shout for parameter ActionName is invalid. Reason: Please refer to the appropriate WSDL for a list of valid actions."},
		{standard, "Policy", strings.Replace(policyWith(1), "SendMessage", "SendMessage"+strings.Repeat("*", maxPolicyBytes), 1), "Submitted policy is over max allowed size."},
		{standard, "Policy", policyWith(7), policyWith(7)},
	} {
		_, err := try(w, sqsapi.SetQueueAttributes, &sqsapi.SetQueueAttributesInput{QueueUrl: tt.url, Attributes: map[string]string{tt.name: tt.value}})
		var got string
		if e := awserr.As(err); e != nil {
			got = e.Message
		} else {
			got = w.attribute(tt.url, tt.name)
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s=%s (-want +got):\n%s", tt.name, tt.value, d)
		}
	}
}

func policyWith(actions int) string {
	list := make([]string, actions)
	for i := range list {
		list[i] = `"sqs:SendMessage"`
	}
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":[` + strings.Join(list, ",") + `],"Resource":"arn:aws:sqs:us-east-1:111122223333:q"}]}`
}

func TestMessageErrors(t *testing.T) {
	w := newWorld(t)
	standard, fifo := w.create("q", "MaximumMessageSize", "1024"), w.createFIFO("q.fifo")
	attributes := func(name string, v sqsapi.MessageAttributeValue) sqsapi.SendMessageInput {
		return sqsapi.SendMessageInput{MessageBody: "x", MessageAttributes: map[string]sqsapi.MessageAttributeValue{name: v}}
	}
	text := func(name, dataType, v string) sqsapi.SendMessageInput {
		return attributes(name, sqsapi.MessageAttributeValue{DataType: dataType, StringValue: &v})
	}
	many := sqsapi.SendMessageInput{MessageBody: "x", MessageAttributes: map[string]sqsapi.MessageAttributeValue{}}
	for i := range 11 {
		many.MessageAttributes[fmt.Sprint("a", i)] = sqsapi.MessageAttributeValue{DataType: "Number", StringValue: ptr("1")}
	}
	for _, tt := range []struct {
		name string
		url  string
		in   sqsapi.SendMessageInput
		want string // query code: sentence; "" for success
	}{
		{"too long", standard, sqsapi.SendMessageInput{MessageBody: strings.Repeat("x", 1025)}, "InvalidParameterValue: One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes."},
		{"too long with attributes", standard, func() sqsapi.SendMessageInput {
			in := text("a", "String", "v")
			in.MessageBody = strings.Repeat("x", 1017)
			return in
		}(), "InvalidParameterValue: One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes."},
		{"just fits", standard, func() sqsapi.SendMessageInput {
			in := text("a", "String", "v")
			in.MessageBody = strings.Repeat("x", 1016)
			return in
		}(), ""},
		{"empty", standard, sqsapi.SendMessageInput{}, "MissingParameter: The request must contain the parameter MessageBody."},
		{"a control character", standard, sqsapi.SendMessageInput{MessageBody: "\x01"}, "InvalidMessageContents: Invalid characters found. " + validCharacters},
		{"not UTF-8", standard, sqsapi.SendMessageInput{MessageBody: "\xff"}, "InvalidMessageContents: Invalid characters found. " + validCharacters},
		{"the replacement character", standard, sqsapi.SendMessageInput{MessageBody: "\ufffd"}, ""},
		{"eleven attributes", standard, many, "InvalidParameterValue: Number of message attributes [11] exceeds the allowed maximum [10]."},
		{"a reserved name", standard, text("AWS.x", "String", "v"), "InvalidParameterValue: The message attribute name 'AWS.x' is invalid. It must not begin with the reserved prefixes AWS. and Amazon."},
		{"two periods", standard, text("a..b", "String", "v"), "InvalidParameterValue: The message attribute name 'a..b' is invalid. Periods must not begin or end it, nor follow one another."},
		{"a space in a name", standard, text("a b", "String", "v"), "InvalidParameterValue: The message attribute name 'a b' is invalid. Attribute name can contain A-Z, a-z, 0-9, underscore (_), hyphen (-), and period (.) characters."},
		{"no value", standard, text("a", "String", ""), "InvalidParameterValue: Message (user) attribute 'a' must contain a non-empty value of type 'String'."},
		{"an unknown type", standard, text("a", "Boolean", "true"), "InvalidParameterValue: The message attribute 'a' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String."},
		{"a custom type", standard, text("a", "Number.float", "-1.5e10"), ""},
		{"no number", standard, text("a", "Number", "1x"), "InvalidParameterValue: Can't cast the value of message (user) attribute 'a' to a number."},
		{"bytes as text", standard, text("a", "Binary", "x"), "InvalidParameterValue: Message (user) attribute 'a' must contain a non-empty value of type 'Binary'."},
		{"a list", standard, attributes("a", sqsapi.MessageAttributeValue{DataType: "String", StringListValues: []string{"x"}}), "AWS.SimpleQueueService.UnsupportedOperation: Message attribute list values in SendMessage operation are not supported."},
		{"another system attribute", standard, sqsapi.SendMessageInput{MessageBody: "x", MessageSystemAttributes: map[string]sqsapi.MessageSystemAttributeValue{"SenderId": {DataType: "String", StringValue: ptr("x")}}}, "InvalidParameterValue: Message system attribute name 'SenderId' is invalid."},
		{"a group of a standard queue", standard, sqsapi.SendMessageInput{MessageBody: "x", MessageGroupId: ptr("tenant")}, ""},
		{"a deduplication id of a standard queue", standard, sqsapi.SendMessageInput{MessageBody: "x", MessageDeduplicationId: ptr("1")}, "InvalidParameterValue: Value 1 for parameter MessageDeduplicationId is invalid. Reason: The request includes a parameter that is not valid for this queue type."},
		{"no group", fifo, sqsapi.SendMessageInput{MessageBody: "x", MessageDeduplicationId: ptr("1")}, "MissingParameter: The request must contain the parameter MessageGroupId."},
		{"a group with a space", fifo, sqsapi.SendMessageInput{MessageBody: "x", MessageGroupId: ptr("a b")}, "InvalidParameterValue: Value a b for parameter MessageGroupId is invalid. Reason: MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length."},
		{"no deduplication id", fifo, sqsapi.SendMessageInput{MessageBody: "x", MessageGroupId: ptr("g")}, "InvalidParameterValue: The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"},
		{"a delay of zero", fifo, sqsapi.SendMessageInput{MessageBody: "x", MessageGroupId: ptr("g"), MessageDeduplicationId: ptr("1"), DelaySeconds: ptr(int32(0))}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.in.QueueUrl = tt.url
			_, err := try(w, sqsapi.SendMessage, &tt.in)
			got := ""
			if e := awserr.As(err); e != nil {
				got = batchFailure("", e).Code + ": " + e.Message
			} else if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	w := newWorld(t)
	ok := address{"111122223333", "us-east-1", "jobs"}
	for _, tt := range []struct {
		url, path string
		want      address
	}{
		{"http://localhost:4566/111122223333/jobs", "", ok},
		{"https://sqs.eu-west-1.amazonaws.com/111122223333/jobs", "", ok},
		{"https://any/queue/us-east-1/111122223333/jobs/", "", ok},
		{"jobs", "", ok},
		{"/444455556666/x.fifo", "", address{"444455556666", "us-east-1", "x.fifo"}},
		{"", "/111122223333/jobs", ok},
		{"", "/", address{}},
		{"http://localhost/", "", address{}},
		{"http://localhost/nobody/jobs", "", address{}},
		{"http://localhost/111122223333/a%20b", "", address{}},
		{"http://localhost/111122223333/" + strings.Repeat("x", 81), "", address{}},
		{"%", "", address{}},
	} {
		c := w.call("SendMessage")
		c.Transport.Path = tt.path
		got, err := addressOf(c, tt.url)
		if (err != nil) != (tt.want == address{}) || err == nil && got != tt.want {
			t.Errorf("addressOf(%q, %q) = %v, %v", tt.url, tt.path, got, err)
		}
	}
}

// Queues of other accounts are reached by their URL, but not managed.
func TestCrossAccount(t *testing.T) {
	w := newWorld(t)
	url := w.create("jobs")
	const other = arn.AccountID("444455556666")
	if _, err := tryWith(t.Context(), w, w.callAs(other, "SendMessage"), sqsapi.SendMessage, &sqsapi.SendMessageInput{QueueUrl: url, MessageBody: "x"}); err != nil {
		t.Error(err)
	}
	w.wantBodies(url, 1, "x")
	if _, err := tryWith(t.Context(), w, w.callAs(other, "DeleteQueue"), sqsapi.DeleteQueue, &sqsapi.DeleteQueueInput{QueueUrl: url}); !awserr.HasCode(err, "AccessDeniedException") {
		t.Errorf("DeleteQueue: %v", err)
	}
	if _, err := tryWith(t.Context(), w, w.callAs(other, "GetQueueUrl"), sqsapi.GetQueueUrl, &sqsapi.GetQueueUrlInput{QueueName: "jobs"}); !awserr.HasCode(err, "QueueDoesNotExist") {
		t.Errorf("GetQueueUrl: %v", err)
	}
	n := w.sv.Handler("SendMessageBatch").Needs(w.callAs(other, "SendMessageBatch"), &sqsapi.SendMessageBatchInput{QueueUrl: url})
	if len(n) != 1 || n[0].Action != "sqs:SendMessage" || n[0].Resource != "arn:aws:sqs:us-east-1:111122223333:jobs" || n[0].ResourceAccount != testAccount {
		t.Errorf("needs %+v", n)
	}
}

func TestListQueuesPages(t *testing.T) {
	w := newWorld(t)
	for i := range 7 {
		w.create(fmt.Sprint("q", i))
	}
	w.create("p")
	var got []string
	in := &sqsapi.ListQueuesInput{QueueNamePrefix: ptr("q"), MaxResults: ptr(int32(3))}
	for pages := 1; ; pages++ {
		out := must(w, sqsapi.ListQueues, in)
		for _, u := range out.QueueUrls {
			got = append(got, u[strings.LastIndex(u, "/")+1:])
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			if pages != 3 {
				t.Errorf("%d pages", pages)
			}
			break
		}
	}
	if d := cmp.Diff([]string{"q0", "q1", "q2", "q3", "q4", "q5", "q6"}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	fails(w, "InvalidParameterValue", sqsapi.ListQueues, &sqsapi.ListQueuesInput{NextToken: ptr("x"), MaxResults: ptr(int32(3))})
	fails(w, "InvalidParameterValue", sqsapi.ListQueues, &sqsapi.ListQueuesInput{MaxResults: ptr(int32(0))})
}

// AddPermission and RemovePermission leave the other statements as they are.
func TestPermissions(t *testing.T) {
	w := newWorld(t)
	url := w.create("q")
	before := policyWith(1)
	must(w, sqsapi.SetQueueAttributes, &sqsapi.SetQueueAttributesInput{QueueUrl: url, Attributes: map[string]string{"Policy": before}})
	must(w, sqsapi.AddPermission, &sqsapi.AddPermissionInput{QueueUrl: url, Label: "L", AWSAccountIds: []string{"444455556666"}, Actions: []string{"SendMessage", "ReceiveMessage"}})
	var got struct{ Statement []json.RawMessage }
	if err := json.Unmarshal([]byte(w.attribute(url, "Policy")), &got); err != nil || len(got.Statement) != 2 {
		t.Fatalf("%v: %s", err, w.attribute(url, "Policy"))
	}
	want := `{"Sid":"L","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:root"},"Action":["SQS:SendMessage","SQS:ReceiveMessage"],"Resource":"arn:aws:sqs:us-east-1:111122223333:q"}`
	if d := cmp.Diff(want, string(got.Statement[1])); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	must(w, sqsapi.RemovePermission, &sqsapi.RemovePermissionInput{QueueUrl: url, Label: "L"})
	if d := cmp.Diff(before, w.attribute(url, "Policy")); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	fails(w, "OverLimit", sqsapi.AddPermission, &sqsapi.AddPermissionInput{QueueUrl: url, Label: "M", AWSAccountIds: []string{"444455556666"}, Actions: make([]string, 8)})
	fails(w, "InvalidParameterValue", sqsapi.AddPermission, &sqsapi.AddPermissionInput{QueueUrl: url, Label: "M", AWSAccountIds: []string{"*"}, Actions: []string{"SendMessage"}})
}

// A long payload pays for as many requests as it has chunks of 64 KB.
func TestMeteredChunks(t *testing.T) {
	w := newWorld(t)
	url := w.create("q")
	for size, want := range map[int]bool{billedChunk: false, billedChunk + 1: true} {
		c := w.call("SendMessage")
		if _, err := tryWith(t.Context(), w, c, sqsapi.SendMessage, &sqsapi.SendMessageInput{QueueUrl: url, MessageBody: strings.Repeat("x", size)}); err != nil {
			t.Fatal(err)
		}
		if got := c.Usage.Pending(); got != want {
			t.Errorf("%d bytes: more than one request is metered: %v", size, got)
		}
	}
}
