package cloudtest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jmespath/go-jmespath"

	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// takePayload takes a streamed payload out of the neutral output.
func (c *command) takePayload(out any) (string, error) {
	m, ok := out.(map[string]any)
	if !ok || !c.streams() {
		return "", nil
	}
	name := c.op.Output.PayloadMember().Name
	text, _ := m[name].(string)
	delete(m, name)
	b, err := base64.StdEncoding.DecodeString(text)
	return string(b), err
}

// presentTimes writes the timestamps in a neutral value as the AWS CLI does.
func presentTimes(sh *smithy.Shape, v any) any {
	switch x := v.(type) {
	case map[string]any:
		for k, e := range x {
			elem := sh.Elem
			if sh.Kind == smithy.Structure || sh.Kind == smithy.Union {
				elem = sh.Member(k)
			}
			if elem != nil {
				x[k] = presentTimes(elem.Shape, e)
			}
		}
	case []any:
		for i, e := range x {
			if sh.Elem != nil {
				x[i] = presentTimes(sh.Elem.Shape, e)
			}
		}
	case json.Number:
		if sh.Kind != smithy.Timestamp {
			return v
		}
		if f, err := x.Float64(); err == nil {
			return time.UnixMicro(int64(f * 1e6)).UTC().Format("2006-01-02T15:04:05.999999+00:00")
		}
	}
	return v
}

// print writes the result as JSON or text, through --query.
func (c *command) print(out any) (string, error) {
	if c.query != "" {
		var err error
		if out, err = jmespath.Search(c.query, plain(out)); err != nil {
			return "", fmt.Errorf("--query: %w", err)
		}
	}
	if m, ok := out.(map[string]any); ok && len(m) == 0 {
		return "", nil
	}
	var b bytes.Buffer
	if c.format == "text" {
		writeText(&b, out, "", nil)
		return b.String(), nil
	}
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "    ")
	err := e.Encode(out)
	return b.String(), err
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
		if f, err := x.Float64(); err == nil {
			return f
		}
	}
	return v
}

// writeText writes a value in the AWS CLI's text format: a line for each
// structure with its scalars in the order of their names, then a line for each
// structure in it, which starts with the name that it is under. columns are the
// names that all rows of a list have together.
func writeText(b *bytes.Buffer, v any, name string, columns []string) {
	switch x := v.(type) {
	case map[string]any:
		writeRow(b, x, name, columns)
	case []any:
		writeRows(b, x, name)
	default:
		b.WriteString(textOf(v) + "\n")
	}
}

func writeRow(b *bytes.Buffer, row map[string]any, name string, columns []string) {
	var nested []string
	if columns == nil {
		columns = scalarNames(row)
	}
	var cells []string
	for _, k := range columns {
		cell := ""
		if v, ok := row[k]; ok {
			cell = textOf(v)
		}
		cells = append(cells, cell)
	}
	for _, k := range slices.Sorted(maps.Keys(row)) {
		if !slices.Contains(columns, k) {
			nested = append(nested, k)
		}
	}
	if len(cells) > 0 {
		if name != "" {
			cells = append([]string{strings.ToUpper(name)}, cells...)
		}
		b.WriteString(strings.Join(cells, "\t") + "\n")
	}
	for _, k := range nested {
		writeText(b, row[k], k, nil)
	}
}

func writeRows(b *bytes.Buffer, list []any, name string) {
	var columns []string
	var scalars, others []any
	structured := false
	for _, e := range list {
		switch x := e.(type) {
		case map[string]any:
			structured = true
			columns = append(columns, scalarNames(x)...)
			others = append(others, e)
		case []any:
			others = append(others, e)
		default:
			scalars = append(scalars, e)
		}
	}
	slices.Sort(columns)
	columns = slices.Compact(columns)
	if structured {
		for _, e := range list {
			writeText(b, e, name, slices.Clone(columns))
		}
		return
	}
	if len(scalars) > 0 {
		writeScalars(b, scalars, name)
	}
	for _, e := range others {
		writeText(b, e, name, nil)
	}
}

func writeScalars(b *bytes.Buffer, list []any, name string) {
	cells := make([]string, len(list))
	for i, e := range list {
		if cells[i] = textOf(e); name != "" {
			b.WriteString(strings.ToUpper(name) + "\t" + cells[i] + "\n")
		}
	}
	if name == "" {
		b.WriteString(strings.Join(cells, "\t") + "\n")
	}
}

// scalarNames are the names under which a row has no lists and structures, in order.
func scalarNames(row map[string]any) []string {
	out := []string{}
	for _, k := range slices.Sorted(maps.Keys(row)) {
		switch row[k].(type) {
		case map[string]any, []any:
		default:
			out = append(out, k)
		}
	}
	return out
}

func textOf(v any) string {
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
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}
