package simulate

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	api "github.com/gigawatt-cloud/gigawatt/api/iamapi"
)

// position is a place in a text: both count from 1, columns in characters.
type position struct{ line, column int32 }

func (p position) api() *api.Position { return &api.Position{Line: &p.line, Column: &p.column} }

// span is where a statement begins, and the place after its end.
type span struct{ start, end position }

// positions finds the statements of a policy that is known to be valid JSON.
func positions(document string) []span {
	dec := json.NewDecoder(strings.NewReader(document))
	if _, err := dec.Token(); err != nil { // the opening brace
		return nil
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil
		}
		if key == "Statement" {
			return statements(dec, document)
		}
		var skip json.RawMessage
		if err := dec.Decode(&skip); err != nil {
			return nil
		}
	}
	return nil
}

// statements is one object, or a list of them.
func statements(dec *json.Decoder, document string) []span {
	var all json.RawMessage
	if err := dec.Decode(&all); err != nil {
		return nil
	}
	base := int(dec.InputOffset()) - len(all)
	if all[0] == '{' {
		return []span{spanOf(document, base, base+len(all))}
	}
	var out []span
	list := json.NewDecoder(strings.NewReader(string(all)))
	if _, err := list.Token(); err != nil { // the opening bracket
		return nil
	}
	for list.More() {
		var one json.RawMessage
		if err := list.Decode(&one); err != nil {
			return nil
		}
		end := base + int(list.InputOffset())
		out = append(out, spanOf(document, end-len(one), end))
	}
	return out
}

func spanOf(document string, from, to int) span {
	return span{place(document[:from]), place(document[:to])}
}

// place is where the text after before begins.
func place(before string) position {
	line := strings.LastIndexByte(before, '\n') + 1
	return position{int32(strings.Count(before, "\n") + 1), int32(utf8.RuneCountInString(before[line:]) + 1)}
}
