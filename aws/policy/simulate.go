package policy

import (
	"slices"
	"strings"
)

// ContextKeysIn returns the condition keys that the documents read, in their
// conditions and as policy variables: as first written, sorted, each once
// whatever its case. It is what GetContextKeysForCustomPolicy answers.
func ContextKeysIn(docs ...*Document) []string {
	seen := map[string]string{}
	for _, d := range docs {
		d.eachKey(func(k *keyRef) {
			if _, ok := seen[k.name]; !ok {
				seen[k.name] = k.text
			}
		})
	}
	return sorted(seen)
}

// MissingContextKeys returns the condition keys that the policies of s read
// and rq has no value for: what SimulatePrincipalPolicy answers as
// MissingContextValues.
func MissingContextKeys(rq *Request, s *Set) []string {
	var ev evaluation
	ev.start(rq, s)
	missing := map[string]string{}
	visit := func(sources []Source) {
		for i := range sources {
			sources[i].Doc.eachKey(func(k *keyRef) {
				v := ev.lookup(k)
				if _, ok := missing[k.name]; !ok && v.len() == 0 {
					missing[k.name] = k.text
				}
			})
		}
	}
	visit(s.Identity)
	visit(s.Session)
	visit(s.Resource)
	for _, level := range s.SCPs {
		visit(level)
	}
	if s.Boundary != nil {
		visit([]Source{*s.Boundary})
	}
	return sorted(missing)
}

func sorted(byName map[string]string) []string {
	out := make([]string, 0, len(byName))
	for _, text := range byName {
		out = append(out, text)
	}
	slices.SortFunc(out, func(a, b string) int {
		return strings.Compare(strings.ToLower(a), strings.ToLower(b))
	})
	return out
}

// eachKey calls f with every key that d reads, in the document's order.
func (d *Document) eachKey(f func(*keyRef)) {
	for i := range d.Statements {
		st := &d.Statements[i]
		for j := range st.resources {
			st.resources[j].eachKey(f)
		}
		for j := range st.conditions {
			c := &st.conditions[j]
			f(&c.key)
			for k := range c.patterns {
				c.patterns[k].eachKey(f)
			}
			for k := range c.arns {
				c.arns[k].eachKey(f)
			}
		}
	}
}

func (p *arnPattern) eachKey(f func(*keyRef)) {
	for i := range p.fields {
		p.fields[i].eachKey(f)
	}
}

func (p *pattern) eachKey(f func(*keyRef)) {
	for i := range p.parts {
		if p.parts[i].variable {
			f(&p.parts[i].key)
		}
	}
}
