package gigawatt

import (
	"context"
	"fmt"
	"math/big"
	"time"

	api "github.com/gigawatt-cloud/gigawatt/api/gigawattapi"
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
)

// account is an account that the operator made, beside the cloud's own.
type account struct {
	ID      arn.AccountID `cbor:"id"`
	Name    string        `cbor:"name"`
	Created time.Time     `cbor:"created"`
}

var accounts = kv.NewTable[account]("gigawatt/account", kv.Small()) // account id

func (s *svc) createAccount(ctx context.Context, c *service.Call, in *api.CreateAccountInput) (*api.CreateAccountOutput, error) {
	if err := s.operator(c); err != nil {
		return nil, err
	}
	a := account{ID: arn.AccountID(value(in.AccountId)), Name: in.Name, Created: c.Now}
	if a.ID == "" {
		n := new(big.Int).SetBytes(c.IDs.Bytes(8))
		a.ID = arn.AccountID(fmt.Sprintf("%012d", n.Mod(n, big.NewInt(1e12))))
	}
	err := c.Update(ctx, func(tx *kv.Tx) error {
		ok, err := accounts.Has(tx, a.ID)
		if err != nil {
			return err
		}
		if ok || a.ID == s.account {
			return api.ErrConflictException("Account %s exists already.", a.ID)
		}
		return accounts.Put(tx, &a, a.ID)
	})
	if err != nil {
		return nil, err
	}
	key, secret, err := s.op.RootKey(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	id := string(a.ID)
	return &api.CreateAccountOutput{AccountId: &id, AccessKeyId: &key, SecretAccessKey: &secret}, nil
}

const accountsPage = 100

func (s *svc) listAccounts(ctx context.Context, c *service.Call, in *api.ListAccountsInput) (*api.ListAccountsOutput, error) {
	if err := s.operator(c); err != nil {
		return nil, err
	}
	after, err := c.OpenPage("", value(in.NextToken))
	if err != nil {
		return nil, api.ErrValidationException("NextToken is not valid.")
	}
	limit := accountsPage
	if in.MaxResults != nil {
		limit = int(*in.MaxResults)
	}
	out := &api.ListAccountsOutput{Accounts: []api.Account{}}
	err = c.View(ctx, func(tx *kv.Tx) error {
		var last kv.Key
		for r, err := range accounts.Scan(tx, kv.Scan{After: after, Limit: limit + 1}) {
			if err != nil {
				return err
			}
			if len(out.Accounts) == limit {
				token := c.PageToken("", last)
				out.NextToken = &token
				return nil
			}
			last = r.Key
			id := string(r.Value.ID)
			out.Accounts = append(out.Accounts, api.Account{AccountId: &id, Name: &r.Value.Name, CreatedAt: &r.Value.Created})
		}
		return nil
	})
	return out, err
}
