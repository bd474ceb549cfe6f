package checksum

import (
	"encoding/binary"
	"sync"
)

// polyNVME is the CRC-64/NVME polynomial 0xad93d23594c93659 with its bits
// reversed; the CRC starts from all ones, is reflected, and is inverted at the end.
const polyNVME = 0x9a6c9329ac4bc9b5

// lanes is how many bytes one step of update takes.
const lanes = 16

// nvmeTables returns the slicing tables: entry [k][b] is what byte b does to
// the CRC when k more bytes follow it in the same step. They are made at the
// first use (32 KB), because hash/crc64 makes its own anew on every large
// write for a polynomial that it does not know.
var nvmeTables = sync.OnceValue(func() *[lanes][256]uint64 {
	t := new([lanes][256]uint64)
	for b := range 256 {
		crc := uint64(b)
		for range 8 {
			if crc&1 == 1 {
				crc = crc>>1 ^ polyNVME
			} else {
				crc >>= 1
			}
		}
		t[0][b] = crc
	}
	for b := range 256 {
		crc := t[0][b]
		for k := 1; k < lanes; k++ {
			crc = t[0][byte(crc)] ^ crc>>8
			t[k][b] = crc
		}
	}
	return t
})

// crc64nvme is a hash.Hash64 whose zero value is ready.
type crc64nvme struct{ crc uint64 }

func (h *crc64nvme) Size() int      { return 8 }
func (h *crc64nvme) BlockSize() int { return 1 }
func (h *crc64nvme) Reset()         { h.crc = 0 }
func (h *crc64nvme) Sum64() uint64  { return h.crc }

func (h *crc64nvme) Sum(b []byte) []byte { return binary.BigEndian.AppendUint64(b, h.crc) }

func (h *crc64nvme) Write(p []byte) (int, error) {
	h.crc = updateNVME(h.crc, p)
	return len(p), nil
}

func updateNVME(crc uint64, p []byte) uint64 {
	t := nvmeTables()
	crc = ^crc
	for len(p) >= lanes {
		x := crc ^ binary.LittleEndian.Uint64(p)
		y := binary.LittleEndian.Uint64(p[8:])
		crc = t[15][byte(x)] ^ t[14][byte(x>>8)] ^ t[13][byte(x>>16)] ^ t[12][byte(x>>24)] ^
			t[11][byte(x>>32)] ^ t[10][byte(x>>40)] ^ t[9][byte(x>>48)] ^ t[8][x>>56] ^
			t[7][byte(y)] ^ t[6][byte(y>>8)] ^ t[5][byte(y>>16)] ^ t[4][byte(y>>24)] ^
			t[3][byte(y>>32)] ^ t[2][byte(y>>40)] ^ t[1][byte(y>>48)] ^ t[0][y>>56]
		p = p[lanes:]
	}
	for _, b := range p {
		crc = t[0][byte(crc)^b] ^ crc>>8
	}
	return ^crc
}
