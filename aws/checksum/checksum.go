// Package checksum computes the object checksums that S3 knows.
//
// An [Algorithm] is named as the API names it ("CRC64NVME"); it makes hashes,
// knows its header, and turns sums into the base64 text of the wire and back.
// For multipart uploads there are two ways to one checksum of the whole:
// [Algorithm.Composite], a hash over the hashes of the parts, and
// [Algorithm.Combine], the checksum that the joined bytes would have, which
// only the CRCs allow and which needs no byte to be read again.
//
// The package is arithmetic only: which checksum a request must carry, and
// what a mismatch is called, is decided by S3 itself. XXHASH3 and XXHASH128,
// which newer clients can be told to use, are not here: [Parse] refuses them.
package checksum

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"hash"
	"hash/crc32"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// Algorithm is a checksum algorithm by its API name, such as "CRC32C".
type Algorithm string

// The algorithms, by the names of the API's ChecksumAlgorithm.
const (
	CRC32     Algorithm = "CRC32"
	CRC32C    Algorithm = "CRC32C"
	CRC64NVME Algorithm = "CRC64NVME"
	SHA1      Algorithm = "SHA1"
	SHA256    Algorithm = "SHA256"
	SHA512    Algorithm = "SHA512"
	MD5       Algorithm = "MD5"
	XXHASH64  Algorithm = "XXHASH64"
)

// HeaderPrefix begins the name of every checksum header.
const HeaderPrefix = "x-amz-checksum-"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// spec is what is fixed about an algorithm.
type spec struct {
	header    string
	size      int
	poly      uint64 // reflected; 0 when the algorithm is not a CRC
	composite bool
	make      func() hash.Hash
}

var specs = map[Algorithm]*spec{
	CRC32:     {HeaderPrefix + "crc32", 4, crc32.IEEE, true, func() hash.Hash { return crc32.NewIEEE() }},
	CRC32C:    {HeaderPrefix + "crc32c", 4, crc32.Castagnoli, true, func() hash.Hash { return crc32.New(castagnoli) }},
	CRC64NVME: {HeaderPrefix + "crc64nvme", 8, polyNVME, false, func() hash.Hash { return new(crc64nvme) }},
	SHA1:      {HeaderPrefix + "sha1", sha1.Size, 0, true, sha1.New},
	SHA256:    {HeaderPrefix + "sha256", sha256.Size, 0, true, sha256.New},
	SHA512:    {HeaderPrefix + "sha512", sha512.Size, 0, true, sha512.New},
	MD5:       {HeaderPrefix + "md5", md5.Size, 0, true, md5.New},
	XXHASH64:  {HeaderPrefix + "xxhash64", 8, 0, true, func() hash.Hash { return xxhash.New() }},
}

// All lists the algorithms in the order of the API's enumeration.
func All() []Algorithm {
	return []Algorithm{CRC32, CRC32C, SHA1, SHA256, CRC64NVME, SHA512, MD5, XXHASH64}
}

// Parse returns the algorithm with an API name, whatever its case.
func Parse(name string) (Algorithm, error) {
	a := Algorithm(strings.ToUpper(name))
	if specs[a] == nil {
		// Differs from AWS: the checksum algorithms XXHASH3 and XXHASH128 are refused.
		return "", fmt.Errorf("checksum algorithm %q is not known", name)
	}
	return a, nil
}

// FromHeader returns the algorithm whose header this is, such as
// "x-amz-checksum-crc32" in any case.
func FromHeader(header string) (Algorithm, bool) {
	if len(header) <= len(HeaderPrefix) || !strings.EqualFold(header[:len(HeaderPrefix)], HeaderPrefix) {
		return "", false
	}
	a, err := Parse(header[len(HeaderPrefix):])
	return a, err == nil
}

// Valid reports whether a is one of the constants of this package.
func (a Algorithm) Valid() bool { return specs[a] != nil }

// Header is the name of the header that carries the checksum, in small letters.
func (a Algorithm) Header() string { return a.spec().header }

// Size is the length of a sum in bytes.
func (a Algorithm) Size() int { return a.spec().size }

// New makes a hash. Its Sum is big-endian, as the wire wants it.
func (a Algorithm) New() hash.Hash { return a.spec().make() }

// Combinable reports whether the checksums of parts give the checksum of the
// joined bytes (the API's FULL_OBJECT checksum of a multipart upload).
func (a Algorithm) Combinable() bool { return a.spec().poly != 0 }

// Composable reports whether the API allows the COMPOSITE checksum of a
// multipart upload for a.
func (a Algorithm) Composable() bool { return a.spec().composite }

func (a Algorithm) spec() *spec {
	s := specs[a]
	if s == nil {
		panic(fmt.Sprintf("checksum: algorithm %q did not come from Parse", string(a)))
	}
	return s
}

// Encode is the base64 form of a sum.
func Encode(sum []byte) string { return base64.StdEncoding.EncodeToString(sum) }

// Decode reads the base64 form of a sum of this algorithm. It takes exactly
// the canonical text, so that two spellings never mean one sum.
func (a Algorithm) Decode(text string) ([]byte, error) {
	sum, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(sum) != a.Size() || strings.ContainsAny(text, "\r\n") {
		return nil, fmt.Errorf("%q is not a %s checksum", text, a)
	}
	return sum, nil
}

// Composite is the COMPOSITE checksum of a multipart upload: the base64 hash
// over the parts' sums in order, a dash, and the number of parts.
func (a Algorithm) Composite(parts [][]byte) (string, error) {
	if !a.Composable() {
		return "", fmt.Errorf("%s has no composite checksum", a)
	}
	h := a.New()
	for i, sum := range parts {
		if len(sum) != a.Size() {
			return "", fmt.Errorf("part %d has a sum of %d bytes, %s has %d", i+1, len(sum), a, a.Size())
		}
		h.Write(sum)
	}
	return Encode(h.Sum(nil)) + "-" + strconv.Itoa(len(parts)), nil
}
