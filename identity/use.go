package identity

import (
	"context"
	"sync"
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/kv"
)

// Use is when and for what a key, role or service was last used.
type Use struct {
	Time time.Time `cbor:"time"`
	// Service is the service's signing name, such as "s3".
	Service string `cbor:"service"`
	Region  string `cbor:"region"`
}

var (
	keyUses     = kv.NewTable[Use]("iam/keyuse", kv.Small())     // access key id
	roleUses    = kv.NewTable[Use]("iam/roleuse", kv.Small())    // account, role id
	serviceUses = kv.NewTable[Use]("iam/serviceuse", kv.Small()) // account, user's or role's id, service
)

// useEvery is how exact the times of use are: a use within this time of the
// last one that was noted is not written again.
const useEvery = 15 * time.Minute

// uses remembers what this replica has noted, so that most calls write nothing.
type uses struct {
	mu   sync.Mutex
	last map[[3]string]time.Time // principal's id, access key id, service
}

// Used notes that a principal called a service. It writes at most once in a
// quarter of an hour for each principal, key and service.
func (s *Store) Used(ctx context.Context, p *policy.Principal, service, region string, now time.Time) error {
	if p.AccountID == "" || p.AccessKeyID == "" {
		return nil
	}
	owner := uniqueID(p)
	key := p.AccessKeyID
	if !p.IssuedAt.IsZero() {
		key = ""
	}
	if !s.uses.due([3]string{owner, key, service}, now) {
		return nil
	}
	u := &Use{Time: now, Service: service, Region: region}
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		if key != "" {
			if ok, err := Keys.Has(tx, key); err != nil {
				return err
			} else if ok {
				if err := keyUses.Put(tx, u, key); err != nil {
					return err
				}
			}
		}
		if p.Type == policy.AssumedRole {
			if err := roleUses.Put(tx, u, p.AccountID, owner); err != nil {
				return err
			}
		}
		return serviceUses.Put(tx, u, p.AccountID, owner, service)
	})
}

func (u *uses) due(key [3]string, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if t, ok := u.last[key]; ok && now.Sub(t).Abs() < useEvery {
		return false
	}
	if u.last == nil || len(u.last) >= cacheLimit {
		u.last = make(map[[3]string]time.Time)
	}
	u.last[key] = now
	return true
}

// KeyUse returns the last use of an access key, or kv.ErrNotFound.
func KeyUse(tx *kv.Tx, accessKeyID string) (*Use, error) { return keyUses.Get(tx, accessKeyID) }

// RoleUse returns the last use of a role, or kv.ErrNotFound.
func RoleUse(tx *kv.Tx, account arn.AccountID, roleID string) (*Use, error) {
	return roleUses.Get(tx, account, roleID)
}

// ServiceUses returns what a user or role used each service for, by service.
func ServiceUses(tx *kv.Tx, account arn.AccountID, id string) ([]Use, error) {
	var out []Use
	for r, err := range serviceUses.Scan(tx, kv.Scan{Prefix: []any{account, id}}) {
		if err != nil {
			return nil, err
		}
		out = append(out, *r.Value)
	}
	return out, nil
}

// DropUses forgets the uses of a user or role that is deleted.
func DropUses(tx *kv.Tx, account arn.AccountID, id string) error {
	if err := roleUses.Delete(tx, account, id); err != nil {
		return err
	}
	list, err := ServiceUses(tx, account, id)
	if err != nil {
		return err
	}
	for _, u := range list {
		if err := serviceUses.Delete(tx, account, id, u.Service); err != nil {
			return err
		}
	}
	return nil
}
