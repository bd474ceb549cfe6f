package protocol

import (
	"strings"

	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// ErrorShape returns the shape that the model has for e, or nil: one that op
// declares by its name or code, or else any error of op's service.
func ErrorShape(op *smithy.Operation, e *awserr.Error) *smithy.Shape {
	if op == nil {
		return nil
	}
	for _, sh := range op.Errors {
		if sh.Name == e.Code {
			return sh
		}
	}
	for _, sh := range op.Errors {
		if sh.ErrorCode == e.Code && e.Code != "" {
			return sh
		}
	}
	if op.Service == nil {
		return nil
	}
	if sh := op.Service.Shape(e.Code); sh != nil && sh.Exception {
		return sh
	}
	return nil
}

// ErrorStatus is the HTTP status of e, whose shape may be nil.
func ErrorStatus(sh *smithy.Shape, e *awserr.Error) int {
	switch {
	case e.Status != 0:
		return e.Status
	case sh != nil:
		return sh.Status()
	case e.Fault == awserr.Server:
		return 500
	}
	return 400
}

// MessageMember is the member of an error's shape that holds the sentence, or nil.
func MessageMember(sh *smithy.Shape) *smithy.Member {
	if sh == nil {
		return nil
	}
	for _, m := range sh.Members {
		if len(m.Name) == len("message") && strings.EqualFold(m.Name, "message") && m.Shape.Kind == smithy.String {
			return m
		}
	}
	return nil
}

// ErrorValue is e as a generic value of its shape: its members, and its
// message under the name that the model gives it.
func ErrorValue(sh *smithy.Shape, e *awserr.Error) map[string]any {
	out := make(map[string]any, len(e.Members)+1)
	if m := MessageMember(sh); m != nil && e.Message != "" {
		out[m.Name] = e.Message
	}
	for k, v := range e.Members {
		out[k] = v
	}
	return out
}

// QueryError is the value of x-amzn-query-error for a service that speaks a
// newer protocol as well as awsQuery: the code of awsQuery and who is at fault.
func QueryError(sh *smithy.Shape, e *awserr.Error) string {
	code := e.QueryCode
	switch {
	case code != "":
	case sh != nil:
		code = sh.Code()
	default:
		code = e.Code
	}
	if ErrorStatus(sh, e) >= 500 {
		return code + ";Receiver"
	}
	return code + ";Sender"
}

// ErrorType is an error's type with a namespace: that of the service sv, or of
// AWS's frame when no model has the error.
func ErrorType(sv *smithy.Meta, sh *smithy.Shape, e *awserr.Error) string {
	switch {
	case sv == nil:
		return e.Code
	case sh == nil:
		return "com.amazon.coral.service#" + e.Code
	}
	space := "com.amazonaws." + strings.ReplaceAll(sv.Name, "-", "")
	if sv.Name == "dynamodb" || sv.Name == "dynamodbstreams" {
		space = "com.amazonaws.dynamodb.v" + strings.ReplaceAll(sv.APIVersion, "-", "")
	}
	return space + "#" + sh.Name
}
