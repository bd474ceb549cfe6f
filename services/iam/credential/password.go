package credential

import (
	"strconv"
	"strings"
	"time"

	api "github.com/gigawatt-cloud/gigawatt/api/iamapi"
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/iam/entity"
)

// symbols are the characters that count as symbols.
const symbols = "!@#$%^&*()_+-=[]{}|'"

// Of an account without a policy of its own, AWS asks for length and for
// three kinds of characters.
const (
	standardLength = 8
	standardKinds  = 3
)

// passwordRules is the account's own policy, or an empty one.
func passwordRules(tx *kv.Tx, account arn.AccountID) (*identity.PasswordPolicy, error) {
	p, err := identity.PasswordPolicies.Get(tx, account)
	if entity.IsNotFound(err) {
		return &identity.PasswordPolicy{}, nil
	}
	return p, err
}

// checkPassword refuses a password that does not keep to the account's policy.
func checkPassword(tx *kv.Tx, account arn.AccountID, password string) error {
	p, err := identity.PasswordPolicies.Get(tx, account)
	if entity.IsNotFound(err) {
		p, err = nil, nil
	}
	if err != nil {
		return err
	}
	if broken := violation(p, account, password); broken != "" {
		return api.ErrPasswordPolicyViolationException("%s", broken)
	}
	return nil
}

// violation is the first rule that a password breaks, in AWS's words; p is nil
// for an account without a policy.
func violation(p *identity.PasswordPolicy, account arn.AccountID, password string) string {
	upper, lower, digit, symbol := kinds(password)
	if p == nil {
		n := 0
		for _, has := range []bool{upper, lower, digit, symbol} {
			if has {
				n++
			}
		}
		switch {
		case len(password) < standardLength:
			return "Password should have a minimum length of 8"
		case n < standardKinds:
			return "Password should have at least three of: uppercase letters, lowercase letters, numbers, symbols"
		case password == string(account):
			return "Password should not be the account's name"
		}
		return ""
	}
	switch {
	case len(password) < p.MinLength:
		return "Password should have a minimum length of " + strconv.Itoa(p.MinLength)
	case p.Symbols && !symbol:
		return "Password should have at least one symbol"
	case p.Numbers && !digit:
		return "Password should have at least one number"
	case p.Uppercase && !upper:
		return "Password should have at least one uppercase letter"
	case p.Lowercase && !lower:
		return "Password should have at least one lowercase letter"
	}
	return ""
}

// kinds says which kinds of characters a password has.
func kinds(password string) (upper, lower, digit, symbol bool) {
	for _, r := range password {
		switch {
		case 'A' <= r && r <= 'Z':
			upper = true
		case 'a' <= r && r <= 'z':
			lower = true
		case '0' <= r && r <= '9':
			digit = true
		case strings.ContainsRune(symbols, r):
			symbol = true
		}
	}
	return upper, lower, digit, symbol
}

// expired reports whether a password is older than the policy allows.
func expired(l *identity.LoginProfile, p *identity.PasswordPolicy, c *service.Call) bool {
	return p.MaxAgeDays > 0 && c.Now.Sub(l.Changed) > time.Duration(p.MaxAgeDays)*24*time.Hour
}

// used reports whether a password is the present one, or one that the policy
// remembers.
func used(l *identity.LoginProfile, p *identity.PasswordPolicy, password string) bool {
	if p.Remember == 0 {
		return false
	}
	if l.Password.Matches(password) {
		return true
	}
	for _, h := range l.Earlier[:min(len(l.Earlier), p.Remember-1)] {
		if h.Matches(password) {
			return true
		}
	}
	return false
}
