package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/service"
)

func TestAdmitPayer(t *testing.T) {
	requester, wrong := s3api.RequestPayerRequester, "me"
	for _, tt := range []struct {
		name, payer string
		caller      *policy.Principal
		given       *string
		charged     bool
		code        string
	}{
		{"the owner pays", s3api.PayerBucketOwner, &policy.Principal{AccountID: "222222222222"}, nil, false, ""},
		{"the owner itself", s3api.PayerRequester, &policy.Principal{AccountID: "111111111111"}, nil, false, ""},
		{"a requester that agrees", s3api.PayerRequester, &policy.Principal{AccountID: "222222222222"}, &requester, true, ""},
		{"a requester that says nothing", s3api.PayerRequester, &policy.Principal{AccountID: "222222222222"}, nil, false, "AccessDenied"},
		{"a requester that says something else", s3api.PayerRequester, &policy.Principal{AccountID: "222222222222"}, &wrong, false, "AccessDenied"},
		{"nobody", s3api.PayerRequester, &policy.Principal{Type: policy.Anonymous}, nil, false, "AccessDenied"},
	} {
		s := &Settings{Payer: tt.payer}
		charged, err := s.AdmitPayer(&service.Call{Principal: tt.caller}, "111111111111", tt.given)
		code := ""
		if e := awserr.As(err); e != nil {
			code = e.Code
		}
		if (charged != nil) != tt.charged || code != tt.code {
			t.Errorf("%s: charged %v, %q", tt.name, charged != nil, code)
		}
	}
}

func TestVersionIn(t *testing.T) {
	for line, want := range map[string]string{
		"GET /b/k?versionId=a%2Fb HTTP/1.1":   "a/b",
		"GET /b/k?x=1&versionId=v&y HTTP/1.1": "v",
		"GET /b/versionId=v HTTP/1.1":         "",
		"GET /b/k?versionId=%zz HTTP/1.1":     "",
		"":                                    "",
	} {
		if got := versionIn(line); got != want {
			t.Errorf("%q has version %q, want %q", line, got, want)
		}
	}
}

func TestNamed(t *testing.T) {
	in := &s3api.PutObjectInput{Bucket: "in", Key: "key"}
	for _, tt := range []struct {
		r    service.Reply
		want [2]string
	}{
		{service.Reply{Labels: map[string]string{"Bucket": "b", "Key": "k"}, In: in}, [2]string{"b", "k"}},
		{service.Reply{In: in}, [2]string{"in", "key"}},
		{service.Reply{In: &s3api.ListBucketsInput{}}, [2]string{}},
		{service.Reply{}, [2]string{}},
	} {
		if d := cmp.Diff(tt.want, [2]string{named(&tt.r, "Bucket"), named(&tt.r, "Key")}); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	}
}
