package s3

import (
	"testing"
	"time"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
)

const day = 24 * time.Hour

func (w *world) rules(bucket string, rules ...s3api.LifecycleRule) {
	w.Helper()
	must(w, s3api.PutBucketLifecycleConfiguration, &s3api.PutBucketLifecycleConfigurationInput{
		Bucket: bucket, LifecycleConfiguration: &s3api.BucketLifecycleConfiguration{Rules: rules},
	})
}

func TestLifecycleExpires(t *testing.T) {
	w := newWorld(t)
	w.bucket("box")
	w.rules("box",
		s3api.LifecycleRule{Status: "Enabled", Filter: &s3api.LifecycleRuleFilter{Prefix: ptr("tmp/")}, Expiration: &s3api.LifecycleExpiration{Days: ptr(int32(1))}},
		s3api.LifecycleRule{Status: "Enabled", Filter: &s3api.LifecycleRuleFilter{Prefix: ptr("")}, AbortIncompleteMultipartUpload: &s3api.AbortIncompleteMultipartUpload{DaysAfterInitiation: ptr(int32(3))}})
	w.put("box", "tmp/a", []byte("a"))
	w.put("box", "keep", []byte("b"))
	id := *must(w, s3api.CreateMultipartUpload, &s3api.CreateMultipartUploadInput{Bucket: "box", Key: "k"}).UploadId
	w.clock.Advance(day)
	w.run(lifecycleKind)
	if _, err := w.read("box", "tmp/a", "", ""); err != nil {
		t.Errorf("before midnight: %v", err)
	}
	w.clock.Advance(day)
	w.run(lifecycleKind)
	if _, err := w.read("box", "tmp/a", "", ""); !awserr.HasCode(err, "NoSuchKey") {
		t.Errorf("after midnight: %v", err)
	}
	if _, err := w.read("box", "keep", "", ""); err != nil {
		t.Errorf("what no rule covers: %v", err)
	}
	must(w, s3api.ListParts, &s3api.ListPartsInput{Bucket: "box", Key: "k", UploadId: id})
	w.clock.Advance(2 * day)
	w.run(lifecycleKind)
	fails(w, "NoSuchUpload", s3api.ListParts, &s3api.ListPartsInput{Bucket: "box", Key: "k", UploadId: id})
}

func TestLifecycleOfVersions(t *testing.T) {
	w := newWorld(t)
	must(w, s3api.CreateBucket, &s3api.CreateBucketInput{Bucket: "box", ObjectLockEnabledForBucket: ptr(true)})
	w.rules("box", s3api.LifecycleRule{
		Status: "Enabled", Filter: &s3api.LifecycleRuleFilter{Prefix: ptr("")}, Expiration: &s3api.LifecycleExpiration{ExpiredObjectDeleteMarker: ptr(true)},
		NoncurrentVersionExpiration: &s3api.NoncurrentVersionExpiration{NoncurrentDays: ptr(int32(1))},
	})
	w.put("box", "free", []byte("1"))
	held := w.put("box", "held", []byte("1"))
	must(w, s3api.PutObjectLegalHold, &s3api.PutObjectLegalHoldInput{Bucket: "box", Key: "held", VersionId: held.VersionId, LegalHold: &s3api.ObjectLockLegalHold{Status: ptr("ON")}})
	for _, key := range []string{"free", "held"} {
		must(w, s3api.DeleteObject, &s3api.DeleteObjectInput{Bucket: "box", Key: key})
	}
	for range 2 { // first the version goes, then the marker that is left alone
		w.clock.Advance(2 * day)
		w.run(lifecycleKind)
	}
	out := must(w, s3api.ListObjectVersions, &s3api.ListObjectVersionsInput{Bucket: "box"})
	if len(out.Versions) != 1 || *out.Versions[0].Key != "held" || len(out.DeleteMarkers) != 1 || *out.DeleteMarkers[0].Key != "held" {
		t.Errorf("left are %d versions and %d markers", len(out.Versions), len(out.DeleteMarkers))
	}
	fails(w, "AccessDenied", s3api.DeleteObject, &s3api.DeleteObjectInput{Bucket: "box", Key: "held", VersionId: held.VersionId, BypassGovernanceRetention: ptr(true)})
}
