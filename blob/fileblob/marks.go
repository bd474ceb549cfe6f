package fileblob

import (
	"sync"
	"sync/atomic"

	"github.com/gigawatt-cloud/gigawatt/blob/driver"
)

// meta is what the footer of a blob says, and which of its blocks this process
// has checked.
type meta struct {
	size    int64
	crcs    []uint32
	checked []atomic.Uint64 // one bit for each block
}

func newMeta(size int64, crcs []uint32) *meta {
	return &meta{size: size, crcs: crcs, checked: make([]atomic.Uint64, (len(crcs)+63)/64)}
}

func (m *meta) mark(block int64)        { m.checked[block/64].Or(1 << (block % 64)) }
func (m *meta) marked(block int64) bool { return m.checked[block/64].Load()&(1<<(block%64)) != 0 }

// weight estimates the bytes of memory that a meta costs in the cache.
func (m *meta) weight() int { return 160 + len(m.crcs)*crcSize + len(m.checked)*8 }

// markCache keeps the metas of blobs in use: two generations, of which the old
// one is forgotten when the young one is full.
type markCache struct {
	mu         sync.Mutex
	young, old map[driver.ID]*meta
	weight     int
}

// markCacheWeight bounds a generation: 4 MB are the marks of 25,000 small blobs,
// or of a terabyte in large ones.
const markCacheWeight = 4 << 20

// get returns the meta of a blob, or nil.
func (c *markCache) get(id driver.ID) *meta {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := c.young[id]; m != nil {
		return m
	}
	m := c.old[id]
	if m != nil {
		c.add(id, m)
	}
	return m
}

// put adds a meta, and returns the one that is there when another reader was faster.
func (c *markCache) put(id driver.ID, m *meta) *meta {
	c.mu.Lock()
	defer c.mu.Unlock()
	if other := c.young[id]; other != nil {
		return other
	}
	c.add(id, m)
	return m
}

func (c *markCache) add(id driver.ID, m *meta) {
	if c.young == nil || c.weight+m.weight() > markCacheWeight {
		c.old, c.young, c.weight = c.young, map[driver.ID]*meta{}, 0
	}
	c.young[id] = m
	c.weight += m.weight()
}

func (c *markCache) drop(id driver.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := c.young[id]; m != nil {
		c.weight -= m.weight()
		delete(c.young, id)
	}
	delete(c.old, id)
}
