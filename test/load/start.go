package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/kv/pebblekv"
	"github.com/gigawatt-cloud/gigawatt/test/process"
)

const (
	megabyte   = 1 << 20
	manyLanes  = 64
	someLanes  = 8
	starts     = 7
	restBefore = 2 * time.Second // until a server is called idle
)

// measureStart measures the binary, its start with an empty directory, and
// what it holds in memory when it has nothing to do.
func measureStart(ctx context.Context, b *bench) error {
	info, err := os.Stat(b.binary)
	if err != nil {
		return err
	}
	b.report.below(b.report.add(row{Name: "binary", Value: float64(info.Size()) / megabyte, Unit: "MB"}), 60)
	var ready []time.Duration
	var memory int64
	for i := range starts {
		p, err := process.Start(ctx, b.binary, filepath.Join(b.dir, fmt.Sprintf("start-%d", i)))
		if err != nil {
			return err
		}
		ready = append(ready, p.Ready)
		if i == 0 {
			time.Sleep(restBefore)
			if memory, _, err = p.Memory(); err != nil {
				return err
			}
		}
		if err := p.Stop(); err != nil {
			return err
		}
	}
	slices.Sort(ready)
	b.report.below(b.report.add(row{Name: "start to first answer", Value: ms(ready[len(ready)/2]), Unit: "ms"}), 150)
	b.report.below(b.report.add(row{Name: "resident memory when idle", Value: float64(memory) / megabyte, Unit: "MB"}), 60)
	return nil
}

const kvPut = "kv put of 1 KB, 64 writers"

// measureKV measures the store by itself, in this process.
func measureKV(ctx context.Context, b *bench) (err error) {
	db, err := pebblekv.Open(filepath.Join(b.dir, "kv"), pebblekv.Options{})
	if err != nil {
		return err
	}
	defer func() {
		if cerr := db.Close(); err == nil {
			err = cerr
		}
	}()
	value := make([]byte, 1<<10)
	for i := range value {
		value[i] = byte(rand.Uint32()) //nolint:gosec // it only has to be hard to compress
	}
	var all []rate
	for range b.rounds {
		x, err := together(ctx, make([]struct{}, manyLanes), b.length, func(struct{}) error {
			key := binary.BigEndian.AppendUint64([]byte("load/"), rand.Uint64()) //nolint:gosec // as above
			return db.Update(ctx, func(tx *kv.Tx) error { return tx.Put(key, value) })
		})
		if err != nil {
			return err
		}
		all = append(all, x)
	}
	b.report.rated(kvPut, median(all))
	return nil
}

// measureIdentity measures the processor time of a signed, authorized and
// metered call that does nothing.
func measureIdentity(ctx context.Context, b *bench) error {
	q, err := callerIdentity(newSigner(&b.gw.Credentials))
	if err != nil {
		return err
	}
	for _, c := range []struct {
		name  string
		lanes int
	}{
		{"GetCallerIdentity, 64 clients", manyLanes},
		{"GetCallerIdentity, 8 clients", someLanes},
	} {
		if _, err := drive(ctx, b.gw.Endpoint, c.lanes, b.length/3, func(l *lane) error { _, err := l.do(q); return err }); err != nil {
			return err // this one warms up
		}
		before, err := b.gw.CPU()
		if err != nil {
			return err
		}
		x, err := drive(ctx, b.gw.Endpoint, c.lanes, b.length, func(l *lane) error { _, err := l.do(q); return err })
		if err != nil {
			return err
		}
		after, err := b.gw.CPU()
		if err != nil {
			return err
		}
		b.report.rated(c.name, x)
		cpu := float64((after - before).Microseconds()) / float64(x.count)
		b.report.below(b.report.add(row{Name: c.name + ": server CPU a call", Value: cpu, Unit: "µs"}), 60)
	}
	return nil
}

func callerIdentity(s *signer) (*request, error) {
	body := []byte("Action=GetCallerIdentity&Version=2011-06-15")
	h := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	return s.sign("sts", http.MethodPost, "/", h, body, hashOf(body))
}
