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
// metered call that does nothing, and that of net/http for such a request.
func measureIdentity(ctx context.Context, b *bench) error {
	s := newSigner(&b.gw.Credentials)
	call, err := callerIdentity(s)
	if err != nil {
		return err
	}
	s.endpoint = b.base.endpoint
	bare, err := callerIdentity(s)
	if err != nil {
		return err
	}
	for _, lanes := range []int{manyLanes, someLanes} {
		var spent []time.Duration // of the bare one and of the other in turns
		measure := func(p *process.Process, endpoint string, q *request) func() (rate, error) {
			return func() (rate, error) {
				x, cpu, err := timed(ctx, p, endpoint, lanes, b.length, q)
				spent = append(spent, cpu)
				return x, err
			}
		}
		base, got, err := b.alternate(measure(b.base.process, b.base.endpoint, bare), measure(b.gw, b.gw.Endpoint, call))
		if err != nil {
			return err
		}
		var of [2][]time.Duration
		for i, d := range spent {
			of[i%2] = append(of[i%2], d)
		}
		for i, what := range []string{"bare POST", "GetCallerIdentity"} {
			name := fmt.Sprintf("%s, %d clients", what, lanes)
			b.report.rated(name, []rate{base, got}[i])
			slices.Sort(of[i])
			cpu := float64(of[i][len(of[i])/2].Nanoseconds()) / 1000
			row := b.report.add(row{Name: name + ": server CPU a call", Value: cpu, Unit: "µs"})
			if i == 1 {
				b.report.below(row, 60)
			}
		}
	}
	return nil
}

// timed drives a process and returns its processor time a call.
func timed(ctx context.Context, p *process.Process, endpoint string, lanes int, length time.Duration, q *request) (rate, time.Duration, error) {
	before, err := p.CPU()
	if err != nil {
		return rate{}, 0, err
	}
	x, err := drive(ctx, endpoint, lanes, length, func(l *lane) error { _, err := l.do(q); return err })
	if err != nil {
		return x, 0, err
	}
	after, err := p.CPU()
	return x, (after - before) / time.Duration(x.count), err
}

func callerIdentity(s *signer) (*request, error) {
	body := []byte("Action=GetCallerIdentity&Version=2011-06-15")
	h := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	return s.sign("sts", http.MethodPost, "/", h, body, hashOf(body))
}
