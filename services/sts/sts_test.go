package sts_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/aws/sigv4"
	"github.com/gigawatt-cloud/gigawatt/cloudtest"
)

type obj = map[string]any

const account = "000000000000"

// caller is a principal of a test's cloud.
type caller struct {
	*cloudtest.Client
	t *testing.T
}

func (c caller) call(service, operation string, in obj) obj {
	c.t.Helper()
	var out obj
	if _, err := c.Call(context.Background(), service, operation, in, &out); err != nil {
		c.t.Fatal(err)
	}
	return out
}

// refused calls an operation that has to fail with a code and a part of its sentence.
func (c caller) refused(service, operation string, in obj, code, message string) {
	c.t.Helper()
	_, err := c.Call(context.Background(), service, operation, in, nil)
	var e *cloudtest.Error
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Message, message) {
		c.t.Errorf("%s: %v; want %s with %q", operation, err, code, message)
	}
}

func (c caller) arn() string {
	c.t.Helper()
	return c.call("sts", "GetCallerIdentity", obj{})["Arn"].(string)
}

// with is a caller with the credentials of an answer.
func (c caller) with(out obj) caller {
	cred := out["Credentials"].(obj)
	n := *c.Client
	n.Credentials = sigv4.Credentials{
		AccessKeyID: cred["AccessKeyId"].(string), SecretAccessKey: cred["SecretAccessKey"].(string), SessionToken: cred["SessionToken"].(string),
	}
	return caller{&n, c.t}
}

func allow(actions, rest string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":%s,%s}]}`, actions, rest)
}

func start(t *testing.T) (cloud *cloudtest.Cloud, root caller) {
	cloud = cloudtest.Start(t, cloudtest.Options{InMemory: true})
	return cloud, caller{cloud.Client(), t}
}

// user makes a user with an inline policy.
func (c caller) user(name, policy string) caller {
	c.t.Helper()
	c.call("iam", "CreateUser", obj{"UserName": name})
	if policy != "" {
		c.call("iam", "PutUserPolicy", obj{"UserName": name, "PolicyName": "p", "PolicyDocument": policy})
	}
	k := c.call("iam", "CreateAccessKey", obj{"UserName": name})["AccessKey"].(obj)
	n := *c.Client
	n.Credentials = sigv4.Credentials{AccessKeyID: k["AccessKeyId"].(string), SecretAccessKey: k["SecretAccessKey"].(string)}
	return caller{&n, c.t}
}

func (c caller) role(name, trust, policy string) string {
	c.t.Helper()
	out := c.call("iam", "CreateRole", obj{"RoleName": name, "AssumeRolePolicyDocument": trust})
	if policy != "" {
		c.call("iam", "PutRolePolicy", obj{"RoleName": name, "PolicyName": "p", "PolicyDocument": policy})
	}
	return out["Role"].(obj)["Arn"].(string)
}

const (
	anybody  = `"Principal":{"AWS":"arn:aws:iam::000000000000:root"}`
	assumes  = `["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]`
	anything = `"Resource":"*"`
)

func TestAssumeRole(t *testing.T) {
	cloud, root := start(t)
	bob := root.user("bob", allow(assumes, anything))
	eve := root.user("eve", "")
	r := root.role("R", allow(assumes, anybody), allow(`"iam:List*"`, anything))
	in := obj{"RoleArn": r, "RoleSessionName": "work"}

	out := bob.call("sts", "AssumeRole", in)
	s := bob.with(out)
	if got, want := s.arn(), "arn:aws:sts::000000000000:assumed-role/R/work"; got != want {
		t.Errorf("the session is %s, want %s", got, want)
	}
	if id := out["AssumedRoleUser"].(obj)["AssumedRoleId"].(string); !strings.HasPrefix(id, "AROA") || !strings.HasSuffix(id, ":work") {
		t.Errorf("AssumedRoleId %s", id)
	}
	s.call("iam", "ListUsers", obj{})
	s.refused("iam", "CreateUser", obj{"UserName": "x"}, "AccessDenied", "assumed-role/R/work is not authorized to perform: iam:CreateUser")

	eve.refused("sts", "AssumeRole", in, "AccessDenied", "sts:AssumeRole on resource: "+r)
	bob.refused("sts", "AssumeRole", obj{"RoleArn": r + "x", "RoleSessionName": "work"}, "AccessDenied", "not authorized")
	root.refused("sts", "AssumeRole", in, "AccessDenied", "Roles may not be assumed by root accounts.")
	bob.refused("sts", "AssumeRole", obj{"RoleArn": r, "RoleSessionName": "w"}, "ValidationError", "roleSessionName")
	bob.refused("sts", "AssumeRole", obj{"RoleArn": r, "RoleSessionName": "work", "DurationSeconds": 7200}, "ValidationError", "MaxSessionDuration")
	bob.refused("sts", "AssumeRole", obj{"RoleArn": r, "RoleSessionName": "work", "MinimumSessionTokenSize": 1}, "ValidationError", "MinimumSessionTokenSize")

	// The session ends with its role, and in time.
	root.call("iam", "DeleteRolePolicy", obj{"RoleName": "R", "PolicyName": "p"})
	s.refused("iam", "ListUsers", obj{}, "AccessDenied", "")
	if err := cloud.Advance(time.Hour); err != nil {
		t.Fatal(err)
	}
	s.refused("sts", "GetCallerIdentity", obj{}, "ExpiredToken", "")
}

func TestAssumeRoleConditions(t *testing.T) {
	_, root := start(t)
	bob := root.user("bob", allow(assumes, anything))
	for _, tc := range []struct{ name, condition, missing, given string }{
		{"ExternalId", `{"StringEquals":{"sts:ExternalId":"e1"}}`, `{}`, `{"ExternalId":"e1"}`},
		{"SessionName", `{"StringEquals":{"sts:RoleSessionName":"${aws:username}"}}`, `{"RoleSessionName":"other"}`, `{"RoleSessionName":"bob"}`},
		{"SourceIdentity", `{"StringEquals":{"sts:SourceIdentity":"bob"}}`, `{"SourceIdentity":"eve"}`, `{"SourceIdentity":"bob"}`},
		{"RequestTag", `{"StringEquals":{"aws:RequestTag/team":"blue"}}`, `{"Tags":"team=red"}`, `{"Tags":"team=blue"}`},
		{"TagKeys", `{"ForAllValues:StringEquals":{"aws:TagKeys":["team"]}}`, `{"Tags":"cost=1"}`, `{"Tags":"team=blue"}`},
		{"MFA", `{"Bool":{"aws:MultiFactorAuthPresent":"false"}}`, `{}`, ``},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := caller{root.Client, t}.role("R"+tc.name, allow(assumes, anybody+`,"Condition":`+tc.condition), "")
			b := caller{bob.Client, t}
			b.refused("sts", "AssumeRole", input(t, r, tc.missing), "AccessDenied", "because no role trust policy allows")
			if tc.given != "" {
				b.call("sts", "AssumeRole", input(t, r, tc.given))
			}
		})
	}
}

// input is the input of AssumeRole; Tags are written key=value.
func input(t *testing.T, role, members string) obj {
	in := obj{"RoleArn": role, "RoleSessionName": "session"}
	var given map[string]string
	if err := json.Unmarshal([]byte(members), &given); err != nil {
		t.Fatal(err)
	}
	for k, v := range given {
		if k == "Tags" {
			key, value, _ := strings.Cut(v, "=")
			in[k] = []obj{{"Key": key, "Value": value}}
			continue
		}
		in[k] = v
	}
	return in
}

func TestSessionPolicies(t *testing.T) {
	_, root := start(t)
	bob := root.user("bob", allow(assumes, anything))
	r := root.role("R", allow(assumes, anybody), allow(`["iam:List*","sqs:*"]`, anything))
	base := obj{"RoleArn": r, "RoleSessionName": "work"}
	with := func(more obj) obj {
		in := obj{}
		for _, m := range []obj{base, more} {
			for k, v := range m {
				in[k] = v
			}
		}
		return in
	}
	s := bob.with(bob.call("sts", "AssumeRole", with(obj{"Policy": allow(`"iam:ListUsers"`, anything)})))
	s.call("iam", "ListUsers", obj{})
	s.refused("iam", "ListRoles", obj{}, "AccessDenied", "because no session policy allows")

	arns := []obj{{"arn": "arn:aws:iam::aws:policy/IAMFullAccess"}}
	s = bob.with(bob.call("sts", "AssumeRole", with(obj{"PolicyArns": arns})))
	s.call("iam", "ListRoles", obj{})
	s.refused("iam", "CreateUser", obj{"UserName": "x"}, "AccessDenied", "because no identity-based policy allows")

	bob.refused("sts", "AssumeRole", with(obj{"Policy": "{}"}), "MalformedPolicyDocument", "Syntax errors in policy.")
	bob.refused("sts", "AssumeRole", with(obj{"PolicyArns": []obj{{"arn": "arn:aws:iam::aws:policy/None"}}}), "MalformedPolicyDocument", "")
	many := make([]obj, 11)
	for i := range many {
		many[i] = arns[0]
	}
	bob.refused("sts", "AssumeRole", with(obj{"PolicyArns": many}), "ValidationError", "10 PolicyArns")
}

func TestRoleChaining(t *testing.T) {
	_, root := start(t)
	bob := root.user("bob", allow(assumes, anything))
	tagged := allow(`"iam:ListUsers"`, anything+`,"Condition":{"StringEquals":{"aws:PrincipalTag/team":"blue"}}`)
	first := root.role("First", allow(assumes, anybody), allow(assumes, anything))
	second := root.role("Second", allow(assumes, anybody), tagged)

	a := bob.with(bob.call("sts", "AssumeRole", obj{
		"RoleArn": first, "RoleSessionName": "one", "SourceIdentity": "bob",
		"Tags": []obj{{"Key": "team", "Value": "blue"}, {"Key": "own", "Value": "1"}}, "TransitiveTagKeys": []string{"team"},
	}))
	in := obj{"RoleArn": second, "RoleSessionName": "two"}
	out := a.call("sts", "AssumeRole", in)
	if out["SourceIdentity"] != "bob" {
		t.Errorf("the source identity is %v", out["SourceIdentity"])
	}
	a.with(out).call("iam", "ListUsers", obj{}) // by the tag that came along
	plain := bob.with(bob.call("sts", "AssumeRole", in))
	plain.refused("iam", "ListUsers", obj{}, "AccessDenied", "")

	in["DurationSeconds"] = 3601
	a.refused("sts", "AssumeRole", in, "ValidationError", "1 hour session limit for roles assumed by role chaining")
	delete(in, "DurationSeconds")
	in["SourceIdentity"] = "eve"
	a.refused("sts", "AssumeRole", in, "AccessDenied", "source identity")
	delete(in, "SourceIdentity")
	in["Tags"] = []obj{{"Key": "TEAM", "Value": "red"}}
	a.refused("sts", "AssumeRole", in, "InvalidParameterValue", "transitive")
	in["Tags"] = []obj{{"Key": "x", "Value": "1"}, {"Key": "X", "Value": "2"}}
	bob.refused("sts", "AssumeRole", in, "InvalidParameterValue", "Duplicate tag keys")
	in["Tags"], in["TransitiveTagKeys"] = []obj{{"Key": "x", "Value": "1"}}, []string{"y"}
	bob.refused("sts", "AssumeRole", in, "InvalidParameterValue", "transitive tag key must be included")
}

func TestSessionToken(t *testing.T) {
	cloud, root := start(t)
	bob := root.user("bob", allow(`["iam:*","sts:GetAccessKeyInfo"]`, anything))
	s := bob.with(bob.call("sts", "GetSessionToken", obj{"DurationSeconds": 900}))
	if got, want := s.arn(), "arn:aws:iam::000000000000:user/bob"; got != want {
		t.Errorf("the session is %s, want %s", got, want)
	}
	s.refused("iam", "ListUsers", obj{}, "InvalidClientTokenId", "")
	s.refused("sts", "GetSessionToken", obj{}, "AccessDenied", "Cannot call GetSessionToken with session credentials")
	if got := s.call("sts", "GetAccessKeyInfo", obj{"AccessKeyId": s.Credentials.AccessKeyID})["Account"]; got != account {
		t.Errorf("the key's account is %v", got)
	}
	bob.refused("sts", "GetAccessKeyInfo", obj{"AccessKeyId": "AKIAAAAAAAAAAAAA"}, "ValidationError", "not an access key id")
	bob.refused("sts", "GetSessionToken", obj{"SerialNumber": "arn:aws:iam::000000000000:mfa/x"}, "AccessDenied", "both MFA serial number")
	bob.refused("sts", "GetSessionToken", obj{"SerialNumber": "arn:aws:iam::000000000000:mfa/x", "TokenCode": "123456"}, "AccessDenied", "invalid MFA one time pass code")

	wrong := s
	wrong.Client = &cloudtest.Client{Endpoint: s.Endpoint, Region: s.Region, Credentials: s.Credentials}
	wrong.Credentials.SessionToken = bob.with(bob.call("sts", "GetSessionToken", obj{})).Credentials.SessionToken
	wrong.refused("sts", "GetCallerIdentity", obj{}, "InvalidClientTokenId", "")

	// The root's sessions last an hour, whatever it asks for.
	rs := root.with(root.call("sts", "GetSessionToken", obj{"DurationSeconds": 129600}))
	if err := cloud.Advance(15 * time.Minute); err != nil {
		t.Fatal(err)
	}
	s.refused("sts", "GetCallerIdentity", obj{}, "ExpiredToken", "")
	rs.arn()
	if err := cloud.Advance(45 * time.Minute); err != nil {
		t.Fatal(err)
	}
	rs.refused("sts", "GetCallerIdentity", obj{}, "ExpiredToken", "")
}

func TestFederationToken(t *testing.T) {
	_, root := start(t)
	bob := root.user("bob", allow(`"sts:*"`, `"Resource":"arn:aws:sts::000000000000:federated-user/fed"`))
	out := bob.call("sts", "GetFederationToken", obj{"Name": "fed", "Tags": []obj{{"Key": "a", "Value": "b"}}})
	want := obj{"FederatedUserId": account + ":fed", "Arn": "arn:aws:sts::000000000000:federated-user/fed"}
	if diff := cmp.Diff(want, out["FederatedUser"]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	f := bob.with(out)
	if f.arn() != want["Arn"] {
		t.Errorf("the session is %s", f.arn())
	}
	f.refused("sts", "GetAccessKeyInfo", obj{"AccessKeyId": "AKIAQAAAAAAAOAFCGABX"}, "AccessDenied", "because no identity-based policy")
	f.refused("iam", "ListUsers", obj{}, "InvalidClientTokenId", "")
	f.refused("sts", "AssumeRole", obj{"RoleArn": "arn:aws:iam::000000000000:role/R", "RoleSessionName": "xx"}, "AccessDenied", "")
	f.refused("sts", "GetFederationToken", obj{"Name": "fed"}, "AccessDenied", "")
	bob.refused("sts", "GetFederationToken", obj{"Name": "other"}, "AccessDenied", "sts:GetFederationToken on resource: arn:aws:sts::000000000000:federated-user/other")

	// What the root may do, its federated user may as far as the policy goes.
	f = root.with(root.call("sts", "GetFederationToken", obj{"Name": "fed", "Policy": allow(`"sts:GetAccessKeyInfo"`, anything)}))
	f.call("sts", "GetAccessKeyInfo", obj{"AccessKeyId": "AKIAQAAAAAAAOAFCGABX"})
	f.refused("sts", "DecodeAuthorizationMessage", obj{"EncodedMessage": "x"}, "AccessDenied", "session policy")
	root.refused("sts", "DecodeAuthorizationMessage", obj{"EncodedMessage": "x"}, "InvalidAuthorizationMessageException", "")
}

func TestAssumeRoleOfAnotherAccount(t *testing.T) {
	_, root := start(t)
	made := root.call("gigawatt", "CreateAccount", obj{"AccountId": "111111111111", "Name": "other"})
	theirs := caller{&cloudtest.Client{Endpoint: root.Endpoint, Region: root.Region, Credentials: sigv4.Credentials{
		AccessKeyID: made["AccessKeyId"].(string), SecretAccessKey: made["SecretAccessKey"].(string),
	}}, t}
	r := theirs.role("R", allow(assumes, anybody), allow(`"iam:List*"`, anything)) // trusts account 000000000000
	closed := theirs.role("Closed", allow(assumes, `"Principal":{"AWS":"arn:aws:iam::111111111111:root"}`), "")
	bob := root.user("bob", allow(assumes, anything))
	eve := root.user("eve", "")

	s := bob.with(bob.call("sts", "AssumeRole", obj{"RoleArn": r, "RoleSessionName": "visit"}))
	if got, want := s.arn(), "arn:aws:sts::111111111111:assumed-role/R/visit"; got != want {
		t.Errorf("the session is %s, want %s", got, want)
	}
	if got := s.call("iam", "ListUsers", obj{})["Users"]; got != nil && len(got.([]any)) != 0 {
		t.Errorf("the session sees users of another account: %v", got)
	}
	eve.refused("sts", "AssumeRole", obj{"RoleArn": r, "RoleSessionName": "visit"}, "AccessDenied", "")
	bob.refused("sts", "AssumeRole", obj{"RoleArn": closed, "RoleSessionName": "visit"}, "AccessDenied", "")
	bob.refused("iam", "GetRole", obj{"RoleName": "R"}, "AccessDenied", "")

	// Policies of the other account cannot be used here.
	root.refused("iam", "AttachUserPolicy", obj{"UserName": "eve", "PolicyArn": "arn:aws:iam::111111111111:policy/P"}, "NoSuchEntity", "")
}

func TestOpenCloudLetsTheRootAssumeRoles(t *testing.T) {
	cloud := cloudtest.Start(t, cloudtest.Options{InMemory: true, Open: true})
	root := caller{cloud.Client(), t}
	r := root.role("R", allow(assumes, `"Principal":{"Service":"lambda.amazonaws.com"}`), "")
	s := root.with(root.call("sts", "AssumeRole", obj{"RoleArn": r, "RoleSessionName": "work"}))
	if got, want := s.arn(), "arn:aws:sts::000000000000:assumed-role/R/work"; got != want {
		t.Errorf("the session is %s, want %s", got, want)
	}
	root.refused("sts", "AssumeRole", obj{"RoleArn": r + "x", "RoleSessionName": "work"}, "AccessDenied", "not authorized to perform: sts:AssumeRole")
}
