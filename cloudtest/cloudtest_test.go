package cloudtest

import (
	"errors"
	"testing"
	"time"
)

func TestScripts(t *testing.T) { Run(t, "testdata/script") }

func TestClient(t *testing.T) {
	c := Start(t, Options{InMemory: true})
	ctx := t.Context()
	var out struct{ Account, Arn string }
	id, err := c.Client().Call(ctx, "sts", "GetCallerIdentity", struct{}{}, &out)
	if err != nil || id == "" || out.Account != c.AccountID {
		t.Fatalf("GetCallerIdentity: %q %+v %v", id, out, err)
	}
	id, err = c.Client().Call(ctx, "iam", "GetUser", map[string]string{"UserName": "nobody"}, nil)
	var e *Error
	if !errors.As(err, &e) || e.Code != "NoSuchEntity" || e.Status != 404 || e.RequestID != id || e.Operation != "GetUser" || e.Message == "" {
		t.Errorf("GetUser: %v", err)
	}
	if _, err = c.Client().Call(ctx, "nothing", "GetUser", nil, nil); err == nil {
		t.Error("a service that AWS does not have is called")
	}
	anonymous := c.Client()
	anonymous.Credentials.AccessKeyID = ""
	if _, err = anonymous.Call(ctx, "iam", "ListUsers", nil, nil); !errors.As(err, &e) || e.Code != "MissingAuthenticationToken" {
		t.Errorf("an anonymous call: %v", err)
	}
}

func TestRestartKeepsTheClock(t *testing.T) {
	c := Start(t, Options{})
	if err := c.Advance(48 * time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := c.Restart(); err != nil {
		t.Fatal(err)
	}
	var out struct{ OffsetSeconds int64 }
	if _, err := c.Client().Call(t.Context(), "gigawatt", "AdvanceClock", map[string]int{"Seconds": 1}, &out); err != nil || out.OffsetSeconds != 48*3600+1 {
		t.Errorf("the clock is %d s ahead, %v", out.OffsetSeconds, err)
	}
}

func TestOpen(t *testing.T) {
	c := Start(t, Options{InMemory: true, Open: true})
	cl := c.Client()
	cl.Credentials.AccessKeyID, cl.Credentials.SecretAccessKey = "123456789012", "anything"
	var out struct{ Account string }
	if _, err := cl.Call(t.Context(), "sts", "GetCallerIdentity", nil, &out); err != nil || out.Account != "123456789012" {
		t.Errorf("the account is %q, %v", out.Account, err)
	}
}
