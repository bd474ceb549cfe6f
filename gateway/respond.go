package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"strconv"

	"github.com/gigawatt-cloud/gigawatt/api/catalog"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/awsjson"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/awsquery"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/ec2query"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/restjson"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/restxml"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/rpcv2cbor"
	"github.com/gigawatt-cloud/gigawatt/aws/sigv4"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
	"github.com/gigawatt-cloud/gigawatt/kv"
)

var codecs = map[smithy.Protocol]protocol.Codec{
	smithy.AWSJSON: awsjson.Codec{}, smithy.AWSQuery: awsquery.Codec{}, smithy.EC2Query: ec2query.Codec{},
	smithy.RestJSON: restjson.Codec{}, smithy.RestXML: restxml.Codec{}, smithy.RPCv2CBOR: rpcv2cbor.Codec{},
}

func catalogService(name string) *smithy.Service { return catalog.Service(name) }

func operationOf(service, operation string) *smithy.Operation {
	return catalog.Service(service).Operation(operation)
}

// openHeader announces in every response that credentials are not checked.
const openHeader = "X-Gigawatt-Open"

// encode writes the response of a call that succeeded.
func (x *exchange) encode() error {
	rs, err := x.codec.Encode(x.match.Op, x.out, x.id)
	if err != nil {
		return err
	}
	if x.isS3() && rs.Status == http.StatusOK && rs.Header.Get("Content-Range") != "" {
		rs.Status = http.StatusPartialContent // the model of S3 does not say so
	}
	return x.send(rs)
}

// send writes a response.
func (x *exchange) send(rs *protocol.Response) error {
	if c, ok := rs.Stream.(io.Closer); ok {
		defer c.Close()
	}
	h := x.w.Header()
	for name, values := range rs.Header {
		h[name] = values
	}
	if x.g.Open {
		h.Set(openHeader, "true")
	}
	h.Set("Server", "Gigawatt")
	x.setLength(h, rs)
	x.status = rs.Status
	x.started = true
	x.w.WriteHeader(rs.Status)
	if x.r.Method == http.MethodHead {
		return nil
	}
	switch {
	case rs.Events != nil:
		return x.sendEvents(rs)
	case rs.Stream != nil:
		n, err := io.Copy(x.w, rs.Stream)
		x.written = n
		return err
	}
	n, err := x.w.Write(rs.Body)
	x.written = int64(n)
	if errors.Is(err, http.ErrBodyNotAllowed) {
		return nil
	}
	return err
}

// setLength tells the length of a payload when it is known.
func (x *exchange) setLength(h http.Header, rs *protocol.Response) {
	switch {
	case rs.Events != nil || rs.Status == http.StatusNoContent || rs.Status == http.StatusNotModified:
	case rs.Stream != nil:
		if rs.ContentLength >= 0 {
			h.Set("Content-Length", strconv.FormatInt(rs.ContentLength, 10))
		}
	case x.r.Method == http.MethodHead && h.Get("Content-Length") != "":
	default:
		h.Set("Content-Length", strconv.Itoa(len(rs.Body)))
	}
}

func (x *exchange) sendEvents(rs *protocol.Response) error {
	rc := http.NewResponseController(x.w)
	return rs.Events(&counting{w: x.w, n: &x.written}, func() { _ = rc.Flush() })
}

type counting struct {
	w io.Writer
	n *int64
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	*c.n += int64(n)
	return n, err
}

// answerError sends x.err in the service's protocol and returns its code.
func (x *exchange) answerError() string {
	e := x.awsError()
	if x.started {
		return e.Code
	}
	codec := x.codec
	if codec == nil {
		codec = codecs[smithy.RestXML]
	}
	var sv *smithy.Meta
	var op *smithy.Operation
	if x.match != nil {
		sv, op = x.match.Service, x.match.Op
	}
	e, h := errorHeaders(e)
	rs := codec.EncodeError(sv, op, e, x.id)
	for name, v := range h {
		rs.Header.Set(name, v)
	}
	if x.r.Method == http.MethodHead {
		rs.Body = nil
	}
	if !x.read { // a body that was not read would hold the connection up
		x.w.Header().Set("Connection", "close")
	}
	if err := x.send(rs); err != nil && x.ctx.Err() == nil {
		x.g.Log.Debug("send an error", "request_id", x.id, "error", err)
	}
	x.started = false // an error response is whole
	return e.Code
}

// inHeaders are the members of S3's errors that are headers, which no model says.
var inHeaders = []string{"ETag", "Last-Modified", "x-amz-delete-marker", "x-amz-version-id"}

// errorHeaders takes the members that are headers out of an error.
func errorHeaders(e *awserr.Error) (rest *awserr.Error, headers map[string]string) {
	rest = e
	for _, name := range inHeaders {
		v, ok := e.Members[name]
		if !ok || name == "ETag" && e.Status != http.StatusNotModified { // of a part it is an element
			continue
		}
		if headers == nil {
			own := *e
			own.Members = maps.Clone(e.Members)
			rest, headers = &own, map[string]string{}
		}
		delete(rest.Members, name)
		headers[name] = fmt.Sprint(v)
	}
	return rest, headers
}

// awsError turns any error into what the caller may know of it.
func (x *exchange) awsError() *awserr.Error {
	p := smithy.RestXML
	if x.match != nil {
		p = x.match.Protocol
	}
	if m := asMalformed(x.err); m != nil {
		return malformed(p, m)
	}
	var f *sigv4.Failure
	switch {
	case errors.As(x.err, &f):
		return f.AWS(x.kind())
	case awserr.As(x.err) != nil:
		return awserr.As(x.err)
	case errors.Is(x.err, kv.ErrFull):
		return awserr.New("ServiceUnavailable", http.StatusServiceUnavailable, "The server has no disk space left; nothing was stored.")
	case errors.Is(x.err, context.Canceled), errors.Is(x.err, context.DeadlineExceeded), errors.Is(x.err, os.ErrDeadlineExceeded):
		return awserr.New("RequestTimeout", http.StatusBadRequest, "The request was ended before it was complete.")
	}
	code := "InternalFailure"
	if x.match != nil && x.match.Service.Name == "s3" {
		code = "InternalError"
	}
	return awserr.New(code, http.StatusInternalServerError, "The server met an internal error with request %s. Its log says more.", x.id)
}

// kind is the protocol family whose words a refused signature gets.
func (x *exchange) kind() sigv4.Kind {
	if x.match == nil {
		return sigv4.KindS3
	}
	switch x.match.Protocol {
	case smithy.RestXML:
		if x.match.Service.Name == "s3" || x.match.Service.Name == "s3control" {
			return sigv4.KindS3
		}
		return sigv4.KindQuery
	case smithy.AWSQuery:
		return sigv4.KindQuery
	case smithy.EC2Query:
		return sigv4.KindEC2
	case smithy.RestJSON:
		return sigv4.KindREST
	}
	return sigv4.KindJSON
}
