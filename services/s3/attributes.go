package s3

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/s3/acl"
	"github.com/gigawatt-cloud/gigawatt/services/s3/body"
)

// attributes are the members that PutObject, CopyObject and
// CreateMultipartUpload have in common.
type attributes struct {
	contentType, cache, disposition, encoding, language, expires, redirect *string
	meta                                                                   map[string]string
	tagging, class, sse, kmsKey, kmsContext                                *string
	bucketKey                                                              *bool
	acl                                                                    acl.Headers
	lockMode                                                               *string
	lockUntil                                                              *time.Time
	legalHold                                                              *string
}

const maxMeta = 2048

// object makes the row of a new version, without its bytes.
func (a *attributes) object(c *service.Call, key string, ck *body.Key) (*object, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	if err := a.checkEncryption(ck); err != nil {
		return nil, err
	}
	size := 0
	for k, v := range a.meta {
		size += len(k) + len(v)
	}
	if size > maxMeta {
		return nil, awserr.New("MetadataTooLarge", 400, "Your metadata headers exceed the maximum allowed metadata size").With("Size", size).With("MaxSizeAllowed", maxMeta)
	}
	if r := value(a.redirect); r != "" && !strings.HasPrefix(r, "/") && !strings.HasPrefix(r, "http://") && !strings.HasPrefix(r, "https://") {
		return nil, awserr.New("InvalidRedirectLocation", 400, "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.")
	}
	o := &object{
		Key: key, Modified: c.Now, Class: value(a.class), BucketKey: value(a.bucketKey), Meta: a.meta,
		Headers: headers{
			value(a.contentType), value(a.cache), value(a.disposition), value(a.encoding), value(a.language), value(a.expires), value(a.redirect),
		},
	}
	if o.Headers.Type == "" {
		o.Headers.Type = "binary/octet-stream"
	}
	if err := checkClass(o.Class); err != nil {
		return nil, err
	}
	var err error
	o.Tags, err = parseTagging(a.tagging)
	return o, err
}

// checkEncryption refuses what is not SSE-S3 or SSE-C, or both at once.
func (a *attributes) checkEncryption(ck *body.Key) error {
	sse := value(a.sse)
	switch {
	case ck != nil && (a.sse != nil || a.kmsKey != nil):
		return errInvalidArgument("Server Side Encryption with Customer provided key is incompatible with the encryption method specified", "x-amz-server-side-encryption", sse)
	case a.sse != nil && sse != s3api.ServerSideEncryptionAes256 && !strings.HasPrefix(sse, "aws:"):
		return errInvalidArgument("The encryption method specified is not supported", "x-amz-server-side-encryption", sse)
	case !strings.HasPrefix(sse, "aws:") && (a.kmsKey != nil || a.kmsContext != nil):
		return errInvalidArgument("Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms", "x-amz-server-side-encryption", sse)
	case strings.HasPrefix(sse, "aws:"):
		return errKMS()
	}
	return nil
}

// checkClass refuses storage classes that objects cannot be put into.
func checkClass(class string) error {
	switch class {
	case "", "STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR":
		return nil
	case "GLACIER", "DEEP_ARCHIVE":
		return awserr.New("NotImplemented", 501, "The storage class %s is not supported by this version of Gigawatt: it cannot restore what is archived.", class)
	}
	return awserr.New("InvalidStorageClass", 400, "The storage class you specified is not valid").With("StorageClassRequested", class)
}

// settle adds what depends on the bucket: the ACL and the locks.
func (a *attributes) settle(c *service.Call, b *bucket, o *object) error {
	account := c.Principal.AccountID
	if account == "" {
		account = b.Owner
	}
	if b.Ownership == s3api.ObjectOwnershipBucketOwnerEnforced {
		account = b.Owner
		if full := value(a.acl.Canned); a.acl.Any() && full != "bucket-owner-full-control" {
			return awserr.New("AccessControlListNotSupported", 400, "The bucket does not allow ACLs")
		}
		a.acl = acl.Headers{}
	}
	list, err := acl.New(account, b.Owner, a.acl, acl.ObjectCanned)
	if err != nil {
		return err
	}
	if a.acl.Any() {
		if err := b.admitACL(list); err != nil {
			return err
		}
	}
	if b.Ownership == s3api.ObjectOwnershipBucketOwnerPreferred && value(a.acl.Canned) == "bucket-owner-full-control" {
		list.Owner = b.Owner
	}
	o.ACL = *list
	return a.lock(c, b, o)
}

// parseTagging reads the tags of a header, in the form of a query string.
func parseTagging(text *string) ([]tag, error) {
	if text == nil {
		return nil, nil
	}
	q, err := url.ParseQuery(*text)
	if err != nil {
		return nil, errInvalidArgument("The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.", "x-amz-tagging", *text)
	}
	var tags []s3api.Tag
	for k, vs := range q {
		if len(vs) != 1 {
			return nil, errInvalidArgument("The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.", "x-amz-tagging", *text)
		}
		tags = append(tags, s3api.Tag{Key: k, Value: vs[0]})
	}
	slices.SortFunc(tags, func(a, b s3api.Tag) int { return strings.Compare(a.Key, b.Key) })
	return parseTags(tags, maxObjectTags)
}

// copySource is the object that a copy reads.
type copySource struct {
	bucket, key, version string
}

// parseSource reads a CopySource: "bucket/key" or "/bucket/key", escaped, with
// "?versionId=" behind it or not; or an ARN of an object.
func parseSource(text string) (copySource, error) {
	bad := errInvalidArgument("Invalid copy source object key", "x-amz-copy-source", text)
	path, query, _ := strings.Cut(text, "?")
	plain, err := url.PathUnescape(path)
	if err != nil {
		return copySource{}, errInvalidArgument("Invalid copy source encoding.", "x-amz-copy-source", text)
	}
	if a, err := arn.Parse(plain); err == nil && a.Service == "s3" {
		plain = a.Resource
	}
	bucket, key, ok := strings.Cut(strings.TrimPrefix(plain, "/"), "/")
	if !ok || bucket == "" || key == "" {
		return copySource{}, bad
	}
	src := copySource{bucket: bucket, key: key}
	if query != "" {
		q, err := url.ParseQuery(query)
		if err != nil {
			return src, bad
		}
		src.version = q.Get("versionId")
	}
	return src, nil
}
