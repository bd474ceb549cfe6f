package gateway

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/restxml"
	"github.com/gigawatt-cloud/gigawatt/aws/sigv4"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// websiteSteps serve a bucket as a website, to anybody whom its policy lets
// read. What the visitor gets is objects; errors are pages.
var websiteSteps = []step{
	{"id", (*exchange).identify},
	{"website", (*exchange).findSite},
	{"cors", (*exchange).cors},
	{"admit", (*exchange).admit},
	{"invoke", (*exchange).visit},
	{"meter", (*exchange).meter},
	{"encode", (*exchange).sendReply},
}

// site is a bucket's website and what is asked of it.
type site struct {
	bucket string
	key    string
	config *s3api.GetBucketWebsiteOutput
}

// websiteBucket is the bucket that a website's host names, as in
// "bucket.s3-website.localhost" or "bucket.s3-website-us-east-1.localhost".
func websiteBucket(host string) string {
	host = hostName(host)
	const infix = ".s3-website"
	i := strings.LastIndex(host, infix)
	if i <= 0 {
		return ""
	}
	if rest := host[i+len(infix):]; !strings.HasPrefix(rest, ".") && !strings.HasPrefix(rest, "-") {
		return ""
	}
	return host[:i]
}

// websiteCodec is S3's, with errors as pages.
type websiteCodec struct{ restxml.Codec }

// EncodeError implements protocol.Codec.
func (c websiteCodec) EncodeError(sv *smithy.Meta, op *smithy.Operation, e *awserr.Error, requestID string) *protocol.Response {
	rs := c.Codec.EncodeError(sv, op, e, requestID)
	if rs.Status == http.StatusNotModified {
		return rs
	}
	title := strconv.Itoa(rs.Status) + " " + http.StatusText(rs.Status)
	var b strings.Builder
	fmt.Fprintf(&b, "<html>\n<head><title>%s</title></head>\n<body>\n<h1>%s</h1>\n<ul>\n", title, title)
	item := func(name, value string) { fmt.Fprintf(&b, "<li>%s: %s</li>\n", name, escapedXML(value)) }
	item("Code", e.Code)
	item("Message", e.Message)
	for _, name := range []string{"BucketName", "Key", "Method", "ResourceType"} {
		if v, ok := e.Members[name].(string); ok {
			item(name, v)
			rs.Header.Set("X-Amz-Error-Detail-"+name, headerText(v))
		}
	}
	item("RequestId", requestID)
	item("HostId", rs.Header.Get("X-Amz-Id-2"))
	b.WriteString("</ul>\n<hr/>\n</body>\n</html>\n")
	rs.Header.Set("Content-Type", "text/html; charset=utf-8")
	rs.Header.Set("X-Amz-Error-Code", e.Code)
	rs.Header.Set("X-Amz-Error-Message", headerText(e.Message))
	rs.Body = []byte(b.String())
	return rs
}

// headerText is text without what a header cannot hold.
func headerText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// findSite loads the website's configuration and makes the visitor's call.
func (x *exchange) findSite() error {
	bucket := websiteBucket(x.r.Host)
	operation := "GetObject"
	if x.r.Method == http.MethodHead {
		operation = "HeadObject"
	}
	x.auth = &sigv4.Auth{}
	if err := x.serveS3(operation, map[string]string{"Bucket": url.PathEscape(bucket)}); err != nil {
		return err
	}
	x.codec = websiteCodec{}
	if !isRead(x.r) {
		return awserr.New("MethodNotAllowed", http.StatusMethodNotAllowed, "The specified method is not allowed against this resource.").
			With("Method", x.r.Method).With("ResourceType", "OBJECT")
	}
	const absent = "NoSuchWebsiteConfiguration"
	config, err := bucketConfig(x, s3api.GetBucketWebsite, &s3api.GetBucketWebsiteInput{Bucket: bucket}, absent)
	if err != nil {
		return err
	}
	if config == nil {
		return awserr.New(absent, http.StatusNotFound, "The specified bucket does not have a website configuration").With("BucketName", bucket)
	}
	raw, _ := target(x.r)
	key, err := url.PathUnescape(strings.TrimPrefix(raw, "/"))
	if err != nil {
		return awserr.New("InvalidURI", http.StatusBadRequest, "Couldn't parse the specified URI.")
	}
	x.match.Labels["Key"] = url.PathEscape(key)
	x.site = &site{bucket: bucket, key: key, config: config}
	p := &policy.Principal{Type: policy.Anonymous}
	if x.g.Open {
		p = Root(x.g.Account)
	}
	x.call = x.g.newCall(p, x.match.Op, "", x.id, x.now)
	x.call.Transport = x.transport()
	return nil
}

// visit finds what the visitor gets: a redirect, an object or the error document.
func (x *exchange) visit() error {
	s := x.site
	if all := s.config.RedirectAllRequestsTo; all != nil {
		u := x.baseURL()
		u.Host = all.HostName
		if all.Protocol != nil {
			u.Scheme = *all.Protocol
		}
		x.redirect(http.StatusMovedPermanently, u, s.key)
		return nil
	}
	if r := routingRule(s.config.RoutingRules, s.key, 0); r != nil {
		return x.follow(r)
	}
	key := s.key
	if key == "" || strings.HasSuffix(key, "/") {
		key += s.index()
	}
	err := x.serveObject(key, http.StatusOK)
	if err == nil {
		return nil
	}
	e := awserr.As(err)
	if e == nil || e.Status < 400 || e.Status == http.StatusPreconditionFailed {
		return err
	}
	if key == s.key && e.Status < 500 && x.exists(key+"/"+s.index()) {
		u := &url.URL{Path: "/" + key + "/"}
		x.reply = &protocol.Response{Status: http.StatusFound, Header: http.Header{"Location": {u.String()}}}
		return nil
	}
	if r := routingRule(s.config.RoutingRules, s.key, e.Status); r != nil {
		return x.follow(r)
	}
	if doc := s.config.ErrorDocument; doc != nil && e.Status < 500 {
		for _, name := range []string{"Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"} {
			x.r.Header.Del(name)
		}
		if x.serveObject(doc.Key, e.Status) == nil {
			x.reply.Header.Set("X-Amz-Error-Code", e.Code)
			x.reply.Header.Set("X-Amz-Error-Message", headerText(e.Message))
			return nil
		}
	}
	return err
}

func (s *site) index() string {
	if d := s.config.IndexDocument; d != nil {
		return d.Suffix
	}
	return "index.html"
}

// serveObject makes the reply of an object, which the visitor must be allowed
// to read. An object may send the visitor elsewhere.
func (x *exchange) serveObject(key string, status int) error {
	out, err := x.fetch(x.match.Name, key)
	if err != nil {
		return err
	}
	rs, err := x.codec.Encode(x.match.Op, out, x.id)
	if err != nil {
		return err
	}
	if to := rs.Header.Get("X-Amz-Website-Redirect-Location"); to != "" && status == http.StatusOK {
		closeReply(rs)
		x.reply = &protocol.Response{Status: http.StatusMovedPermanently, Header: http.Header{"Location": {to}}}
		return nil
	}
	switch {
	case status != http.StatusOK:
		rs.Status = status
	case rs.Header.Get("Content-Range") != "":
		rs.Status = http.StatusPartialContent
	}
	x.reply = rs
	return nil
}

// exists reports whether the visitor could read an object.
func (x *exchange) exists(key string) bool {
	_, err := x.fetch("HeadObject", key)
	return err == nil
}

// fetch calls GetObject or HeadObject as the visitor.
func (x *exchange) fetch(operation, key string) (any, error) {
	m := s3Match(operation, nil)
	x.handler, x.call.Op = x.g.handlers["s3"][operation], m.Op
	if x.handler == nil {
		return nil, x.refusal()
	}
	x.in = x.handler.NewInput()
	rq := &protocol.Request{
		Method: x.r.Method, Header: http.Header{}, Body: http.NoBody,
		Labels: map[string]string{"Bucket": url.PathEscape(x.site.bucket), "Key": url.PathEscape(key)},
	}
	for _, name := range []string{"Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"} {
		if v := x.r.Header.Get(name); v != "" && operation == x.match.Name {
			rq.Header.Set(name, v)
		}
	}
	if err := x.codec.Decode(m.Op, rq, x.in, &x.problems); err != nil {
		return nil, err
	}
	if err := x.authorize(); err != nil {
		return nil, err
	}
	if err := x.invoke(); err != nil {
		return nil, err
	}
	return x.out, nil
}

// routingRule returns the first rule for a key; status is the error's, 0
// before the object was looked for.
func routingRule(rules []s3api.RoutingRule, key string, status int) *s3api.RoutingRule {
	for i := range rules {
		r := &rules[i]
		var prefix, code string
		if c := r.Condition; c != nil {
			prefix, code = text(c.KeyPrefixEquals), text(c.HttpErrorCodeReturnedEquals)
		}
		if !strings.HasPrefix(key, prefix) {
			continue
		}
		if code == "" && status == 0 || code != "" && code == strconv.Itoa(status) {
			return r
		}
	}
	return nil
}

// follow redirects as a rule says.
func (x *exchange) follow(r *s3api.RoutingRule) error {
	to := r.Redirect
	if to == nil {
		to = &s3api.Redirect{}
	}
	u := x.baseURL()
	if h := text(to.HostName); h != "" {
		u.Host = h
	}
	if p := text(to.Protocol); p != "" {
		u.Scheme = p
	}
	key := x.site.key
	switch {
	case to.ReplaceKeyWith != nil:
		key = *to.ReplaceKeyWith
	case to.ReplaceKeyPrefixWith != nil:
		prefix := ""
		if r.Condition != nil {
			prefix = text(r.Condition.KeyPrefixEquals)
		}
		key = *to.ReplaceKeyPrefixWith + strings.TrimPrefix(key, prefix)
	}
	status := http.StatusMovedPermanently
	if c := text(to.HttpRedirectCode); c != "" {
		n, err := strconv.Atoi(c)
		if err != nil {
			return fmt.Errorf("stored redirect code %q: %w", c, err)
		}
		status = n
	}
	x.redirect(status, u, key)
	return nil
}

// redirect sends the visitor to a key on another host, with the query.
func (x *exchange) redirect(status int, u *url.URL, key string) {
	u.Path = "/" + key
	_, u.RawQuery = target(x.r)
	x.reply = &protocol.Response{Status: status, Header: http.Header{"Location": {u.String()}}}
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// sendReply writes what the visit found.
func (x *exchange) sendReply() error {
	x.reply.Header.Set("X-Amz-Request-Id", x.id)
	return x.send(x.reply)
}

func closeReply(rs *protocol.Response) {
	if c, ok := rs.Stream.(interface{ Close() error }); ok {
		_ = c.Close()
	}
}
