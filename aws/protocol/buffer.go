package protocol

import (
	"slices"
	"sync"
)

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// maxPooled is the largest buffer that is kept for the next response.
const maxPooled = 1 << 20

// Build calls write with an empty buffer that is used again later, and returns
// a copy of what write made of it.
func Build(write func(b []byte) ([]byte, error)) ([]byte, error) {
	p := buffers.Get().(*[]byte)
	b, err := write((*p)[:0])
	var out []byte
	if err == nil {
		out = slices.Clone(b)
	}
	if cap(b) <= maxPooled {
		*p = b
		buffers.Put(p)
	}
	return out, err
}
