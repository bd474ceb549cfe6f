package gateway

import (
	"bytes"
	"context"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/api/sqsapi"
	"github.com/gigawatt-cloud/gigawatt/aws/sigv4"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/meter"
	"github.com/gigawatt-cloud/gigawatt/service"
)

func query(cred sigv4.Credentials, action string) *http.Request {
	body := "Action=" + action + "&Version=2011-06-15"
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if cred.AccessKeyID == "" {
		return r
	}
	return sign(r, cred, "sts", body)
}

// TestWhoIsRefused calls with each kind of wrong credentials, in three protocols.
func TestWhoIsRefused(t *testing.T) {
	c := newCloud(t, Config{})
	unknown, wrong := sigv4.Credentials{AccessKeyID: "AKIANOBODY", SecretAccessKey: "x"}, sigv4.Credentials{AccessKeyID: "AKIAROOT", SecretAccessKey: "x"}
	object := func(cred sigv4.Credentials) *http.Request {
		r := httptest.NewRequest(http.MethodGet, "/bucket/key", nil)
		if cred.AccessKeyID == "" {
			return r
		}
		return sign(r, cred, "s3", "")
	}
	for _, tc := range []struct {
		name   string
		r      *http.Request
		status int
		code   string
	}{
		{"no credentials by query", query(sigv4.Credentials{}, "GetSessionToken"), 403, "MissingAuthenticationToken"},
		{"no credentials by S3", object(sigv4.Credentials{}), 403, "AccessDenied"},
		{"unknown key by query", query(unknown, "GetSessionToken"), 403, "InvalidClientTokenId"},
		{"unknown key by JSON", sendMessage(unknown, message), 400, "UnrecognizedClientException"},
		{"unknown key by S3", object(unknown), 403, "InvalidAccessKeyId"},
		{"wrong secret by query", query(wrong, "GetSessionToken"), 403, "SignatureDoesNotMatch"},
		{"wrong secret by JSON", sendMessage(wrong, message), 400, "InvalidSignatureException"},
		{"wrong secret by S3", object(wrong), 403, "SignatureDoesNotMatch"},
		{"no permission by query", query(userKey, "GetSessionToken"), 403, "AccessDenied"},
		{"no permission by JSON", sendMessage(userKey, message), 403, "AccessDenied"},
		{"no permission by S3", object(userKey), 403, "AccessDenied"},
	} {
		rs, body := c.do(tc.r)
		if rs.StatusCode != tc.status || !strings.Contains(body, tc.code) {
			t.Errorf("%s: %d %s", tc.name, rs.StatusCode, body)
		}
	}
	if rs, body := c.do(query(userKey, "GetCallerIdentity")); rs.StatusCode != http.StatusOK || !strings.Contains(body, "user/u") {
		t.Errorf("an operation that is everybody's: %d %s", rs.StatusCode, body)
	}
}

// TestRefusedMembers sets members that the operation does not honour.
func TestRefusedMembers(t *testing.T) {
	c := newCloud(t, Config{})
	for _, tc := range []struct{ body, want string }{
		{`{"QueueUrl":"q","MessageBody":"b","MessageGroupId":"g"}`, "MessageGroupId of SendMessage is not supported"},
		{`{"QueueUrl":"q","MessageBody":"b","MessageAttributes":{"a":{"DataType":"String"}}}`, "MessageAttributes.DataType of SendMessage is not supported"},
		{`{"QueueUrl":"q","MessageBody":"b","MessageAttributes":{}}`, ""},
		{`{"QueueUrl":"q"}`, "'messageBody' failed to satisfy constraint: Member must not be null"},
	} {
		rs, body := c.do(sendMessage(rootKey, tc.body))
		if tc.want == "" && rs.StatusCode != http.StatusOK || tc.want != "" && (rs.StatusCode != http.StatusBadRequest || !strings.Contains(body, tc.want)) {
			t.Errorf("%s: %d %s", tc.body, rs.StatusCode, body)
		}
	}
}

// TestMetering counts what succeeded once and what was refused not at all.
func TestMetering(t *testing.T) {
	c := newCloud(t, Config{})
	c.do(sendMessage(rootKey, message))
	c.do(sendMessage(rootKey, message))
	c.do(sendMessage(userKey, message))
	c.send = func(_ context.Context, call *service.Call, _ *sqsapi.SendMessageInput) (*sqsapi.SendMessageOutput, error) {
		call.Meter("bytes", 7, "")
		return nil, errors.New("failed")
	}
	c.do(sendMessage(rootKey, message))
	c.send = func(ctx context.Context, call *service.Call, _ *sqsapi.SendMessageInput) (*sqsapi.SendMessageOutput, error) {
		return nil, call.Update(ctx, func(*kv.Tx) error {
			call.Log.Debug("a change")
			return nil
		})
	}
	c.do(sendMessage(rootKey, message))
	for more := true; more; {
		var err error
		if more, err = meter.Fold(t.Context(), c.db, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	err := c.db.View(t.Context(), func(tx *kv.Tx) error {
		list, err := meter.List(tx, meter.Filter{})
		for _, u := range list {
			got = append(got, fmt.Sprintln(u.Account, u.Service, u.Operation, u.Type, u.Quantity))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"000000000000 sqs SendMessage Requests 3\n"}, got); d != "" {
		t.Error(d)
	}
}

// TestOpen accepts any credentials; a key names the account.
func TestOpen(t *testing.T) {
	c := newCloud(t, Config{Open: true})
	// An access key id of AWS's own scheme holds the account in its characters 4 to 12.
	n := uint64(123456789012)/2 + 0x8000000000
	encoded := base32.StdEncoding.EncodeToString([]byte{byte(n >> 32), byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
	for _, tc := range []struct{ key, want string }{
		{"", "000000000000"},
		{"anything", "000000000000"},
		{"111122223333", "111122223333"},
		{"AKIA" + encoded + "AAAAAAAA", "123456789012"},
		{"AKIA" + encoded + "QAAAAAAA", "123456789013"},
		{"AKIAROOT", "000000000000"},
		{"AKIAUSER", "000000000000"},
	} {
		rs, body := c.do(query(sigv4.Credentials{AccessKeyID: tc.key, SecretAccessKey: "wrong"}, "GetCallerIdentity"))
		if rs.StatusCode != http.StatusOK || !strings.Contains(body, "<Account>"+tc.want) {
			t.Errorf("%q: %d %s", tc.key, rs.StatusCode, body)
		}
		if rs.Header.Get("X-Gigawatt-Open") != "true" {
			t.Errorf("%q: the answer does not say that the cloud is open", tc.key)
		}
	}
	rs, _ := c.do(query(sigv4.Credentials{}, "MakeCoffee"))
	if rs.StatusCode != http.StatusBadRequest || rs.Header.Get("X-Gigawatt-Open") != "true" {
		t.Errorf("an error: %d %v", rs.StatusCode, rs.Header)
	}
}

func TestReset(t *testing.T) {
	for _, path := range []string{"/_gigawatt/reset", "/_localstack/state/reset"} {
		closed, open := newCloud(t, Config{}), newCloud(t, Config{Open: true})
		if rs, body := closed.do(httptest.NewRequest(http.MethodPost, path, nil)); rs.StatusCode != http.StatusForbidden || closed.resets != 0 || !strings.Contains(body, "--open") {
			t.Errorf("%s of a closed cloud: %d %s", path, rs.StatusCode, body)
		}
		if rs, body := open.do(httptest.NewRequest(http.MethodPost, path, nil)); rs.StatusCode != http.StatusOK || open.resets != 1 {
			t.Errorf("%s: %d %s", path, rs.StatusCode, body)
		}
		if open.do(httptest.NewRequest(http.MethodGet, path, nil)); open.resets != 1 {
			t.Errorf("GET %s resets", path)
		}
		open.unwell = errors.New("/secret/path")
		if rs, body := open.do(httptest.NewRequest(http.MethodPost, path, nil)); rs.StatusCode != http.StatusInternalServerError || strings.Contains(body, "secret") {
			t.Errorf("%s that fails: %d %s", path, rs.StatusCode, body)
		}
	}
}

func TestHealth(t *testing.T) {
	c := newCloud(t, Config{})
	get := func(path string) (int, map[string]any) {
		rs, body := c.do(httptest.NewRequest(http.MethodGet, path, nil))
		var v map[string]any
		if err := json.Unmarshal([]byte(body), &v); err != nil {
			t.Fatalf("%s: %s: %v", path, body, err)
		}
		return rs.StatusCode, v
	}
	if code, v := get("/_gigawatt/health"); code != http.StatusOK || v["status"] != "ok" || v["version"] != "test" || v["open"] != false {
		t.Error(code, v)
	}
	running := map[string]any{"sqs": "running", "sts": "running", "s3": "running"}
	code, v := get("/_localstack/health")
	if d := cmp.Diff(running, v["services"]); code != http.StatusOK || d != "" {
		t.Error(code, d)
	}
	c.unwell = errors.New("the disk is full")
	if code, v := get("/_gigawatt/health"); code != http.StatusServiceUnavailable || v["problem"] != "the disk is full" {
		t.Error(code, v)
	}
	if code, _ := get("/_localstack/health"); code != http.StatusServiceUnavailable {
		t.Error(code)
	}
	if rs, _ := c.do(httptest.NewRequest(http.MethodHead, "/_localstack/health", nil)); rs.StatusCode != http.StatusServiceUnavailable {
		t.Error(rs.StatusCode)
	}
}

// TestHosts finds the bucket and the key in every form of S3's addresses, and
// services by their host names.
func TestHosts(t *testing.T) {
	c := newCloud(t, Config{Open: true})
	var got string
	c.get = func(_ context.Context, _ *service.Call, in *s3api.GetObjectInput) (*s3api.GetObjectOutput, error) {
		got = in.Bucket + " " + in.Key
		return &s3api.GetObjectOutput{Body: bytes.NewReader(nil)}, nil
	}
	for _, tc := range []struct{ host, path, want string }{
		{"127.0.0.1:4566", "/b/k", "b k"},
		{"localhost:4566", "/b/k/l", "b k/l"},
		{"localhost", "/b/k%2Fl", "b k/l"},
		{"[::1]:4566", "/b/k", "b k"},
		{"s3.localhost.localstack.cloud:4566", "/b/k", "b k"},
		{"b.s3.localhost.localstack.cloud:4566", "/k", "b k"},
		{"b.s3.us-east-1.localhost.localstack.cloud:4566", "/k", "b k"},
		{"b.s3.localhost.gigawatt.cloud", "/k/l", "b k/l"},
		{"b.s3.localhost:4566", "/k", "b k"},
		{"a.b.s3.localhost:4566", "/k", "a.b k"},
		{"b.localhost:4566", "/k", "b k"},
		{"b.s3.amazonaws.com", "/k", "b k"},
		{"b.s3-us-west-2.amazonaws.com", "/k", "b k"},
		{"b.s3.eu-west-1.amazonaws.com", "/k", "b k"},
		{"s3.amazonaws.com", "/b/k", "b k"},
		{"s3.us-east-1.amazonaws.com", "/b/k", "b k"},
	} {
		for _, signed := range []bool{false, true} {
			got = ""
			r := httptest.NewRequest(http.MethodGet, tc.path, nil)
			r.Host = tc.host
			if signed {
				r = sign(r, rootKey, "s3", "")
			}
			if rs, body := c.do(r); rs.StatusCode != http.StatusOK || got != tc.want {
				t.Errorf("%s%s (signed: %v) is %q, %d %s", tc.host, tc.path, signed, got, rs.StatusCode, body)
			}
		}
	}
	for _, host := range []string{"sts.localhost.localstack.cloud:4566", "sts.us-east-1.localhost.localstack.cloud:4566", "sts.amazonaws.com", "sts.localhost.gigawatt.cloud"} {
		r := query(sigv4.Credentials{}, "GetCallerIdentity")
		r.Host = host
		if rs, body := c.do(r); rs.StatusCode != http.StatusOK || !strings.Contains(body, "GetCallerIdentityResult") {
			t.Errorf("%s: %d %s", host, rs.StatusCode, body)
		}
	}
}

func TestExplain(t *testing.T) {
	c := newCloud(t, Config{})
	rs, _ := c.do(sendMessage(userKey, message))
	x, ok := c.Explain(rs.Header.Get("X-Amzn-Requestid"))
	if !ok || x.Code == "" || x.Operation != "SendMessage" || len(x.Decisions) != 1 || x.Decisions[0].Allowed() || x.Needs[0].Action != "sqs:SendMessage" {
		t.Errorf("%v %+v", ok, x)
	}
	for range keptExplanations {
		c.do(query(rootKey, "GetCallerIdentity"))
	}
	if _, ok := c.Explain(rs.Header.Get("X-Amzn-Requestid")); ok {
		t.Error("a request that is long past is still explained")
	}
	if len(c.explain.byID) != keptExplanations || len(c.explain.ring) != keptExplanations {
		t.Errorf("%d and %d explanations are kept", len(c.explain.byID), len(c.explain.ring))
	}
}
