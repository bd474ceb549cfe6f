package s3

import (
	"encoding/base64"
	"hash"
	"io"
	"net/textproto"
	"reflect"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/checksum"
	"github.com/gigawatt-cloud/gigawatt/service"
)

// sum is a checksum as it is stored: in base64, with the algorithm and whether
// it is of the whole object.
type sum struct {
	Algorithm checksum.Algorithm `cbor:"a"`
	Value     string             `cbor:"v"`
	// Type is FULL_OBJECT or COMPOSITE.
	Type string `cbor:"t"`
}

const (
	fullObject = "FULL_OBJECT"
	composite  = "COMPOSITE"
)

// sums are the checksums that come with a body: by headers, by trailers, and
// the one that is stored.
type sums struct {
	algorithm checksum.Algorithm
	hash      hash.Hash
	// given is the header's value in base64, "" when it comes in a trailer or
	// the server computes it.
	given string
	md5   []byte
	// asked says that the request names the algorithm.
	asked bool
}

// checksumField is the member of an input or output for an algorithm.
func checksumField(v reflect.Value, a checksum.Algorithm) reflect.Value {
	return v.FieldByName("Checksum" + string(a))
}

// checksums are the checksum members of an input, by algorithm; nil is absent.
type checksums map[checksum.Algorithm]*string

// newSums finds which checksum a request carries.
func newSums(c *service.Call, given checksums, algorithm, contentMD5 *string) (*sums, error) {
	s := &sums{}
	if contentMD5 != nil {
		b, err := base64.StdEncoding.DecodeString(*contentMD5)
		if err != nil || len(b) != 16 {
			return nil, awserr.New("InvalidDigest", 400, "The Content-MD5 you specified was invalid.")
		}
		s.md5 = b
	}
	for _, a := range checksum.All() {
		v := given[a]
		if v == nil {
			continue
		}
		if s.given != "" {
			return nil, errInvalidRequest("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
		}
		s.algorithm, s.given = a, *v
		if _, err := a.Decode(s.given); err != nil {
			return nil, errInvalidRequest("Value for %s header is invalid.", strings.ToLower(a.Header()))
		}
	}
	if s.algorithm == "" {
		for name := range strings.SplitSeq(strings.Join(c.Transport.Header["X-Amz-Trailer"], ","), ",") {
			if a, ok := checksum.FromHeader(textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name))); ok {
				s.algorithm = a
			}
		}
	}
	if algorithm != nil {
		a, err := checksum.Parse(*algorithm)
		if err != nil {
			return nil, errChecksumAlgorithm()
		}
		if s.algorithm != "" && s.algorithm != a {
			return nil, errInvalidRequest("Value for x-amz-sdk-checksum-algorithm header is invalid.")
		}
		s.algorithm = a
	}
	if s.asked = s.algorithm != ""; !s.asked {
		s.algorithm = checksum.CRC64NVME
	}
	s.hash = s.algorithm.New()
	return s, nil
}

// adopt takes over the algorithm of the upload that a part belongs to.
func (s *sums) adopt(a checksum.Algorithm) error {
	switch {
	case a == "" || a == s.algorithm:
		return nil
	case s.asked:
		return errInvalidRequest("Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum Type: %s", strings.ToLower(string(a)), strings.ToLower(string(s.algorithm)))
	}
	s.algorithm, s.hash = a, a.New()
	return nil
}

func errChecksumAlgorithm() error {
	return errInvalidRequest("Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256, SHA512, MD5, XXHASH64]")
}

// Write implements io.Writer for body.Check.
func (s *sums) Write(p []byte) (int, error) { return s.hash.Write(p) }

// value is the checksum of what was read, in base64.
func (s *sums) value() string { return checksum.Encode(s.hash.Sum(nil)) }

// Verify compares what was read with what the request said.
func (s *sums) Verify(r io.Reader, etag []byte) error {
	if s.md5 != nil && string(s.md5) != string(etag) {
		return awserr.New("BadDigest", 400, "The Content-MD5 you specified did not match what we received.")
	}
	want := s.given
	if t, ok := r.(service.Trailers); ok && want == "" {
		if v := t.Trailers()[textproto.CanonicalMIMEHeaderKey(s.algorithm.Header())]; len(v) > 0 {
			want = v[0]
		}
	}
	if want != "" && want != s.value() {
		return awserr.New("BadDigest", 400, "The %s you specified did not match the calculated checksum.", s.algorithm)
	}
	return nil
}

// stored is the checksum of a whole object.
func (s *sums) stored() sum { return sum{s.algorithm, s.value(), fullObject} }

// setChecksum sets the member for a checksum in an output, and ChecksumType.
func setChecksum(out any, x sum) {
	if x.Algorithm == "" {
		return
	}
	v := reflect.ValueOf(out).Elem()
	if f := checksumField(v, x.Algorithm); f.IsValid() {
		f.Set(reflect.ValueOf(&x.Value))
	}
	if f := v.FieldByName("ChecksumType"); f.IsValid() && x.Type != "" {
		f.Set(reflect.ValueOf(&x.Type))
	}
}

// copySums is the checksum of a copy: the one asked for, or the source's.
func copySums(from *object, algorithm *string) (*sums, error) {
	a := from.Checksum.Algorithm
	if algorithm != nil {
		var err error
		if a, err = checksum.Parse(*algorithm); err != nil {
			return nil, errChecksumAlgorithm()
		}
	}
	if a == "" {
		a = checksum.CRC64NVME
	}
	return &sums{algorithm: a, hash: a.New()}, nil
}
