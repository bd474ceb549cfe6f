// Package rpcv2cbor is the wire protocol Smithy RPC v2 with CBOR.
//
// Every call is a POST to /service/{service}/operation/{operation} with the
// header smithy-protocol; the gateway finds the operation with [Target]. The
// package has its own reader and writer of CBOR. Start at [Codec].
package rpcv2cbor

import (
	"net/http"
	"reflect"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/eventstream"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// Protocol is the value of the header smithy-protocol.
const Protocol = "rpc-v2-cbor"

const mediaType = "application/cbor"

// Codec implements [protocol.Codec]. The zero value is ready.
type Codec struct{}

var _ protocol.Codec = Codec{}

// New makes the codec.
func New() protocol.Codec { return Codec{} }

var format = eventstream.Format{ContentType: mediaType, Append: appendValue, Decode: decode}

// Target finds the names of the service and of the operation in a request's
// path. Parts before "service" are a prefix of the endpoint.
func Target(path string) (service, operation string, ok bool) {
	parts := strings.Split(path, "/")
	n := len(parts)
	if n < 5 || parts[n-4] != "service" || parts[n-2] != "operation" || parts[n-3] == "" || parts[n-1] == "" {
		return "", "", false
	}
	service = parts[n-3]
	// A shape's namespace is allowed before its name.
	return service[strings.LastIndexByte(service, '.')+1:], parts[n-1], true
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
	if len(body) > 0 {
		if err := decodeFields(body, op.Input, &f, problems); err != nil {
			return err
		}
	}
	problems.Missing(&f)
	return nil
}

// requestBody returns the document of a request: its body, or the first
// message of an event stream, which is set then.
func requestBody(op *smithy.Operation, rq *protocol.Request, f *smithy.Fields) ([]byte, error) {
	m := op.Input.EventStreamMember()
	if m == nil {
		return protocol.ReadBody(rq)
	}
	body, err := eventstream.ReadInitial(rq.Body)
	if err != nil {
		return nil, err
	}
	return body, f.Set(m, func(v reflect.Value) error {
		smithy.SetAny(v, format.Stream(m.Shape, rq.Body))
		return nil
	})
}

func header(requestID string) http.Header {
	return http.Header{"Smithy-Protocol": {Protocol}, "X-Amzn-Requestid": {requestID}}
}

// Encode implements [protocol.Codec].
func (Codec) Encode(op *smithy.Operation, out any, requestID string) (*protocol.Response, error) {
	resp := &protocol.Response{Status: http.StatusOK, Header: header(requestID)}
	if op.Output == nil {
		return resp, nil
	}
	v, ok := smithy.Indirect(reflect.ValueOf(out))
	var err error
	resp.Body, err = protocol.Build(func(b []byte) ([]byte, error) {
		b = append(b, startMap)
		var err error
		if ok {
			b, err = appendMembers(b, op.Output, v)
		}
		return append(b, stop), err
	})
	if err != nil {
		return nil, err
	}
	resp.Header["Content-Type"] = []string{mediaType}
	if m := op.Output.EventStreamMember(); m != nil {
		var stream smithy.Stream
		if ok {
			e, _ := smithy.Get(v, m)
			stream = smithy.StreamOf(e)
		}
		resp.Events, resp.Body = format.Events(m.Shape, stream, resp.Body), nil
		resp.Header["Content-Type"] = []string{eventstream.ContentType}
	}
	return resp, nil
}

// EncodeError implements [protocol.Codec].
func (Codec) EncodeError(sv *smithy.Meta, op *smithy.Operation, e *awserr.Error, requestID string) *protocol.Response {
	sh := protocol.ErrorShape(op, e)
	resp := &protocol.Response{Status: protocol.ErrorStatus(sh, e), Header: header(requestID)}
	resp.Header["Content-Type"] = []string{mediaType}
	if sv != nil && sv.QueryCompatible {
		resp.Header["X-Amzn-Query-Error"] = []string{protocol.QueryError(sh, e)}
	}
	b := appendText(appendText([]byte{startMap}, "__type"), protocol.ErrorType(sv, sh, e))
	resp.Body = append(appendError(b, sh, e), stop)
	return resp
}

// appendError writes the modelled members of an error and always its message.
// A member that cannot be written is left out: there is nobody to tell.
func appendError(b []byte, sh *smithy.Shape, e *awserr.Error) []byte {
	if sh != nil {
		v := reflect.ValueOf(protocol.ErrorValue(sh, e))
		for _, m := range sh.Members {
			x, ok := smithy.Get(v, m)
			if !ok {
				continue
			}
			if out, err := appendValue(appendText(b, m.Name), m, x); err == nil {
				b = out
			}
		}
	}
	if e.Message != "" && protocol.MessageMember(sh) == nil {
		b = appendText(appendText(b, "message"), e.Message)
	}
	return b
}
