package protocoltest

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/awsjson"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/awsquery"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/ec2query"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/negotiate"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/restjson"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/restxml"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/rpcv2cbor"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// requestID is the one in the suites' error responses.
const requestID = "foo-id"

var codecs = map[smithy.Protocol]protocol.Codec{
	smithy.AWSJSON: awsjson.New(), smithy.AWSQuery: awsquery.New(), smithy.EC2Query: ec2query.New(),
	smithy.RestJSON: restjson.New(), smithy.RestXML: restxml.New(), smithy.RPCv2CBOR: rpcv2cbor.New(),
}

// decode reads a request into a value of the generic form, as a server does.
func decode(p smithy.Protocol, op *smithy.Operation, rq *protocol.Request) (any, *smithy.Problems, error) {
	var in any
	var problems smithy.Problems
	negotiate.Decompress(op, rq)
	if err := codecs[p].Decode(op, rq, &in, &problems); err != nil {
		return nil, nil, err
	}
	smithy.ApplyDefaults(op.Input, reflect.ValueOf(in))
	problems.Validate(op.Input, reflect.ValueOf(in))
	return in, &problems, nil
}

// decodesTo holds what a request decodes to, in both forms, against a suite's
// parameters.
func decodesTo(p smithy.Protocol, op *smithy.Operation, rq *protocol.Request, params any) error {
	body, err := io.ReadAll(rq.Body)
	if err != nil {
		return err
	}
	again := *rq
	again.Header = rq.Header.Clone()
	rq.Body, again.Body = bytes.NewReader(body), bytes.NewReader(body)
	in, problems, err := decode(p, op, rq)
	if err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	if msg := problems.Message(); msg != "" {
		return errors.New(msg)
	}
	if op.Input == nil {
		return nil
	}
	if in == nil {
		in = map[string]any{}
	}
	if params == nil {
		params = map[string]any{}
	}
	if err := sameInput(op.Input, params, in); err != nil {
		return err
	}
	if in, err = decodeTyped(p, op, &again); err == nil {
		err = sameInput(op.Input, params, in)
	}
	if err != nil {
		return fmt.Errorf("typed: %w", err)
	}
	return nil
}

func sameInput(sh *smithy.Shape, params, in any) error {
	want, got := canonical(sh, value(sh, params)), canonical(sh, in)
	settle(sh, want.(map[string]any), got.(map[string]any))
	if d := cmp.Diff(want, got); d != "" {
		return fmt.Errorf("input (-want +got):\n%s", d)
	}
	return nil
}

// decodeTyped decodes into the typed form and returns it as a generic one.
func decodeTyped(p smithy.Protocol, op *smithy.Operation, rq *protocol.Request) (any, error) {
	in := reflect.New(typeOf(op.Input))
	var problems smithy.Problems
	negotiate.Decompress(op, rq)
	if err := codecs[p].Decode(op, rq, in.Interface(), &problems); err != nil {
		return nil, err
	}
	smithy.ApplyDefaults(op.Input, in)
	problems.Validate(op.Input, in)
	if msg := problems.Message(); msg != "" {
		return nil, errors.New(msg)
	}
	return generic(op.Input, in), nil
}

// settle takes out of a decoded input what suites written for clients leave
// out of theirs: a stream without bytes, which a server cannot tell from an
// absent one, and a map of all parameters of the query string that a case says
// nothing of.
func settle(in *smithy.Shape, want, got map[string]any) {
	for _, m := range in.Members {
		if want[m.Name] != nil {
			continue
		}
		b, isBytes := got[m.Name].([]byte)
		switch {
		case m.IsStream() && isBytes && len(b) == 0:
			delete(got, m.Name)
		case m.Location == smithy.Querystring && m.Shape.Kind == smithy.Map:
			delete(got, m.Name)
		}
	}
}

// encode makes the response of a call that returned params.
func encode(p smithy.Protocol, op *smithy.Operation, params any, requestID string) (*protocol.Response, []byte, error) {
	var out any
	if op.Output != nil {
		if params == nil {
			params = map[string]any{}
		}
		out = stream(op.Output, value(op.Output, params))
		smithy.ApplyDefaults(op.Output, reflect.ValueOf(out))
	}
	rs, err := codecs[p].Encode(op, out, requestID)
	if err != nil {
		return nil, nil, fmt.Errorf("encode: %w", err)
	}
	body := rs.Body
	if rs.Stream != nil {
		if body, err = io.ReadAll(rs.Stream); err != nil {
			return nil, nil, err
		}
	}
	if op.Output != nil && !required(op.Output, out) {
		if err := sameTyped(p, op, params, body); err != nil {
			return nil, nil, fmt.Errorf("typed: %w", err)
		}
	}
	if rs.Stream == nil && rs.Events == nil { // the gateway's part
		rs.Header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	return rs, body, nil
}

// sameTyped encodes the typed form, which must give the same body.
func sameTyped(p smithy.Protocol, op *smithy.Operation, params any, want []byte) error {
	out := reflect.New(typeOf(op.Output))
	typed(op.Output, stream(op.Output, value(op.Output, params)), out.Elem())
	smithy.ApplyDefaults(op.Output, out)
	rs, err := codecs[p].Encode(op, out.Interface(), requestID)
	if err != nil {
		return err
	}
	got := rs.Body
	if rs.Stream != nil {
		if got, err = io.ReadAll(rs.Stream); err != nil {
			return err
		}
	}
	got = bytes.ReplaceAll(got, []byte(requestID), []byte("id"))
	if want = bytes.ReplaceAll(want, []byte(requestID), []byte("id")); !bytes.Equal(want, got) {
		return fmt.Errorf("the body is\n%q, the generic form's is\n%q", got, want)
	}
	return nil
}

// failure is the error of shape sh with a suite's parameters as its members.
func failure(sh *smithy.Shape, params any) *awserr.Error {
	e := &awserr.Error{Code: sh.Name, Status: sh.Status()}
	if sh.Fault {
		e.Fault = awserr.Server
	}
	if params == nil {
		return e
	}
	members := value(sh, params).(map[string]any)
	for name, v := range members {
		if s, ok := v.(string); ok && strings.EqualFold(name, "message") {
			e.Message = s
			delete(members, name)
		}
	}
	if len(members) > 0 {
		e.Members = members
	}
	return e
}

// sameHeaders holds a response's headers against those that a suite wants.
func sameHeaders(want map[string]string, got http.Header) error {
	for name, w := range want {
		var values []string
		for k, vs := range got { // prefix headers keep the case of their keys
			if strings.EqualFold(k, name) {
				values = append(values, vs...)
			}
		}
		if values == nil {
			return fmt.Errorf("header %s is missing; there are %v", name, got)
		}
		g := strings.Join(values, ", ")
		if strings.EqualFold(name, "x-amzn-errortype") {
			w, g = shapeName(w), shapeName(g)
		}
		if w != g {
			return fmt.Errorf("header %s is %q, want %q", name, g, w)
		}
	}
	return nil
}

// shapeName is what a client takes from a namespaced error type with an address.
func shapeName(s string) string {
	if _, after, ok := strings.Cut(s, "#"); ok {
		s = after
	}
	s, _, _ = strings.Cut(s, ":")
	return s
}

func fromBase64(s string) []byte {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}
