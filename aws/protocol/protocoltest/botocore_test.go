package protocoltest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy/model"
)

// botocoreSuite is a model with its cases. Shapes are those of the model;
// each case brings its operation.
type botocoreSuite struct {
	// Endpoint is where the client sends requests; it may have a path.
	Endpoint string          `json:"clientEndpoint"`
	Metadata json.RawMessage `json:"metadata"`
	Shapes   json.RawMessage `json:"shapes"`
	Cases    []*botocoreCase `json:"cases"`
}

type botocoreCase struct {
	ID    string          `json:"id"`
	Given json.RawMessage `json:"given"`

	// of input cases
	Params     any `json:"params"`
	Serialized struct {
		Method  string            `json:"method"`
		URI     string            `json:"uri"`
		Host    string            `json:"host"`
		Headers map[string]string `json:"headers"`
		Body    *string           `json:"body"`
	} `json:"serialized"`

	// of output cases
	Result       any    `json:"result"`
	ErrorCode    string `json:"errorCode"`
	ErrorMessage string `json:"errorMessage"`
	Error        any    `json:"error"`
	Response     struct {
		Status  int               `json:"status_code"`
		Headers map[string]string `json:"headers"`
		Body    string            `json:"body"`
	} `json:"response"`
}

// botocore calls run for each case of a folder, with its operation.
func botocore(t *testing.T, folder string, run func(file string, op *smithy.Operation, c *botocoreCase)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dataDir(t), "botocore", folder, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var suites []botocoreSuite
		if err := unmarshal(b, &suites); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		for _, s := range suites {
			for _, c := range s.Cases {
				op, err := s.operation(name, c)
				if err != nil {
					t.Fatalf("%s %s: %v", name, c.ID, err)
				}
				if u, err := url.Parse(s.Endpoint); err == nil {
					c.Serialized.URI = strings.TrimPrefix(c.Serialized.URI, u.Path)
				}
				run(name, op, c)
			}
		}
	}
}

func (s *botocoreSuite) operation(name string, c *botocoreCase) (*smithy.Operation, error) {
	var given struct {
		Name string `json:"name"`
	}
	if err := unmarshal(c.Given, &given); err != nil {
		return nil, err
	}
	b, err := json.Marshal(map[string]any{
		"metadata": s.Metadata, "shapes": s.Shapes, "operations": map[string]json.RawMessage{given.Name: c.Given},
	})
	if err != nil {
		return nil, err
	}
	sv, err := model.Parse(name, b)
	if err != nil {
		return nil, err
	}
	return sv.Operation(given.Name), nil
}

func botocoreInput(t *testing.T) *tally {
	y := newTally(t, "botocore-input")
	y.clientOnly = loadAST(t).clientOnly("smithy.test#httpRequestTests")
	botocore(t, "input", func(file string, op *smithy.Operation, c *botocoreCase) {
		y.run(t, file+"/"+c.ID, func() error {
			p := op.Service.Protocols[0]
			path, query, _ := strings.Cut(c.Serialized.URI, "?")
			w := wire{method: c.Serialized.Method, path: path, query: query, header: c.Serialized.Headers, binary: p == smithy.RPCv2CBOR}
			params := c.Params
			if c.Serialized.Body != nil {
				w.body = *c.Serialized.Body
			} else {
				params = withoutBody(op.Input, params)
			}
			rq, err := w.request(op, p)
			if err != nil {
				return err
			}
			return decodesTo(p, op, rq, params)
		})
	})
	y.done(t)
	return y
}

func botocoreOutput(t *testing.T) *tally {
	y := newTally(t, "botocore-output")
	y.clientOnly = loadAST(t).clientOnly("smithy.test#httpResponseTests")
	botocore(t, "output", func(file string, op *smithy.Operation, c *botocoreCase) {
		y.run(t, file+"/"+c.ID, func() error {
			if c.ErrorCode != "" {
				return c.fails(op)
			}
			return c.responds(op)
		})
	})
	y.done(t)
	return y
}

// responds encodes the result, reads both responses as a client does, and
// compares what it gets.
func (c *botocoreCase) responds(op *smithy.Operation) error {
	p := op.Service.Protocols[0]
	rs, body, err := encode(p, op, c.Result, requestID)
	if err != nil {
		return err
	}
	if rs.Status != c.Response.Status {
		return fmt.Errorf("status %d, want %d", rs.Status, c.Response.Status)
	}
	if op.Output == nil {
		return nil
	}
	theirs := http.Header{}
	for k, v := range c.Response.Headers {
		theirs.Set(k, v)
	}
	wantBody := c.Response.Body
	if p == smithy.RPCv2CBOR {
		wantBody = string(fromBase64(wantBody))
	}
	want, err := readResponse(p, op, theirs, wantBody)
	if err != nil {
		return fmt.Errorf("the suite's: %w", err)
	}
	got, err := readResponse(p, op, rs.Header, string(body))
	if err != nil {
		return err
	}
	if d := cmp.Diff(want, got); d != "" {
		return fmt.Errorf("response (-want +got):\n%s", d)
	}
	return nil
}

// readResponse reads headers and body of a response as a client does.
func readResponse(p smithy.Protocol, op *smithy.Operation, h http.Header, body string) (any, error) {
	out := map[string]any{}
	sh := op.Output
	for _, m := range sh.Members {
		readHeader(m, h, out)
	}
	if m := sh.PayloadMember(); m != nil {
		switch {
		case body == "":
			return out, nil
		case m.Shape.Kind == smithy.Blob, m.Shape.Kind == smithy.String:
			out[m.Name] = body
			return out, nil
		}
		v, err := readBody(p, "", m.Shape, body, false)
		out[m.Name] = v
		return out, err
	}
	v, err := readBody(p, op.ResultWrapper, unbound(sh), body, false)
	if err != nil {
		return nil, err
	}
	for k, x := range v.(map[string]any) {
		out[k] = x
	}
	return out, nil
}

// unbound is sh without the members that headers carry.
func unbound(sh *smithy.Shape) *smithy.Shape {
	out := *sh
	out.Members = nil
	for _, m := range sh.Members {
		if m.Location == smithy.Body || m.Location == smithy.Querystring || m.Location == smithy.URI {
			out.Members = append(out.Members, m)
		}
	}
	return &out
}

// readHeader keeps the text of headers: their form is fixed.
func readHeader(m *smithy.Member, h http.Header, out map[string]any) {
	for k, vs := range h {
		v := strings.Join(vs, ", ")
		switch {
		case m.Location == smithy.Header && strings.EqualFold(k, m.WireName()):
			out[m.Name] = v
			if m.Shape.Kind == smithy.Timestamp {
				out[m.Name] = readTime(v)
			}
		case m.Location == smithy.Headers && len(k) > len(m.LocationName) && strings.EqualFold(k[:len(m.LocationName)], m.LocationName):
			if m.LocationName == "" && (strings.HasPrefix(strings.ToLower(k), "x-amzn-") || strings.HasPrefix(strings.ToLower(k), "content-")) {
				continue // our own, not the case's
			}
			out[m.Name+"."+strings.ToLower(k[len(m.LocationName):])] = v
		}
	}
}

// fails encodes the error and compares its code and members, as a client reads them.
func (c *botocoreCase) fails(op *smithy.Operation) error {
	p, sh := op.Service.Protocols[0], op.Errors[0]
	rs := codecs[p].EncodeError(&op.Service.Meta, op, failure(sh, c.Error), requestID)
	if rs.Status != c.Response.Status {
		return fmt.Errorf("status %d, want %d", rs.Status, c.Response.Status)
	}
	wantBody := c.Response.Body
	if p == smithy.RPCv2CBOR {
		wantBody = string(fromBase64(wantBody))
	}
	theirs := http.Header{}
	for k, v := range c.Response.Headers {
		theirs.Set(k, v)
	}
	code, err := readCode(p, theirs, wantBody)
	if err != nil {
		return fmt.Errorf("the suite's: %w", err)
	}
	if code != c.ErrorCode {
		return fmt.Errorf("the suite's error is read as %q, it says %q", code, c.ErrorCode)
	}
	if code, err = readCode(p, rs.Header, string(rs.Body)); err != nil {
		return err
	}
	if code != c.ErrorCode {
		return fmt.Errorf("the code is %q, want %q", code, c.ErrorCode)
	}
	want := canonical(sh, value(sh, c.Error)).(map[string]any)
	got, err := readBody(p, "", unbound(sh), string(rs.Body), true)
	if err != nil {
		return err
	}
	members := got.(map[string]any)
	for _, m := range sh.Members {
		if v := rs.Header.Values(m.WireName()); m.Location == smithy.Header && v != nil {
			members[m.Name] = v[0]
		}
	}
	if d := cmp.Diff(want, members); d != "" {
		return fmt.Errorf("error (-want +got):\n%s", d)
	}
	return nil
}

// readCode finds an error's code where clients look for it.
func readCode(p smithy.Protocol, h http.Header, body string) (string, error) {
	if code, _, ok := strings.Cut(h.Get("X-Amzn-Query-Error"), ";"); ok {
		return code, nil
	}
	if t := h.Get("X-Amzn-Errortype"); t != "" {
		return shapeName(t), nil
	}
	var x any
	var err error
	switch p {
	case smithy.AWSJSON, smithy.RestJSON:
		err = unmarshal([]byte(body), &x)
	case smithy.RPCv2CBOR:
		x, err = readCBOR([]byte(body))
	default:
		e, err := readXML(body)
		if err != nil {
			return "", err
		}
		if e = fault(e); e == nil || e.child("Code") == nil {
			return "", fmt.Errorf("no error code in %q", body)
		}
		return e.child("Code").text, nil
	}
	fields, _ := x.(map[string]any)
	for _, name := range []string{"__type", "code", "Code"} {
		if s, ok := fields[name].(string); ok {
			return shapeName(s), err
		}
	}
	return "", fmt.Errorf("no error code in %q", body)
}
