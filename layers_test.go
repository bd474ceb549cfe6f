package gigawatt_test

import (
	"go/ast"
	"path"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// layers is the map of the module, lowest first. A package imports packages of
// lower layers; within its own layer it imports only its own family, which is
// as many leading folders as the layer's kin says (0: the whole layer is one
// family). A package that no row names fails the test: give it a row.
//
// The longest pattern that names a package decides, so that kv/pebblekv is a
// driver although kv is a seam; of equals, the lower layer.
var layers = []layer{
	{"leaves", 0, []string{"internal/...", "aws/arn", "aws/awserr"}},
	{"what AWS defines", 1, []string{"aws/..."}},
	{"seams", 1, []string{
		"kv", "kv/driver", "kv/drivertest", "kv/occ",
		"blob", "blob/driver", "blob/drivertest", "blob/seal",
		"compute", "compute/driver", "compute/drivertest",
		"infer", "infer/driver", "infer/drivertest",
	}},
	{"shapes of the API", 1, []string{"models/...", "api/..."}},
	{"usage records", 1, []string{"meter/..."}},
	{"capacity", 1, []string{"fleet/..."}},
	{"the frame of services", 1, []string{"service/..."}},
	{"who may do what", 1, []string{"identity/..."}},
	{"services", 2, []string{"services/..."}},
	{"drivers", 2, []string{"kv/...", "blob/...", "compute/...", "infer/..."}},
	{"the front", 1, []string{"gateway/...", "billing/...", "console/..."}},
	{"composition root", 1, []string{"server/..."}},
	{"programs and the public test cloud", 1, []string{"cmd/...", "cloudtest/..."}},
}

type layer struct {
	name string
	kin  int
	dirs []string
}

// free are packages that are held to no layer.
var free = []string{
	".",              // these tests
	"cmd/awsgen/...", // a generator: it runs at development time and is never linked into the server
}

// drivers are the packages that only the composition root chooses between.
var drivers = []string{
	"kv/memkv/...", "kv/pebblekv/...", "kv/pgkv/...", "kv/faultkv/...",
	"blob/memblob/...", "blob/fileblob/...", "blob/s3blob/...",
}

var (
	clockReads = []string{
		"time.Now", "time.Since", "time.Until", "time.After", "time.AfterFunc",
		"time.Sleep", "time.Tick", "time.NewTimer", "time.NewTicker",
	}
	network = []string{"net.Dial", "net.Listen", "net.Lookup*", "http.Get", "http.Post", "http.DefaultClient", "http.ListenAndServe"}
)

// bans are imports and selectors that a layer alone would permit. A selector
// that ends in * stands for all that begin so.
var bans = []ban{
	{
		who: []string{"services/..."}, imports: append(under("net/http", "os"), "net"),
		why: "a service sees a decoded call, never the wire or the machine: what it keeps goes through kv and blob, what it runs through compute",
	},
	{
		who: []string{"services/...", "service/..."}, imports: under("math/rand"),
		why: "ids come from c.IDs, which tests seed, and secrets from crypto/rand",
	},
	{
		who: []string{"services/...", "service/...", "meter/...", "fleet/...", "billing/..."}, selectors: clockReads,
		why: "time is c.Now or the injected clock, so that tests and dev mode can move it",
	},
	{
		who: []string{"services/...", "service/...", "meter/...", "gateway/...", "api/...", "aws/..."}, imports: drivers,
		why: "only the composition root chooses a driver; everybody else holds the seam's portable type",
	},
	{
		who: []string{"aws/...", "api/..."}, imports: under("os", "log"),
		why: "what AWS defines is pure: it reads no file, starts nothing and logs nothing",
	},
	{
		who: []string{"aws/...", "api/..."}, selectors: append(network, clockReads...),
		why: "what AWS defines is pure: no network, and the time is an argument",
	},
	{
		who: []string{"kv/...", "blob/...", "compute/...", "infer/..."}, imports: under("api", "meter", "fleet", "service", "services"),
		why: "a driver knows its engine and its seam, and nothing of who uses it",
	},
	{
		who: []string{"gateway/...", "billing/..."}, imports: under("services"),
		why: "the gateway serves the list it is given; server/services.go is the only place that names services",
	},
	{
		who: []string{"console/..."}, imports: under("api", "kv", "blob", "compute", "infer", "meter", "fleet", "service", "services", "gateway"),
		why: "the console is a client of the public API, without a private door",
	},
	{
		who: []string{"..."}, except: []string{"kv/pebblekv/..."}, imports: []string{"github.com/cockroachdb/pebble/..."},
		why: "Pebble is one driver's engine; a second user would bypass the seam",
	},
	{
		who: []string{"..."}, imports: []string{"log", "io/ioutil", "github.com/pkg/errors"},
		why: "log/slog logs, os and io replace ioutil, and fmt.Errorf with %w wraps",
	},
	{
		who: []string{"..."}, except: []string{"kv/drivertest", "blob/drivertest", "compute/drivertest", "infer/drivertest", "cloudtest/..."},
		imports: []string{"testing"},
		why:     "the testing package belongs into test files, conformance tests and cloudtest",
	},
}

type ban struct {
	who, except []string
	imports     []string
	selectors   []string
	why         string
}

// under names packages and all below them.
func under(pkgs ...string) []string {
	for i, p := range pkgs {
		pkgs[i] = p + "/..."
	}
	return pkgs
}

// TestLayers holds the imports of every package against the table above.
func TestLayers(t *testing.T) {
	for _, f := range goFiles(t) {
		if f.module != "." || f.test || matchesAny(free, f.dir()) {
			continue
		}
		if rank(f.dir()) < 0 {
			t.Errorf("%s: no layer names the package %s: add it to the table in layers_test.go", f.path, f.dir())
			continue
		}
		for _, imp := range f.imports {
			if why := badImport(f.dir(), imp); why != "" {
				t.Errorf("%s imports %s: %s", f.path, imp, why)
			}
		}
		if f.generated {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			sel := selector(f, n)
			if sel == "" {
				return true
			}
			if why := badSelector(f.dir(), sel); why != "" {
				t.Errorf("%s uses %s: %s", f.fset.Position(n.Pos()), sel, why)
			}
			return true
		})
	}
}

// TestNoInit keeps registration visible: what the cloud consists of is a list
// in server/services.go, not the sum of what happens to be imported.
func TestNoInit(t *testing.T) {
	for _, f := range goFiles(t) {
		for _, d := range f.syntax.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: func init hides its caller; register in a list that can be read", f.fset.Position(fn.Pos()))
			}
		}
	}
}

// TestLayerRules shows that the table refuses what it is there to refuse.
func TestLayerRules(t *testing.T) {
	type imp struct{ From, Import string }
	cases := map[imp]bool{
		{"services/sqs", modulePath + "/service"}:              true,
		{"services/sqs", modulePath + "/kv"}:                   true,
		{"services/s3", modulePath + "/services/s3/multipart"}: true,
		{"services/s3", "net/netip"}:                           true,
		{"kv/pebblekv", modulePath + "/kv/occ"}:                true,
		{"kv/pebblekv", "github.com/cockroachdb/pebble/v2"}:    true,
		{"aws/arn", modulePath + "/aws/awserr"}:                true,
		{"server", modulePath + "/kv/pebblekv"}:                true,
		{"cmd/gigawatt", modulePath + "/server"}:               true,

		{"services/sqs", modulePath + "/services/s3"}:       false,
		{"services/sqs", modulePath + "/kv/memkv"}:          false,
		{"services/sqs", modulePath + "/gateway"}:           false,
		{"services/sqs", "net/http"}:                        false,
		{"services/sqs", "os/exec"}:                         false,
		{"service", modulePath + "/services/sqs"}:           false,
		{"kv", modulePath + "/blob"}:                        false,
		{"kv", modulePath + "/kv/memkv"}:                    false,
		{"kv/pebblekv", modulePath + "/kv/memkv"}:           false,
		{"kv/pebblekv", modulePath + "/service"}:            false,
		{"blob/fileblob", "testing"}:                        false,
		{"aws/policy", modulePath + "/kv"}:                  false,
		{"aws/sigv4", "os"}:                                 false,
		{"internal/id", modulePath + "/aws/sigv4"}:          false,
		{"gateway", modulePath + "/services/sqs"}:           false,
		{"gateway", modulePath + "/server"}:                 false,
		{"server", "github.com/cockroachdb/pebble/v2"}:      false,
		{"console", modulePath + "/services/iam"}:           false,
		{"fleet", modulePath + "/service"}:                  false,
		{"aws/protocol/restxml", modulePath + "/api/s3api"}: false,
	}
	got := map[imp]bool{}
	for c := range cases {
		got[c] = badImport(c.From, c.Import) == ""
	}
	if diff := cmp.Diff(cases, got); diff != "" {
		t.Errorf("permitted imports (-want +got):\n%s", diff)
	}
	if badSelector("services/sqs", "time.Now") == "" || badSelector("aws/sigv4", "net.LookupHost") == "" {
		t.Error("time.Now in a service or net.LookupHost in aws is permitted")
	}
	if why := badSelector("internal/clock", "time.Now"); why != "" {
		t.Errorf("time.Now in internal/clock is refused: %s", why)
	}
}

// rank returns the layer of a folder, -1 for none.
func rank(dir string) int {
	best, length := -1, -1
	for i, l := range layers {
		for _, p := range l.dirs {
			exact := len(strings.TrimSuffix(p, "/..."))
			if matches(p, dir) && exact > length {
				best, length = i, exact
			}
		}
	}
	return best
}

// badImport says why a package must not import another, or "".
func badImport(dir, imp string) string {
	name := imp
	if rel, ok := strings.CutPrefix(imp, modulePath+"/"); ok {
		from, to := rank(dir), rank(rel)
		switch {
		case to < 0:
			return "no layer names " + rel
		case to > from:
			return "imports go downwards, and " + layers[to].name + " are above " + layers[from].name
		case to == from && family(dir, layers[from].kin) != family(rel, layers[from].kin):
			return "packages of one layer (" + layers[from].name + ") do not import each other"
		}
		name = rel
	}
	for _, b := range bans {
		if matchesAny(b.who, dir) && !matchesAny(b.except, dir) && matchesAny(b.imports, name) {
			return b.why
		}
	}
	return ""
}

// badSelector says why a package must not use pkg.Name, or "".
func badSelector(dir, sel string) string {
	for _, b := range bans {
		if !matchesAny(b.who, dir) || matchesAny(b.except, dir) {
			continue
		}
		for _, s := range b.selectors {
			prefix, wild := strings.CutSuffix(s, "*")
			if s == sel || wild && strings.HasPrefix(sel, prefix) {
				return b.why
			}
		}
	}
	return ""
}

func family(dir string, kin int) string {
	parts := strings.Split(dir, "/")
	return strings.Join(parts[:min(kin, len(parts))], "/")
}

// selector returns "pkg.Name" when n selects from an imported package of the
// standard library, whatever name the file gave that import.
func selector(f *goFile, n ast.Node) string {
	sel, ok := n.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	x, ok := sel.X.(*ast.Ident)
	if !ok {
		return ""
	}
	for _, spec := range f.syntax.Imports {
		imp, err := strconv.Unquote(spec.Path.Value)
		if err != nil || strings.Contains(imp, ".") {
			continue
		}
		name := path.Base(imp)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		if name == x.Name {
			return path.Base(imp) + "." + sel.Sel.Name
		}
	}
	return ""
}
