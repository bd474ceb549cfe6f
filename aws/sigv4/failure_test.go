package sigv4

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	testNow  = at("20260102T030405Z")
	testCred = Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}
)

func signedGet(service string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://localhost/a/b?x=1", nil)
	Sign(r, testCred, service, "us-east-1", testNow, "")
	return r
}

func presignedGet(tb testing.TB, service string, edit func(string) string) *http.Request {
	tb.Helper()
	u := Presign(httptest.NewRequest(http.MethodGet, "http://localhost/a/b", nil), testCred, service, "us-east-1", testNow, time.Hour)
	return httptest.NewRequest(http.MethodGet, edit(u), nil)
}

func as(kind Kind, err error) string {
	var f *Failure
	if !errors.As(err, &f) {
		return "not a failure: " + err.Error()
	}
	return f.AWS(kind).Code
}

// auth changes the Authorization header.
func auth(old, changed string) func(*http.Request, *Verify) {
	return func(r *http.Request, _ *Verify) {
		h := r.Header.Get("Authorization")
		if !strings.Contains(h, old) {
			panic("nothing to change")
		}
		r.Header.Set("Authorization", strings.Replace(h, old, changed, 1))
	}
}

// header sets a header, or removes it when the value is empty.
func header(name, value string) func(*http.Request, *Verify) {
	return func(r *http.Request, _ *Verify) {
		if value == "" {
			r.Header.Del(name)
		} else {
			r.Header.Set(name, value)
		}
	}
}

// TestHeaderTwins changes one thing in a good Version 4 header, and says how
// S3, a query service and a JSON service name it.
func TestHeaderTwins(t *testing.T) {
	tests := []struct {
		name string
		twin func(*http.Request, *Verify)
		want [3]string // S3, query, JSON
	}{
		{"nothing", func(*http.Request, *Verify) {}, [3]string{"", "", ""}},
		{"no authorization", header("Authorization", ""), [3]string{"AccessDenied", "MissingAuthenticationToken", "MissingAuthenticationTokenException"}},
		{"unknown scheme", header("Authorization", "Basic abc"), [3]string{"InvalidArgument", "IncompleteSignature", "IncompleteSignatureException"}},
		{"control character", header("Authorization", "\x07"), [3]string{"InvalidArgument", "IncompleteSignature", "IncompleteSignatureException"}},
		{"version 4A", auth("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), [3]string{"InvalidRequest", "IncompleteSignature", "IncompleteSignatureException"}},
		{"bearer", header("Authorization", "Bearer abc"), [3]string{"InvalidRequest", "IncompleteSignature", "IncompleteSignatureException"}},
		{"empty bearer", header("Authorization", "Bearer "), [3]string{"InvalidArgument", "IncompleteSignature", "IncompleteSignatureException"}},
		{"two headers", func(r *http.Request, _ *Verify) { r.Header.Add("Authorization", "AWS a:b") }, [3]string{"InvalidArgument", "IncompleteSignature", "IncompleteSignatureException"}},
		{"query too", func(r *http.Request, _ *Verify) { r.RequestURI += "&X-Amz-Algorithm=AWS4-HMAC-SHA256" }, [3]string{"InvalidArgument", "IncompleteSignature", "IncompleteSignatureException"}},
		{"no credential", auth("Credential=", "Credentials="), [3]string{"AuthorizationHeaderMalformed", "IncompleteSignature", "IncompleteSignatureException"}},
		{"no signature", auth(", Signature=", ", Sig="), [3]string{"AuthorizationHeaderMalformed", "IncompleteSignature", "IncompleteSignatureException"}},
		{"no signed headers", auth("SignedHeaders=", "SignedHeaders"), [3]string{"AuthorizationHeaderMalformed", "IncompleteSignature", "IncompleteSignatureException"}},
		{"twice", auth("Signature=", "Signature=x, Signature="), [3]string{"AuthorizationHeaderMalformed", "IncompleteSignature", "IncompleteSignatureException"}},
		{"slash in key", auth("AKIDEXAMPLE", "AKID/EXAMPLE"), [3]string{"AuthorizationHeaderMalformed", "IncompleteSignature", "IncompleteSignatureException"}},
		{"no key", auth("AKIDEXAMPLE", ""), [3]string{"AuthorizationHeaderMalformed", "IncompleteSignature", "IncompleteSignatureException"}},
		{"short scope", auth("/us-east-1", ""), [3]string{"AuthorizationHeaderMalformed", "IncompleteSignature", "IncompleteSignatureException"}},
		{"terminator", auth("aws4_request", "aws4_reque"), [3]string{"AuthorizationHeaderMalformed", "SignatureDoesNotMatch", "InvalidSignatureException"}},
		{"scope date", auth("/20260102/", "/20260103/"), [3]string{"AuthorizationHeaderMalformed", "SignatureDoesNotMatch", "InvalidSignatureException"}},
		{"scope date form", auth("/20260102/", "/2026-1-2/"), [3]string{"AuthorizationHeaderMalformed", "SignatureDoesNotMatch", "InvalidSignatureException"}},
		{"service", func(_ *http.Request, v *Verify) { v.Service = "other" }, [3]string{"AuthorizationHeaderMalformed", "SignatureDoesNotMatch", "InvalidSignatureException"}},
		{"region", func(_ *http.Request, v *Verify) { v.Region = "eu-west-1" }, [3]string{"AuthorizationHeaderMalformed", "SignatureDoesNotMatch", "InvalidSignatureException"}},
		{"no date", header("X-Amz-Date", ""), [3]string{"AccessDenied", "IncompleteSignature", "IncompleteSignatureException"}},
		{"bad date", header("X-Amz-Date", "yesterday"), [3]string{"AccessDenied", "IncompleteSignature", "IncompleteSignatureException"}},
		{"late", func(_ *http.Request, v *Verify) { v.Now = v.Now.Add(16 * time.Minute) }, [3]string{"RequestTimeTooSkewed", "SignatureDoesNotMatch", "InvalidSignatureException"}},
		{"early", func(_ *http.Request, v *Verify) { v.Now = v.Now.Add(-16 * time.Minute) }, [3]string{"RequestTimeTooSkewed", "SignatureDoesNotMatch", "InvalidSignatureException"}},
		{"six minutes", func(_ *http.Request, v *Verify) { v.Now = v.Now.Add(6 * time.Minute) }, [3]string{"", "SignatureDoesNotMatch", "InvalidSignatureException"}},
		{"host not signed", auth("host;", ""), [3]string{"AccessDenied", "SignatureDoesNotMatch", "InvalidSignatureException"}},
		{"capital", auth("=host;", "=Host;"), [3]string{"AuthorizationHeaderMalformed", "IncompleteSignature", "IncompleteSignatureException"}},
		{"added header", header("X-Amz-Acl", "public-read"), [3]string{"AccessDenied", "", ""}},
		{"signature", func(r *http.Request, _ *Verify) {
			h := r.Header.Get("Authorization")
			i := strings.Index(h, "Signature=") + len("Signature=")
			r.Header.Set("Authorization", h[:i]+strings.Repeat("0", 64))
		}, [3]string{"SignatureDoesNotMatch", "SignatureDoesNotMatch", "InvalidSignatureException"}},
		{"short signature", auth(" Signature=", " Signature=0"), [3]string{"SignatureDoesNotMatch", "SignatureDoesNotMatch", "InvalidSignatureException"}},
		{"query", func(r *http.Request, _ *Verify) { r.RequestURI += "&y=2" }, [3]string{"SignatureDoesNotMatch", "SignatureDoesNotMatch", "InvalidSignatureException"}},
		{"host", func(r *http.Request, _ *Verify) { r.Host = "elsewhere" }, [3]string{"SignatureDoesNotMatch", "SignatureDoesNotMatch", "InvalidSignatureException"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got [3]string
			for i, kind := range []Kind{KindS3, KindQuery, KindJSON} {
				service := map[Kind]string{KindS3: "s3"}[kind]
				if service == "" {
					service = "sqs"
				}
				r, v := signedGet(service), Verify{Service: service, S3: kind == KindS3, Now: testNow}
				tt.twin(r, &v)
				a, err := Parse(r)
				if err == nil {
					err = a.Verify(r, testCred.SecretAccessKey, v)
				}
				if err != nil {
					got[i] = as(kind, err)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("codes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPresignedTwins(t *testing.T) {
	replace := func(old, changed string) func(string) string {
		return func(u string) string {
			if !strings.Contains(u, old) {
				panic("nothing to change: " + u)
			}
			return strings.Replace(u, old, changed, 1)
		}
	}
	tests := []struct {
		name string
		edit func(string) string
		late time.Duration
		want [2]string // S3, JSON
	}{
		{"nothing", func(u string) string { return u }, 0, [2]string{"", ""}},
		{"last second", func(u string) string { return u }, time.Hour, [2]string{"", ""}},
		{"expired", func(u string) string { return u }, time.Hour + time.Second, [2]string{"AccessDenied", "InvalidSignatureException"}},
		{"not yet", func(u string) string { return u }, -16 * time.Minute, [2]string{"AccessDenied", "InvalidSignatureException"}},
		{"longer", replace("Expires=3600", "Expires=7200"), 0, [2]string{"SignatureDoesNotMatch", "InvalidSignatureException"}},
		{"too long", replace("Expires=3600", "Expires=604801"), 0, [2]string{"AuthorizationQueryParametersError", "IncompleteSignatureException"}},
		{"negative", replace("Expires=3600", "Expires=-1"), 0, [2]string{"AuthorizationQueryParametersError", "IncompleteSignatureException"}},
		{"not a number", replace("Expires=3600", "Expires=1h"), 0, [2]string{"AuthorizationQueryParametersError", "IncompleteSignatureException"}},
		{"no expires", replace("&X-Amz-Expires=3600", ""), 0, [2]string{"AuthorizationQueryParametersError", "InvalidSignatureException"}},
		{"no date", replace("X-Amz-Date=", "X-Amz-Dat="), 0, [2]string{"AuthorizationQueryParametersError", "IncompleteSignatureException"}},
		{"bad date", replace("X-Amz-Date=2026", "X-Amz-Date=26"), 0, [2]string{"AuthorizationQueryParametersError", "IncompleteSignatureException"}},
		{"date twice", replace("X-Amz-Date=", "X-Amz-Date=20260102T030405Z&X-Amz-Date="), 0, [2]string{"AuthorizationQueryParametersError", "IncompleteSignatureException"}},
		{"algorithm", replace("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"), 0, [2]string{"AuthorizationQueryParametersError", "IncompleteSignatureException"}},
		{"version 4A", replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), 0, [2]string{"InvalidRequest", "IncompleteSignatureException"}},
		{"credential", replace("%2Fus-east-1", ""), 0, [2]string{"AuthorizationQueryParametersError", "IncompleteSignatureException"}},
		{"terminator", replace("aws4_request", "aws4"), 0, [2]string{"AuthorizationQueryParametersError", "InvalidSignatureException"}},
		{"scope date", replace("%2F20260102", "%2F20260103"), 0, [2]string{"AuthorizationQueryParametersError", "InvalidSignatureException"}},
		{"host not signed", replace("SignedHeaders=host", "SignedHeaders=range"), 0, [2]string{"AccessDenied", "InvalidSignatureException"}},
		{"added parameter", replace("?", "?acl&"), 0, [2]string{"SignatureDoesNotMatch", "InvalidSignatureException"}},
		{"added hoisted header", replace("?", "?x-amz-acl=public-read&"), 0, [2]string{"SignatureDoesNotMatch", "InvalidSignatureException"}},
		{"signature", replace("Signature=", "Signature=00"), 0, [2]string{"SignatureDoesNotMatch", "InvalidSignatureException"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got [2]string
			for i, kind := range []Kind{KindS3, KindJSON} {
				service := [2]string{"s3", "sts"}[i]
				r := presignedGet(t, service, tt.edit)
				a, err := Parse(r)
				if err == nil {
					err = a.Verify(r, testCred.SecretAccessKey, Verify{Service: service, S3: i == 0, Now: testNow.Add(tt.late)})
				}
				if err != nil {
					got[i] = as(kind, err)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("codes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestVersion2Twins(t *testing.T) {
	good := func() *http.Request {
		r := httptest.NewRequest(http.MethodGet, "http://localhost/b/k?acl", nil)
		r.Header.Set("Date", testNow.Format(http.TimeFormat))
		r.Header.Set("Authorization", "AWS AKIDEXAMPLE:"+signV2("secret", "GET\n\n\n"+testNow.Format(http.TimeFormat)+"\n/b/k?acl"))
		return r
	}
	tests := []struct {
		name string
		twin func(*http.Request, *Verify)
		want string
	}{
		{"nothing", func(*http.Request, *Verify) {}, ""},
		{"unsigned parameter", func(r *http.Request, _ *Verify) { r.RequestURI += "&x-id=GetObject" }, ""},
		{"signed parameter", func(r *http.Request, _ *Verify) { r.RequestURI += "&versionId=1" }, "SignatureDoesNotMatch"},
		{"not key:signature", header("Authorization", "AWS HAHAHA"), "InvalidArgument"},
		{"wrong signature", header("Authorization", "AWS AKIDEXAMPLE:FWeDfwojDSdS2Ztmpfeubhd9isU="), "SignatureDoesNotMatch"},
		{"bad date", header("X-Amz-Date", "Bad Date"), "AccessDenied"},
		{"no date", header("Date", ""), "AccessDenied"},
		{"before 1970", header("Date", "Tue, 07 Jul 1950 21:53:04 GMT"), "AccessDenied"},
		{"old date", header("Date", "Tue, 07 Jul 2010 21:53:04 GMT"), "RequestTimeTooSkewed"},
		{"far date", header("Date", "Tue, 07 Jul 9999 21:53:04 GMT"), "RequestTimeTooSkewed"},
		{"added header", header("X-Amz-Acl", "public-read"), "SignatureDoesNotMatch"},
		{"content type", header("Content-Type", "text/plain"), "SignatureDoesNotMatch"},
		{"another bucket", func(_ *http.Request, v *Verify) { v.Bucket = "c" }, "SignatureDoesNotMatch"},
		{"not S3", func(_ *http.Request, v *Verify) { v.S3 = false }, "InvalidRequest"},
	}
	for _, tt := range tests {
		r, v := good(), Verify{Service: "s3", S3: true, Now: testNow}
		tt.twin(r, &v)
		a, err := Parse(r)
		if err == nil {
			err = a.Verify(r, "secret", v)
		}
		got := ""
		if err != nil {
			got = as(KindS3, err)
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	for query, want := range map[string]string{
		"AWSAccessKeyId=A&Signature=b": "AccessDenied", "Signature=b&Expires=1": "AccessDenied",
		"AWSAccessKeyId=A&Signature=b&Expires=soon": "AccessDenied", "AWSAccessKeyId=A&Signature=b&Expires=-1": "AccessDenied",
		"AWSAccessKeyId=A&Signature=b&Expires=1&Expires=2": "AccessDenied",
	} {
		if _, err := Parse(httptest.NewRequest(http.MethodGet, "/b/k?"+query, nil)); err == nil || as(KindS3, err) != want {
			t.Errorf("%s: %v, want %s", query, err, want)
		}
	}
}

// TestAnswers fixes the code and status of each reason in each family.
func TestAnswers(t *testing.T) {
	for r := range reasons {
		for _, kind := range []Kind{KindS3, KindQuery, KindEC2, KindJSON, KindREST} {
			e := (&Failure{Reason: r, Detail: "x"}).AWS(kind)
			if e.Code == "" || e.Status < 400 || e.Status > 499 || e.Message == "" {
				t.Errorf("reason %d in family %d: %+v", r, kind, e)
			}
		}
	}
	a := &Auth{AccessKeyID: "AKID", SessionToken: "tok"}
	tests := []struct {
		r    Reason
		kind Kind
		code string
		stat int
	}{
		{UnknownKey, KindS3, "InvalidAccessKeyId", 403},
		{UnknownKey, KindQuery, "InvalidClientTokenId", 403},
		{UnknownKey, KindEC2, "AuthFailure", 401},
		{UnknownKey, KindJSON, "UnrecognizedClientException", 400},
		{UnknownKey, KindREST, "UnrecognizedClientException", 403},
		{InvalidToken, KindS3, "InvalidToken", 400},
		{ExpiredToken, KindS3, "ExpiredToken", 400},
		{ExpiredToken, KindQuery, "ExpiredToken", 403},
		{ExpiredToken, KindEC2, "RequestExpired", 400},
		{ExpiredToken, KindJSON, "ExpiredTokenException", 400},
		{ExpiredToken, KindREST, "ExpiredTokenException", 403},
		{MissingAuth, KindEC2, "MissingParameter", 400},
		{MissingAuth, KindREST, "MissingAuthenticationTokenException", 403},
		{SignatureMismatch, KindEC2, "AuthFailure", 401},
		{PayloadMismatch, KindJSON, "InvalidSignatureException", 400},
		{MissingLength, KindS3, "MissingContentLength", 411},
		{ChunkTooSmall, KindS3, "InvalidChunkSizeError", 403},
	}
	for _, tt := range tests {
		e := a.Fail(tt.r).AWS(tt.kind)
		if e.Code != tt.code || e.Status != tt.stat {
			t.Errorf("reason %d in family %d: %s %d, want %s %d", tt.r, tt.kind, e.Code, e.Status, tt.code, tt.stat)
		}
	}
	if diff := cmp.Diff(map[string]any{"AWSAccessKeyId": "AKID"}, a.Fail(UnknownKey).AWS(KindS3).Members); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	if m := a.Fail(UnknownKey).AWS(KindJSON).Members; m != nil {
		t.Errorf("JSON has members %v", m)
	}
}

// TestMismatchTells checks that S3's answer holds what a client needs to find
// its mistake.
func TestMismatchTells(t *testing.T) {
	r := signedGet("s3")
	a, err := Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	err = a.Verify(r, "wrong", Verify{Service: "s3", S3: true, Now: testNow})
	var f *Failure
	if !errors.As(err, &f) {
		t.Fatal(err)
	}
	want := "GET\n/a/b\nx=1\nhost:localhost\nx-amz-content-sha256:" + EmptyHash + "\nx-amz-date:20260102T030405Z\n\nhost;x-amz-content-sha256;x-amz-date\n" + EmptyHash
	if diff := cmp.Diff(want, f.Members["CanonicalRequest"]); diff != "" {
		t.Errorf("CanonicalRequest (-want +got):\n%s", diff)
	}
	if s := f.Members["StringToSign"].(string); !strings.HasPrefix(s, "AWS4-HMAC-SHA256\n20260102T030405Z\n20260102/us-east-1/s3/aws4_request\n") {
		t.Errorf("StringToSign %q", s)
	}
	for _, name := range []string{"StringToSignBytes", "CanonicalRequestBytes", "SignatureProvided", "AWSAccessKeyId"} {
		if f.Members[name] == "" || f.Members[name] == nil {
			t.Errorf("no %s", name)
		}
	}
}

func TestBodyHashRules(t *testing.T) {
	post := func() *http.Request {
		r := httptest.NewRequest(http.MethodPost, "http://localhost/", strings.NewReader("body"))
		Sign(r, testCred, "sqs", "us-east-1", testNow, "230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5")
		return r
	}
	failed := errors.New("connection lost")
	tests := []struct {
		name string
		hash func() (string, error)
		want string
	}{
		{"right", func() (string, error) { return "230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5", nil }, ""},
		{"other body", func() (string, error) { return EmptyHash, nil }, "InvalidSignatureException"},
		{"a body nobody hashed", nil, "InvalidSignatureException"},
	}
	for _, tt := range tests {
		r := post()
		a, err := Parse(r)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := a.Verify(r, "secret", Verify{Service: "sqs", Now: testNow, BodyHash: tt.hash}); err != nil {
			got = as(KindJSON, err)
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	r := post()
	a, _ := Parse(r)
	err := a.Verify(r, "secret", Verify{Service: "sqs", Now: testNow, BodyHash: func() (string, error) { return "", failed }})
	if !errors.Is(err, failed) {
		t.Errorf("Verify = %v, want the error of BodyHash", err)
	}
	// S3 needs the header, and knows its values.
	for value, want := range map[string]string{"": "InvalidRequest", "required": "InvalidArgument", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD": "InvalidRequest", strings.Repeat("G", 64): "InvalidArgument"} {
		r := httptest.NewRequest(http.MethodPut, "http://localhost/b/k", bytes.NewReader(nil))
		Sign(r, testCred, "s3", "us-east-1", testNow, "")
		r.Header.Set("X-Amz-Content-Sha256", value)
		if value == "" {
			r.Header.Del("X-Amz-Content-Sha256")
		}
		a, err := Parse(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Verify(r, "secret", Verify{Service: "s3", S3: true, Now: testNow}); err == nil || as(KindS3, err) != want {
			t.Errorf("x-amz-content-sha256 %q: %v, want %s", value, err, want)
		}
	}
}

func drain(b *Body) (string, error) {
	p, err := io.ReadAll(b)
	return string(p), err
}
