package policy

import (
	"net/netip"
	"strings"
)

// Public reports whether d opens the resource to the public by S3's rule, which
// Block Public Access and GetBucketPolicyStatus use: a statement allows
// everybody, and no condition holds it to fixed callers or networks.
func (d *Document) Public() bool {
	for i := range d.Statements {
		if st := &d.Statements[i]; !st.Deny && st.allowsEverybody() && !st.confined() {
			return true
		}
	}
	return false
}

func (st *Statement) allowsEverybody() bool {
	for i := range st.principals {
		if st.principals[i].kind == namesEverybody {
			return !st.notPrincipal
		}
	}
	return false
}

// confiningKeys are the keys that, compared with fixed values, keep a statement
// for everybody from being public.
var confiningKeys = map[string]bool{
	"aws:principalaccount": true, "aws:principalarn": true, "aws:principalorgid": true, "aws:principalorgpaths": true,
	"aws:sourceaccount": true, "aws:sourcearn": true, "aws:sourceip": true, "aws:sourceorgid": true,
	"aws:sourceorgpaths": true, "aws:sourceowner": true, "aws:sourcevpc": true, "aws:sourcevpce": true,
	"aws:userid": true, "s3:dataaccesspointaccount": true, "s3:dataaccesspointarn": true,
	"s3:x-amz-server-side-encryption-aws-kms-key-id": true,
}

func (st *Statement) confined() bool {
	for i := range st.conditions {
		c := &st.conditions[i]
		if confiningKeys[c.key.name] && !c.negated && !c.ifExists && c.set != forAllValues && c.fixed() {
			return true
		}
	}
	return false
}

// fixed reports whether every value of c is a fixed one: no variable, no
// wildcard where it would take in other accounts, no very wide network.
func (c *condition) fixed() bool {
	switch c.op {
	case opStringEquals, opStringEqualsIgnoreCase, opStringLike:
		for i := range c.patterns {
			if k := c.patterns[i].kind; k != matchExact {
				return false
			}
		}
		return len(c.patterns) > 0
	case opARN:
		for i := range c.arns {
			if !c.arns[i].fixed() {
				return false
			}
		}
		return len(c.arns) > 0
	case opIP:
		for _, n := range c.networks {
			if wide(n) {
				return false
			}
		}
		return len(c.networks) > 0
	default:
		return false
	}
}

// fixed reports whether p names one account or, when it names none, one resource.
func (p *arnPattern) fixed() bool {
	if p.any {
		return false
	}
	account := &p.fields[4]
	if account.kind == matchExact && account.lit != "" {
		return true
	}
	resource := &p.fields[5]
	return account.kind == matchExact && resource.kind == matchExact && !strings.Contains(resource.text, "${")
}

// wide is S3's measure of a network that is as good as everybody.
func wide(n netip.Prefix) bool {
	if n.Addr().Is4() {
		return n.Bits() < 8
	}
	return n.Bits() < 32
}
