package gigawatt_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	depsFile    = "deps.txt"
	depsProgram = "./cmd/gigawatt"
	depsHeader  = `# The modules that are linked into the gigawatt binary, one a line:
# module | licence | why it is here, or what brings it in
#
# A test compares this list with the build and each licence with the module's
# own licence file. After a change of dependencies run
#   go test -run TestDeps -update .
# and write the reasons that are missing.
`
)

// dep is one line of deps.txt.
type dep struct{ Module, Licence, Reason string }

// TestDeps holds deps.txt against what is linked. The list comes from the go
// command; parsing the tree first makes every Go file an input of this test,
// so that Go's test cache forgets the result when an import changes.
func TestDeps(t *testing.T) {
	goFiles(t)
	for _, name := range []string{"go.mod", "go.sum"} {
		if _, err := os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(depsFile)
	if err != nil {
		t.Fatal(err)
	}
	listed, err := parseDeps(string(data))
	if err != nil {
		t.Fatal(err)
	}
	reasons := map[string]string{}
	for _, d := range listed {
		reasons[d.Module] = d.Reason
	}
	linked := linkedModules(t)
	for i, d := range linked {
		linked[i].Reason = reasons[d.Module]
	}
	if *update {
		if err := os.WriteFile(depsFile, []byte(formatDeps(linked)), 0o644); err != nil {
			t.Fatal(err)
		}
		listed = linked
	}
	if diff := cmp.Diff(linked, listed); diff != "" {
		t.Errorf("%s differs from what %s links (-linked +listed):\n%s", depsFile, depsProgram, diff)
	}
	for _, d := range listed {
		if d.Licence == "" || len(d.Reason) < 10 {
			t.Errorf("%s: %s has no known licence or no reason", depsFile, d.Module)
		}
	}
}

// linkedModules asks the go command for the modules of the server, built as
// the Makefile builds it.
func linkedModules(t *testing.T) []dep {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Dir}}{{end}}{{end}}", depsProgram)
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0", "GOWORK=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	dirs := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if module, dir, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
			dirs[module] = dir
		}
	}
	var deps []dep
	for _, module := range slices.Sorted(maps.Keys(dirs)) {
		deps = append(deps, dep{Module: module, Licence: licenceOf(dirs[module])})
	}
	return deps
}

// licenceOf recognises the licence text in a module's folder.
func licenceOf(dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ""
	}
	for _, e := range entries {
		name := strings.ToLower(e.Name())
		if !strings.HasPrefix(name, "licen") && !strings.HasPrefix(name, "copying") {
			continue
		}
		if text, err := os.ReadFile(filepath.Join(dir, e.Name())); err == nil {
			if l := licenceName(string(text)); l != "" {
				return l
			}
		}
	}
	return ""
}

// licenceName returns the SPDX name of a licence text, "" when it is none of
// those that may be linked into an Apache-2.0 program without further thought.
func licenceName(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	for _, l := range []struct{ name, phrase string }{
		{"Apache-2.0", "Apache License Version 2.0, January 2004"},
		{"Apache-2.0", "Licensed under the Apache License, Version 2.0"},
		{"MPL-2.0", "Mozilla Public License Version 2.0"},
		{"MPL-2.0", "Mozilla Public License, version 2.0"},
		{"MIT", "Permission is hereby granted, free of charge, to any person obtaining a copy"},
		{"ISC", "Permission to use, copy, modify, and/or distribute this software for any purpose"},
		{"BSD-3-Clause", "may be used to endorse or promote products derived from this software"},
		{"BSD-2-Clause", "Redistributions in binary form must reproduce the above copyright"},
	} {
		if strings.Contains(strings.ToLower(text), strings.ToLower(l.phrase)) {
			return l.name
		}
	}
	return ""
}

func parseDeps(text string) ([]dep, error) {
	var deps []dep
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		parts := strings.SplitN(line, "|", 3)
		if len(parts) != 3 {
			return nil, fmt.Errorf("%s:%d: want module | licence | reason", depsFile, n)
		}
		deps = append(deps, dep{strings.TrimSpace(parts[0]), strings.TrimSpace(parts[1]), strings.TrimSpace(parts[2])})
	}
	return deps, nil
}

func formatDeps(deps []dep) string {
	var b strings.Builder
	b.WriteString(depsHeader)
	for _, d := range deps {
		b.WriteString(strings.TrimSpace(d.Module+" | "+d.Licence+" | "+d.Reason) + "\n")
	}
	return b.String()
}

// TestParseDeps reads a list back as it was written and refuses half a line.
func TestParseDeps(t *testing.T) {
	want := []dep{{"example.com/a", "MIT", "reads a | b"}, {"example.com/b/v2", "Apache-2.0", "brought in by a"}}
	got, err := parseDeps(formatDeps(want))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("deps (-want +got):\n%s", diff)
	}
	if _, err := parseDeps("example.com/a MIT"); err == nil {
		t.Error("a line without bars is accepted")
	}
}
