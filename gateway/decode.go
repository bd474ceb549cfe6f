package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/negotiate"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/neutral"
	"github.com/gigawatt-cloud/gigawatt/aws/sigv4"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// body is a request's payload with AWS's framing and hashes checked as it
// streams. It implements service.Trailers.
type body struct{ *sigv4.Body }

// Trailers returns the trailing headers, once the payload has been read.
func (b body) Trailers() map[string][]string { return b.Trailer() }

// openBody puts the checks of the signature around the payload.
func (x *exchange) openBody() error {
	b, err := sigv4.NewBody(x.r, x.auth, sigv4.BodyOptions{Unverified: x.g.Open})
	if err != nil {
		return err
	}
	x.r.Body = body{b}
	x.r.ContentLength = b.Length()
	if enc := x.r.Header.Get("Content-Encoding"); enc != "" {
		if enc = sigv4.StripChunked(enc); enc == "" {
			x.r.Header.Del("Content-Encoding")
		} else {
			x.r.Header.Set("Content-Encoding", enc)
		}
	}
	return nil
}

// decode turns the request into the operation's input. What AWS has and we
// do not is refused here, by its right name and in its right protocol.
func (x *exchange) decode() error {
	if x.handler == nil {
		return x.refusal()
	}
	op := x.match.Op
	if _, held := x.codec.(neutral.Codec); held || streamMember(op) == nil {
		if err := x.hold(op); err != nil {
			return err
		}
	}
	if p := x.match.Protocol; p == smithy.RestJSON || p == smithy.RPCv2CBOR {
		if e := negotiate.Check(op, x.r.Header, x.r.ContentLength != 0); e != nil {
			return e
		}
	}
	x.in = x.handler.NewInput()
	_, query := target(x.r)
	rq := &protocol.Request{
		Method: x.r.Method, Labels: x.match.Labels, RawQuery: query, Header: x.r.Header,
		Body: x.r.Body, ContentLength: x.r.ContentLength, MaxBody: maxBody,
	}
	negotiate.Decompress(op, rq)
	return x.codec.Decode(op, rq, x.in, &x.problems)
}

// streamMember is the input member that the handler reads itself, or nil.
func streamMember(op *smithy.Operation) *smithy.Member {
	if m := op.Input.PayloadMember(); m != nil && (m.IsStream() || m.Shape.EventStream) {
		return m
	}
	return nil
}

// hold reads a payload that is no stream into memory and verifies its checksums.
func (x *exchange) hold(op *smithy.Operation) error {
	stream := x.r.Body
	b, err := protocol.ReadBody(&protocol.Request{Body: stream, ContentLength: x.r.ContentLength, MaxBody: maxBody})
	if err != nil {
		return err
	}
	if _, form := x.codec.(neutral.Codec); op.Checksum != nil && !form {
		var trailers http.Header
		if t, ok := stream.(body); ok {
			trailers = t.Trailers()
		}
		if err := checkChecksums(op, x.r.Header, trailers, b); err != nil {
			return err
		}
	}
	x.body, x.read = b, true
	x.r.Body = io.NopCloser(bytes.NewReader(b))
	x.r.ContentLength = int64(len(b))
	return nil
}

// refusal is the error for an operation that AWS has, or might have, and we do not.
func (x *exchange) refusal() error {
	sv, op := x.match.Service, x.match.Op
	switch {
	case op != nil:
		e := awserr.New("", 0, "%s %s is not supported by this version of Gigawatt. `gigawatt support %s` lists what is.", sv.ServiceID, op.Name, sv.Name)
		return unknownOperation(x.match.Protocol, e)
	case x.match.Name == "" && sv.Name == "s3":
		return awserr.New("MethodNotAllowed", 405, "The specified method is not allowed against this resource.")
	case x.match.Name == "":
		return unknownOperation(x.match.Protocol, awserr.New("", 0, "%s has no operation for %s %s.", sv.ServiceID, x.r.Method, x.r.URL.Path))
	}
	msg := fmt.Sprintf("The action %s is not valid for this web service.", x.match.Name)
	if x.match.Version != "" {
		msg = fmt.Sprintf("Could not find operation %s for version %s", x.match.Name, x.match.Version)
	}
	return unknownOperation(x.match.Protocol, awserr.New("", 0, "%s", msg))
}

// unknownOperation gives the error the code that clients of a protocol know
// and do not retry.
func unknownOperation(p smithy.Protocol, e *awserr.Error) *awserr.Error {
	e.Code, e.Status = "UnknownOperationException", http.StatusBadRequest
	switch p {
	case smithy.AWSQuery, smithy.EC2Query:
		e.Code = "InvalidAction"
	case smithy.RestXML:
		e.Code, e.Status = "NotImplemented", http.StatusNotImplemented
	case smithy.RestJSON:
		e.Status = http.StatusNotFound
	}
	return e
}

// validate holds the input against the model's constraints and refuses
// members that the operation does not honour.
func (x *exchange) validate() error {
	v := reflect.ValueOf(x.in)
	x.problems.Validate(x.match.Op.Input, v)
	if len(x.problems.List) > 0 {
		if x.svc.Invalid != nil {
			if err := x.svc.Invalid(x.call, &x.problems); err != nil {
				return err
			}
		} else {
			return invalid(x.match.Protocol, &x.problems)
		}
	}
	for _, path := range x.handler.Refused {
		if isSet(x.match.Op.Input, v, strings.Split(path, ".")) {
			return refusedMember(x.match, path)
		}
	}
	return nil
}

// invalid is AWS's common wording of a validation error.
func invalid(p smithy.Protocol, problems *smithy.Problems) error {
	code := "ValidationException"
	if p == smithy.AWSQuery || p == smithy.EC2Query || p == smithy.RestXML {
		code = "ValidationError"
	}
	return awserr.New(code, http.StatusBadRequest, "%s", problems.Message())
}

// isSet reports whether the member at a path has a value; lists and maps on
// the way are searched.
func isSet(sh *smithy.Shape, v reflect.Value, path []string) bool {
	v, ok := smithy.Indirect(v)
	if !ok || sh == nil {
		return false
	}
	switch sh.Kind {
	case smithy.List:
		for i := range v.Len() {
			if isSet(sh.Elem.Shape, v.Index(i), path) {
				return true
			}
		}
		return false
	case smithy.Map:
		for _, k := range v.MapKeys() {
			if isSet(sh.Elem.Shape, v.MapIndex(k), path) {
				return true
			}
		}
		return false
	}
	if len(path) == 0 {
		return true
	}
	m := sh.Member(path[0])
	if m == nil {
		return false
	}
	f, ok := smithy.Get(v, m)
	if !ok {
		return false
	}
	return len(path) == 1 || isSet(m.Shape, f, path[1:])
}

// errorCodes of requests that cannot be parsed, where the codec gives none.
var malformedCodes = map[smithy.Protocol]string{
	smithy.AWSJSON: "SerializationException", smithy.RestJSON: "SerializationException", smithy.RPCv2CBOR: "SerializationException",
	smithy.AWSQuery: "MalformedInput", smithy.EC2Query: "MalformedInput", smithy.RestXML: "MalformedXML",
}

// malformed is the error for a request that cannot be parsed.
func malformed(p smithy.Protocol, e *protocol.SerializationError) *awserr.Error {
	code := e.Code
	if code == "" {
		code = malformedCodes[p]
	}
	return awserr.New(code, http.StatusBadRequest, "%s", e.Message)
}

func asMalformed(err error) *protocol.SerializationError {
	var e *protocol.SerializationError
	if errors.As(err, &e) {
		return e
	}
	return nil
}
