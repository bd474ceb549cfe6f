package sigv4

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
)

// subresources are the query parameters that Version 2 signs.
var subresources = map[string]bool{
	"accelerate": true, "acl": true, "analytics": true, "cors": true, "defaultObjectAcl": true, "delete": true,
	"inventory": true, "lifecycle": true, "location": true, "logging": true, "metrics": true, "notification": true,
	"object-lock": true, "partNumber": true, "policy": true, "replication": true, "requestPayment": true,
	"response-cache-control": true, "response-content-disposition": true, "response-content-encoding": true,
	"response-content-language": true, "response-content-type": true, "response-expires": true, "restore": true,
	"select": true, "select-type": true, "storageClass": true, "tagging": true, "torrent": true, "uploadId": true,
	"uploads": true, "versionId": true, "versioning": true, "versions": true, "website": true,
}

func (a *Auth) verifyV2(r *http.Request, secret string, v *Verify) error {
	if err := a.checkTime(v); err != nil {
		return err
	}
	text := a.stringToSignV2(r, v.Bucket)
	if subtle.ConstantTimeCompare([]byte(signV2(secret, text)), []byte(a.Signature)) != 1 {
		return a.mismatchOf(text)
	}
	return nil
}

// signV2 returns the base64 HMAC-SHA1 of text.
func signV2(secret, text string) string {
	h := hmac.New(sha1.New, []byte(secret))
	h.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// stringToSignV2 is the method, Content-MD5, Content-Type, the date, the
// x-amz-* headers and the resource.
func (a *Auth) stringToSignV2(r *http.Request, bucket string) string {
	var b strings.Builder
	b.WriteString(r.Method + "\n")
	b.WriteString(a.headerV2(r, "Content-Md5") + "\n")
	b.WriteString(a.headerV2(r, "Content-Type") + "\n")
	switch {
	case a.Form == PresignedV2:
		b.WriteString(a.lifetime)
	case first(r.Header, "X-Amz-Date") == "":
		b.WriteString(first(r.Header, "Date"))
	}
	b.WriteByte('\n')
	a.writeAmzHeaders(&b, r)
	path, query := target(r)
	if bucket != "" {
		b.WriteString("/" + bucket)
	}
	b.WriteString(path)
	var signed []string
	for name, value := range queryPairs(query) {
		if !subresources[name] {
			continue
		}
		if value != "" || strings.Contains("&"+query+"&", "&"+name+"=&") {
			name += "=" + decode(value, false)
		}
		signed = append(signed, name)
	}
	slices.Sort(signed)
	if signed != nil {
		b.WriteString("?" + strings.Join(signed, "&"))
	}
	return b.String()
}

// headerV2 is a header, or what was moved into the query in its stead.
func (a *Auth) headerV2(r *http.Request, name string) string {
	if v := first(r.Header, name); v != "" {
		return v
	}
	return a.hoisted.Get(name)
}

func (a *Auth) writeAmzHeaders(b *strings.Builder, r *http.Request) {
	lines := make(map[string]string)
	for _, h := range []http.Header{a.hoisted, r.Header} { // a header goes before its namesake in the query
		for name, values := range h {
			name = strings.ToLower(name)
			if !strings.HasPrefix(name, "x-amz-") {
				continue
			}
			trimmed := make([]string, len(values))
			for i, v := range values {
				trimmed[i] = strings.TrimSpace(v)
			}
			lines[name] = strings.Join(trimmed, ",")
		}
	}
	if a.Form == PresignedV2 && a.SessionToken != "" {
		lines["x-amz-security-token"] = a.SessionToken
	}
	names := make([]string, 0, len(lines))
	for name := range lines {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		b.WriteString(name + ":" + lines[name] + "\n")
	}
}
