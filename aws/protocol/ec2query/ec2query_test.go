package ec2query_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/ec2query"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy/model"
)

const ec2Model = `{
"metadata": {"protocol": "ec2", "apiVersion": "2016-11-15", "xmlNamespace": "http://ec2.amazonaws.com/doc/2016-11-15"},
"operations": {
 "DescribeInstances": {"name": "DescribeInstances", "http": {"method": "POST", "requestUri": "/"}, "input": {"shape": "DescribeInstancesRequest"}, "output": {"shape": "DescribeInstancesResult"}},
 "DeleteVpc": {"name": "DeleteVpc", "http": {"method": "POST", "requestUri": "/"}, "input": {"shape": "DescribeInstancesRequest"}}
},
"shapes": {
 "DescribeInstancesRequest": {"type": "structure", "members": {
  "InstanceIds": {"shape": "Ids", "locationName": "InstanceId"}, "DryRun": {"shape": "Boolean", "locationName": "dryRun"},
  "Filters": {"shape": "Filters", "locationName": "Filter"}, "Other": {"shape": "String", "locationName": "other", "queryName": "TheOther"}, "MaxResults": {"shape": "Integer", "locationName": "maxResults"}}},
 "Ids": {"type": "list", "member": {"shape": "String", "locationName": "InstanceId"}},
 "Filters": {"type": "list", "member": {"shape": "Filter", "locationName": "Filter"}},
 "Filter": {"type": "structure", "members": {"Name": {"shape": "String"}, "Values": {"shape": "Values", "locationName": "Value"}}},
 "Values": {"type": "list", "member": {"shape": "String", "locationName": "item"}},
 "DescribeInstancesResult": {"type": "structure", "members": {"Reservations": {"shape": "Reservations", "locationName": "reservationSet"}, "NextToken": {"shape": "String", "locationName": "nextToken"}}},
 "Reservations": {"type": "list", "member": {"shape": "Reservation", "locationName": "item"}},
 "Reservation": {"type": "structure", "members": {"Id": {"shape": "String", "locationName": "reservationId"}, "Launched": {"shape": "Time", "locationName": "launchTime"}}},
 "String": {"type": "string"}, "Boolean": {"type": "boolean"}, "Integer": {"type": "integer"}, "Time": {"type": "timestamp"}
}}`

func service(t testing.TB) *smithy.Service {
	t.Helper()
	sv, err := model.Parse("ec2", []byte(ec2Model))
	if err != nil {
		t.Fatal(err)
	}
	return sv
}

func decode(op *smithy.Operation, form string, in any) error {
	var problems smithy.Problems
	rq := &protocol.Request{Method: "POST", Body: strings.NewReader(form), ContentLength: int64(len(form)), MaxBody: 1 << 20}
	return ec2query.New().Decode(op, rq, in, &problems)
}

func TestDecode(t *testing.T) {
	op := service(t).Operation("DescribeInstances")
	var in any
	err := decode(op, "Action=DescribeInstances&InstanceId.1=i-1&InstanceId.2=i-2&DryRun=true&TheOther=o&Filter.1.Name=n&Filter.1.Value.1=a&Filter.1.Value.2=b", &in)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"InstanceIds": []any{"i-1", "i-2"}, "DryRun": true, "Other": "o",
		"Filters": []any{map[string]any{"Name": "n", "Values": []any{"a", "b"}}},
	}
	if d := cmp.Diff(any(want), in); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestDecodeRefusal(t *testing.T) {
	var in any
	err := decode(service(t).Operation("DescribeInstances"), "MaxResults=many", &in)
	want := &protocol.SerializationError{Code: "InvalidParameterValue", Message: `The value "many" of maxResults is not an integer.`}
	if d := cmp.Diff(error(want), err); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestEncode(t *testing.T) {
	sv := service(t)
	for _, tt := range []struct {
		name, op string
		out      any
		want     string
	}{
		{
			"a result", "DescribeInstances",
			map[string]any{"Reservations": []any{map[string]any{"Id": "r-1", "Launched": time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)}}},
			`<requestId>id-1</requestId><reservationSet><item><reservationId>r-1</reservationId><launchTime>2020-01-02T03:04:05.000Z</launchTime></item></reservationSet>`,
		},
		{"no result", "DeleteVpc", nil, `<requestId>id-1</requestId><return>true</return>`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, err := ec2query.New().Encode(sv.Operation(tt.op), tt.out, "id-1")
			if err != nil {
				t.Fatal(err)
			}
			want := `<?xml version="1.0" encoding="UTF-8"?>` + "\n<" + tt.op + `Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">` + tt.want + "</" + tt.op + "Response>"
			if d := cmp.Diff(want, string(resp.Body)); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

func TestEncodeError(t *testing.T) {
	sv := service(t)
	resp := ec2query.New().EncodeError(&sv.Meta, sv.Operation("DeleteVpc"), awserr.New("InvalidVpcID.NotFound", 400, "The vpc ID 'vpc-1' does not exist"), "id-1")
	want := `<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<Response><Errors><Error><Code>InvalidVpcID.NotFound</Code><Message>The vpc ID 'vpc-1' does not exist</Message></Error></Errors><RequestID>id-1</RequestID></Response>`
	if d := cmp.Diff(want, string(resp.Body)); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if d := cmp.Diff(http.Header{"Content-Type": {"text/xml;charset=UTF-8"}, "X-Amzn-Requestid": {"id-1"}}, resp.Header); d != "" || resp.Status != 400 {
		t.Errorf("status %d, header -want +got\n%s", resp.Status, d)
	}
}
