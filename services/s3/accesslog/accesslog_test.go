package accesslog

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
)

func s(s string) *string { return &s }

func TestParse(t *testing.T) {
	grants := func(g *s3api.Grantee, permission string) *s3api.LoggingEnabled {
		return &s3api.LoggingEnabled{TargetBucket: "t", TargetGrants: []s3api.TargetGrant{{Grantee: g, Permission: &permission}}}
	}
	format := func(f *s3api.TargetObjectKeyFormat) *s3api.LoggingEnabled {
		return &s3api.LoggingEnabled{TargetBucket: "t", TargetPrefix: "p/", TargetObjectKeyFormat: f}
	}
	user := &s3api.Grantee{Type: "CanonicalUser", ID: s("abc")}
	for _, tt := range []struct {
		name string
		in   *s3api.LoggingEnabled
		want string
	}{
		{"plain", format(nil), ""},
		{"simple", format(&s3api.TargetObjectKeyFormat{SimplePrefix: &s3api.SimplePrefix{}}), ""},
		{"by event", format(&s3api.TargetObjectKeyFormat{PartitionedPrefix: &s3api.PartitionedPrefix{PartitionDateSource: s("EventTime")}}), ""},
		{"by delivery", format(&s3api.TargetObjectKeyFormat{PartitionedPrefix: &s3api.PartitionedPrefix{PartitionDateSource: s("DeliveryTime")}}), ""},
		{"a user", grants(user, "READ"), ""},
		{"a group", grants(&s3api.Grantee{Type: "Group", URI: s("http://g")}, "FULL_CONTROL"), ""},

		{"no target", &s3api.LoggingEnabled{}, "MalformedXML"},
		{"no format", format(&s3api.TargetObjectKeyFormat{}), "MalformedXML"},
		{"an unknown date", format(&s3api.TargetObjectKeyFormat{PartitionedPrefix: &s3api.PartitionedPrefix{PartitionDateSource: s("x")}}), "MalformedXML"},
		{"no grantee", grants(nil, "READ"), "MalformedXML"},
		{"a quote in an id", grants(&s3api.Grantee{Type: "CanonicalUser", ID: s(`a", uri="b`)}, "READ"), "MalformedXML"},
		{"an unknown permission", grants(user, "ALL"), "MalformedXML"},
		{"writing", grants(user, "WRITE"), "NotImplemented"},
		{"mail", grants(&s3api.Grantee{Type: "AmazonCustomerByEmail", EmailAddress: s("a@b")}, "READ"), "UnresolvableGrantByEmailAddress"},
	} {
		c, err := Parse(tt.in)
		if tt.want != "" {
			if e := awserr.As(err); e == nil || e.Code != tt.want {
				t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if d := cmp.Diff(tt.in, Output(c)); d != "" {
			t.Errorf("%s comes back otherwise (-want +got):\n%s", tt.name, d)
		}
	}
}

func TestHeaders(t *testing.T) {
	c := &Config{Grants: []Grant{{ID: "a", Permission: "READ"}, {URI: "http://g", Permission: "FULL_CONTROL"}, {ID: "b", Permission: "READ"}}}
	full, read := c.Headers()
	if full == nil || *full != `uri="http://g"` || read == nil || *read != `id="a", id="b"` {
		t.Errorf("headers %v, %v", full, read)
	}
	if full, read := (&Config{}).Headers(); full != nil || read != nil {
		t.Errorf("no grants make headers %v, %v", full, read)
	}
}

func TestKey(t *testing.T) {
	src := Source{Account: "123456789012", Region: "us-east-1", Bucket: "b"}
	delivered := time.Date(2026, 3, 2, 1, 2, 3, 0, time.UTC)
	event := time.Date(2026, 3, 1, 23, 59, 0, 0, time.UTC)
	for partition, want := range map[string]string{
		"":           "p/2026-03-02-01-02-03-U",
		DeliveryTime: "p/123456789012/us-east-1/b/2026/03/02/2026-03-02-01-02-03-U",
		EventTime:    "p/123456789012/us-east-1/b/2026/03/01/2026-03-01-00-00-00-U",
	} {
		c := &Config{Prefix: "p/", Partition: partition}
		if got := c.Key(src, delivered, event, "U"); got != want {
			t.Errorf("%q: %s, want %s", partition, got, want)
		}
	}
}

func TestLine(t *testing.T) {
	size := int64(0)
	full := Record{
		Owner: "0a1b", Bucket: "b", Time: time.Date(2026, 2, 6, 0, 1, 57, 0, time.UTC), RemoteIP: "192.0.2.3",
		Requester: "arn:aws:iam::123456789012:user/u", RequestID: "R", Operation: "REST.GET.OBJECT", Key: "a b/ü%",
		Request: "GET /b/a%20b HTTP/1.1", Status: 404, ErrorCode: "NoSuchKey", BytesSent: 243, ObjectSize: &size, Total: 12, TurnAround: 3,
		Referer: "http://x\n", UserAgent: `A "b"`, VersionID: "v", HostID: "h=", SignatureVersion: "SigV4", AuthType: "AuthHeader",
		Host: "localhost", Cipher: "C", TLSVersion: "TLSv1.3", ACLRequired: true,
	}
	for _, tt := range []struct {
		r    Record
		want string
	}{
		{full, `0a1b b [06/Feb/2026:00:01:57 +0000] 192.0.2.3 arn:aws:iam::123456789012:user/u R REST.GET.OBJECT a%20b/%C3%BC%25 ` +
			`"GET /b/a%20b HTTP/1.1" 404 NoSuchKey 243 0 12 3 "http://x%0A" "A %22b%22" v h= SigV4 C AuthHeader localhost TLSv1.3 - Yes`},
		{
			Record{Bucket: "b", Time: time.Unix(0, 0), Operation: "REST.HEAD.BUCKET", Status: 200},
			`- b [01/Jan/1970:00:00:00 +0000] - - - REST.HEAD.BUCKET - "-" 200 - - - 0 - "-" "-" - - - - - - - - -`,
		},
	} {
		if d := cmp.Diff(tt.want+"\n", tt.r.Line()); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	}
}

func FuzzLine(f *testing.F) {
	f.Add("key", "agent", "GET / HTTP/1.1")
	f.Add("a b\n", `"`, "\x00")
	f.Fuzz(func(t *testing.T, key, agent, request string) {
		r := Record{Key: key, UserAgent: agent, Request: request}
		line := r.Line()
		if strings.Count(line, "\n") != 1 || strings.Count(line, `"`) != 6 {
			t.Fatalf("a field breaks out of its place: %q", line)
		}
	})
}

func TestOperation(t *testing.T) {
	for _, tt := range []struct{ api, method, want string }{
		{"GetObject", "GET", "REST.GET.OBJECT"},
		{"HeadObject", "HEAD", "REST.HEAD.OBJECT"},
		{"PutObject", "POST", "REST.POST.OBJECT"},
		{"PutBucketCors", "PUT", "REST.PUT.CORS"},
		{"GetObjectAcl", "GET", "REST.GET.ACL"},
		{"CopyObject", "PUT", "REST.COPY.OBJECT"},
		{"ListObjectsV2", "GET", "REST.GET.BUCKET"},
		{"DeleteObjects", "POST", "REST.POST.MULTI_OBJECT_DELETE"},
		{"ListBuckets", "GET", ""},
	} {
		if got := Operation(tt.api, tt.method); got != tt.want {
			t.Errorf("%s by %s is %q, want %q", tt.api, tt.method, got, tt.want)
		}
	}
}
