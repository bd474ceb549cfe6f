package seal_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/blob/seal"
)

func random(seed uint64, n int) []byte {
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	b := make([]byte, n)
	rand.NewChaCha8(key).Read(b)
	return b
}

func sealed(t testing.TB, key *[32]byte, plain []byte, step int) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := seal.NewWriter(&buf, key)
	for p := plain; len(p) > 0; {
		n := min(step, len(p))
		if m, err := w.Write(p[:n]); m != n || err != nil {
			t.Fatalf("Write = %d, %v", m, err)
		}
		p = p[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got, want := int64(buf.Len()), seal.Size(int64(len(plain))); got != want {
		t.Fatalf("the sealed stream of %d bytes has %d bytes, Size says %d", len(plain), got, want)
	}
	return buf.Bytes()
}

// from opens ranges of stored, and gives what there is when a range reaches further.
func from(stored []byte) func(off, n int64) (io.ReadCloser, error) {
	return func(off, n int64) (io.ReadCloser, error) {
		off = min(off, int64(len(stored)))
		return io.NopCloser(bytes.NewReader(stored[off:min(off+n, int64(len(stored)))])), nil
	}
}

const bs = seal.BlockSize

var sizes = []int{0, 1, 100, bs - 1, bs, bs + 1, 2*bs - 1, 2 * bs, 2*bs + 1, 5*bs + 77}

func TestRoundTrip(t *testing.T) {
	for _, size := range sizes {
		for _, step := range []int{1 + size/3, 1000, bs, 1 << 20} {
			key := seal.NewKey()
			plain := random(uint64(size), size)
			stored := sealed(t, key, plain, step)
			got, err := io.ReadAll(seal.Reader(from(stored), key, int64(size), 0, -1))
			if err != nil || !bytes.Equal(got, plain) {
				t.Errorf("size %d, step %d: read %d bytes, %v", size, step, len(got), err)
			}
			var buf bytes.Buffer
			if n, err := io.Copy(&buf, seal.Reader(from(stored), key, int64(size), 0, -1)); n != int64(size) || err != nil {
				t.Errorf("size %d: Copy = %d, %v", size, n, err)
			}
			if !bytes.Equal(buf.Bytes(), plain) {
				t.Errorf("size %d: WriteTo gave other bytes", size)
			}
		}
	}
}

func TestRanges(t *testing.T) {
	const size = 3*bs + 500
	key := seal.NewKey()
	plain := random(1, size)
	stored := sealed(t, key, plain, 4096)
	points := []int64{0, 1, bs - 1, bs, bs + 1, 2 * bs, 3 * bs, 3*bs + 499, size}
	for _, a := range points {
		for _, b := range points {
			if b < a {
				continue
			}
			opened := int64(0)
			r := seal.Reader(func(off, n int64) (io.ReadCloser, error) {
				opened = n
				if off+n > int64(len(stored)) {
					t.Errorf("range %d-%d: asks for %d bytes at %d of %d", a, b, n, off, len(stored))
				}
				return from(stored)(off, n)
			}, key, size, a, b-a)
			got, err := io.ReadAll(r)
			if err != nil || !bytes.Equal(got, plain[a:b]) {
				t.Errorf("range %d-%d: %d bytes, %v", a, b, len(got), err)
			}
			if limit := b - a + 2*(bs+seal.Overhead) + 3*seal.Overhead; opened > limit {
				t.Errorf("range %d-%d: read %d sealed bytes, want at most %d", a, b, opened, limit)
			}
		}
	}
}

func TestBadRange(t *testing.T) {
	key := seal.NewKey()
	for _, r := range [][2]int64{{-1, 1}, {0, 11}, {11, 0}, {5, 6}, {0, -2}, {1, 1<<63 - 1}} {
		rc := seal.Reader(from(nil), key, 10, r[0], r[1])
		if _, err := io.ReadAll(rc); err == nil {
			t.Errorf("the range %v of 10 bytes is read", r)
		}
		if err := rc.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	}
}

// TestTampering lists the ways to change what is stored; each must be noticed.
func TestTampering(t *testing.T) {
	const sb = bs + seal.Overhead
	key := seal.NewKey()
	plain := random(2, 3*bs)
	stored := sealed(t, key, plain, bs)
	other := sealed(t, seal.NewKey(), plain, bs)
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	block := func(i int) []byte { return stored[i*sb : (i+1)*sb] }
	for _, tt := range []struct {
		name   string
		stored []byte
		size   int64
	}{
		{"empty", nil, 3 * bs},
		{"empty, told so", nil, 0},
		{"last block gone", join(block(0), block(1)), 3 * bs},
		{"last block gone, told so", join(block(0), block(1)), 2 * bs},
		{"cut within a block, told so", stored[:2*sb+100], 2*bs + 100 - seal.Overhead},
		{"two blocks swapped", join(block(1), block(0), block(2)), 3 * bs},
		{"a block repeated", join(block(0), block(0), block(2)), 3 * bs},
		{"a block left out, told so", join(block(0), block(2)), 2 * bs},
		{"continued, told so", join(stored, block(2)), 4 * bs},
		{"a block of another object", join(block(0), other[sb:2*sb], block(2)), 3 * bs},
		{"another object", other, 3 * bs},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := io.ReadAll(seal.Reader(from(tt.stored), key, tt.size, 0, -1))
			if !errors.Is(err, seal.ErrCorrupt) {
				t.Errorf("read %d bytes, error %v, want ErrCorrupt", len(got), err)
			}
			if !bytes.HasPrefix(plain, got) {
				t.Errorf("returned bytes that were never written")
			}
		})
	}
}

func TestErrorsPass(t *testing.T) {
	broken := errors.New("broken")
	key := seal.NewKey()
	w := seal.NewWriter(failing{broken}, key)
	if _, err := w.Write(make([]byte, 2*bs)); err != broken {
		t.Errorf("Write = %v", err)
	}
	if err := w.Close(); err != broken {
		t.Errorf("Close = %v", err)
	}
	r := seal.Reader(func(int64, int64) (io.ReadCloser, error) { return nil, broken }, key, 1, 0, 1)
	if _, err := io.ReadAll(r); err != broken {
		t.Errorf("Read = %v", err)
	}
	r = seal.Reader(from(sealed(t, key, []byte("x"), 1)), key, 1, 0, 1)
	r.Close()
	if _, err := r.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("Read after Close = %v", err)
	}
	w = seal.NewWriter(io.Discard, key)
	w.Close()
	if _, err := w.Write([]byte("x")); err == nil {
		t.Error("Write after Close is accepted")
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestWrapKey(t *testing.T) {
	master, data := seal.NewKey(), seal.NewKey()
	wrapped := seal.WrapKey(master, data, []byte("bucket/key"))
	if len(wrapped) != seal.WrappedSize {
		t.Errorf("a wrapped key has %d bytes", len(wrapped))
	}
	got, err := seal.UnwrapKey(master, wrapped, []byte("bucket/key"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(data, got); diff != "" {
		t.Error(diff)
	}
	if bytes.Equal(wrapped, seal.WrapKey(master, data, []byte("bucket/key"))) {
		t.Error("two wrappings are the same")
	}
	if _, err := seal.UnwrapKey(master, wrapped, []byte("bucket/other")); !errors.Is(err, seal.ErrCorrupt) {
		t.Errorf("with other additional data: %v", err)
	}
	if _, err := seal.UnwrapKey(data, wrapped, []byte("bucket/key")); !errors.Is(err, seal.ErrCorrupt) {
		t.Errorf("with another master: %v", err)
	}
	for bit := range len(wrapped) * 8 {
		bad := bytes.Clone(wrapped)
		bad[bit/8] ^= 1 << (bit % 8)
		if _, err := seal.UnwrapKey(master, bad, []byte("bucket/key")); !errors.Is(err, seal.ErrCorrupt) {
			t.Errorf("with bit %d flipped: %v", bit, err)
		}
	}
	for n := range wrapped {
		if _, err := seal.UnwrapKey(master, wrapped[:n], []byte("bucket/key")); !errors.Is(err, seal.ErrCorrupt) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
}

// FuzzTamper changes one thing in a sealed stream and reads a range. Either the
// bytes are those that were written, because the range did not touch the change, or the
// reading fails.
func FuzzTamper(f *testing.F) {
	f.Add(uint32(100), uint32(3), byte(0), uint32(0), uint32(100))
	f.Add(uint32(2*bs), uint32(bs+20), byte(1), uint32(0), uint32(2*bs))
	f.Add(uint32(3*bs+9), uint32(7), byte(2), uint32(bs), uint32(10))
	f.Add(uint32(0), uint32(0), byte(0), uint32(0), uint32(0))
	f.Fuzz(func(t *testing.T, size, at uint32, how byte, off, length uint32) {
		size %= 4 * bs
		off %= size + 1
		length %= size - off + 1
		key := seal.NewKey()
		plain := random(uint64(size), int(size))
		stored := bytes.Clone(sealed(t, key, plain, 1+int(at%100000)))
		at %= uint32(len(stored))
		const sb = bs + seal.Overhead
		switch how % 3 {
		case 0:
			stored[at] ^= 1 << (how / 3 % 8)
		case 1:
			stored = stored[:at]
		case 2: // swap two blocks of the same length
			a, b := int(at)/sb, (int(at)/sb+1)*sb
			if b+sb > len(stored) {
				return
			}
			x := bytes.Clone(stored[a*sb : a*sb+sb])
			copy(stored[a*sb:], stored[b:b+sb])
			copy(stored[b:], x)
		}
		got, err := io.ReadAll(seal.Reader(from(stored), key, int64(size), int64(off), int64(length)))
		if err == nil && !bytes.Equal(got, plain[off:off+length]) {
			t.Fatal("a change went unnoticed")
		}
		if err != nil && !errors.Is(err, seal.ErrCorrupt) {
			t.Fatal(err)
		}
		all, err := io.ReadAll(seal.Reader(from(stored), key, int64(size), 0, -1))
		if !errors.Is(err, seal.ErrCorrupt) {
			t.Fatalf("the whole was read with %v", err)
		}
		if !bytes.HasPrefix(plain, all) {
			t.Fatal("bytes were returned that were never written")
		}
	})
}

// FuzzUnwrapKey feeds anything to UnwrapKey.
func FuzzUnwrapKey(f *testing.F) {
	master := new([32]byte)
	f.Add(seal.WrapKey(seal.NewKey(), seal.NewKey(), nil))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, wrapped []byte) {
		if _, err := seal.UnwrapKey(master, wrapped, nil); !errors.Is(err, seal.ErrCorrupt) {
			t.Fatal(err)
		}
	})
}

func BenchmarkWriter(b *testing.B) {
	w := seal.NewWriter(io.Discard, seal.NewKey())
	p := make([]byte, 1<<20)
	b.SetBytes(1 << 20)
	b.ReportAllocs()
	for b.Loop() {
		w.Write(p)
	}
}

func BenchmarkReader(b *testing.B) {
	for _, size := range []int{4 << 10, 1 << 20, 64 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			key := seal.NewKey()
			stored := sealed(b, key, make([]byte, size), 1<<20)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				r := seal.Reader(from(stored), key, int64(size), 0, -1)
				if n, err := io.Copy(io.Discard, r); n != int64(size) || err != nil {
					b.Fatal(n, err)
				}
				r.Close()
			}
		})
	}
}
