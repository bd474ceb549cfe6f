package snapshots

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gigawatt-cloud/gigawatt/api/catalog"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/awsjson"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/awsquery"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/ec2query"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/negotiate"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/restjson"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/restxml"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/rpcv2cbor"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
	"github.com/gigawatt-cloud/gigawatt/gateway/route"
)

// modules are the SDK's modules of the services, with the version whose golden
// files are read.
var modules = []struct{ service, module, version string }{
	{"bedrock-runtime", "bedrockruntime", "v1.63.11"},
	{"dynamodb", "dynamodb", "v1.73.1"},
	{"ec2", "ec2", "v1.344.2"},
	{"iam", "iam", "v1.64.9"},
	{"lambda", "lambda", "v1.114.3"},
	{"s3", "s3", "v1.114.8"},
	{"sagemaker", "sagemaker", "v1.288.1"},
	{"sns", "sns", "v1.47.10"},
	{"sqs", "sqs", "v1.52.10"},
	{"sts", "sts", "v1.51.9"},
}

// known are the golden files that hold what our models do not have, with the reason.
var known = map[string]string{
	"s3.GetObjectAttributes": "The part number marker is __PartNumberMarker__; the model that we use says that it is an integer.",
	"s3.ListParts":           "The part number marker is __PartNumberMarker__; the model that we use says that it is an integer.",
}

var codecs = map[smithy.Protocol]protocol.Codec{
	smithy.AWSJSON: awsjson.New(), smithy.AWSQuery: awsquery.New(), smithy.EC2Query: ec2query.New(),
	smithy.RestJSON: restjson.New(), smithy.RestXML: restxml.New(), smithy.RPCv2CBOR: rpcv2cbor.New(),
}

func TestRequests(t *testing.T) {
	router := route.New()
	for _, m := range modules {
		t.Run(m.service, func(t *testing.T) {
			dir := download(t, "github.com/aws/aws-sdk-go-v2/service/"+m.module+"@"+m.version)
			files, err := filepath.Glob(filepath.Join(dir, "request_snapshot", "*.request.snap"))
			if err != nil || len(files) == 0 {
				t.Fatalf("no golden files in %s: %v", m.module, err)
			}
			passed := 0
			for _, file := range files {
				name := strings.TrimSuffix(filepath.Base(file), ".request.snap")
				id := m.service + "." + name
				err := check(router, m.service, name, file)
				switch reason := known[id]; {
				case err == nil && reason == "":
					passed++
				case err == nil:
					t.Errorf("%s decodes, but is listed as known: %s", id, reason)
				case reason == "":
					t.Errorf("%s: %v", id, err)
				}
			}
			t.Logf("%s %s: %d of %d requests decode whole", m.module, m.version, passed, len(files))
		})
	}
}

// download returns the folder of a module's files.
func download(t *testing.T, module string) string {
	t.Helper()
	cmd := exec.Command("go", "mod", "download", "-json", module)
	cmd.Dir = t.TempDir() // not to touch our own go.sum
	out, err := cmd.Output()
	var found struct{ Dir, Error string }
	if json.Unmarshal(out, &found) != nil || found.Dir == "" {
		t.Skipf("%s cannot be downloaded, which needs a module proxy: %v %s", module, err, found.Error)
	}
	return found.Dir
}

// golden is a request as the golden files write it.
type golden struct {
	method, path, query string
	header              http.Header
	body                []byte
}

// parse reads a golden file: the request line, the headers, the body.
func parse(file string) (*golden, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	line, rest, _ := bytes.Cut(b, []byte("\n\n"))
	method, target, ok := strings.Cut(string(line), " ")
	if !ok {
		return nil, fmt.Errorf("no request line in %q", line)
	}
	g := &golden{method: method, header: http.Header{}}
	g.path, g.query, _ = strings.Cut(target, "?")
	head, body, ok := bytes.Cut(rest, []byte("\n\n"))
	if !ok {
		head = bytes.TrimRight(head, "\n")
	}
	r := textproto.NewReader(bufio.NewReader(io.MultiReader(bytes.NewReader(head), strings.NewReader("\n\n"))))
	h, err := r.ReadMIMEHeader()
	if err != nil {
		return nil, fmt.Errorf("headers %q: %w", head, err)
	}
	g.header, g.body = http.Header(h), body
	return g, nil
}

// check routes and decodes a golden request and accounts for all it holds.
func check(router *route.Table, service, name, file string) error {
	g, err := parse(file)
	if err != nil {
		return err
	}
	op := catalog.Service(service).Operation(name)
	if op == nil {
		return errors.New("our model has no such operation")
	}
	if service == "s3" && strings.HasPrefix(op.URI, "/{Bucket}") {
		g.path = "/__Bucket__" + strings.TrimSuffix(g.path, "/") // it was in the host
	}
	m, err := router.Find(&route.Request{
		Method: g.method, Host: "localhost", Path: g.path, RawQuery: g.query, Header: g.header,
		SigningName: op.Service.SigningName,
		Form: func() (url.Values, error) {
			if g.header.Get("Content-Type") != "application/x-www-form-urlencoded" {
				return nil, nil
			}
			return url.ParseQuery(string(g.body))
		},
	})
	if err != nil {
		return err
	}
	if m.Op == nil || m.Op.Name != name || m.Service.Name != service {
		return fmt.Errorf("routed to %s %q", m.Service.Name, m.Name)
	}
	if m.Protocol == smithy.RestJSON {
		if e := negotiate.Check(op, g.header, len(g.body) > 0); e != nil {
			return e
		}
	}
	in, err := decode(m, g)
	if err != nil || op.Input == nil {
		return err
	}
	if p := op.Input.PayloadMember(); p != nil && p.IsStream() && len(g.body) == 0 {
		delete(in.(map[string]any), p.Name) // a stream is always there, though it may be empty
	}
	want, err := account(m, g)
	if err != nil {
		return err
	}
	if got := leaves(op.Input, in, m.Protocol); got != want {
		return fmt.Errorf("the request holds %d values, %d were decoded: %v", want, got, in)
	}
	return nil
}

// decode decodes a request; what was decoded is returned with the error that
// members are missing, too.
func decode(m *route.Match, g *golden) (any, error) {
	rq := &protocol.Request{
		Method: g.method, Labels: m.Labels, RawQuery: g.query, Header: g.header, Body: bytes.NewReader(g.body),
		ContentLength: int64(len(g.body)), MaxBody: 1 << 20,
	}
	var in any
	var problems smithy.Problems
	if err := codecs[m.Protocol].Decode(m.Op, rq, &in, &problems); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	if msg := problems.Message(); msg != "" {
		return in, errors.New(msg)
	}
	return in, nil
}

// TestUnknown proves that what the model does not have is found in each protocol.
func TestUnknown(t *testing.T) {
	router := route.New()
	tests := []struct{ service, op, request string }{
		{"sqs", "DeleteQueue", "POST /\n\nContent-Type: application/x-amz-json-1.0\nX-Amz-Target: AmazonSQS.DeleteQueue\n\n{\"QueueUrl\":\"u\",\"Unknown\":1}"},
		{"sts", "GetAccessKeyInfo", "POST /\n\nContent-Type: application/x-www-form-urlencoded\n\nAction=GetAccessKeyInfo&Version=2011-06-15&AccessKeyId=AKIA&Unknown=1"},
		{"ec2", "DeleteVpc", "POST /\n\nContent-Type: application/x-www-form-urlencoded\n\nAction=DeleteVpc&Version=2016-11-15&VpcId=v&Unknown=1"},
		{"lambda", "TagResource", "POST /2017-03-31/tags/a\n\nContent-Type: application/json\n\n{\"Tags\":{\"k\":\"v\"},\"Unknown\":1}"},
		{"s3", "PutBucketTagging", "PUT /?tagging=\n\nContent-Type: application/xml\n\n<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value><Unknown>1</Unknown></Tag></TagSet></Tagging>"},
		{"s3", "GetObject", "GET /k?x-id=GetObject&unknown=1\n\n\n"},
		{"s3", "GetObject", "GET /k?x-id=GetObject\n\nX-Amz-Unknown: 1\n\n"},
	}
	for _, tt := range tests {
		t.Run(tt.service+" "+tt.op, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "snap")
			if err := os.WriteFile(file, []byte(tt.request), 0o600); err != nil {
				t.Fatal(err)
			}
			err := check(router, tt.service, tt.op, file)
			if err == nil || !strings.Contains(strings.ToLower(err.Error()), "unknown") {
				t.Errorf("got %v, want an error that names what is unknown", err)
			}
		})
	}
}
