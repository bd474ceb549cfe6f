// Package restjson is the wire protocol restJson1.
//
// Members are bound to the path, to headers and to the query string, which
// package httpbind handles, and the others are a JSON object or one member is
// the whole payload. Routing by path is the gateway's. Start at [Codec].
package restjson

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"unicode/utf8"

	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/eventstream"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/httpbind"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/jsoncodec"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// Codec implements [protocol.Codec]. The zero value is ready.
type Codec struct{}

var _ protocol.Codec = Codec{}

// New makes the codec.
func New() protocol.Codec { return Codec{} }

const mediaType = "application/json"

var (
	rules  = jsoncodec.Rules{Bindings: true}
	format = eventstream.Format{ContentType: mediaType, Append: rules.Append, Decode: rules.Decode}
)

// Decode implements [protocol.Codec].
func (Codec) Decode(op *smithy.Operation, rq *protocol.Request, in any, problems *smithy.Problems) error {
	if op.Input == nil {
		return nil
	}
	f := smithy.Fill(reflect.ValueOf(in), op.Input)
	if err := httpbind.Decode(op, rq, &f); err != nil {
		return err
	}
	if err := decodeBody(op, rq, &f, problems); err != nil {
		return err
	}
	problems.Missing(&f)
	return nil
}

func decodeBody(op *smithy.Operation, rq *protocol.Request, f *smithy.Fields, problems *smithy.Problems) error {
	m := op.Input.PayloadMember()
	if m == nil {
		m = op.Input.EventStreamMember()
	}
	switch {
	case m == nil && !httpbind.HasBody(op.Input):
		return nil
	case m != nil && (m.IsStream() || m.Shape.EventStream):
		return f.Set(m, func(v reflect.Value) error {
			smithy.SetAny(v, streamed(m, rq))
			return nil
		})
	}
	body, err := protocol.ReadBody(rq)
	if err != nil {
		return err
	}
	if m == nil {
		if len(bytes.TrimSpace(body)) == 0 {
			return nil
		}
		return rules.DecodeFields(body, op.Input, f, problems)
	}
	if len(body) == 0 || !m.Required && m.Shape.Kind == smithy.Structure && isEmptyObject(body) {
		return nil
	}
	problems.Push(m)
	defer problems.Pop()
	return f.Set(m, func(v reflect.Value) error { return payload(body, m, v, problems) })
}

// isEmptyObject reports whether body is {}, which is what clients send for a
// structure that is the payload and was not given.
func isEmptyObject(body []byte) bool {
	body = bytes.TrimSpace(body)
	return len(body) >= 2 && body[0] == '{' && body[len(body)-1] == '}' && len(bytes.TrimSpace(body[1:len(body)-1])) == 0
}

// streamed is the body as a reader or as a stream of events.
func streamed(m *smithy.Member, rq *protocol.Request) any {
	body := rq.Body
	if body == nil {
		body = http.NoBody
	}
	if m.Shape.EventStream {
		return format.Stream(m.Shape, body)
	}
	return body
}

func payload(body []byte, m *smithy.Member, v reflect.Value, problems *smithy.Problems) error {
	switch m.Shape.Kind {
	case smithy.Blob:
		smithy.SetBytes(v, body)
		return nil
	case smithy.String:
		if !utf8.Valid(body) {
			return protocol.Malformed("The body is not valid UTF-8")
		}
		smithy.SetString(v, string(body))
		return nil
	}
	return rules.Decode(body, m, v, problems)
}

// Encode implements [protocol.Codec].
func (Codec) Encode(op *smithy.Operation, out any, requestID string) (*protocol.Response, error) {
	resp := &protocol.Response{Status: op.Status, Header: http.Header{"X-Amzn-Requestid": {requestID}}, ContentLength: -1}
	if resp.Status == 0 {
		resp.Status = http.StatusOK
	}
	v, ok := smithy.Indirect(reflect.ValueOf(out))
	if !ok {
		v = reflect.Value{}
	}
	if err := httpbind.Encode(op.Output, v, resp); err != nil {
		return nil, err
	}
	media, err := encodeBody(op.Output, v, resp)
	if err != nil {
		return nil, err
	}
	if resp.Status == http.StatusNoContent || resp.Status == http.StatusNotModified {
		resp.Body, media = nil, ""
	}
	if resp.Header["Content-Type"] == nil && media != "" {
		resp.Header["Content-Type"] = []string{media}
	}
	if op.Method == http.MethodHead {
		resp.Body = nil
	}
	if resp.Stream == nil && resp.ContentLength < 0 {
		resp.ContentLength = 0
	}
	return resp, nil
}

// encodeBody sets the response's body and returns its media type, "" for no body.
func encodeBody(sh *smithy.Shape, v reflect.Value, resp *protocol.Response) (media string, err error) {
	if sh == nil {
		return "", nil
	}
	m := sh.PayloadMember()
	if m == nil {
		m = sh.EventStreamMember()
	}
	if m == nil {
		resp.Body, err = object(sh, v)
		return mediaType, err
	}
	var e reflect.Value
	if v.IsValid() {
		if got, ok := smithy.Get(v, m); ok {
			e = got
		}
	}
	switch {
	case m.Shape.EventStream:
		resp.Events = format.Events(m.Shape, smithy.StreamOf(e), nil)
		return eventstream.ContentType, nil
	case !e.IsValid():
		return "", nil
	}
	if r, ok := e.Interface().(io.Reader); ok && m.IsStream() {
		resp.Stream = r
		return rawType(m, "application/octet-stream"), nil
	}
	switch k := m.Shape.Kind; {
	case k == smithy.Blob && e.Kind() == reflect.Slice:
		resp.Body = e.Bytes()
		return rawType(m, "application/octet-stream"), nil
	case k == smithy.String && e.Kind() == reflect.String:
		resp.Body = []byte(e.String())
		return rawType(m, "text/plain"), nil
	case m.IsStream():
		return "", fmt.Errorf("the payload %s is a %s", m.Name, e.Type())
	}
	resp.Body, err = protocol.Build(func(b []byte) ([]byte, error) { return rules.Append(b, m, e) })
	return mediaType, err
}

// rawType is the media type of a payload that is no JSON.
func rawType(m *smithy.Member, otherwise string) string {
	if t := m.Shape.MediaType; t != "" {
		return t
	}
	return otherwise
}

// object writes the members that are not bound elsewhere.
func object(sh *smithy.Shape, v reflect.Value) ([]byte, error) {
	return protocol.Build(func(b []byte) ([]byte, error) {
		b, _, err := rules.AppendFields(append(b, '{'), sh, v, true)
		return append(b, '}'), err
	})
}

// EncodeError implements [protocol.Codec].
func (Codec) EncodeError(_ *smithy.Meta, op *smithy.Operation, e *awserr.Error, requestID string) *protocol.Response {
	sh := protocol.ErrorShape(op, e)
	name := e.Code
	resp := &protocol.Response{Status: protocol.ErrorStatus(sh, e), Header: http.Header{}}
	if sh != nil {
		name = sh.Name
		if err := httpbind.Encode(sh, reflect.ValueOf(protocol.ErrorValue(sh, e)), resp); err != nil {
			resp.Header = http.Header{}
		}
	}
	resp.Header["Content-Type"] = []string{mediaType}
	resp.Header["X-Amzn-Requestid"] = []string{requestID}
	resp.Header["X-Amzn-Errortype"] = []string{name}
	resp.Body = append(rules.AppendError([]byte{'{'}, sh, e, true), '}')
	return resp
}
