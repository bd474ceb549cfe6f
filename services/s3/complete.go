package s3

import (
	"context"
	"crypto/md5" //nolint:gosec // the ETag of an upload is made of MD5s by definition
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/checksum"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/s3/body"
	"github.com/gigawatt-cloud/gigawatt/services/s3/event"
)

func needCompleteMultipartUpload(_ *service.Call, in *s3api.CompleteMultipartUploadInput) []policy.Need {
	return []policy.Need{{Action: "s3:PutObject", Resource: objectARN(in.Bucket, in.Key)}}
}

func (s *svc) completeMultipartUpload(ctx context.Context, c *service.Call, in *s3api.CompleteMultipartUploadInput) (*s3api.CompleteMultipartUploadOutput, error) {
	if in.MultipartUpload == nil || len(in.MultipartUpload.Parts) == 0 {
		return nil, errMalformedXML()
	}
	if len(in.MultipartUpload.Parts) > maxParts {
		return nil, errMalformedXML()
	}
	ck, err := body.ParseKey(in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5)
	if err != nil {
		return nil, err
	}
	var b *bucket
	var o *object
	var charged *string
	err = c.Update(ctx, func(tx *kv.Tx) error {
		if b, err = findBucket(tx, in.Bucket, in.ExpectedBucketOwner); err != nil {
			return err
		}
		if charged, err = b.AdmitPayer(c, b.Owner, in.RequestPayer); err != nil {
			return err
		}
		u, err := findUpload(tx, b, in.Key, in.UploadId)
		if awserr.HasCode(err, "NoSuchUpload") {
			// A client that did not get the answer asks again.
			if o, err = newest(tx, b, in.Key); err == nil && (o == nil || o.Body.UID != in.UploadId) {
				err = errNoSuchUpload(in.UploadId)
			}
			return err
		}
		if err != nil {
			return err
		}
		if ck != nil {
			if err := u.admitKey(ck); err != nil {
				return err
			}
		}
		if err := admitWrite(tx, b, in.Key, in.IfMatch, in.IfNoneMatch); err != nil {
			return err
		}
		if o, err = s.assemble(tx, c, b, u, in); err != nil {
			return err
		}
		if err := uploads.Delete(tx, b.ID, in.Key, u.ID); err != nil {
			return err
		}
		if err := write(tx, c, b, o); err != nil {
			return err
		}
		return s.emit(tx, c, b, o, event.CreatedMultipart)
	})
	if err != nil {
		return nil, err
	}
	out := &s3api.CompleteMultipartUploadOutput{
		Location: ptr(location(c, in.Bucket, in.Key)), Bucket: &in.Bucket, Key: &in.Key, ETag: ptr(quoted(o.ETag)), VersionId: b.written(o), Expiration: b.expiration(o), RequestCharged: charged,
	}
	var algorithm, sum *string // a completion does not tell the customer's key
	o.encryption(&out.ServerSideEncryption, &algorithm, &sum, &out.BucketKeyEnabled)
	setChecksum(out, o.Checksum)
	return out, nil
}

// location is the URL of an object, as the caller reaches it.
func location(c *service.Call, bucket, key string) string {
	scheme := c.Transport.Scheme
	if scheme == "" {
		scheme = "http"
	}
	return scheme + "://" + c.Transport.Host + "/" + bucket + "/" + (&url.URL{Path: key}).EscapedPath()
}

// maxUnlisted bounds the parts that a completion leaves out.
const maxUnlisted = 500

// assemble makes the object of an upload's parts.
func (s *svc) assemble(tx *kv.Tx, c *service.Call, b *bucket, u *upload, in *s3api.CompleteMultipartUploadInput) (*object, error) {
	chosen, unlisted, err := choose(tx, u, in.MultipartUpload.Parts)
	if err != nil {
		return nil, err
	}
	// Differs from AWS: a completion leaves out at most 500 of the parts that were uploaded.
	if len(unlisted) > maxUnlisted {
		return nil, errInvalidRequest("A completion leaves out at most %d uploaded parts.", maxUnlisted)
	}
	o := u.Object
	l := &layout{}
	h := md5.New() //nolint:gosec // see the import
	for i, p := range chosen {
		if p.Body.Size < minPartSize && i < len(chosen)-1 {
			return nil, awserr.New("EntityTooSmall", 400, "Your proposed upload is smaller than the minimum allowed size").
				With("ProposedSize", p.Body.Size).With("MinSizeAllowed", int64(minPartSize)).With("PartNumber", p.Number).With("ETag", p.ETag)
		}
		etag, err := hex.DecodeString(p.ETag)
		if err != nil {
			return nil, err
		}
		h.Write(etag)
		l.Numbers, l.Sizes = append(l.Numbers, p.Number), append(l.Sizes, p.Body.Size)
		o.Size += p.Body.Size
	}
	if in.MpuObjectSize != nil && *in.MpuObjectSize != o.Size {
		return nil, errInvalidRequest("The provided 'x-amz-mp-object-size' header value %d does not match what was computed: %d", *in.MpuObjectSize, o.Size)
	}
	o.ETag, o.Parts, o.Body = fmt.Sprintf("%x-%d", h.Sum(nil), len(chosen)), len(chosen), body.Ref{UID: u.ID, Size: o.Size}
	if o.Checksum, err = u.checksum(chosen); err != nil {
		return nil, err
	}
	if err := admitChecksum(u, &o, in); err != nil {
		return nil, err
	}
	if r := b.DefaultLock; r != nil && !u.Locked {
		o.Mode, o.RetainUntil = r.Mode, c.Now.AddDate(int(r.Years), 0, int(r.Days)).UTC()
	}
	for _, p := range unlisted {
		if err := body.Discard(tx, c.Now, &p.Body); err != nil {
			return nil, err
		}
		if err := parts.Delete(tx, u.ID, p.Number); err != nil {
			return nil, err
		}
	}
	return &o, layouts.Put(tx, l, u.ID)
}

// choose finds the parts that a completion lists.
func choose(tx *kv.Tx, u *upload, listed []s3api.CompletedPart) (chosen, unlisted []*part, err error) {
	last := int32(0)
	for i := range listed {
		n := value(listed[i].PartNumber)
		if listed[i].PartNumber == nil || listed[i].ETag == nil {
			return nil, nil, errMalformedXML()
		}
		if n <= last {
			return nil, nil, awserr.New("InvalidPartOrder", 400, "The list of parts was not in ascending order. Parts must be ordered by part number.").With("UploadId", u.ID)
		}
		last = n
	}
	next := 0
	for r, err := range parts.Scan(tx, kv.Scan{Prefix: []any{u.ID}}) {
		if err != nil {
			return nil, nil, err
		}
		p := r.Value
		if next == len(listed) || *listed[next].PartNumber != p.Number {
			unlisted = append(unlisted, p)
			continue
		}
		if err := p.admit(&listed[next], u); err != nil {
			return nil, nil, err
		}
		chosen = append(chosen, p)
		next++
	}
	if next < len(listed) {
		return nil, nil, errInvalidPart(u, *listed[next].PartNumber, *listed[next].ETag)
	}
	return chosen, unlisted, nil
}

func errInvalidPart(u *upload, number int32, etag string) error {
	return awserr.New("InvalidPart", 400, "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.").
		With("UploadId", u.ID).With("PartNumber", number).With("ETag", etag)
}

// admit compares a part with how a completion lists it.
func (p *part) admit(l *s3api.CompletedPart, u *upload) error {
	if strings.Trim(*l.ETag, `"`) != p.ETag {
		return errInvalidPart(u, p.Number, *l.ETag)
	}
	given := checksums{
		checksum.CRC32: l.ChecksumCRC32, checksum.CRC32C: l.ChecksumCRC32C, checksum.CRC64NVME: l.ChecksumCRC64NVME, checksum.SHA1: l.ChecksumSHA1,
		checksum.SHA256: l.ChecksumSHA256, checksum.SHA512: l.ChecksumSHA512, checksum.MD5: l.ChecksumMD5, checksum.XXHASH64: l.ChecksumXXHASH64,
	}
	for a, v := range given {
		if v != nil && (a != p.Checksum.Algorithm || *v != p.Checksum.Value) {
			return errInvalidPart(u, p.Number, *l.ETag)
		}
	}
	return nil
}

// checksum is the checksum of the object that the parts make. Without one that
// was asked for it is that of all parts, when it can be computed of them.
func (u *upload) checksum(chosen []*part) (sum, error) {
	a, kind := u.Algorithm, u.Type
	if a == "" {
		a, kind = chosen[0].Checksum.Algorithm, fullObject
	}
	var whole []checksum.Part
	var sums [][]byte
	for _, p := range chosen {
		if p.Checksum.Algorithm != a {
			return sum{}, nil
		}
		b, err := a.Decode(p.Checksum.Value)
		if err != nil {
			return sum{}, err
		}
		whole, sums = append(whole, checksum.Part{Sum: b, Length: p.Body.Size}), append(sums, b)
	}
	if kind == composite {
		v, err := a.Composite(sums)
		return sum{a, v, composite}, err
	}
	if !a.Combinable() {
		return sum{}, nil
	}
	b, err := a.Combine(whole)
	return sum{a, checksum.Encode(b), fullObject}, err
}

// admitChecksum compares the object's checksum with what the request says.
func admitChecksum(u *upload, o *object, in *s3api.CompleteMultipartUploadInput) error {
	if in.ChecksumType != nil && *in.ChecksumType != u.Type && (u.Type != "" || *in.ChecksumType != o.Checksum.Type) {
		return errInvalidRequest("The upload was created using the %s checksum mode. The complete request must use the same checksum mode.", u.Type)
	}
	given := checksums{
		checksum.CRC32: in.ChecksumCRC32, checksum.CRC32C: in.ChecksumCRC32C, checksum.CRC64NVME: in.ChecksumCRC64NVME, checksum.SHA1: in.ChecksumSHA1,
		checksum.SHA256: in.ChecksumSHA256, checksum.SHA512: in.ChecksumSHA512, checksum.MD5: in.ChecksumMD5, checksum.XXHASH64: in.ChecksumXXHASH64,
	}
	for a, v := range given {
		if v != nil && (a != o.Checksum.Algorithm || *v != o.Checksum.Value) {
			return awserr.New("BadDigest", 400, "The %s you specified did not match the calculated checksum.", strings.ToLower(string(a)))
		}
	}
	return nil
}
