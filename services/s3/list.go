package s3

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/s3/acl"
)

func (s *svc) listHandlers() []*service.Handler {
	return []*service.Handler{
		service.Handle(s3api.ListObjects, needListObjects, s.listObjects).Refuse("OptionalObjectAttributes"),
		service.Handle(s3api.ListObjectsV2, needListObjectsV2, s.listObjectsV2).Refuse("OptionalObjectAttributes"),
		service.Handle(s3api.ListObjectVersions, needListObjectVersions, s.listObjectVersions).Refuse("OptionalObjectAttributes"),
	}
}

// needList is the permission to list, with what is listed as condition keys.
func needList(action, bucket string, prefix, delimiter *string) []policy.Need {
	ctx := policy.Context{"s3:prefix": {value(prefix)}}
	if delimiter != nil {
		ctx["s3:delimiter"] = []string{*delimiter}
	}
	return []policy.Need{{Action: "s3:" + action, Resource: bucketARN(bucket), Context: ctx}}
}

func needListObjects(_ *service.Call, in *s3api.ListObjectsInput) []policy.Need {
	return needList("ListBucket", in.Bucket, in.Prefix, in.Delimiter)
}

func needListObjectsV2(_ *service.Call, in *s3api.ListObjectsV2Input) []policy.Need {
	return needList("ListBucket", in.Bucket, in.Prefix, in.Delimiter)
}

func needListObjectVersions(_ *service.Call, in *s3api.ListObjectVersionsInput) []policy.Need {
	return needList("ListBucketVersions", in.Bucket, in.Prefix, in.Delimiter)
}

// listing is one page of a bucket's keys.
type listing struct {
	grouping
	limit int
	// versions lists every version, not only the current ones.
	versions bool
	// after is the last key or common prefix of the page before; order the last
	// version of it.
	after string
	order uint64
	// afterNull says that the null version was the last: its order is looked up.
	afterNull bool

	objects  []*object
	latest   []bool
	prefixes []string
	more     bool
	last     string
	lastRow  *object
}

const maxKeys = 1000

// page bounds the number of entries.
func page(n *int32) (int, error) {
	if n == nil {
		return maxKeys, nil
	}
	if *n < 0 {
		return 0, errInvalidArgument("Argument max-keys must be an integer between 0 and 2147483647", "max-keys", "")
	}
	return min(int(*n), maxKeys), nil
}

// successor is the first string after all that begin with prefix; ok is false
// when there is none.
func successor(prefix string) (string, bool) {
	b := []byte(prefix)
	for len(b) > 0 {
		if b[len(b)-1] < 0xff {
			b[len(b)-1]++
			return string(b), true
		}
		b = b[:len(b)-1]
	}
	return "", false
}

// run fills the page. It seeks past what a common prefix hides, and so never
// reads all keys under it.
func (l *listing) run(tx *kv.Tx, b *bucket) error {
	if l.limit == 0 {
		return nil
	}
	if l.afterNull {
		l.order = oldest // when it is gone by now, the page goes on with the next key
		o, err := findNull(tx, b, l.after)
		if err != nil {
			return err
		}
		if o != nil {
			l.order = o.Order
		}
	}
	from := kv.K(b.ID, max(l.prefix, l.after))
	switch {
	case l.after == "" || l.after < l.prefix:
	case l.order != 0:
		from = append(kv.K(b.ID, l.after, l.order), 0)
	case l.common(l.after) == l.after: // never "" here
		next, ok := successor(l.after)
		if !ok {
			return nil
		}
		from = kv.K(b.ID, next)
	default:
		from = kv.K(b.ID, l.after+"\x00")
	}
	end := append(kv.K(b.ID), 0xff)
	for from != nil {
		var err error
		if from, err = l.stretch(tx, from, end); err != nil {
			return err
		}
	}
	return nil
}

// stretch reads rows until the page is full, or until it has to seek: then it
// returns where to go on.
func (l *listing) stretch(tx *kv.Tx, from, end kv.Key) (next kv.Key, err error) {
	current := ""
	first := true
	if l.order != 0 {
		current, first = l.after, false // the versions that follow are not the latest
	}
	for r, err := range objects.RangeScan(tx, from, end) {
		if err != nil {
			return nil, err
		}
		o := r.Value
		if !strings.HasPrefix(o.Key, l.prefix) {
			return nil, nil
		}
		newest := first || o.Key != current
		current, first = o.Key, false
		if !l.versions && (!newest || o.Marker) {
			continue
		}
		if p := l.common(o.Key); p != "" {
			if l.full() {
				return nil, nil
			}
			l.prefixes, l.last, l.lastRow = append(l.prefixes, p), p, nil
			after, ok := successor(p)
			if !ok {
				return nil, nil
			}
			parts, err := r.Key.Decode()
			if err != nil {
				return nil, err
			}
			return kv.K(parts[0], after), nil
		}
		if l.full() {
			return nil, nil
		}
		l.objects, l.latest, l.last, l.lastRow = append(l.objects, o), append(l.latest, newest), o.Key, o
	}
	return nil, nil
}

// full reports whether the page has no room for another entry.
func (l *listing) full() bool {
	l.more = len(l.objects)+len(l.prefixes) >= l.limit
	return l.more
}

// grouping says which keys a list is about, and which it groups.
type grouping struct {
	prefix, delimiter string
}

// common is the common prefix that a key is listed under, or "".
func (g *grouping) common(key string) string {
	rest, ok := strings.CutPrefix(key, g.prefix)
	if !ok || g.delimiter == "" {
		return ""
	}
	i := strings.Index(rest, g.delimiter)
	if i < 0 {
		return ""
	}
	return key[:len(g.prefix)+i+len(g.delimiter)]
}

// coder writes keys as the request asks for.
func coder(encoding *string) (func(string) *string, error) {
	if encoding == nil {
		return func(s string) *string { return &s }, nil
	}
	if *encoding != s3api.EncodingTypeUrl {
		return nil, errInvalidArgument("Invalid Encoding Method specified in Request", "encoding-type", *encoding)
	}
	return func(s string) *string {
		return ptr(strings.NewReplacer("%2F", "/", "+", "%20").Replace(url.QueryEscape(s)))
	}, nil
}

func coded(code func(string) *string, s *string) *string {
	if s == nil {
		return nil
	}
	return code(*s)
}

// contents are the objects of a page.
func (l *listing) contents(code func(string) *string, withOwner bool) []s3api.Object {
	out := make([]s3api.Object, 0, len(l.objects))
	for _, o := range l.objects {
		x := s3api.Object{
			Key: code(o.Key), LastModified: ptr(o.Modified.Truncate(time.Millisecond)), ETag: ptr(quoted(o.ETag)), Size: &o.Size, StorageClass: ptr(o.class()),
			ChecksumAlgorithm: []string{string(o.Checksum.Algorithm)}, ChecksumType: &o.Checksum.Type,
		}
		if withOwner {
			x.Owner = acl.Owner(o.ACL.Owner)
		}
		out = append(out, x)
	}
	return out
}

func (o *object) class() string {
	if o.Class == "" {
		return "STANDARD"
	}
	return o.Class
}

func (l *listing) commonPrefixes(code func(string) *string) []s3api.CommonPrefix {
	var out []s3api.CommonPrefix
	for _, p := range l.prefixes {
		out = append(out, s3api.CommonPrefix{Prefix: code(p)})
	}
	return out
}

// fill runs a listing of a bucket.
func (l *listing) fill(ctx context.Context, c *service.Call, bucket string, expected, payer *string) (charged *string, err error) {
	err = c.View(ctx, func(tx *kv.Tx) error {
		b, err := findBucket(tx, bucket, expected)
		if err != nil {
			return err
		}
		if charged, err = b.AdmitPayer(c, b.Owner, payer); err != nil {
			return err
		}
		return l.run(tx, b)
	})
	return charged, err
}

func (s *svc) listObjects(ctx context.Context, c *service.Call, in *s3api.ListObjectsInput) (*s3api.ListObjectsOutput, error) {
	limit, err := page(in.MaxKeys)
	if err != nil {
		return nil, err
	}
	code, err := coder(in.EncodingType)
	if err != nil {
		return nil, err
	}
	l := &listing{grouping: grouping{value(in.Prefix), value(in.Delimiter)}, after: value(in.Marker), limit: limit}
	charged, err := l.fill(ctx, c, in.Bucket, in.ExpectedBucketOwner, in.RequestPayer)
	if err != nil {
		return nil, err
	}
	out := &s3api.ListObjectsOutput{
		IsTruncated: &l.more, Marker: code(value(in.Marker)), Contents: l.contents(code, true), Name: &in.Bucket, Prefix: &l.prefix,
		Delimiter: coded(code, optional(l.delimiter)), MaxKeys: ptr(int32(limit)), CommonPrefixes: l.commonPrefixes(code), EncodingType: in.EncodingType, RequestCharged: charged,
	}
	if l.more && l.delimiter != "" {
		out.NextMarker = code(l.last)
	}
	return out, nil
}

func (s *svc) listObjectsV2(ctx context.Context, c *service.Call, in *s3api.ListObjectsV2Input) (*s3api.ListObjectsV2Output, error) {
	limit, err := page(in.MaxKeys)
	if err != nil {
		return nil, err
	}
	code, err := coder(in.EncodingType)
	if err != nil {
		return nil, err
	}
	l := &listing{grouping: grouping{value(in.Prefix), value(in.Delimiter)}, after: value(in.StartAfter), limit: limit}
	if in.ContinuationToken != nil {
		at, err := c.OpenPage(in.Bucket, *in.ContinuationToken)
		if err != nil {
			return nil, errInvalidArgument("The continuation token provided is incorrect", "continuation-token", *in.ContinuationToken)
		}
		if at != nil {
			l.after = string(at)
		}
	}
	charged, err := l.fill(ctx, c, in.Bucket, in.ExpectedBucketOwner, in.RequestPayer)
	if err != nil {
		return nil, err
	}
	out := &s3api.ListObjectsV2Output{
		IsTruncated: &l.more, Contents: l.contents(code, value(in.FetchOwner)), Name: &in.Bucket, Prefix: code(l.prefix), Delimiter: coded(code, optional(l.delimiter)),
		MaxKeys: ptr(int32(limit)), CommonPrefixes: l.commonPrefixes(code), EncodingType: in.EncodingType, KeyCount: ptr(int32(len(l.objects) + len(l.prefixes))),
		ContinuationToken: in.ContinuationToken, StartAfter: coded(code, in.StartAfter), RequestCharged: charged,
	}
	if l.more {
		out.NextContinuationToken = ptr(c.PageToken(in.Bucket, []byte(l.last)))
	}
	return out, nil
}

func (s *svc) listObjectVersions(ctx context.Context, c *service.Call, in *s3api.ListObjectVersionsInput) (*s3api.ListObjectVersionsOutput, error) {
	limit, err := page(in.MaxKeys)
	if err != nil {
		return nil, err
	}
	code, err := coder(in.EncodingType)
	if err != nil {
		return nil, err
	}
	l := &listing{grouping: grouping{value(in.Prefix), value(in.Delimiter)}, after: value(in.KeyMarker), limit: limit, versions: true}
	switch v := value(in.VersionIdMarker); {
	case v != "" && l.after == "":
		return nil, errInvalidArgument("A version-id marker cannot be specified without a key marker.", "version-id-marker", v)
	case v == nullVersion:
		l.afterNull = true
	case v != "":
		var ok bool
		if l.order, ok = versionOrder(v); !ok {
			return nil, errInvalidArgument("Invalid version id specified", "version-id-marker", v)
		}
	}
	charged, err := l.fill(ctx, c, in.Bucket, in.ExpectedBucketOwner, in.RequestPayer)
	if err != nil {
		return nil, err
	}
	out := &s3api.ListObjectVersionsOutput{
		IsTruncated: &l.more, KeyMarker: code(value(in.KeyMarker)), VersionIdMarker: ptr(value(in.VersionIdMarker)), Name: &in.Bucket, Prefix: code(l.prefix),
		Delimiter: coded(code, optional(l.delimiter)), MaxKeys: ptr(int32(limit)), CommonPrefixes: l.commonPrefixes(code), EncodingType: in.EncodingType, RequestCharged: charged,
	}
	if l.more {
		out.NextKeyMarker = code(l.last)
		if l.lastRow != nil {
			out.NextVersionIdMarker = &l.lastRow.Version
		}
	}
	for i, o := range l.objects {
		at := ptr(o.Modified.Truncate(time.Millisecond))
		if o.Marker {
			out.DeleteMarkers = append(out.DeleteMarkers, s3api.DeleteMarkerEntry{Owner: acl.Owner(o.ACL.Owner), Key: code(o.Key), VersionId: &o.Version, IsLatest: &l.latest[i], LastModified: at})
			continue
		}
		out.Versions = append(out.Versions, s3api.ObjectVersion{
			ETag: ptr(quoted(o.ETag)), Size: &o.Size, StorageClass: ptr(o.class()), Key: code(o.Key), VersionId: &o.Version, IsLatest: &l.latest[i], LastModified: at,
			Owner: acl.Owner(o.ACL.Owner), ChecksumAlgorithm: []string{string(o.Checksum.Algorithm)}, ChecksumType: &o.Checksum.Type,
		})
	}
	return out, nil
}
