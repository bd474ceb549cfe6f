package driver

import (
	"encoding/binary"
	"encoding/hex"
	"sync"
	"time"

	"github.com/gigawatt-cloud/gigawatt/internal/clock"
	"github.com/gigawatt-cloud/gigawatt/internal/id"
)

// ID names a blob: 32 lower-case hexadecimal digits, of which the first twelve
// are the time of the commit in milliseconds since 1970 and the rest is random.
// Ids sort by the time of the commit.
type ID string

const (
	idLen   = 32
	timeLen = 12
	maxTime = 1<<48 - 1
)

// Valid reports whether the id has the form of one that a store makes.
func (i ID) Valid() bool {
	if len(i) != idLen {
		return false
	}
	for _, c := range []byte(i) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// Time returns the time of the commit, to the millisecond, in UTC. The id is valid.
func (i ID) Time() time.Time {
	var ms int64
	for _, c := range []byte(i[:timeLen]) {
		if c >= 'a' {
			c -= 'a' - '9' - 1
		}
		ms = ms<<4 | int64(c-'0')
	}
	return time.UnixMilli(ms).UTC()
}

// Bound returns the least string that sorts after the ids of blobs that were
// committed before t, and not after any other: List shows the ids below it.
func Bound(t time.Time) ID {
	ms := t.UnixMilli()
	if t.After(time.UnixMilli(ms)) {
		ms++ // ids hold whole milliseconds, and those within t's own are before t
	}
	ms = min(max(ms, 0), maxTime)
	return ID(hex.EncodeToString(binary.BigEndian.AppendUint64(nil, uint64(ms)<<16))[:timeLen])
}

// IDs makes ids. Within one IDs each id is greater than those before it, also
// when the clock stands or steps back.
type IDs struct {
	clk clock.Clock
	src *id.Source

	mu   sync.Mutex
	last [idLen / 2]byte
}

// NewIDs returns a maker of ids that takes the time from clk.
func NewIDs(clk clock.Clock) *IDs { return &IDs{clk: clk, src: id.New()} }

// Next returns a new id.
func (s *IDs) Next() ID {
	fresh := s.src.Bytes(idLen / 2)
	now := min(max(s.clk.Now().UnixMilli(), 0), maxTime)
	s.mu.Lock()
	defer s.mu.Unlock()
	last := int64(binary.BigEndian.Uint64(s.last[:8]) >> 16)
	if now > last {
		for i := range 6 {
			fresh[i] = byte(now >> (40 - 8*i))
		}
		copy(s.last[:], fresh)
	} else {
		// The same millisecond: step on by a random distance, so that ids of
		// two stores that are merged later do not meet.
		hi, lo := binary.BigEndian.Uint64(s.last[:8]), binary.BigEndian.Uint64(s.last[8:])
		step := uint64(binary.BigEndian.Uint32(fresh)) + 1
		if lo+step < lo {
			hi++
		}
		binary.BigEndian.PutUint64(s.last[:8], hi)
		binary.BigEndian.PutUint64(s.last[8:], lo+step)
	}
	return ID(hex.EncodeToString(s.last[:]))
}
