package sigv4

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestRoundTrip signs odd requests, sends them through net/http and verifies
// what arrives.
func TestRoundTrip(t *testing.T) {
	paths := []string{
		"/", "", "/a b", "/a%20b", "/%2F%2f", "/a//b/", "/a/./b/../c", "/ü/€", "/a+b%2Bc", "/%41", "/a:b@c!$&'()*,;=", "/~-._",
		"/model/arn%3Aaws%3Ax", "/100%25", "/%00%01", "/" + strings.Repeat("k/", 500),
	}
	queries := []string{
		"", "a", "a=", "a=b&a=a&A=1", "b=1&a=2", "a-=1&a=2&a%3D=3", "q=a+b&r=a%20b&s=a%2Bb", "ü=é", "x=%zz&y=%", "&&a=1&", "k=v=w", "list-type=2&prefix=%2F%26",
		"p=%7e%2d", "acl&versionId=", "a;b=c",
	}
	cred := Credentials{"AKIDEXAMPLE", "secret/+", "token=="}
	var got error
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		service := r.Header.Get("Service")
		if service == "" {
			service = r.URL.Query().Get("service")
		}
		a, err := Parse(r)
		if err == nil {
			err = a.Verify(r, cred.SecretAccessKey, Verify{Service: service, S3: service == "s3", Now: testNow})
		}
		if err == nil && a.SessionToken != cred.SessionToken {
			err = fmt.Errorf("session token %q", a.SessionToken)
		}
		got = err
	}))
	defer srv.Close()
	send := func(r *http.Request) error {
		res, err := srv.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return got
	}
	for _, service := range []string{"s3", "execute-api"} {
		for i, p := range paths {
			for j, q := range queries {
				if i > 1 && j > 3 && i%5 != j%5 {
					continue // a sample of the product
				}
				r, err := http.NewRequestWithContext(context.Background(), http.MethodPut, srv.URL+p, nil)
				if err != nil {
					t.Fatal(err)
				}
				r.URL.RawQuery = q
				r.Header.Set("Service", service)
				r.Header["X-Amz-Meta-A"] = []string{"  a   b ", "c"}
				r.Header.Set("X-Amz-Meta-B", "")
				Sign(r, cred, service, "us-east-1", testNow, "")
				if err := send(r); err != nil {
					t.Errorf("%s %q ? %q: %v", service, p, q, err)
				}
				if strings.ContainsAny(q, "+;%") {
					continue // Presign reads the query with net/url, which has rules of its own
				}
				r, _ = http.NewRequestWithContext(context.Background(), http.MethodGet, srv.URL+p, nil)
				r.URL.RawQuery = strings.TrimPrefix(q+"&service="+service, "&")
				r.Header.Set("X-Amz-Meta-A", "a b")
				u := Presign(r, cred, service, "us-east-1", testNow.Add(-time.Minute), 2*time.Minute)
				r, err = http.NewRequestWithContext(context.Background(), http.MethodGet, u, nil)
				if err != nil {
					t.Fatal(err)
				}
				if err := send(r); err != nil {
					t.Errorf("presigned %s %q ? %q: %v", service, p, q, err)
				}
			}
		}
	}
}

func TestPresignHoists(t *testing.T) {
	r := httptest.NewRequest(http.MethodPut, "http://localhost/b/k", nil)
	r.Header.Set("X-Amz-Acl", "public-read")
	r.Header.Set("Content-Type", "text/plain")
	before := r.Header.Clone()
	u := Presign(r, testCred, "s3", "us-east-1", testNow, time.Minute)
	if diff := cmp.Diff(before, r.Header); diff != "" {
		t.Errorf("Presign changed the request (-want +got):\n%s", diff)
	}
	r = httptest.NewRequest(http.MethodPut, u, nil)
	r.Header.Set("Content-Type", "text/plain")
	a, err := Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Verify(r, "secret", Verify{Service: "s3", S3: true, Now: testNow}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(http.Header{"X-Amz-Acl": {"public-read"}}, a.Hoisted()); diff != "" {
		t.Errorf("Hoisted (-want +got):\n%s", diff)
	}
	r.Header.Set("Content-Type", "text/html")
	if err := a.Verify(r, "secret", Verify{Service: "s3", S3: true, Now: testNow}); err == nil {
		t.Error("another Content-Type was accepted")
	}
}

// TestPathForms checks the second path that a client may have signed.
func TestPathForms(t *testing.T) {
	tests := []struct {
		name, service, signed, sent string
		clean, ok                   bool
	}{
		{"s3 that need not encode", "s3", "/b/a%3Ab%2B", "/b/a:b+", false, true},
		{"s3 keeps dots", "s3", "/b/c", "/b/x/../c", false, false},
		{"others cleaned", "iot", "/a/c", "/a//b/.././c", true, true},
		{"others cleaned, final slash", "iot", "/a/", "/a//", true, true},
		{"others, no clean routing", "iot", "/a/c", "/a//c", false, false},
		{"others are encoded twice", "iot", "/a%3Ab", "/a:b", true, false},
	}
	for _, tt := range tests {
		r := httptest.NewRequest(http.MethodGet, "http://localhost"+tt.signed, nil)
		Sign(r, testCred, tt.service, "us-east-1", testNow, "")
		r.RequestURI = tt.sent
		a, err := Parse(r)
		if err != nil {
			t.Fatal(err)
		}
		err = a.Verify(r, "secret", Verify{Service: tt.service, S3: tt.service == "s3", Clean: tt.clean, Now: testNow})
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v, want accepted: %v", tt.name, err, tt.ok)
		}
	}
}

func TestContentLengthSigned(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "http://localhost/", strings.NewReader("body"))
	Sign(r, testCred, "s3", "us-east-1", testNow, UnsignedPayload)
	if !strings.Contains(r.Header.Get("Authorization"), "SignedHeaders=content-length;host;") {
		t.Fatalf("not signed: %s", r.Header.Get("Authorization"))
	}
	a, _ := Parse(r)
	v := Verify{Service: "s3", S3: true, Now: testNow}
	if err := a.Verify(r, "secret", v); err != nil {
		t.Error(err)
	}
	r.ContentLength = 5
	if err := a.Verify(r, "secret", v); err == nil {
		t.Error("another length was accepted")
	}
}

func TestParseForms(t *testing.T) {
	tests := []struct {
		name, uri, authorization string
		want                     Auth
	}{
		{"anonymous", "/", "", Auth{}},
		{"empty header", "/", " ", Auth{}},
		{"bearer", "/", "bearer  t0ken ", Auth{Form: Bearer, Token: "t0ken"}},
		{"absolute", "http://proxy/?AWSAccessKeyId=A&Signature=s%2B&Expires=10", "", Auth{Form: PresignedV2, AccessKeyID: "A", Signature: "s+"}},
		{"absolute without path", "http://proxy?AWSAccessKeyId=A&Signature=s&Expires=10", "", Auth{Form: PresignedV2, AccessKeyID: "A", Signature: "s"}},
	}
	for _, tt := range tests {
		r := &http.Request{Method: http.MethodGet, RequestURI: tt.uri, Header: http.Header{}}
		if tt.authorization != "" {
			r.Header.Set("Authorization", tt.authorization)
		}
		a, err := Parse(r)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		got := Auth{Form: a.Form, AccessKeyID: a.AccessKeyID, Signature: a.Signature, Token: a.Token}
		if got.Form != tt.want.Form || got.AccessKeyID != tt.want.AccessKeyID || got.Signature != tt.want.Signature || got.Token != tt.want.Token {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func TestKeys(t *testing.T) {
	keys := NewKeys(4)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 200 {
				s := Scope{"20260102", fmt.Sprintf("region-%d", i%20), "s3"}
				if got, want := keys.key("A", "secret", s), deriveKey("secret", s); *got != *want {
					t.Errorf("key of %v is wrong", s)
				}
			}
		})
	}
	wg.Wait()
	if n := len(keys.young) + len(keys.old); n > 8 {
		t.Errorf("%d keys are held, at most 8 are allowed", n)
	}
	s := Scope{"20260102", "us-east-1", "s3"}
	first := keys.key("A", "secret", s)
	if keys.key("A", "secret", s) != first {
		t.Error("the key was derived again")
	}
	if *keys.key("A", "rotated", s) == *first {
		t.Error("a rotated secret has the old key")
	}
}

func BenchmarkVerify(b *testing.B) {
	raw := "POST / HTTP/1.1\nHost: localhost:4566\nContent-Type: application/x-amz-json-1.0\nX-Amz-Target: AmazonSQS.SendMessage\nUser-Agent: Boto3/1.43\nAccept-Encoding: identity\nAmz-Sdk-Request: attempt=1\n\n"
	r := request(b, raw)
	Sign(r, testCred, "sqs", "us-east-1", testNow, "")
	for name, keys := range map[string]*Keys{"cached": NewKeys(100), "uncached": nil} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			v := Verify{Service: "sqs", Now: testNow, Keys: keys, BodyHash: func() (string, error) { return EmptyHash, nil }}
			for b.Loop() {
				a, err := Parse(r)
				if err != nil {
					b.Fatal(err)
				}
				if err := a.Verify(r, testCred.SecretAccessKey, v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerifyPresigned(b *testing.B) {
	u := Presign(httptest.NewRequest(http.MethodGet, "http://localhost/bucket/key/with/some/length?response-content-type=text%2Fplain", nil),
		testCred, "s3", "us-east-1", testNow, time.Hour)
	r := httptest.NewRequest(http.MethodGet, u, nil)
	v := Verify{Service: "s3", S3: true, Now: testNow, Keys: NewKeys(100)}
	b.ReportAllocs()
	for b.Loop() {
		a, err := Parse(r)
		if err != nil {
			b.Fatal(err)
		}
		if err := a.Verify(r, testCred.SecretAccessKey, v); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("/?a=b", "AWS4-HMAC-SHA256 Credential=A/20260102/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00", "20260102T030405Z", "UNSIGNED-PAYLOAD")
	f.Add("/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=A%2F20260102%2Fr%2Fs3%2Faws4_request&X-Amz-Date=20260102T030405Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=00&x-amz-acl=p", "", "", "")
	f.Add("/k?AWSAccessKeyId=A&Signature=b&Expires=1&x-amz-acl=p&content-type=t", "", "", "")
	f.Add("http://h?x", "AWS A:b", "Tue, 27 Mar 2007 19:36:42 +0000", "")
	f.Add("*", "Bearer x", "", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
	f.Fuzz(func(t *testing.T, uri, authorization, date, payload string) {
		r := &http.Request{Method: http.MethodGet, RequestURI: uri, Host: "h", Header: http.Header{}, Body: http.NoBody}
		if uri == "" {
			r.RequestURI = "/"
		}
		for name, v := range map[string]string{"Authorization": authorization, "X-Amz-Date": date, "X-Amz-Content-Sha256": payload} {
			if v != "" {
				r.Header[name] = []string{v}
			}
		}
		a, err := Parse(r)
		if err != nil {
			if as(KindS3, err) == "" || as(KindJSON, err) == "" {
				t.Fatalf("no code: %v", err)
			}
			return
		}
		for _, s3 := range []bool{true, false} {
			v := Verify{Service: a.Scope.Service, S3: s3, Clean: true, Now: a.Date}
			if a.Verify(r, "a secret that nobody signs with", v) == nil {
				t.Fatalf("accepted: %+v", a)
			}
		}
		if b, err := NewBody(r, a, BodyOptions{}); err == nil {
			if _, err := io.Copy(io.Discard, b); err == nil && a.Payload.Kind == PayloadSignedChunks {
				t.Fatal("a signed body without a signature was accepted")
			}
		}
	})
}
