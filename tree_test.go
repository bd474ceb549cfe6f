// Package gigawatt_test holds the tests that guard the repository as a whole:
// which package may import which (layers_test.go), how long a file may grow
// (sizes_test.go), what is linked into the binary (deps_test.go), which
// differences from AWS are known (differences_test.go), that every member of an
// implemented operation is read or refused (members_test.go) and that nothing
// depends on one particular machine (paths_test.go).
//
// They read the files of the work tree themselves. That is deliberate: Go's
// test cache notices each file and folder that a test opens, but not what a
// command that the test starts has read, so a rule that were checked by
// `go list` alone could be broken and still pass from the cache.
package gigawatt_test

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// modulePath is the import path of the root folder.
const modulePath = "github.com/gigawatt-cloud/gigawatt"

// update rewrites the files that tests in this package hold as golden.
var update = flag.Bool("update", false, "rewrite deps.txt and doc/differences.md")

// goFile is one parsed Go file of the work tree.
type goFile struct {
	path      string // with forward slashes, relative to the root
	module    string // folder of the module that it belongs to: ".", "tools" or "test"
	test      bool   // its name ends in _test.go
	generated bool   // it carries the standard "Code generated" line
	lines     int
	imports   []string
	fset      *token.FileSet
	syntax    *ast.File // without function bodies when generated
}

// dir is the folder of the file, which in the root module is also the path of
// its package.
func (f *goFile) dir() string { return path.Dir(f.path) }

// skippedDirs hold nothing that belongs to the repository, or other projects' files.
var skippedDirs = []string{".git", ".tools", "bin", "dist", "node_modules"}

// walk calls fn for every file of the work tree, in order.
func walk(fn func(name string) error) error {
	return filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains(skippedDirs, d.Name()):
			return filepath.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		return fn(filepath.ToSlash(name))
	})
}

// goFiles parses every Go file outside testdata, once.
func goFiles(t *testing.T) []*goFile {
	t.Helper()
	files, err := parsedTree()
	if err != nil {
		t.Fatal(err)
	}
	return files
}

var parsedTree = sync.OnceValues(func() ([]*goFile, error) {
	var files []*goFile
	err := walk(func(name string) error {
		if !strings.HasSuffix(name, ".go") || strings.Contains("/"+name, "/testdata/") {
			return nil
		}
		f, err := parseGoFile(name)
		if err != nil {
			return err
		}
		files = append(files, f)
		return nil
	})
	return files, err
})

func parseGoFile(name string) (*goFile, error) {
	src, err := os.ReadFile(filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}
	f := &goFile{
		path:   name,
		module: ".",
		test:   strings.HasSuffix(name, "_test.go"),
		lines:  strings.Count(string(src), "\n"),
		fset:   token.NewFileSet(),
	}
	if top, _, _ := strings.Cut(name, "/"); top == "tools" || top == "test" {
		f.module = top
	}
	// Generated files are many and long; their imports say all there is to check.
	mode := parser.ParseComments | parser.SkipObjectResolution
	if f.syntax, err = parser.ParseFile(f.fset, name, src, mode|parser.ImportsOnly); err != nil {
		return nil, err
	}
	if f.generated = ast.IsGenerated(f.syntax); !f.generated {
		f.fset = token.NewFileSet()
		if f.syntax, err = parser.ParseFile(f.fset, name, src, mode); err != nil {
			return nil, err
		}
	}
	for _, spec := range f.syntax.Imports {
		imp, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		f.imports = append(f.imports, imp)
	}
	return f, nil
}

// matches reports whether an import path or a folder is what pattern names: the
// path itself, or with a trailing "/..." that path and everything below it.
func matches(pattern, name string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "/..."); ok {
		return name == prefix || strings.HasPrefix(name, prefix+"/")
	}
	return pattern == "..." || pattern == name
}

// matchesAny reports whether one of the patterns names it.
func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, name) })
}
