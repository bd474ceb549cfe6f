package checksum

import (
	"bytes"
	"encoding/hex"
	"hash/crc64"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The check values of the nine digits are those of the published catalogues
// of CRCs and of the hash standards.
func TestCheckValues(t *testing.T) {
	tests := []struct {
		a    Algorithm
		want string
	}{
		{CRC32, "cbf43926"},
		{CRC32C, "e3069283"},
		{CRC64NVME, "ae8b14860a799888"},
		{SHA1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"},
		{SHA256, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"},
		{SHA512, "d9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274ad27fcd5811b313d681f7e55ec02d73d499c95455b6b5bb503acf574fba8ffe85"},
		{MD5, "25f9e794323b453885f5181f1b624d0b"},
		{XXHASH64, "8cb841db40e6ae83"},
	}
	for _, tt := range tests {
		h := tt.a.New()
		h.Write([]byte("123456789"))
		if got := hex.EncodeToString(h.Sum(nil)); got != tt.want {
			t.Errorf("%s of 123456789 = %s, want %s", tt.a, got, tt.want)
		}
		if len(h.Sum(nil)) != tt.a.Size() {
			t.Errorf("%s: Size is %d, the sum has %d bytes", tt.a, tt.a.Size(), len(h.Sum(nil)))
		}
		h.Reset()
		if got, want := h.Sum(nil), tt.a.New().Sum(nil); !bytes.Equal(got, want) {
			t.Errorf("%s: after Reset %x, want %x", tt.a, got, want)
		}
	}
	if len(tests) != len(All()) {
		t.Errorf("%d algorithms tested, All has %d", len(tests), len(All()))
	}
}

func TestCRC64NVMEAgainstStandardLibrary(t *testing.T) {
	table := crc64.MakeTable(polyNVME)
	rnd := rand.New(rand.NewPCG(1, 2))
	buf := random(rnd, 5000)
	for range 300 {
		p := buf[rnd.IntN(100) : 100+rnd.IntN(len(buf)-100)]
		h := CRC64NVME.New()
		for q := p; len(q) > 0; {
			n := 1 + rnd.IntN(len(q))
			h.Write(q[:n])
			q = q[n:]
		}
		if got, want := h.(*crc64nvme).Sum64(), crc64.Checksum(p, table); got != want {
			t.Fatalf("CRC64NVME of %d bytes = %x, want %x", len(p), got, want)
		}
	}
}

func TestNames(t *testing.T) {
	for _, a := range All() {
		if got, err := Parse(strings.ToLower(string(a))); err != nil || got != a {
			t.Errorf("Parse(%q) = %q, %v", strings.ToLower(string(a)), got, err)
		}
		for _, header := range []string{a.Header(), strings.ToUpper(a.Header())} {
			if got, ok := FromHeader(header); !ok || got != a {
				t.Errorf("FromHeader(%q) = %q, %v", header, got, ok)
			}
		}
		if !a.Valid() {
			t.Errorf("%s is not valid", a)
		}
	}
	for _, bad := range []string{"", "CRC", "XXHASH3", "CRC32 "} {
		if a, err := Parse(bad); err == nil {
			t.Errorf("Parse(%q) = %s, want an error", bad, a)
		}
	}
	for _, bad := range []string{"", "x-amz-checksum-", "x-amz-checksum-type", "x-amz-checksum-algorithm", "crc32"} {
		if a, ok := FromHeader(bad); ok {
			t.Errorf("FromHeader(%q) = %s, want none", bad, a)
		}
	}
}

func TestDecode(t *testing.T) {
	sum, err := CRC32.Decode("y/Q5Jg==")
	if err != nil || Encode(sum) != "y/Q5Jg==" {
		t.Fatalf("Decode = %x, %v", sum, err)
	}
	for _, bad := range []string{"", "y/Q5Jg", "y/Q5Jh==", "y/Q5\nJg==", "y_Q5Jg==", "AAAA", "sailorjerry", "AAAAAAAAAAA="} {
		if sum, err := CRC32.Decode(bad); err == nil {
			t.Errorf("Decode(%q) = %x, want an error", bad, sum)
		}
	}
}

func TestComposite(t *testing.T) {
	sum := func(a Algorithm, s string) []byte {
		h := a.New()
		h.Write([]byte(s))
		return h.Sum(nil)
	}
	tests := []struct {
		a    Algorithm
		want string
	}{
		// Made once with Python's zlib and hashlib over the parts "hello " and "world".
		{CRC32, "1Fu2mQ==-2"},
		{SHA256, "Zhie15keHg/OBlOZxcoF/BXCgYZaeimRvdZnwUZqkaQ=-2"},
	}
	for _, tt := range tests {
		got, err := tt.a.Composite([][]byte{sum(tt.a, "hello "), sum(tt.a, "world")})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.a, diff)
		}
	}
	if got, err := CRC64NVME.Composite([][]byte{sum(CRC64NVME, "a")}); err == nil {
		t.Errorf("CRC64NVME composite = %s, want an error", got)
	}
	if got, err := SHA1.Composite([][]byte{sum(SHA256, "a")}); err == nil {
		t.Errorf("SHA1 composite of a SHA256 sum = %s, want an error", got)
	}
}

func TestCombine(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for _, a := range []Algorithm{CRC32, CRC32C, CRC64NVME} {
		for _, lengths := range [][]int{{}, {0}, {1}, {5, 0, 7}, {1000, 1000, 1000, 17}, {1, 2, 3, 70000}} {
			whole := a.New()
			var parts []Part
			for _, n := range lengths {
				p := random(rnd, n)
				h := a.New()
				h.Write(p)
				whole.Write(p)
				parts = append(parts, Part{h.Sum(nil), int64(n)})
			}
			got, err := a.Combine(parts)
			if err != nil {
				t.Fatal(err)
			}
			if want := whole.Sum(nil); !bytes.Equal(got, want) {
				t.Errorf("%s over %v: %x, want %x", a, lengths, got, want)
			}
		}
		if got, err := a.Combine([]Part{{[]byte{1}, 1}}); err == nil {
			t.Errorf("%s.Combine of a short sum = %x, want an error", a, got)
		}
		if got, err := a.Combine([]Part{{make([]byte, a.Size()), -1}}); err == nil {
			t.Errorf("%s.Combine of a negative length = %x, want an error", a, got)
		}
	}
	if got, err := SHA256.Combine(nil); err == nil {
		t.Errorf("SHA256.Combine = %x, want an error", got)
	}
}

func random(rnd *rand.Rand, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(rnd.Uint32())
	}
	return p
}

func FuzzCombine(f *testing.F) {
	f.Add([]byte("hello"), []byte(" world"))
	f.Add([]byte{}, []byte{0})
	f.Fuzz(func(t *testing.T, x, y []byte) {
		for _, a := range []Algorithm{CRC32, CRC32C, CRC64NVME} {
			hx, hy, whole := a.New(), a.New(), a.New()
			hx.Write(x)
			hy.Write(y)
			whole.Write(x)
			whole.Write(y)
			got, err := a.Combine([]Part{{hx.Sum(nil), int64(len(x))}, {hy.Sum(nil), int64(len(y))}})
			if err != nil || !bytes.Equal(got, whole.Sum(nil)) {
				t.Fatalf("%s: %x, %v, want %x", a, got, err, whole.Sum(nil))
			}
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add("y/Q5Jg==")
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		for _, a := range All() {
			if sum, err := a.Decode(text); err == nil && Encode(sum) != text {
				t.Fatalf("%s.Decode took %q, which encodes to %q", a, text, Encode(sum))
			}
		}
	})
}

func BenchmarkSum(b *testing.B) {
	p := random(rand.New(rand.NewPCG(5, 6)), 1<<20)
	for _, a := range All() {
		b.Run(string(a), func(b *testing.B) {
			b.SetBytes(int64(len(p)))
			h := a.New()
			for b.Loop() {
				h.Write(p)
			}
		})
	}
}

func BenchmarkCombine10000Parts(b *testing.B) {
	parts := make([]Part, 10000)
	for i := range parts {
		parts[i] = Part{make([]byte, 8), 5 << 20}
	}
	for b.Loop() {
		if _, err := CRC64NVME.Combine(parts); err != nil {
			b.Fatal(err)
		}
	}
}
