package policy

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// setOperator is a condition operator's qualifier.
type setOperator uint8

const (
	noSet setOperator = iota
	forAllValues
	forAnyValue
)

// condition is one key under one operator.
type condition struct {
	op       operator
	negated  bool
	ifExists bool
	set      setOperator
	key      keyRef

	// The policy's values, in the form that op compares.
	patterns []pattern
	arns     []arnPattern
	numbers  []float64
	times    []time.Time
	networks []netip.Prefix
	blobs    []string
	truths   []bool
}

// operator is a condition operator without its Not, qualifier and IfExists.
type operator uint8

const (
	opStringEquals operator = iota
	opStringEqualsIgnoreCase
	opStringLike
	opNumericEquals
	opNumericLess
	opNumericLessEquals
	opNumericGreater
	opNumericGreaterEquals
	opDateEquals
	opDateLess
	opDateLessEquals
	opDateGreater
	opDateGreaterEquals
	opBool
	opBinary
	opIP
	opARN
	opNull
)

type operatorName struct {
	op      operator
	negated bool
}

// operators has every base operator by its name in lower case.
var operators = map[string]operatorName{
	"stringequals":              {opStringEquals, false},
	"stringnotequals":           {opStringEquals, true},
	"stringequalsignorecase":    {opStringEqualsIgnoreCase, false},
	"stringnotequalsignorecase": {opStringEqualsIgnoreCase, true},
	"stringlike":                {opStringLike, false},
	"stringnotlike":             {opStringLike, true},
	"numericequals":             {opNumericEquals, false},
	"numericnotequals":          {opNumericEquals, true},
	"numericlessthan":           {opNumericLess, false},
	"numericlessthanequals":     {opNumericLessEquals, false},
	"numericgreaterthan":        {opNumericGreater, false},
	"numericgreaterthanequals":  {opNumericGreaterEquals, false},
	"dateequals":                {opDateEquals, false},
	"datenotequals":             {opDateEquals, true},
	"datelessthan":              {opDateLess, false},
	"datelessthanequals":        {opDateLessEquals, false},
	"dategreaterthan":           {opDateGreater, false},
	"dategreaterthanequals":     {opDateGreaterEquals, false},
	"bool":                      {opBool, false},
	"binaryequals":              {opBinary, false},
	"ipaddress":                 {opIP, false},
	"notipaddress":              {opIP, true},
	"arnequals":                 {opARN, false},
	"arnlike":                   {opARN, false},
	"arnnotequals":              {opARN, true},
	"arnnotlike":                {opARN, true},
	"null":                      {opNull, false},
}

// parseOperator reads "[ForAllValues:|ForAnyValue:]Name[IfExists]".
func parseOperator(text string) (c condition, err error) {
	name := strings.ToLower(text)
	if rest, ok := strings.CutPrefix(name, "forallvalues:"); ok {
		c.set, name = forAllValues, rest
	} else if rest, ok := strings.CutPrefix(name, "foranyvalue:"); ok {
		c.set, name = forAnyValue, rest
	}
	name, c.ifExists = strings.CutSuffix(name, "ifexists")
	base, ok := operators[name]
	if !ok || base.op == opNull && (c.ifExists || c.set != noSet) {
		return c, fmt.Errorf("unknown condition operator %q", text)
	}
	c.op, c.negated = base.op, base.negated
	return c, nil
}

// add compiles one of the policy's values.
func (c *condition) add(text string, variables bool) error {
	switch c.op {
	case opStringEquals, opStringEqualsIgnoreCase:
		c.patterns = append(c.patterns, compilePattern(text, syntax{variables: variables}))
	case opStringLike:
		c.patterns = append(c.patterns, compilePattern(text, syntax{wildcards: true, variables: variables}))
	case opARN:
		c.arns = append(c.arns, compileARN(text, variables))
	case opBool, opNull:
		v, ok := parseBool(text)
		if !ok {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		c.truths = append(c.truths, v)
	case opBinary:
		v, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return fmt.Errorf("%q is not base64", text)
		}
		c.blobs = append(c.blobs, string(v))
	case opIP:
		v, err := parseNetwork(text)
		if err != nil {
			return err
		}
		c.networks = append(c.networks, v)
	case opDateEquals, opDateLess, opDateLessEquals, opDateGreater, opDateGreaterEquals:
		v, err := parseDate(text)
		if err != nil {
			return err
		}
		c.times = append(c.times, v)
	default:
		v, ok := parseNumber(text)
		if !ok {
			return fmt.Errorf("%q is not a number", text)
		}
		c.numbers = append(c.numbers, v)
	}
	return nil
}

func parseBool(s string) (value, ok bool) {
	switch {
	case strings.EqualFold(s, "true"):
		return true, true
	case strings.EqualFold(s, "false"):
		return false, true
	default:
		return false, false
	}
}

func parseNumber(s string) (float64, bool) {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && c != '.' && c != '-' && c != '+' && c != 'e' && c != 'E' {
			return 0, false
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil
}

// parseNetwork reads an address or a CIDR block; bits of the host are ignored.
func parseNetwork(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(s)
		if err != nil || p.Addr().Is4In6() {
			return netip.Prefix{}, fmt.Errorf("%q is not a CIDR block", s)
		}
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("%q is not an IP address", s)
	}
	a = a.Unmap()
	return netip.PrefixFrom(a, a.BitLen()), nil
}
