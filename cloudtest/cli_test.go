package cloudtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/api/catalog"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// dir is the files of a folder.
type dir string

func (d dir) read(name string) (string, error) {
	b, err := os.ReadFile(filepath.Join(string(d), name))
	return string(b), err
}

func (d dir) write(name, content string) error {
	return os.WriteFile(filepath.Join(string(d), name), []byte(content), 0o600)
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"CreateQueue": "create-queue", "GetQueueUrl": "get-queue-url", "PolicyARNs": "policy-arns", "SourceARN": "source-arn",
		"EBSVolumes": "ebs-volumes", "CreateDBInstance": "create-db-instance", "AuthenticationCode1": "authentication-code1",
		"SSEKMSKeyId": "ssekms-key-id", "ChecksumCRC64NVME": "checksum-crc64-nvme", "x-amz-date": "x-amz-date",
		"DescribeCachediSCSIVolumes": "describe-cached-iscsi-volumes", "ListHITsForQualificationType": "list-hits-for-qualification-type",
		"ExecutePartiQLStatement": "execute-partiql-statement", "SendWhatsAppMessage": "send-whatsapp-message", "StartOTelEnrichment": "start-otel-enrichment",
	} {
		if got := cliOperation(name); got != want {
			t.Errorf("%s is called %s, not %s", name, want, got)
		}
	}
}

// TestCommandsAreDistinct shows that each operation of AWS has a command of its own.
func TestCommandsAreDistinct(t *testing.T) {
	for _, m := range catalog.All() {
		commands := map[string]string{}
		for _, op := range catalog.Service(m.Name).Operations {
			c := cliOperation(op.Name)
			if other, ok := commands[c]; ok {
				t.Errorf("%s %s is both %s and %s", m.Name, c, other, op.Name)
			}
			commands[c] = op.Name
		}
	}
}

func TestRenamedOptions(t *testing.T) {
	for option := range cliOptions {
		f := strings.Fields(option)
		sv := catalog.Service(f[0])
		if sv == nil {
			t.Errorf("AWS has no service %q", f[0])
			continue
		}
		found := false
		for _, op := range sv.Operations {
			if f[1] == "*" || f[1] == cliOperation(op.Name) {
				m, _ := findMember(op, f[2])
				found = found || m != nil
			}
		}
		if !found {
			t.Errorf("no operation of %s has what %q stands for", f[0], option)
		}
	}
}

func TestParse(t *testing.T) {
	d := dir(t.TempDir())
	for name, content := range map[string]string{"policy.json": `{"Version": "2012-10-17"}`, "data.bin": "a\x00b", "tags.json": `[{"Key":"a","Value":"b"}]`} {
		if err := d.write(name, content); err != nil {
			t.Fatal(err)
		}
	}
	type in = map[string]any
	cases := []struct {
		line string
		want in
	}{
		{"sqs create-queue --queue-name q --attributes DelaySeconds=5,FifoQueue=true --tags a=b", in{"QueueName": "q", "Attributes": in{"DelaySeconds": "5", "FifoQueue": "true"}, "tags": in{"a": "b"}}},
		{`sqs create-queue --queue-name q --attributes {"Policy":"{}"}`, in{"QueueName": "q", "Attributes": in{"Policy": "{}"}}},
		{"sqs receive-message --queue-url u --attribute-names All --max-number-of-messages 3", in{"QueueUrl": "u", "AttributeNames": []any{"All"}, "MaxNumberOfMessages": int64(3)}},
		{"sqs send-message --queue-url u --message-body b --message-attributes n={DataType=Binary,BinaryValue=x}", in{"QueueUrl": "u", "MessageBody": "b", "MessageAttributes": in{"n": in{"DataType": "Binary", "BinaryValue": "eA=="}}}},
		{`sqs send-message --queue-url u --message-body b --message-attributes {"n":{"DataType":"Binary","BinaryValue":"x"}}`, in{"QueueUrl": "u", "MessageBody": "b", "MessageAttributes": in{"n": in{"DataType": "Binary", "BinaryValue": "eA=="}}}},
		{"sqs delete-message-batch --queue-url u --entries Id=1,ReceiptHandle=a Id=2,ReceiptHandle=b", in{"QueueUrl": "u", "Entries": []any{in{"Id": "1", "ReceiptHandle": "a"}, in{"Id": "2", "ReceiptHandle": "b"}}}},
		{"iam create-policy --policy-name p --policy-document file://policy.json --tags file://tags.json", in{"PolicyName": "p", "PolicyDocument": `{"Version": "2012-10-17"}`, "Tags": []any{in{"Key": "a", "Value": "b"}}}},
		{"iam create-policy-version --policy-arn a --policy-document {} --no-set-as-default", in{"PolicyArn": "a", "PolicyDocument": "{}", "SetAsDefault": false}},
		{"iam update-account-password-policy --require-symbols --minimum-password-length 9", in{"RequireSymbols": true, "MinimumPasswordLength": int64(9)}},
		{"iam untag-user --user-name u --tag-keys a b", in{"UserName": "u", "TagKeys": []any{"a", "b"}}},
		{"iam untag-user --user-name u --tag-keys", in{"UserName": "u", "TagKeys": []any{}}},
		{"s3api put-object --bucket b --key k --body data.bin --metadata a=1 --object-lock-retain-until-date 2026-01-02T03:04:05Z", in{"Bucket": "b", "Key": "k", "Body": []byte("a\x00b"), "Metadata": in{"a": "1"}, "ObjectLockRetainUntilDate": 1767323045.0}},
		{"s3api get-object --bucket b --key k out.bin", in{"Bucket": "b", "Key": "k"}},
		{`s3api create-bucket --cli-input-json {"Bucket":"x","ACL":"private"} --bucket b`, in{"Bucket": "b", "ACL": "private"}},
		{"sns subscribe --topic-arn t --protocol https --notification-endpoint e", in{"TopicArn": "t", "Protocol": "https", "Endpoint": "e"}},
		{"ec2 create-image --instance-id i --name n --reboot", in{"InstanceId": "i", "Name": "n", "NoReboot": false}},
		{"lambda invoke --function-name f --payload fileb://data.bin out.json", in{"FunctionName": "f", "Payload": "YQBi"}},
		{"gigawatt advance-clock --seconds -1", in{"Seconds": int64(-1)}},
	}
	for _, tc := range cases {
		c, err := parse(d, strings.Fields(tc.line))
		if err != nil {
			t.Errorf("%s: %v", tc.line, err)
			continue
		}
		if diff := cmp.Diff(tc.want, c.in); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tc.line, diff)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for line, want := range map[string]string{
		"":                                    "usage",
		"sqs":                                 "usage",
		"nothing at-all":                      "no command",
		"sqs create-bucket":                   "no command",
		"sqs create-queue q":                  "unknown options: q",
		"sqs create-queue --queue-name":       "expected one argument",
		"sqs create-queue --queue-name a b":   "unknown options: b",
		"sqs create-queue --nothing x":        "no such option",
		"sqs create-queue --no-queue-name x":  "no such option",
		"sqs create-queue --output yaml":      "only json and text",
		"sqs create-queue --cli-input-json 1": "JSON object",
		"sqs create-queue --cli-input-json {\"Nothing\":1}":                "unknown parameter \"Nothing\"",
		"sqs create-queue --attributes {\"a\":":                            "invalid JSON",
		"sqs create-queue --attributes {}{}":                               "invalid JSON",
		"sqs create-queue --attributes file://missing":                     "missing",
		"sqs receive-message --queue-url u --max-number-of-messages many":  "invalid syntax",
		"iam tag-user --user-name u --tags Key":                            "expected key=value",
		"s3api get-object --bucket b --key k":                              "wants a file",
		"s3api get-object --bucket b --key k a b":                          "unknown options: b",
		"s3api list-objects-v2 --bucket b --prefix p --max-keys 1 --query": "expected one argument",
	} {
		if _, err := parse(dir(t.TempDir()), strings.Fields(line)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", line, err, want)
		}
	}
}

var shorthandShape = func() *smithy.Shape {
	text, number := &smithy.Shape{Name: "Text", Kind: smithy.String}, &smithy.Shape{Name: "Number", Kind: smithy.Integer}
	of := func(sh *smithy.Shape) *smithy.Member { return &smithy.Member{Shape: sh} }
	texts := &smithy.Shape{Name: "Texts", Kind: smithy.List, Elem: of(text)}
	sh := &smithy.Shape{Name: "Thing", Kind: smithy.Structure}
	things := &smithy.Shape{Name: "Things", Kind: smithy.List, Elem: of(sh)}
	byName := &smithy.Shape{Name: "ByName", Kind: smithy.Map, Key: of(text), Elem: of(text)}
	for name, m := range map[string]*smithy.Shape{"a": text, "n": number, "l": texts, "t": sh, "ts": things, "m": byName} {
		sh.Members = append(sh.Members, &smithy.Member{Name: name, Shape: m})
	}
	return sh
}()

func TestShorthand(t *testing.T) {
	type o = map[string]any
	type l = []any
	cases := []struct {
		text string
		want any // nil: refused
	}{
		{"a=b", o{"a": "b"}},
		{"a=", o{"a": ""}},
		{"a=b c , n=1", o{"a": "b c", "n": int64(1)}},
		{"a=b=c", o{"a": "b=c"}},
		{`a=b\,c,n=2`, o{"a": "b,c", "n": int64(2)}},
		{`a="b,\"c\" \\ d",n=2`, o{"a": `b,"c" \ d`, "n": int64(2)}},
		{`a='b "c"'`, o{"a": `b "c"`}},
		{"l=x,y,a=z", o{"l": l{"x", "y"}, "a": "z"}},
		{"l=x", o{"l": l{"x"}}},
		{"l=[x,y],a=z", o{"l": l{"x", "y"}, "a": "z"}},
		{"l=[]", o{"l": l{}}},
		{`l=["x,y",z]`, o{"l": l{"x,y", "z"}}},
		{"t={a=b,t={l=[x]}},a=c", o{"t": o{"a": "b", "t": o{"l": l{"x"}}}, "a": "c"}},
		{"t={}", o{"t": o{}}},
		{"t={l=x,y,a=z}", o{"t": o{"l": l{"x", "y"}, "a": "z"}}},
		{"ts=[{a=b},{n=3}]", o{"ts": l{o{"a": "b"}, o{"n": int64(3)}}}},
		{"ts=[{a=b}, {n=3} ], a=c", o{"ts": l{o{"a": "b"}, o{"n": int64(3)}}, "a": "c"}},
		{"m={x=1,y-z=2}", o{"m": o{"x": "1", "y-z": "2"}}},
		{"", nil},
		{"a", nil},
		{"a=b,", nil},
		{"a=b,c", nil},
		{"unknown=b", nil},
		{"n=x", nil},
		{"t=x", nil},
		{"t={a=b", nil},
		{"t={a=b}}", nil},
		{"l=[x", nil},
		{`a="b`, nil},
		{`a="b"c`, nil},
		{`l=["b"c]`, nil},
	}
	for _, tc := range cases {
		got, err := parseShorthand(shorthandShape, tc.text)
		if tc.want == nil {
			if err == nil {
				t.Errorf("%s: got %v, want an error", tc.text, got)
			}
			continue
		}
		if d := cmp.Diff(tc.want, got); err != nil || d != "" {
			t.Errorf("%s: %v (-want +got)\n%s", tc.text, err, d)
		}
	}
}

func FuzzShorthand(f *testing.F) {
	for _, s := range []string{"a=b", `l=x,y,a="z"`, "t={ts=[{a=b},{n=3}]}", "m={x=1", `a=\`, "t={t={t={", "l=[[["} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := parseShorthand(shorthandShape, s)
		if _, ok := v.(map[string]any); err == nil && !ok {
			t.Errorf("%q gave a %T", s, v)
		}
	})
}
