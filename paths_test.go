package gigawatt_test

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The names are put together here so that this file does not hold them.
var (
	localFolders = []string{"wo" + "rk", "ro" + "ot", "fa" + "rm", "tmp/sl" + "ot", "tmp/br" + "ief"}

	// localFolder finds an absolute path into a folder that exists on the
	// machine of whoever wrote the line, not on the reader's.
	localFolder = regexp.MustCompile(`(?:^|[\s"'=(\[{,;:` + "`" + `])/(?:` + strings.Join(localFolders, "|") + `)(?:/|[\s"')\]},;:` + "`" + `]|$)`)

	// registryHosts belong into the configuration of a package manager, where
	// a mirror can replace them, and never into the project.
	registryHosts = []string{
		"proxy.golang" + ".org", "sum.golang" + ".org", "registry.npmjs" + ".org", "registry.yarnpkg" + ".com",
		"pypi" + ".org", "pythonhosted" + ".org", "static.crates" + ".io", "repo1.maven" + ".org", "repo.maven.apache" + ".org",
	}

	// pathExceptions are lines that may hold such a path, each for its reason.
	// The name is a file; an exception that is no longer needed fails.
	pathExceptions = map[string]string{}
)

// TestNoLocalPaths keeps what is true on one machine only out of the repository.
func TestNoLocalPaths(t *testing.T) {
	needed := map[string]bool{}
	err := walk(func(name string) error {
		// Sums and lock files are written by their package managers.
		if slices.Contains([]string{"go.sum", "package-lock.json", ".git"}, path.Base(name)) {
			return nil
		}
		data, err := os.ReadFile(name)
		if err != nil || bytes.IndexByte(data[:min(len(data), 8<<10)], 0) >= 0 {
			return err // unreadable, or not a text
		}
		for _, found := range localNames(string(data)) {
			needed[name] = true
			if pathExceptions[name] == "" {
				t.Errorf("%s:%s", name, found)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, reason := range pathExceptions {
		if !needed[name] {
			t.Errorf("pathExceptions names %s (%s), which holds no such path: remove it", name, reason)
		}
	}
}

// localNames returns the offending lines with their numbers.
func localNames(text string) []string {
	// The models are large, and hardly a file holds any of the names.
	inText := func(name string) bool { return strings.Contains(text, name) }
	inPath := func(name string) bool { return strings.Contains(text, "/"+name) }
	if !slices.ContainsFunc(registryHosts, inText) && !slices.ContainsFunc(localFolders, inPath) {
		return nil
	}
	var out []string
	n := 0
	for line := range strings.Lines(text) {
		n++
		if m := localFolder.FindString(line); m != "" {
			out = append(out, fmt.Sprintf("%d: names the local folder %s", n, strings.TrimSpace(m)))
		}
		for _, h := range registryHosts {
			if strings.Contains(line, h) {
				out = append(out, fmt.Sprintf("%d: names the registry %s", n, h))
			}
		}
	}
	return out
}

// TestLocalNames shows what is found and what is left alone.
func TestLocalNames(t *testing.T) {
	cases := map[string]int{
		"cd /wo" + "rk/main":                           1,
		`open("/ro` + `ot/.aws")`:                      1,
		"DIR=/fa" + "rm":                               1,
		"GOPROXY=https://proxy.golang" + ".org,direct": 1,
		"one\n/tmp/sl" + "ot go test\n":                1,
		"arn:aws:iam::123456789012:root":               0,
		"POST /workspaces/x and /rooted":               0,
		"services/work/root":                           0,
		"GET /v1/work/items":                           0,
	}
	got := map[string]int{}
	for c := range cases {
		got[c] = len(localNames(c))
	}
	if diff := cmp.Diff(cases, got); diff != "" {
		t.Errorf("lines found (-want +got):\n%s", diff)
	}
}
