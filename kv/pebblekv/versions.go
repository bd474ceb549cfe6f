package pebblekv

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/gigawatt-cloud/gigawatt/kv/driver"
)

// Pebble takes the first unreadable entry of its manifest for the end of it,
// as if a crash had cut it there, and would go on without the files and logs
// that later entries name. checkManifest tells the two apart before Pebble
// opens the store.
//
// The file is blocks of 32 KiB, and blocks are chunks: a checksum of four
// bytes, a length of two, a type of one (1 to 4), and the payload. What is left
// of a block, if it is too short for a chunk, is zero.
const (
	blockBytes  = 32 << 10
	headerBytes = 7
	sectorBytes = 512
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checkManifest(fs vfs.FS, name string) error {
	f, err := fs.Open(name)
	if err != nil {
		return err
	}
	err = readManifestBlocks(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("%s: %w", fs.PathBase(name), err)
	}
	return nil
}

// readManifestBlocks returns an error when something other than the end of r
// is unreadable.
func readManifestBlocks(r io.Reader) error {
	buf := make([]byte, blockBytes)
	for torn, first := false, true; ; first = false {
		n, err := io.ReadFull(r, buf)
		if n == 0 && errors.Is(err, io.EOF) {
			if first {
				return fmt.Errorf("%w: it is empty", driver.ErrDamaged)
			}
			return nil
		}
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		if torn && !allZero(buf[:n]) {
			return fmt.Errorf("%w: entries follow an unreadable one", driver.ErrDamaged)
		}
		if !torn {
			if torn, err = readBlock(buf[:n]); err != nil {
				return err
			}
		}
	}
}

// readBlock checks the chunks of a block. It says whether the last one was
// not written to its end.
func readBlock(b []byte) (torn bool, err error) {
	for at := 0; len(b)-at >= headerBytes; {
		if allZero(b[at : at+headerBytes]) {
			if !allZero(b[at:]) {
				return false, fmt.Errorf("%w: entries follow a gap", driver.ErrDamaged)
			}
			return true, nil
		}
		end := at + headerBytes + int(binary.LittleEndian.Uint16(b[at+4:]))
		kind := b[at+6]
		if end > blockBytes || kind < 1 || kind > 4 {
			return false, fmt.Errorf("%w: an entry with the length %d and type %d", driver.ErrDamaged, end-at, kind)
		}
		if end > len(b) {
			return true, nil
		}
		sum := crc32.Checksum(b[at+6:end], castagnoli)
		if (sum>>15|sum<<17)+0xa282ead8 != binary.LittleEndian.Uint32(b[at:]) {
			if allZero(b[end:]) && hasZeroSector(b, at, end) {
				return true, nil
			}
			return false, fmt.Errorf("%w: the checksum of an entry is wrong", driver.ErrDamaged)
		}
		at = end
	}
	return false, nil
}

// hasZeroSector says whether a part of a chunk that a disk writes as a whole
// has never been written. The header has: part of it is not zero.
func hasZeroSector(b []byte, at, end int) bool {
	for s := at / sectorBytes * sectorBytes; s < end; s += sectorBytes {
		from, to := max(s, at+headerBytes), min(s+sectorBytes, end)
		if from < to && allZero(b[from:to]) {
			return true
		}
	}
	return false
}

func allZero(b []byte) bool { return len(bytes.TrimLeft(b, "\x00")) == 0 }
