package iam_test

import (
	"encoding/base64"
	"encoding/csv"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/aws/sigv4"
	"github.com/gigawatt-cloud/gigawatt/cloudtest"
)

// keyOf makes an access key and returns a client that signs with it, and its id.
func keyOf(t *testing.T, c *cloudtest.Client, user string) (*cloudtest.Client, string) {
	t.Helper()
	k := call(t, c, "CreateAccessKey", obj{"UserName": user})["AccessKey"].(obj)
	n := *c
	n.Credentials = sigv4.Credentials{AccessKeyID: k["AccessKeyId"].(string), SecretAccessKey: k["SecretAccessKey"].(string)}
	return &n, k["AccessKeyId"].(string)
}

// generate makes a credential report and waits until it is there.
func generate(t *testing.T, c *cloudtest.Client) []map[string]string {
	t.Helper()
	for call(t, c, "GenerateCredentialReport", obj{})["State"] != "COMPLETE" {
		time.Sleep(5 * time.Millisecond)
	}
	out := call(t, c, "GetCredentialReport", obj{})
	if out["ReportFormat"] != "text/csv" || out["GeneratedTime"] == nil {
		t.Errorf("GetCredentialReport: %v", out)
	}
	b, err := base64.StdEncoding.DecodeString(out["Content"].(string))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(string(b))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var list []map[string]string
	for _, r := range rows[1:] {
		m := map[string]string{}
		for i, column := range rows[0] {
			m[column] = r[i]
		}
		list = append(list, m)
	}
	return list
}

func TestCredentialReport(t *testing.T) {
	cloud := cloudtest.Start(t, cloudtest.Options{InMemory: true})
	c := cloud.Client()
	if got := code(c, "GetCredentialReport", obj{}); got != "ReportNotPresent" {
		t.Errorf("before the first: %s", got)
	}
	for _, name := range []string{"ann", "bob"} {
		call(t, c, "CreateUser", obj{"UserName": name})
	}
	call(t, c, "CreateLoginProfile", obj{"UserName": "bob", "Password": "First-Pass1"})
	call(t, c, "UpdateAccountPasswordPolicy", obj{"MaxPasswordAge": 30})
	d := newDevice(t, c, "phone")
	call(t, c, "EnableMFADevice", obj{"UserName": "bob", "SerialNumber": d.serial, "AuthenticationCode1": d.code(-1), "AuthenticationCode2": d.code(0)})
	bob, id := keyOf(t, c, "bob")
	call(t, c, "PutUserPolicy", obj{"UserName": "bob", "PolicyName": "p", "PolicyDocument": `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:Get*","Resource":"*"}}`})
	call(t, bob, "GetUser", obj{})

	used := call(t, c, "GetAccessKeyLastUsed", obj{"AccessKeyId": id})["AccessKeyLastUsed"].(obj)
	if used["ServiceName"] != "iam" || used["Region"] != "us-east-1" || used["LastUsedDate"] == nil {
		t.Errorf("GetAccessKeyLastUsed: %v", used)
	}
	list := generate(t, c)
	if len(list) != 3 || list[0]["user"] != "<root_account>" || list[0]["password_enabled"] != "not_supported" || list[0]["access_key_1_active"] != "true" {
		t.Fatalf("the report: %v", list)
	}
	type m = map[string]string
	for i, want := range []m{
		1: {"user": "ann", "arn": "arn:aws:iam::000000000000:user/ann", "password_enabled": "false", "password_last_changed": "N/A", "mfa_active": "false", "access_key_1_active": "false", "access_key_1_last_used_service": "N/A", "cert_2_last_rotated": "N/A"},
		2: {"user": "bob", "password_enabled": "true", "password_last_used": "no_information", "mfa_active": "true", "access_key_1_active": "true", "access_key_1_last_used_region": "us-east-1", "access_key_1_last_used_service": "iam", "access_key_2_active": "false", "cert_1_active": "false"},
	} {
		got := m{}
		for k := range want {
			got[k] = list[i][k]
		}
		if want != nil && !cmp.Equal(want, got) {
			t.Errorf("line %d (-want +got):\n%s", i, cmp.Diff(want, got))
		}
	}
	changed, err := time.Parse(time.RFC3339, list[2]["password_last_changed"])
	if next, err2 := time.Parse(time.RFC3339, list[2]["password_next_rotation"]); err != nil || err2 != nil || next.Sub(changed) != 30*24*time.Hour {
		t.Errorf("the password is of %s and has to change on %s", list[2]["password_last_changed"], list[2]["password_next_rotation"])
	}

	// A report stands for four hours.
	call(t, c, "DeleteUser", obj{"UserName": "ann"})
	if again := generate(t, c); len(again) != 3 {
		t.Errorf("a fresh report was written again: %v", again)
	}
	if err := cloud.Advance(4 * time.Hour); err != nil {
		t.Fatal(err)
	}
	if got := code(c, "GetCredentialReport", obj{}); got != "ReportExpired" {
		t.Errorf("after four hours: %s", got)
	}
	if again := generate(t, c); len(again) != 2 {
		t.Errorf("the next report: %v", again)
	}
}

func TestServiceLastAccessed(t *testing.T) {
	cloud := cloudtest.Start(t, cloudtest.Options{InMemory: true})
	c := cloud.Client()
	call(t, c, "CreateGroup", obj{"GroupName": "staff"})
	for _, name := range []string{"ann", "bob"} {
		call(t, c, "CreateUser", obj{"UserName": name})
		call(t, c, "AddUserToGroup", obj{"GroupName": "staff", "UserName": name})
	}
	p := call(t, c, "CreatePolicy", obj{
		"PolicyName": "p", "PolicyDocument": `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["iam:Get*","sqs:*"],"Resource":"*"}}`,
	})["Policy"].(obj)["Arn"].(string)
	call(t, c, "AttachGroupPolicy", obj{"GroupName": "staff", "PolicyArn": p})
	bob, _ := keyOf(t, c, "bob")
	call(t, bob, "GetUser", obj{})

	for arn, want := range map[string][]any{
		"arn:aws:iam::000000000000:user/bob":    {"iam", "1", "sqs", "0"},
		"arn:aws:iam::000000000000:user/ann":    {"iam", "0", "sqs", "0"},
		"arn:aws:iam::000000000000:group/staff": {"iam", "1", "sqs", "0"},
		p:                                       {"iam", "1", "sqs", "0"},
	} {
		job := call(t, c, "GenerateServiceLastAccessedDetails", obj{"Arn": arn})["JobId"]
		out := call(t, c, "GetServiceLastAccessedDetails", obj{"JobId": job})
		var got []any
		for _, v := range out["ServicesLastAccessed"].([]any) {
			s := v.(obj)
			got = append(got, s["ServiceNamespace"], fmt.Sprint(s["TotalAuthenticatedEntities"]))
			if by := s["LastAuthenticatedEntity"]; fmt.Sprint(s["TotalAuthenticatedEntities"]) == "1" && by != "arn:aws:iam::000000000000:user/bob" {
				t.Errorf("%s: %s was used by %v", arn, s["ServiceName"], by)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" || out["JobStatus"] != "COMPLETED" {
			t.Errorf("%s %s (-want +got):\n%s", arn, out["JobStatus"], diff)
		}
		list := call(t, c, "GetServiceLastAccessedDetailsWithEntities", obj{"JobId": job, "ServiceNamespace": "iam"})["EntityDetailsList"].([]any)
		if fmt.Sprint(len(list)) != want[1] {
			t.Errorf("%s: %v", arn, list)
		}
		if got := code(c, "GetServiceLastAccessedDetailsWithEntities", obj{"JobId": job, "ServiceNamespace": "s3"}); got != "NoSuchEntity" {
			t.Errorf("a service that is not allowed: %s", got)
		}
	}
}
