package gateway

import (
	"crypto/md5" //nolint:gosec // Content-MD5 is part of the API
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/checksum"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// checkChecksums verifies every checksum that comes with a payload that is
// held in memory, and that there is one where the operation requires it.
// Streams are verified by who reads them.
func checkChecksums(op *smithy.Operation, h, trailers http.Header, b []byte) error {
	found := false
	if md := h.Get("Content-MD5"); md != "" {
		found = true
		want, err := base64.StdEncoding.DecodeString(md)
		if err != nil || len(want) != md5.Size {
			return awserr.New("InvalidDigest", http.StatusBadRequest, "The Content-MD5 you specified is not valid.")
		}
		if got := md5.Sum(b); string(got[:]) != string(want) { //nolint:gosec // see above
			return awserr.New("BadDigest", http.StatusBadRequest, "The Content-MD5 you specified did not match what we received.")
		}
	}
	for _, from := range []http.Header{h, trailers} {
		for name, values := range from {
			a, ok := checksum.FromHeader(name)
			if !ok || len(values) == 0 {
				continue
			}
			found = true
			want, err := a.Decode(values[0])
			if err != nil {
				return awserr.New("InvalidRequest", http.StatusBadRequest, "Value for %s header is invalid.", strings.ToLower(name))
			}
			sum := a.New()
			sum.Write(b)
			if string(sum.Sum(nil)) != string(want) {
				return awserr.New("BadDigest", http.StatusBadRequest, "The %s you specified did not match the calculated checksum.", a)
			}
		}
	}
	if name := h.Get("X-Amz-Sdk-Checksum-Algorithm"); name != "" {
		a, err := checksum.Parse(name)
		if err != nil {
			return awserr.New("InvalidRequest", http.StatusBadRequest, "Value for x-amz-sdk-checksum-algorithm header is invalid.")
		}
		if h.Get(a.Header()) == "" && trailers.Get(a.Header()) == "" {
			return awserr.New("InvalidRequest", http.StatusBadRequest, "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.")
		}
	}
	if !found && op.Checksum.Required {
		return awserr.New("InvalidRequest", http.StatusBadRequest, "Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
	}
	return nil
}
