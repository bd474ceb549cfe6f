package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/internal/id"
	"github.com/gigawatt-cloud/gigawatt/kv"
)

const allowSQS = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:*","Resource":"*"}]}`

func update(t testing.TB, s *Store, fns ...func(tx *kv.Tx) error) {
	t.Helper()
	err := s.db.Update(context.Background(), func(tx *kv.Tx) error {
		for _, fn := range fns {
			if err := fn(tx); err != nil {
				return err
			}
		}
		return Touch(tx, testAccount)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func bob() *User {
	return &User{Entity: Entity{Path: "/dev/", Name: "Bob", ID: "AIDAAAAAAAAAAAAAABOB"}}
}

func role() *Role { return &Role{Entity: Entity{Path: "/", Name: "R", ID: "AROAR"}, Trust: allowSQS} }

func principalOf(u *User) *policy.Principal {
	return &policy.Principal{Type: policy.User, AccountID: testAccount, UserID: u.ID, UserName: u.Name, ARN: Users.ARN(testAccount, u)}
}

func sources(list []policy.Source) []string {
	var out []string
	for _, s := range list {
		out = append(out, s.ID)
	}
	slices.Sort(out)
	return out
}

func TestPoliciesOfUser(t *testing.T) {
	s, ctx := newTestStore(t), context.Background()
	u, g := bob(), &Group{Entity: Entity{Path: "/", Name: "G", ID: "AGPAG"}}
	p := &Policy{Entity: Entity{Path: "/", Name: "P", ID: "ANPAP"}, Default: "v1", Versions: []Version{{ID: "v1", Document: allowSQS}}}
	pARN, s3ARN := "arn:aws:iam::123456789012:policy/P", "arn:aws:iam::aws:policy/AmazonS3FullAccess"
	u.Boundary = pARN
	update(t, s,
		func(tx *kv.Tx) error { return Users.Create(tx, testAccount, u) },
		func(tx *kv.Tx) error { return Groups.Create(tx, testAccount, g) },
		func(tx *kv.Tx) error { return Policies.Create(tx, testAccount, p) },
		func(tx *kv.Tx) error { return Members.Put(tx, &g.ID, testAccount, u.ID, g.ID) },
		func(tx *kv.Tx) error {
			return Inlines.Put(tx, &Inline{Name: "I", Document: allowSQS}, testAccount, u.ID, "i")
		},
		func(tx *kv.Tx) error { return Attached.Put(tx, &pARN, testAccount, u.ID, p.ID) },
		func(tx *kv.Tx) error { return Attached.Put(tx, &s3ARN, testAccount, g.ID, "ANPAS3") },
	)
	set, err := s.Policies(ctx, principalOf(u))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{pARN, s3ARN, "inline:user/Bob/I"}, sources(set.Identity)); diff != "" {
		t.Errorf("identity policies (-want +got):\n%s", diff)
	}
	if set.Boundary == nil || set.Boundary.ID != pARN || set.HasSession {
		t.Errorf("boundary %v, session %v", set.Boundary, set.HasSession)
	}
	again, err := s.Policies(ctx, principalOf(u))
	if err != nil || again != set {
		t.Errorf("an unchanged account was read again: %v", err)
	}
	update(t, s, func(tx *kv.Tx) error { return Members.Delete(tx, testAccount, u.ID, g.ID) })
	if set, err = s.Policies(ctx, principalOf(u)); err != nil || len(set.Identity) != 2 {
		t.Errorf("after leaving the group: %v, %v", set, err)
	}
}

func TestPoliciesOfSession(t *testing.T) {
	s, ctx := newTestStore(t), context.Background()
	r := role()
	update(t, s,
		func(tx *kv.Tx) error { return Roles.Create(tx, testAccount, r) },
		func(tx *kv.Tx) error {
			return Inlines.Put(tx, &Inline{Name: "I", Document: allowSQS}, testAccount, r.ID, "i")
		})
	p := testSession().Principal(testNow)
	p.UserID, p.Limits = "AROAR:s", &policy.SessionLimits{
		Documents: []string{allowSQS}, Managed: []string{"arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::123456789012:policy/gone"},
	}
	set, err := s.Policies(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	if !set.HasSession || len(set.Session) != 2 || len(set.Identity) != 1 {
		t.Errorf("set %+v", set)
	}
	// A role of the same name that is made later is another role.
	update(t, s, func(tx *kv.Tx) error { return Roles.Delete(tx, testAccount, r) },
		func(tx *kv.Tx) error {
			n := role()
			n.ID = "AROAOTHER"
			return Roles.Create(tx, testAccount, n)
		},
		func(tx *kv.Tx) error {
			return Inlines.Put(tx, &Inline{Name: "I", Document: allowSQS}, testAccount, "AROAOTHER", "i")
		})
	p.Limits = nil
	if set, err = s.Policies(ctx, p); err != nil || len(set.Identity) != 0 {
		t.Errorf("a session of a deleted role has %v, %v", set, err)
	}
}

func TestPoliciesOfFederatedUser(t *testing.T) {
	s := newTestStore(t)
	p := &policy.Principal{
		Type: policy.FederatedUser, AccountID: testAccount, UserID: testAccount + ":fed", UserARN: RootARN(testAccount), Limits: &policy.SessionLimits{},
	}
	set, err := s.Policies(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	if !set.HasSession || len(set.Session) != 0 || len(set.Identity) != 1 {
		t.Errorf("set %+v", set)
	}
}

func TestEnsureRoot(t *testing.T) {
	s, ctx := newTestStore(t), context.Background()
	key, secret, err := s.EnsureRoot(ctx, testAccount, testNow)
	if err != nil {
		t.Fatal(err)
	}
	cred, err := s.Credential(ctx, key, "", testNow)
	if err != nil || cred.Secret != secret || cred.Principal.Type != policy.Root {
		t.Fatalf("credential %+v, %v", cred, err)
	}
	if k, sec, err := s.EnsureRoot(ctx, testAccount, testNow); err != nil || k != key || sec != secret {
		t.Errorf("the second start has another key: %s, %v", k, err)
	}
	update(t, s, func(tx *kv.Tx) error {
		k, err := Keys.Get(tx, key)
		if err != nil {
			return err
		}
		k.Active = false
		return PutKey(tx, k)
	})
	if _, err := s.Credential(ctx, key, "", testNow); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("an inactive key: %v", err)
	}
	if k, _, err := s.EnsureRoot(ctx, testAccount, testNow); err != nil || k == key {
		t.Errorf("with its only key inactive the root gets %s, %v", k, err)
	}
}

func TestRenameKeepsWhatHangsOnTheID(t *testing.T) {
	s, ctx := newTestStore(t), context.Background()
	u := bob()
	update(t, s, func(tx *kv.Tx) error { return Users.Create(tx, testAccount, u) })
	update(t, s, func(tx *kv.Tx) error { return Users.Rename(tx, testAccount, u, "ROB") })
	err := s.db.View(ctx, func(tx *kv.Tx) error {
		got, err := Users.ByID(tx, testAccount, "AIDAAAAAAAAAAAAAABOB")
		if err != nil || got.Name != "ROB" {
			t.Errorf("by id: %v, %v", got, err)
		}
		if _, err := Users.Find(tx, testAccount, "Bob"); !errors.Is(err, kv.ErrNotFound) {
			t.Errorf("the old name: %v", err)
		}
		if _, err := Roles.ByID(tx, testAccount, "AIDAAAAAAAAAAAAAABOB"); !errors.Is(err, kv.ErrNotFound) {
			t.Errorf("a user's id as a role: %v", err)
		}
		n, err := Users.Count(tx, testAccount)
		if n != 1 {
			t.Errorf("%d users", n)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	err = s.db.Update(ctx, func(tx *kv.Tx) error {
		return Users.Create(tx, testAccount, &User{Entity: Entity{Name: "rob", ID: "AIDA2"}})
	})
	if !errors.Is(err, ErrExists) {
		t.Errorf("the same name in another case: %v", err)
	}
	a, err := s.ARNOf(ctx, testAccount, KindUser, "rob")
	if want := "arn:aws:iam::123456789012:user/dev/ROB"; err != nil || a != want {
		t.Errorf("ARNOf = %s, %v; want %s", a, err, want)
	}
}

func TestTrustFollowsThePrincipalNotItsName(t *testing.T) {
	s, ctx := newTestStore(t), context.Background()
	u, r := bob(), role()
	doc := func(arns string) string {
		return fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":%s},"Action":"sts:AssumeRole"}}`, arns)
	}
	bobARN := "arn:aws:iam::123456789012:user/dev/Bob"
	r.Trust = doc(`["` + bobARN + `","arn:aws:iam::999999999999:role/elsewhere"]`)
	update(t, s, func(tx *kv.Tx) error { return Users.Create(tx, testAccount, u) }, func(tx *kv.Tx) error {
		parsed, err := policy.Parse([]byte(r.Trust), policy.Trust)
		if err != nil {
			return err
		}
		if r.Trusted, err = ResolvePrincipals(tx, parsed); err != nil {
			return err
		}
		return Roles.Create(tx, testAccount, r)
	})
	check := func(when string, p *policy.Principal, want policy.Effect, text string) {
		t.Helper()
		err := s.db.View(ctx, func(tx *kv.Tx) error {
			_, src, err := s.TrustPolicy(tx, "arn:aws:iam::123456789012:role/R")
			if err != nil {
				return err
			}
			d := policy.Evaluate(&policy.Request{
				Principal: p, Need: policy.Need{Action: "sts:AssumeRole", Resource: "arn:aws:iam::123456789012:role/R", ResourceAccount: testAccount},
			}, &policy.Set{Resource: []policy.Source{src}})
			if d.Effect != want {
				t.Errorf("%s: %v, want %v", when, d.Effect, want)
			}
			got, err := TrustText(tx, r)
			if got != text {
				t.Errorf("%s the policy reads %s, want %s", when, got, text)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	check("at first", principalOf(u), policy.Allow, r.Trust)
	moved := func(arn string) string {
		return `{"Statement":{"Action":"sts:AssumeRole","Effect":"Allow","Principal":{"AWS":["` + arn +
			`","arn:aws:iam::999999999999:role/elsewhere"]}},"Version":"2012-10-17"}`
	}
	update(t, s, func(tx *kv.Tx) error { return Users.Rename(tx, testAccount, u, "Rob") })
	check("renamed", principalOf(u), policy.Allow, moved("arn:aws:iam::123456789012:user/dev/Rob"))
	other := bob()
	other.ID = "AIDAAAAAAAAAAAAOTHER"
	update(t, s, func(tx *kv.Tx) error { return Users.Delete(tx, testAccount, u) },
		func(tx *kv.Tx) error { return Users.Create(tx, testAccount, other) })
	check("for another Bob", principalOf(other), policy.ImplicitDeny, moved("AIDAAAAAAAAAAAAAABOB"))
	err := s.db.View(ctx, func(tx *kv.Tx) error {
		parsed, err := policy.Parse([]byte(doc(`"arn:aws:iam::123456789012:user/dev/nobody"`)), policy.Trust)
		if err != nil {
			return err
		}
		_, err = ResolvePrincipals(tx, parsed)
		return err
	})
	var syntax *policy.SyntaxError
	if !errors.As(err, &syntax) {
		t.Errorf("a user that does not exist: %v", err)
	}
}

func TestUsedIsNotedOnceInAWhile(t *testing.T) {
	s, ctx := newTestStore(t), context.Background()
	u := bob()
	update(t, s, func(tx *kv.Tx) error { return Users.Create(tx, testAccount, u) },
		func(tx *kv.Tx) error { return PutKey(tx, &Key{ID: "K", Account: testAccount, UserID: u.ID}) })
	p := principalOf(u)
	p.AccessKeyID = "K"
	for _, at := range []time.Duration{0, useEvery - 1, useEvery} {
		if err := s.Used(ctx, p, "s3", "eu-west-1", testNow.Add(at)); err != nil {
			t.Fatal(err)
		}
		var got *Use
		err := s.db.View(ctx, func(tx *kv.Tx) (err error) {
			got, err = KeyUse(tx, "K")
			return err
		})
		want := &Use{Time: testNow, Service: "s3", Region: "eu-west-1"}
		if at == useEvery {
			want.Time = testNow.Add(at)
		}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("after %v (-want +got): %v\n%s", at, err, diff)
		}
	}
	update(t, s, func(tx *kv.Tx) error { return DropUses(tx, testAccount, u.ID) })
	err := s.db.View(ctx, func(tx *kv.Tx) error {
		list, err := ServiceUses(tx, testAccount, u.ID)
		if len(list) != 0 {
			t.Errorf("left after the user was deleted: %v", list)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestMFACodeWorksOnce(t *testing.T) {
	s, ctx := newTestStore(t), context.Background()
	seed := []byte("12345678901234567890")
	d := &MFADevice{Entity: Entity{Path: "/", Name: "phone", ID: "MFA1"}, UserID: "AIDAAAAAAAAAAAAAABOB", Enabled: testNow}
	var err error
	if d.Seed, err = s.SealSeed(d.ID, seed); err != nil {
		t.Fatal(err)
	}
	update(t, s, func(tx *kv.Tx) error { return MFADevices.Create(tx, testAccount, d) })
	serial := MFADevices.ARN(testAccount, d)
	code := TOTP(seed, testNow.Unix()/totpStep)
	use := func(user, serial, code string, at time.Time) error {
		return s.db.Update(ctx, func(tx *kv.Tx) error { return s.UseMFA(tx, testAccount, user, serial, code, at) })
	}
	for _, tc := range []struct {
		name               string
		user, serial, code string
		at                 time.Time
		want               error
	}{
		{"another user", "AIDA2", serial, code, testNow, ErrMFA},
		{"another device", "AIDAAAAAAAAAAAAAABOB", serial + "x", code, testNow, ErrMFA},
		{"too late", "AIDAAAAAAAAAAAAAABOB", serial, code, testNow.Add(time.Minute), ErrMFA},
		{"right", "AIDAAAAAAAAAAAAAABOB", serial, code, testNow, nil},
		{"again", "AIDAAAAAAAAAAAAAABOB", serial, code, testNow, ErrMFA},
		{"next", "AIDAAAAAAAAAAAAAABOB", serial, TOTP(seed, testNow.Unix()/totpStep+1), testNow, nil},
	} {
		if err := use(tc.user, tc.serial, tc.code, tc.at); !errors.Is(err, tc.want) || tc.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
	}
}

func TestManagedPolicies(t *testing.T) {
	list := AWSManaged()
	if len(list) < 300 {
		t.Errorf("%d policies", len(list))
	}
	for i := range list {
		p := &list[i]
		if _, err := policy.Parse([]byte(p.Document()), policy.Identity); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
		if awsManaged(Policies.ARN(AWSAccount, p)) != p || !IsAWSManaged(p) {
			t.Errorf("%s%s is not found by its ARN", p.Path, p.Name)
		}
	}
	allows := func(name, action, resource string) bool {
		p := awsManaged("arn:aws:iam::aws:policy/" + name)
		if p == nil {
			t.Fatalf("no policy %s", name)
		}
		src, err := compile(name, p.Document(), policy.Identity)
		if err != nil {
			t.Fatal(err)
		}
		d := policy.Evaluate(&policy.Request{
			Principal: principalOf(bob()), Need: policy.Need{Action: action, Resource: resource},
		}, &policy.Set{Identity: []policy.Source{*src}})
		return d.Allowed()
	}
	for _, tc := range []struct {
		name, action string
		want         bool
	}{
		{"AdministratorAccess", "iam:CreateUser", true},
		{"PowerUserAccess", "iam:CreateUser", false},
		{"PowerUserAccess", "sqs:CreateQueue", true},
		{"PowerUserAccess", "iam:CreateServiceLinkedRole", true},
		{"ReadOnlyAccess", "s3:GetObject", true},
		{"ReadOnlyAccess", "secretsmanager:GetSecretValue", false},
		{"ReadOnlyAccess", "kms:Decrypt", false},
		{"job-function/ViewOnlyAccess", "s3:GetObject", false},
		{"job-function/ViewOnlyAccess", "s3:ListAllMyBuckets", true},
		{"SecurityAudit", "s3:GetObject", false},
		{"SecurityAudit", "s3:GetBucketPolicy", true},
		{"IAMReadOnlyAccess", "iam:GetRole", true},
		{"IAMReadOnlyAccess", "iam:DeleteRole", false},
		{"AmazonS3ReadOnlyAccess", "s3:PutObject", false},
		{"AmazonSQSReadOnlyAccess", "sqs:ReceiveMessage", false},
		{"service-role/AWSLambdaBasicExecutionRole", "logs:PutLogEvents", true},
		{"service-role/AWSLambdaBasicExecutionRole", "s3:GetObject", false},
		{"AWSDenyAll", "s3:GetObject", false},
	} {
		if got := allows(tc.name, tc.action, "*"); got != tc.want {
			t.Errorf("%s allows %s: %v, want %v", tc.name, tc.action, got, tc.want)
		}
	}
}

func TestPassNeed(t *testing.T) {
	want := policy.Need{
		Action: "iam:PassRole", Resource: "arn:aws:iam::123456789012:role/a/R", ResourceAccount: testAccount,
		Context: policy.Context{"iam:passedtoservice": {"lambda.amazonaws.com"}},
	}
	if diff := cmp.Diff(want, PassNeed("arn:aws:iam::123456789012:role/a/R", "lambda.amazonaws.com")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := PassNeed("R", "x"); got.Resource != "R" {
		t.Errorf("no ARN: %+v", got)
	}
}

func BenchmarkPolicies(b *testing.B) {
	s, ctx := newTestStore(b), context.Background()
	r := role()
	update(b, s, func(tx *kv.Tx) error { return Roles.Create(tx, testAccount, r) })
	p := testSession().Principal(testNow)
	p.UserID, p.Limits = "AROAR:s", &policy.SessionLimits{Documents: []string{allowSQS}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Policies(ctx, p); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCredential(b *testing.B) {
	s, ctx := newTestStore(b), context.Background()
	key, _, err := s.EnsureRoot(ctx, testAccount, testNow)
	if err != nil {
		b.Fatal(err)
	}
	x := testSession()
	token, err := s.Issue(id.Seeded(1), x)
	if err != nil {
		b.Fatal(err)
	}
	for name, c := range map[string][2]string{"long-lived": {key, ""}, "temporary": {x.AccessKeyID, token}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Credential(ctx, c[0], c[1], testNow); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
