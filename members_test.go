package gigawatt_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/gigawatt-cloud/gigawatt/api/catalog"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
	"github.com/gigawatt-cloud/gigawatt/server"
)

// TestNoIgnoredMember is truth by construction: every member of every
// implemented operation's input, nested ones too, is read by the service's
// code or refused on the operation's Handle line. A read is a selector on the
// generated type's field, or on the field that it becomes in a conversion of
// the whole struct; an assignment to a field or to the blank identifier is
// none. Whether the code does the right thing with it is for other tests.
func TestNoIgnoredMember(t *testing.T) {
	code, err := loadServices(t)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range server.Implemented() {
		for _, h := range s.Handlers {
			op := catalog.Service(h.Service).Operation(h.Name)
			line, ok := code.handles[h.Input().PkgPath()+"."+h.Name]
			if op == nil || !ok {
				t.Errorf("%s %s: no line service.Handle(api.%s, …) names this operation's descriptor", h.Service, h.Name, h.Name)
				continue
			}
			if op.Input == nil {
				continue
			}
			for _, problem := range code.ignored(line.tree, op.Input, h.Input().PkgPath(), h.Input().Name(), slices.Concat(h.Refused, byGateway(op), ignoredByAWS[op.Name])) {
				t.Errorf("%s: %s %s: %s", code.fset.Position(line.pos), h.Service, h.Name, problem)
			}
		}
	}
}

// byGateway are the members that the gateway honours for every service: the
// checksums of payloads that are held in memory.
func byGateway(op *smithy.Operation) (members []string) {
	if p := op.Input.PayloadMember(); op.Checksum == nil || p != nil && p.IsStream() {
		return nil
	}
	for _, m := range op.Input.Members {
		if m.Name == op.Checksum.RequestAlgorithmMember || strings.EqualFold(m.WireName(), "Content-MD5") {
			members = append(members, m.Name)
		}
	}
	return members
}

// ignoredByAWS are members that AWS takes and does nothing with: clients send
// back what they were answered.
var ignoredByAWS = map[string][]string{
	"PutBucketAcl":     {"AccessControlPolicy.Owner.DisplayName", "AccessControlPolicy.Grants.Grantee.DisplayName"},
	"PutObjectAcl":     {"AccessControlPolicy.Owner.DisplayName", "AccessControlPolicy.Grants.Grantee.DisplayName"},
	"PutBucketLogging": {"BucketLoggingStatus.LoggingEnabled.TargetGrants.Grantee.DisplayName"},
}

// loadServices type-checks the services that the server is made of, and what
// they share that reads their inputs.
func loadServices(t *testing.T) (*memberCode, error) {
	l, err := newTypeLoader(t, func(p *sourcePackage) bool {
		dir, ours := strings.CutPrefix(p.path, modulePath+"/")
		return ours && !matches("api/...", dir) && (matches("services/...", dir) || p.imports(modulePath+"/api/..."))
	})
	if err != nil {
		return nil, err
	}
	for _, f := range goFiles(t) {
		if f.test || f.dir() != "server" {
			continue
		}
		for _, imp := range f.imports {
			if !matches(modulePath+"/services/...", imp) {
				continue
			}
			if p := l.load(imp, ""); p.err != nil {
				return nil, p.err
			}
		}
	}
	return newMemberCode(l), nil
}

// memberCode knows which fields the loaded packages read.
type memberCode struct {
	fset     *token.FileSet
	packages map[string]*sourcePackage
	handles  map[string]handleLine // path of the API package, ".", operation
	reads    map[*types.Var]map[string]bool
	becomes  []conversion
}

// handleLine is where an operation is handled, and the folder of its service.
type handleLine struct {
	pos  token.Pos
	tree string
}

// conversion of a struct's field to the field of another struct, in a tree.
type conversion struct {
	from, to *types.Var
	tree     string
}

func newMemberCode(l *typeLoader) *memberCode {
	m := &memberCode{
		fset: l.fset, packages: l.loaded, handles: map[string]handleLine{}, reads: map[*types.Var]map[string]bool{},
	}
	for _, p := range l.loaded {
		if p.info == nil {
			continue
		}
		for _, f := range p.files {
			m.scan(p, f, treeOf(p.path))
		}
	}
	for changed := true; changed; { // a read of what a field became reads the field
		changed = false
		for _, c := range m.becomes {
			for tree := range m.reads[c.to] {
				changed = m.read(c.from, tree) || changed
			}
		}
	}
	return m
}

// shared is the tree of packages that belong to no service.
const shared = ""

// treeOf is the service that a package belongs to, as its folder.
func treeOf(pkg string) string {
	dir := strings.TrimPrefix(pkg, modulePath+"/")
	if f := strings.SplitN(dir, "/", 3); f[0] == "services" && len(f) > 1 {
		return path.Join(f[:2]...)
	}
	return shared
}

// read notes a read of a field and reports whether it is news.
func (m *memberCode) read(v *types.Var, tree string) bool {
	v = v.Origin()
	if m.reads[v] == nil {
		m.reads[v] = map[string]bool{}
	}
	news := !m.reads[v][tree]
	m.reads[v][tree] = true
	return news
}

// scan notes a file's reads, conversions and Handle lines.
func (m *memberCode) scan(p *sourcePackage, f *ast.File, tree string) {
	written := writes(f)
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if sel := p.info.Selections[n]; sel != nil && sel.Kind() == types.FieldVal && !written[n] {
				for _, v := range fieldsOf(sel) {
					m.read(v, tree)
				}
			}
		case *ast.CallExpr:
			m.handle(p, n, tree)
			if tv := p.info.Types[n.Fun]; tv.IsType() && len(n.Args) == 1 {
				m.convert(p.info.TypeOf(n.Args[0]), tv.Type, tree)
			}
		}
		return true
	})
}

// fieldsOf are the fields that a selector passes, embedded ones included.
func fieldsOf(sel *types.Selection) []*types.Var {
	var out []*types.Var
	t := sel.Recv()
	for _, i := range sel.Index() {
		s := structOf(t)
		if s == nil {
			break
		}
		out = append(out, s.Field(i))
		t = s.Field(i).Type()
	}
	return out
}

func structOf(t types.Type) *types.Struct {
	if p, ok := t.Underlying().(*types.Pointer); ok {
		t = p.Elem()
	}
	s, _ := t.Underlying().(*types.Struct)
	return s
}

func (m *memberCode) convert(from, to types.Type, tree string) {
	f, t := structOf(from), structOf(to)
	if f == nil || t == nil || f.NumFields() != t.NumFields() {
		return
	}
	for i := range f.NumFields() {
		if a, b := f.Field(i).Origin(), t.Field(i).Origin(); a != b {
			m.becomes = append(m.becomes, conversion{a, b, tree})
		}
	}
}

// handle notes service.Handle(api.Operation, …).
func (m *memberCode) handle(p *sourcePackage, call *ast.CallExpr, tree string) {
	fun, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) == 0 {
		return
	}
	if o := p.info.Uses[fun.Sel]; o == nil || o.Name() != "Handle" || o.Pkg() == nil || o.Pkg().Path() != modulePath+"/service" {
		return
	}
	if op, ok := call.Args[0].(*ast.SelectorExpr); ok {
		if o := p.info.Uses[op.Sel]; o != nil && o.Pkg() != nil {
			m.handles[o.Pkg().Path()+"."+o.Name()] = handleLine{call.Pos(), tree}
		}
	}
}

// writes are the selectors of a file that only name where something is stored,
// or whose value goes to the blank identifier.
func writes(f *ast.File) map[*ast.SelectorExpr]bool {
	out := map[*ast.SelectorExpr]bool{}
	stored := func(list ...ast.Expr) {
		for _, e := range list {
			for e != nil {
				switch x := e.(type) {
				case *ast.SelectorExpr:
					out[x], e = true, x.X
				case *ast.ParenExpr:
					e = x.X
				case *ast.StarExpr:
					e = x.X
				case *ast.IndexExpr:
					e = x.X
				default:
					e = nil
				}
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			stored(n.Lhs...)
			for i, e := range n.Lhs {
				if isBlank(e) && len(n.Lhs) == len(n.Rhs) {
					stored(n.Rhs[i])
				}
			}
		case *ast.ValueSpec:
			for i, e := range n.Names {
				if isBlank(e) && len(n.Names) == len(n.Values) {
					stored(n.Values[i])
				}
			}
		case *ast.IncDecStmt:
			stored(n.X)
		case *ast.RangeStmt:
			stored(n.Key, n.Value)
		}
		return true
	})
	return out
}

func isBlank(e ast.Expr) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == "_"
}

// ignored says what is wrong with the members of an input: those that nobody
// in the service's tree reads and that are not refused, and refusals that name
// no member.
func (m *memberCode) ignored(tree string, input *smithy.Shape, pkg, name string, refused []string) []string {
	w := &memberWalk{memberCode: m, tree: tree, api: m.packages[pkg].types, refused: refused}
	w.structure(input, w.api.Scope().Lookup(name).Type(), "", nil)
	for _, r := range refused {
		if !slices.Contains(w.met, r) {
			w.problems = append(w.problems, fmt.Sprintf("Refuse(%q) names no member of the input, or one of a member that is refused already", r))
		}
	}
	return w.problems
}

type memberWalk struct {
	*memberCode
	tree     string
	api      *types.Package
	refused  []string
	met      []string
	problems []string
}

func (w *memberWalk) structure(sh *smithy.Shape, t types.Type, prefix string, above []*smithy.Shape) {
	s := structOf(t)
	if s == nil || slices.Contains(above, sh) {
		return
	}
	above = append(slices.Clone(above), sh)
	for _, m := range sh.Members {
		f := s.Field(m.Index)
		at := prefix + m.Name
		if slices.Contains(w.refused, at) {
			w.met = append(w.met, at)
			continue
		}
		if trees := w.reads[f.Origin()]; !trees[w.tree] && !trees[shared] {
			w.problems = append(w.problems, fmt.Sprintf("nothing in %s reads %s (field %s of %s.%s): honour it, or add .Refuse(%q) to this line",
				w.tree, at, f.Name(), w.api.Name(), typeName(t), at))
			continue
		}
		w.below(m.Shape, f.Type(), at+".", above)
	}
}

// below descends into what a member holds.
func (w *memberWalk) below(sh *smithy.Shape, t types.Type, prefix string, above []*smithy.Shape) {
	if sh.EventStream { // its Go type does not name the union of its events
		if o := w.api.Scope().Lookup(sh.Name); o != nil {
			w.structure(sh, o.Type(), prefix, above)
		}
		return
	}
	if p, ok := t.(*types.Pointer); ok {
		t = p.Elem()
	}
	switch u := t.Underlying().(type) {
	case *types.Slice:
		if sh.Kind == smithy.List {
			w.below(sh.Elem.Shape, u.Elem(), prefix, above)
		}
	case *types.Map:
		if sh.Kind == smithy.Map {
			w.below(sh.Elem.Shape, u.Elem(), prefix, above)
		}
	case *types.Struct:
		if sh.Kind == smithy.Structure || sh.Kind == smithy.Union {
			w.structure(sh, t, prefix, above)
		}
	}
}

func typeName(t types.Type) string {
	if p, ok := t.(*types.Pointer); ok {
		t = p.Elem()
	}
	if n, ok := t.(*types.Named); ok {
		return n.Obj().Name()
	}
	return t.String()
}
