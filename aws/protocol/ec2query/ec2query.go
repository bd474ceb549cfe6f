// Package ec2query is the protocol of Amazon EC2: like awsQuery, with names,
// lists, wrappers and errors of its own.
//
// What is in a form is package formcodec's, what is in XML package xmlcodec's.
// Start at [New].
package ec2query

import (
	"errors"
	"net/http"
	"reflect"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/formcodec"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/xmlcodec"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// Codec is the protocol. It has no state.
type Codec struct{}

// New makes the codec.
func New() protocol.Codec { return Codec{} }

var rules = formcodec.Rules{Name: name, Flat: true}

// name is a member's name in parameters: its own for the protocol, or else the
// one in XML with a capital.
func name(m *smithy.Member) string {
	if m.QueryName != "" {
		return m.QueryName
	}
	n := m.WireName()
	return strings.ToUpper(n[:1]) + n[1:]
}

// Decode implements [protocol.Codec].
func (Codec) Decode(op *smithy.Operation, rq *protocol.Request, in any, problems *smithy.Problems) error {
	if op.Input == nil {
		return nil
	}
	f := smithy.Fill(reflect.ValueOf(in), op.Input)
	err := rules.Decode(rq, op.Input, &f, problems)
	var s *protocol.SerializationError
	if errors.As(err, &s) && s.Code == "" {
		coded := *s
		coded.Code = "InvalidParameterValue"
		return &coded
	}
	if err != nil {
		return err
	}
	problems.Missing(&f)
	return nil
}

const declaration = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

func header(requestID string) http.Header {
	return http.Header{"Content-Type": {"text/xml;charset=UTF-8"}, "X-Amzn-Requestid": {requestID}}
}

// Encode implements [protocol.Codec].
func (Codec) Encode(op *smithy.Operation, out any, requestID string) (*protocol.Response, error) {
	v, ok := smithy.Indirect(reflect.ValueOf(out))
	if !ok {
		v = reflect.Value{}
	}
	body, err := xmlcodec.Write(func(w *xmlcodec.Writer) {
		w.Millis = op.Service.Name == "ec2"
		w.Raw(declaration)
		w.Open(op.Name+"Response", smithy.XMLNamespace{URI: namespace(&op.Service.Meta)})
		w.Leaf("requestId", requestID)
		switch {
		case op.Output != nil:
			w.Members(op.Output, v)
		case op.Service.Name == "ec2":
			w.Leaf("return", "true")
		}
		w.Close(op.Name + "Response")
	})
	if err != nil {
		return nil, err
	}
	return &protocol.Response{Status: http.StatusOK, Header: header(requestID), Body: body}, nil
}

// namespace is that of answers. EC2's ends in a slash, which its model lacks.
func namespace(sv *smithy.Meta) string {
	if sv.Name == "ec2" {
		return strings.TrimSuffix(sv.XMLNamespace, "/") + "/"
	}
	return sv.XMLNamespace
}

// EncodeError implements [protocol.Codec].
func (c Codec) EncodeError(sv *smithy.Meta, op *smithy.Operation, e *awserr.Error, requestID string) *protocol.Response {
	sh := protocol.ErrorShape(op, e)
	code := e.Code
	if sh != nil {
		code = sh.Code()
	}
	body, err := xmlcodec.Write(func(w *xmlcodec.Writer) {
		w.Raw(declaration + "<Response><Errors><Error>")
		xmlcodec.Fault(w, sh, e, code)
		w.Raw("</Error></Errors>")
		w.Leaf("RequestID", requestID)
		w.Raw("</Response>")
	})
	if err != nil {
		bare := awserr.Error{Code: e.Code, Message: e.Message, Fault: e.Fault, Status: e.Status}
		return c.EncodeError(sv, op, &bare, requestID)
	}
	return &protocol.Response{Status: protocol.ErrorStatus(sh, e), Header: header(requestID), Body: body}
}
