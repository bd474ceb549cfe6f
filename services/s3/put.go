package s3

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/checksum"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/s3/acl"
	"github.com/gigawatt-cloud/gigawatt/services/s3/body"
	"github.com/gigawatt-cloud/gigawatt/services/s3/event"
)

func (s *svc) objectHandlers() []*service.Handler {
	lockEvents := []string{"ObjectLockEventHold", "ObjectLockEventHoldDurationDays", "ObjectLockEventHoldDurationYears"}
	return []*service.Handler{
		service.Handle(s3api.PutObject, needPutObject, s.putObject).Refuse(append(lockEvents, "WriteOffsetBytes", "ChecksumXXHASH3", "ChecksumXXHASH128")...),
		service.Handle(s3api.CopyObject, needCopyObject, s.copyObject).Refuse(append(lockEvents, "AnnotationDirective")...),
		service.Handle(s3api.GetObject, needGetObject, s.getObject),
		service.Handle(s3api.HeadObject, needHeadObject, s.headObject),
		service.Handle(s3api.GetObjectAttributes, needGetObjectAttributes, s.getObjectAttributes),
		service.Handle(s3api.DeleteObject, needDeleteObject, s.deleteObject).Refuse("MFA", "IfMatchLastModifiedTime", "IfMatchSize"),
		service.Handle(s3api.DeleteObjects, needDeleteObjects, s.deleteObjects).Refuse("MFA", "Delete.Objects.ETag", "Delete.Objects.LastModifiedTime", "Delete.Objects.Size"),
	}
}

func needPutObject(_ *service.Call, in *s3api.PutObjectInput) []policy.Need {
	ctx := policy.Context{}
	for k, v := range map[string]*string{
		"s3:x-amz-acl": in.ACL, "s3:x-amz-server-side-encryption": in.ServerSideEncryption, "s3:x-amz-storage-class": in.StorageClass,
		"s3:x-amz-grant-full-control": in.GrantFullControl, "s3:x-amz-grant-read": in.GrantRead, "s3:x-amz-grant-read-acp": in.GrantReadACP, "s3:x-amz-grant-write-acp": in.GrantWriteACP,
		"s3:x-amz-server-side-encryption-customer-algorithm": in.SSECustomerAlgorithm,
	} {
		if v != nil {
			ctx[k] = []string{*v}
		}
	}
	requestTags(ctx, in.Tagging)
	needs := []policy.Need{{Action: "s3:PutObject", Resource: objectARN(in.Bucket, in.Key), Context: ctx}}
	return append(needs, needAttributes(in.Bucket, in.Key, in.Tagging, in.ObjectLockMode, in.ObjectLockLegalHoldStatus)...)
}

// requestTags adds the condition keys of the tags that a request sets.
func requestTags(ctx policy.Context, tagging *string) {
	tags, err := parseTagging(tagging)
	if err != nil {
		return // the operation refuses them
	}
	for _, t := range tags {
		ctx.Set("s3:RequestObjectTag/"+t.Key, t.Value)
		ctx["s3:requestobjecttagkeys"] = append(ctx["s3:requestobjecttagkeys"], t.Key)
	}
}

// needAttributes are the permissions for what is set together with an object.
func needAttributes(bucket, key string, tagging, mode, hold *string) (needs []policy.Need) {
	for _, n := range []struct {
		action string
		value  *string
	}{{"s3:PutObjectTagging", tagging}, {"s3:PutObjectRetention", mode}, {"s3:PutObjectLegalHold", hold}} {
		if n.value != nil {
			needs = append(needs, policy.Need{Action: n.action, Resource: objectARN(bucket, key)})
		}
	}
	return needs
}

func (s *svc) putObject(ctx context.Context, c *service.Call, in *s3api.PutObjectInput) (*s3api.PutObjectOutput, error) {
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
	want, err := newSums(c, checksums{
		checksum.CRC32: in.ChecksumCRC32, checksum.CRC32C: in.ChecksumCRC32C, checksum.CRC64NVME: in.ChecksumCRC64NVME, checksum.SHA1: in.ChecksumSHA1,
		checksum.SHA256: in.ChecksumSHA256, checksum.SHA512: in.ChecksumSHA512, checksum.MD5: in.ChecksumMD5, checksum.XXHASH64: in.ChecksumXXHASH64,
	}, in.ChecksumAlgorithm, in.ContentMD5)
	if err != nil {
		return nil, err
	}
	if in.ContentLength != nil && *in.ContentLength > body.MaxSize {
		return nil, body.ErrTooLarge(*in.ContentLength)
	}
	// The bucket is looked at before the body is read, and again with it.
	b, err := viewBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	charged, err := b.AdmitPayer(c, b.Owner, in.RequestPayer)
	if err != nil {
		return nil, err
	}
	rv, err := s.bodies.Receive(ctx, c.IDs.Hex(32), in.Body, want, ck)
	if err != nil {
		return nil, err
	}
	o.receive(rv, want, ck)
	err = c.Update(ctx, func(tx *kv.Tx) error {
		if b, err = findBucket(tx, in.Bucket, in.ExpectedBucketOwner); err != nil {
			return err
		}
		if err := admitWrite(tx, b, in.Key, in.IfMatch, in.IfNoneMatch); err != nil {
			return err
		}
		if err := a.settle(c, b, o); err != nil {
			return err
		}
		if err := rv.Put(tx); err != nil {
			return err
		}
		if err := write(tx, c, b, o); err != nil {
			return err
		}
		return s.emit(tx, c, b, o, event.CreatedPut)
	})
	if err != nil {
		s.bodies.Drop(ctx, rv, err)
		return nil, err
	}
	out := &s3api.PutObjectOutput{ETag: ptr(quoted(o.ETag)), VersionId: b.written(o), RequestCharged: charged, Expiration: b.expiration(o)}
	o.encryption(&out.ServerSideEncryption, &out.SSECustomerAlgorithm, &out.SSECustomerKeyMD5, &out.BucketKeyEnabled)
	setChecksum(out, o.Checksum)
	return out, nil
}

// receive takes over a body that was read whole.
func (o *object) receive(rv *body.Received, want *sums, ck *body.Key) {
	o.Body, o.Size, o.ETag, o.Checksum = rv.Ref, rv.Size, hex.EncodeToString(rv.MD5[:]), want.stored()
	if ck != nil {
		o.CustomerKey = ck.MD5
	}
}

// written is the version id that answers to writes tell: none for a version
// that has none of its own.
func (b *bucket) written(o *object) *string {
	if b.Versioning != s3api.BucketVersioningStatusEnabled {
		return nil
	}
	return &o.Version
}

// shown is the version id that answers tell: none without versioning.
func (b *bucket) shown(o *object) *string {
	if b.Versioning == "" {
		return nil
	}
	return &o.Version
}

// encryption sets the members that say how an object is encrypted.
func (o *object) encryption(sse, algorithm, sum **string, bucketKey **bool) {
	if o.CustomerKey != "" {
		*algorithm, *sum = ptr("AES256"), &o.CustomerKey
		return
	}
	*sse = ptr(s3api.ServerSideEncryptionAes256)
	if o.BucketKey {
		*bucketKey = &o.BucketKey
	}
}

// admitWrite holds the conditions of a write against the current version.
func admitWrite(tx *kv.Tx, b *bucket, key string, ifMatch, ifNoneMatch *string) error {
	if ifMatch == nil && ifNoneMatch == nil {
		return nil
	}
	o, err := newest(tx, b, key)
	if err != nil {
		return err
	}
	exists := o != nil && !o.Marker
	switch {
	case ifMatch != nil && !exists:
		return errNoSuchKey(key)
	case ifMatch != nil && !sameETag(*ifMatch, o.ETag):
		return errPrecondition("If-Match")
	case ifNoneMatch != nil && exists && sameETag(*ifNoneMatch, o.ETag):
		return errPrecondition("If-None-Match")
	}
	return nil
}

func needCopyObject(_ *service.Call, in *s3api.CopyObjectInput) []policy.Need {
	src, err := parseSource(in.CopySource)
	var needs []policy.Need
	if err == nil {
		needs = append(needs, needObject("GetObject", "GetObjectVersion", src.bucket, src.key, optional(src.version)))
	}
	ctx := policy.Context{"s3:x-amz-copy-source": {strings.TrimPrefix(in.CopySource, "/")}}
	for k, v := range map[string]*string{"s3:x-amz-acl": in.ACL, "s3:x-amz-metadata-directive": in.MetadataDirective, "s3:x-amz-storage-class": in.StorageClass} {
		if v != nil {
			ctx[k] = []string{*v}
		}
	}
	needs = append(needs, policy.Need{Action: "s3:PutObject", Resource: objectARN(in.Bucket, in.Key), Context: ctx})
	return append(needs, needAttributes(in.Bucket, in.Key, in.Tagging, in.ObjectLockMode, in.ObjectLockLegalHoldStatus)...)
}

// source is an object that is copied.
type source struct {
	bucket *bucket
	object *object
	key    *body.Key
}

func (s *svc) copyObject(ctx context.Context, c *service.Call, in *s3api.CopyObjectInput) (*s3api.CopyObjectOutput, error) {
	from, err := parseSource(in.CopySource)
	if err != nil {
		return nil, err
	}
	src := &source{}
	if src.key, err = body.ParseKey(in.CopySourceSSECustomerAlgorithm, in.CopySourceSSECustomerKey, in.CopySourceSSECustomerKeyMD5); err != nil {
		return nil, err
	}
	if err := s.findSource(ctx, c, src, from, in.ExpectedSourceBucketOwner, in.RequestPayer); err != nil {
		return nil, err
	}
	cond := conditions{in.CopySourceIfMatch, in.CopySourceIfNoneMatch, in.CopySourceIfModifiedSince, in.CopySourceIfUnmodifiedSince}
	if err := cond.admitCopy(src.object); err != nil {
		return nil, err
	}
	a, err := s.copied(in, src.object)
	if err != nil {
		return nil, err
	}
	same := from.bucket == in.Bucket && from.key == in.Key && from.version == ""
	if same && value(in.MetadataDirective) != s3api.MetadataDirectiveReplace && in.StorageClass == nil && in.WebsiteRedirectLocation == nil && in.ServerSideEncryption == nil && in.SSECustomerKey == nil && src.key == nil {
		return nil, errInvalidRequest("This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.")
	}
	ck, err := body.ParseKey(in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5)
	if err != nil {
		return nil, err
	}
	o, err := a.object(c, in.Key, ck)
	if err != nil {
		return nil, err
	}
	if value(in.TaggingDirective) != s3api.TaggingDirectiveReplace {
		o.Tags = src.object.Tags
	}
	want, err := copySums(src.object, in.ChecksumAlgorithm)
	if err != nil {
		return nil, err
	}
	rv, err := s.receiveCopy(ctx, c, src, want, ck, 0, src.object.Size)
	if err != nil {
		return nil, err
	}
	o.receive(rv, want, ck)
	var b *bucket
	err = c.Update(ctx, func(tx *kv.Tx) error {
		if b, err = findBucket(tx, in.Bucket, in.ExpectedBucketOwner); err != nil {
			return err
		}
		if err := admitWrite(tx, b, in.Key, in.IfMatch, in.IfNoneMatch); err != nil {
			return err
		}
		if err := a.settle(c, b, o); err != nil {
			return err
		}
		if err := rv.Put(tx); err != nil {
			return err
		}
		if err := write(tx, c, b, o); err != nil {
			return err
		}
		return s.emit(tx, c, b, o, event.CreatedCopy)
	})
	if err != nil {
		s.bodies.Drop(ctx, rv, err)
		return nil, err
	}
	result := &s3api.CopyObjectResult{ETag: ptr(quoted(o.ETag)), LastModified: &o.Modified}
	setChecksum(result, o.Checksum)
	out := &s3api.CopyObjectOutput{CopyObjectResult: result, VersionId: b.written(o), Expiration: b.expiration(o), CopySourceVersionId: src.bucket.shown(src.object)}
	o.encryption(&out.ServerSideEncryption, &out.SSECustomerAlgorithm, &out.SSECustomerKeyMD5, &out.BucketKeyEnabled)
	return out, nil
}

// findSource finds the object of a copy.
func (s *svc) findSource(ctx context.Context, c *service.Call, src *source, from copySource, expected, payer *string) error {
	err := c.View(ctx, func(tx *kv.Tx) (err error) {
		if src.bucket, err = findBucket(tx, from.bucket, expected); err != nil {
			return err
		}
		if _, err := src.bucket.AdmitPayer(c, src.bucket.Owner, payer); err != nil {
			return err
		}
		src.object, err = findVersion(tx, src.bucket, from.key, from.version)
		return err
	})
	if awserr.HasCode(err, "MethodNotAllowed") {
		return errInvalidRequest("The source of a copy request may not specifically refer to a delete marker by version id.")
	}
	if err != nil {
		return err
	}
	return src.object.admitKey(src.key)
}

// copied are the attributes of a copy: the request's, or the source's.
func (s *svc) copied(in *s3api.CopyObjectInput, from *object) (*attributes, error) {
	a := &attributes{
		in.ContentType, in.CacheControl, in.ContentDisposition, in.ContentEncoding, in.ContentLanguage, in.Expires, in.WebsiteRedirectLocation,
		in.Metadata, nil, in.StorageClass, in.ServerSideEncryption, in.SSEKMSKeyId, in.SSEKMSEncryptionContext, in.BucketKeyEnabled,
		acl.Headers{Canned: in.ACL, Full: in.GrantFullControl, Read: in.GrantRead, ReadACP: in.GrantReadACP, WriteACP: in.GrantWriteACP},
		in.ObjectLockMode, in.ObjectLockRetainUntilDate, in.ObjectLockLegalHoldStatus,
	}
	for name, d := range map[string]*string{"x-amz-metadata-directive": in.MetadataDirective, "x-amz-tagging-directive": in.TaggingDirective} {
		if d != nil && *d != "COPY" && *d != "REPLACE" {
			return nil, errInvalidArgument("Unknown directive.", name, *d)
		}
	}
	if value(in.MetadataDirective) != s3api.MetadataDirectiveReplace {
		h := &from.Headers
		a.contentType, a.cache, a.disposition, a.encoding, a.language, a.expires = &h.Type, &h.Cache, &h.Disposition, &h.Encoding, &h.Language, &h.Expires
		a.meta = from.Meta
	}
	if value(in.TaggingDirective) == s3api.TaggingDirectiveReplace {
		a.tagging = in.Tagging
	}
	return a, nil
}

// receiveCopy seals a range of the source again, under a key of its own.
func (s *svc) receiveCopy(ctx context.Context, c *service.Call, src *source, want *sums, ck *body.Key, off, n int64) (rv *body.Received, err error) {
	var r io.ReadCloser
	err = c.View(ctx, func(tx *kv.Tx) (err error) {
		r, err = s.openObject(ctx, tx, src.object, src.key, off, n)
		return err
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	rv, err = s.bodies.Receive(ctx, c.IDs.Hex(32), r, want, ck)
	if err != nil {
		return nil, fmt.Errorf("copy: %w", err)
	}
	return rv, nil
}
