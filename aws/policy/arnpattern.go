package policy

import "strings"

// arnFields is an ARN cut at its first five colons.
type arnFields [6]string

// splitARN cuts s; ok is false when s is not an ARN.
func splitARN(s string) (f arnFields, ok bool) {
	for i := range 5 {
		head, tail, found := strings.Cut(s, ":")
		if !found {
			return f, false
		}
		f[i], s = head, tail
	}
	f[5] = s
	return f, f[0] == "arn"
}

// arnPattern matches ARNs field by field: a wildcard in one of the first five
// fields does not reach over a colon, one in the resource part reaches
// anywhere. The value of a variable never adds a field.
type arnPattern struct {
	text   string
	any    bool // the text "*": matches what is no ARN, too
	fields [6]pattern
}

// compileARN compiles text. Missing fields at the end are "*", as IAM
// completes them.
func compileARN(text string, variables bool) arnPattern {
	p := arnPattern{text: text}
	if text == "*" {
		p.any = true
		return p
	}
	fields := splitFields(splitParts(text, syntax{wildcards: true, variables: variables}))
	for i := range p.fields {
		if i < len(fields) {
			p.fields[i] = joinParts("", fields[i])
		} else {
			p.fields[i] = pattern{kind: matchAny}
		}
	}
	return p
}

// splitFields cuts literal parts at the first five colons.
func splitFields(parts []part) [][]part {
	fields := [][]part{nil}
	for i := range parts {
		pt := parts[i]
		if pt.variable {
			fields[len(fields)-1] = append(fields[len(fields)-1], pt)
			continue
		}
		lit := pt.lit
		for len(fields) < 6 {
			head, tail, found := strings.Cut(lit, ":")
			if !found {
				break
			}
			if head != "" {
				fields[len(fields)-1] = append(fields[len(fields)-1], part{lit: head})
			}
			fields = append(fields, nil)
			lit = tail
		}
		if lit != "" {
			fields[len(fields)-1] = append(fields[len(fields)-1], part{lit: lit})
		}
	}
	return fields
}

// match reports whether f matches; isARN says whether f is an ARN at all.
func (p *arnPattern) match(ev *evaluation, f *arnFields, isARN bool) (matched, unresolved bool) {
	if p.any {
		return true, false
	}
	if !isARN {
		return false, false
	}
	// The service and the resource tell most ARNs apart; look at them first.
	for _, i := range [...]int{2, 5, 4, 3, 1, 0} {
		m, u := p.fields[i].match(ev, f[i])
		unresolved = unresolved || u
		if !m && !u {
			return false, false
		}
	}
	return !unresolved, unresolved
}
