package negotiate_test

import (
	"net/http"
	"testing"

	"github.com/gigawatt-cloud/gigawatt/aws/protocol/negotiate"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

func structure(payload string, ms ...*smithy.Member) *smithy.Shape {
	return &smithy.Shape{Kind: smithy.Structure, Members: ms, Payload: payload}
}

func TestCheck(t *testing.T) {
	str, blob := &smithy.Shape{Kind: smithy.String}, &smithy.Shape{Kind: smithy.Blob}
	jpeg := &smithy.Shape{Kind: smithy.Blob, MediaType: "image/jpeg"}
	events := &smithy.Shape{Kind: smithy.Union, EventStream: true}
	body := structure("", &smithy.Member{Name: "a", Shape: str})
	header := structure("", &smithy.Member{Name: "a", Shape: str, Location: smithy.Header})
	tests := []struct {
		name         string
		in, out      *smithy.Shape
		ctype, acc   string
		empty, cbor  bool
		wantCode     string
		wantHTTPCode int
	}{
		{name: "body", in: body, ctype: "application/json"},
		{name: "body with parameters", in: body, ctype: "application/json; charset=utf-8"},
		{name: "body of another type", in: body, ctype: "application/hal+json", wantCode: "UnsupportedMediaTypeException", wantHTTPCode: 415},
		{name: "body without a type", in: body, wantCode: "UnsupportedMediaTypeException", wantHTTPCode: 415},
		{name: "type that cannot be parsed", in: body, ctype: "a/b/c;", wantCode: "UnsupportedMediaTypeException", wantHTTPCode: 415},
		{name: "no body at all", in: body, ctype: "text/html", empty: true},
		{name: "only headers", in: header, ctype: "application/json", wantCode: "UnsupportedMediaTypeException", wantHTTPCode: 415},
		{name: "only headers, no type", in: header},
		{name: "no input", ctype: "application/json", wantCode: "UnsupportedMediaTypeException", wantHTTPCode: 415},
		{name: "empty structure", in: structure(""), ctype: "application/json"},
		{name: "blob", in: structure("p", &smithy.Member{Name: "p", Shape: blob}), ctype: "image/png"},
		{name: "blob without a type", in: structure("p", &smithy.Member{Name: "p", Shape: blob})},
		{name: "typed blob", in: structure("p", &smithy.Member{Name: "p", Shape: jpeg}), ctype: "image/jpeg"},
		{name: "typed blob, wrong", in: structure("p", &smithy.Member{Name: "p", Shape: jpeg}), ctype: "image/png", wantCode: "UnsupportedMediaTypeException", wantHTTPCode: 415},
		{name: "string", in: structure("p", &smithy.Member{Name: "p", Shape: str}), ctype: "text/plain"},
		{name: "events", in: structure("p", &smithy.Member{Name: "p", Shape: events}), ctype: "application/vnd.amazon.eventstream"},
		{name: "an older SDK's JSON", in: body, ctype: "application/x-amz-json-1.1"},
		{name: "cbor", in: body, out: body, ctype: "application/cbor", acc: "application/cbor", cbor: true},
		{name: "cbor without input and output", ctype: "application/cbor", acc: "application/cbor", cbor: true},
		{name: "cbor as json", in: body, ctype: "application/json", cbor: true, wantCode: "UnsupportedMediaTypeException", wantHTTPCode: 415},
		{name: "cbor wants events", in: structure("", &smithy.Member{Name: "e", Shape: events}), ctype: "application/vnd.amazon.eventstream", cbor: true},
		{name: "cbor accepts json", out: body, acc: "application/json", cbor: true, empty: true, wantCode: "NotAcceptableException", wantHTTPCode: 406},
		{name: "accepts", out: body, acc: "application/json", empty: true},
		{name: "accepts all", out: body, acc: "*/*", empty: true},
		{name: "accepts the kind", out: body, acc: "text/plain, application/*;q=0.5", empty: true},
		{name: "accepts something else", out: body, acc: "application/hal+json", empty: true, wantCode: "NotAcceptableException", wantHTTPCode: 406},
		{name: "refuses it", out: body, acc: "application/json;q=0", empty: true, wantCode: "NotAcceptableException", wantHTTPCode: 406},
		{name: "answers with nothing", out: header, acc: "text/html", empty: true},
		{name: "no output", acc: "application/json", empty: true},
		{name: "answers with a typed blob", out: structure("p", &smithy.Member{Name: "p", Shape: jpeg}), acc: "application/json", empty: true, wantCode: "NotAcceptableException", wantHTTPCode: 406},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := http.Header{}
			if tt.ctype != "" {
				h.Set("Content-Type", tt.ctype)
			}
			if tt.cbor {
				h.Set("Smithy-Protocol", "rpc-v2-cbor")
			}
			if tt.acc != "" {
				h.Set("Accept", tt.acc)
			}
			e := negotiate.Check(&smithy.Operation{Input: tt.in, Output: tt.out}, h, !tt.empty)
			code, status := "", 0
			if e != nil {
				code, status = e.Code, e.Status
			}
			if code != tt.wantCode || status != tt.wantHTTPCode {
				t.Errorf("got %q %d, want %q %d", code, status, tt.wantCode, tt.wantHTTPCode)
			}
		})
	}
}
