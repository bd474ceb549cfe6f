package protocoltest

import (
	"fmt"
	"net/http"
	"regexp"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/negotiate"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// requestCase is one entry of the trait httpRequestTests.
type requestCase struct {
	ID            string            `json:"id"`
	Protocol      string            `json:"protocol"`
	AppliesTo     string            `json:"appliesTo"`
	Method        string            `json:"method"`
	URI           string            `json:"uri"`
	Host          string            `json:"host"`
	ResolvedHost  string            `json:"resolvedHost"`
	QueryParams   []string          `json:"queryParams"`
	Headers       map[string]string `json:"headers"`
	Body          *string           `json:"body"`
	BodyMediaType string            `json:"bodyMediaType"`
	Params        any               `json:"params"`
}

// responseCase is one entry of the trait httpResponseTests.
type responseCase struct {
	ID            string            `json:"id"`
	Protocol      string            `json:"protocol"`
	AppliesTo     string            `json:"appliesTo"`
	Code          int               `json:"code"`
	Headers       map[string]string `json:"headers"`
	ForbidHeaders []string          `json:"forbidHeaders"`
	Body          *string           `json:"body"`
	BodyMediaType string            `json:"bodyMediaType"`
	Params        any               `json:"params"`
}

func smithyRequests(t *testing.T) *tally {
	y := newTally(t, "smithy-requests")
	for _, sv := range loadAST(t).services() {
		for _, op := range sv.Operations {
			var cases []requestCase
			sv.sources[op.Name].Traits.read("smithy.test#httpRequestTests", &cases)
			for _, c := range cases {
				if c.AppliesTo == "client" || c.Protocol != sv.trait {
					y.skip()
					continue
				}
				y.run(t, c.ID, func() error {
					w := wire{
						method: c.Method, path: c.URI, query: strings.Join(c.QueryParams, "&"), host: c.ResolvedHost, header: c.Headers,
						binary: sv.protocol == smithy.RPCv2CBOR,
					}
					if c.Body != nil {
						w.body = *c.Body
					} else {
						c.Params = withoutBody(op.Input, c.Params)
					}
					rq, err := w.request(op, sv.protocol)
					if err != nil {
						return err
					}
					// One case leaves out the Content-Type of its body.
					negotiates := sv.protocol == smithy.RestJSON || sv.protocol == smithy.RPCv2CBOR
					if negotiates && (w.body == "" || rq.Header.Get("Content-Type") != "") {
						if e := negotiate.Check(op, rq.Header, w.body != ""); e != nil {
							return e
						}
					}
					return decodesTo(sv.protocol, op, rq, c.Params)
				})
			}
		}
	}
	y.done(t)
	return y
}

func smithyResponses(t *testing.T) *tally {
	y := newTally(t, "smithy-responses")
	for _, sv := range loadAST(t).services() {
		for _, name := range sortedNames(sv.sources) {
			var cases []responseCase
			sv.sources[name].Traits.read("smithy.test#httpResponseTests", &cases)
			for _, c := range cases {
				if c.AppliesTo == "client" || c.Protocol != sv.trait {
					y.skip()
					continue
				}
				y.run(t, c.ID, func() error {
					if op := sv.Operation(name); op != nil {
						return responds(sv, op, &c)
					}
					return fails(sv, sv.Shape(name), &c)
				})
			}
		}
	}
	y.done(t)
	return y
}

// withoutBody leaves out the parameters that the body carries: a case without
// a body says nothing of them.
func withoutBody(in *smithy.Shape, params any) any {
	fields, ok := params.(map[string]any)
	if !ok || in == nil {
		return params
	}
	for _, m := range in.Members {
		if m.Location == smithy.Body {
			delete(fields, m.Name)
		}
	}
	return fields
}

func sortedNames(m map[string]*astShape) []string {
	var out []string
	for n := range m {
		out = append(out, n)
	}
	sort.Strings(out)
	return out
}

func responds(sv *converted, op *smithy.Operation, c *responseCase) error {
	id := requestID
	for name, v := range c.Headers {
		if strings.EqualFold(name, "x-amzn-requestid") {
			id = v
		}
	}
	rs, body, err := encode(sv.protocol, op, c.Params, id)
	if err != nil {
		return err
	}
	if err := c.head(rs); err != nil {
		return err
	}
	switch {
	case c.Body == nil:
		return nil
	case *c.Body == "" && len(body) > 0:
		return fmt.Errorf("the body is %q, want none", body)
	case *c.Body == "":
		return nil
	}
	media := c.BodyMediaType
	switch sv.protocol {
	case smithy.RPCv2CBOR:
		media = "application/cbor"
	case smithy.AWSQuery, smithy.EC2Query:
		media = "text/xml"
		body = sameID(*c.Body, string(body))
	}
	return sameBody(media, *c.Body, body)
}

var requestIDs = regexp.MustCompile(`<ResponseMetadata>\s*<RequestId>([^<]*)</RequestId>\s*</ResponseMetadata>|<(?:requestId|RequestId)>([^<]*)</(?:requestId|RequestId)>`)

// sameID gives a response the suite's request id, or none when the suite
// leaves it out; AWS always sends one.
func sameID(want, got string) []byte {
	id := requestIDs.FindString(want)
	if !strings.Contains(got, requestID) {
		return []byte("no request id in " + got)
	}
	return []byte(requestIDs.ReplaceAllLiteralString(got, id))
}

// head compares the status and headers.
func (c *responseCase) head(rs *protocol.Response) error {
	if rs.Status != c.Code {
		return fmt.Errorf("status %d, want %d", rs.Status, c.Code)
	}
	for _, name := range c.ForbidHeaders {
		if v, ok := rs.Header[http.CanonicalHeaderKey(name)]; ok {
			return fmt.Errorf("header %s is %q, want none", name, v)
		}
	}
	return sameHeaders(c.Headers, rs.Header)
}

// fails holds the response of an error against a case.
func fails(sv *converted, sh *smithy.Shape, c *responseCase) error {
	var op *smithy.Operation
	for _, o := range sv.Operations {
		for _, e := range o.Errors {
			if e == sh {
				op = o
			}
		}
	}
	rs := codecs[sv.protocol].EncodeError(&sv.Meta, op, failure(sh, c.Params), requestID)
	if err := c.head(rs); err != nil {
		return err
	}
	if c.Body == nil || *c.Body == "" {
		return nil
	}
	switch sv.protocol {
	case smithy.AWSQuery, smithy.EC2Query, smithy.RestXML:
		return sameFault(sh, *c.Body, string(rs.Body))
	case smithy.RPCv2CBOR:
		w, err := readCBOR(fromBase64(*c.Body))
		if err != nil {
			return err
		}
		g, err := readCBOR(rs.Body)
		if err != nil {
			return err
		}
		return sameErrorMap(w, g)
	}
	var w, g any
	if err := unmarshal([]byte(*c.Body), &w); err != nil {
		return err
	}
	if err := unmarshal(rs.Body, &g); err != nil {
		return fmt.Errorf("body %q: %w", rs.Body, err)
	}
	return sameErrorMap(w, g)
}

// sameErrorMap compares the members of errors; the namespace in __type is the
// suite's own.
func sameErrorMap(want, got any) error {
	for _, x := range []any{want, got} {
		if m, ok := x.(map[string]any); ok && m["__type"] != nil {
			m["__type"] = shapeName(m["__type"].(string))
		}
	}
	if d := cmp.Diff(plain(want), plain(got)); d != "" {
		return fmt.Errorf("body (-want +got):\n%s", d)
	}
	return nil
}

// sameFault compares XML errors: the wrapping, the code, and the members that
// the model has. The suite's bodies hold further constants, such as a message
// of a shape that has none.
func sameFault(sh *smithy.Shape, want, got string) error {
	w, err := readXML(want)
	if err != nil {
		return err
	}
	g, err := readXML(got)
	if err != nil {
		return fmt.Errorf("body %q: %w", got, err)
	}
	keep := map[string]bool{"Code": true, "Type": w.child("Error") != nil}
	for _, m := range sh.Members {
		if m.Location == smithy.Body {
			keep[m.WireName()] = true
		}
	}
	for _, e := range []*element{w, g} {
		e.attrs = nil
		for e.name != "Error" && len(e.children) > 0 {
			e = e.children[0]
		}
		var left []*element
		for _, c := range e.children {
			if keep[c.name] {
				left = append(left, c)
			}
		}
		e.children = left
	}
	if d := cmp.Diff(w.String(), g.String()); d != "" {
		return fmt.Errorf("error (-want +got):\n%s", d)
	}
	return nil
}
