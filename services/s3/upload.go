package s3

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/checksum"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/s3/acl"
	"github.com/gigawatt-cloud/gigawatt/services/s3/body"
	"github.com/gigawatt-cloud/gigawatt/services/s3/lifecycle"
)

// upload is a multipart upload that goes on. Its parts are under its ID, and
// stay there when it becomes an object.
type upload struct {
	ID string `cbor:"id"`
	// Object is what the upload becomes; Modified is when it was initiated.
	Object object `cbor:"object"`
	// Algorithm and Type are the checksum that was asked for, "" for none.
	Algorithm checksum.Algorithm `cbor:"algorithm"`
	Type      string             `cbor:"type"`
	Initiator string             `cbor:"initiator"`
	Owner     arn.AccountID      `cbor:"owner"`
	// Locked says that retention came with the request, not from the bucket.
	Locked bool `cbor:"locked"`
}

var uploads = kv.NewTable[upload]("s3/upload") // bucket ID, key, upload ID

func (s *svc) multipartHandlers() []*service.Handler {
	return []*service.Handler{
		service.Handle(s3api.CreateMultipartUpload, needCreateMultipartUpload, s.createMultipartUpload).
			Refuse("ObjectLockEventHold", "ObjectLockEventHoldDurationDays", "ObjectLockEventHoldDurationYears"),
		service.Handle(s3api.UploadPart, needUploadPart, s.uploadPart).Refuse("ChecksumXXHASH3", "ChecksumXXHASH128"),
		service.Handle(s3api.UploadPartCopy, needUploadPartCopy, s.uploadPartCopy),
		service.Handle(s3api.CompleteMultipartUpload, needCompleteMultipartUpload, s.completeMultipartUpload).
			Refuse("ChecksumXXHASH3", "ChecksumXXHASH128", "MultipartUpload.Parts.ChecksumXXHASH3", "MultipartUpload.Parts.ChecksumXXHASH128"),
		service.Handle(s3api.AbortMultipartUpload, needAbortMultipartUpload, s.abortMultipartUpload),
		service.Handle(s3api.ListParts, needListParts, s.listParts),
		service.Handle(s3api.ListMultipartUploads, onBucket("ListBucketMultipartUploads", func(in *s3api.ListMultipartUploadsInput) string { return in.Bucket }), s.listMultipartUploads),
	}
}

func needCreateMultipartUpload(_ *service.Call, in *s3api.CreateMultipartUploadInput) []policy.Need {
	ctx := policy.Context{}
	for k, v := range map[string]*string{"s3:x-amz-acl": in.ACL, "s3:x-amz-server-side-encryption": in.ServerSideEncryption, "s3:x-amz-storage-class": in.StorageClass} {
		if v != nil {
			ctx[k] = []string{*v}
		}
	}
	requestTags(ctx, in.Tagging)
	needs := []policy.Need{{Action: "s3:PutObject", Resource: objectARN(in.Bucket, in.Key), Context: ctx}}
	return append(needs, needAttributes(in.Bucket, in.Key, in.Tagging, in.ObjectLockMode, in.ObjectLockLegalHoldStatus)...)
}

// uploadID makes an id that sorts by time.
func uploadID(c *service.Call) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(c.Now.UnixNano()))
	return hex.EncodeToString(append(b, c.IDs.Bytes(16)...))
}

// checksumType checks which kind of checksum an upload gets.
func checksumType(algorithm, kind *string) (checksum.Algorithm, string, error) {
	if algorithm == nil {
		if kind != nil {
			return "", "", errInvalidRequest("The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
		}
		return "", "", nil
	}
	a, err := checksum.Parse(*algorithm)
	if err != nil {
		return "", "", errChecksumAlgorithm()
	}
	t := value(kind)
	if t == "" {
		if t = composite; !a.Composable() {
			t = fullObject
		}
	}
	if t == fullObject && !a.Combinable() || t == composite && !a.Composable() || t != fullObject && t != composite {
		return "", "", errInvalidRequest("The %s checksum type cannot be used with the %s checksum algorithm.", t, strings.ToLower(string(a)))
	}
	return a, t, nil
}

func (s *svc) createMultipartUpload(ctx context.Context, c *service.Call, in *s3api.CreateMultipartUploadInput) (*s3api.CreateMultipartUploadOutput, error) {
	a := attributes{
		in.ContentType, in.CacheControl, in.ContentDisposition, in.ContentEncoding, in.ContentLanguage, in.Expires, in.WebsiteRedirectLocation,
		in.Metadata, in.Tagging, in.StorageClass, in.ServerSideEncryption, in.SSEKMSKeyId, in.SSEKMSEncryptionContext, in.BucketKeyEnabled,
		acl.Headers{Canned: in.ACL, Full: in.GrantFullControl, Read: in.GrantRead, ReadACP: in.GrantReadACP, WriteACP: in.GrantWriteACP},
		in.ObjectLockMode, in.ObjectLockRetainUntilDate, in.ObjectLockLegalHoldStatus,
	}
	ck, err := body.ParseKey(in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5)
	if err != nil {
		return nil, err
	}
	o, err := a.object(c, in.Key, ck)
	if err != nil {
		return nil, err
	}
	if ck != nil {
		o.CustomerKey = ck.MD5
	}
	u := &upload{ID: uploadID(c), Initiator: c.Principal.ARN, Owner: c.Principal.AccountID, Locked: in.ObjectLockMode != nil}
	if u.Algorithm, u.Type, err = checksumType(in.ChecksumAlgorithm, in.ChecksumType); err != nil {
		return nil, err
	}
	out := &s3api.CreateMultipartUploadOutput{Bucket: &in.Bucket, Key: &in.Key, UploadId: &u.ID, ChecksumAlgorithm: optional(string(u.Algorithm)), ChecksumType: optional(u.Type)}
	err = c.Update(ctx, func(tx *kv.Tx) error {
		b, err := findBucket(tx, in.Bucket, in.ExpectedBucketOwner)
		if err != nil {
			return err
		}
		if out.RequestCharged, err = b.AdmitPayer(c, b.Owner, in.RequestPayer); err != nil {
			return err
		}
		if err := a.settle(c, b, o); err != nil {
			return err
		}
		u.Object = *o
		if at, rule, ok := lifecycle.Abort(b.Lifecycle, in.Key, c.Now); ok {
			out.AbortDate, out.AbortRuleId = &at, &rule
		}
		return uploads.Put(tx, u, b.ID, in.Key, u.ID)
	})
	if err != nil {
		return nil, err
	}
	o.encryption(&out.ServerSideEncryption, &out.SSECustomerAlgorithm, &out.SSECustomerKeyMD5, &out.BucketKeyEnabled)
	return out, nil
}

// findUpload returns an upload that goes on.
func findUpload(tx *kv.Tx, b *bucket, key, id string) (*upload, error) {
	if len(id) > 2*(8+16) {
		return nil, errNoSuchUpload(id)
	}
	u, err := uploads.Get(tx, b.ID, key, id)
	if isNotFound(err) {
		return nil, errNoSuchUpload(id)
	}
	return u, err
}

// dropUpload forgets an upload and gives up its parts.
func dropUpload(tx *kv.Tx, b *bucket, u *upload) error {
	if err := uploads.Delete(tx, b.ID, u.Object.Key, u.ID); err != nil {
		return err
	}
	return discardParts(tx, u.ID)
}

// maxDroppedUploads bounds what one transaction drops with a bucket.
const maxDroppedUploads = 1000

// dropUploads drops all uploads of a bucket that is deleted.
func dropUploads(tx *kv.Tx, b *bucket) error {
	n := 0
	for r, err := range uploads.Scan(tx, kv.Scan{Prefix: []any{b.ID}}) {
		if err != nil {
			return err
		}
		if n++; n > maxDroppedUploads {
			return awserr.New("BucketNotEmpty", 409, "The bucket you tried to delete has too many multipart uploads that go on.").With("BucketName", b.Name)
		}
		if err := dropUpload(tx, b, r.Value); err != nil {
			return err
		}
	}
	return nil
}

func needAbortMultipartUpload(_ *service.Call, in *s3api.AbortMultipartUploadInput) []policy.Need {
	return []policy.Need{{Action: "s3:AbortMultipartUpload", Resource: objectARN(in.Bucket, in.Key)}}
}

func (s *svc) abortMultipartUpload(ctx context.Context, c *service.Call, in *s3api.AbortMultipartUploadInput) (*s3api.AbortMultipartUploadOutput, error) {
	out := &s3api.AbortMultipartUploadOutput{}
	err := c.Update(ctx, func(tx *kv.Tx) error {
		b, err := findBucket(tx, in.Bucket, in.ExpectedBucketOwner)
		if err != nil {
			return err
		}
		if out.RequestCharged, err = b.AdmitPayer(c, b.Owner, in.RequestPayer); err != nil {
			return err
		}
		u, err := findUpload(tx, b, in.Key, in.UploadId)
		if err != nil {
			return err
		}
		if t := in.IfMatchInitiatedTime; t != nil && !t.Truncate(time.Second).Equal(u.Object.Modified.Truncate(time.Second)) {
			return errPrecondition("x-amz-if-match-initiated-time")
		}
		return dropUpload(tx, b, u)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// uploadPage is one page of a bucket's uploads.
type uploadPage struct {
	grouping
	key, id string
	limit   int

	uploads  []*upload
	prefixes []string
	more     bool
	lastKey  string
	lastID   string
}

// from is the key where the page begins.
func (l *uploadPage) from(b *bucket) kv.Key {
	switch {
	case l.key == "" || l.key < l.prefix:
		return kv.K(b.ID, l.prefix)[:len(kv.K(b.ID, l.prefix))-1]
	case l.id != "":
		return append(kv.K(b.ID, l.key, l.id), 0)
	case l.common(l.key) == l.key: // never "" here
		if next, ok := successor(l.key); ok {
			return kv.K(b.ID, next)
		}
	}
	return kv.K(b.ID, l.key+"\x00")
}

func (l *uploadPage) run(tx *kv.Tx, b *bucket) error {
	if l.limit == 0 {
		return nil
	}
	for r, err := range uploads.RangeScan(tx, l.from(b), append(kv.K(b.ID), 0xff)) {
		if err != nil {
			return err
		}
		u := r.Value
		key := u.Object.Key
		if !strings.HasPrefix(key, l.prefix) {
			return nil
		}
		common := l.common(key)
		if n := len(l.prefixes); common != "" && n > 0 && l.prefixes[n-1] == common {
			continue
		}
		if l.more = len(l.uploads)+len(l.prefixes) >= l.limit; l.more {
			return nil
		}
		if common != "" {
			l.prefixes, l.lastKey, l.lastID = append(l.prefixes, common), common, ""
			continue
		}
		l.uploads, l.lastKey, l.lastID = append(l.uploads, u), key, u.ID
	}
	return nil
}

func (s *svc) listMultipartUploads(ctx context.Context, c *service.Call, in *s3api.ListMultipartUploadsInput) (*s3api.ListMultipartUploadsOutput, error) {
	limit, err := page(in.MaxUploads)
	if err != nil {
		return nil, err
	}
	code, err := coder(in.EncodingType)
	if err != nil {
		return nil, err
	}
	l := &uploadPage{grouping: grouping{value(in.Prefix), value(in.Delimiter)}, key: value(in.KeyMarker), limit: limit}
	if l.key != "" {
		l.id = value(in.UploadIdMarker)
	}
	var charged *string
	err = c.View(ctx, func(tx *kv.Tx) error {
		b, err := findBucket(tx, in.Bucket, in.ExpectedBucketOwner)
		if err != nil {
			return err
		}
		if charged, err = b.AdmitPayer(c, b.Owner, in.RequestPayer); err != nil {
			return err
		}
		return l.run(tx, b)
	})
	if err != nil {
		return nil, err
	}
	out := &s3api.ListMultipartUploadsOutput{
		Bucket: &in.Bucket, KeyMarker: code(value(in.KeyMarker)), UploadIdMarker: ptr(value(in.UploadIdMarker)), Prefix: code(l.prefix), Delimiter: coded(code, optional(l.delimiter)),
		MaxUploads: ptr(int32(limit)), IsTruncated: &l.more, EncodingType: in.EncodingType, RequestCharged: charged,
	}
	for _, p := range l.prefixes {
		out.CommonPrefixes = append(out.CommonPrefixes, s3api.CommonPrefix{Prefix: code(p)})
	}
	if l.more {
		out.NextKeyMarker, out.NextUploadIdMarker = code(l.lastKey), optional(l.lastID)
	}
	for _, u := range l.uploads {
		out.Uploads = append(out.Uploads, s3api.MultipartUpload{
			UploadId: &u.ID, Key: code(u.Object.Key), Initiated: ptr(u.Object.Modified.Truncate(time.Millisecond)), StorageClass: ptr(u.Object.class()),
			Owner: acl.Owner(u.Object.ACL.Owner), Initiator: u.initiator(), ChecksumAlgorithm: optional(string(u.Algorithm)), ChecksumType: optional(u.Type),
		})
	}
	return out, nil
}

func (u *upload) initiator() *s3api.Initiator {
	return &s3api.Initiator{ID: ptr(acl.CanonicalID(u.Owner)), DisplayName: ptr(string(u.Owner))}
}
