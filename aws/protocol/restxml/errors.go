package restxml

import (
	"net/http"
	"reflect"
	"slices"
	"strconv"

	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/httpbind"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/xmlcodec"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// EncodeError implements [protocol.Codec]. A response to HEAD and a 304 have
// no body.
func (Codec) EncodeError(sv *smithy.Meta, op *smithy.Operation, e *awserr.Error, requestID string) *protocol.Response {
	sh := protocol.ErrorShape(op, e)
	resp := &protocol.Response{
		Status: protocol.ErrorStatus(sh, e), Header: requestHeader(sv, requestID), ContentLength: -1,
	}
	value := reflect.ValueOf(protocol.ErrorValue(sh, e))
	if sh != nil {
		// A member that does not have its model's type is left out.
		if err := httpbind.Encode(sh, value, resp); err != nil {
			resp.Header = requestHeader(sv, requestID)
		}
	}
	if op != nil && op.Method == http.MethodHead || resp.Status == http.StatusNotModified {
		return resp
	}
	write := func(w *xmlcodec.Writer) { unwrapped(w, sh, e, requestID) }
	if sv == nil || sv.Name != "s3" {
		write = func(w *xmlcodec.Writer) { wrapped(w, sv, sh, e, requestID) }
	}
	if err := document(resp, sv != nil && sv.Name == "s3", write); err != nil {
		bare := awserr.Error{Code: e.Code, Message: e.Message, Fault: e.Fault, Status: e.Status}
		return Codec{}.EncodeError(sv, nil, &bare, requestID)
	}
	return resp
}

// unwrapped is the form of S3.
func unwrapped(w *xmlcodec.Writer, sh *smithy.Shape, e *awserr.Error, requestID string) {
	w.Raw("<Error>")
	inner(w, sh, e)
	w.Leaf("RequestId", requestID)
	w.Leaf("HostId", hostID(requestID))
	w.Raw("</Error>")
}

// wrapped is the form of all others.
func wrapped(w *xmlcodec.Writer, sv *smithy.Meta, sh *smithy.Shape, e *awserr.Error, requestID string) {
	w.Open("ErrorResponse", namespace(sv, smithy.XMLNamespace{}))
	w.Raw("<Error>")
	w.Leaf("Type", xmlcodec.ErrorType(e))
	inner(w, sh, e)
	w.Raw("</Error>")
	w.Leaf("RequestId", requestID)
	w.Close("ErrorResponse")
}

// inner writes code, message and members: the modelled ones in the model's
// order, then others, which S3's errors have many of, by name.
func inner(w *xmlcodec.Writer, sh *smithy.Shape, e *awserr.Error) {
	xmlcodec.Fault(w, sh, e, e.Code)
	var others []string
	for name, v := range e.Members {
		if sh.Member(name) == nil && plain(v) != nil {
			others = append(others, name)
		}
	}
	slices.Sort(others)
	for _, name := range others {
		w.Leaf(name, *plain(e.Members[name]))
	}
}

// plain is an unmodelled member's text, nil when it has none.
func plain(v any) *string {
	var s string
	switch v := v.(type) {
	case string:
		s = v
	case bool:
		s = strconv.FormatBool(v)
	case int:
		s = strconv.Itoa(v)
	case int64:
		s = strconv.FormatInt(v, 10)
	default:
		return nil
	}
	return &s
}
