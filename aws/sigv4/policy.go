package sigv4

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// policy is a POST policy document.
type policy struct {
	expiration time.Time
	conditions []condition
}

type conditionOp uint8

const (
	opEq conditionOp = iota
	opStartsWith
	opRange
)

// condition is one condition of a policy.
type condition struct {
	op       conditionOp
	field    string // in small letters, without the dollar sign
	value    string
	min, max int64  // opRange
	text     string // as S3 quotes it
}

func badPolicy(sentence string) *Failure {
	return &Failure{Reason: PolicyDocument, Detail: sentence}
}

// parsePolicy reads a policy from its base64 text.
func parsePolicy(text string) (*policy, error) {
	if len(text) > maxPolicy {
		return nil, badPolicy("the document is too large.")
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil {
		return nil, badPolicy("invalid Base64 encoding.")
	}
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(unescapePolicy(raw), &doc); err != nil || doc == nil {
		return nil, badPolicy("Invalid JSON.")
	}
	for name := range doc {
		if name != "expiration" && name != "conditions" {
			return nil, badPolicy("Unexpected: '" + name + "'")
		}
	}
	p := new(policy)
	if p.expiration, err = parseExpiration(doc["expiration"]); err != nil {
		return nil, err
	}
	if doc["conditions"] == nil {
		return nil, badPolicy("Policy missing conditions.")
	}
	var list []json.RawMessage
	if err := json.Unmarshal(doc["conditions"], &list); err != nil || list == nil {
		return nil, badPolicy("Invalid 'conditions' value: must be a List.")
	}
	for _, item := range list {
		c, err := parseCondition(item)
		if err != nil {
			return nil, err
		}
		p.conditions = append(p.conditions, c)
	}
	return p, nil
}

// unescapePolicy mends the two escapes that policies may have and JSON has
// not: \$ and \v.
func unescapePolicy(raw []byte) []byte {
	if !bytes.Contains(raw, []byte(`\$`)) && !bytes.Contains(raw, []byte(`\v`)) {
		return raw
	}
	out := make([]byte, 0, len(raw)+16)
	for i := 0; i < len(raw); i++ {
		if raw[i] == '\\' && i+1 < len(raw) {
			i++
			switch raw[i] {
			case '$':
				out = append(out, '$')
			case 'v':
				out = append(out, `\u000b`...)
			default:
				out = append(out, '\\', raw[i])
			}
			continue
		}
		out = append(out, raw[i])
	}
	return out
}

func parseExpiration(raw json.RawMessage) (time.Time, error) {
	if raw == nil {
		return time.Time{}, badPolicy("Policy missing expiration.")
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return time.Time{}, badPolicy("Invalid 'expiration' value: must be a string.")
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, badPolicy("Invalid 'expiration' value: '" + text + "'")
	}
	return t, nil
}

// parseCondition reads {"field": "value"} or ["operator", …].
func parseCondition(raw json.RawMessage) (condition, error) {
	var object map[string]any
	if json.Unmarshal(raw, &object) == nil && object != nil {
		return parseSimple(object)
	}
	var list []any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if d.Decode(&list) != nil || list == nil {
		return condition{}, badPolicy("Invalid condition test: must be a List or Object.")
	}
	if len(list) == 0 {
		return condition{}, badPolicy("Invalid Condition: missing operation identifier.")
	}
	name, _ := list[0].(string)
	c := condition{text: quoteCondition(raw)}
	switch strings.ToLower(name) {
	case "eq":
		c.op = opEq
	case "starts-with":
		c.op = opStartsWith
	case "content-length-range":
		c.op = opRange
	default:
		return condition{}, badPolicy("Invalid Condition: unknown operation '" + name + "'.")
	}
	if len(list) != 3 {
		return condition{}, badPolicy("Invalid " + strings.ToLower(name) + ": wrong number of arguments.")
	}
	if c.op == opRange {
		return c, c.parseRange(list)
	}
	field, ok1 := list[1].(string)
	value, ok2 := list[2].(string)
	if !ok1 || !ok2 || len(field) < 2 || field[0] != '$' {
		return condition{}, badPolicy("Invalid " + strings.ToLower(name) + ": needs the name of a field after a dollar sign, and a string.")
	}
	c.field, c.value = strings.ToLower(field[1:]), value
	return c, nil
}

func parseSimple(object map[string]any) (condition, error) {
	if len(object) != 1 {
		return condition{}, badPolicy("Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.")
	}
	var c condition
	for field, v := range object {
		value, ok := v.(string)
		if !ok || field == "" {
			return condition{}, badPolicy("Invalid Simple-Condition: value must be a string.")
		}
		c = condition{field: strings.ToLower(field), value: value, text: eqText(field, value)}
	}
	return c, nil
}

func eqText(field, value string) string {
	list, _ := json.Marshal([]string{"eq", "$" + field, value}) // strings always marshal
	return quoteCondition(list)
}

// quoteCondition writes a list as S3 quotes it, with a space after each comma.
func quoteCondition(raw json.RawMessage) string {
	var items []json.RawMessage
	if json.Unmarshal(raw, &items) != nil {
		return string(raw)
	}
	texts := make([]string, len(items))
	for i, it := range items {
		texts[i] = string(it)
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

// parseRange reads the bounds of a content-length-range, numbers or strings of
// digits.
func (c *condition) parseRange(list []any) error {
	for i, to := range []*int64{&c.min, &c.max} {
		var text string
		switch v := list[i+1].(type) {
		case json.Number:
			text = v.String()
		case string:
			text = v
		}
		n, err := strconv.ParseUint(text, 10, 63)
		if err != nil {
			return badPolicy("Invalid content-length-range: the bounds must be numbers of bytes.")
		}
		*to = int64(n)
	}
	return nil
}

// holds reports whether a field satisfies the condition. A prefix of nothing
// holds for a field that is not there, too.
func (c *condition) holds(value string, ok bool) bool {
	if c.op == opEq {
		return ok && value == c.value
	}
	if c.field != "content-type" || !strings.Contains(value, ",") {
		return strings.HasPrefix(value, c.value)
	}
	for part := range strings.SplitSeq(value, ",") { // a list: each of them
		if !strings.HasPrefix(strings.TrimSpace(part), c.value) {
			return false
		}
	}
	return true
}

func (p *policy) checkLength(n int64) error {
	for _, c := range p.conditions {
		if c.op != opRange {
			continue
		}
		if n > c.max {
			return (&Failure{Reason: PolicyTooLarge}).with("ProposedSize", n).with("MaxSizeAllowed", c.max)
		}
		if n < c.min {
			return (&Failure{Reason: PolicyTooSmall}).with("ProposedSize", n).with("MinSizeAllowed", c.min)
		}
	}
	return nil
}
