package service_test

import (
	"context"
	"testing"

	"github.com/gigawatt-cloud/gigawatt/api/sqsapi"
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/service"
)

// caller answers with the body that it was sent.
type caller struct {
	p    *policy.Principal
	keys policy.Context
}

func (r *caller) Call(_ context.Context, p *policy.Principal, _ arn.AccountID, _, _, _ string, keys policy.Context, in any) (any, error) {
	r.p, r.keys = p, keys
	return &sqsapi.SendMessageOutput{MessageId: &in.(*sqsapi.SendMessageInput).MessageBody}, nil
}

func TestInvokeCallsAsTheService(t *testing.T) {
	r := &caller{}
	c := &service.Call{Frame: &service.Frame{Caller: r}}
	out, err := service.Invoke(t.Context(), c, service.As{
		Service: "s3.amazonaws.com", SourceARN: "arn:aws:s3:::b", SourceAccount: "111111111111", Account: "222222222222", Region: "us-east-1",
	}, sqsapi.SendMessage, &sqsapi.SendMessageInput{MessageBody: "hello"})
	if err != nil || *out.MessageId != "hello" {
		t.Fatalf("%+v, %v", out, err)
	}
	if r.p.Type != policy.Service || r.p.Service != "s3.amazonaws.com" || r.keys["aws:sourcearn"][0] != "arn:aws:s3:::b" || r.keys["aws:sourceaccount"][0] != "111111111111" {
		t.Errorf("called as %+v with %v", r.p, r.keys)
	}
}
