package protocoltest

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/negotiate"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// malformedCase is one entry of the trait httpMalformedRequestTests.
type malformedCase struct {
	ID       string `json:"id"`
	Protocol string `json:"protocol"`
	Request  struct {
		Method      string            `json:"method"`
		URI         string            `json:"uri"`
		QueryParams []string          `json:"queryParams"`
		Headers     map[string]string `json:"headers"`
		Body        string            `json:"body"`
	} `json:"request"`
	Response struct {
		Code    int               `json:"code"`
		Headers map[string]string `json:"headers"`
		Body    *struct {
			MediaType string `json:"mediaType"`
			Assertion struct {
				Contents     *string `json:"contents"`
				MessageRegex *string `json:"messageRegex"`
			} `json:"assertion"`
		} `json:"body"`
	} `json:"response"`
	TestParameters map[string][]string `json:"testParameters"`
}

func smithyMalformedRequests(t *testing.T) *tally {
	y := newTally(t, "smithy-malformed")
	for _, sv := range loadAST(t).services() {
		for _, op := range sv.Operations {
			var cases []json.RawMessage
			sv.sources[op.Name].Traits.read("smithy.test#httpMalformedRequestTests", &cases)
			for _, raw := range cases {
				for i, c := range expand(t, raw) {
					id := c.ID
					if len(c.TestParameters) > 0 {
						id = fmt.Sprintf("%s/%d", id, i)
					}
					y.run(t, id, func() error { return refused(sv, op, c) })
				}
			}
		}
	}
	y.done(t)
	return y
}

// expand makes one case for each set of a case's parameters.
func expand(t *testing.T, raw json.RawMessage) []*malformedCase {
	t.Helper()
	var c malformedCase
	if err := unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	n := 1
	for _, vs := range c.TestParameters {
		n = len(vs)
	}
	var out []*malformedCase
	for i := range n {
		var one malformedCase
		if err := unmarshal(raw, &one); err != nil {
			t.Fatal(err)
		}
		fill := func(s string) string { return substitute(s, one.TestParameters, i) }
		rq, rs := &one.Request, &one.Response
		rq.URI, rq.Body = fill(rq.URI), fill(rq.Body)
		for j := range rq.QueryParams {
			rq.QueryParams[j] = fill(rq.QueryParams[j])
		}
		for k, v := range rq.Headers {
			rq.Headers[k] = fill(v)
		}
		for k, v := range rs.Headers {
			rs.Headers[k] = fill(v)
		}
		if rs.Body != nil && rs.Body.Assertion.Contents != nil {
			s := fill(*rs.Body.Assertion.Contents)
			rs.Body.Assertion.Contents = &s
		}
		out = append(out, &one)
	}
	return out
}

var placeholder = regexp.MustCompile(`\$\$|\$(\w+):([LS])`)

// substitute puts the i-th parameters in: $name:L as it is, $name:S as a JSON
// string; two dollar signs stand for one.
func substitute(s string, params map[string][]string, i int) string {
	return placeholder.ReplaceAllStringFunc(s, func(m string) string {
		if m == "$$" {
			return "$"
		}
		vs := params[m[1:len(m)-2]]
		if vs == nil {
			return m
		}
		v := vs[i]
		if strings.HasSuffix(m, "S") {
			b, _ := json.Marshal(v)
			return string(b)
		}
		return v
	})
}

// refused does what the gateway does with a request and compares the answer.
func refused(sv *converted, op *smithy.Operation, c *malformedCase) error {
	w := wire{
		method: c.Request.Method, path: c.Request.URI, query: strings.Join(c.Request.QueryParams, "&"),
		header: c.Request.Headers, body: c.Request.Body,
	}
	rq, err := w.request(op, sv.protocol)
	if err != nil {
		return err
	}
	e := negotiate.Check(op, rq.Header, len(w.body) > 0)
	if e == nil {
		e, err = refusal(sv.protocol, op, rq)
		if err != nil {
			return err
		}
	}
	rs := codecs[sv.protocol].EncodeError(&sv.Meta, op, e, requestID)
	if rs.Status != c.Response.Code {
		return fmt.Errorf("status %d, want %d", rs.Status, c.Response.Code)
	}
	if err := sameHeaders(c.Response.Headers, rs.Header); err != nil {
		return err
	}
	b := c.Response.Body
	switch {
	case b == nil:
		return nil
	case b.Assertion.Contents != nil:
		return sameBody(b.MediaType, *b.Assertion.Contents, rs.Body)
	case b.Assertion.MessageRegex != nil:
		re, err := regexp.Compile(*b.Assertion.MessageRegex)
		if err == nil && !re.MatchString(e.Message) {
			err = fmt.Errorf("the message %q does not match %s", e.Message, re)
		}
		return err
	}
	return nil
}

// refusal is the error that a request must be answered with.
func refusal(p smithy.Protocol, op *smithy.Operation, rq *protocol.Request) (*awserr.Error, error) {
	in, problems, err := decode(p, op, rq)
	var s *protocol.SerializationError
	switch {
	case errors.As(err, &s):
		return awserr.New("SerializationException", 400, "%s", s.Message), nil
	case err != nil:
		return nil, err
	case len(problems.List) == 0:
		return nil, fmt.Errorf("it was accepted: %v", in)
	}
	list := []any{}
	for _, f := range problems.FieldProblems() {
		list = append(list, map[string]any{"path": f.Path, "message": f.Message})
	}
	return awserr.New("ValidationException", 400, "%s", problems.FieldMessage()).With("fieldList", list), nil
}
