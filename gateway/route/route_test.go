package route

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gigawatt-cloud/gigawatt/api/catalog"
)

func request(line string) *Request {
	f := strings.Fields(line)
	rq := &Request{Method: f[0], Header: http.Header{}, Host: "127.0.0.1:4566"}
	rq.Path, rq.RawQuery, _ = strings.Cut(f[1], "?")
	var body string
	for _, x := range f[2:] {
		k, v, _ := strings.Cut(x, ":")
		switch k {
		case "sign":
			rq.SigningName = v
		case "host":
			rq.Host = v
		case "form":
			body = v
		default:
			rq.Header.Set(k, v)
		}
	}
	rq.Form = func() (url.Values, error) {
		if body == "" {
			return nil, nil
		}
		return url.ParseQuery(body)
	}
	return rq
}

func TestFind(t *testing.T) {
	table := New()
	for _, c := range []struct{ in, want string }{
		{"POST / sign:sqs X-Amz-Target:AmazonSQS.SendMessage", "sqs json SendMessage"},
		{"POST / sign:sqs X-Amz-Target:AmazonSQS.Nonesuch", "sqs json -"},
		{"POST / sign:sqs form:Action=SendMessage&Version=2012-11-05", "sqs query SendMessage"},
		{"GET /?Action=ListQueues sign:sqs", "sqs query ListQueues"},
		{"POST /123456789012/q form:Action=SendMessage", "sqs query SendMessage"},
		{"POST / sign:iam form:Action=CreateUser", "iam query CreateUser"},
		{"POST / sign:ec2 form:Action=DescribeInstances", "ec2 ec2 DescribeInstances"},
		{"POST / form:Action=AssumeRoleWithWebIdentity&Version=2011-06-15", "sts query AssumeRoleWithWebIdentity"},
		{"POST / sign:dynamodb X-Amz-Target:DynamoDB_20120810.GetItem", "dynamodb json GetItem"},
		{"POST / sign:dynamodb X-Amz-Target:DynamoDBStreams_20120810.GetRecords", "dynamodbstreams json GetRecords"},
		{"POST /service/GraniteServiceVersion20100801/operation/PutMetricData sign:monitoring Smithy-Protocol:rpc-v2-cbor", "cloudwatch smithy-rpc-v2-cbor PutMetricData"},
		{"POST /model/m/converse sign:bedrock", "bedrock-runtime rest-json Converse"},
		{"GET /foundation-models sign:bedrock", "bedrock rest-json ListFoundationModels"},
		{"POST /agents/a/ sign:bedrock", "bedrock-agent rest-json PrepareAgent"},
		{"POST /2015-03-31/functions/f/invocations sign:lambda", "lambda rest-json Invoke"},
		{"GET /restapis sign:apigateway", "apigateway rest-json GetRestApis"},
		{"GET /v2/apis sign:apigateway", "apigatewayv2 rest-json GetApis"},
		{"GET /v20180820/jobs sign:s3", "s3control rest-xml ListJobs"},
		{"GET / sign:s3", "s3 rest-xml ListBuckets"},
		{"GET /?x-id=ListDirectoryBuckets sign:s3", "s3 rest-xml ListDirectoryBuckets"},
		{"GET /b sign:s3", "s3 rest-xml ListObjects"},
		{"GET /b/ sign:s3", "s3 rest-xml ListObjects"},
		{"GET /b?list-type=2 sign:s3", "s3 rest-xml ListObjectsV2"},
		{"GET /b?versions", "s3 rest-xml ListObjectVersions"},
		{"GET /b/k", "s3 rest-xml GetObject"},
		{"GET /b/dir/", "s3 rest-xml GetObject"},
		{"HEAD /b/k", "s3 rest-xml HeadObject"},
		{"HEAD /b", "s3 rest-xml HeadBucket"},
		{"PUT /b/k?x-id=PutObject", "s3 rest-xml PutObject"},
		{"PUT /b/k X-Amz-Copy-Source:a/b", "s3 rest-xml CopyObject"},
		{"PUT /b/k?partNumber=1&uploadId=u", "s3 rest-xml UploadPart"},
		{"PUT /b/k?partNumber=1&uploadId=u X-Amz-Copy-Source:a/b", "s3 rest-xml UploadPartCopy"},
		{"GET /b/k?uploadId=u", "s3 rest-xml ListParts"},
		{"GET /b/k?attributes X-Amz-Object-Attributes:ETag", "s3 rest-xml GetObjectAttributes"},
		{"POST /b/k?uploads", "s3 rest-xml CreateMultipartUpload"},
		{"POST /b/k?uploadId=u", "s3 rest-xml CompleteMultipartUpload"},
		{"POST /b?delete", "s3 rest-xml DeleteObjects"},
		{"GET /b?analytics", "s3 rest-xml ListBucketAnalyticsConfigurations"},
		{"GET /b?analytics&id=1", "s3 rest-xml GetBucketAnalyticsConfiguration"},
		{"PUT /b?inventory&id=1", "s3 rest-xml PutBucketInventoryConfiguration"},
		{"PATCH /b/k", "s3 rest-xml -"},
		{"POST / sign:rds form:Action=DescribeDBInstances", "rds query DescribeDBInstances"},
		{"POST / sign:nonesuch X-Amz-Target:Nonesuch.Op", "s3 rest-xml -"},
		{"POST / sign:sagemaker X-Amz-Target:SageMaker.CreateTrainingJob", "sagemaker json CreateTrainingJob"},
		{"POST /endpoints/e/invocations sign:sagemaker", "sagemaker-runtime rest-json InvokeEndpoint"},
		{"POST /v2/email/outbound-emails sign:ses", "sesv2 rest-json SendEmail"},
		{"POST / sign:ses form:Action=SendEmail", "ses query SendEmail"},
		{"POST / host:sts.us-east-1.localhost.localstack.cloud:4566 form:Action=GetCallerIdentity", "sts query GetCallerIdentity"},
	} {
		m, err := table.Find(request(c.in))
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		op := "-"
		if m.Op != nil {
			op = m.Op.Name
		}
		if got := m.Service.Name + " " + string(m.Protocol) + " " + op; got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.in, got, c.want)
		}
	}
}

func TestLabels(t *testing.T) {
	m, err := New().Find(request("GET /bucket/a//b%2Fc/"))
	if err != nil || m.Labels["Bucket"] != "bucket" || m.Labels["Key"] != "a//b%2Fc/" {
		t.Fatalf("labels = %v, %v", m.Labels, err)
	}
}

// Every REST operation is found under its own method and path.
func TestEveryOperation(t *testing.T) {
	wrong := 0
	total := 0
	table := New()
	for _, meta := range catalog.All() {
		p := restProtocol(meta)
		if p == "" {
			continue
		}
		for _, op := range catalog.Service(meta.Name).Operations {
			total++
			path, query, _ := strings.Cut(op.URI, "?")
			rq := &Request{Method: op.Method, Path: fill(path), RawQuery: query, Header: http.Header{}, SigningName: meta.SigningName, Form: func() (url.Values, error) { return nil, nil }}
			for _, l := range newTrieLeaf(table, meta.Name, op.Name) {
				for _, q := range l.queries {
					rq.RawQuery += "&" + q + "=x"
				}
				for _, h := range l.headers {
					rq.Header.Set(h, "x")
				}
			}
			m, err := table.Find(rq)
			if err != nil || m.Op == nil || m.Op.Name != op.Name {
				wrong++
				t.Logf("%s %s %s: found %v", meta.Name, op.Name, op.URI, m.Op)
			}
		}
	}
	if wrong*200 > total {
		t.Errorf("%d of %d REST operations are not found", wrong, total)
	}
}

func fill(path string) string {
	var b strings.Builder
	for seg := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		b.WriteByte('/')
		if strings.HasPrefix(seg, "{") {
			seg = "zz"
		}
		b.WriteString(seg)
	}
	return b.String()
}

func newTrieLeaf(t *Table, service, op string) (out []*leaf) {
	var walk func(n *node)
	walk = func(n *node) {
		if n == nil {
			return
		}
		for _, ls := range n.leaves {
			for _, l := range ls {
				if l.op.Name == op {
					out = append(out, l)
				}
			}
		}
		for _, c := range n.literal {
			walk(c)
		}
		walk(n.label)
		walk(n.greedy)
	}
	walk(t.trie(service).root)
	return out
}

func FuzzFind(f *testing.F) {
	f.Add("GET", "/b/k", "a=b&acl", "s3")
	f.Add("POST", "/model/%2F/converse", "", "bedrock")
	table := New()
	f.Fuzz(func(t *testing.T, method, path, query, sign string) {
		m, err := table.Find(&Request{Method: method, Path: path, RawQuery: query, Header: http.Header{}, SigningName: sign, Form: func() (url.Values, error) { return nil, nil }})
		if err == nil && m.Service == nil {
			t.Fatal("no service")
		}
	})
}
