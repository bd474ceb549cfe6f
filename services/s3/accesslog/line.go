package accesslog

import (
	"strconv"
	"strings"
	"time"
)

// Record is one request, as it is kept until it is delivered. An empty string
// is unknown.
type Record struct {
	Owner     string    `cbor:"owner"` // canonical id
	Bucket    string    `cbor:"bucket"`
	Time      time.Time `cbor:"time"`
	RemoteIP  string    `cbor:"ip"`
	Requester string    `cbor:"requester"` // ARN or canonical id, "" when anonymous
	RequestID string    `cbor:"id"`
	Operation string    `cbor:"operation"` // see [Operation]
	Key       string    `cbor:"key"`
	// Request is the request's first line.
	Request    string `cbor:"request"`
	Status     int    `cbor:"status"`
	ErrorCode  string `cbor:"error"`
	BytesSent  int64  `cbor:"sent"`
	ObjectSize *int64 `cbor:"size"`
	// Total and TurnAround are in milliseconds.
	Total      int64  `cbor:"total"`
	TurnAround int64  `cbor:"turnaround"`
	Referer    string `cbor:"referer"`
	UserAgent  string `cbor:"agent"`
	VersionID  string `cbor:"version"`
	HostID     string `cbor:"host_id"`
	// SignatureVersion is "SigV2" or "SigV4"; AuthType "AuthHeader" or "QueryString".
	SignatureVersion string `cbor:"sigv"`
	AuthType         string `cbor:"auth"`
	Host             string `cbor:"host"`
	Cipher           string `cbor:"cipher"`
	TLSVersion       string `cbor:"tls"`
	// ACLRequired says that an ACL allowed the request, and nothing else did.
	ACLRequired bool `cbor:"acl"`
}

// Line is the record in the form of the log, with a line feed.
func (r *Record) Line() string {
	var b strings.Builder
	word := func(s string) {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		if s == "" {
			s = "-"
		}
		b.WriteString(clean(s))
	}
	quote := func(s string) {
		if s == "" {
			s = "-"
		}
		b.WriteString(` "` + strings.ReplaceAll(clean(s), `"`, "%22") + `"`)
	}
	number := func(n int64) string {
		if n <= 0 {
			return "-"
		}
		return strconv.FormatInt(n, 10)
	}
	size := ""
	if r.ObjectSize != nil {
		size = strconv.FormatInt(*r.ObjectSize, 10)
	}
	acl := ""
	if r.ACLRequired {
		acl = "Yes"
	}
	word(r.Owner)
	word(r.Bucket)
	word(r.Time.UTC().Format("[02/Jan/2006:15:04:05 +0000]"))
	word(r.RemoteIP)
	word(r.Requester)
	word(r.RequestID)
	word(r.Operation)
	word(keyText(r.Key))
	quote(r.Request)
	word(number(int64(r.Status)))
	word(r.ErrorCode)
	word(number(r.BytesSent))
	word(size)
	word(strconv.FormatInt(r.Total, 10))
	word(number(r.TurnAround))
	quote(r.Referer)
	quote(r.UserAgent)
	for _, s := range []string{r.VersionID, r.HostID, r.SignatureVersion, r.Cipher, r.AuthType, r.Host, r.TLSVersion, "", acl} {
		word(s)
	}
	b.WriteByte('\n')
	return b.String()
}

// clean keeps a field on its line: control characters are escaped as in a URL.
func clean(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == 0x7f {
			b.WriteString(escape(c))
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func escape(c byte) string {
	const hex = "0123456789ABCDEF"
	return string([]byte{'%', hex[c>>4], hex[c&15]})
}

// keyText is a key without blanks, which end a field.
func keyText(key string) string {
	var b strings.Builder
	for i := range len(key) {
		switch c := key[i]; {
		case c == ' ', c == '%', c == '"', c < ' ', c >= 0x7f:
			b.WriteString(escape(c))
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// resources are the last words of an operation's name in the log, where it is
// not of a plain object or bucket.
var resources = map[string]string{
	"CopyObject": "COPY.OBJECT", "UploadPartCopy": "COPY.PART", "UploadPart": "PUT.PART",
	"CreateMultipartUpload": "POST.UPLOADS", "CompleteMultipartUpload": "POST.UPLOAD",
	"AbortMultipartUpload": "DELETE.UPLOAD", "ListParts": "GET.UPLOAD", "ListMultipartUploads": "GET.UPLOADS",
	"DeleteObjects": "POST.MULTI_OBJECT_DELETE", "RestoreObject": "POST.RESTORE",
	"ListObjects": "GET.BUCKET", "ListObjectsV2": "GET.BUCKET", "ListObjectVersions": "GET.BUCKETVERSIONS",
	"CreateBucket": "PUT.BUCKET", "DeleteBucket": "DELETE.BUCKET", "HeadBucket": "HEAD.BUCKET",
	"GetObjectAttributes": "GET.OBJECT_ATTRIBUTES", "GetBucketPolicyStatus": "GET.POLICY_STATUS",
	"ListBucketInventoryConfigurations": "GET.INVENTORY",
}

// subjects are the log's words for what an operation's name ends with.
var subjects = map[string]string{
	"Object": "OBJECT", "ObjectAcl": "ACL", "BucketAcl": "ACL", "ObjectTagging": "OBJECT_TAGGING", "BucketTagging": "TAGGING",
	"ObjectRetention": "OBJECT_LOCK_RETENTION", "ObjectLegalHold": "OBJECT_LOCK_LEGALHOLD", "ObjectLockConfiguration": "OBJECT_LOCK",
	"BucketAccelerateConfiguration": "ACCELERATE", "BucketCors": "CORS", "BucketEncryption": "ENCRYPTION",
	"BucketInventoryConfiguration": "INVENTORY", "BucketLifecycle": "LIFECYCLE", "BucketLifecycleConfiguration": "LIFECYCLE",
	"BucketLocation": "LOCATION", "BucketLogging": "LOGGING_STATUS", "BucketNotification": "NOTIFICATION",
	"BucketNotificationConfiguration": "NOTIFICATION", "BucketOwnershipControls": "OWNERSHIP_CONTROLS", "BucketPolicy": "BUCKETPOLICY",
	"BucketReplication": "REPLICATION", "BucketRequestPayment": "REQUEST_PAYMENT", "BucketVersioning": "VERSIONING",
	"BucketWebsite": "WEBSITE", "PublicAccessBlock": "PUBLIC_ACCESS_BLOCK",
}

// Operation is the log's name of an API operation that came with an HTTP
// method, such as "REST.GET.OBJECT"; "" for one that is not logged.
func Operation(api, method string) string {
	if r := resources[api]; r != "" {
		return "REST." + r
	}
	for _, verb := range []string{"Get", "Put", "Delete", "Head"} {
		if subject, ok := strings.CutPrefix(api, verb); ok && subjects[subject] != "" {
			return "REST." + method + "." + subjects[subject]
		}
	}
	return ""
}
