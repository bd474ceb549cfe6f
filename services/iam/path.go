package iam

import (
	"time"

	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
)

// rootCreated is when the account's root got its first key that is left, or the
// time of the call when it has none.
func rootCreated(tx *kv.Tx, c *service.Call) (time.Time, error) {
	first := c.Now
	for r, err := range identity.KeysOf.Scan(tx, kv.Scan{Prefix: []any{c.Account, ""}}) {
		if err != nil {
			return first, err
		}
		k, err := identity.Keys.Get(tx, *r.Value)
		if err != nil {
			return first, err
		}
		if k.Created.Before(first) {
			first = k.Created
		}
	}
	return first, nil
}
