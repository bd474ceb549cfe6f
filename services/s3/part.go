package s3

import (
	"context"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/checksum"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/s3/acl"
	"github.com/gigawatt-cloud/gigawatt/services/s3/body"
	"github.com/gigawatt-cloud/gigawatt/services/s3/lifecycle"
)

// part is one part of an upload, or of the object that it became.
type part struct {
	Number   int32     `cbor:"n"`
	ETag     string    `cbor:"etag"`
	Modified time.Time `cbor:"modified"`
	Checksum sum       `cbor:"checksum"`
	Body     body.Ref  `cbor:"body"`
}

// layout says which parts an object is made of, so that a range is found
// without reading them all.
type layout struct {
	Numbers []int32 `cbor:"n"`
	Sizes   []int64 `cbor:"s"`
}

var (
	parts   = kv.NewTable[part]("s3/part")     // upload ID, number
	layouts = kv.NewTable[layout]("s3/layout") // upload ID
)

const (
	maxParts    = 10000
	minPartSize = 5 << 20
)

func needUploadPart(_ *service.Call, in *s3api.UploadPartInput) []policy.Need {
	return []policy.Need{{Action: "s3:PutObject", Resource: objectARN(in.Bucket, in.Key)}}
}

func checkNumber(number int32) error {
	if number < 1 || number > maxParts {
		return errInvalidArgument("Part number must be an integer between 1 and 10000, inclusive", "partNumber", strconv.Itoa(int(number)))
	}
	return nil
}

// target is the upload that a part goes to.
type target struct {
	bucket, key, id string
	expected, payer *string
	customer        *body.Key

	b       *bucket
	u       *upload
	charged *string
}

// find finds the upload, before a part's bytes are read and again with them.
func (t *target) find(tx *kv.Tx, c *service.Call) (err error) {
	if t.b, err = findBucket(tx, t.bucket, t.expected); err != nil {
		return err
	}
	if t.charged, err = t.b.AdmitPayer(c, t.b.Owner, t.payer); err != nil {
		return err
	}
	if t.u, err = findUpload(tx, t.b, t.key, t.id); err != nil {
		return err
	}
	return t.u.admitKey(t.customer)
}

// admitKey checks that the customer's key is the one the upload was made with.
func (u *upload) admitKey(ck *body.Key) error {
	switch {
	case u.Object.CustomerKey == "" && ck != nil, u.Object.CustomerKey != "" && ck == nil:
		return errInvalidRequest("The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.")
	case ck != nil && ck.MD5 != u.Object.CustomerKey:
		return errInvalidRequest("The provided encryption parameters did not match the ones used originally.")
	}
	return nil
}

// store adds a part to its upload, in place of one with the same number.
func (s *svc) store(ctx context.Context, c *service.Call, t *target, number int32, rv *body.Received, want *sums) (*part, error) {
	p := &part{Number: number, ETag: hex.EncodeToString(rv.MD5[:]), Modified: c.Now, Checksum: want.stored(), Body: rv.Ref}
	err := c.Update(ctx, func(tx *kv.Tx) error {
		if err := t.find(tx, c); err != nil {
			return err
		}
		old, err := parts.Get(tx, t.id, number)
		if err == nil {
			err = body.Discard(tx, c.Now, &old.Body)
		}
		if err != nil && !isNotFound(err) {
			return err
		}
		if err := rv.Put(tx); err != nil {
			return err
		}
		return parts.Put(tx, p, t.id, number)
	})
	if err != nil {
		s.bodies.Drop(ctx, rv, err)
		return nil, err
	}
	return p, nil
}

func (s *svc) uploadPart(ctx context.Context, c *service.Call, in *s3api.UploadPartInput) (*s3api.UploadPartOutput, error) {
	if err := checkNumber(in.PartNumber); err != nil {
		return nil, err
	}
	ck, err := body.ParseKey(in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5)
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
	t := &target{bucket: in.Bucket, key: in.Key, id: in.UploadId, expected: in.ExpectedBucketOwner, payer: in.RequestPayer, customer: ck}
	if err := c.View(ctx, func(tx *kv.Tx) error { return t.find(tx, c) }); err != nil {
		return nil, err
	}
	if err := want.adopt(t.u.Algorithm); err != nil {
		return nil, err
	}
	rv, err := s.bodies.Receive(ctx, c.IDs.Hex(32), in.Body, want, ck)
	if err != nil {
		return nil, err
	}
	p, err := s.store(ctx, c, t, in.PartNumber, rv, want)
	if err != nil {
		return nil, err
	}
	out := &s3api.UploadPartOutput{ETag: ptr(quoted(p.ETag)), RequestCharged: t.charged}
	t.u.Object.encryption(&out.ServerSideEncryption, &out.SSECustomerAlgorithm, &out.SSECustomerKeyMD5, &out.BucketKeyEnabled)
	setChecksum(out, p.Checksum)
	return out, nil
}

func needUploadPartCopy(_ *service.Call, in *s3api.UploadPartCopyInput) []policy.Need {
	var needs []policy.Need
	if src, err := parseSource(in.CopySource); err == nil {
		needs = append(needs, needObject("GetObject", "GetObjectVersion", src.bucket, src.key, optional(src.version)))
	}
	return append(needs, policy.Need{Action: "s3:PutObject", Resource: objectARN(in.Bucket, in.Key)})
}

func (s *svc) uploadPartCopy(ctx context.Context, c *service.Call, in *s3api.UploadPartCopyInput) (*s3api.UploadPartCopyOutput, error) {
	if err := checkNumber(in.PartNumber); err != nil {
		return nil, err
	}
	from, err := parseSource(in.CopySource)
	if err != nil {
		return nil, err
	}
	ck, err := body.ParseKey(in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5)
	if err != nil {
		return nil, err
	}
	src := &source{}
	if src.key, err = body.ParseKey(in.CopySourceSSECustomerAlgorithm, in.CopySourceSSECustomerKey, in.CopySourceSSECustomerKeyMD5); err != nil {
		return nil, err
	}
	t := &target{bucket: in.Bucket, key: in.Key, id: in.UploadId, expected: in.ExpectedBucketOwner, payer: in.RequestPayer, customer: ck}
	if err := c.View(ctx, func(tx *kv.Tx) error { return t.find(tx, c) }); err != nil {
		return nil, err
	}
	if err := s.findSource(ctx, c, src, from, in.ExpectedSourceBucketOwner, in.RequestPayer); err != nil {
		return nil, err
	}
	cond := conditions{in.CopySourceIfMatch, in.CopySourceIfNoneMatch, in.CopySourceIfModifiedSince, in.CopySourceIfUnmodifiedSince}
	if err := cond.admitCopy(src.object); err != nil {
		return nil, err
	}
	sp := &span{length: src.object.Size}
	if in.CopySourceRange != nil {
		if sp, err = copyRange(*in.CopySourceRange, src.object.Size); err != nil {
			return nil, err
		}
	}
	if sp.length > body.MaxSize {
		return nil, body.ErrTooLarge(sp.length)
	}
	want, err := copySums(src.object, optional(string(t.u.Algorithm)))
	if err != nil {
		return nil, err
	}
	rv, err := s.receiveCopy(ctx, c, src, want, ck, sp.off, sp.length)
	if err != nil {
		return nil, err
	}
	p, err := s.store(ctx, c, t, in.PartNumber, rv, want)
	if err != nil {
		return nil, err
	}
	result := &s3api.CopyPartResult{ETag: ptr(quoted(p.ETag)), LastModified: ptr(p.Modified.Truncate(time.Millisecond))}
	setChecksum(result, p.Checksum)
	out := &s3api.UploadPartCopyOutput{CopyPartResult: result, CopySourceVersionId: src.bucket.shown(src.object), RequestCharged: t.charged}
	t.u.Object.encryption(&out.ServerSideEncryption, &out.SSECustomerAlgorithm, &out.SSECustomerKeyMD5, &out.BucketKeyEnabled)
	return out, nil
}

// copyRange is the range of a part copy, which has both ends and lies within
// the source.
func copyRange(header string, size int64) (*span, error) {
	spec, ok := strings.CutPrefix(header, "bytes=")
	first, last, two := strings.Cut(spec, "-")
	from, err := strconv.ParseInt(first, 10, 64)
	to, err2 := strconv.ParseInt(last, 10, 64)
	switch {
	case !ok || !two || err != nil || err2 != nil || from < 0 || to < from:
		return nil, errInvalidArgument("The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy", "x-amz-copy-source-range", header)
	case to >= size:
		return nil, errInvalidArgument("Range specified is not valid for source object of size: "+strconv.FormatInt(size, 10), "x-amz-copy-source-range", header)
	}
	return &span{off: from, length: to - from + 1, partial: true}, nil
}

func needListParts(_ *service.Call, in *s3api.ListPartsInput) []policy.Need {
	return []policy.Need{{Action: "s3:ListMultipartUploadParts", Resource: objectARN(in.Bucket, in.Key)}}
}

func (s *svc) listParts(ctx context.Context, c *service.Call, in *s3api.ListPartsInput) (*s3api.ListPartsOutput, error) {
	limit, err := page(in.MaxParts)
	if err != nil {
		return nil, err
	}
	ck, err := body.ParseKey(in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5)
	if err != nil {
		return nil, err
	}
	marker := value(in.PartNumberMarker)
	out := &s3api.ListPartsOutput{Bucket: &in.Bucket, Key: &in.Key, UploadId: &in.UploadId, PartNumberMarker: &marker, MaxParts: ptr(int32(limit)), IsTruncated: ptr(false)}
	t := &target{bucket: in.Bucket, key: in.Key, id: in.UploadId, expected: in.ExpectedBucketOwner, payer: in.RequestPayer, customer: ck}
	err = c.View(ctx, func(tx *kv.Tx) error {
		err := t.find(tx, c)
		if t.u == nil || ck != nil && err != nil {
			return err // the key may be left out here
		}
		u := t.u
		if at, rule, ok := lifecycle.Abort(t.b.Lifecycle, in.Key, u.Object.Modified); ok {
			out.AbortDate, out.AbortRuleId = &at, &rule
		}
		out.Initiator, out.Owner, out.StorageClass, out.RequestCharged = u.initiator(), acl.Owner(u.Object.ACL.Owner), ptr(u.Object.class()), t.charged
		out.ChecksumAlgorithm, out.ChecksumType = optional(string(u.Algorithm)), optional(u.Type)
		return partRows(tx, u, marker, limit, out)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// partRows fills a page of an upload's parts.
func partRows(tx *kv.Tx, u *upload, marker int32, limit int, out *s3api.ListPartsOutput) error {
	for r, err := range parts.Scan(tx, kv.Scan{Prefix: []any{u.ID}, After: kv.K(u.ID, marker)}) {
		if err != nil {
			return err
		}
		if len(out.Parts) >= limit {
			*out.IsTruncated = true
			break
		}
		p := r.Value
		one := s3api.Part{PartNumber: &p.Number, LastModified: ptr(p.Modified.Truncate(time.Millisecond)), ETag: ptr(quoted(p.ETag)), Size: &p.Body.Size}
		if u.Algorithm != "" {
			setChecksum(&one, p.Checksum)
		}
		out.Parts = append(out.Parts, one)
		out.NextPartNumberMarker = &p.Number
	}
	return nil
}
