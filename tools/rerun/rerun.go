// Package rerun finds functions that are wrong when they run twice.
//
// kv's Update runs the function that it is given again after a conflict. What
// such a function does to tx is undone first; what it does to the variables
// around it is not. So it may set them, but may not add to what an earlier run
// left there: no counting, no appending, no entries into a map, unless the
// function has set the variable itself before. It sends nothing on a channel
// and starts no goroutine; tx.OnCommit is for that.
//
// The analyzer looks at every function literal whose parameter is a *kv.Tx and
// that is passed to something called Update. It does not look into functions
// that the literal calls.
package rerun

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/inspect"
	"golang.org/x/tools/go/ast/inspector"
)

// Analyzer reports effects in an Update function that a second run would repeat.
var Analyzer = &analysis.Analyzer{
	Name:     "rerun",
	Doc:      "find effects that are doubled when kv runs an Update function again",
	Requires: []*analysis.Analyzer{inspect.Analyzer},
	Run:      run,
}

func run(pass *analysis.Pass) (any, error) {
	in := pass.ResultOf[inspect.Analyzer].(*inspector.Inspector)
	in.Preorder([]ast.Node{(*ast.CallExpr)(nil)}, func(n ast.Node) {
		call := n.(*ast.CallExpr)
		if !strings.HasSuffix(strings.ToLower(calleeName(call)), "update") {
			return
		}
		for _, arg := range call.Args {
			if fn, ok := arg.(*ast.FuncLit); ok && takesTx(pass, fn) {
				c := &check{pass: pass, fn: fn}
				ast.Inspect(fn.Body, c.visit)
			}
		}
	})
	return nil, nil
}

func calleeName(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}

// takesTx reports whether one of the function's parameters is a *kv.Tx.
func takesTx(pass *analysis.Pass, fn *ast.FuncLit) bool {
	for _, p := range fn.Type.Params.List {
		ptr, ok := pass.TypesInfo.TypeOf(p.Type).(*types.Pointer)
		if !ok {
			continue
		}
		named, ok := types.Unalias(ptr.Elem()).(*types.Named)
		if ok && named.Obj().Name() == "Tx" && named.Obj().Pkg().Name() == "kv" {
			return true
		}
	}
	return false
}

// check walks one function literal. Statements come in the order of the
// source, so an expression that was set before is known when it is added to.
type check struct {
	pass *analysis.Pass
	fn   *ast.FuncLit
	set  []string
}

func (c *check) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.CallExpr:
		// What OnCommit is given runs once.
		return calleeName(n) != "OnCommit"
	case *ast.GoStmt:
		c.pass.Reportf(n.Pos(), "starts a goroutine in a transaction, which may run again")
	case *ast.SendStmt:
		c.pass.Reportf(n.Pos(), "sends on a channel in a transaction, which may run again")
	case *ast.IncDecStmt:
		c.adds(n.X, "counts")
	case *ast.AssignStmt:
		c.assign(n)
	}
	return true
}

func (c *check) assign(n *ast.AssignStmt) {
	for i, lhs := range n.Lhs {
		switch {
		case n.Tok == token.DEFINE:
		case n.Tok != token.ASSIGN:
			c.adds(lhs, "adds to")
		case len(n.Lhs) == len(n.Rhs) && appendsTo(n.Rhs[i], lhs):
			c.adds(lhs, "appends to")
		case c.isMapEntry(lhs):
			c.adds(lhs, "puts entries into")
		default:
			c.set = append(c.set, types.ExprString(lhs))
		}
	}
}

// appendsTo reports whether x is append(lhs, …).
func appendsTo(x, lhs ast.Expr) bool {
	call, ok := x.(*ast.CallExpr)
	return ok && calleeName(call) == "append" && len(call.Args) > 0 &&
		types.ExprString(call.Args[0]) == types.ExprString(lhs)
}

func (c *check) isMapEntry(x ast.Expr) bool {
	ix, ok := x.(*ast.IndexExpr)
	if !ok {
		return false
	}
	_, ok = c.pass.TypesInfo.TypeOf(ix.X).Underlying().(*types.Map)
	return ok
}

// adds reports an addition to x when x lives outside the function and the
// function has not set it, or something that holds it, before.
func (c *check) adds(x ast.Expr, what string) {
	name := types.ExprString(x)
	if ix, ok := x.(*ast.IndexExpr); ok {
		x, name = ix.X, types.ExprString(ix.X)
	}
	for holder := x; ; {
		if text := types.ExprString(holder); c.wasSet(text) {
			return
		}
		switch h := holder.(type) {
		case *ast.SelectorExpr:
			holder = h.X
		case *ast.IndexExpr:
			holder = h.X
		case *ast.StarExpr:
			holder = h.X
		case *ast.ParenExpr:
			holder = h.X
		case *ast.Ident:
			obj := c.pass.TypesInfo.ObjectOf(h)
			if obj != nil && (obj.Pos() < c.fn.Pos() || obj.Pos() > c.fn.End()) {
				c.pass.Reportf(x.Pos(), "%s %s, which outlives the transaction: when it runs again the effect is doubled; set it first, or count within", what, name)
			}
			return
		default:
			return
		}
	}
}

func (c *check) wasSet(name string) bool {
	for _, s := range c.set {
		if s == name {
			return true
		}
	}
	return false
}
