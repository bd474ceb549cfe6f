// Package wire is a small client of the AWS API for tests that must know
// exactly what went over the wire: it signs, sends once, never retries, and
// tells an answer that refuses from one that never came. It is not an SDK; the
// SDKs are in package sdk. Start at [Client].
package wire

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/sigv4"
)

// Client calls a cloud as one principal.
type Client struct {
	Endpoint    string
	Region      string
	Credentials sigv4.Credentials
	// HTTP sends the requests; nil is http.DefaultClient.
	HTTP *http.Client
}

// As returns a client of the same cloud with other credentials.
func (c *Client) As(cred sigv4.Credentials) *Client {
	out := *c
	out.Credentials = cred
	return &out
}

// Request is one call.
type Request struct {
	Service, Method string
	// Path is the raw path, percent-encoded as it is sent.
	Path   string
	Query  url.Values
	Header http.Header
	Body   []byte
}

// Response is what the cloud answered.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Refusal is an error that the cloud answered.
type Refusal struct {
	Status        int
	Code, Message string
}

// Error implements error.
func (r *Refusal) Error() string {
	return fmt.Sprintf("the cloud answered %d %s: %s", r.Status, r.Code, r.Message)
}

// Code returns the error code that the cloud answered, or "".
func Code(err error) string {
	var r *Refusal
	if errors.As(err, &r) {
		return r.Code
	}
	return ""
}

// Lost reports whether err means that no whole answer came, so that the call
// may or may not have been carried out.
func Lost(err error) bool {
	var r *Refusal
	return err != nil && !errors.As(err, &r)
}

// Do signs and sends a request. The error is a *Refusal when the status is not
// a success; any other error means that no whole answer came.
func (c *Client) Do(ctx context.Context, in *Request) (*Response, error) {
	u := c.Endpoint + in.Path
	if len(in.Query) > 0 {
		u += "?" + in.Query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, in.Method, u, bytes.NewReader(in.Body))
	if err != nil {
		return nil, err
	}
	for k, v := range in.Header {
		r.Header[k] = v
	}
	sum := sha256.Sum256(in.Body)
	hash := hex.EncodeToString(sum[:])
	r.Header.Set("X-Amz-Content-Sha256", hash)
	sigv4.Sign(r, c.Credentials, in.Service, c.Region, time.Now(), hash)
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	rs, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(rs.Body)
	if err = errors.Join(err, rs.Body.Close()); err != nil {
		return nil, err
	}
	if rs.StatusCode >= 300 {
		return nil, refusal(rs, b)
	}
	return &Response{Status: rs.StatusCode, Header: rs.Header, Body: b}, nil
}

// refusal reads an error in JSON or in XML with or without its envelope.
func refusal(rs *http.Response, body []byte) *Refusal {
	out := &Refusal{Status: rs.StatusCode, Message: string(body)}
	var j struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	var x struct {
		Code     string `xml:"Code"`
		Enclosed string `xml:"Error>Code"`
	}
	switch {
	case json.Unmarshal(body, &j) == nil:
		out.Code = j.Type
		if j.Message != "" {
			out.Message = j.Message
		}
	case xml.Unmarshal(body, &x) == nil:
		out.Code = x.Code + x.Enclosed
	}
	return out
}

// JSON calls an operation of a service that speaks awsJson; target is the
// value of X-Amz-Target and version the JSON version of its media type.
func (c *Client) JSON(ctx context.Context, service, version, target string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	rs, err := c.Do(ctx, &Request{
		Service: service, Method: http.MethodPost, Path: "/", Body: body,
		Header: http.Header{"Content-Type": {"application/x-amz-json-" + version}, "X-Amz-Target": {target}},
	})
	if err != nil || out == nil || len(rs.Body) == 0 {
		return err
	}
	return json.Unmarshal(rs.Body, out)
}

// SQS calls an operation of SQS.
func (c *Client) SQS(ctx context.Context, operation string, in, out any) error {
	return c.JSON(ctx, "sqs", "1.0", "AmazonSQS."+operation, in, out)
}

// Query calls an operation of a service that speaks awsQuery; pairs are the
// names and values of its parameters. out may be nil.
func (c *Client) Query(ctx context.Context, service, version, action string, out any, pairs ...string) error {
	v := url.Values{"Action": {action}, "Version": {version}}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	rs, err := c.Do(ctx, &Request{
		Service: service, Method: http.MethodPost, Path: "/", Body: []byte(v.Encode()),
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}},
	})
	if err != nil || out == nil {
		return err
	}
	return xml.Unmarshal(rs.Body, out)
}

// IAM calls an operation of IAM.
func (c *Client) IAM(ctx context.Context, action string, out any, pairs ...string) error {
	return c.Query(ctx, "iam", "2010-05-08", action, out, pairs...)
}

// STS calls an operation of STS.
func (c *Client) STS(ctx context.Context, action string, out any, pairs ...string) error {
	return c.Query(ctx, "sts", "2011-06-15", action, out, pairs...)
}

// Operator calls an operation of the operator API.
func (c *Client) Operator(ctx context.Context, operation string, in, out any) error {
	return c.JSON(ctx, "gigawatt", "1.1", "Gigawatt_20261101."+operation, in, out)
}
