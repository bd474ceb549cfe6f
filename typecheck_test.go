package gigawatt_test

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// typeLoader type-checks packages from their source: those of this module,
// those of the modules that go.mod requires, and the standard library. It
// opens every file itself, for the reason that the package comment gives, and
// leaves out the function bodies that nobody asked for, which are most of the
// work. It implements types.Importer.
type typeLoader struct {
	fset    *token.FileSet
	ctx     build.Context
	cache   string            // the module cache
	modules map[string]string // module path -> version, from go.mod
	bodies  func(pkg *sourcePackage) bool
	loaded  map[string]*sourcePackage
}

// sourcePackage is a package as the loader found it.
type sourcePackage struct {
	path  string
	files []*ast.File
	types *types.Package
	info  *types.Info // nil when its function bodies were left out
	err   error
}

// newTypeLoader returns a loader that checks the function bodies of the
// packages that bodies selects; it is asked when their files are parsed.
func newTypeLoader(t *testing.T, bodies func(pkg *sourcePackage) bool) (*typeLoader, error) {
	l := &typeLoader{
		fset: token.NewFileSet(), ctx: build.Default, modules: map[string]string{}, bodies: bodies,
		loaded: map[string]*sourcePackage{"unsafe": {path: "unsafe", types: types.Unsafe}},
	}
	l.ctx.CgoEnabled = false // the pure Go files say the same
	env, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT", "GOMODCACHE").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	dirs := strings.Split(strings.TrimSpace(string(env)), "\n")
	l.ctx.GOROOT, l.cache = dirs[0], dirs[len(dirs)-1] // a test that was built with -trimpath does not know them
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(mod)) {
		f := strings.Fields(strings.TrimPrefix(line, "require "))
		if len(f) >= 2 && strings.Contains(f[0], ".") && strings.HasPrefix(f[1], "v") {
			l.modules[f[0]] = f[1]
		}
	}
	return l, nil
}

// Import implements types.Importer.
func (l *typeLoader) Import(path string) (*types.Package, error) {
	p := l.load(path, "")
	return p.types, p.err
}

// ImportFrom implements types.ImporterFrom, because the standard library
// brings its own copies of packages.
func (l *typeLoader) ImportFrom(path, dir string, _ types.ImportMode) (*types.Package, error) {
	p := l.load(path, dir)
	return p.types, p.err
}

func (l *typeLoader) load(path, from string) *sourcePackage {
	src := filepath.Join(l.ctx.GOROOT, "src")
	if first, _, _ := strings.Cut(path, "/"); strings.HasPrefix(from, src+string(filepath.Separator)) && strings.Contains(first, ".") {
		path = "vendor/" + path
	}
	if p, ok := l.loaded[path]; ok {
		return p
	}
	p := &sourcePackage{path: path, err: fmt.Errorf("%s imports itself", path)}
	l.loaded[path] = p
	p.err = l.fill(p)
	return p
}

func (l *typeLoader) fill(p *sourcePackage) error {
	dir, err := l.dir(p.path)
	if err != nil {
		return err
	}
	found, err := l.ctx.ImportDir(dir, 0)
	if err != nil {
		return err
	}
	for _, name := range found.GoFiles {
		f, err := parser.ParseFile(l.fset, filepath.Join(dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		p.files = append(p.files, f)
	}
	return l.check(p)
}

// check type-checks the parsed files. Packages whose bodies were left out, and
// those of others, are taken as they are: the compiler has judged them.
func (l *typeLoader) check(p *sourcePackage) error {
	with := l.bodies(p)
	conf := types.Config{
		Importer: l, IgnoreFuncBodies: !with, FakeImportC: true, Sizes: types.SizesFor("gc", l.ctx.GOARCH),
		Error: func(error) {},
	}
	if with {
		conf.Error = nil
		p.info = &types.Info{
			Uses: map[*ast.Ident]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{},
			Types: map[ast.Expr]types.TypeAndValue{},
		}
	}
	var err error
	p.types, err = conf.Check(p.path, l.fset, p.files, p.info)
	if !with {
		err = nil
	}
	return err
}

// dir is the folder that holds the source of a package.
func (l *typeLoader) dir(path string) (string, error) {
	if rest, ok := strings.CutPrefix(path, modulePath); ok && (rest == "" || rest[0] == '/') {
		return "." + filepath.FromSlash(rest), nil
	}
	if first, _, _ := strings.Cut(path, "/"); first == "vendor" || !strings.Contains(first, ".") {
		return filepath.Join(l.ctx.GOROOT, "src", filepath.FromSlash(path)), nil
	}
	for mod := path; mod != "."; mod = strings.TrimSuffix(mod, "/"+lastSegment(mod)) {
		if v, ok := l.modules[mod]; ok {
			return filepath.Join(l.cache, escapeModule(mod)+"@"+escapeModule(v), filepath.FromSlash(path[len(mod):])), nil
		}
		if !strings.Contains(mod, "/") {
			break
		}
	}
	return "", fmt.Errorf("no module of go.mod provides %s", path)
}

func lastSegment(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// escapeModule writes a module path as the module cache does: file systems may
// not tell upper from lower case.
func escapeModule(path string) string {
	var b strings.Builder
	for _, r := range path {
		if unicode.IsUpper(r) {
			b.WriteByte('!')
			r = unicode.ToLower(r)
		}
		b.WriteRune(r)
	}
	return b.String()
}

// imports reports whether one of the package's files imports a path that the
// pattern of [matches] names.
func (p *sourcePackage) imports(pattern string) bool {
	return slices.ContainsFunc(p.files, func(f *ast.File) bool {
		return slices.ContainsFunc(f.Imports, func(s *ast.ImportSpec) bool {
			return matches(pattern, strings.Trim(s.Path.Value, `"`))
		})
	})
}
