// Package negotiate decides whether a request's Content-Type and Accept headers
// fit an operation of the protocols restJson1 and rpcv2Cbor.
//
// Servers that are built on Smithy refuse a request whose body is declared to
// be something else than what the operation takes, and a client that accepts
// none of what the operation answers with. Older services of AWS are lenient;
// which of the two a service is, the caller knows. The package looks at headers
// only and decodes nothing. Start at [Check].
package negotiate

import (
	"mime"
	"net/http"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// Check returns the error to answer with when the headers of a request do not
// fit op: UnsupportedMediaTypeException (415) or NotAcceptableException (406),
// or nil. hasBody says that the request has a body of at least one byte.
func Check(op *smithy.Operation, h http.Header, hasBody bool) *awserr.Error {
	want, answer := media(op.Input), media(op.Output)
	if h.Get("Smithy-Protocol") == "rpc-v2-cbor" {
		want, answer = rpc(op.Input), rpc(op.Output)
	}
	if hasBody {
		if e := contentType(want, h.Get("Content-Type")); e != nil {
			return e
		}
	}
	return accept(answer, h.Values("Accept"))
}

// rpc is the media type of every message in CBOR that is no stream of events;
// those without content may be sent as an empty map.
func rpc(sh *smithy.Shape) string {
	if sh.EventStreamMember() != nil {
		return events
	}
	return "application/cbor"
}

const (
	// anything is the media type of a blob: any is taken.
	anything = "*/*"
	// nothing is the media type of a message without a body.
	nothing = ""

	events = "application/vnd.amazon.eventstream"
)

// media is the media type of the body that carries a value of shape sh.
func media(sh *smithy.Shape) string {
	if sh == nil {
		return nothing
	}
	if m := sh.PayloadMember(); m != nil {
		switch {
		case m.Shape.EventStream:
			return events
		case m.Shape.MediaType != "":
			return m.Shape.MediaType
		case m.Shape.Kind == smithy.Blob:
			return anything
		case m.Shape.Kind == smithy.String:
			return "text/plain"
		}
		return "application/json"
	}
	for _, m := range sh.Members {
		if m.Location == smithy.Body {
			if m.Shape.EventStream {
				return events
			}
			return "application/json"
		}
	}
	if len(sh.Members) == 0 { // an empty structure may be sent as {}
		return "application/json"
	}
	return nothing
}

func contentType(want, header string) *awserr.Error {
	switch {
	case want == anything:
		return nil
	case want == nothing && header == "":
		return nil
	case want == nothing:
		return awserr.New("UnsupportedMediaTypeException", http.StatusUnsupportedMediaType,
			"The operation takes no body, but the request has one of type %s.", header)
	case header == "":
		return awserr.New("UnsupportedMediaTypeException", http.StatusUnsupportedMediaType,
			"The request has no Content-Type; the operation takes %s.", want)
	}
	got, _, err := mime.ParseMediaType(header)
	if got == "application/x-amz-json-1.1" || got == "application/x-amz-json-1.0" {
		got = "application/json" // older SDKs, such as Java's first, call it so
	}
	if err != nil || got != want {
		return awserr.New("UnsupportedMediaTypeException", http.StatusUnsupportedMediaType,
			"The request's Content-Type is %s; the operation takes %s.", header, want)
	}
	return nil
}

func accept(want string, headers []string) *awserr.Error {
	if want == anything || want == nothing || len(headers) == 0 {
		return nil
	}
	kind, _, _ := strings.Cut(want, "/")
	for _, h := range headers {
		for part := range strings.SplitSeq(h, ",") {
			got, params, err := mime.ParseMediaType(strings.TrimSpace(part))
			if err != nil || params["q"] == "0" {
				continue
			}
			if got == want || got == anything || got == kind+"/*" {
				return nil
			}
		}
	}
	return awserr.New("NotAcceptableException", http.StatusNotAcceptable,
		"The operation answers with %s, which the request's Accept header does not allow.", want)
}
