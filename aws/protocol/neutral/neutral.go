// Package neutral is a form of every operation that depends on no wire
// protocol: one JSON object in and one out, with the model's own names.
//
// Gigawatt's console, its scripts and state machines call operations in this
// form, at /_gigawatt/call/SERVICE/OPERATION, signed for the service like any
// other request. A streamed payload is base64 under its member's name; an
// event stream is a list. Start at [Codec].
package neutral

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"

	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/jsoncodec"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// Codec implements [protocol.Codec]. The zero value is ready.
type Codec struct{}

var _ protocol.Codec = Codec{}

// rules: names and times do not depend on the wire.
var rules = jsoncodec.Rules{Epoch: true}

// maxStream bounds a streamed payload in a response, which is held in memory here.
const maxStream = 64 << 20

// Decode implements [protocol.Codec].
func (Codec) Decode(op *smithy.Operation, rq *protocol.Request, in any, problems *smithy.Problems) error {
	if op.Input == nil {
		return nil
	}
	body, err := protocol.ReadBody(rq)
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(body)) == 0 {
		body = []byte("{}")
	}
	f := smithy.Fill(reflect.ValueOf(in), op.Input)
	if err := rules.DecodeFields(body, op.Input, &f, problems); err != nil {
		return err
	}
	for _, m := range op.Input.Members {
		if m.Shape.EventStream {
			return protocol.Malformed("Operations that take a stream of events cannot be called in this form.")
		}
		if !m.IsStream() {
			continue
		}
		if err := decodeStream(body, m, &f); err != nil {
			return err
		}
	}
	problems.Missing(&f)
	return nil
}

func decodeStream(body []byte, m *smithy.Member, f *smithy.Fields) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(body, &all); err != nil {
		return protocol.Malformed("The body is not a JSON object.")
	}
	raw, ok := all[m.Name]
	if !ok {
		return nil
	}
	var b []byte
	if err := json.Unmarshal(raw, &b); err != nil {
		return protocol.Malformed("%s has to be base64.", m.Name)
	}
	return f.Set(m, func(v reflect.Value) error {
		smithy.SetAny(v, io.Reader(bytes.NewReader(b)))
		return nil
	})
}

// Encode implements [protocol.Codec].
func (Codec) Encode(op *smithy.Operation, out any, requestID string) (*protocol.Response, error) {
	rs := &protocol.Response{Status: http.StatusOK, Header: header(requestID), Body: []byte("{}")}
	v, ok := smithy.Indirect(reflect.ValueOf(out))
	if op.Output == nil || !ok {
		return rs, nil
	}
	b, some, err := rules.AppendFields([]byte{'{'}, op.Output, v, true)
	if err != nil {
		return nil, err
	}
	for _, m := range op.Output.Members {
		f, ok := smithy.Get(v, m)
		if !ok || !m.IsStream() && !m.Shape.EventStream {
			continue
		}
		if some {
			b = append(b, ',')
		}
		some = true
		b = jsoncodec.AppendString(b, m.Name)
		b = append(b, ':')
		if m.Shape.EventStream {
			b, err = appendEvents(b, m.Shape, smithy.StreamOf(f))
		} else {
			b, err = appendStream(b, f)
		}
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", m.Name, err)
		}
	}
	b = append(b, '}')
	rs.Body = b
	return rs, nil
}

// appendStream writes a payload in base64 and closes its reader.
func appendStream(b []byte, v reflect.Value) ([]byte, error) {
	var data []byte
	switch x := v.Interface().(type) {
	case []byte:
		data = x
	case io.Reader:
		if c, ok := x.(io.Closer); ok {
			defer c.Close()
		}
		var err error
		if data, err = io.ReadAll(io.LimitReader(x, maxStream+1)); err != nil {
			return nil, err
		}
		if len(data) > maxStream {
			return nil, protocol.ErrTooLarge
		}
	default:
		return nil, fmt.Errorf("a stream is a %T", x)
	}
	b = append(b, '"')
	b = base64.StdEncoding.AppendEncode(b, data)
	return append(b, '"'), nil
}

func appendEvents(b []byte, sh *smithy.Shape, events smithy.Stream) ([]byte, error) {
	b = append(b, '[')
	first := true
	for e, err := range events {
		if err != nil {
			return nil, err
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		v, ok := smithy.Indirect(reflect.ValueOf(e))
		if !ok {
			return nil, fmt.Errorf("an event is nil")
		}
		var aerr error
		if b, aerr = rules.Append(b, &smithy.Member{Shape: sh}, v); aerr != nil {
			return nil, aerr
		}
	}
	return append(b, ']'), nil
}

func header(requestID string) http.Header {
	return http.Header{"Content-Type": {"application/json"}, "X-Amzn-Requestid": {requestID}}
}

// EncodeError implements [protocol.Codec].
func (Codec) EncodeError(_ *smithy.Meta, op *smithy.Operation, e *awserr.Error, requestID string) *protocol.Response {
	sh := protocol.ErrorShape(op, e)
	rs := &protocol.Response{Status: protocol.ErrorStatus(sh, e), Header: header(requestID)}
	b := jsoncodec.AppendString([]byte(`{"__type":`), e.Code)
	rs.Body = append(rules.AppendError(b, sh, e, false), '}')
	return rs
}
