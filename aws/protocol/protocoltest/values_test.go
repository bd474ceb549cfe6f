package protocoltest

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// value turns a suite's parameters into a value of the generic form. Both
// suites write blobs as plain text and timestamps as seconds.
func value(sh *smithy.Shape, x any) any {
	if x == nil || sh == nil {
		return nil
	}
	switch sh.Kind {
	case smithy.Structure, smithy.Union:
		out := map[string]any{}
		for name, v := range x.(map[string]any) {
			m := sh.Member(name)
			if m == nil {
				panic(fmt.Sprintf("%s has no member %s", sh.Name, name))
			}
			if v != nil {
				out[name] = value(m.Shape, v)
			}
		}
		return out
	case smithy.List:
		out := []any{}
		for _, v := range x.([]any) {
			out = append(out, value(sh.Elem.Shape, v))
		}
		return out
	case smithy.Map:
		out := map[string]any{}
		for k, v := range x.(map[string]any) {
			out[k] = value(sh.Elem.Shape, v)
		}
		return out
	case smithy.Blob:
		return []byte(x.(string))
	case smithy.Timestamp:
		if s, ok := x.(string); ok {
			return readTime(s)
		}
		return seconds(number(x))
	case smithy.Byte, smithy.Short, smithy.Integer, smithy.Long:
		n, err := x.(json.Number).Int64()
		if err != nil {
			return int64(number(x))
		}
		return n
	case smithy.Float, smithy.Double:
		return number(x)
	case smithy.Document:
		return plain(x)
	case smithy.String:
		if s, ok := x.(string); ok {
			return s
		}
		b, _ := json.Marshal(x) // a member with the jsonvalue trait
		return string(b)
	}
	return x
}

func number(x any) float64 {
	switch x := x.(type) {
	case json.Number:
		f, err := x.Float64()
		if err != nil {
			panic(err)
		}
		return f
	case float64:
		return x
	case string:
		switch x {
		case "NaN":
			return math.NaN()
		case "Infinity":
			return math.Inf(1)
		case "-Infinity":
			return math.Inf(-1)
		}
	}
	panic(fmt.Sprintf("%v is no number", x))
}

// seconds makes a time with the precision of milliseconds, which is what the
// wire formats carry.
func seconds(f float64) time.Time { return time.UnixMilli(int64(math.Round(f * 1000))).UTC() }

// stream replaces the bytes of a streaming member by a reader, as a handler
// would return it.
func stream(sh *smithy.Shape, v any) any {
	fields, ok := v.(map[string]any)
	if !ok || sh == nil {
		return v
	}
	for _, m := range sh.Members {
		if b, ok := fields[m.Name].([]byte); ok && m.IsStream() {
			fields[m.Name] = strings.NewReader(string(b))
		}
	}
	return v
}

// canonical gives a decoded value of the generic form one representation.
func canonical(sh *smithy.Shape, x any) any {
	if x == nil {
		return nil
	}
	switch sh.Kind {
	case smithy.Structure, smithy.Union:
		out := map[string]any{}
		for name, v := range x.(map[string]any) {
			m := sh.Member(name)
			if m == nil {
				out[name] = fmt.Sprintf("unknown member: %v", v)
				continue
			}
			if v != nil {
				out[name] = canonical(m.Shape, v)
			}
		}
		return out
	case smithy.List:
		out := []any{}
		for _, v := range x.([]any) {
			out = append(out, canonical(sh.Elem.Shape, v))
		}
		return out
	case smithy.Map:
		out := map[string]any{}
		for k, v := range x.(map[string]any) {
			out[k] = canonical(sh.Elem.Shape, v)
		}
		return out
	case smithy.Timestamp:
		return x.(time.Time).UTC().Round(time.Millisecond)
	case smithy.Blob:
		if r, ok := x.(io.Reader); ok {
			b, err := io.ReadAll(r)
			if err != nil {
				return err.Error()
			}
			return b
		}
	case smithy.Byte, smithy.Short, smithy.Integer, smithy.Long:
		return reflect.ValueOf(x).Int()
	case smithy.Float:
		return printable(float64(float32(x.(float64))))
	case smithy.Double:
		return printable(x.(float64))
	case smithy.Document:
		return plain(x)
	}
	return x
}

// printable makes NaN comparable.
func printable(f float64) any {
	if math.IsNaN(f) {
		return "NaN"
	}
	return f
}

// plain gives a document's numbers one type.
func plain(x any) any {
	switch x := x.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, v := range x {
			out[k] = plain(v)
		}
		return out
	case []any:
		out := make([]any, len(x))
		for i, v := range x {
			out[i] = plain(v)
		}
		return out
	case json.Number:
		return number(x)
	case int64:
		return float64(x)
	case uint64:
		return float64(x)
	case int:
		return float64(x)
	}
	return x
}
