package server

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gigawatt-cloud/gigawatt/api/catalog"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
	"github.com/gigawatt-cloud/gigawatt/service"
)

// refusals are how each protocol's clients learn that an operation is not there.
var refusals = map[smithy.Protocol]struct {
	code   string
	status int
}{
	smithy.AWSJSON:   {"UnknownOperationException", http.StatusBadRequest},
	smithy.RPCv2CBOR: {"UnknownOperationException", http.StatusBadRequest},
	smithy.AWSQuery:  {"InvalidAction", http.StatusBadRequest},
	smithy.EC2Query:  {"InvalidAction", http.StatusBadRequest},
	smithy.RestJSON:  {"UnknownOperationException", http.StatusNotFound},
	smithy.RestXML:   {"NotImplemented", http.StatusNotImplemented},
}

// twins share method, path and signing name with another operation and are
// told apart by what an empty request does not have.
var twins = map[string]string{
	"bedrock-agent-runtime InvokeInlineAgent": "the body's members",
	"lexv2-models DescribeImport":             "the length of the id",
	"lexv2-models ListImports":                "the body's members",
	"s3 GetBucketLifecycle":                   "nothing: GetBucketLifecycleConfiguration took its place",
	"s3 GetBucketNotification":                "nothing: GetBucketNotificationConfiguration took its place",
	"s3 ListDirectoryBuckets":                 "the host and the SDK's x-id",
	"s3 PutBucketLifecycle":                   "nothing: PutBucketLifecycleConfiguration took its place",
	"s3 PutBucketNotification":                "nothing: PutBucketNotificationConfiguration took its place",
}

// TestEveryOperationOfAWS calls every operation of every service in each of
// its protocols: what is not implemented is refused by its name, in its
// protocol and with the code that clients do not retry; what is implemented
// does not fail on an empty request.
func TestEveryOperationOfAWS(t *testing.T) {
	s := newTestServer(t, Config{})
	root := s.rootKey()
	for _, m := range catalog.All() {
		for _, op := range catalog.Service(m.Name).Operations {
			for _, p := range m.Protocols {
				rs, body := s.send(empty(op, p), m.SigningName, root)
				_, twin := twins[m.Name+" "+op.Name]
				if s.implements(m.Name, op.Name) || twin && s.serves(m.Name) { // the twin answers
					if rs.StatusCode >= http.StatusInternalServerError {
						t.Errorf("%s %s (%s) answers %d %s", m.Name, op.Name, p, rs.StatusCode, body)
					}
					continue
				}
				s.checkRefusal(t, op, p, rs, body)
			}
		}
	}
}

func (s *testServer) checkRefusal(t *testing.T, op *smithy.Operation, p smithy.Protocol, rs *http.Response, body string) {
	want := refusals[p]
	if rs.StatusCode != want.status {
		t.Errorf("%s %s (%s) answers %d %s", op.Service.Name, op.Name, p, rs.StatusCode, body)
	}
	if op.Method == http.MethodHead {
		return // an answer without a body
	}
	if !strings.Contains(body+rs.Header.Get("X-Amzn-Errortype"), want.code) {
		t.Errorf("%s %s (%s) is not refused with %s: %s", op.Service.Name, op.Name, p, want.code, body)
	}
	_, twin := twins[op.Service.Name+" "+op.Name]
	if named := strings.Contains(body, op.Name); named == twin {
		t.Errorf("%s %s (%s) is refused as: %s", op.Service.Name, op.Name, p, body)
	}
}

func (s *testServer) serves(name string) bool {
	return slices.ContainsFunc(s.services, func(v *service.Service) bool { return v.Name == name })
}

func (s *testServer) implements(service, operation string) bool {
	for _, v := range s.services {
		if v.Name == service {
			return v.Handler(operation) != nil
		}
	}
	return false
}

// TestUnknownOperations calls what AWS does not have.
func TestUnknownOperations(t *testing.T) {
	s := newTestServer(t, Config{})
	for service, p := range map[string]smithy.Protocol{
		"sqs": smithy.AWSJSON, "iam": smithy.AWSQuery, "ec2": smithy.EC2Query, "cloudwatch": smithy.RPCv2CBOR,
		"lambda": smithy.RestJSON, "route53": smithy.RestXML, "dynamodb": smithy.AWSJSON,
	} {
		op := &smithy.Operation{Name: "MakeCoffee", Service: catalog.Service(service), Method: http.MethodPost, URI: "/coffee/{Pot}"}
		rs, body := s.send(empty(op, p), op.Service.SigningName, s.rootKey())
		want := refusals[p]
		if rs.StatusCode != want.status || !strings.Contains(body, want.code) && !strings.Contains(rs.Header.Get("X-Amzn-Errortype"), want.code) {
			t.Errorf("%s answers %d %s", service, rs.StatusCode, body)
		}
	}
}
