// Package awsjson is the wire protocols awsJson 1.0 and 1.1.
//
// Every call is a POST to / with the operation in X-Amz-Target, which the
// gateway reads, and a JSON object as the body. The two versions differ in the
// media type, which the service's model names, and in how an error's type is
// written. Start at [Codec].
package awsjson

import (
	"bytes"
	"net/http"
	"reflect"

	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/eventstream"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/jsoncodec"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// Codec implements [protocol.Codec]. The zero value is ready.
type Codec struct{}

var _ protocol.Codec = Codec{}

// New makes the codec.
func New() protocol.Codec { return Codec{} }

var rules = jsoncodec.Rules{}

func mediaType(sv *smithy.Meta) string {
	if sv != nil && sv.JSONVersion == "1.0" {
		return "application/x-amz-json-1.0"
	}
	return "application/x-amz-json-1.1"
}

func format(sv *smithy.Meta) eventstream.Format {
	return eventstream.Format{ContentType: mediaType(sv), Append: rules.Append, Decode: rules.Decode}
}

// Decode implements [protocol.Codec].
func (Codec) Decode(op *smithy.Operation, rq *protocol.Request, in any, problems *smithy.Problems) error {
	if op.Input == nil {
		return nil
	}
	f := smithy.Fill(reflect.ValueOf(in), op.Input)
	body, err := requestBody(op, rq, &f)
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(body)) > 0 {
		if err := rules.DecodeFields(body, op.Input, &f, problems); err != nil {
			return err
		}
	}
	problems.Missing(&f)
	return nil
}

// requestBody returns the JSON of a request: its body, or the first message of
// an event stream, which is set then.
func requestBody(op *smithy.Operation, rq *protocol.Request, f *smithy.Fields) ([]byte, error) {
	m := op.Input.EventStreamMember()
	if m == nil {
		return protocol.ReadBody(rq)
	}
	body, err := eventstream.ReadInitial(rq.Body)
	if err != nil {
		return nil, err
	}
	stream := format(&op.Service.Meta).Stream(m.Shape, rq.Body)
	return body, f.Set(m, func(v reflect.Value) error {
		smithy.SetAny(v, stream)
		return nil
	})
}

func header(mediaType, requestID string) http.Header {
	return http.Header{"Content-Type": {mediaType}, "X-Amzn-Requestid": {requestID}}
}

// Encode implements [protocol.Codec].
func (Codec) Encode(op *smithy.Operation, out any, requestID string) (*protocol.Response, error) {
	media := mediaType(&op.Service.Meta)
	resp := &protocol.Response{Status: http.StatusOK, Header: header(media, requestID)}
	if op.Output == nil {
		return resp, nil
	}
	v, ok := smithy.Indirect(reflect.ValueOf(out))
	if !ok {
		v = reflect.Value{}
	}
	var err error
	resp.Body, err = protocol.Build(func(b []byte) ([]byte, error) {
		b, _, err := rules.AppendFields(append(b, '{'), op.Output, v, true)
		return append(b, '}'), err
	})
	if err != nil {
		return nil, err
	}
	if m := op.Output.EventStreamMember(); m != nil {
		resp.Events, resp.Body = format(&op.Service.Meta).Events(m.Shape, streamOf(v, m), resp.Body), nil
		resp.Header.Set("Content-Type", eventstream.ContentType)
	}
	return resp, nil
}

func streamOf(v reflect.Value, m *smithy.Member) smithy.Stream {
	if !v.IsValid() {
		return nil
	}
	e, ok := smithy.Get(v, m)
	if !ok {
		return nil
	}
	return smithy.StreamOf(e)
}

// EncodeError implements [protocol.Codec].
func (Codec) EncodeError(sv *smithy.Meta, op *smithy.Operation, e *awserr.Error, requestID string) *protocol.Response {
	sh := protocol.ErrorShape(op, e)
	resp := &protocol.Response{Status: protocol.ErrorStatus(sh, e), Header: header(mediaType(sv), requestID)}
	if sv != nil && sv.QueryCompatible {
		resp.Header["X-Amzn-Query-Error"] = []string{protocol.QueryError(sh, e)}
	}
	b := jsoncodec.AppendString([]byte(`{"__type":`), errorType(sv, sh, e))
	resp.Body = append(rules.AppendError(b, sh, e, false), '}')
	return resp
}

// errorType is the error's type: in version 1.1 its bare name, in 1.0 with a
// namespace.
func errorType(sv *smithy.Meta, sh *smithy.Shape, e *awserr.Error) string {
	switch {
	case sv != nil && sv.JSONVersion == "1.0":
		return protocol.ErrorType(sv, sh, e)
	case sh != nil:
		return sh.Name
	}
	return e.Code
}
