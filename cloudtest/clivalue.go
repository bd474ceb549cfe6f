package cloudtest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// content is a value, or what is in the file that it names by file:// or fileb://.
func content(f files, v string) (string, error) {
	for _, scheme := range []string{"fileb://", "file://"} {
		if name, ok := strings.CutPrefix(v, scheme); ok {
			return f.read(name)
		}
	}
	return v, nil
}

// optionValue makes the neutral form of an option's values: several for a list
// only. Structures, maps and lists are JSON or shorthand.
func optionValue(f files, m *smithy.Member, values []string) (any, error) {
	if m.IsStream() {
		b, err := f.read(strings.TrimPrefix(strings.TrimPrefix(values[0], "fileb://"), "file://"))
		return []byte(b), err
	}
	if m.Shape.Kind != smithy.List {
		return oneValue(f, m.Shape, values[0])
	}
	if len(values) == 1 {
		text, err := content(f, values[0])
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(strings.TrimSpace(text), "[") {
			return fromJSON(m.Shape, text, f)
		}
	}
	list := []any{}
	for _, v := range values {
		e, err := oneValue(f, m.Shape.Elem.Shape, v)
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, nil
}

func oneValue(f files, sh *smithy.Shape, v string) (any, error) {
	text, err := content(f, v)
	if err != nil {
		return nil, err
	}
	switch sh.Kind {
	case smithy.Structure, smithy.Union, smithy.Map, smithy.List:
		if t := strings.TrimSpace(text); strings.HasPrefix(t, "{") || strings.HasPrefix(t, "[") {
			return fromJSON(sh, text, f)
		}
		return parseShorthand(sh, text)
	case smithy.Document:
		return fromJSON(sh, text, f)
	}
	return scalar(sh, text)
}

// fromJSON makes the neutral form of JSON as the AWS CLI takes it: blobs are
// plain text and times are written out.
func fromJSON(sh *smithy.Shape, text string, f files) (any, error) {
	text, err := content(f, text)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("invalid JSON: %w", err)
	}
	if d.More() {
		return nil, fmt.Errorf("invalid JSON: there is more after the value")
	}
	return neutralValue(sh, v)
}

func neutralValue(sh *smithy.Shape, v any) (any, error) {
	if sh == nil || sh.Kind == smithy.Document {
		return v, nil
	}
	var err error
	switch x := v.(type) {
	case map[string]any:
		for k, e := range x {
			elem := sh.Elem
			if sh.Kind != smithy.Map {
				elem = sh.Member(k)
			}
			if elem == nil {
				return nil, fmt.Errorf("unknown parameter %q in a %s", k, sh.Name)
			}
			if x[k], err = neutralValue(elem.Shape, e); err != nil {
				return nil, err
			}
		}
	case []any:
		if sh.Elem == nil {
			return nil, fmt.Errorf("a %s is no list", sh.Name)
		}
		for i, e := range x {
			if x[i], err = neutralValue(sh.Elem.Shape, e); err != nil {
				return nil, err
			}
		}
	case string:
		if sh.Kind == smithy.Blob || sh.Kind == smithy.Timestamp {
			return scalar(sh, x)
		}
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
		for _, form := range []string{time.RFC3339, "2006-01-02T15:04:05", time.DateOnly} {
			if t, err := time.Parse(form, s); err == nil {
				return float64(t.UnixMilli()) / 1000, nil
			}
		}
		n, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return nil, fmt.Errorf("invalid timestamp %q", s)
		}
		return n, nil
	}
	return s, nil
}
