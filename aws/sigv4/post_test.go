package sigv4

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
)

// The form that AWS publishes with its description of POST policies.
const publishedPolicy = "eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29uZGl0aW9ucyI6IFsNCiAgICB7ImJ1Y2tldCI6ICJzaWd2NGV4YW1wbGVidWNrZXQifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRrZXkiLCAidXNlci91c2VyMS8iXSwNCiAgICB7ImFjbCI6ICJwdWJsaWMtcmVhZCJ9LA0KICAgIHsic3VjY2Vzc19hY3Rpb25fcmVkaXJlY3QiOiAiaHR0cDovL3NpZ3Y0ZXhhbXBsZWJ1Y2tldC5zMy5hbWF6b25hd3MuY29tL3N1Y2Nlc3NmdWxfdXBsb2FkLmh0bWwifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRDb250ZW50LVR5cGUiLCAiaW1hZ2UvIl0sDQogICAgeyJ4LWFtei1tZXRhLXV1aWQiOiAiMTQzNjUxMjM2NTEyNzQifSwNCiAgICB7IngtYW16LXNlcnZlci1zaWRlLWVuY3J5cHRpb24iOiAiQUVTMjU2In0sDQogICAgWyJzdGFydHMtd2l0aCIsICIkeC1hbXotbWV0YS10YWciLCAiIl0sDQoNCiAgICB7IngtYW16LWNyZWRlbnRpYWwiOiAiQUtJQUlPU0ZPRE5ON0VYQU1QTEUvMjAxNTEyMjkvdXMtZWFzdC0xL3MzL2F3czRfcmVxdWVzdCJ9LA0KICAgIHsieC1hbXotYWxnb3JpdGhtIjogIkFXUzQtSE1BQy1TSEEyNTYifSwNCiAgICB7IngtYW16LWRhdGUiOiAiMjAxNTEyMjlUMDAwMDAwWiIgfQ0KICBdDQp9"

func publishedForm() map[string]string {
	return map[string]string{
		"key": "user/user1/photo.jpg", "acl": "public-read", "Content-Type": "image/jpeg",
		"success_action_redirect": "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html",
		"x-amz-meta-uuid":         "14365123651274", "x-amz-server-side-encryption": "AES256", "x-amz-meta-tag": "",
		"X-Amz-Credential": "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request", "X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Date": "20151229T000000Z",
		"Policy": publishedPolicy, "X-Amz-Signature": "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e",
	}
}

func answerOf(err error) string {
	var f *Failure
	switch {
	case err == nil:
		return ""
	case errors.As(err, &f):
		return f.AWS(KindS3).Error()
	}
	return "not a failure: " + err.Error()
}

func TestPublishedForm(t *testing.T) {
	good := PostVerify{Bucket: "sigv4examplebucket", Now: at("20151229T120000Z"), ContentLength: 10, Region: "us-east-1"}
	set := func(name, value string) func(map[string]string, *PostVerify) {
		return func(f map[string]string, _ *PostVerify) { f[name] = value }
	}
	remove := func(name string) func(map[string]string, *PostVerify) {
		return func(f map[string]string, _ *PostVerify) { delete(f, name) }
	}
	tests := []struct {
		name string
		twin func(map[string]string, *PostVerify)
		want string
	}{
		{"nothing", func(map[string]string, *PostVerify) {}, ""},
		{"signature", set("X-Amz-Signature", strings.Repeat("0", 64)), "SignatureDoesNotMatch: "},
		{"policy", set("Policy", publishedPolicy+"IA=="), "SignatureDoesNotMatch: "},
		{"no signature", remove("X-Amz-Signature"), "InvalidArgument: Bucket POST must contain a field named 'x-amz-signature'."},
		{"no date", remove("X-Amz-Date"), "InvalidArgument: Bucket POST must contain a field named 'x-amz-date'."},
		{"no credential", remove("X-Amz-Credential"), "InvalidArgument: Bucket POST must contain a field named 'x-amz-credential'."},
		{"no algorithm", remove("X-Amz-Algorithm"), "InvalidArgument: Bucket POST must contain a field named 'x-amz-algorithm'."},
		{"no policy", remove("Policy"), "InvalidArgument: Bucket POST must contain a field named 'policy'."},
		{"algorithm", set("X-Amz-Algorithm", "AWS4-HMAC-SHA1"), "InvalidArgument: "},
		{"bad date", set("X-Amz-Date", "2015"), "InvalidArgument: "},
		{"bad credential", set("X-Amz-Credential", "AKID/20151229"), "InvalidArgument: the Credential is mal-formed"},
		{"service", set("X-Amz-Credential", "AKID/20151229/us-east-1/sqs/aws4_request"), "InvalidArgument: incorrect service"},
		{"terminator", set("X-Amz-Credential", "AKID/20151229/us-east-1/s3/aws4"), "InvalidArgument: incorrect terminal"},
		{"scope date", set("X-Amz-Credential", "AKID/20151228/us-east-1/s3/aws4_request"), "InvalidArgument: Invalid credential date"},
		{"region", func(_ map[string]string, v *PostVerify) { v.Region = "eu-west-1" }, "InvalidArgument: the region 'us-east-1' is wrong; expecting 'eu-west-1'"},
		{"signed in the future", func(_ map[string]string, v *PostVerify) { v.Now = at("20151228T000000Z") }, "RequestTimeTooSkewed: "},
		{"signed too long ago", func(_ map[string]string, v *PostVerify) { v.Now = at("20160106T000000Z") }, "AccessDenied: Invalid according to Policy: Policy expired."},
		{"expired", func(_ map[string]string, v *PostVerify) { v.Now = at("20151230T120000Z") }, "AccessDenied: Invalid according to Policy: Policy expired."},
		{"bucket", func(_ map[string]string, v *PostVerify) { v.Bucket = "other" }, `AccessDenied: Invalid according to Policy: Policy Condition failed: ["eq", "$bucket", "sigv4examplebucket"]`},
		{"key", set("key", "user/user2/x"), `AccessDenied: Invalid according to Policy: Policy Condition failed: ["starts-with", "$key", "user/user1/"]`},
		{"acl", set("acl", "private"), `AccessDenied: Invalid according to Policy: Policy Condition failed: ["eq", "$acl", "public-read"]`},
		{"no acl", remove("acl"), `AccessDenied: Invalid according to Policy: Policy Condition failed: ["eq", "$acl", "public-read"]`},
		{"extra fields", func(f map[string]string, _ *PostVerify) { f["zz"], f["x-amz-meta-b"] = "", "" }, "AccessDenied: Invalid according to Policy: Extra input fields: x-amz-meta-b"},
		{"ignored field", set("X-Ignore-Me", "x"), ""},
		{"checksum", set("x-amz-checksum-sha256", "x"), ""},
		{"same name in another case", set("ACL", "private"), "InvalidArgument: POST requires at most one field with the name"},
		{"list of types", set("Content-Type", "image/png, image/gif"), ""},
		{"list with a wrong type", set("Content-Type", "image/png,text/html"), "AccessDenied: Invalid according to Policy: Policy Condition failed: "},
		{"no tag", remove("x-amz-meta-tag"), ""},
	}
	for _, tt := range tests {
		f, v := publishedForm(), good
		tt.twin(f, &v)
		p, err := ParsePost(f)
		if err == nil {
			err = p.Verify(docSecret, v)
		}
		if got := answerOf(err); (got == "") != (tt.want == "") || !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// formV2 signs a policy document as Version 2 does.
func formV2(doc string, fields map[string]string) map[string]string {
	policy := base64.StdEncoding.EncodeToString([]byte(doc))
	out := map[string]string{"AWSAccessKeyId": "AKIDEXAMPLE", "policy": policy, "signature": signV2("secret", policy), "key": "foo.txt"}
	maps.Copy(out, fields)
	return out
}

func TestPolicyDocuments(t *testing.T) {
	const expires, bucket, key = `"expiration": "2026-01-02T04:00:00Z"`, `{"bucket": "b"}`, `["starts-with", "$key", "foo"]`
	with := func(conditions string) string {
		return fmt.Sprintf(`{%s, "conditions": [%s, %s%s]}`, expires, bucket, key, conditions)
	}
	const invalid, denied = "InvalidPolicyDocument: Invalid Policy: ", "AccessDenied: Invalid according to Policy: "
	tests := []struct {
		name, doc string
		fields    map[string]string
		want      string
	}{
		{"good", with(""), nil, ""},
		{"any case", `{"expiration": "2026-01-02T04:00:00.5+00:00", "conditions": [{"bUcKeT": "b"}, ["StArTs-WiTh", "$KeY", "foo"], {"AcL": "private"}]}`, map[string]string{"aCl": "private"}, ""},
		{"not JSON", `{`, nil, invalid + "Invalid JSON."},
		{"not an object", `[]`, nil, invalid + "Invalid JSON."},
		{"null", `null`, nil, invalid + "Invalid JSON."},
		{"trailing text", with("") + "x", nil, invalid + "Invalid JSON."},
		{"no expiration", `{"conditions": []}`, nil, invalid + "Policy missing expiration."},
		{"expiration in capitals", `{"EXPIRATION": "2026-01-02T04:00:00Z", "conditions": []}`, nil, invalid + "Unexpected: 'EXPIRATION'"},
		{"conditions in capitals", `{` + expires + `, "CONDITIONS": []}`, nil, invalid + "Unexpected: 'CONDITIONS'"},
		{"expiration with a space", `{"expiration": "2026-01-02 04:00:00+00:00", "conditions": []}`, nil, invalid + "Invalid 'expiration' value"},
		{"expiration a number", `{"expiration": 1, "conditions": []}`, nil, invalid + "Invalid 'expiration' value"},
		{"expired", `{"expiration": "2026-01-02T03:04:05Z", "conditions": [` + bucket + `]}`, nil, denied + "Policy expired."},
		{"no conditions", `{` + expires + `}`, nil, invalid + "Policy missing conditions."},
		{"conditions an object", `{` + expires + `, "conditions": {}}`, nil, invalid + "Invalid 'conditions' value: must be a List."},
		{"conditions null", `{` + expires + `, "conditions": null}`, nil, invalid + "Invalid 'conditions' value: must be a List."},
		{"no bucket", `{` + expires + `, "conditions": [` + key + `]}`, nil, denied + "Extra input fields: bucket"},
		{"key not covered", `{` + expires + `, "conditions": [` + bucket + `]}`, nil, denied + "Extra input fields: key"},
		{"empty condition", with(`, {}`), nil, invalid + "Invalid Simple-Condition: Simple-Conditions must have exactly one property"},
		{"two properties", with(`, {"a": "1", "b": "2"}`), nil, invalid + "Invalid Simple-Condition"},
		{"value a number", with(`, {"a": 1}`), nil, invalid + "Invalid Simple-Condition: value must be a string."},
		{"condition a string", with(`, "a"`), nil, invalid + "Invalid condition test: must be a List or Object."},
		{"empty list", with(`, []`), nil, invalid + "Invalid Condition: missing operation identifier."},
		{"unknown operator", with(`, ["ends-with", "$key", "x"]`), nil, invalid + "Invalid Condition: unknown operation 'ends-with'."},
		{"two arguments", with(`, ["eq", "$key"]`), nil, invalid + "Invalid eq: wrong number of arguments."},
		{"no dollar sign", with(`, ["eq", "key", "foo.txt"]`), nil, invalid + "Invalid eq: "},
		{"argument a number", with(`, ["eq", "$key", 1]`), nil, invalid + "Invalid eq: "},
		{"range with one bound", with(`, ["content-length-range", 0]`), nil, invalid + "Invalid content-length-range: wrong number of arguments."},
		{"range below 0", with(`, ["content-length-range", -1, 0]`), nil, invalid + "Invalid content-length-range: "},
		{"range of fractions", with(`, ["content-length-range", 0.5, 10]`), nil, invalid + "Invalid content-length-range: "},
		{"range in strings", with(`, ["content-length-range", "5", "5"]`), nil, ""},
		{"too large", with(`, ["content-length-range", 0, 4]`), nil, "EntityTooLarge: "},
		{"too small", with(`, ["content-length-range", 6, 10]`), nil, "EntityTooSmall: "},
		{"escaped dollar sign", with(`, ["eq", "$x-amz-meta-a", "\$a"]`), map[string]string{"x-amz-meta-a": "$a"}, ""},
		{"escaped backslash before a dollar sign", with(`, ["eq", "$x-amz-meta-a", "\\$a"]`), map[string]string{"x-amz-meta-a": `\$a`}, ""},
		{"all conditions on a field", with(`, ["eq", "$key", "foo.bar"]`), nil, denied + `Policy Condition failed: ["eq", "$key", "foo.bar"]`},
		{"missing field", with(`, ["starts-with", "$x-amz-meta-a", "x"]`), nil, denied + "Policy Condition failed: "},
		{"field that is empty", with(`, {"x-amz-meta-a": ""}`), nil, denied + "Policy Condition failed: "},
		{"too long", with(`, {"a": "` + strings.Repeat("x", 20<<10) + `"}`), nil, invalid + "the document is too large."},
		{"deep", with(`, ` + strings.Repeat("[", 10000)), nil, invalid + "Invalid JSON."},
	}
	for _, tt := range tests {
		p, err := ParsePost(formV2(tt.doc, tt.fields))
		if err == nil {
			err = p.Verify("secret", PostVerify{Bucket: "b", Now: testNow, ContentLength: 5})
		}
		if got := answerOf(err); (got == "") != (tt.want == "") || !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestFormV2(t *testing.T) {
	doc := `{"expiration": "2026-01-02T04:00:00Z", "conditions": [{"bucket": "b"}, ["eq", "$key", "foo.txt"], ["content-length-range", 2, 10], ["content-length-range", 1, 8]]}`
	v := PostVerify{Bucket: "b", Now: testNow, ContentLength: -1}
	f := formV2(doc, nil)
	p, err := ParsePost(f)
	if err != nil || p.Form != PostV2 || p.AccessKeyID != "AKIDEXAMPLE" {
		t.Fatal(p, err)
	}
	if err := p.Verify("secret", v); err != nil {
		t.Errorf("length unknown: %v", err)
	}
	if most, ok := p.MaxLength(); most != 8 || !ok {
		t.Errorf("MaxLength = %d, %v, want 8", most, ok)
	}
	for n, want := range map[int64]string{1: "EntityTooSmall", 2: "", 8: "", 9: "EntityTooLarge"} {
		if got, _, _ := strings.Cut(answerOf(p.CheckLength(n)), ":"); got != want {
			t.Errorf("CheckLength(%d): %q, want %q", n, got, want)
		}
	}
	if err := p.Verify("wrong", v); answerOf(err)[:21] != "SignatureDoesNotMatch" {
		t.Errorf("wrong secret: %v", err)
	}
	for _, name := range []string{"signature", "policy", "AWSAccessKeyId"} {
		g := maps.Clone(f)
		delete(g, name)
		if _, err := ParsePost(g); !strings.Contains(answerOf(err), "must contain a field named '"+name+"'") {
			t.Errorf("without %s: %v", name, err)
		}
	}
	// Without anything of the kind the upload is anonymous.
	if p, err = ParsePost(map[string]string{"key": "k", "acl": "private"}); err != nil || p.Form != Anonymous {
		t.Fatal(p, err)
	}
	if got := answerOf(p.Verify("secret", v)); !strings.HasPrefix(got, "AccessDenied: ") {
		t.Errorf("anonymous: %q", got)
	}
	if err := p.CheckPolicy(v); err != nil {
		t.Errorf("anonymous without a policy: %v", err)
	}
	if _, ok := p.MaxLength(); ok || p.CheckLength(1<<40) != nil {
		t.Error("anonymous without a policy has a limit")
	}
}

func FuzzPost(f *testing.F) {
	f.Add(publishedPolicy, "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request", "20151229T000000Z", "user/user1/x", "acl")
	f.Add(base64.StdEncoding.EncodeToString([]byte(`{"expiration":"2026-01-02T04:00:00Z","conditions":[{"bucket":"b"},["content-length-range",0,1],["eq","$key","\$k"]]}`)), "", "", "$k", "x-ignore-a")
	f.Add("e30=", "", "", "", "")
	f.Fuzz(func(t *testing.T, policy, credential, date, key, field string) {
		fields := map[string]string{"policy": policy, "key": key, field: "v"}
		if credential != "" {
			fields["x-amz-algorithm"], fields["x-amz-credential"], fields["x-amz-date"], fields["x-amz-signature"] = algorithmV4, credential, date, "00"
		} else {
			fields["AWSAccessKeyId"], fields["signature"] = "A", "x"
		}
		p, err := ParsePost(fields)
		if err != nil {
			if strings.HasPrefix(answerOf(err), "not a failure") {
				t.Fatal(err)
			}
			return
		}
		v := PostVerify{Bucket: "b", Now: time.Unix(0, 0), ContentLength: 1}
		if p.Verify("a secret that nobody signs with", v) == nil {
			t.Fatal("accepted")
		}
		if err := p.CheckPolicy(v); err == nil {
			doc, err := parsePolicy(policy)
			if policy != "" && (err != nil || len(doc.conditions) == 0) {
				t.Fatalf("a form was accepted with the policy %q: %v", policy, err)
			}
		} else if strings.HasPrefix(answerOf(err), "not a failure") {
			t.Fatal(err)
		}
	})
}
