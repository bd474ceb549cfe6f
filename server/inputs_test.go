package server

import (
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
	"github.com/gigawatt-cloud/gigawatt/service"
)

// sample makes an input of an operation in the neutral form, always the same,
// with every member set that is not refused: texts say the name of their member
// as far as the model's constraints allow it.
func sample(h *service.Handler, op *smithy.Operation) map[string]any {
	if op.Input == nil {
		return map[string]any{}
	}
	v, _ := sampleOf(op.Service.Name, op.Input, op.Input.Name, nil).(map[string]any)
	for _, path := range h.Refused {
		unset(op.Input, v, strings.Split(path, "."))
	}
	return v
}

// unset removes the member at a path; lists and maps on the way are searched.
func unset(sh *smithy.Shape, v any, path []string) {
	switch x := v.(type) {
	case []any:
		for _, e := range x {
			unset(sh.Elem.Shape, e, path)
		}
	case map[string]any:
		switch m := sh.Member(path[0]); {
		case sh.Kind == smithy.Map:
			for _, e := range x {
				unset(sh.Elem.Shape, e, path)
			}
		case len(path) == 1:
			delete(x, path[0])
		case m != nil:
			unset(m.Shape, x[path[0]], path[1:])
		}
	}
}

func sampleOf(service string, sh *smithy.Shape, name string, above []*smithy.Shape) any {
	for _, a := range above {
		if a == sh {
			return nil // a recursive shape: once is enough
		}
	}
	above = append(above[:len(above):len(above)], sh)
	switch sh.Kind {
	case smithy.Structure:
		return sampleMembers(service, sh, sh.Members, above)
	case smithy.Union:
		return sampleMembers(service, sh, sh.Members[:1], above)
	case smithy.List:
		list := []any{}
		for range max(1, int(sh.Min)) {
			if e := sampleOf(service, sh.Elem.Shape, name, above); e != nil {
				list = append(list, e)
			}
		}
		return list
	case smithy.Map:
		m := map[string]any{}
		if e := sampleOf(service, sh.Elem.Shape, "Value", above); e != nil {
			m[sampleText(service, sh.Key.Shape, "Key")] = e
		}
		return m
	case smithy.String:
		return sampleText(service, sh, name)
	case smithy.Boolean:
		return true
	case smithy.Blob:
		return "YmxvYg=="
	case smithy.Timestamp:
		return 1767225600
	case smithy.Document:
		return "document"
	}
	if sh.HasMin {
		return max(1, sh.Min)
	}
	return 1
}

func sampleMembers(service string, sh *smithy.Shape, members []*smithy.Member, above []*smithy.Shape) any {
	out := map[string]any{}
	for _, m := range members {
		if m.Shape.EventStream {
			continue // cannot be called in the neutral form
		}
		v := sampleOf(service, m.Shape, m.Name, above)
		if v == nil && m.Required {
			return nil
		}
		if v != nil {
			out[m.Name] = v
		}
	}
	return out
}

// sampleTexts are for members whose value has to have a form that the model
// does not tell.
var sampleTexts = map[string]string{
	"QueueUrl":       "http://localhost:4566/000000000000/QueueUrl",
	"SourceArn":      "arn:aws:sqs:us-east-1:000000000000:SourceArn",
	"DestinationArn": "arn:aws:sqs:us-east-1:000000000000:DestinationArn",
	"CopySource":     "copysourcebucket/CopySourceKey",
	"Bucket":         "bucket",
	"RequestId":      "00000000-0000-0000-0000-000000000000",
	"MaxResults":     "1",
}

func sampleText(service string, sh *smithy.Shape, name string) string {
	if len(sh.Enum) > 0 {
		return sh.Enum[0]
	}
	candidates := []string{name, strings.ToLower(name), "/" + name + "/"}
	if v, ok := sampleTexts[name]; ok {
		candidates = []string{v}
	} else if strings.HasSuffix(name, "AccountId") {
		candidates = []string{string(DefaultAccount)}
	} else if strings.HasSuffix(strings.ToUpper(name), "ARN") {
		region := DefaultRegion
		if service == "iam" || service == "sts" {
			service, region = "iam", ""
		}
		kind := strings.ToLower(name[:len(name)-len("arn")])
		candidates = []string{"arn:aws:" + service + ":" + region + ":" + string(DefaultAccount) + ":" + kind + "/" + name}
	}
	var re *regexp.Regexp // nil when there is no pattern, or none that Go understands
	if sh.Pattern != "" {
		re = smithy.Regexp(sh.Pattern)
	}
	for _, c := range candidates {
		if n := int(sh.Min) - len(c); n > 0 {
			c += strings.Repeat("x", n)
		}
		if sh.HasMax && len(c) > int(sh.Max) {
			c = c[:int(sh.Max)]
		}
		if re == nil || re.MatchString(c) {
			return c
		}
	}
	parsed, err := syntax.Parse(re.String(), syntax.Perl)
	if err != nil {
		return name
	}
	return shortest(parsed.Simplify(), int(sh.Min))
}

// shortest makes a text that a pattern matches; repetitions of one character
// give at least as many as are wanted.
func shortest(re *syntax.Regexp, wanted int) string {
	switch re.Op {
	case syntax.OpLiteral:
		return string(re.Rune)
	case syntax.OpCharClass:
		for _, r := range "x0-" {
			for i := 0; i+1 < len(re.Rune); i += 2 {
				if re.Rune[i] <= r && r <= re.Rune[i+1] {
					return string(r)
				}
			}
		}
		return string(re.Rune[0])
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return "x"
	case syntax.OpCapture:
		return shortest(re.Sub[0], wanted)
	case syntax.OpPlus, syntax.OpStar:
		one := shortest(re.Sub[0], 0)
		if n := len(one); n > 0 && wanted > n {
			return strings.Repeat(one, (wanted+n-1)/n)
		}
		if re.Op == syntax.OpStar {
			return ""
		}
		return one
	case syntax.OpConcat:
		var b strings.Builder
		for _, sub := range re.Sub {
			b.WriteString(shortest(sub, wanted))
		}
		return b.String()
	case syntax.OpAlternate:
		return shortest(re.Sub[0], wanted)
	}
	return ""
}
