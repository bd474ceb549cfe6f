package protocoltest

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"sort"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/aws/protocol/eventstream"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// eventCase is one entry of the trait eventStreamTests.
type eventCase struct {
	ID                    string `json:"id"`
	AppliesTo             string `json:"appliesTo"`
	InitialRequestParams  any    `json:"initialRequestParams"`
	InitialResponseParams any    `json:"initialResponseParams"`
	InitialRequest        struct {
		Method  string            `json:"method"`
		URI     string            `json:"uri"`
		Headers map[string]string `json:"headers"`
	} `json:"initialRequest"`
	InitialResponse struct {
		Code    int               `json:"code"`
		Headers map[string]string `json:"headers"`
	} `json:"initialResponse"`
	Events []struct {
		Type   string `json:"type"`
		Params any    `json:"params"`
		Body   string `json:"body"`
		Bytes  string `json:"bytes"`
	} `json:"events"`
	Expectation map[string]any `json:"expectation"`
}

func smithyEvents(t *testing.T) *tally {
	y := newTally(t, "smithy-events")
	for _, sv := range loadAST(t).services() {
		for _, op := range sv.Operations {
			var cases []eventCase
			sv.sources[op.Name].Traits.read("smithy.test#eventStreamTests", &cases)
			for _, c := range cases {
				if c.AppliesTo == "client" {
					y.skip()
					continue
				}
				y.run(t, c.ID, func() error {
					err := c.receives(sv, op)
					if _, fails := c.Expectation["failure"]; fails {
						if err == nil {
							return errors.New("it was accepted")
						}
						return nil
					}
					if err != nil {
						return err
					}
					return c.sends(sv, op)
				})
			}
		}
	}
	y.done(t)
	return y
}

// receives decodes the events that the client sends.
func (c *eventCase) receives(sv *converted, op *smithy.Operation) error {
	if op.Input == nil || op.Input.EventStreamMember() == nil {
		return nil
	}
	m := op.Input.EventStreamMember()
	w := wire{method: op.Method, path: op.URI, header: c.InitialRequest.Headers}
	var want []any
	for _, e := range c.Events {
		if e.Type == "request" {
			w.body += string(fromBase64(e.Bytes))
			want = append(want, canonical(m.Shape, value(m.Shape, e.Params)))
		}
	}
	rq, err := w.request(op, sv.protocol)
	if err != nil {
		return err
	}
	x, problems, err := decode(sv.protocol, op, rq)
	if err != nil {
		return err
	}
	in := x.(map[string]any)
	if c.InitialRequestParams != nil {
		if d := cmp.Diff(value(op.Input, c.InitialRequestParams), withoutKey(in, m.Name)); d != "" {
			return fmt.Errorf("input (-want +got):\n%s", d)
		}
	}
	// A case with events alone says nothing of the other members, unless it is
	// about their absence.
	if msg := problems.Message(); msg != "" && c.Expectation != nil {
		return errors.New(msg)
	}
	var got []any
	for e, err := range smithy.StreamOf(reflect.ValueOf(in[m.Name])) {
		if err != nil {
			return err
		}
		got = append(got, canonical(m.Shape, e))
	}
	if d := cmp.Diff(want, got); d != "" {
		return fmt.Errorf("events (-want +got):\n%s", d)
	}
	return nil
}

func withoutKey(m map[string]any, key string) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		if k != key {
			out[k] = v
		}
	}
	return out
}

// sends encodes the events that the server sends.
func (c *eventCase) sends(sv *converted, op *smithy.Operation) error {
	if op.Output == nil || op.Output.EventStreamMember() == nil {
		return nil
	}
	m := op.Output.EventStreamMember()
	out := map[string]any{}
	if c.InitialResponseParams != nil {
		out = value(op.Output, c.InitialResponseParams).(map[string]any)
	}
	var want []byte
	var events []any
	for _, e := range c.Events {
		if e.Type == "response" {
			want = append(want, fromBase64(e.Bytes)...)
			events = append(events, value(m.Shape, e.Params))
		}
	}
	out[m.Name] = smithy.Stream(func(yield func(any, error) bool) {
		for _, e := range events {
			if !yield(e, nil) {
				return
			}
		}
	})
	rs, err := codecs[sv.protocol].Encode(op, out, requestID)
	if err != nil {
		return err
	}
	if code := c.InitialResponse.Code; code != 0 && code != rs.Status || rs.Header.Get("Content-Type") != "application/vnd.amazon.eventstream" && op.Status != http.StatusNoContent {
		return fmt.Errorf("the response is %d %v", rs.Status, rs.Header)
	}
	if err := sameHeaders(c.InitialResponse.Headers, rs.Header); err != nil {
		return err
	}
	var got bytes.Buffer
	if err := rs.Events(&got, func() {}); err != nil {
		return err
	}
	w, err := messages(want)
	if err != nil {
		return fmt.Errorf("the suite's bytes: %w", err)
	}
	g, err := messages(got.Bytes())
	if err != nil {
		return err
	}
	if d := cmp.Diff(w, g); d != "" {
		return fmt.Errorf("messages (-want +got):\n%s", d)
	}
	return nil
}

// message is one of a stream, in a form that can be compared by meaning.
type message struct {
	Headers []string
	Payload any
}

func messages(b []byte) ([]message, error) {
	var out []message
	for len(b) > 0 {
		m, rest, err := eventstream.Decode(b)
		if err != nil {
			return nil, err
		}
		var x message
		for _, h := range m.Headers {
			v := h.Value
			if at, ok := v.(time.Time); ok {
				v = at.UTC()
			}
			x.Headers = append(x.Headers, fmt.Sprintf("%s %T %v", h.Name, v, v))
		}
		sort.Strings(x.Headers)
		if m.Text(":content-type") == "application/json" {
			if err := unmarshal(m.Payload, &x.Payload); err != nil {
				return nil, err
			}
		} else {
			x.Payload = string(m.Payload)
		}
		out, b = append(out, x), rest
	}
	return out, nil
}
