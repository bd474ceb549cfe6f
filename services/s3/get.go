package s3

import (
	"context"
	"fmt"
	"io"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/meter"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/s3/body"
)

func needGetObject(_ *service.Call, in *s3api.GetObjectInput) []policy.Need {
	return []policy.Need{needObject("GetObject", "GetObjectVersion", in.Bucket, in.Key, in.VersionId)}
}

func needHeadObject(_ *service.Call, in *s3api.HeadObjectInput) []policy.Need {
	return []policy.Need{needObject("GetObject", "GetObjectVersion", in.Bucket, in.Key, in.VersionId)}
}

// conditions are the four of a read.
type conditions struct {
	match, noneMatch     *string
	modified, unmodified *time.Time
}

func (q *conditions) failed(o *object) (condition string, notModified bool) {
	at := o.Modified.Truncate(time.Second)
	switch {
	case q.match != nil && !sameETag(*q.match, o.ETag):
		return "If-Match", false
	case q.match == nil && q.unmodified != nil && at.After(*q.unmodified):
		return "If-Unmodified-Since", false
	case q.noneMatch != nil && sameETag(*q.noneMatch, o.ETag):
		return "If-None-Match", true
	case q.noneMatch == nil && q.modified != nil && !at.After(*q.modified):
		return "If-Modified-Since", true
	}
	return "", false
}

func (q *conditions) admitRead(o *object) error {
	condition, notModified := q.failed(o)
	switch {
	case condition == "":
		return nil
	case notModified:
		return awserr.New("NotModified", 304, "Not Modified").With("ETag", quoted(o.ETag)).With("Last-Modified", o.Modified.UTC().Format(httpTime))
	}
	return errPrecondition(condition)
}

func (q *conditions) admitCopy(o *object) error {
	if condition, _ := q.failed(o); condition != "" {
		return errPrecondition("x-amz-copy-source-" + strings.ToLower(condition))
	}
	return nil
}

// admitKey checks that the customer's key is the one the object was put with.
func (o *object) admitKey(ck *body.Key) error {
	switch {
	case o.CustomerKey == "" && ck != nil:
		return errInvalidRequest("The encryption parameters are not applicable to this object.")
	case o.CustomerKey != "" && ck == nil:
		return errInvalidRequest("The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.")
	case ck != nil && ck.MD5 != o.CustomerKey:
		return errInvalidRequest("The provided encryption parameters did not match the ones used originally.")
	}
	return nil
}

// httpTime is the form of times in headers.
const httpTime = "Mon, 02 Jan 2006 15:04:05 GMT"

// span is the range of an object that is read.
type span struct {
	off, length int64
	partial     bool
	parts       int32
	// sum is the part's checksum, where a part is read.
	sum sum
}

var rangeForm = regexp.MustCompile(`^bytes=\s*([0-9]*)-([0-9]*)\s*$`)

// parseRange reads a Range header: one range of bytes, or nil for what is to
// be ignored.
func parseRange(header string, size int64) (*span, error) {
	m := rangeForm.FindStringSubmatch(header)
	if m == nil || m[1] == "" && m[2] == "" {
		return nil, nil
	}
	bad := awserr.New("InvalidRange", 416, "The requested range is not satisfiable").With("RangeRequested", header).With("ActualObjectSize", size)
	first, last := position(m[1], 0), position(m[2], size-1)
	if m[1] == "" { // the last bytes
		n := min(position(m[2], 0), size)
		if n == 0 {
			return nil, bad
		}
		return &span{off: size - n, length: n, partial: true}, nil
	}
	switch {
	case first >= size:
		return nil, bad
	case m[2] != "" && last < first:
		return nil, nil
	}
	last = min(last, size-1)
	return &span{off: first, length: last - first + 1, partial: true}, nil
}

// position is a number of bytes, or def for "". What is too large for a number
// is beyond every object.
func position(digits string, def int64) int64 {
	if digits == "" {
		return def
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return math.MaxInt64
	}
	return n
}

// span is what a request reads of an object: all, a range, or a part.
func (o *object) span(tx *kv.Tx, header *string, number *int32) (*span, error) {
	whole := &span{length: o.Size}
	switch {
	case header != nil && number != nil:
		return nil, errInvalidRequest("Cannot specify both Range header and partNumber query parameter")
	case number != nil:
		return o.partSpan(tx, *number)
	case header == nil:
		return whole, nil
	}
	sp, err := parseRange(*header, o.Size)
	if err != nil || sp != nil {
		return sp, err
	}
	return whole, nil
}

func (o *object) partSpan(tx *kv.Tx, number int32) (*span, error) {
	bad := awserr.New("InvalidPartNumber", 416, "The requested partnumber is not satisfiable")
	if o.Parts == 0 {
		if number != 1 {
			return nil, bad
		}
		return &span{length: o.Size, partial: o.Size > 0}, nil
	}
	l, err := layouts.Get(tx, o.Body.UID)
	if err != nil {
		return nil, err
	}
	var off int64
	for i, n := range l.Numbers {
		if n == number {
			p, err := parts.Get(tx, o.Body.UID, n)
			if err != nil {
				return nil, err
			}
			sp := &span{off: off, length: l.Sizes[i], partial: true, parts: int32(o.Parts), sum: p.Checksum}
			sp.sum.Type = o.Checksum.Type
			return sp, nil
		}
		off += l.Sizes[i]
	}
	return nil, bad
}

// openObject reads a range of an object, across its parts.
func (s *svc) openObject(ctx context.Context, tx *kv.Tx, o *object, ck *body.Key, off, n int64) (io.ReadCloser, error) {
	if o.Parts == 0 {
		return s.bodies.Open(ctx, tx, &o.Body, ck, off, n)
	}
	l, err := layouts.Get(tx, o.Body.UID)
	if err != nil {
		return nil, err
	}
	j := &body.Joined{}
	for i, size := range l.Sizes {
		if n <= 0 {
			break
		}
		if off >= size {
			off -= size
			continue
		}
		p, err := parts.Get(tx, o.Body.UID, l.Numbers[i])
		if err != nil {
			return nil, err
		}
		from, length := off, min(n, size-off)
		if p.Body.Blob == "" { // rows are read now, in the transaction
			r, err := s.bodies.Open(ctx, tx, &p.Body, ck, from, length)
			if err != nil {
				return nil, err
			}
			j.Parts = append(j.Parts, func() (io.ReadCloser, error) { return r, nil })
		} else {
			j.Parts = append(j.Parts, func() (io.ReadCloser, error) { return s.bodies.Open(ctx, nil, &p.Body, ck, from, length) })
		}
		off, n = 0, n-length
	}
	return j, nil
}

func (s *svc) getObject(ctx context.Context, c *service.Call, in *s3api.GetObjectInput) (*s3api.GetObjectOutput, error) {
	ck, err := body.ParseKey(in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5)
	if err != nil {
		return nil, err
	}
	if err := admitHeaders(c); err != nil {
		return nil, err
	}
	if err := s.admitOverrides(c, in); err != nil {
		return nil, err
	}
	var out *s3api.GetObjectOutput
	err = c.View(ctx, func(tx *kv.Tx) error {
		b, o, charged, err := s.read(tx, c, in)
		if err != nil {
			return err
		}
		if err := o.admitKey(ck); err != nil {
			return err
		}
		sp, err := o.span(tx, in.Range, in.PartNumber)
		if err != nil {
			return err
		}
		out = found(b, o, sp, in)
		out.RequestCharged = charged
		out.Body, err = s.openObject(ctx, tx, o, ck, sp.off, sp.length)
		return err
	})
	if err != nil {
		return nil, err
	}
	c.Meter(meter.BytesOut, float64(*out.ContentLength), bucketARN(in.Bucket))
	return out, nil
}

// read finds the version of a read and holds its conditions.
func (s *svc) read(tx *kv.Tx, c *service.Call, in *s3api.GetObjectInput) (b *bucket, o *object, charged *string, err error) {
	if b, err = findBucket(tx, in.Bucket, in.ExpectedBucketOwner); err != nil {
		return nil, nil, nil, err
	}
	if charged, err = b.AdmitPayer(c, b.Owner, in.RequestPayer); err != nil {
		return nil, nil, nil, err
	}
	if o, err = findVersion(tx, b, in.Key, value(in.VersionId)); err != nil {
		return nil, nil, nil, err
	}
	q := conditions{in.IfMatch, in.IfNoneMatch, in.IfModifiedSince, in.IfUnmodifiedSince}
	return b, o, charged, q.admitRead(o)
}

// admitHeaders refuses the header that asks for encryption, where nothing is written.
func admitHeaders(c *service.Call) error {
	if v := c.Transport.Header["X-Amz-Server-Side-Encryption"]; len(v) > 0 {
		return errInvalidArgument("x-amz-server-side-encryption header is not supported for this operation.", "x-amz-server-side-encryption", v[0])
	}
	return nil
}

// admitOverrides refuses response headers from the query of an anonymous request.
func (s *svc) admitOverrides(c *service.Call, in *s3api.GetObjectInput) error {
	set := in.ResponseCacheControl != nil || in.ResponseContentDisposition != nil || in.ResponseContentEncoding != nil ||
		in.ResponseContentLanguage != nil || in.ResponseContentType != nil || in.ResponseExpires != nil
	if set && c.Principal.Type == policy.Anonymous {
		return errInvalidRequest("Request specific response headers cannot be used for anonymous GET requests.")
	}
	return nil
}

func or(override *string, v string) *string {
	if override != nil {
		return override
	}
	return optional(v)
}

// found describes a version that is read.
func found(b *bucket, o *object, sp *span, in *s3api.GetObjectInput) *s3api.GetObjectOutput {
	h := &o.Headers
	out := &s3api.GetObjectOutput{
		AcceptRanges: ptr("bytes"), LastModified: ptr(o.Modified.Truncate(time.Second)), ContentLength: &sp.length, ETag: ptr(quoted(o.ETag)), VersionId: b.shown(o),
		CacheControl: or(in.ResponseCacheControl, h.Cache), ContentDisposition: or(in.ResponseContentDisposition, h.Disposition),
		ContentEncoding: or(in.ResponseContentEncoding, h.Encoding), ContentLanguage: or(in.ResponseContentLanguage, h.Language),
		ContentType: or(in.ResponseContentType, h.Type), Expires: optional(h.Expires), WebsiteRedirectLocation: optional(h.Redirect),
		Metadata: o.Meta, Expiration: b.expiration(o),
	}
	if in.ResponseExpires != nil {
		out.Expires = ptr(in.ResponseExpires.UTC().Format(httpTime))
	}
	if sp.partial {
		out.ContentRange = ptr(fmt.Sprintf("bytes %d-%d/%d", sp.off, sp.off+sp.length-1, o.Size))
	}
	if sp.parts > 0 {
		out.PartsCount = &sp.parts
	}
	if o.Class != "" && o.Class != "STANDARD" {
		out.StorageClass = &o.Class
	}
	if n := int32(len(o.Tags)); n > 0 {
		out.TagCount = &n
	}
	o.encryption(&out.ServerSideEncryption, &out.SSECustomerAlgorithm, &out.SSECustomerKeyMD5, &out.BucketKeyEnabled)
	out.ObjectLockMode = optional(o.Mode)
	if !o.RetainUntil.IsZero() {
		out.ObjectLockRetainUntilDate = &o.RetainUntil
	}
	if o.LegalHold {
		out.ObjectLockLegalHoldStatus = ptr(s3api.ObjectLockLegalHoldStatusOn)
	}
	if value(in.ChecksumMode) == s3api.ChecksumModeEnabled {
		switch {
		case sp.parts > 0 && o.Checksum.Algorithm != "":
			setChecksum(out, sp.sum)
		case !sp.partial || sp.length == o.Size:
			setChecksum(out, o.Checksum)
		}
	}
	return out
}

// headObject is getObject without the bytes: the two have the same members.
func (s *svc) headObject(ctx context.Context, c *service.Call, in *s3api.HeadObjectInput) (*s3api.HeadObjectOutput, error) {
	get := &s3api.GetObjectInput{
		Bucket: in.Bucket, IfMatch: in.IfMatch, IfModifiedSince: in.IfModifiedSince, IfNoneMatch: in.IfNoneMatch, IfUnmodifiedSince: in.IfUnmodifiedSince,
		Key: in.Key, Range: in.Range, ResponseCacheControl: in.ResponseCacheControl, ResponseContentDisposition: in.ResponseContentDisposition,
		ResponseContentEncoding: in.ResponseContentEncoding, ResponseContentLanguage: in.ResponseContentLanguage, ResponseContentType: in.ResponseContentType,
		ResponseExpires: in.ResponseExpires, VersionId: in.VersionId, RequestPayer: in.RequestPayer, PartNumber: in.PartNumber,
		ExpectedBucketOwner: in.ExpectedBucketOwner, ChecksumMode: in.ChecksumMode,
	}
	ck, err := body.ParseKey(in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5)
	if err != nil {
		return nil, err
	}
	if err := admitHeaders(c); err != nil {
		return nil, err
	}
	if err := s.admitOverrides(c, get); err != nil {
		return nil, err
	}
	out := &s3api.HeadObjectOutput{}
	err = c.View(ctx, func(tx *kv.Tx) error {
		b, o, charged, err := s.read(tx, c, get)
		if err != nil {
			return err
		}
		if err := o.admitKey(ck); err != nil {
			return err
		}
		sp, err := o.span(tx, in.Range, in.PartNumber)
		if err != nil {
			return err
		}
		copyMembers(out, found(b, o, sp, get))
		out.RequestCharged = charged
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// copyMembers sets the members of to that from has under the same name.
func copyMembers(to, from any) {
	dst, src := reflect.ValueOf(to).Elem(), reflect.ValueOf(from).Elem()
	for i := range dst.NumField() {
		if f := src.FieldByName(dst.Type().Field(i).Name); f.IsValid() && f.Type() == dst.Field(i).Type() {
			dst.Field(i).Set(f)
		}
	}
}

func needGetObjectAttributes(_ *service.Call, in *s3api.GetObjectAttributesInput) []policy.Need {
	return []policy.Need{
		needObject("GetObject", "GetObjectVersion", in.Bucket, in.Key, in.VersionId),
		needObject("GetObjectAttributes", "GetObjectVersionAttributes", in.Bucket, in.Key, in.VersionId),
	}
}

func (s *svc) getObjectAttributes(ctx context.Context, c *service.Call, in *s3api.GetObjectAttributesInput) (*s3api.GetObjectAttributesOutput, error) {
	ck, err := body.ParseKey(in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5)
	if err != nil {
		return nil, err
	}
	out := &s3api.GetObjectAttributesOutput{}
	err = c.View(ctx, func(tx *kv.Tx) error {
		get := &s3api.GetObjectInput{Bucket: in.Bucket, Key: in.Key, VersionId: in.VersionId, ExpectedBucketOwner: in.ExpectedBucketOwner, RequestPayer: in.RequestPayer}
		b, o, charged, err := s.read(tx, c, get)
		if err != nil {
			return err
		}
		if err := o.admitKey(ck); err != nil {
			return err
		}
		out.LastModified, out.VersionId, out.RequestCharged = ptr(o.Modified.Truncate(time.Second)), b.shown(o), charged
		for _, name := range in.ObjectAttributes {
			if err := s.attribute(tx, out, o, name, in); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

func (s *svc) attribute(tx *kv.Tx, out *s3api.GetObjectAttributesOutput, o *object, name string, in *s3api.GetObjectAttributesInput) error {
	switch name {
	case s3api.ObjectAttributesETag:
		out.ETag = &o.ETag
	case s3api.ObjectAttributesObjectSize:
		out.ObjectSize = &o.Size
	case s3api.ObjectAttributesStorageClass:
		out.StorageClass = ptr("STANDARD")
		if o.Class != "" {
			out.StorageClass = &o.Class
		}
	case s3api.ObjectAttributesChecksum:
		if o.Checksum.Algorithm != "" {
			out.Checksum = &s3api.Checksum{}
			setChecksum(out.Checksum, o.Checksum)
		}
	case s3api.ObjectAttributesObjectParts:
		if o.Parts == 0 {
			return nil
		}
		var err error
		out.ObjectParts, err = partsPage(tx, o, value(in.PartNumberMarker), in.MaxParts)
		return err
	default:
		return errInvalidArgument("Invalid attribute name specified.", "x-amz-object-attributes", name)
	}
	return nil
}

// partsPage is a page of an object's parts.
func partsPage(tx *kv.Tx, o *object, marker int32, most *int32) (*s3api.GetObjectAttributesParts, error) {
	limit, err := page(most)
	if err != nil {
		return nil, err
	}
	p := &s3api.GetObjectAttributesParts{TotalPartsCount: ptr(int32(o.Parts)), PartNumberMarker: &marker, MaxParts: ptr(int32(limit)), IsTruncated: ptr(false)}
	for r, err := range parts.Scan(tx, kv.Scan{Prefix: []any{o.Body.UID}, After: kv.K(o.Body.UID, marker)}) {
		if err != nil {
			return nil, err
		}
		if len(p.Parts) >= limit {
			*p.IsTruncated = true
			break
		}
		x := r.Value
		one := s3api.ObjectPart{PartNumber: &x.Number, Size: &x.Body.Size}
		setChecksum(&one, x.Checksum)
		p.Parts = append(p.Parts, one)
		p.NextPartNumberMarker = &x.Number
	}
	return p, nil
}
