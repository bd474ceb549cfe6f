package cloudtest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jmespath/go-jmespath"

	"github.com/gigawatt-cloud/gigawatt/api/catalog"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

type jsonNumber = json.Number

// cliNames are services that the AWS CLI calls otherwise than botocore's folders.
var cliNames = map[string]string{"s3api": "s3"}

var (
	plural   = regexp.MustCompile(`[A-Z]{2,}s$`)
	firstCap = regexp.MustCompile(`(.)([A-Z][a-z]+)`)
	nextCap  = regexp.MustCompile(`([a-z0-9])([A-Z])`)
)

// kebab is a name of the model as the AWS CLI writes it.
func kebab(name string) string {
	if m := plural.FindString(name); m != "" {
		name = name[:len(name)-len(m)] + "-" + strings.ToLower(m)
	}
	name = firstCap.ReplaceAllString(name, "$1-$2")
	name = nextCap.ReplaceAllString(name, "$1-$2")
	return strings.ReplaceAll(strings.ToLower(name), "--", "-")
}

// command is a parsed command line.
type command struct {
	op      *smithy.Operation
	service string
	in      map[string]any
	query   string
	text    bool
	outfile string
}

// run calls what args say and returns what the AWS CLI would print.
func (s *session) run(args []string, read func(string) string, abs func(string) string) (string, error) {
	c, err := parse(args, read)
	if err != nil {
		return "", err
	}
	var out any
	if _, err := s.client.Call(context.Background(), c.service, c.op.Name, c.in, &out); err != nil {
		return "", err
	}
	if c.op.Output != nil {
		if out, err = c.present(out, abs); err != nil {
			return "", err
		}
	}
	return c.print(out)
}

func parse(args []string, read func(string) string) (*command, error) {
	if len(args) < 2 {
		return nil, fmt.Errorf("usage: aws SERVICE OPERATION [--member value …]")
	}
	c := &command{service: args[0], in: map[string]any{}}
	if n, ok := cliNames[c.service]; ok {
		c.service = n
	}
	sv := catalog.Service(c.service)
	if sv == nil {
		return nil, fmt.Errorf("AWS has no service %q", c.service)
	}
	for _, op := range sv.Operations {
		if kebab(op.Name) == args[1] {
			c.op = op
		}
	}
	if c.op == nil {
		return nil, fmt.Errorf("%s has no operation %q", c.service, args[1])
	}
	rest := args[2:]
	for len(rest) > 0 {
		name, ok := strings.CutPrefix(rest[0], "--")
		if !ok {
			c.outfile, rest = rest[0], rest[1:]
			continue
		}
		end := 1
		for end < len(rest) && !strings.HasPrefix(rest[end], "--") {
			end++
		}
		used, err := c.option(name, rest[1:end], read)
		if err != nil {
			return nil, fmt.Errorf("--%s: %w", name, err)
		}
		rest = rest[1+used:]
	}
	return c, nil
}

// option takes an option with its values and returns how many it used.
func (c *command) option(name string, values []string, read func(string) string) (int, error) {
	switch name {
	case "query", "output":
		if len(values) == 0 {
			return 0, fmt.Errorf("wants a value")
		}
		if name == "query" {
			c.query = values[0]
		} else {
			c.text = values[0] == "text"
		}
		return 1, nil
	case "no-sign-request", "no-paginate":
		return 0, nil
	case "cli-input-json":
		return 1, json.Unmarshal([]byte(content(values[0], read)), &c.in)
	}
	m, negated := c.member(name)
	if m == nil {
		return 0, fmt.Errorf("%s has no such member", c.op.Name)
	}
	if m.Shape.Kind == smithy.Boolean {
		c.in[m.Name] = !negated
		return 0, nil
	}
	if len(values) == 0 {
		return 0, fmt.Errorf("wants a value")
	}
	n := 1
	if m.Shape.Kind == smithy.List || m.Shape.Kind == smithy.Map || m.Shape.Kind == smithy.Structure {
		n = len(values)
		if c.streams() && m.Shape.Kind != smithy.List {
			n = 1 // an output file may follow
		}
	}
	v, err := value(m, values[:n], read)
	if err != nil {
		return 0, err
	}
	c.in[m.Name] = v
	return n, nil
}

func (c *command) member(name string) (m *smithy.Member, negated bool) {
	if c.op.Input == nil {
		return nil, false
	}
	for _, m := range c.op.Input.Members {
		if kebab(m.Name) == name {
			return m, false
		}
	}
	if rest, ok := strings.CutPrefix(name, "no-"); ok {
		m, _ = c.member(rest)
		return m, true
	}
	return nil, false
}

// streams reports whether the output has a payload that goes to a file.
func (c *command) streams() bool {
	m := c.op.Output.PayloadMember()
	return m != nil && m.IsStream()
}

// content reads file:// and fileb:// values.
func content(v string, read func(string) string) string {
	for _, scheme := range []string{"fileb://", "file://"} {
		if f, ok := strings.CutPrefix(v, scheme); ok {
			return read(f)
		}
	}
	return v
}

// value makes the neutral form of a member's values.
func value(m *smithy.Member, values []string, read func(string) string) (any, error) {
	sh := m.Shape
	if m.IsStream() {
		return []byte(read(strings.TrimPrefix(values[0], "fileb://"))), nil
	}
	first := content(values[0], read)
	switch sh.Kind {
	case smithy.Structure, smithy.Union, smithy.Map:
		return structured(sh, first, values)
	case smithy.List:
		if strings.HasPrefix(strings.TrimSpace(first), "[") {
			return fromJSON(first)
		}
		list := []any{}
		for _, v := range values {
			e, err := value(sh.Elem, []string{v}, read)
			if err != nil {
				return nil, err
			}
			list = append(list, e)
		}
		return list, nil
	case smithy.Document:
		var doc any
		return doc, json.Unmarshal([]byte(first), &doc)
	}
	return scalar(sh, first)
}

func structured(sh *smithy.Shape, first string, values []string) (any, error) {
	if strings.HasPrefix(strings.TrimSpace(first), "{") {
		return fromJSON(first)
	}
	p := &shorthand{s: strings.Join(values, ",")}
	return p.object(sh, "")
}

func fromJSON(text string) (any, error) {
	var v any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return v, nil
}

// scalar makes the neutral form of a text.
func scalar(sh *smithy.Shape, s string) (any, error) {
	switch sh.Kind {
	case smithy.Boolean:
		return strconv.ParseBool(strings.ToLower(s))
	case smithy.Byte, smithy.Short, smithy.Integer, smithy.Long:
		return strconv.ParseInt(s, 10, 64)
	case smithy.Float, smithy.Double:
		return strconv.ParseFloat(s, 64)
	case smithy.Blob:
		return base64.StdEncoding.EncodeToString([]byte(s)), nil
	case smithy.Timestamp:
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			n, nerr := strconv.ParseFloat(s, 64)
			return n, nerr
		}
		return float64(t.UnixMilli()) / 1000, nil
	}
	return s, nil
}

// present turns the neutral output into what the AWS CLI shows: times as text,
// payloads in the output file.
func (c *command) present(out any, abs func(string) string) (any, error) {
	m, ok := out.(map[string]any)
	if !ok {
		return out, nil
	}
	if p := c.op.Output.PayloadMember(); p != nil && p.IsStream() {
		text, _ := m[p.Name].(string)
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, err
		}
		delete(m, p.Name)
		if c.outfile != "" {
			if err := os.WriteFile(abs(c.outfile), b, 0o644); err != nil {
				return nil, err
			}
		}
	}
	return times(c.op.Output, out), nil
}

// times writes timestamps as the AWS CLI does.
func times(sh *smithy.Shape, v any) any {
	switch x := v.(type) {
	case map[string]any:
		for k, e := range x {
			elem := sh.Elem
			if sh.Kind != smithy.Map {
				elem = sh.Member(k)
			}
			if elem != nil {
				x[k] = times(elem.Shape, e)
			}
		}
	case []any:
		for i, e := range x {
			x[i] = times(sh.Elem.Shape, e)
		}
	case json.Number:
		if sh.Kind == smithy.Timestamp {
			if f, err := x.Float64(); err == nil {
				return time.UnixMicro(int64(f * 1e6)).UTC().Format("2006-01-02T15:04:05.999999+00:00")
			}
		}
	}
	return v
}

// print writes the result as JSON or text, through --query.
func (c *command) print(out any) (string, error) {
	if m, ok := out.(map[string]any); c.op.Output == nil || ok && len(m) == 0 && c.query == "" {
		return "", nil
	}
	if c.query != "" {
		var err error
		if out, err = jmespath.Search(c.query, plain(out)); err != nil {
			return "", err
		}
	}
	if c.text {
		return text(out) + "\n", nil
	}
	b, err := json.MarshalIndent(out, "", "    ")
	return string(b) + "\n", err
}

// plain replaces json.Number, which jmespath does not know.
func plain(v any) any {
	switch x := v.(type) {
	case map[string]any:
		for k, e := range x {
			x[k] = plain(e)
		}
	case []any:
		for i, e := range x {
			x[i] = plain(e)
		}
	case json.Number:
		if n, err := x.Int64(); err == nil {
			return float64(n)
		}
		f, _ := x.Float64()
		return f
	}
	return v
}

// text is --output text of what a query gives.
func text(v any) string {
	switch x := v.(type) {
	case nil:
		return "None"
	case string:
		return x
	case bool:
		if x {
			return "True"
		}
		return "False"
	case []any:
		rows := slices.ContainsFunc(x, func(e any) bool { _, ok := e.([]any); return ok })
		sep := "\t"
		if rows {
			sep = "\n"
		}
		parts := make([]string, len(x))
		for i, e := range x {
			parts[i] = text(e)
		}
		return strings.Join(parts, sep)
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}
