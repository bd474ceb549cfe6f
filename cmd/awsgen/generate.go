package main

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy/model"
)

// ownModel is the operator API, which is not imported.
const ownModel = "gigawatt.json"

func generate(models, api string) error {
	services, err := readModels(models)
	if err != nil {
		return err
	}
	if err := writeTables(filepath.Join(api, "catalog", "tables.bin"), services); err != nil {
		return err
	}
	wanted, err := readList(filepath.Join(models, "generate.txt"))
	if err != nil {
		return err
	}
	for _, w := range wanted {
		s := services[w.service]
		if s == nil {
			return fmt.Errorf("generate.txt names the unknown service %q", w.service)
		}
		if err := writePackage(api, s, w.operations); err != nil {
			return fmt.Errorf("%s: %w", w.service, err)
		}
	}
	return nil
}

func readModels(dir string) (map[string]*smithy.Service, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	out := make(map[string]*smithy.Service, len(files))
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".json")
		b, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		if b, err = patch(filepath.Join(dir, "patches", name+".json"), b); err != nil {
			return nil, err
		}
		if out[name], err = model.Parse(name, b); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// operation of RFC 6902, with the reason for it.
type patchOp struct {
	Op     string `json:"op"`
	Path   string `json:"path"`
	Value  any    `json:"value"`
	Reason string `json:"reason"`
}

// patch applies the file of patches to a model, if there is one.
func patch(file string, doc []byte) ([]byte, error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return doc, nil
	}
	if err != nil {
		return nil, err
	}
	var ops []patchOp
	if err := json.Unmarshal(b, &ops); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	var tree object
	if err := json.Unmarshal(doc, &tree); err != nil {
		return nil, err
	}
	for _, op := range ops {
		if op.Reason == "" {
			return nil, fmt.Errorf("%s: the patch of %s gives no reason", file, op.Path)
		}
		if err := apply(&tree, op); err != nil {
			return nil, fmt.Errorf("%s: %s %s: %w", file, op.Op, op.Path, err)
		}
	}
	return json.Marshal(&tree)
}

func apply(tree *object, op patchOp) error {
	raw, err := json.Marshal(op.Value)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	value, err := ordered(d)
	if err != nil {
		return err
	}
	steps := strings.Split(strings.TrimPrefix(op.Path, "/"), "/")
	for i := range steps {
		steps[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(steps[i])
	}
	var at any = tree
	for _, s := range steps[:len(steps)-1] {
		if at, err = step(at, s); err != nil {
			return err
		}
	}
	last := steps[len(steps)-1]
	switch parent := at.(type) {
	case *object:
		return parent.change(op.Op, last, value)
	case []any:
		i, err := strconv.Atoi(last)
		if err != nil || i < 0 || i >= len(parent) || op.Op != "replace" {
			return errors.New("lists only take replace at an index; replace the whole list instead")
		}
		parent[i] = value
		return nil
	}
	return errors.New("the path does not lead to an object")
}

func step(at any, name string) (any, error) {
	switch at := at.(type) {
	case *object:
		if v, ok := at.values[name]; ok {
			return v, nil
		}
	case []any:
		if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(at) {
			return at[i], nil
		}
	}
	return nil, fmt.Errorf("%q is not there", name)
}

func (o *object) change(op, key string, value any) error {
	_, there := o.values[key]
	switch {
	case op == "add" && !there:
		o.keys = append(o.keys, key)
		o.values[key] = value
	case op == "replace" && there:
		o.values[key] = value
	case op == "remove" && there:
		delete(o.values, key)
		for i, k := range o.keys {
			if k == key {
				o.keys = append(o.keys[:i:i], o.keys[i+1:]...)
				break
			}
		}
	default:
		return fmt.Errorf("cannot %s: the key is there: %t (did upstream mend it?)", op, there)
	}
	return nil
}

// writeTables writes all services: an index of packed metadata, then one
// compressed table for each.
func writeTables(file string, services map[string]*smithy.Service) error {
	names := make([]string, 0, len(services))
	for n := range services {
		names = append(names, n)
	}
	sort.Strings(names)
	var index, blocks []byte
	for _, n := range names {
		s := services[n]
		var z bytes.Buffer
		w, err := flate.NewWriter(&z, flate.BestCompression)
		if err != nil {
			return err
		}
		if _, err := w.Write(smithy.Pack(s)); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		head := smithy.Pack(&smithy.Service{Meta: s.Meta}) // without shapes: what routing needs
		index = binary.AppendUvarint(index, uint64(len(head)))
		index = append(index, head...)
		index = binary.AppendUvarint(index, uint64(z.Len()))
		blocks = append(blocks, z.Bytes()...)
	}
	out := binary.AppendUvarint(nil, uint64(len(names)))
	out = append(out, index...)
	return os.WriteFile(file, append(out, blocks...), 0o644)
}

type wanted struct {
	service    string
	operations []string // nil for all
}

// readList reads generate.txt: a service and its operations ("*" for all) a line.
func readList(file string) ([]wanted, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var out []wanted
	sc := bufio.NewScanner(bytes.NewReader(b))
	for sc.Scan() {
		line, _, _ := strings.Cut(sc.Text(), "#")
		f := strings.Fields(line)
		switch {
		case len(f) == 0:
		case len(f) == 2 && f[1] == "*":
			out = append(out, wanted{service: f[0]})
		case len(f) >= 2:
			out = append(out, wanted{f[0], f[1:]})
		default:
			return nil, fmt.Errorf("%s: %q: want a service and its operations", file, line)
		}
	}
	return out, sc.Err()
}
