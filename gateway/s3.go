package gateway

import (
	"encoding/xml"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
	"github.com/gigawatt-cloud/gigawatt/gateway/route"
)

// plan chooses the steps of a request: [steps], unless it is one of those that
// S3 serves besides its API.
func (x *exchange) plan() []step {
	switch {
	case isPreflight(x.r):
		return preflightSteps
	case websiteBucket(x.r.Host) != "":
		return websiteSteps
	case isPostUpload(x.r):
		return postSteps
	}
	return steps
}

// bucketAndKey is what an S3 request's host and path name, both raw, and "" for
// what they do not name.
func bucketAndKey(r *http.Request) (bucket, key string) {
	path, _ := target(r)
	path = strings.TrimPrefix(path, "/")
	if bucket = websiteBucket(r.Host); bucket == "" {
		bucket = virtualBucket(r.Host)
	}
	if bucket != "" {
		return bucket, path
	}
	bucket, key, _ = strings.Cut(path, "/")
	return bucket, key
}

// s3Match is the match of an S3 operation that is called for a request which
// is none of the API's.
func s3Match(operation string, labels map[string]string) *route.Match {
	op := operationOf("s3", operation)
	return &route.Match{Service: &op.Service.Meta, Protocol: smithy.RestXML, Op: op, Name: operation, Labels: labels}
}

// serveS3 adopts an S3 operation, or refuses it when this server has no S3.
func (x *exchange) serveS3(operation string, labels map[string]string) error {
	x.adopt(s3Match(operation, labels), codecs[smithy.RestXML])
	if x.handler == nil {
		return x.refusal()
	}
	return nil
}

// bucketConfig reads a configuration of a bucket on behalf of the server
// itself: without a permission and without a bill. It returns nil when the
// bucket has none, which S3 says with the error code absent.
func bucketConfig[In, Out any](x *exchange, op smithy.Op[In, Out], in *In, absent string) (*Out, error) {
	h := x.g.handlers[op.Service][op.Name]
	if h == nil {
		return nil, nil
	}
	c := x.g.newCall(Root(x.g.Account), operationOf(op.Service, op.Name), "", x.id, x.now)
	out, err := h.Invoke(x.ctx, c, in)
	if err != nil {
		if e := awserr.As(err); e != nil && e.Code == absent {
			return nil, nil
		}
		return nil, err
	}
	typed, ok := out.(*Out)
	if !ok {
		return nil, errors.New(op.Name + " answered nothing")
	}
	return typed, nil
}

// accelerate refuses the accelerate endpoint of a bucket that has not opened it.
func (x *exchange) accelerate() error {
	if x.bucket == "" || !x.isS3() || !strings.HasPrefix(x.r.Host, x.bucket+".s3-accelerate.") {
		return nil
	}
	payer := s3api.RequestPayerRequester
	out, err := bucketConfig(x, s3api.GetBucketAccelerateConfiguration, &s3api.GetBucketAccelerateConfigurationInput{Bucket: x.bucket, RequestPayer: &payer}, "")
	if err != nil {
		return err
	}
	switch {
	case out == nil || out.Status == nil:
		return awserr.New("InvalidRequest", http.StatusBadRequest, "S3 Transfer Acceleration is not configured on this bucket")
	case *out.Status != s3api.BucketAccelerateStatusEnabled:
		return awserr.New("InvalidRequest", http.StatusBadRequest, "S3 Transfer Acceleration is disabled on this bucket")
	}
	return nil
}

// hostName is a host without its port.
func hostName(hostport string) string {
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		return h
	}
	return hostport
}

// baseURL is how the client reached this server, without a path.
func (x *exchange) baseURL() *url.URL {
	u := &url.URL{Scheme: "http", Host: x.r.Host}
	if x.r.TLS != nil {
		u.Scheme = "https"
	}
	return u
}

// escapedXML is text inside an XML or HTML element.
func escapedXML(s string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		return ""
	}
	return b.String()
}
