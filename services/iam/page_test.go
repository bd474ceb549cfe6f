package iam_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/cloudtest"
)

type obj = map[string]any

func call(t *testing.T, c *cloudtest.Client, operation string, in obj) obj {
	t.Helper()
	var out obj
	if _, err := c.Call(context.Background(), "iam", operation, in, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func code(c *cloudtest.Client, operation string, in obj) string {
	_, err := c.Call(context.Background(), "iam", operation, in, nil)
	var e *cloudtest.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return fmt.Sprint(err)
}

// pages lists everything in pages of two.
func pages(t *testing.T, c *cloudtest.Client, operation string, in obj, members ...string) (all []any) {
	t.Helper()
	q := obj{"MaxItems": 2}
	for k, v := range in {
		q[k] = v
	}
	for {
		out := call(t, c, operation, q)
		n := 0
		for _, m := range members {
			if list, ok := out[m].([]any); ok {
				n += len(list)
				all = append(all, list...)
			}
		}
		if n > 2 {
			t.Fatalf("%s: a page of %d", operation, n)
		}
		if out["IsTruncated"] != true {
			if out["Marker"] != nil {
				t.Errorf("%s: the last page has a marker", operation)
			}
			return all
		}
		q["Marker"] = out["Marker"]
	}
}

const (
	document = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:*","Resource":"*"}]}`
	trust    = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"ec2.amazonaws.com"}}]}`
)

func TestPages(t *testing.T) {
	c := cloudtest.Start(t, cloudtest.Options{InMemory: true}).Client()
	const n = 5
	call(t, c, "CreateRole", obj{"RoleName": "R", "AssumeRolePolicyDocument": trust})
	call(t, c, "CreatePolicy", obj{"PolicyName": "shared", "PolicyDocument": document})
	shared := "arn:aws:iam::000000000000:policy/shared"
	for i := range n {
		name := fmt.Sprintf("n%d", i)
		path := []string{"/a/", "/b/"}[i%2]
		call(t, c, "CreateUser", obj{"UserName": name, "Path": path})
		call(t, c, "CreateGroup", obj{"GroupName": name})
		call(t, c, "AddUserToGroup", obj{"GroupName": "n0", "UserName": name})
		if i > 0 {
			call(t, c, "AddUserToGroup", obj{"GroupName": name, "UserName": "n0"})
			call(t, c, "CreatePolicyVersion", obj{"PolicyArn": shared, "PolicyDocument": document})
		}
		call(t, c, "CreatePolicy", obj{"PolicyName": name, "PolicyDocument": document})
		call(t, c, "AttachRolePolicy", obj{"RoleName": "R", "PolicyArn": "arn:aws:iam::000000000000:policy/" + name})
		call(t, c, "AttachUserPolicy", obj{"UserName": name, "PolicyArn": shared})
		call(t, c, "PutRolePolicy", obj{"RoleName": "R", "PolicyName": name, "PolicyDocument": document})
		call(t, c, "TagRole", obj{"RoleName": "R", "Tags": []obj{{"Key": name, "Value": ""}}})
		call(t, c, "CreateInstanceProfile", obj{"InstanceProfileName": name})
		call(t, c, "AddRoleToInstanceProfile", obj{"InstanceProfileName": name, "RoleName": "R"})
	}
	for _, tc := range []struct {
		operation string
		in        obj
		member    string
		want      int
	}{
		{"ListUsers", nil, "Users", n},
		{"ListUsers", obj{"PathPrefix": "/a/"}, "Users", 3},
		{"ListGroups", nil, "Groups", n},
		{"GetGroup", obj{"GroupName": "n0"}, "Users", n},
		{"ListGroupsForUser", obj{"UserName": "n0"}, "Groups", n},
		{"ListAttachedRolePolicies", obj{"RoleName": "R"}, "AttachedPolicies", n},
		{"ListEntitiesForPolicy", obj{"PolicyArn": shared}, "PolicyUsers", n},
		{"ListRolePolicies", obj{"RoleName": "R"}, "PolicyNames", n},
		{"ListRoleTags", obj{"RoleName": "R"}, "Tags", n},
		{"ListInstanceProfiles", nil, "InstanceProfiles", n},
		{"ListInstanceProfilesForRole", obj{"RoleName": "R"}, "InstanceProfiles", n},
		{"ListPolicyVersions", obj{"PolicyArn": shared}, "Versions", n},
		{"ListPolicies", obj{"Scope": "Local"}, "Policies", n + 1},
		{"ListPolicies", obj{"OnlyAttached": true}, "Policies", n + 1},
	} {
		all := pages(t, c, tc.operation, tc.in, tc.member)
		seen := map[string]bool{}
		for _, v := range all {
			seen[fmt.Sprint(v)] = true
		}
		if len(all) != tc.want || len(seen) != tc.want {
			t.Errorf("%s %v: %d items, %d different, want %d", tc.operation, tc.in, len(all), len(seen), tc.want)
		}
	}
	details := pages(t, c, "GetAccountAuthorizationDetails", nil, "UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")
	if want := n + n + 1 + n + 1; len(details) != want {
		t.Errorf("GetAccountAuthorizationDetails: %d items, want %d", len(details), want)
	}
	every := len(pages(t, c, "ListPolicies", nil, "Policies"))
	local, aws := len(pages(t, c, "ListPolicies", obj{"Scope": "Local"}, "Policies")), len(pages(t, c, "ListPolicies", obj{"Scope": "AWS"}, "Policies"))
	if every != local+aws || aws < 300 {
		t.Errorf("ListPolicies: %d in all, %d local, %d of AWS", every, local, aws)
	}
}

func TestMarkerFitsItsListOnly(t *testing.T) {
	c := cloudtest.Start(t, cloudtest.Options{InMemory: true}).Client()
	for _, name := range []string{"a", "b"} {
		call(t, c, "CreateUser", obj{"UserName": name})
		call(t, c, "CreateGroup", obj{"GroupName": name})
	}
	marker := call(t, c, "ListUsers", obj{"MaxItems": 1})["Marker"]
	got := map[string]string{
		"itself":           code(c, "ListUsers", obj{"Marker": marker}),
		"another list":     code(c, "ListGroups", obj{"Marker": marker}),
		"another filter":   code(c, "ListUsers", obj{"Marker": marker, "PathPrefix": "/x/"}),
		"not ours":         code(c, "ListUsers", obj{"Marker": "AAAA"}),
		"too many at once": code(c, "ListUsers", obj{"MaxItems": 1001}),
		"details":          code(c, "GetAccountAuthorizationDetails", obj{"Marker": marker}),
	}
	want := map[string]string{
		"itself": "<nil>", "another list": "ValidationError", "another filter": "ValidationError", "not ours": "ValidationError",
		"too many at once": "ValidationError", "details": "ValidationError",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestQuotas(t *testing.T) {
	c := cloudtest.Start(t, cloudtest.Options{InMemory: true}).Client()
	call(t, c, "CreateUser", obj{"UserName": "u"})
	for i := range 11 {
		name := fmt.Sprintf("g%d", i)
		call(t, c, "CreateGroup", obj{"GroupName": name})
		call(t, c, "CreatePolicy", obj{"PolicyName": name, "PolicyDocument": document})
		want := "<nil>"
		if i == 10 {
			want = "LimitExceeded"
		}
		if got := code(c, "AddUserToGroup", obj{"GroupName": name, "UserName": "u"}); got != want {
			t.Errorf("group %d: %s", i, got)
		}
		if got := code(c, "AttachUserPolicy", obj{"UserName": "u", "PolicyArn": "arn:aws:iam::000000000000:policy/" + name}); got != want {
			t.Errorf("policy %d: %s", i, got)
		}
	}
	tags := make([]obj, 50)
	for i := range tags {
		tags[i] = obj{"Key": fmt.Sprint(i), "Value": "v"}
	}
	call(t, c, "TagUser", obj{"UserName": "u", "Tags": tags})
	if got := code(c, "TagUser", obj{"UserName": "u", "Tags": []obj{{"Key": "one more", "Value": ""}}}); got != "LimitExceeded" {
		t.Errorf("51 tags: %s", got)
	}
	if got := code(c, "TagUser", obj{"UserName": "u", "Tags": []obj{{"Key": "7", "Value": "w"}}}); got != "<nil>" {
		t.Errorf("a tag that is there: %s", got)
	}
	long := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:*","Resource":"arn:aws:sqs:*:*:%06100d"}]}`, 0)
	if got := code(c, "CreatePolicy", obj{"PolicyName": "long", "PolicyDocument": long}); got != "LimitExceeded" {
		t.Errorf("a policy of more than 6,144 characters: %s", got)
	}
}
