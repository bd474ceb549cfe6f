package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gigawatt-cloud/gigawatt/api/catalog"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/neutral"
	"github.com/gigawatt-cloud/gigawatt/aws/sigv4"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
	"github.com/gigawatt-cloud/gigawatt/gateway/route"
	"github.com/gigawatt-cloud/gigawatt/meter"
	"github.com/gigawatt-cloud/gigawatt/service"
)

// exchange is one request on its way through the steps.
type exchange struct {
	g   *Gateway
	w   http.ResponseWriter
	r   *http.Request
	ctx context.Context

	id    string
	start time.Time
	now   time.Time

	auth   *sigv4.Auth
	bucket string // named by a virtual host
	match  *route.Match
	codec  protocol.Codec
	body   []byte // what was read of the body, nil when it streams
	read   bool   // the body was read into body

	post  *postForm          // a browser's upload
	site  *site              // a website
	reply *protocol.Response // what a website answers

	svc      *service.Service
	handler  *service.Handler
	call     *service.Call
	in       any
	problems smithy.Problems
	needs    []policy.Need
	out      any
	admitted bool

	step    string
	err     error
	status  int
	written int64
	started bool // the response's header is out
}

// How much of a body that is held in memory is read.
const (
	maxBody     = 32 << 20
	maxFormBody = 4 << 20
)

// identify gives the request its id and its time.
func (x *exchange) identify() error {
	x.id, x.start, x.now = x.g.IDs.UUID(), time.Now(), x.g.Frame.Clock.Now()
	return nil
}

// route finds the service and the operation. The signature is parsed for the
// name of its scope, and verified later.
func (x *exchange) route() error {
	auth, authErr := sigv4.Parse(x.r)
	x.auth = auth
	var signing string
	if auth != nil {
		signing = auth.Scope.Service
		if auth.Form == sigv4.HeaderV2 || auth.Form == sigv4.PresignedV2 {
			signing = "s3"
		}
	}
	path, query := target(x.r)
	if signing == "" || signing == "s3" {
		if x.bucket = virtualBucket(x.r.Host); x.bucket != "" {
			path = "/" + x.bucket + path
		}
	}
	if m := neutralMatch(path); m != nil {
		x.bucket = ""
		x.adopt(m, neutral.Codec{})
		return authErr
	}
	m, err := x.g.routes.Find(&route.Request{
		Method: x.r.Method, Host: x.r.Host, Path: path, RawQuery: query, Header: x.r.Header,
		SigningName: signing, Form: x.form,
	})
	if err != nil {
		return err
	}
	x.adopt(m, codecs[m.Protocol])
	return authErr
}

func (x *exchange) adopt(m *route.Match, codec protocol.Codec) {
	x.match, x.codec, x.svc = m, codec, x.g.services[m.Service.Name]
	if m.Op != nil {
		x.handler = x.g.handlers[m.Service.Name][m.Op.Name]
	}
}

// neutralMatch matches /_gigawatt/call/SERVICE/OPERATION, where any operation
// is called in the form of package neutral.
func neutralMatch(path string) *route.Match {
	rest, ok := strings.CutPrefix(path, "/_gigawatt/call/")
	if !ok {
		return nil
	}
	name, operation, _ := strings.Cut(rest, "/")
	sv := catalog.Service(name)
	if sv == nil {
		return nil
	}
	return &route.Match{Service: &sv.Meta, Protocol: sv.Protocols[0], Op: sv.Operation(operation), Name: operation}
}

// target is the raw path and query of a request.
func target(r *http.Request) (path, query string) {
	path, query, _ = strings.Cut(r.RequestURI, "?")
	if !strings.HasPrefix(path, "/") { // absolute form, as proxies send it
		if u, err := url.Parse(r.RequestURI); err == nil {
			path = u.EscapedPath()
		}
	}
	return path, query
}

// virtualBucket is the bucket that a host names, as in "bucket.s3.localhost".
func virtualBucket(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	for _, infix := range []string{".s3.", ".s3-"} {
		if i := strings.LastIndex(host, infix); i > 0 && !strings.HasPrefix(host[i:], ".s3-website") {
			return host[:i]
		}
	}
	if b, ok := strings.CutSuffix(host, ".localhost"); ok && b != "s3" && !strings.HasPrefix(b, "s3.") {
		return b
	}
	return ""
}

// form reads the body when it is a form, for routing.
func (x *exchange) form() (url.Values, error) {
	if !strings.HasPrefix(x.r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return nil, nil
	}
	if err := x.buffer(maxFormBody); err != nil {
		return nil, err
	}
	v, err := url.ParseQuery(string(x.body))
	if err != nil {
		return nil, protocol.Malformed("The form in the request's body cannot be parsed.")
	}
	return v, nil
}

// buffer reads the raw body into memory, once.
func (x *exchange) buffer(limit int64) error {
	if x.read {
		return nil
	}
	b, err := protocol.ReadBody(&protocol.Request{Body: x.r.Body, ContentLength: x.r.ContentLength, MaxBody: limit})
	if err != nil {
		return fmt.Errorf("read the request: %w", err)
	}
	x.body, x.read = b, true
	x.r.Body = io.NopCloser(bytes.NewReader(b))
	return nil
}

// admit takes one of the slots for requests in flight.
func (x *exchange) admit() error {
	select {
	case x.g.slots <- struct{}{}:
		x.admitted = true
		return nil
	default:
		if x.match.Service.Name == "s3" {
			return awserr.New("SlowDown", 503, "Please reduce your request rate.")
		}
		return awserr.New("ServiceUnavailable", 503, "The server is busy with as many requests as it takes at once.")
	}
}

// invoke calls the operation. Its request is metered with what it changes.
func (x *exchange) invoke() error {
	if !x.handler.IsFree() {
		x.call.Meter(meter.Requests, 1, "")
	}
	out, err := x.handler.Invoke(x.ctx, x.call, x.in)
	if err != nil {
		x.call.Usage.Drop()
		return err
	}
	x.out = out
	return nil
}

// meter makes durable what the operation did not write with its own changes.
func (x *exchange) meter() error {
	if !x.call.Usage.Pending() {
		return nil
	}
	return x.g.Journal.Write(x.ctx, x.call.Usage)
}

// finish answers errors, survives panics, and tells the log and the metrics.
func (x *exchange) finish() {
	if p := recover(); p != nil {
		if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(p)
		}
		x.step, x.err = "panic", fmt.Errorf("panic: %v\n%s", p, debug.Stack())
	}
	if x.admitted {
		<-x.g.slots
	}
	var code string
	if x.err != nil {
		code = x.answerError()
	}
	x.g.explain.add(x, code)
	x.log(code)
	x.tell(code)
	if x.started && x.err != nil {
		panic(http.ErrAbortHandler) // the client must not take what it got for the whole
	}
}

// log writes the one line of the request.
func (x *exchange) log(code string) {
	service, op := "-", "-"
	if x.match != nil {
		service = x.match.Service.Name
		if x.match.Op != nil {
			op = x.match.Op.Name
		}
	}
	d := time.Since(x.start)
	level := slog.LevelDebug
	attrs := []slog.Attr{
		slog.String("request_id", x.id), slog.String("service", service), slog.String("operation", op),
		slog.Int("status", x.status), slog.Duration("duration", d), slog.Int64("bytes_out", x.written),
	}
	if x.call != nil {
		attrs = append(attrs, slog.String("account", string(x.call.Account)))
	}
	if code != "" {
		level = slog.LevelInfo
		attrs = append(attrs, slog.String("code", code), slog.String("step", x.step))
		if x.status >= 500 {
			level = slog.LevelError
			attrs = append(attrs, slog.Any("error", x.err))
		}
	}
	x.g.Log.LogAttrs(context.WithoutCancel(x.ctx), level, "request", attrs...)
	if x.g.Observe != nil {
		x.g.Observe(Observation{
			Service: service, Operation: op, Code: code, Status: x.status, Duration: d,
			BytesIn: max(x.r.ContentLength, 0), BytesOut: x.written,
		})
	}
}

// newCall makes the Call of a principal's request.
func (g *Gateway) newCall(p *policy.Principal, op *smithy.Operation, region, id string, now time.Time) *service.Call {
	account := p.AccountID
	if account == "" {
		account = g.Account
	}
	if region == "" {
		region = g.Region
	}
	return &service.Call{
		Account: account, Region: region, Principal: p, RequestID: id, Now: now, IDs: g.IDs,
		Log: g.Log, Usage: meter.NewTally(id), Op: op, Frame: g.Frame,
	}
}
