package iam

import (
	"strings"
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
)

// under reports whether a path is below a prefix; "" and "/" are above all.
func under(path, prefix string) bool { return strings.HasPrefix(path, prefix) }

// pathOf is the path in an IAM ARN, "/" when it has none.
func pathOf(s string) string {
	a, err := arn.Parse(s)
	if err != nil {
		return "/"
	}
	from, to := strings.IndexByte(a.Resource, '/'), strings.LastIndexByte(a.Resource, '/')
	if from < 0 {
		return "/"
	}
	return a.Resource[from : to+1]
}

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
