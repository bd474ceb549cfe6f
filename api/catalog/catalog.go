// Package catalog holds the schema of every AWS service, packed by awsgen.
//
// The list of services is read at the first use and a service's table when it
// is first asked for, so that a server pays for the services it serves. The
// operator API of Gigawatt is among them, as "gigawatt".
package catalog

import (
	"bytes"
	"compress/flate"
	_ "embed" // tables.bin
	"encoding/binary"
	"fmt"
	"io"
	"sync"

	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

//go:embed tables.bin
var tables []byte

type entry struct {
	meta  smithy.Meta
	block []byte
	load  func() *smithy.Service
}

type index struct {
	metas  []*smithy.Meta
	byName map[string]*entry
}

var read = sync.OnceValue(func() *index {
	x := &index{byName: map[string]*entry{}}
	b := tables
	next := func() int {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)) {
			panic("catalog: tables.bin is damaged; run `make generate`")
		}
		b = b[size:]
		return int(n)
	}
	entries := make([]*entry, next())
	sizes := make([]int, len(entries))
	for i := range entries {
		n := next()
		s, err := smithy.Unpack(b[:n])
		if err != nil {
			panic(fmt.Sprintf("catalog: tables.bin: %v", err))
		}
		b = b[n:]
		sizes[i] = next()
		e := &entry{meta: s.Meta}
		e.load = sync.OnceValue(e.unpack)
		entries[i] = e
		x.byName[s.Name] = e
		x.metas = append(x.metas, &e.meta)
	}
	for i, e := range entries {
		e.block, b = b[:sizes[i]], b[sizes[i]:]
	}
	return x
})

// unpack decodes a table. Damage is a bug of the build, not of the input.
func (e *entry) unpack() *smithy.Service {
	b, err := io.ReadAll(flate.NewReader(bytes.NewReader(e.block)))
	if err == nil {
		var s *smithy.Service
		if s, err = smithy.Unpack(b); err == nil {
			return s
		}
	}
	panic(fmt.Sprintf("catalog: the table of %s: %v", e.meta.Name, err))
}

// All lists the services in the order of their names. It is shared: do not change it.
func All() []*smithy.Meta { return read().metas }

// Meta returns the metadata of the service of that name, or nil.
func Meta(name string) *smithy.Meta {
	if e := read().byName[name]; e != nil {
		return &e.meta
	}
	return nil
}

// Service returns the schema of the service of that name, or nil.
func Service(name string) *smithy.Service {
	if e := read().byName[name]; e != nil {
		return e.load()
	}
	return nil
}
