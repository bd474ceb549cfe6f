package gigawatt_test

import (
	"fmt"
	"go/ast"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	differencesFile = "doc/differences.md"
	differsMark     = "Differs from AWS:"
)

// TestDifferences collects the comments that begin with "Differs from AWS:"
// into one page of the docs, so that a known difference is written once,
// beside the code that makes it.
func TestDifferences(t *testing.T) {
	byPackage := map[string][]string{}
	for _, f := range goFiles(t) {
		if f.module != "." || f.test || f.generated {
			continue
		}
		for _, g := range f.syntax.Comments {
			for _, d := range differences(g) {
				if !strings.HasSuffix(d, ".") {
					t.Errorf("%s: a difference is a sentence with a full stop: %q", f.fset.Position(g.Pos()), d)
				}
				byPackage[f.dir()] = append(byPackage[f.dir()], d)
			}
		}
	}
	golden(t, differencesFile, differencesPage(byPackage))
}

func differencesPage(byPackage map[string][]string) string {
	var b strings.Builder
	b.WriteString("# Known differences from AWS\n\n" +
		"Collected from the comments in the code by `go test -run TestDifferences -update .`; do not edit.\n" +
		"What is not built at all is refused by name and listed in [support.md](support.md).\n")
	for _, pkg := range slices.Sorted(maps.Keys(byPackage)) {
		fmt.Fprintf(&b, "\n## %s\n\n", pkg)
		slices.Sort(byPackage[pkg])
		for _, d := range slices.Compact(byPackage[pkg]) {
			fmt.Fprintf(&b, "- %s\n", d)
		}
	}
	return b.String()
}

// differences returns the marked sentences of a comment. One runs to the next
// mark, to an empty comment line or to the end of the comment.
func differences(g *ast.CommentGroup) []string {
	var out []string
	open := false
	for line := range strings.Lines(g.Text()) {
		line = strings.TrimSpace(line)
		before, after, marked := strings.Cut(line, differsMark)
		switch {
		case marked && before == "":
			out = append(out, strings.TrimSpace(after))
			open = true
		case line == "":
			open = false
		case open:
			out[len(out)-1] = strings.TrimSpace(out[len(out)-1] + " " + line)
		}
	}
	return out
}

// TestDifferencesOfComment shows where a sentence ends.
func TestDifferencesOfComment(t *testing.T) {
	g := &ast.CommentGroup{List: []*ast.Comment{
		{Text: "// put does something."},
		{Text: "// " + differsMark + " the first"},
		{Text: "// one."},
		{Text: "//"},
		{Text: "// Unrelated; says in passing that it " + differsMark + " no."},
		{Text: "//" + differsMark + " the second."},
	}}
	if diff := cmp.Diff([]string{"the first one.", "the second."}, differences(g)); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
}

// golden compares a file of the repository with what it should hold, or
// rewrites it when the test runs with -update.
func golden(t *testing.T, name, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(have)); diff != "" {
		t.Errorf("%s is out of date, run `make generate` (-should be +is):\n%s", name, diff)
	}
}
