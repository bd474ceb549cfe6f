package gigawatt_test

import (
	"go/ast"
	"strings"
	"testing"
)

// The sizes that tell you to stop and split. A file or package that reaches
// its limit is split by family of resources, with imports one way, and never
// by technical layer.
const (
	maxFileLines    = 500
	maxFuncLines    = 80
	maxServiceLines = 5000
)

// sizeExceptions may be longer, each for its reason. The name is a file, or
// file:Func or file:Type.Method. An exception that is no longer needed fails.
var sizeExceptions = map[string]string{}

// TestSizes measures files and functions of all modules. Generated files and
// testdata are left out, and so is the length of a function in a test file: a
// table of cases with a loop below it is as long as it has cases.
func TestSizes(t *testing.T) {
	needed := map[string]bool{}
	over := func(name string, lines, limit int) {
		if lines <= limit {
			return
		}
		needed[name] = true
		if sizeExceptions[name] == "" {
			t.Errorf("%s has %d lines, more than %d: split it, or name it in sizeExceptions with a reason", name, lines, limit)
		}
	}
	for _, f := range goFiles(t) {
		if f.generated {
			continue
		}
		over(f.path, f.lines, maxFileLines)
		if f.test {
			continue
		}
		for _, d := range f.syntax.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				over(f.path+":"+funcName(fn), funcLines(f, fn), maxFuncLines)
			}
		}
	}
	for name, reason := range sizeExceptions {
		if !needed[name] {
			t.Errorf("sizeExceptions names %s (%s), which is within the limits: remove it", name, reason)
		}
	}
}

// TestServiceSizes holds each service with all its packages, tests left out,
// to what one person can keep in mind.
func TestServiceSizes(t *testing.T) {
	lines := map[string]int{}
	for _, f := range goFiles(t) {
		if strings.HasPrefix(f.path, "services/") && !f.test && !f.generated {
			lines[f.dir()] += f.lines
		}
	}
	for dir, n := range lines {
		if n > maxServiceLines {
			t.Errorf("package %s has %d lines, more than %d: split it by family of resources", dir, n, maxServiceLines)
		}
	}
}

// TestFuncLines pins how lines are counted: a function of exactly the limit passes.
func TestFuncLines(t *testing.T) {
	for _, f := range goFiles(t) {
		if f.path != "sizes_test.go" {
			continue
		}
		for _, d := range f.syntax.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Name.Name == "threeLines" {
				if got := funcLines(f, fn); got != 3 {
					t.Errorf("threeLines is counted as %d lines", got)
				}
				return
			}
		}
	}
	t.Error("threeLines was not found")
}

func threeLines() string {
	return "a function of three lines, from func to the closing brace"
}

var _ = threeLines

func funcLines(f *goFile, fn *ast.FuncDecl) int {
	return f.fset.Position(fn.End()).Line - f.fset.Position(fn.Pos()).Line + 1
}

// funcName returns "Func" or "Type.Method".
func funcName(fn *ast.FuncDecl) string {
	if fn.Recv == nil || len(fn.Recv.List) == 0 {
		return fn.Name.Name
	}
	typ := fn.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	switch x := typ.(type) {
	case *ast.IndexExpr:
		typ = x.X
	case *ast.IndexListExpr:
		typ = x.X
	}
	if id, ok := typ.(*ast.Ident); ok {
		return id.Name + "." + fn.Name.Name
	}
	return fn.Name.Name
}
