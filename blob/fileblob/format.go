package fileblob

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"

	"github.com/gigawatt-cloud/gigawatt/blob/driver"
)

const (
	blockSize   = 1 << 20
	trailerSize = 56
	crcSize     = 4
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	magic      = []byte("GWBLOB01")
)

// A footer is what follows the bytes of a blob in its file: a CRC32C for each
// block, little-endian, then the trailer:
//
//	 0  CRC32C of everything else in the footer
//	 4  zero; other values are for later forms
//	 8  size of the blob, little-endian
//	16  id, as text
//	48  magic

// appendFooter appends the footer of a blob to dst.
func appendFooter(dst []byte, id driver.ID, size int64, crcs []uint32) []byte {
	start := len(dst)
	for _, c := range crcs {
		dst = binary.LittleEndian.AppendUint32(dst, c)
	}
	at := len(dst)
	dst = append(dst, make([]byte, 8)...)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(size))
	dst = append(dst, id...)
	dst = append(dst, magic...)
	binary.LittleEndian.PutUint32(dst[at:], footerSum(dst[start:], at-start))
	return dst
}

// footerSum is the CRC32C of a footer without the four bytes at the offset at.
func footerSum(footer []byte, at int) uint32 {
	return crc32.Update(crc32.Checksum(footer[:at], castagnoli), castagnoli, footer[at+4:])
}

// parseFooter returns the checksums in the footer of the blob id, whose size
// follows from the length of its file.
func parseFooter(footer []byte, id driver.ID, size int64) ([]uint32, error) {
	corrupt := func(reason string) error {
		return &driver.CorruptError{ID: id, Block: -1, Reason: reason}
	}
	n := blocks(size)
	if size < 0 || int64(len(footer)) != n*crcSize+trailerSize {
		return nil, corrupt("the file has a length that no blob has")
	}
	at := int(n * crcSize)
	t := footer[at:]
	switch {
	case !bytes.Equal(t[48:], magic):
		return nil, corrupt("the file does not end as a blob does")
	case binary.LittleEndian.Uint32(t) != footerSum(footer, at):
		return nil, corrupt("the checksum of the checksums does not match")
	case binary.LittleEndian.Uint32(t[4:]) != 0:
		return nil, corrupt("the file is of a form that this program does not know")
	case binary.LittleEndian.Uint64(t[8:]) != uint64(size):
		return nil, corrupt("the file is longer or shorter than was written")
	case string(t[16:48]) != string(id):
		return nil, corrupt("the file is that of another blob")
	}
	crcs := make([]uint32, n)
	for i := range crcs {
		crcs[i] = binary.LittleEndian.Uint32(footer[i*crcSize:])
	}
	return crcs, nil
}

// blocks returns the number of blocks of a blob.
func blocks(size int64) int64 { return (size + blockSize - 1) / blockSize }

// fileSize returns the length of the file of a blob.
func fileSize(size int64) int64 { return size + blocks(size)*crcSize + trailerSize }

// blobSize is the inverse of fileSize; it returns -1 for a length that no blob has.
func blobSize(file int64) int64 {
	rest := file - trailerSize
	if rest < 0 {
		return -1
	}
	size := rest - crcSize*((rest+blockSize+crcSize-1)/(blockSize+crcSize))
	if size < 0 || fileSize(size) != file {
		return -1
	}
	return size
}
