package protocoltest

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// wire is a request as a suite describes it.
type wire struct {
	method string
	path   string // raw, without the query
	query  string // raw
	host   string
	header map[string]string
	body   string
	binary bool // body is base64
}

// request builds what a codec sees: the router's part is done here.
func (w *wire) request(op *smithy.Operation, p smithy.Protocol) (*protocol.Request, error) {
	body := w.body
	if w.binary {
		b, err := base64.StdEncoding.DecodeString(body)
		if err != nil {
			return nil, err
		}
		body = string(b)
	}
	rq := &protocol.Request{
		Method: w.method, RawQuery: w.query, Header: http.Header{}, Body: strings.NewReader(body),
		ContentLength: int64(len(body)), MaxBody: 1 << 20,
	}
	for k, v := range w.header {
		rq.Header.Set(k, v)
	}
	if p != smithy.RestJSON && p != smithy.RestXML {
		return rq, nil
	}
	if op.Method != w.method {
		return nil, fmt.Errorf("the method is %s and not %s", w.method, op.Method)
	}
	path := w.path
	if bucket, _, ok := strings.Cut(w.host, ".s3"); ok && strings.HasPrefix(op.URI, "/{Bucket}") {
		path = "/" + bucket + path
	}
	var err error
	rq.Labels, err = labels(op.URI, path)
	return rq, err
}

// labels matches a path with an operation's URI pattern, as the gateway's
// router does, and returns the raw values of the labels.
func labels(uri, path string) (map[string]string, error) {
	pattern, _, _ := strings.Cut(uri, "?")
	want, got := split(pattern), split(path)
	out := map[string]string{}
	for i, seg := range want {
		name, isLabel := strings.CutPrefix(seg, "{")
		name = strings.TrimSuffix(name, "}")
		greedy, isGreedy := strings.CutSuffix(name, "+")
		switch {
		case isLabel && isGreedy:
			after := len(want) - i - 1
			if len(got)-after <= i {
				return nil, fmt.Errorf("%s does not match %s", path, uri)
			}
			out[greedy] = strings.Join(got[i:len(got)-after], "/")
			rest, err := labels("/"+strings.Join(want[i+1:], "/"), "/"+strings.Join(got[len(got)-after:], "/"))
			for k, v := range rest {
				out[k] = v
			}
			return out, err
		case i >= len(got):
			return nil, fmt.Errorf("%s does not match %s", path, uri)
		case isLabel:
			out[name] = got[i]
		case seg != got[i]:
			return nil, fmt.Errorf("%s does not match %s", path, uri)
		}
	}
	if len(got) > len(want) {
		return nil, fmt.Errorf("%s does not match %s", path, uri)
	}
	return out, nil
}

func split(path string) []string {
	path = strings.Trim(path, "/")
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}
