package gateway

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/sigv4"
)

// postSteps take the upload of a browser's form. It becomes a PutObject: the
// form's fields stand for the headers, its policy for the signature.
var postSteps = []step{
	{"id", (*exchange).identify},
	{"form", (*exchange).readForm},
	{"cors", (*exchange).cors},
	{"sigv4", (*exchange).authenticatePost},
	{"decode", (*exchange).decodePost},
	{"validate", (*exchange).validate},
	{"authorize", (*exchange).authorize},
	{"admit", (*exchange).admit},
	{"invoke", (*exchange).invoke},
	{"meter", (*exchange).meter},
	{"encode", (*exchange).encodePost},
}

// postForm is the part of an upload before its file, and the file.
type postForm struct {
	fields map[string]string // by small letters
	post   *sigv4.Post
	bucket string
	key    string
	file   io.Reader
}

// maxPostFields bounds the form without its file; maxPostNames its fields.
const (
	maxPostFields = 20 << 10
	maxPostNames  = 500
)

// isPostUpload reports whether a request is a form that is posted to a bucket.
func isPostUpload(r *http.Request) bool {
	if r.Method != http.MethodPost || r.Header.Get("Authorization") != "" {
		return false
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		return false
	}
	bucket, key := bucketAndKey(r)
	return bucket != "" && key == ""
}

// readForm reads the fields up to the file.
func (x *exchange) readForm() error {
	f := &postForm{fields: map[string]string{}}
	f.bucket, _ = bucketAndKey(x.r)
	x.post = f
	if err := x.serveS3("PutObject", map[string]string{"Bucket": f.bucket}); err != nil {
		return err
	}
	mr, err := x.r.MultipartReader()
	if err != nil {
		return malformedPost(err)
	}
	if err := f.read(mr); err != nil {
		return err
	}
	bucket, err := url.PathUnescape(f.bucket)
	if err != nil {
		return protocol.Malformed("The bucket's name is not escaped as a URL must be.")
	}
	f.bucket = bucket
	if f.post, err = sigv4.ParsePost(f.fields); err != nil {
		return err
	}
	x.auth = &f.post.Auth
	if f.key = f.fields["key"]; f.key == "" {
		return postArgument("key", "", "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.")
	}
	return nil
}

func malformedPost(err error) error {
	if errors.Is(err, http.ErrBodyReadAfterClose) {
		return err
	}
	return awserr.New("MalformedPOSTRequest", http.StatusBadRequest, "The body of your POST request is not well-formed multipart/form-data.")
}

func postArgument(name, value, sentence string) error {
	return awserr.New("InvalidArgument", http.StatusBadRequest, "%s", sentence).With("ArgumentName", name).With("ArgumentValue", value)
}

// read collects the fields, and finds the file.
func (f *postForm) read(mr *multipart.Reader) error {
	left := maxPostFields
	for {
		p, err := mr.NextRawPart()
		if errors.Is(err, io.EOF) {
			return postArgument("file", "0", "POST requires exactly one file upload per request.")
		}
		if err != nil {
			return malformedPost(err)
		}
		name := strings.ToLower(p.FormName())
		if name == "file" {
			return f.take(p)
		}
		b, err := io.ReadAll(io.LimitReader(p, int64(left)+1))
		if err != nil {
			return malformedPost(err)
		}
		if left -= len(name) + len(b); left < 0 || len(f.fields) == maxPostNames {
			return awserr.New("MaxPostPreDataLengthExceeded", http.StatusBadRequest, "Your POST request fields preceding the upload file were too large.")
		}
		if _, twice := f.fields[name]; twice {
			return postArgument(name, string(b), "POST requires exactly one field with the name '"+name+"'.")
		}
		f.fields[name] = string(b)
	}
}

// maxFileName bounds the name that fields may ask for, which ends in a key.
const maxFileName = 1024

// take adopts the file and puts its name where the fields ask for it.
func (f *postForm) take(p *multipart.Part) error {
	_, params, err := mime.ParseMediaType(p.Header.Get("Content-Disposition"))
	name := ""
	if err == nil {
		name = params["filename"]
	}
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	if len(name) > maxFileName {
		return awserr.New("KeyTooLongError", http.StatusBadRequest, "Your key is too long")
	}
	for field, v := range f.fields {
		if field != "policy" {
			f.fields[field] = strings.ReplaceAll(v, "${filename}", name)
		}
	}
	f.file = p
	return nil
}

// authenticatePost verifies the form's policy and finds whose it is.
func (x *exchange) authenticatePost() error {
	p, err := x.postPrincipal()
	if err != nil {
		return err
	}
	x.call = x.g.newCall(p, x.match.Op, x.auth.Scope.Region, x.id, x.now)
	x.call.Transport = x.transport()
	return nil
}

func (x *exchange) postPrincipal() (*policy.Principal, error) {
	f := x.post
	v := sigv4.PostVerify{Bucket: f.bucket, Now: x.start, ContentLength: -1, Keys: x.g.keys}
	switch {
	case x.g.Open:
		if err := f.post.CheckPolicy(v); err != nil {
			return nil, err
		}
		return x.openPrincipal()
	case f.post.Form == sigv4.Anonymous:
		return &policy.Principal{Type: policy.Anonymous}, f.post.CheckPolicy(v)
	}
	cred, err := x.credential()
	if err != nil {
		return nil, err
	}
	if err := f.post.Verify(cred.Secret, v); err != nil {
		return nil, err
	}
	return cred.Principal, nil
}

// postHeaders are the headers that fields without the prefix x-amz- stand for.
var postHeaders = map[string]string{
	"acl": "X-Amz-Acl", "cache-control": "Cache-Control", "content-type": "Content-Type", "content-encoding": "Content-Encoding",
	"content-disposition": "Content-Disposition", "content-language": "Content-Language", "content-md5": "Content-MD5", "expires": "Expires",
}

// decodePost makes PutObject's input of the form.
func (x *exchange) decodePost() error {
	f := x.post
	h := http.Header{}
	for name, v := range f.fields {
		switch header := postHeaders[name]; {
		case header != "":
			h[http.CanonicalHeaderKey(header)] = []string{v}
		case strings.HasPrefix(name, "x-amz-") && !credentialField(name):
			h.Set(name, v)
		case name == "tagging":
			tags, err := postTags(v)
			if err != nil {
				return err
			}
			h.Set("X-Amz-Tagging", tags)
		}
	}
	if a := h.Get("X-Amz-Checksum-Algorithm"); a != "" {
		h.Del("X-Amz-Checksum-Algorithm")
		h.Set("X-Amz-Sdk-Checksum-Algorithm", a)
	}
	x.call.Transport.Header = h
	x.in = x.handler.NewInput()
	x.match.Labels = map[string]string{"Bucket": url.PathEscape(f.bucket), "Key": url.PathEscape(f.key)}
	limit, bounded := f.post.MaxLength()
	x.r.Body = &postFile{Reader: f.file, post: f.post, limit: limit, bounded: bounded}
	return x.codec.Decode(x.match.Op, &protocol.Request{
		Method: http.MethodPut, Header: h, Body: x.r.Body, ContentLength: -1, MaxBody: maxBody, Labels: x.match.Labels,
	}, x.in, &x.problems)
}

// credentialField reports whether a field signs the form and is no header of the object's.
func credentialField(name string) bool {
	switch name {
	case "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature", "x-amz-security-token":
		return true
	}
	return false
}

// postTags turns the XML of the field tagging into the header's form.
func postTags(doc string) (string, error) {
	var tagging struct {
		XMLName xml.Name `xml:"Tagging"`
		Tags    []struct {
			Key   string `xml:"Key"`
			Value string `xml:"Value"`
		} `xml:"TagSet>Tag"`
	}
	if err := xml.Unmarshal([]byte(doc), &tagging); err != nil {
		return "", awserr.New("MalformedXML", http.StatusBadRequest, "The XML you provided was not well-formed or did not validate against our published schema")
	}
	pairs := make([]string, 0, len(tagging.Tags))
	for _, t := range tagging.Tags {
		pairs = append(pairs, url.QueryEscape(t.Key)+"="+url.QueryEscape(t.Value))
	}
	return strings.Join(pairs, "&"), nil
}

// postFile reads the file, and holds its length against the policy.
type postFile struct {
	io.Reader
	post    *sigv4.Post
	n       int64
	limit   int64
	bounded bool
}

// Read implements io.Reader.
func (f *postFile) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	f.n += int64(n)
	switch {
	case f.bounded && f.n > f.limit:
		return 0, f.post.CheckLength(f.n)
	case errors.Is(err, io.EOF):
		if bad := f.post.CheckLength(f.n); bad != nil {
			return 0, bad
		}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return 0, awserr.New("IncompleteBody", http.StatusBadRequest, "The form ended before its file was complete.")
	}
	return n, err
}

// Close implements io.Closer.
func (*postFile) Close() error { return nil }

// postedXML is the answer that success_action_status 201 asks for.
const postedXML = xml.Header + "<PostResponse><Location>%s</Location><Bucket>%s</Bucket><Key>%s</Key><ETag>%s</ETag></PostResponse>"

// encodePost answers as the form wants: with a redirect or a status.
func (x *exchange) encodePost() error {
	rs, err := x.codec.Encode(x.match.Op, x.out, x.id)
	if err != nil {
		return err
	}
	f := x.post
	etag := ""
	if out, ok := x.out.(*s3api.PutObjectOutput); ok && out.ETag != nil {
		etag = *out.ETag
	}
	rs.Status, rs.Body, rs.Stream = http.StatusNoContent, nil, nil
	location := x.baseURL()
	location.Path = "/" + f.key
	if virtualBucket(x.r.Host) == "" {
		location.Path = "/" + f.bucket + location.Path
	}
	rs.Header.Set("Location", location.String())
	if u := f.redirect(etag); u != "" {
		rs.Status = http.StatusSeeOther
		rs.Header.Set("Location", u)
		return x.send(rs)
	}
	switch f.fields["success_action_status"] {
	case "200":
		rs.Status = http.StatusOK
	case "201":
		rs.Status = http.StatusCreated
		rs.Header.Set("Content-Type", "application/xml")
		rs.Body = fmt.Appendf(nil, postedXML, escapedXML(location.String()), escapedXML(f.bucket), escapedXML(f.key), escapedXML(etag))
	}
	return x.send(rs)
}

// redirect is where a browser goes after the upload, "" when the form names no
// usable place.
func (f *postForm) redirect(etag string) string {
	to := f.fields["success_action_redirect"]
	if to == "" {
		to = f.fields["redirect"]
	}
	u, err := url.Parse(to)
	if to == "" || err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return ""
	}
	q := "bucket=" + url.QueryEscape(f.bucket) + "&key=" + url.QueryEscape(f.key) + "&etag=" + url.QueryEscape(etag)
	if u.RawQuery != "" {
		q = u.RawQuery + "&" + q
	}
	u.RawQuery = q
	return u.String()
}
