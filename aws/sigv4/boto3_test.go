package sigv4

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/checksum"
)

// What testdata/capture.py signed with.
const (
	botoKey    = "AKIDGIGAWATTEXAMPLE1"
	botoSecret = "gigawatt/secret+example/0123456789abcdef"
	botoToken  = "a-session-token/+=="
)

// botoServices are the signing names by the first word of a file's name; the
// others are S3's.
var botoServices = map[string]string{
	"sqs": "sqs", "sts": "sts", "iam": "iam", "dynamodb": "dynamodb", "lambda": "lambda",
	"bedrock": "bedrock", "apigateway": "apigateway",
}

type captured struct {
	name string
	raw  []byte
}

func botoRequests(tb testing.TB) []captured {
	tb.Helper()
	files, err := filepath.Glob("testdata/boto3/*.http")
	if err != nil || len(files) < 20 {
		tb.Fatalf("%d captured requests, %v", len(files), err)
	}
	var out []captured
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, captured{strings.TrimSuffix(filepath.Base(f), ".http"), raw})
	}
	return out
}

// read parses a raw request the way the server does, and returns what it is to
// be verified with at the moment it was signed.
func (c captured) read(tb testing.TB) (*http.Request, Verify) {
	tb.Helper()
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(c.raw)))
	if err != nil {
		tb.Fatal(err)
	}
	word, _, _ := strings.Cut(c.name, "-")
	if c.name == "presigned-sts" {
		word = "sts"
	}
	v := Verify{Service: "s3", S3: true}
	if s := botoServices[word]; s != "" {
		v = Verify{Service: s}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			tb.Fatal(err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		v.BodyHash = func() (string, error) {
			sum := sha256.Sum256(body)
			return hex.EncodeToString(sum[:]), nil
		}
	}
	a, err := Parse(r)
	if err != nil {
		tb.Fatal(err)
	}
	v.Now = a.Date
	if a.Form == PresignedV2 {
		v.Now = a.Expires.Add(-time.Second)
	}
	return r, v
}

func TestBoto3(t *testing.T) {
	for _, c := range botoRequests(t) {
		t.Run(c.name, func(t *testing.T) {
			r, v := c.read(t)
			a, err := Parse(r)
			if err != nil {
				t.Fatal(err)
			}
			if a.AccessKeyID != botoKey {
				t.Errorf("access key %q, want %q", a.AccessKeyID, botoKey)
			}
			if want := strings.Contains(c.name, "token"); want != (a.SessionToken == botoToken) && c.name != "sts-identity" && c.name != "s3-v2-acl" {
				t.Errorf("session token %q, wanted one: %v", a.SessionToken, want)
			}
			if err := a.Verify(r, botoSecret, v); err != nil {
				t.Fatalf("%v\n%v", err, err.(*Failure).Members)
			}
			b, err := NewBody(r, a, BodyOptions{})
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(b)
			if err != nil {
				t.Fatal(err)
			}
			if b.Length() >= 0 && b.Length() != int64(len(body)) {
				t.Errorf("%d bytes, Length says %d", len(body), b.Length())
			}
			for name, values := range b.Trailer() {
				alg, ok := checksum.FromHeader(name)
				if !ok {
					t.Fatalf("trailer %s is no checksum", name)
				}
				h := alg.New()
				h.Write(body)
				if got := checksum.Encode(h.Sum(nil)); got != values[0] {
					t.Errorf("%s of the body is %s, the trailer says %s", alg, got, values[0])
				}
			}
			if c.name == "s3-put-trailer" && b.Trailer() == nil {
				t.Error("no trailer")
			}
			c.wrongTwins(t, v)
		})
	}
}

// wrongTwins changes one thing at a time in a good request.
func (c captured) wrongTwins(t *testing.T, good Verify) {
	t.Helper()
	edit := func(old, changed string) func(*http.Request, *Verify, *string) {
		return func(r *http.Request, _ *Verify, _ *string) {
			r.RequestURI = strings.ReplaceAll(r.RequestURI, old, changed)
			for _, values := range r.Header {
				values[0] = strings.ReplaceAll(values[0], old, changed)
			}
		}
	}
	twins := map[string]func(r *http.Request, v *Verify, secret *string){
		"secret":  func(_ *http.Request, _ *Verify, secret *string) { *secret += "x" },
		"method":  func(r *http.Request, _ *Verify, _ *string) { r.Method = "PATCH" },
		"path":    func(r *http.Request, _ *Verify, _ *string) { r.RequestURI = "/z" + r.RequestURI[1:] },
		"expired": func(_ *http.Request, v *Verify, _ *string) { v.Now = v.Now.Add(8 * 24 * time.Hour) },
	}
	if good.S3 {
		twins["added header"] = func(r *http.Request, _ *Verify, _ *string) { r.Header.Set("X-Amz-Grant-Read", "x") }
	}
	if bytes.Contains(c.raw, []byte("aws4_request")) {
		twins["service"] = func(_ *http.Request, v *Verify, _ *string) { v.Service = "other" }
		twins["region"] = func(_ *http.Request, v *Verify, _ *string) { v.Region = "eu-west-1" }
		twins["terminator"] = edit("aws4_request", "aws4_requesd")
		twins["scope region"] = edit("us-east-1", "us-east-2")
		twins["host"] = func(r *http.Request, _ *Verify, _ *string) { r.Host = "127.0.0.1:1" }
	} else if strings.HasPrefix(c.name, "presigned") {
		twins["expires"] = edit("Expires=1", "Expires=2")
	}
	for name, twin := range twins {
		r, v := c.read(t)
		secret := botoSecret
		twin(r, &v, &secret)
		a, err := Parse(r)
		if err == nil {
			err = a.Verify(r, secret, v)
		}
		if err == nil {
			t.Errorf("the twin with a wrong %s was accepted", name)
		}
	}
}

func TestBoto3Hoisted(t *testing.T) {
	for _, c := range botoRequests(t) {
		if c.name != "presigned-s3-put" && c.name != "presigned-s3-token-put" {
			continue
		}
		r, _ := c.read(t)
		a, err := Parse(r)
		if err != nil {
			t.Fatal(err)
		}
		if h := a.Hoisted(); h.Get("X-Amz-Acl") != "public-read" || h.Get("X-Amz-Meta-M") != "v w" || len(h) != 2 {
			t.Errorf("%s: hoisted %v", c.name, h)
		}
	}
}

func TestBoto3Forms(t *testing.T) {
	raw, err := os.ReadFile("testdata/boto3/forms.json")
	if err != nil {
		t.Fatal(err)
	}
	var forms map[string]map[string]string
	if err := json.Unmarshal(raw, &forms); err != nil || len(forms) != 4 {
		t.Fatalf("%d forms, %v", len(forms), err)
	}
	for name, fields := range forms {
		p, err := ParsePost(fields)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		doc, err := parsePolicy(p.policy)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		v := PostVerify{Bucket: "bucket", Now: doc.expiration.Add(-time.Second), ContentLength: 5}
		if err := p.Verify(botoSecret, v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if most, ok := p.MaxLength(); !ok || most != 10 {
			t.Errorf("%s: MaxLength = %d, %v, want 10", name, most, ok)
		}
		if want := strings.HasSuffix(name, "token"); want != (p.SessionToken == botoToken) {
			t.Errorf("%s: session token %q", name, p.SessionToken)
		}
		if err := p.Verify(botoSecret+"x", v); err == nil {
			t.Errorf("%s: a wrong secret was accepted", name)
		}
	}
}
