package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/sigv4"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// testServer is a cloud in memory whose handler is called without a socket.
type testServer struct {
	*Server
	handler http.Handler
	steps   *stepLog
}

func newTestServer(t *testing.T, cfg Config) *testServer {
	t.Helper()
	steps := &stepLog{byRequest: map[string]string{}}
	cfg.InMemory, cfg.Dev, cfg.Seed, cfg.Log = true, true, 1, slog.New(steps)
	s, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	wg.Go(func() { s.journal.Run(ctx) }) // the meter step waits for it
	t.Cleanup(func() {
		stop()
		wg.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &testServer{s, s.handler(), steps}
}

// stepLog is a log that keeps, for each request that failed, the gateway's
// step that ended it, and drops the rest.
type stepLog struct {
	mu        sync.Mutex
	byRequest map[string]string
}

func (l *stepLog) Enabled(context.Context, slog.Level) bool { return true }
func (l *stepLog) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *stepLog) WithGroup(string) slog.Handler            { return l }

func (l *stepLog) Handle(_ context.Context, r slog.Record) error {
	found := map[string]string{}
	r.Attrs(func(a slog.Attr) bool {
		found[a.Key] = a.Value.String()
		return true
	})
	if id, step := found["request_id"], found["step"]; id != "" && step != "" {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.byRequest[id] = step
	}
	return nil
}

// failedAt is the step that ended a request, "" when it succeeded.
func (l *stepLog) failedAt(rs *http.Response) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range []string{"X-Amzn-Requestid", "X-Amz-Request-Id"} {
		if step := l.byRequest[rs.Header.Get(h)]; step != "" {
			return step
		}
	}
	return ""
}

// root are the credentials of the cloud's own root.
func (s *testServer) rootKey() sigv4.Credentials {
	return sigv4.Credentials{AccessKeyID: s.root.AccessKeyID, SecretAccessKey: s.root.SecretAccessKey}
}

// send signs a request, unless the credentials are empty, and returns the answer.
func (s *testServer) send(r *http.Request, service string, cred sigv4.Credentials) (rs *http.Response, body string) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err) // the body of a test's request is in memory
	}
	r.Body = io.NopCloser(strings.NewReader(string(b)))
	if cred.AccessKeyID != "" {
		sum := sha256.Sum256(b)
		hash := hex.EncodeToString(sum[:])
		r.Header.Set("X-Amz-Content-Sha256", hash)
		sigv4.Sign(r, cred, service, DefaultRegion, time.Now(), hash)
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w.Result(), w.Body.String()
}

// empty makes a request of an operation in one of its protocols with only what
// routes it.
func empty(op *smithy.Operation, p smithy.Protocol) *http.Request {
	post := func(path, contentType, body string) *http.Request {
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		return r
	}
	switch p {
	case smithy.AWSJSON:
		r := post("/", "application/x-amz-json-"+op.Service.JSONVersion, "{}")
		r.Header.Set("X-Amz-Target", op.Service.TargetPrefix+"."+op.Name)
		return r
	case smithy.AWSQuery, smithy.EC2Query:
		form := url.Values{"Action": {op.Name}, "Version": {op.Service.APIVersion}}
		return post("/", "application/x-www-form-urlencoded", form.Encode())
	case smithy.RPCv2CBOR:
		r := post("/service/"+op.Service.TargetPrefix+"/operation/"+op.Name, "application/cbor", "\xa0")
		r.Header.Set("Smithy-Protocol", "rpc-v2-cbor")
		return r
	}
	path, query, _ := strings.Cut(op.URI, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		panic(err) // the models are ours
	}
	header := http.Header{}
	if op.Input != nil {
		for _, m := range op.Input.Members {
			name := m.LocationName
			if name == "" {
				name = m.Name
			}
			switch {
			case m.Location == smithy.URI:
				path = strings.NewReplacer("{"+name+"}", "x", "{"+name+"+}", "x").Replace(path)
			case m.Required && m.Location == smithy.Querystring:
				values.Set(name, "x")
			case m.Required && m.Location == smithy.Header:
				header.Set(name, "x")
			}
		}
	}
	target := path
	if len(values) > 0 {
		target += "?" + values.Encode()
	}
	r := httptest.NewRequest(op.Method, target, strings.NewReader(""))
	r.Header = header
	return r
}
