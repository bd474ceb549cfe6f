package sigv4

import (
	"bufio"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The numbers here are those that AWS publishes with its descriptions of the
// signatures.
const (
	docKey      = "AKIAIOSFODNN7EXAMPLE"
	docSecret   = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	suiteSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

// request parses a raw request whose lines are joined by LF.
func request(tb testing.TB, text string) *http.Request {
	tb.Helper()
	head, body, _ := strings.Cut(text, "\n\n")
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n" + body)))
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func at(s string) time.Time {
	t, err := time.Parse(basicTime, s)
	if err != nil {
		panic(err)
	}
	return t
}

func TestSigningKeyVector(t *testing.T) {
	k := deriveKey(suiteSecret, Scope{"20150830", "us-east-1", "iam"})
	if got, want := hex.EncodeToString(k[:]), "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"; got != want {
		t.Errorf("signing key %s, want %s", got, want)
	}
}

func suite(signedHeaders, signature string) string {
	return "\nAuthorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=" +
		signedHeaders + ", Signature=" + signature + "\n\n"
}

func doc(signedHeaders, signature string) string {
	return "\nAuthorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=" +
		signedHeaders + ",Signature=" + signature + "\n\n"
}

const emptySum = "\nx-amz-content-sha256: " + EmptyHash

func TestPublishedV4(t *testing.T) {
	iam := Verify{Service: "iam", Now: at("20150830T123600Z")}
	anyService := Verify{Service: "service", Now: at("20150830T123600Z"), Clean: true}
	s3 := Verify{Service: "s3", S3: true, Now: at("20130524T000000Z")}
	const host, date = " HTTP/1.1\nHost: example.amazonaws.com", "\nX-Amz-Date: 20150830T123600Z"
	const bucket, s3date = " HTTP/1.1\nHost: examplebucket.s3.amazonaws.com", "\nx-amz-date: 20130524T000000Z"
	tests := []struct {
		name, secret, raw string
		v                 Verify
	}{
		{"iam list users", suiteSecret, "GET /?Action=ListUsers&Version=2010-05-08 HTTP/1.1\nHost: iam.amazonaws.com\nContent-Type: application/x-www-form-urlencoded; charset=utf-8" + date +
			"\nAuthorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7\n\n", iam},
		{"get-vanilla", suiteSecret, "GET /" + host + date + suite("host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"), anyService},
		{"get-vanilla-query-order-key-case", suiteSecret, "GET /?Param2=value2&Param1=value1" + host + date + suite("host;x-amz-date", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"), anyService},
		{"get-unreserved", suiteSecret, "GET /-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" + host + date + suite("host;x-amz-date", "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"), anyService},
		{"normalize get-relative", suiteSecret, "GET /example/.." + host + date + suite("host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"), anyService},
		{"normalize get-slash", suiteSecret, "GET //" + host + date + suite("host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"), anyService},
		{"post-vanilla", suiteSecret, "POST /" + host + date + suite("host;x-amz-date", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"), anyService},
		{"s3 get object", docSecret, "GET /test.txt" + bucket + "\nRange: bytes=0-9" + emptySum + s3date +
			doc("host;range;x-amz-content-sha256;x-amz-date", "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"), s3},
		{"s3 put object", docSecret, "PUT /test%24file.text" + bucket + "\nDate: Fri, 24 May 2013 00:00:00 GMT" + s3date + "\nx-amz-storage-class: REDUCED_REDUNDANCY" +
			"\nx-amz-content-sha256: 44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072" +
			doc("date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class", "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"), s3},
		{"s3 bucket lifecycle", docSecret, "GET /?lifecycle" + bucket + s3date + emptySum +
			doc("host;x-amz-content-sha256;x-amz-date", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"), s3},
		{"s3 list objects", docSecret, "GET /?max-keys=2&prefix=J" + bucket + s3date + emptySum +
			doc("host;x-amz-content-sha256;x-amz-date", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"), s3},
		{"s3 presigned", docSecret, "GET /test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404" +
			bucket + "\n\n", Verify{Service: "s3", S3: true, Now: at("20130524T235959Z")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := request(t, tt.raw)
			a, err := Parse(r)
			if err != nil {
				t.Fatal(err)
			}
			if err := a.Verify(r, tt.secret, tt.v); err != nil {
				t.Errorf("%v\n%v", err, err.(*Failure).Members["CanonicalRequest"])
			}
			if err := a.Verify(r, tt.secret+"x", tt.v); err == nil {
				t.Error("a wrong secret was accepted")
			}
		})
	}
}

func TestPublishedV2(t *testing.T) {
	const host = " HTTP/1.1\nHost: awsexamplebucket1.us-west-1.s3.amazonaws.com"
	auth := func(sig string) string { return "\nAuthorization: AWS AKIAIOSFODNN7EXAMPLE:" + sig + "\n\n" }
	tests := []struct{ name, bucket, raw string }{
		{"get", "awsexamplebucket1", "GET /photos/puppy.jpg" + host + "\nDate: Tue, 27 Mar 2007 19:36:42 +0000" + auth("qgk2+6Sv9/oM7G3qLEjTH1a1l1g=")},
		{"put", "awsexamplebucket1", "PUT /photos/puppy.jpg" + host + "\nContent-Type: image/jpeg\nContent-Length: 94328\nDate: Tue, 27 Mar 2007 21:15:45 +0000" + auth("iqRzw+ileNPu1fhspnRs8nOjjIA=")},
		{"list", "awsexamplebucket1", "GET /?prefix=photos&max-keys=50&marker=puppy" + host + "\nDate: Tue, 27 Mar 2007 19:42:41 +0000" + auth("m0WP8eCtspQl5Ahe6L1SozdX9YA=")},
		{"acl", "awsexamplebucket1", "GET /?acl" + host + "\nDate: Tue, 27 Mar 2007 19:44:46 +0000" + auth("82ZHiFIjc+WbcwFKGUVEQspPn+0=")},
		{"list buckets", "", "GET / HTTP/1.1\nHost: s3.us-west-1.amazonaws.com\nDate: Wed, 28 Mar 2007 01:29:59 +0000" + auth("qGdzdERIC03wnaRNKh6OqZehG9s=")},
		{"query", "johnsmith", "GET /photos/puppy.jpg?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620 HTTP/1.1\nHost: johnsmith.s3.amazonaws.com\n\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := request(t, tt.raw)
			a, err := Parse(r)
			if err != nil {
				t.Fatal(err)
			}
			v := Verify{Service: "s3", S3: true, Bucket: tt.bucket, Now: a.Date}
			if a.Form == PresignedV2 {
				v.Now = a.Expires
			}
			if err := a.Verify(r, docSecret, v); err != nil {
				t.Errorf("%v\n%v", err, err.(*Failure).Members["StringToSign"])
			}
			if err := a.Verify(r, docSecret+"x", v); err == nil {
				t.Error("a wrong secret was accepted")
			}
		})
	}
}

// The published upload of 66,560 letters a in chunks of 64 KiB.
func publishedUpload(tb testing.TB, body, payload, length, extra, signed, signature string) *http.Request {
	tb.Helper()
	return request(tb, "PUT /examplebucket/chunkObject.txt HTTP/1.1\nHost: s3.amazonaws.com\nx-amz-date: 20130524T000000Z\nx-amz-storage-class: REDUCED_REDUNDANCY"+
		"\nx-amz-content-sha256: "+payload+"\nContent-Encoding: aws-chunked\nx-amz-decoded-content-length: 66560\nContent-Length: "+length+extra+
		doc(signed, signature)+body)
}

func letters(n int) string { return strings.Repeat("a", n) }

func publishedChunks(tb testing.TB) *http.Request {
	body := "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n" + letters(65536) + "\r\n" +
		"400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n" + letters(1024) + "\r\n" +
		"0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n"
	return publishedUpload(tb, body, signedChunks, "66824", "",
		"content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class",
		"4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9")
}

func publishedTrailer(tb testing.TB) *http.Request {
	body := "10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n" + letters(65536) + "\r\n" +
		"400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n" + letters(1024) + "\r\n" +
		"0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n" +
		"x-amz-checksum-crc32c:sOO8/Q==\r\n" +
		"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
	r := publishedUpload(tb, body, signedTrailer, "66824", "\nx-amz-trailer: x-amz-checksum-crc32c",
		"content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer",
		"106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e")
	// The published Content-Length, which is not signed here, is that of the
	// example without a trailer.
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	return r
}

func TestPublishedChunks(t *testing.T) {
	for name, r := range map[string]*http.Request{"chunks": publishedChunks(t), "trailer": publishedTrailer(t)} {
		a, err := Parse(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Verify(r, docSecret, Verify{Service: "s3", S3: true, Now: a.Date}); err != nil {
			t.Fatalf("%s: %v\n%v", name, err, err.(*Failure).Members["CanonicalRequest"])
		}
		b, err := NewBody(r, a, BodyOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(b)
		if err != nil || string(got) != letters(66560) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		if want := map[string]string{"trailer": "sOO8/Q=="}[name]; b.Trailer().Get("x-amz-checksum-crc32c") != want {
			t.Errorf("%s: trailer %v", name, b.Trailer())
		}
	}
}
