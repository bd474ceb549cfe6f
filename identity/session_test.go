package identity

import (
	"context"
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/internal/id"
	"github.com/gigawatt-cloud/gigawatt/kv/memkv"
)

var testNow = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

const testAccount = "123456789012"

func newTestStore(t testing.TB) *Store {
	t.Helper()
	db := memkv.New()
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return New(db, &[32]byte{1, 2, 3})
}

func testSession() *Session {
	return &Session{
		Type: policy.AssumedRole, Account: testAccount, ARN: "arn:aws:sts::123456789012:assumed-role/R/s", UserID: "AROA1:s",
		RoleARN: "arn:aws:iam::123456789012:role/R", SessionName: "s", SourceIdentity: "alice", Tags: map[string]string{"a": "1"},
		TransitiveKeys: []string{"a"}, Issued: testNow, Expires: testNow.Add(time.Hour), MFA: testNow.Add(-time.Minute),
		Limits: &policy.SessionLimits{Documents: []string{"{}"}, Managed: []string{"arn:x"}},
	}
}

func TestSessionTokenHoldsEverything(t *testing.T) {
	s, ctx := newTestStore(t), context.Background()
	x := testSession()
	token, err := s.Issue(id.Seeded(1), x)
	if err != nil {
		t.Fatal(err)
	}
	cred, err := s.Credential(ctx, x.AccessKeyID, token, testNow.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	age := 2 * time.Minute
	want := &policy.Principal{
		Type: policy.AssumedRole, AccountID: testAccount, ARN: x.ARN, UserID: x.UserID, RoleARN: x.RoleARN, SessionName: "s",
		SourceIdentity: "alice", Tags: x.Tags, AccessKeyID: x.AccessKeyID, IssuedAt: testNow, MFAAge: &age, Limits: x.Limits,
	}
	if diff := cmp.Diff(want, cred.Principal); diff != "" {
		t.Errorf("principal (-want +got):\n%s", diff)
	}
	if cred.Secret != x.Secret || len(cred.Secret) != 40 {
		t.Errorf("secret %q, want %q", cred.Secret, x.Secret)
	}
	// Another replica knows the session by the master key alone.
	if _, err := newTestStore(t).Credential(ctx, x.AccessKeyID, token, testNow); err != nil {
		t.Errorf("on another replica: %v", err)
	}
}

func TestSessionIsRefused(t *testing.T) {
	s, ctx := newTestStore(t), context.Background()
	x, y := testSession(), testSession()
	token, err := s.Issue(id.Seeded(1), x)
	if err != nil {
		t.Fatal(err)
	}
	other, err := s.Issue(id.Seeded(2), y)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	sealed[20] ^= 1
	for name, tc := range map[string]struct {
		key, token string
		at         time.Time
		want       error
	}{
		"no token":         {x.AccessKeyID, "", testNow, ErrUnknownKey},
		"no base64":        {x.AccessKeyID, "?", testNow, ErrInvalidToken},
		"another's token":  {x.AccessKeyID, other, testNow, ErrInvalidToken},
		"a changed token":  {x.AccessKeyID, base64.StdEncoding.EncodeToString(sealed), testNow, ErrInvalidToken},
		"expired":          {x.AccessKeyID, token, testNow.Add(time.Hour), ErrExpiredToken},
		"a long-lived key": {"AKIA" + x.AccessKeyID[4:], token, testNow, ErrInvalidToken},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 { // the second time from the cache
				if _, err := s.Credential(ctx, tc.key, tc.token, tc.at); !errors.Is(err, tc.want) {
					t.Errorf("error %v, want %v", err, tc.want)
				}
			}
		})
	}
	if _, err := s.Credential(ctx, x.AccessKeyID, token, testNow); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Credential(ctx, y.AccessKeyID, token, testNow); !errors.Is(err, ErrInvalidToken) {
		t.Errorf("a token that was opened before, with another key: %v", err)
	}
}

func FuzzSession(f *testing.F) {
	s := newTestStore(f)
	x := testSession()
	token, err := s.Issue(id.Seeded(1), x)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Add("")
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, in string) {
		if got, err := s.openSession(x.AccessKeyID, in); err == nil && got.ARN != x.ARN {
			t.Errorf("%q opened to %+v", in, got)
		}
	})
}

func TestMessageRoundTrip(t *testing.T) {
	s := newTestStore(t)
	m, err := s.EncodeMessage([]byte(`{"allowed":false}`))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.DecodeMessage(m); err != nil || string(got) != `{"allowed":false}` {
		t.Errorf("DecodeMessage = %q, %v", got, err)
	}
	for _, bad := range []string{"", "x", m[:len(m)-2], "AAAA" + m} {
		if got, err := s.DecodeMessage(bad); !errors.Is(err, ErrInvalidToken) {
			t.Errorf("DecodeMessage(%q) = %q, %v", bad, got, err)
		}
	}
}
