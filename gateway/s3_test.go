package gateway

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
)

func TestWebsiteBucket(t *testing.T) {
	for host, want := range map[string]string{
		"site.s3-website.localhost:4566":                     "site",
		"www.site.s3-website-us-east-1.amazonaws.com":        "www.site",
		"site.s3-website.eu-west-1.localhost.gigawatt.cloud": "site",
		"s3-website.localhost":                               "",
		".s3-website.localhost":                              "",
		"site.s3-websites.localhost":                         "",
		"site.s3.localhost":                                  "",
		"localhost:4566":                                     "",
	} {
		if got := websiteBucket(host); got != want {
			t.Errorf("websiteBucket(%q) = %q, want %q", host, got, want)
		}
	}
}

func TestBucketAndKey(t *testing.T) {
	for _, tt := range []struct{ host, path, bucket, key string }{
		{"localhost:4566", "/", "", ""},
		{"localhost:4566", "/b", "b", ""},
		{"localhost:4566", "/b/", "b", ""},
		{"localhost:4566", "/b/a%2Fc/d?x=/y", "b", "a%2Fc/d"},
		{"b.s3.localhost", "/k/l", "b", "k/l"},
		{"b.s3-website.localhost", "/k", "b", "k"},
		{"b.localhost:4566", "/", "b", ""},
	} {
		r := httptest.NewRequest(http.MethodGet, tt.path, nil)
		r.Host = tt.host
		if bucket, key := bucketAndKey(r); bucket != tt.bucket || key != tt.key {
			t.Errorf("%s%s names %q, %q; want %q, %q", tt.host, tt.path, bucket, key, tt.bucket, tt.key)
		}
	}
}

func TestCORSRule(t *testing.T) {
	first := s3api.CORSRule{AllowedMethods: []string{"GET"}, AllowedOrigins: []string{"https://*.example.com", "start*"}}
	second := s3api.CORSRule{
		AllowedMethods: []string{"GET", "PUT"}, AllowedOrigins: []string{"*"}, AllowedHeaders: []string{"x-amz-*", "Content-Type"},
	}
	rules := []s3api.CORSRule{first, second}
	for _, tt := range []struct {
		name string
		q    corsQuestion
		want int
	}{
		{"the first that matches", corsQuestion{"https://a.example.com", "GET", nil}, 0},
		{"an asterisk at the end", corsQuestion{"starting", "GET", nil}, 0},
		{"headers pass over a rule without any", corsQuestion{"https://a.example.com", "GET", []string{"x-amz-date"}}, 1},
		{"a method of the second", corsQuestion{"https://a.example.com", "PUT", nil}, 1},
		{"headers in any case", corsQuestion{"o", "PUT", []string{"content-type", "x-amz-acl"}}, 1},
		{"one header too many", corsQuestion{"o", "PUT", []string{"content-type", "range"}}, -1},
		{"a method of none", corsQuestion{"o", "DELETE", nil}, -1},
	} {
		got := -1
		for i := range rules {
			if corsRule(rules, tt.q) == &rules[i] {
				got = i
			}
		}
		if got != tt.want {
			t.Errorf("%s: rule %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestWildcard(t *testing.T) {
	for _, tt := range []struct {
		pattern, s string
		want       bool
	}{
		{"*", "", true},
		{"a*a", "a", false},
		{"a*a", "aa", true},
		{"*.com", "x.com", true},
		{"*.com", "x.org", false},
		{"a", "A", false},
	} {
		if got := wildcard(tt.pattern, tt.s); got != tt.want {
			t.Errorf("wildcard(%q, %q) = %v", tt.pattern, tt.s, got)
		}
	}
}

func TestRoutingRule(t *testing.T) {
	s := func(s string) *string { return &s }
	rules := []s3api.RoutingRule{
		{Condition: &s3api.Condition{KeyPrefixEquals: s("docs/")}},
		{Condition: &s3api.Condition{KeyPrefixEquals: s("img/"), HttpErrorCodeReturnedEquals: s("404")}},
		{Condition: &s3api.Condition{HttpErrorCodeReturnedEquals: s("403")}},
	}
	for _, tt := range []struct {
		key    string
		status int
		want   int
	}{
		{"docs/a", 0, 0}, {"docs/a", 404, -1}, {"img/a", 0, -1}, {"img/a", 404, 1}, {"x", 404, -1}, {"x", 403, 2}, {"img/a", 403, 2},
	} {
		got := -1
		for i := range rules {
			if routingRule(rules, tt.key, tt.status) == &rules[i] {
				got = i
			}
		}
		if got != tt.want {
			t.Errorf("%s with %d: rule %d, want %d", tt.key, tt.status, got, tt.want)
		}
	}
}

// form writes a form with a file of this name.
func form(t testing.TB, filename, file string, fields ...string) (body []byte, boundary string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		if err := w.WriteField(fields[i], fields[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	p, err := w.CreateFormFile("file", filename)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(p, file); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), w.Boundary()
}

func TestPostForm(t *testing.T) {
	body, boundary := form(t, `C:\pictures\a b.jpg`, "bytes", "Key", "user/${filename}", "policy", "${filename}", "X-Amz-Meta-N", "v")
	f := &postForm{fields: map[string]string{}}
	if err := f.read(multipart.NewReader(bytes.NewReader(body), boundary)); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"key": "user/a b.jpg", "policy": "${filename}", "x-amz-meta-n": "v"}
	if d := cmp.Diff(want, f.fields); d != "" {
		t.Errorf("fields (-want +got):\n%s", d)
	}
	if b, err := io.ReadAll(f.file); err != nil || string(b) != "bytes" {
		t.Errorf("the file is %q, %v", b, err)
	}

	for name, tt := range map[string]struct {
		fields []string
		code   string
	}{
		"twice":     {[]string{"key", "a", "KEY", "b"}, "InvalidArgument"},
		"too large": {[]string{"key", string(make([]byte, maxPostFields))}, "MaxPostPreDataLengthExceeded"},
	} {
		body, boundary := form(t, "f", "", tt.fields...)
		err := (&postForm{fields: map[string]string{}}).read(multipart.NewReader(bytes.NewReader(body), boundary))
		if e := awserr.As(err); e == nil || e.Code != tt.code {
			t.Errorf("%s: %v, want %s", name, err, tt.code)
		}
	}
}

func FuzzPostForm(f *testing.F) {
	body, boundary := form(f, "a.txt", "bytes", "key", "${filename}", "tagging", "<Tagging/>")
	f.Add(body, boundary)
	f.Add(body[:len(body)/2], boundary)
	f.Add([]byte("--x\r\n\r\n\r\n--x--"), "x")
	f.Fuzz(func(t *testing.T, body []byte, boundary string) {
		p := &postForm{fields: map[string]string{}}
		if err := p.read(multipart.NewReader(bytes.NewReader(body), boundary)); err != nil {
			if awserr.As(err) == nil {
				t.Fatalf("an error that is none of the API's: %v", err)
			}
			return
		}
		size := 0
		for name, v := range p.fields {
			size += len(name) + len(v)
		}
		if p.file == nil || size > maxPostFields*(1+len(body)) {
			t.Fatalf("no file, or %d bytes of fields", size)
		}
	})
}

func TestPostTags(t *testing.T) {
	got, err := postTags("<Tagging><TagSet><Tag><Key>a b</Key><Value>1&amp;2</Value></Tag><Tag><Key>c</Key><Value></Value></Tag></TagSet></Tagging>")
	if want := "a+b=1%262&c="; err != nil || got != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	if _, err := postTags("<Tagging>"); awserr.As(err) == nil {
		t.Errorf("broken XML gives %v", err)
	}
}

func TestPostRedirect(t *testing.T) {
	for to, want := range map[string]string{
		"https://a.example/done":    "https://a.example/done?bucket=b&key=k%2F1&etag=%22e%22",
		"http://a.example/done?x=1": "http://a.example/done?x=1&bucket=b&key=k%2F1&etag=%22e%22",
		"javascript:alert(1)":       "",
		"//a.example/":              "",
		"":                          "",
		"http://a.example/%zz":      "",
	} {
		f := &postForm{bucket: "b", key: "k/1", fields: map[string]string{"success_action_redirect": to}}
		if got := f.redirect(`"e"`); got != want {
			t.Errorf("%q leads to %q, want %q", to, got, want)
		}
	}
}
