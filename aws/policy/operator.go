package policy

import (
	"cmp"
	"encoding/base64"
	"net/netip"
	"slices"
	"time"
)

// holds reports whether c is true of the request.
//
// A key with no value makes a condition false, a negated one true, and one
// with IfExists true. Under ForAllValues nothing to test is true, under
// ForAnyValue it is false, and IfExists changes neither. The values of the
// policy are alternatives: a negated operator wants none of them to match.
func (c *condition) holds(ev *evaluation, deny bool) bool {
	v := ev.lookup(&c.key)
	if c.op == opNull {
		return slices.Contains(c.truths, v.len() == 0)
	}
	switch c.set {
	case forAllValues:
		if v.null() {
			return true
		}
		for i := range v.len() {
			if !c.test(ev, v.at(i), deny) {
				return false
			}
		}
		return true
	case forAnyValue:
		if v.null() {
			return false
		}
		for i := range v.len() {
			if c.test(ev, v.at(i), deny) {
				return true
			}
		}
		return false
	}
	if v.len() == 0 {
		return c.ifExists || c.negated
	}
	// Several values without a set operator: one that matches is a match, and
	// a negated operator wants every value to differ.
	for i := range v.len() {
		if c.test(ev, v.at(i), deny) != c.negated {
			return !c.negated
		}
	}
	return c.negated
}

// test applies the operator, with its Not, to one value of the request. A
// variable without a value must not widen access: a negated test over one
// fails in an Allow and holds in a Deny.
func (c *condition) test(ev *evaluation, s string, deny bool) bool {
	matched, unresolved := c.compare(ev, s)
	if !c.negated {
		return matched
	}
	return !matched && (deny || !unresolved)
}

// compare reports whether any of the policy's values matches s.
func (c *condition) compare(ev *evaluation, s string) (matched, unresolved bool) {
	switch c.op {
	case opStringEquals, opStringLike:
		for i := range c.patterns {
			m, u := c.patterns[i].match(ev, s)
			if m {
				return true, false
			}
			unresolved = unresolved || u
		}
		return false, unresolved
	case opStringEqualsIgnoreCase:
		for i := range c.patterns {
			m, u := c.patterns[i].matchIgnoreCase(ev, s)
			if m {
				return true, false
			}
			unresolved = unresolved || u
		}
		return false, unresolved
	case opARN:
		f, isARN := splitARN(s)
		for i := range c.arns {
			m, u := c.arns[i].match(ev, &f, isARN)
			if m {
				return true, false
			}
			unresolved = unresolved || u
		}
		return false, unresolved
	case opBool:
		v, ok := parseBool(s)
		return ok && slices.Contains(c.truths, v), false
	case opBinary:
		v, err := base64.StdEncoding.DecodeString(s)
		return err == nil && slices.Contains(c.blobs, string(v)), false
	case opIP:
		return c.compareIP(s), false
	case opDateEquals, opDateLess, opDateLessEquals, opDateGreater, opDateGreaterEquals:
		return c.compareDate(s), false
	default:
		return c.compareNumber(s), false
	}
}

func (c *condition) compareIP(s string) bool {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return false
	}
	a = a.Unmap().WithZone("")
	for _, n := range c.networks {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

func (c *condition) compareDate(s string) bool {
	t, err := parseDate(s)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(c.times, func(want time.Time) bool {
		return c.op.accepts(t.Compare(want))
	})
}

func (c *condition) compareNumber(s string) bool {
	n, ok := parseNumber(s)
	if !ok {
		return false
	}
	return slices.ContainsFunc(c.numbers, func(want float64) bool {
		return c.op.accepts(cmp.Compare(n, want))
	})
}

// accepts reports whether an ordering operator is true of order, the sign of
// the request's value compared with the policy's.
func (o operator) accepts(order int) bool {
	switch o {
	case opNumericLess, opDateLess:
		return order < 0
	case opNumericLessEquals, opDateLessEquals:
		return order <= 0
	case opNumericGreater, opDateGreater:
		return order > 0
	case opNumericGreaterEquals, opDateGreaterEquals:
		return order >= 0
	default:
		return order == 0
	}
}
