// Package meter keeps the usage records from which bills are computed.
//
// A record says who used how much of what. Records are written before the
// call that they belong to is acknowledged: in the transaction of a call that
// changes state, through a [Journal] for one that only reads. So a crash
// neither loses nor doubles what a caller was told. Prices are not known here.
//
// Rows are appended under the id of the request and folded into hourly sums
// by [Fold], which a worker runs; [List] reads both. Start at [Tally].
package meter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/kv"
)

// The usage types that every service has.
const (
	// Requests counts successful calls; the operation says which.
	Requests = "Requests"
	// BytesOut counts payload bytes sent to the caller.
	BytesOut = "BytesOut"
	// ByteHours counts bytes stored, times the hours they were stored.
	ByteHours = "ByteHours"
)

// Usage is an amount of one usage type: a sum over an hour once folded.
type Usage struct {
	Account   arn.AccountID `cbor:"a"`
	Region    string        `cbor:"r"`
	Hour      time.Time     `cbor:"h"`
	Service   string        `cbor:"s"`
	Operation string        `cbor:"o"`
	Type      string        `cbor:"t"`
	// Resource is the ARN that the amount is attributed to, "" for none.
	Resource string  `cbor:"x"`
	Quantity float64 `cbor:"q"`
}

// same reports whether u and v differ in their quantity at most.
func (u *Usage) same(v *Usage) bool {
	return u.Account == v.Account && u.Region == v.Region && u.Hour.Equal(v.Hour) && u.Service == v.Service &&
		u.Operation == v.Operation && u.Type == v.Type && u.Resource == v.Resource
}

// Unit names what a usage type is counted in.
func Unit(usageType string) string {
	switch usageType {
	case BytesOut:
		return "Bytes"
	case ByteHours:
		return "Byte-Hours"
	}
	return "Requests"
}

// Tally collects the usage of one call until it is written. It is used by one
// goroutine at a time.
type Tally struct {
	key     string
	usage   []Usage
	written int
}

// NewTally returns an empty tally. key identifies the call or the job run: two
// tallies with one key are written once.
func NewTally(key string) *Tally { return &Tally{key: key} }

// Add notes an amount, rounding its time down to the hour.
func (t *Tally) Add(u Usage) {
	u.Hour = u.Hour.Truncate(time.Hour)
	t.usage = append(t.usage, u)
}

// Pending reports whether the tally holds usage that is not yet written.
func (t *Tally) Pending() bool { return t.written < len(t.usage) }

// Drop forgets what is not yet written: the call failed.
func (t *Tally) Drop() { t.usage = t.usage[:t.written] }

// row is what was used by one call.
type row struct {
	Usage []Usage `cbor:"u"`
}

var (
	raw = kv.NewTable[row]("meter/raw", kv.Small()) // hour, key, part -> row
	sum = kv.NewTable[Usage]("meter/sum", kv.Small())
	// once holds the keys of explicit idempotency for as long as they can come again.
	once = kv.NewTable[struct{}]("meter/once", kv.Small())
)

// Write adds the pending usage to the caller's transaction and returns what to
// call when that has committed. Writing again under the same key and position
// replaces the row, so a transaction that runs again does not double it.
func (t *Tally) Write(tx *kv.Tx) (committed func(), err error) {
	if !t.Pending() {
		return func() {}, nil
	}
	end := len(t.usage)
	u := t.usage[t.written:end]
	if err := raw.Put(tx, &row{Usage: u}, u[0].Hour, t.key, t.written); err != nil {
		return nil, fmt.Errorf("write usage of %s: %w", t.key, err)
	}
	return func() { t.written = end }, nil
}

// WriteOnce adds usage under a key of its own, such as "s3/storage/bucket/hour",
// unless that key was written before; it reports whether it was new.
func WriteOnce(tx *kv.Tx, key string, u Usage) (bool, error) {
	u.Hour = u.Hour.Truncate(time.Hour)
	if ok, err := once.Has(tx, u.Hour, key); err != nil || ok {
		return false, err
	}
	if err := once.Put(tx, &struct{}{}, u.Hour, key); err != nil {
		return false, err
	}
	return true, raw.Put(tx, &row{Usage: []Usage{u}}, u.Hour, key, 0)
}

// sumKey orders sums by account and time, as they are read.
func sumKey(u *Usage) []any {
	return []any{u.Account, u.Hour, u.Service, u.Operation, u.Type, u.Region, u.Resource}
}

const (
	foldRows   = 500
	onceKept   = 40 * 24 * time.Hour
	onceSwept  = 500
	listWindow = 100_000
)

// Fold moves up to a few hundred raw rows into the hourly sums, in one
// transaction, and reports whether there may be more.
func Fold(ctx context.Context, db *kv.DB, now time.Time) (more bool, err error) {
	err = db.Update(ctx, func(tx *kv.Tx) error {
		more = false
		sums := map[string]*Usage{}
		n := 0
		for r, err := range raw.Scan(tx, kv.Scan{Limit: foldRows}) {
			if err != nil {
				return err
			}
			for i := range r.Value.Usage {
				u := r.Value.Usage[i]
				k := string(kv.K(sumKey(&u)...))
				if s := sums[k]; s != nil {
					s.Quantity += u.Quantity
				} else {
					sums[k] = &u
				}
			}
			if err := deleteRow(tx, raw, r.Key); err != nil {
				return err
			}
			n++
		}
		for _, k := range sortedKeys(sums) {
			if err := addTo(tx, sums[k]); err != nil {
				return err
			}
		}
		more = n == foldRows
		return sweep(tx, now)
	})
	return more, err
}

func addTo(tx *kv.Tx, u *Usage) error {
	old, err := sum.Get(tx, sumKey(u)...)
	switch {
	case err == nil:
		old.Quantity += u.Quantity
		u = old
	case !errors.Is(err, kv.ErrNotFound):
		return err
	}
	return sum.Put(tx, u, sumKey(u)...)
}

// sweep removes idempotency keys that can no longer come again.
func sweep(tx *kv.Tx, now time.Time) error {
	for r, err := range once.Scan(tx, kv.Scan{Limit: onceSwept}) {
		if err != nil {
			return err
		}
		parts, err := r.Key.Decode()
		if err != nil {
			return err
		}
		if hour, _ := parts[0].(time.Time); now.Sub(hour) < onceKept {
			return nil
		}
		if err := once.Delete(tx, parts...); err != nil {
			return err
		}
	}
	return nil
}

func deleteRow[T any](tx *kv.Tx, t *kv.Table[T], key kv.Key) error {
	parts, err := key.Decode()
	if err != nil {
		return err
	}
	return t.Delete(tx, parts...)
}

func sortedKeys(m map[string]*Usage) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Filter selects usage. Zero fields select everything.
type Filter struct {
	Account    arn.AccountID
	Service    string
	Start, End time.Time
}

func (f *Filter) match(u *Usage) bool {
	return (f.Account == "" || u.Account == f.Account) && (f.Service == "" || u.Service == f.Service) &&
		(f.Start.IsZero() || !u.Hour.Before(f.Start.Truncate(time.Hour))) && (f.End.IsZero() || u.Hour.Before(f.End))
}

// List returns the hourly sums that f selects, of folded and raw rows
// together, ordered by account, hour, service, operation, type, region, resource.
func List(tx *kv.Tx, f Filter) ([]Usage, error) {
	var out []Usage
	scan := kv.Scan{Limit: listWindow}
	if f.Account != "" {
		scan.Prefix = []any{f.Account}
	}
	for r, err := range sum.Scan(tx, scan) {
		if err != nil {
			return nil, err
		}
		if f.match(r.Value) {
			out = append(out, *r.Value)
		}
	}
	for r, err := range raw.Scan(tx, kv.Scan{}) {
		if err != nil {
			return nil, err
		}
		for i := range r.Value.Usage {
			if f.match(&r.Value.Usage[i]) {
				out = append(out, r.Value.Usage[i])
			}
		}
	}
	slices.SortFunc(out, func(a, b Usage) int {
		return strings.Compare(string(kv.K(sumKey(&a)...)), string(kv.K(sumKey(&b)...)))
	})
	merged := out[:0]
	for _, u := range out {
		if n := len(merged); n > 0 && merged[n-1].same(&u) {
			merged[n-1].Quantity += u.Quantity
			continue
		}
		merged = append(merged, u)
	}
	return merged, nil
}
