package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// dropped are the keys of a model that hold prose, or rules for clients.
var dropped = map[string]bool{
	"documentation": true, "documentationUrl": true, "deprecatedMessage": true, "deprecatedSince": true,
	"staticContextParams": true, "operationContextParams": true, "contextParam": true, "clientContextParams": true,
	"endpointdiscovery": true, "endpointoperation": true, "examples": true,
}

// importModels copies the newest version of every service below dir.
func importModels(dir, to string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(to, "*.json"))
	if err != nil {
		return err
	}
	for _, f := range old {
		if filepath.Base(f) != ownModel {
			if err := os.Remove(f); err != nil {
				return err
			}
		}
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		b, err := newest(filepath.Join(dir, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			b, err = canonical(b)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", e.Name(), err)
		}
		if err := os.WriteFile(filepath.Join(to, e.Name()+".json"), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// newest reads the model of the newest API version in a service's folder.
func newest(dir string) ([]byte, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*", "service-2.json*"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fs.ErrNotExist
	}
	sort.Strings(files)
	name := files[len(files)-1]
	b, err := os.ReadFile(name)
	if err != nil || !strings.HasSuffix(name, ".gz") {
		return b, err
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// canonical drops prose and writes one line for each operation and shape, so
// that a new version of a model is a readable diff.
func canonical(b []byte) ([]byte, error) {
	var doc object
	if err := json.Unmarshal(b, &doc); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.WriteString("{\n")
	for i, key := range []string{"metadata", "operations", "shapes"} {
		section, ok := doc.get(key).(*object)
		if !ok {
			return nil, fmt.Errorf("the model has no %s", key)
		}
		section.strip(key == "metadata")
		line, err := json.Marshal(section)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&out, "%q:", key)
		if key == "metadata" {
			out.Write(line)
		} else if err := section.lines(&out); err != nil {
			return nil, err
		}
		if i < 2 {
			out.WriteString(",")
		}
		out.WriteString("\n")
	}
	out.WriteString("}\n")
	return out.Bytes(), nil
}

// object is a JSON object that keeps the order of its members.
type object struct {
	keys   []string
	values map[string]any
}

func (o *object) get(key string) any { return o.values[key] }

// UnmarshalJSON implements json.Unmarshaler.
func (o *object) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	v, err := ordered(d)
	if err != nil {
		return err
	}
	obj, ok := v.(*object)
	if !ok {
		return errors.New("not a JSON object")
	}
	*o = *obj
	return nil
}

func ordered(d *json.Decoder) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t {
	case json.Delim('{'):
		o := &object{values: map[string]any{}}
		for d.More() {
			k, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := ordered(d)
			if err != nil {
				return nil, err
			}
			o.keys = append(o.keys, k.(string))
			o.values[k.(string)] = v
		}
		_, err := d.Token()
		return o, err
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := ordered(d)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := d.Token()
		return list, err
	}
	return t, nil
}

// MarshalJSON implements json.Marshaler.
func (o *object) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, k := range o.keys {
		if i > 0 {
			out.WriteByte(',')
		}
		if err := o.entry(&out, k); err != nil {
			return nil, err
		}
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

func (o *object) entry(out *bytes.Buffer, k string) error {
	key, err := json.Marshal(k)
	if err != nil {
		return err
	}
	out.Write(key)
	out.WriteByte(':')
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(o.values[k]); err != nil {
		return err
	}
	out.Truncate(out.Len() - 1) // Encode ends with a newline
	return nil
}

// lines writes the object with one line for each member, sorted by name.
func (o *object) lines(out *bytes.Buffer) error {
	keys := append([]string(nil), o.keys...)
	sort.Strings(keys)
	out.WriteString("{\n")
	for i, k := range keys {
		if err := o.entry(out, k); err != nil {
			return err
		}
		if i < len(keys)-1 {
			out.WriteByte(',')
		}
		out.WriteByte('\n')
	}
	out.WriteString("}")
	return nil
}

// strip removes the dropped keys. Keys of "members", "operations" and "shapes"
// are names of the API, not of the model language, and stay.
func (o *object) strip(modelKeys bool) {
	if modelKeys {
		keep := o.keys[:0]
		for _, k := range o.keys {
			if dropped[k] {
				delete(o.values, k)
				continue
			}
			keep = append(keep, k)
		}
		o.keys = keep
	}
	for _, k := range o.keys {
		stripValue(o.values[k], !modelKeys || k != "members")
	}
}

func stripValue(v any, modelKeys bool) {
	switch v := v.(type) {
	case *object:
		v.strip(modelKeys)
	case []any:
		for _, e := range v {
			stripValue(e, true)
		}
	}
}
