package sigv4

import (
	"bytes"
	"cmp"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// unreserved are the bytes that stay as they are in a signed path or query.
var unreserved = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' ||
			c == '-' || c == '_' || c == '.' || c == '~'
	}
	return t
}()

const upperHex = "0123456789ABCDEF"

// appendEncoded percent-encodes s; a slash stays when slash is true.
func appendEncoded(dst []byte, s string, slash bool) []byte {
	for i := range len(s) {
		c := s[i]
		if unreserved[c] || slash && c == '/' {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}

// decode undoes percent-encoding. A percent sign that begins no escape stays;
// a plus is a space in a query.
func decode(s string, query bool) string {
	if strings.IndexByte(s, '%') < 0 && (!query || strings.IndexByte(s, '+') < 0) {
		return s
	}
	return string(appendDecoded(make([]byte, 0, len(s)), s, query))
}

func appendDecoded(dst []byte, s string, query bool) []byte {
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '%' && i+2 < len(s) && hexDigit(s[i+1]) >= 0 && hexDigit(s[i+2]) >= 0:
			c = byte(hexDigit(s[i+1])<<4 | hexDigit(s[i+2]))
			i += 2
		case c == '+' && query:
			c = ' '
		}
		dst = append(dst, c)
	}
	return dst
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// queryPairs yields the parameters of a raw query, still encoded.
func queryPairs(raw string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for raw != "" {
			var pair string
			pair, raw, _ = strings.Cut(raw, "&")
			if pair == "" {
				continue
			}
			name, value, _ := strings.Cut(pair, "=")
			if !yield(name, value) {
				return
			}
		}
	}
}

// scratch is reused memory for canonical requests.
type scratch struct {
	out, work []byte
	spans     []span
}

// span is one encoded parameter in scratch.work: the name is [from, mid), the
// value [mid, to).
type span struct{ from, mid, to int }

// appendQuery appends the canonical query: each name and value re-encoded by
// one rule, sorted by name and then value, without the signature itself.
func (s *scratch) appendQuery(raw string, presigned bool) {
	s.work, s.spans = s.work[:0], s.spans[:0]
	for name, value := range queryPairs(raw) {
		from := len(s.work)
		s.work = appendCanonicalQuery(s.work, name)
		mid := len(s.work)
		if presigned && bytes.EqualFold(s.work[from:], []byte("X-Amz-Signature")) {
			s.work = s.work[:from]
			continue
		}
		s.work = appendCanonicalQuery(s.work, value)
		s.spans = append(s.spans, span{from, mid, len(s.work)})
	}
	slices.SortFunc(s.spans, func(a, b span) int {
		return cmp.Or(bytes.Compare(s.work[a.from:a.mid], s.work[b.from:b.mid]),
			bytes.Compare(s.work[a.mid:a.to], s.work[b.mid:b.to]))
	})
	for i, p := range s.spans {
		if i > 0 {
			s.out = append(s.out, '&')
		}
		s.out = append(s.out, s.work[p.from:p.mid]...)
		s.out = append(s.out, '=')
		s.out = append(s.out, s.work[p.mid:p.to]...)
	}
}

// appendCanonicalQuery decodes a piece of a query and encodes it again.
func appendCanonicalQuery(dst []byte, raw string) []byte {
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c == '%' && i+2 < len(raw) && hexDigit(raw[i+1]) >= 0 && hexDigit(raw[i+2]) >= 0 {
			c = byte(hexDigit(raw[i+1])<<4 | hexDigit(raw[i+2]))
			i += 2
		} else if c == '+' {
			c = ' '
		}
		if unreserved[c] {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}

// pathRule is how the path that was sent becomes the path that was signed.
type pathRule uint8

const (
	pathRaw     pathRule = iota // S3: as sent
	pathRecoded                 // S3: decoded and encoded again, for clients that send what they need not encode
	pathEncoded                 // all others: as sent, encoded once more
	pathClean                   // all others: cleaned first, see CleanPath
)

func appendPath(dst []byte, path string, rule pathRule) []byte {
	switch rule {
	case pathRaw:
		return append(dst, path...)
	case pathRecoded:
		return appendEncoded(dst, decode(path, false), true)
	case pathClean:
		return appendEncoded(dst, CleanPath(path), true)
	}
	return appendEncoded(dst, path, true)
}

// CleanPath removes empty and dot segments from a path, as the SDKs for Python
// and JavaScript do before they sign (but not before they send) a request to
// any service but S3. A final slash stays.
func CleanPath(path string) string {
	if !strings.Contains(path, "//") && !strings.Contains(path, "/.") {
		return path
	}
	var keep []string
	for seg := range strings.SplitSeq(path, "/") {
		switch seg {
		case "", ".":
		case "..":
			keep = keep[:max(0, len(keep)-1)]
		default:
			keep = append(keep, seg)
		}
	}
	clean := "/" + strings.Join(keep, "/")
	if strings.HasSuffix(path, "/") && clean != "/" {
		clean += "/"
	}
	return clean
}

// appendRequest appends the canonical request.
func (s *scratch) appendRequest(r *http.Request, a *Auth, rule pathRule, payload string) {
	path, query := target(r)
	method := r.Method
	if method == "" {
		method = http.MethodGet
	}
	s.out = append(append(s.out, method...), '\n')
	s.out = append(appendPath(s.out, path, rule), '\n')
	s.appendQuery(query, a.Form == PresignedV4)
	s.out = append(s.out, '\n')
	for _, name := range a.SignedHeaders {
		s.out = append(append(s.out, name...), ':')
		s.out = append(appendHeader(s.out, r, name), '\n')
	}
	s.out = append(s.out, '\n')
	s.out = append(append(s.out, a.signedHeaders...), '\n')
	s.out = append(s.out, payload...)
}

// appendHeader appends a header's values as they are signed. Some headers are
// not where the others are once net/http has read a request.
func appendHeader(dst []byte, r *http.Request, name string) []byte {
	switch name {
	case "host":
		return appendFolded(dst, hostOf(r))
	case "transfer-encoding":
		return append(dst, strings.Join(r.TransferEncoding, ",")...)
	}
	values := headerValues(r.Header, name)
	if values == nil && name == "content-length" && r.ContentLength >= 0 {
		return strconv.AppendInt(dst, r.ContentLength, 10)
	}
	for i, v := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendFolded(dst, v)
	}
	return dst
}

func hostOf(r *http.Request) string {
	if r.Host == "" && r.URL != nil {
		return r.URL.Host
	}
	return r.Host
}

// headerValues looks up a header by its name in small letters, without the
// string that CanonicalMIMEHeaderKey would make.
func headerValues(h http.Header, name string) []string {
	var buf [64]byte
	if len(name) > len(buf) {
		return h[http.CanonicalHeaderKey(name)]
	}
	key := append(buf[:0], name...)
	upper := true
	for i, c := range key {
		if upper && c >= 'a' && c <= 'z' {
			key[i] = c - 'a' + 'A'
		} else if !upper && c >= 'A' && c <= 'Z' {
			key[i] = c - 'A' + 'a'
		}
		upper = c == '-'
	}
	return h[string(key)]
}

// appendFolded trims v and folds its inner runs of spaces.
func appendFolded(dst []byte, v string) []byte {
	v = strings.Trim(v, " \t")
	space := false
	for i := range len(v) {
		c := v[i]
		if c == ' ' {
			if space {
				continue
			}
			space = true
		} else {
			space = false
		}
		dst = append(dst, c)
	}
	return dst
}
