// Package restxml is the REST-XML protocol, which Amazon S3, S3 Control, Route
// 53 and CloudFront speak.
//
// Members outside of the body are package httpbind's, those in it package
// xmlcodec's; here is what is around them: root elements, payloads, errors and
// what is peculiar to S3. Start at [New].
package restxml

import (
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/eventstream"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/httpbind"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/xmlcodec"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// Codec is the protocol. It has no state.
type Codec struct{}

// New makes the codec.
func New() protocol.Codec { return Codec{} }

const mediaType = "application/xml"

// Decode implements [protocol.Codec].
func (Codec) Decode(op *smithy.Operation, rq *protocol.Request, in any, problems *smithy.Problems) error {
	if op.Input == nil {
		return nil
	}
	f := smithy.Fill(reflect.ValueOf(in), op.Input)
	err := httpbind.Decode(op, rq, &f)
	if err == nil {
		err = decodeBody(op, rq, &f, problems)
	}
	if err != nil {
		return coded(op, err)
	}
	problems.Missing(&f)
	return nil
}

// coded gives a fault the error code that the service has for it.
func coded(op *smithy.Operation, err error) error {
	var s *protocol.SerializationError
	if !errors.As(err, &s) || s.Code != "" {
		return err
	}
	out := *s
	switch {
	case s.Location == smithy.Body && isS3(op):
		out.Code = "MalformedXML"
		out.Message = "The XML you provided was not well-formed or did not validate against our published schema"
	case s.Location == smithy.Body:
		out.Code = "MalformedXML"
	case s.Location == smithy.URI && isS3(op):
		out.Code, out.Message = "InvalidURI", "Couldn't parse the specified URI."
	case isS3(op):
		out.Code = "InvalidArgument"
	}
	return &out
}

func decodeBody(op *smithy.Operation, rq *protocol.Request, f *smithy.Fields, problems *smithy.Problems) error {
	m := op.Input.PayloadMember()
	switch {
	case m != nil && (m.IsStream() || m.Shape.EventStream):
		return stream(rq, m, f)
	case m == nil && !httpbind.HasBody(op.Input):
		return nil
	}
	b, err := protocol.ReadBody(rq)
	if err != nil || len(b) == 0 {
		return err
	}
	if m == nil {
		root := op.InputXMLName
		if op.Input.XMLName != "" {
			root = op.Input.XMLName
		}
		return xmlcodec.DecodeFields(b, root, op.Input, f, problems)
	}
	return f.Set(m, func(v reflect.Value) error {
		switch m.Shape.Kind {
		case smithy.Blob:
			smithy.SetBytes(v, b)
			return nil
		case smithy.String:
			return payloadText(v, b)
		}
		problems.Push(m)
		defer problems.Pop()
		root := ""
		if isS3(op) {
			root = xmlcodec.RootName(m)
		}
		return xmlcodec.Decode(b, root, m, v, problems)
	})
}

// stream hands the body on to whoever handles the call.
func stream(rq *protocol.Request, m *smithy.Member, f *smithy.Fields) error {
	body := rq.Body
	if body == nil {
		body = http.NoBody
	}
	return f.Set(m, func(v reflect.Value) error {
		if m.Shape.EventStream {
			smithy.SetAny(v, events.Stream(m.Shape, body))
			return nil
		}
		smithy.SetAny(v, body)
		return nil
	})
}

// events are structures in XML, each a document of its own.
var events = eventstream.Format{
	ContentType: "text/xml",
	Append: func(b []byte, m *smithy.Member, v reflect.Value) ([]byte, error) {
		return xmlcodec.Append(b, func(w *xmlcodec.Writer) {
			w.Root(xmlcodec.RootName(m), xmlcodec.RootNamespace(m), m.Shape, v)
		})
	},
	Decode: func(b []byte, m *smithy.Member, v reflect.Value, problems *smithy.Problems) error {
		return xmlcodec.Decode(b, "", m, v, problems)
	},
}

// Encode implements [protocol.Codec].
func (Codec) Encode(op *smithy.Operation, out any, requestID string) (*protocol.Response, error) {
	resp := &protocol.Response{Status: op.Status, Header: requestHeader(&op.Service.Meta, requestID), ContentLength: -1}
	if op.Output == nil {
		return resp, nil
	}
	v, ok := smithy.Indirect(reflect.ValueOf(out))
	if !ok {
		v = reflect.Value{}
	}
	if err := httpbind.Encode(op.Output, v, resp); err != nil {
		return nil, err
	}
	if m := op.Output.PayloadMember(); m != nil {
		return resp, payload(op, m, v, resp)
	}
	if !hasElements(op.Output) {
		if !isS3(op) {
			setType(resp.Header, mediaType)
		}
		return resp, nil
	}
	if isS3(op) && op.Name == "GetBucketLocation" {
		return resp, location(op, v, resp)
	}
	return resp, document(resp, isS3(op), func(w *xmlcodec.Writer) {
		w.Root(rootName(op), namespace(&op.Service.Meta, op.Output.XMLNamespace), op.Output, v)
	})
}

// hasElements says whether an answer of shape sh has a document. What a
// request binds to the path or the query string is an element there.
func hasElements(sh *smithy.Shape) bool {
	for _, m := range sh.Members {
		switch m.Location {
		case smithy.Body, smithy.URI, smithy.Querystring:
			return true
		}
	}
	return false
}

// requestHeader starts a response's header with the request's id.
func requestHeader(sv *smithy.Meta, requestID string) http.Header {
	if sv != nil && (sv.Name == "s3" || sv.Name == "s3control") {
		return http.Header{"X-Amz-Request-Id": {requestID}, "X-Amz-Id-2": {hostID(requestID)}}
	}
	return http.Header{"X-Amzn-Requestid": {requestID}}
}

// hostID is the second id of a request to S3, made of the first.
func hostID(requestID string) string {
	return base64.StdEncoding.EncodeToString([]byte(requestID + requestID))
}

// document makes the body of resp.
func document(resp *protocol.Response, millis bool, write func(w *xmlcodec.Writer)) (err error) {
	setType(resp.Header, mediaType)
	resp.Body, err = xmlcodec.Write(func(w *xmlcodec.Writer) {
		w.Millis = millis
		w.Raw(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
		write(w)
	})
	return err
}

func setType(h http.Header, mediaType string) {
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = []string{mediaType}
	}
}

func namespace(sv *smithy.Meta, own smithy.XMLNamespace) smithy.XMLNamespace {
	if own.URI == "" && sv != nil {
		own.URI = serviceNamespace(sv)
	}
	return own
}

// payload writes the member that is the whole body.
func payload(op *smithy.Operation, m *smithy.Member, v reflect.Value, resp *protocol.Response) error {
	if !v.IsValid() {
		return nil
	}
	if m.IsStream() && !m.Shape.EventStream {
		return streamed(m, v, resp)
	}
	e, ok := smithy.Get(v, m)
	switch {
	case m.Shape.EventStream:
		resp.Header["Content-Type"] = []string{eventstream.ContentType}
		var s smithy.Stream
		if ok {
			s = smithy.StreamOf(e)
		}
		resp.Events = events.Events(m.Shape, s, nil)
		return nil
	case !ok:
		return nil
	case m.Shape.Kind == smithy.Blob:
		setType(resp.Header, blobType(m))
		resp.Body = e.Bytes()
		return nil
	case m.Shape.Kind == smithy.String:
		setType(resp.Header, textType(m, e.String()))
		resp.Body = []byte(e.String())
		return nil
	}
	return document(resp, isS3(op), func(w *xmlcodec.Writer) {
		w.Root(xmlcodec.RootName(m), namespace(&op.Service.Meta, xmlcodec.RootNamespace(m)), m.Shape, e)
	})
}

// blobType is the media type of a blob.
func blobType(m *smithy.Member) string {
	if t := m.Shape.MediaType; t != "" {
		return t
	}
	return "application/octet-stream"
}

// textType is the media type of a string: policies are JSON.
func textType(m *smithy.Member, s string) string {
	if t := m.Shape.MediaType; t != "" {
		return t
	}
	if strings.HasPrefix(strings.TrimSpace(s), "{") {
		return "application/json"
	}
	return "text/plain"
}

// streamed hands a reader on to whoever writes the response. In the generic
// form it may also be bytes or a string.
func streamed(m *smithy.Member, v reflect.Value, resp *protocol.Response) error {
	var x any
	if v.Kind() == reflect.Map {
		x = v.Interface().(map[string]any)[m.Name]
	} else if e, ok := smithy.Get(v, m); ok {
		x = e.Interface()
	}
	switch x := x.(type) {
	case nil:
		return nil
	case io.Reader:
		resp.Stream = x
	case []byte:
		resp.Body = x
	case string:
		resp.Body = []byte(x)
	default:
		return errors.New("a streaming member is not a reader")
	}
	setType(resp.Header, blobType(m))
	return nil
}
