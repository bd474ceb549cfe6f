package s3

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
)

// model is a bucket as it should be: the versions of each key, the oldest first.
type model struct {
	versioning string
	keys       map[string][]modelVersion
}

type modelVersion struct {
	id     string
	marker bool
	body   []byte
}

func (m *model) write(key string, v modelVersion) {
	if m.versioning != "Enabled" {
		v.id = nullVersion
		m.remove(key, nullVersion)
	}
	m.keys[key] = append(m.keys[key], v)
}

func (m *model) remove(key, id string) {
	m.keys[key] = slices.DeleteFunc(m.keys[key], func(v modelVersion) bool { return v.id == id })
	if len(m.keys[key]) == 0 {
		delete(m.keys, key)
	}
}

func (m *model) current(key string) *modelVersion {
	vs := m.keys[key]
	if len(vs) == 0 || vs[len(vs)-1].marker {
		return nil
	}
	return &vs[len(vs)-1]
}

// list is what ListObjectsV2 finds, keys and common prefixes in one order.
func (m *model) list(prefix, delimiter string) []string {
	found := map[string]bool{}
	for key := range m.keys {
		if m.current(key) == nil || !strings.HasPrefix(key, prefix) {
			continue
		}
		if i := strings.Index(key[len(prefix):], delimiter); delimiter != "" && i >= 0 {
			key = key[:len(prefix)+i+len(delimiter)] + "…"
		}
		found[key] = true
	}
	return slices.Sorted(maps.Keys(found))
}

var modelKeys = []string{"a", "a/", "a/b", "a/b/c", "a/\xc3\xa9", "a0", "b//", "b//c", "\x01", "z\x7f", "\xf0\x9f\x98\x80/x", "a\x00b"}

// TestAgainstModel does random operations on a bucket and on the model, with
// restarts between them, and compares all that can be read.
func TestAgainstModel(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			w := newWorld(t)
			w.bucket("box")
			m := &model{keys: map[string][]modelVersion{}}
			for range 150 {
				w.step(r, m)
			}
			w.compare(m)
			w.empty(m)
		})
	}
}

func (w *world) step(r *rand.Rand, m *model) {
	w.Helper()
	w.clock.Advance(time.Millisecond)
	key := modelKeys[r.IntN(len(modelKeys))]
	switch r.IntN(12) {
	case 0:
		m.versioning = []string{"Enabled", "Suspended"}[r.IntN(2)]
		w.versions("box", m.versioning)
	case 1:
		w.restart()
	case 2, 3:
		out := must(w, s3api.DeleteObject, &s3api.DeleteObjectInput{Bucket: "box", Key: key})
		if m.versioning == "" {
			m.remove(key, nullVersion)
		} else {
			m.write(key, modelVersion{id: value(out.VersionId), marker: true})
		}
	case 4:
		if vs := m.keys[key]; len(vs) > 0 {
			v := vs[r.IntN(len(vs))]
			must(w, s3api.DeleteObject, &s3api.DeleteObjectInput{Bucket: "box", Key: key, VersionId: &v.id})
			m.remove(key, v.id)
		}
	case 5:
		from := modelKeys[r.IntN(len(modelKeys))]
		out, err := try(w, s3api.CopyObject, &s3api.CopyObjectInput{Bucket: "box", Key: key, CopySource: "box/" + escapedKey(from), MetadataDirective: ptr("REPLACE")})
		v := m.current(from)
		if (err == nil) != (v != nil) {
			w.Fatalf("copy %q to %q: %v", from, key, err)
		}
		if err == nil {
			m.write(key, modelVersion{id: value(out.VersionId), body: v.body})
		}
	default:
		b := bytesOf([]int{0, 1, 100, 64 << 10, 64<<10 + 1, 200_000}[r.IntN(6)], byte(r.Uint32()))
		out := w.put("box", key, b)
		m.write(key, modelVersion{id: value(out.VersionId), body: b})
	}
}

func escapedKey(key string) string {
	var b strings.Builder
	for i := range len(key) {
		fmt.Fprintf(&b, "%%%02X", key[i])
	}
	return b.String()
}

// compare reads everything.
func (w *world) compare(m *model) {
	w.Helper()
	for _, key := range modelKeys {
		got, err := w.read("box", key, "", "")
		if v := m.current(key); v == nil && !awserr.HasCode(err, "NoSuchKey") || v != nil && !bytes.Equal(got, v.body) {
			w.Errorf("the object %q: %d bytes, %v", key, len(got), err)
		}
		for _, v := range m.keys[key] {
			got, err := w.read("box", key, v.id, "")
			if v.marker && !awserr.HasCode(err, "MethodNotAllowed") || !v.marker && !bytes.Equal(got, v.body) {
				w.Errorf("the version %s of %q: %d bytes, %v", v.id, key, len(got), err)
			}
		}
	}
	for _, prefix := range []string{"", "a", "a/", "b", "c"} {
		for _, delimiter := range []string{"", "/", "//", "a"} {
			for _, size := range []int32{1, 2, 5, 1000} {
				if d := cmp.Diff(m.list(prefix, delimiter), w.list(prefix, delimiter, size)); d != "" {
					w.Errorf("list %q by %q in pages of %d (-want +got):\n%s", prefix, delimiter, size, d)
				}
			}
		}
	}
	for _, size := range []int32{1, 3, 1000} {
		if d := cmp.Diff(m.listVersions(), w.listVersions(size)); d != "" {
			w.Errorf("list versions in pages of %d (-want +got):\n%s", size, d)
		}
	}
}

func (w *world) list(prefix, delimiter string, size int32) []string {
	w.Helper()
	var got []string
	in := &s3api.ListObjectsV2Input{Bucket: "box", Prefix: &prefix, Delimiter: optional(delimiter), MaxKeys: &size}
	for {
		out := must(w, s3api.ListObjectsV2, in)
		var page []string
		for _, o := range out.Contents {
			page = append(page, *o.Key)
		}
		for _, p := range out.CommonPrefixes {
			page = append(page, *p.Prefix+"…")
		}
		if len(page) > int(size) || int(*out.KeyCount) != len(page) {
			w.Errorf("a page of %d has %d entries and counts %d", size, len(page), *out.KeyCount)
		}
		slices.Sort(page)
		got = append(got, page...)
		if in.ContinuationToken = out.NextContinuationToken; in.ContinuationToken == nil {
			return got
		}
	}
}

func (m *model) listVersions() []string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(m.keys)) {
		for i, v := range slices.Backward(m.keys[key]) {
			out = append(out, fmt.Sprintf("%q %s %v %v", key, v.id, v.marker, i == len(m.keys[key])-1))
		}
	}
	slices.Sort(out)
	return out
}

func (w *world) listVersions(size int32) []string {
	w.Helper()
	var got []string
	in := &s3api.ListObjectVersionsInput{Bucket: "box", MaxKeys: &size}
	for {
		out := must(w, s3api.ListObjectVersions, in)
		byKey := map[string][]string{}
		add := func(key, id string, marker, latest bool) {
			byKey[key] = append(byKey[key], fmt.Sprintf("%q %s %v %v", key, id, marker, latest))
		}
		for _, v := range out.Versions {
			add(*v.Key, *v.VersionId, false, *v.IsLatest)
		}
		for _, v := range out.DeleteMarkers {
			add(*v.Key, *v.VersionId, true, *v.IsLatest)
		}
		for _, key := range slices.Sorted(maps.Keys(byKey)) {
			got = append(got, byKey[key]...)
		}
		in.KeyMarker, in.VersionIdMarker = out.NextKeyMarker, out.NextVersionIdMarker
		if !*out.IsTruncated {
			slices.Sort(got) // an answer has versions and markers apart
			return got
		}
	}
}

// empty deletes all versions: nothing may be left of their bytes, and the
// bucket can be deleted.
func (w *world) empty(m *model) {
	w.Helper()
	for key, vs := range m.keys {
		for _, v := range vs {
			must(w, s3api.DeleteObject, &s3api.DeleteObjectInput{Bucket: "box", Key: key, VersionId: &v.id})
		}
	}
	w.run(garbageKind)
	w.clock.Advance(time.Hour)
	w.run(garbageKind)
	if blobs, refs := w.stored(); blobs != 0 || refs != 0 {
		w.Errorf("%d blobs and %d rows are left of an empty bucket", blobs, refs)
	}
	must(w, s3api.DeleteBucket, &s3api.DeleteBucketInput{Bucket: "box"})
}
