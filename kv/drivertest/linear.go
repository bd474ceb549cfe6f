package drivertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/anishathalye/porcupine"

	"github.com/gigawatt-cloud/gigawatt/kv"
)

const (
	linearRows    = 6
	linearClients = 8
	linearOps     = 30
)

// rowsState is the value of each row; absent is that of one that is not there.
type rowsState [linearRows]int

const absent = -1

// linearOp is one transaction: it reads in one way, and writes what follows
// from what it read.
type linearOp struct {
	kind     opKind
	from, to int // rows
	value    int
}

type opKind int

const (
	opWrite  opKind = iota // blindly
	opAdd                  // read a row, write it with value added
	opMove                 // read two rows, take value from one to the other
	opDelete               // a row, and say what it was
	opSum                  // scan from..to, write the sum to row value
	opFirst                // take away the first row from from
	opRead                 // a row, in a View
	opScan                 // all rows, in a View
)

// next is what the operation does to a state, and what it returns: the rows
// that it read.
func (o linearOp) next(s rowsState) (rowsState, rowsState) {
	read := rowsState{absent, absent, absent, absent, absent, absent}
	switch o.kind {
	case opWrite:
		s[o.from] = o.value
	case opAdd:
		read[o.from] = s[o.from]
		s[o.from] = max(s[o.from], 0) + o.value
	case opMove:
		read[o.from], read[o.to] = s[o.from], s[o.to]
		from, to := max(s[o.from], 0), max(s[o.to], 0)
		if o.from != o.to {
			s[o.from], s[o.to] = from-min(o.value, from), to+min(o.value, from)
		}
	case opDelete:
		read[o.from] = s[o.from]
		s[o.from] = absent
	case opSum:
		sum := 0
		for i := o.from; i < o.to; i++ {
			read[i] = s[i]
			sum += max(s[i], 0)
		}
		s[o.value] = sum % 1000
	case opFirst:
		for i := o.from; i < linearRows; i++ {
			if s[i] != absent {
				read[i], s[i] = s[i], absent
				break
			}
		}
	case opRead:
		read[o.from] = s[o.from]
	case opScan:
		read = s
	}
	return s, read
}

func randomOp(r *rand.Rand) linearOp {
	o := linearOp{kind: opKind(r.IntN(int(opScan) + 1)), from: r.IntN(linearRows), to: r.IntN(linearRows), value: r.IntN(100)}
	if o.kind == opSum {
		o.value %= linearRows
	}
	return o
}

func linearKey(i int) []byte { return fmt.Appendf(nil, "linear/%d", i) }

// run carries the operation out, and returns what it read.
func (o linearOp) run(db *kv.DB) (read rowsState, err error) {
	do := db.Update
	if o.kind == opRead || o.kind == opScan {
		do = db.View
	}
	err = do(context.Background(), func(tx *kv.Tx) error {
		s := rowsState{absent, absent, absent, absent, absent, absent}
		if err := o.read(tx, &s); err != nil {
			return err
		}
		var after rowsState
		after, read = o.next(s)
		for i := range after {
			if after[i] == s[i] && (o.kind != opWrite || i != o.from) {
				continue
			}
			if err := writeRow(tx, i, after[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return read, err
}

// read reads from the store what the operation needs, and nothing else.
func (o linearOp) read(tx *kv.Tx, s *rowsState) error {
	switch o.kind {
	case opAdd, opDelete, opRead:
		return readRow(tx, o.from, s)
	case opMove:
		return errors.Join(readRow(tx, o.from, s), readRow(tx, o.to, s))
	case opSum:
		if o.from < o.to {
			return readRange(tx, kv.Range{Start: linearKey(o.from), End: linearKey(o.to)}, s)
		}
	case opFirst:
		return readRange(tx, kv.Range{Start: linearKey(o.from), End: linearKey(linearRows), Limit: 1}, s)
	case opScan:
		return readRange(tx, kv.Range{Start: linearKey(0), End: linearKey(linearRows), Reverse: o.value%2 == 0}, s)
	}
	return nil
}

func readRow(tx *kv.Tx, i int, s *rowsState) error {
	v, err := tx.Get(linearKey(i))
	if errors.Is(err, kv.ErrNotFound) {
		return nil
	}
	if err == nil {
		s[i], err = strconv.Atoi(string(v))
	}
	return err
}

func readRange(tx *kv.Tx, r kv.Range, s *rowsState) error {
	for p, err := range tx.Scan(r) {
		if err != nil {
			return err
		}
		i := int(p.Key[len(p.Key)-1] - '0')
		if s[i], err = strconv.Atoi(string(p.Value)); err != nil {
			return err
		}
	}
	return nil
}

func writeRow(tx *kv.Tx, i, value int) error {
	if value == absent {
		return tx.Delete(linearKey(i))
	}
	return tx.Put(linearKey(i), strconv.AppendInt(nil, int64(value), 10))
}

// testLinearizable has clients run transactions at the same time, and lets a
// checker find one order of them, in which no transaction comes before one
// that had ended when it began, and which explains everything that was read.
func testLinearizable(t *testing.T, s Store) {
	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	d := open(t, s)
	db := kv.New(d)
	for round := range rounds {
		must(t, d.Reset(t.Context()))
		history := linearHistory(t, db, uint64(round))
		if !porcupine.CheckOperations(linearModel, history) {
			t.Fatalf("round %d: no order of the transactions explains what they read", round)
		}
	}
}

var linearModel = porcupine.Model{
	Init: func() any { return rowsState{absent, absent, absent, absent, absent, absent} },
	Step: func(state, in, out any) (bool, any) {
		after, read := in.(linearOp).next(state.(rowsState))
		return read == out.(rowsState), after
	},
}

func linearHistory(t *testing.T, db *kv.DB, seed uint64) []porcupine.Operation {
	var (
		clock   atomic.Int64
		mu      sync.Mutex
		history []porcupine.Operation
		wg      sync.WaitGroup
	)
	for client := range linearClients {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(client)))
			for range linearOps {
				op := randomOp(r)
				call := clock.Add(1)
				out, err := op.run(db)
				ret := clock.Add(1)
				if err != nil {
					t.Errorf("%+v: %v", op, err)
					return
				}
				mu.Lock()
				history = append(history, porcupine.Operation{ClientId: client, Input: op, Call: call, Output: out, Return: ret})
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return history
}
