// Package awsquery is the awsQuery protocol: requests are forms, answers are
// XML in two wrappers. IAM, STS and SNS speak it, and SQS's and CloudWatch's older clients.
//
// What is in a form is package formcodec's, what is in XML package xmlcodec's.
// Start at [New].
package awsquery

import (
	"errors"
	"net/http"
	"reflect"

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

var rules = formcodec.Rules{Name: xmlcodec.ElementName}

// Decode implements [protocol.Codec]. A label of the request, such as the
// queue of a path, stands for a parameter of that name that is not given.
func (Codec) Decode(op *smithy.Operation, rq *protocol.Request, in any, problems *smithy.Problems) error {
	op = classic(op)
	if op.Input == nil {
		return nil
	}
	f := smithy.Fill(reflect.ValueOf(in), op.Input)
	if err := rules.Decode(rq, op.Input, &f, problems); err != nil {
		return coded(err)
	}
	for name, value := range rq.Labels {
		m := op.Input.Member(name)
		if m == nil || m.Shape.Kind != smithy.String || f.Has(m) {
			continue
		}
		err := f.Set(m, func(v reflect.Value) error {
			smithy.SetString(v, value)
			return nil
		})
		if err != nil {
			return err
		}
	}
	problems.Missing(&f)
	return nil
}

func coded(err error) error {
	var s *protocol.SerializationError
	if !errors.As(err, &s) || s.Code != "" {
		return err
	}
	out := *s
	out.Code = "MalformedInput"
	return &out
}

func header(requestID string) http.Header {
	return http.Header{"Content-Type": {"text/xml"}, "X-Amzn-Requestid": {requestID}}
}

// Encode implements [protocol.Codec].
func (Codec) Encode(op *smithy.Operation, out any, requestID string) (*protocol.Response, error) {
	op = classic(op)
	v, ok := smithy.Indirect(reflect.ValueOf(out))
	if !ok {
		v = reflect.Value{}
	}
	body, err := xmlcodec.Write(func(w *xmlcodec.Writer) {
		w.Open(op.Name+"Response", smithy.XMLNamespace{URI: op.Service.XMLNamespace})
		if op.Output != nil {
			wrapper := op.ResultWrapper
			if wrapper == "" {
				wrapper = op.Name + "Result"
			}
			w.Root(wrapper, smithy.XMLNamespace{}, op.Output, v)
		}
		w.Raw("<ResponseMetadata>")
		w.Leaf("RequestId", requestID)
		w.Raw("</ResponseMetadata>")
		w.Close(op.Name + "Response")
	})
	if err != nil {
		return nil, err
	}
	return &protocol.Response{Status: http.StatusOK, Header: header(requestID), Body: body}, nil
}

// EncodeError implements [protocol.Codec].
func (c Codec) EncodeError(sv *smithy.Meta, op *smithy.Operation, e *awserr.Error, requestID string) *protocol.Response {
	sh := protocol.ErrorShape(op, e)
	code := e.Code
	switch {
	case e.QueryCode != "":
		code = e.QueryCode
	case sh != nil:
		code = sh.Code()
	}
	var ns smithy.XMLNamespace
	if sv != nil {
		ns.URI = namespace(sv)
	}
	body, err := xmlcodec.Write(func(w *xmlcodec.Writer) {
		w.Open("ErrorResponse", ns)
		w.Raw("<Error>")
		w.Leaf("Type", xmlcodec.ErrorType(e))
		xmlcodec.Fault(w, sh, e, code)
		w.Raw("</Error>")
		w.Leaf("RequestId", requestID)
		w.Close("ErrorResponse")
	})
	if err != nil {
		bare := awserr.Error{Code: e.Code, Message: e.Message, Fault: e.Fault, Status: e.Status, QueryCode: e.QueryCode}
		return c.EncodeError(sv, op, &bare, requestID)
	}
	return &protocol.Response{Status: protocol.ErrorStatus(sh, e), Header: header(requestID), Body: body}
}
