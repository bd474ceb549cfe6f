package s3

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/checksum"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/services/s3/body"
)

// partsOf uploads parts and returns the list that completes them.
func (w *world) partsOf(bucket, key, id string, bodies ...[]byte) []s3api.CompletedPart {
	w.Helper()
	var list []s3api.CompletedPart
	for i, b := range bodies {
		n := int32(i + 1)
		out := must(w, s3api.UploadPart, &s3api.UploadPartInput{Bucket: bucket, Key: key, UploadId: id, PartNumber: n, Body: bytes.NewReader(b)})
		list = append(list, s3api.CompletedPart{PartNumber: &n, ETag: out.ETag})
	}
	return list
}

func bytesOf(n int, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7) + byte(i>>8) + seed
	}
	return b
}

func TestMultipart(t *testing.T) {
	w := newWorld(t)
	w.bucket("box")
	one, two := bytesOf(minPartSize, 1), bytesOf(100_000, 2)
	id := *must(w, s3api.CreateMultipartUpload, &s3api.CreateMultipartUploadInput{Bucket: "box", Key: "k"}).UploadId
	list := w.partsOf("box", "k", id, one, two)
	w.partsOf("box", "k", id, one) // once more: it takes the place of the first
	complete := func(parts []s3api.CompletedPart) *s3api.CompleteMultipartUploadInput {
		return &s3api.CompleteMultipartUploadInput{Bucket: "box", Key: "k", UploadId: id, MultipartUpload: &s3api.CompletedMultipartUpload{Parts: parts}}
	}
	fails(w, "InvalidPartOrder", s3api.CompleteMultipartUpload, complete([]s3api.CompletedPart{list[1], list[0]}))
	fails(w, "InvalidPart", s3api.CompleteMultipartUpload, complete([]s3api.CompletedPart{{PartNumber: list[0].PartNumber, ETag: list[1].ETag}}))
	fails(w, "MalformedXML", s3api.CompleteMultipartUpload, complete(nil))
	w.restart()
	out := must(w, s3api.CompleteMultipartUpload, complete(list))
	a, b := md5.Sum(one), md5.Sum(two)
	all := md5.Sum(append(a[:], b[:]...))
	if want := quoted(hex.EncodeToString(all[:]) + "-2"); *out.ETag != want {
		t.Errorf("ETag %s, want %s", *out.ETag, want)
	}
	if again := must(w, s3api.CompleteMultipartUpload, complete(list)); *again.ETag != *out.ETag {
		t.Errorf("asked again, the completion answers %s", *again.ETag)
	}
	whole := append(bytes.Clone(one), two...)
	for _, r := range []struct{ from, to int }{{0, len(whole) - 1}, {minPartSize - 3, minPartSize + 2}, {minPartSize, minPartSize}, {5, 5}, {len(whole) - 1, len(whole) - 1}} {
		got, err := w.read("box", "k", "", fmt.Sprintf("bytes=%d-%d", r.from, r.to))
		if err != nil || !bytes.Equal(got, whole[r.from:r.to+1]) {
			t.Errorf("bytes %d to %d are wrong: %d bytes, %v", r.from, r.to, len(got), err)
		}
	}
	must(w, s3api.DeleteObject, &s3api.DeleteObjectInput{Bucket: "box", Key: "k"})
	w.run(garbageKind)
	w.clock.Advance(time.Hour)
	w.run(garbageKind)
	if blobs, refs := w.stored(); blobs != 0 || refs != 0 {
		t.Errorf("%d blobs and %d rows are left of what was deleted", blobs, refs)
	}
}

func TestSmallPartsAreRefused(t *testing.T) {
	w := newWorld(t)
	w.bucket("box")
	id := *must(w, s3api.CreateMultipartUpload, &s3api.CreateMultipartUploadInput{Bucket: "box", Key: "k"}).UploadId
	list := w.partsOf("box", "k", id, []byte("one"), []byte("two"))
	in := &s3api.CompleteMultipartUploadInput{Bucket: "box", Key: "k", UploadId: id, MultipartUpload: &s3api.CompletedMultipartUpload{Parts: list}}
	fails(w, "EntityTooSmall", s3api.CompleteMultipartUpload, in)
	must(w, s3api.AbortMultipartUpload, &s3api.AbortMultipartUploadInput{Bucket: "box", Key: "k", UploadId: id})
	fails(w, "NoSuchUpload", s3api.ListParts, &s3api.ListPartsInput{Bucket: "box", Key: "k", UploadId: id})
	w.run(garbageKind)
	if blobs, refs := w.stored(); blobs != 0 || refs != 0 {
		t.Errorf("%d blobs and %d rows are left of an aborted upload", blobs, refs)
	}
}

// As many parts as S3 takes become one object, and are given up again. The
// rows of all but the last are written as uploads of 5 MB would.
func TestTenThousandParts(t *testing.T) {
	w := newWorld(t)
	w.bucket("box")
	id := *must(w, s3api.CreateMultipartUpload, &s3api.CreateMultipartUploadInput{Bucket: "box", Key: "k"}).UploadId
	var list []s3api.CompletedPart
	for n := int32(1); n < maxParts; n++ {
		p := &part{Number: n, ETag: fmt.Sprintf("%032x", n), Body: body.Ref{UID: fmt.Sprint("part", n), Size: minPartSize}, Checksum: sum{checksum.CRC64NVME, "AAAAAAAAAAA=", fullObject}}
		if err := w.db.Update(t.Context(), func(tx *kv.Tx) error { return parts.Put(tx, p, id, n) }); err != nil {
			t.Fatal(err)
		}
		list = append(list, s3api.CompletedPart{PartNumber: &n, ETag: &p.ETag})
	}
	last := int32(maxParts)
	out := must(w, s3api.UploadPart, &s3api.UploadPartInput{Bucket: "box", Key: "k", UploadId: id, PartNumber: last, Body: strings.NewReader("last")})
	list = append(list, s3api.CompletedPart{PartNumber: &last, ETag: out.ETag})
	fails(w, "InvalidArgument", s3api.UploadPart, &s3api.UploadPartInput{Bucket: "box", Key: "k", UploadId: id, PartNumber: maxParts + 1})
	must(w, s3api.CompleteMultipartUpload, &s3api.CompleteMultipartUploadInput{Bucket: "box", Key: "k", UploadId: id, MultipartUpload: &s3api.CompletedMultipartUpload{Parts: list}})
	if got, err := w.read("box", "k", "", "bytes=-4"); err != nil || string(got) != "last" {
		t.Errorf("the last bytes are %q, %v", got, err)
	}
	must(w, s3api.DeleteObject, &s3api.DeleteObjectInput{Bucket: "box", Key: "k"})
	w.run(garbageKind)
	if _, refs := w.stored(); refs != 0 {
		t.Errorf("%d rows are left", refs)
	}
}
