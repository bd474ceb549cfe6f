package s3

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/s3/acl"
	"github.com/gigawatt-cloud/gigawatt/services/s3/body"
)

// object is one version of an object, or a delete marker.
type object struct {
	Key string `cbor:"key"`
	// Order is the last part of the row's key: smaller is newer.
	Order uint64 `cbor:"order"`
	// Version is the version id, "null" for the version of a bucket without
	// versioning.
	Version  string    `cbor:"version"`
	Marker   bool      `cbor:"marker"`
	Modified time.Time `cbor:"modified"`
	ETag     string    `cbor:"etag"`
	Size     int64     `cbor:"size"`
	ACL      acl.List  `cbor:"acl"`
	Class    string    `cbor:"class"`
	Checksum sum       `cbor:"checksum"`
	Body     body.Ref  `cbor:"body"`
	// Parts is how many parts the object was uploaded in, 0 for one put; they
	// are in the table of parts under the body's UID, the id of the upload.
	Parts   int      `cbor:"parts"`
	Headers headers  `cbor:"headers"`
	Meta    metadata `cbor:"meta"`
	Tags    []tag    `cbor:"tags"`
	// CustomerKey is the MD5 of the customer's key, "" for SSE-S3.
	CustomerKey string `cbor:"customer_key"`
	BucketKey   bool   `cbor:"bucket_key"`
	// Mode and RetainUntil are the retention, LegalHold the hold.
	Mode        string    `cbor:"mode"`
	RetainUntil time.Time `cbor:"retain_until"`
	LegalHold   bool      `cbor:"legal_hold"`
	// Noncurrent is when a newer version took its place.
	Noncurrent time.Time `cbor:"noncurrent"`
}

type metadata = map[string]string

// headers are kept and sent back as they came; "" is absent.
type headers struct {
	Type        string `cbor:"type"`
	Cache       string `cbor:"cache"`
	Disposition string `cbor:"disposition"`
	Encoding    string `cbor:"encoding"`
	Language    string `cbor:"language"`
	Expires     string `cbor:"expires"`
	Redirect    string `cbor:"redirect"`
}

var objects = kv.NewTable[object]("s3/object") // bucket ID, key, order

const (
	nullVersion = "null"
	maxKey      = 1024
	// maxEncodedKey leaves room for the other parts of a row's key.
	maxEncodedKey = 1900
	// oldest is the order of the version of a bucket that never had versions.
	oldest = uint64(math.MaxUint64)
)

func checkKey(key string) error {
	if !utf8.ValidString(key) {
		return awserr.New("InvalidURI", 400, "Couldn't parse the specified URI.")
	}
	// Differs from AWS: a key of which more than 900 bytes are control characters 0 and 1 is too long.
	if len(key) > maxKey || len(kv.K(key)) > maxEncodedKey {
		return awserr.New("KeyTooLongError", 400, "Your key is too long").With("Size", len(key)).With("MaxSizeAllowed", maxKey)
	}
	return nil
}

// newOrder is the order of a version that is made now: above all that exist.
func newOrder(c *service.Call, newest *object) uint64 {
	order := oldest - uint64(c.Now.UnixNano())
	if newest != nil && newest.Order <= order {
		order = newest.Order - 1
	}
	return order
}

// versionID makes the id of a version: its order and some randomness, so that
// it is unique and found without an index.
func versionID(c *service.Call, order uint64) string {
	b := binary.BigEndian.AppendUint64(nil, order)
	return hex.EncodeToString(append(b, c.IDs.Bytes(8)...))
}

// versionOrder is the order in a version id; ok is false for one that is not ours.
func versionOrder(id string) (order uint64, ok bool) {
	b, err := hex.DecodeString(id)
	if err != nil || len(b) != 16 {
		return 0, false
	}
	return binary.BigEndian.Uint64(b), true
}

// newest returns the newest version of a key, a delete marker too, or nil.
func newest(tx *kv.Tx, b *bucket, key string) (*object, error) {
	for r, err := range objects.Scan(tx, kv.Scan{Prefix: []any{b.ID, key}, Limit: 1}) {
		if err != nil {
			return nil, err
		}
		return r.Value, nil
	}
	return nil, nil
}

// findNull returns the null version of a key, or nil.
func findNull(tx *kv.Tx, b *bucket, key string) (*object, error) {
	for r, err := range objects.Scan(tx, kv.Scan{Prefix: []any{b.ID, key}}) {
		if err != nil {
			return nil, err
		}
		if r.Value.Version == nullVersion {
			return r.Value, nil
		}
	}
	return nil, nil
}

// findAny returns a version, which may be a delete marker: the newest when
// version is "". It is nil when there is none.
func findAny(tx *kv.Tx, b *bucket, key, version string) (*object, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	switch version {
	case "":
		return newest(tx, b, key)
	case nullVersion:
		return findNull(tx, b, key)
	}
	order, ok := versionOrder(version)
	if !ok {
		return nil, errInvalidArgument("Invalid version id specified", "versionId", version)
	}
	o, err := objects.Get(tx, b.ID, key, order)
	if isNotFound(err) || err == nil && o.Version != version {
		return nil, nil
	}
	return o, err
}

// findVersion returns a version that can be read. A missing one is NoSuchKey or
// NoSuchVersion, a delete marker NoSuchKey or MethodNotAllowed.
func findVersion(tx *kv.Tx, b *bucket, key, version string) (*object, error) {
	o, err := findAny(tx, b, key, version)
	switch {
	case err != nil:
		return nil, err
	case o == nil && version == "":
		return nil, errNoSuchKey(key)
	case o == nil:
		return nil, errNoSuchVersion(key, version)
	case o.Marker && version == "":
		return nil, errNoSuchKey(key).With("x-amz-delete-marker", true).With("x-amz-version-id", o.Version)
	case o.Marker:
		return nil, awserr.New("MethodNotAllowed", 405, "The specified method is not allowed against this resource.").With("ResourceType", "DeleteMarker").With("Method", "GET").With("x-amz-delete-marker", true).With("x-amz-version-id", o.Version).With("Last-Modified", o.Modified.UTC().Format(httpTime))
	}
	return o, nil
}

func putRow(tx *kv.Tx, b *bucket, o *object) error {
	return objects.Put(tx, o, b.ID, o.Key, o.Order)
}

// removeRow deletes a version with its bytes.
func removeRow(tx *kv.Tx, c *service.Call, b *bucket, o *object) error {
	if err := objects.Delete(tx, b.ID, o.Key, o.Order); err != nil {
		return err
	}
	if o.Marker {
		return nil
	}
	return discard(tx, c, o)
}

// write adds a version, or replaces the null version, by the bucket's
// versioning. It returns what o was given: version and order.
func write(tx *kv.Tx, c *service.Call, b *bucket, o *object) error {
	latest, err := newest(tx, b, o.Key)
	if err != nil {
		return err
	}
	if b.Versioning == "" {
		o.Version, o.Order = nullVersion, oldest
		if latest != nil {
			if err := discardOld(tx, c, b, latest); err != nil {
				return err
			}
		}
		return putRow(tx, b, o)
	}
	o.Order = newOrder(c, latest)
	if b.Versioning == "Enabled" {
		o.Version = versionID(c, o.Order)
	} else {
		o.Version = nullVersion
		null, err := findNull(tx, b, o.Key)
		if err != nil {
			return err
		}
		if null != nil {
			if err := removeRow(tx, c, b, null); err != nil {
				return err
			}
			if latest.Order == null.Order {
				latest = nil
			}
		}
	}
	if latest != nil {
		latest.Noncurrent = c.Now
		if err := putRow(tx, b, latest); err != nil {
			return err
		}
	}
	return putRow(tx, b, o)
}

// discardOld removes the only version of a key that is overwritten.
func discardOld(tx *kv.Tx, c *service.Call, b *bucket, o *object) error {
	if o.Order != oldest { // left over from a time with versions
		return removeRow(tx, c, b, o)
	}
	return discard(tx, c, o)
}

// quoted is an ETag in the API's form.
func quoted(etag string) string { return `"` + etag + `"` }

// sameETag compares a condition's ETag, which may be quoted or weak, or a list.
func sameETag(condition, etag string) bool {
	for c := range strings.SplitSeq(condition, ",") {
		c = strings.TrimPrefix(strings.TrimSpace(c), "W/")
		if c == "*" || strings.Trim(c, `"`) == etag {
			return true
		}
	}
	return false
}
