package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/api/sqsapi"
	"github.com/gigawatt-cloud/gigawatt/api/stsapi"
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/aws/sigv4"
	"github.com/gigawatt-cloud/gigawatt/internal/clock"
	"github.com/gigawatt-cloud/gigawatt/internal/id"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/kv/memkv"
	"github.com/gigawatt-cloud/gigawatt/meter"
	"github.com/gigawatt-cloud/gigawatt/service"
)

const account = arn.AccountID("000000000000")

// keys are the credentials of these tests: a root, and a user who may do nothing.
var (
	rootKey = sigv4.Credentials{AccessKeyID: "AKIAROOT", SecretAccessKey: "root"}
	userKey = sigv4.Credentials{AccessKeyID: "AKIAUSER", SecretAccessKey: "user"}
)

// fixedIdentity knows the two keys.
type fixedIdentity struct{}

func (fixedIdentity) Credential(_ context.Context, key, _ string, _ time.Time) (*Credential, error) {
	switch key {
	case rootKey.AccessKeyID:
		return &Credential{Secret: rootKey.SecretAccessKey, Principal: Root(account)}, nil
	case userKey.AccessKeyID:
		return &Credential{Secret: userKey.SecretAccessKey, Principal: &policy.Principal{
			Type: policy.User, AccountID: account, ARN: "arn:aws:iam::000000000000:user/u", UserName: "u",
		}}, nil
	}
	return nil, ErrUnknownKey
}

func (fixedIdentity) Policies(context.Context, *policy.Principal) (*policy.Set, error) {
	return &policy.Set{}, nil
}

// cloud is a gateway over three small services whose handlers a test replaces.
type cloud struct {
	*Gateway
	db *kv.DB

	mu      sync.Mutex
	send    func(ctx context.Context, c *service.Call, in *sqsapi.SendMessageInput) (*sqsapi.SendMessageOutput, error)
	get     func(ctx context.Context, c *service.Call, in *s3api.GetObjectInput) (*s3api.GetObjectOutput, error)
	unwell  error
	resets  int
	observe []Observation
}

func newCloud(t *testing.T, cfg Config) *cloud {
	t.Helper()
	c := &cloud{db: memkv.New()}
	journal := meter.NewJournal(c.db)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() { journal.Run(ctx) })
	t.Cleanup(func() {
		stop()
		wg.Wait()
		if err := c.db.Close(); err != nil {
			t.Error(err)
		}
	})
	cfg.Services, cfg.Identity, cfg.Journal, cfg.IDs, cfg.Log = c.services(), fixedIdentity{}, journal, id.Seeded(1), slog.New(slog.DiscardHandler)
	cfg.Region, cfg.Account, cfg.Version = "us-east-1", account, "test"
	cfg.Frame = &service.Frame{DB: c.db, Pages: service.NewPages([32]byte{}), Clock: clock.System()}
	cfg.Healthy = func() error { return c.unwell }
	cfg.Reset = func(context.Context) error {
		c.resets++
		return c.unwell
	}
	cfg.Observe = func(o Observation) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.observe = append(c.observe, o)
	}
	c.Gateway = New(cfg)
	return c
}

func (c *cloud) services() []*service.Service {
	need := func(action string) []policy.Need { return []policy.Need{{Action: action, Resource: "*"}} }
	return []*service.Service{
		{Name: "sqs", Handlers: []*service.Handler{
			service.Handle(sqsapi.SendMessage, func(*service.Call, *sqsapi.SendMessageInput) []policy.Need { return need("sqs:SendMessage") },
				func(ctx context.Context, call *service.Call, in *sqsapi.SendMessageInput) (*sqsapi.SendMessageOutput, error) {
					if c.send == nil {
						return &sqsapi.SendMessageOutput{MessageId: &call.RequestID}, nil
					}
					return c.send(ctx, call, in)
				}).Refuse("MessageGroupId", "MessageAttributes.DataType"),
		}},
		{Name: "sts", Handlers: []*service.Handler{
			service.Handle(stsapi.GetCallerIdentity, service.Public[stsapi.GetCallerIdentityInput],
				func(_ context.Context, call *service.Call, _ *stsapi.GetCallerIdentityInput) (*stsapi.GetCallerIdentityOutput, error) {
					account := string(call.Account)
					return &stsapi.GetCallerIdentityOutput{Account: &account, Arn: &call.Principal.ARN}, nil
				}),
			service.Handle(stsapi.GetSessionToken, func(*service.Call, *stsapi.GetSessionTokenInput) []policy.Need { return need("sts:GetSessionToken") },
				func(context.Context, *service.Call, *stsapi.GetSessionTokenInput) (*stsapi.GetSessionTokenOutput, error) {
					return &stsapi.GetSessionTokenOutput{}, nil
				}),
		}},
		{Name: "s3", Handlers: []*service.Handler{
			service.Handle(s3api.GetObject, func(*service.Call, *s3api.GetObjectInput) []policy.Need { return need("s3:GetObject") },
				func(ctx context.Context, call *service.Call, in *s3api.GetObjectInput) (*s3api.GetObjectOutput, error) {
					return c.get(ctx, call, in)
				}),
			service.Handle(s3api.HeadObject, func(*service.Call, *s3api.HeadObjectInput) []policy.Need { return need("s3:GetObject") },
				func(context.Context, *service.Call, *s3api.HeadObjectInput) (*s3api.HeadObjectOutput, error) {
					return nil, s3api.ErrNoSuchKey("gone")
				}),
		}},
	}
}

// sign signs a request of a test.
func sign(r *http.Request, cred sigv4.Credentials, serviceName, body string) *http.Request {
	sum := sha256.Sum256([]byte(body))
	hash := hex.EncodeToString(sum[:])
	r.Header.Set("X-Amz-Content-Sha256", hash)
	sigv4.Sign(r, cred, serviceName, "us-east-1", time.Now(), hash)
	return r
}

func sendMessage(cred sigv4.Credentials, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "AmazonSQS.SendMessage")
	return sign(r, cred, "sqs", body)
}

const message = `{"QueueUrl":"q","MessageBody":"b"}`

func (c *cloud) do(r *http.Request) (*http.Response, string) {
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w.Result(), w.Body.String()
}

func TestSuccess(t *testing.T) {
	c := newCloud(t, Config{})
	rs, body := c.do(sendMessage(rootKey, message))
	id := rs.Header.Get("X-Amzn-Requestid")
	if rs.StatusCode != http.StatusOK || id == "" || !strings.Contains(body, id) {
		t.Errorf("%d %s %s", rs.StatusCode, id, body)
	}
	if rs.Header.Get("X-Gigawatt-Open") != "" {
		t.Error("a closed cloud says that it is open")
	}
	rs, _ = c.do(sendMessage(rootKey, message))
	if rs.Header.Get("X-Amzn-Requestid") == id {
		t.Error("two requests have one id")
	}
	if len(c.observe) != 2 || c.observe[0].Operation != "SendMessage" || c.observe[0].Status != http.StatusOK || c.observe[0].BytesIn != int64(len(message)) {
		t.Errorf("observed %+v", c.observe)
	}
}

// TestPanic shows that a bug of one request is that request's alone.
func TestPanic(t *testing.T) {
	c := newCloud(t, Config{MaxInFlight: 1})
	c.send = func(context.Context, *service.Call, *sqsapi.SendMessageInput) (*sqsapi.SendMessageOutput, error) {
		panic("the secret of the handler")
	}
	rs, body := c.do(sendMessage(rootKey, message))
	if rs.StatusCode != http.StatusInternalServerError || !strings.Contains(body, "InternalFailure") || strings.Contains(body, "secret") {
		t.Errorf("%d %s", rs.StatusCode, body)
	}
	if id := rs.Header.Get("X-Amzn-Requestid"); id == "" || !strings.Contains(body, id) {
		t.Errorf("the answer does not name its request %q: %s", id, body)
	}
	c.send = nil
	if rs, body := c.do(sendMessage(rootKey, message)); rs.StatusCode != http.StatusOK {
		t.Errorf("afterwards: %d %s", rs.StatusCode, body)
	}
}

// TestInternalErrors shows that no error of the store reaches a caller.
func TestInternalErrors(t *testing.T) {
	c := newCloud(t, Config{})
	for _, tc := range []struct {
		err    error
		status int
		code   string
	}{
		{errors.New("/var/lib/secret: broken"), http.StatusInternalServerError, "InternalFailure"},
		{kv.ErrFull, http.StatusServiceUnavailable, "ServiceUnavailable"},
		{context.Canceled, http.StatusBadRequest, "RequestTimeout"},
		{sqsapi.ErrQueueDoesNotExist("no queue"), http.StatusBadRequest, "QueueDoesNotExist"},
	} {
		c.send = func(context.Context, *service.Call, *sqsapi.SendMessageInput) (*sqsapi.SendMessageOutput, error) {
			return nil, tc.err
		}
		rs, body := c.do(sendMessage(rootKey, message))
		if rs.StatusCode != tc.status || !strings.Contains(body, tc.code) || strings.Contains(body, "secret") {
			t.Errorf("%v: %d %s", tc.err, rs.StatusCode, body)
		}
	}
}

// broken is a payload that ends in an error.
type broken struct{ left int }

func (b *broken) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, errors.New("the disk fails")
	}
	n := min(b.left, len(p))
	b.left -= n
	return n, nil
}

// TestBrokenPayload shows that a client does not take half an object for the whole.
func TestBrokenPayload(t *testing.T) {
	c := newCloud(t, Config{})
	c.get = func(context.Context, *service.Call, *s3api.GetObjectInput) (*s3api.GetObjectOutput, error) {
		return &s3api.GetObjectOutput{Body: &broken{left: 1 << 20}}, nil
	}
	ts := httptest.NewServer(c)
	defer ts.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, ts.URL+"/bucket/key", nil)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := ts.Client().Do(sign(r, rootKey, "s3", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer rs.Body.Close()
	if b, err := io.ReadAll(rs.Body); err == nil {
		t.Errorf("%d bytes end without an error", len(b))
	}
}

func TestHead(t *testing.T) {
	c := newCloud(t, Config{})
	rs, body := c.do(sign(httptest.NewRequest(http.MethodHead, "/bucket/key", nil), rootKey, "s3", ""))
	if rs.StatusCode != http.StatusNotFound || body != "" || rs.Header.Get("X-Amz-Request-Id") == "" {
		t.Errorf("%d %q %v", rs.StatusCode, body, rs.Header)
	}
}

func TestInFlight(t *testing.T) {
	c := newCloud(t, Config{MaxInFlight: 1})
	started, finish := make(chan struct{}), make(chan struct{})
	c.send = func(context.Context, *service.Call, *sqsapi.SendMessageInput) (*sqsapi.SendMessageOutput, error) {
		close(started)
		<-finish
		return &sqsapi.SendMessageOutput{}, nil
	}
	var wg sync.WaitGroup
	wg.Go(func() { c.do(sendMessage(rootKey, message)) })
	<-started
	if rs, body := c.do(sendMessage(rootKey, message)); rs.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, "ServiceUnavailable") {
		t.Errorf("one too many: %d %s", rs.StatusCode, body)
	}
	if rs, body := c.do(sign(httptest.NewRequest(http.MethodGet, "/bucket/key", nil), rootKey, "s3", "")); rs.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, "SlowDown") {
		t.Errorf("one too many of S3: %d %s", rs.StatusCode, body)
	}
	close(finish)
	wg.Wait()
	c.send = nil
	if rs, body := c.do(sendMessage(rootKey, message)); rs.StatusCode != http.StatusOK {
		t.Errorf("afterwards: %d %s", rs.StatusCode, body)
	}
}

// TestBodies sends what is too large, too short or no JSON.
func TestBodies(t *testing.T) {
	c := newCloud(t, Config{})
	for name, tc := range map[string]struct {
		body   io.Reader
		length int64
		status int
	}{
		"announced too large": {io.LimitReader(zeros{}, maxBody+1), maxBody + 1, http.StatusRequestEntityTooLarge},
		"chunked too large":   {io.LimitReader(zeros{}, maxBody+1), -1, http.StatusRequestEntityTooLarge},
		"of another hash":     {strings.NewReader(`{"QueueUrl":"q","MessageBody":"c"}`), int64(len(message)), http.StatusBadRequest},
	} {
		r := sendMessage(rootKey, message)
		r.Header.Del("Authorization")
		r.Body, r.ContentLength = io.NopCloser(tc.body), tc.length
		sigv4.Sign(r, rootKey, "sqs", "us-east-1", time.Now(), r.Header.Get("X-Amz-Content-Sha256"))
		if rs, answer := c.do(r); rs.StatusCode != tc.status {
			t.Errorf("%s: %d %s", name, rs.StatusCode, answer)
		}
	}
	for _, body := range []string{"", "{", "[]", `{"QueueUrl":1}`, strings.Repeat("[", 1<<20), `{"QueueUrl":` + strings.Repeat(`{"a":`, 1<<18), "null"} {
		rs, answer := c.do(sendMessage(rootKey, body))
		if rs.StatusCode != http.StatusBadRequest {
			t.Errorf("%.40q: %d %s", body, rs.StatusCode, answer)
		}
	}
	r := sendMessage(rootKey, message)
	r.Body = io.NopCloser(io.MultiReader(strings.NewReader(message[:10]), failing{}))
	if rs, answer := c.do(r); rs.StatusCode != http.StatusBadRequest {
		t.Errorf("a body that ends early: %d %s", rs.StatusCode, answer)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// failing is a connection that is gone.
type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
