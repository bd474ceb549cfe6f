package gigawatt_test

import (
	"go/ast"
	"go/parser"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// fakeTree is a small service with the ways of reading a member, and of not
// reading it. Its packages are in the order of their imports.
var fakeTree = []struct{ path, src string }{
	{"service", `package service

func Handle(op, fn any) *Handler { return &Handler{} }

type Handler struct{}
`},
	{"api/fakeapi", `package fakeapi

type PutThingInput struct {
	Name, Written, Counted, Blanked, Converted, Refused *string
	Rule  *Rule
	Tags  []Tag
	Parts map[string]Part
}

type Rule struct {
	Days, Hours int
	Then        *Rule
}

type Tag struct{ Key, Value string }

type Part struct{ Size, Hash int }

type OtherInput struct{ Name string }

var PutThing, Other int
`},
	{"services/fake/store", `package store

import "example/api/fakeapi"

type Part struct{ Size, Hash int }

func Sum(p fakeapi.Part) int { return Part(p).Size }
`},
	{"services/fake", `package fake

import (
	"example/api/fakeapi"
	"example/service"
	"example/services/fake/store"
)

var handlers = []*service.Handler{service.Handle(fakeapi.PutThing, put)}

func put(in *fakeapi.PutThingInput) (n int) {
	in.Written = in.Name
	*in.Counted += "x"
	_ = in.Blanked
	n += in.Rule.Days
	for _, t := range in.Tags {
		n += len(t.Key)
	}
	for k := range in.Parts {
		n += store.Sum(in.Parts[k])
	}
	return n
}
`},
	{"services/other", `package other

import "example/api/fakeapi"

func read(in *fakeapi.PutThingInput) (string, string) { return *in.Written, in.Tags[0].Value }
`},
}

func loadFake(t *testing.T) *memberCode {
	t.Helper()
	l, err := newTypeLoader(t, func(p *sourcePackage) bool { return strings.Contains(p.path, "/services/") })
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fakeTree {
		src := strings.ReplaceAll(f.src, `"example/`, `"`+modulePath+"/")
		syntax, err := parser.ParseFile(l.fset, f.path+".go", src, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		p := &sourcePackage{path: modulePath + "/" + f.path, files: []*ast.File{syntax}}
		l.loaded[p.path] = p
		if err := l.check(p); err != nil {
			t.Fatal(err)
		}
	}
	return newMemberCode(l)
}

func structure(name string, members ...*smithy.Member) *smithy.Shape {
	for i, m := range members {
		m.Index = i
	}
	return &smithy.Shape{Name: name, Kind: smithy.Structure, Members: members}
}

func fakeInput() *smithy.Shape {
	text := &smithy.Shape{Kind: smithy.String}
	member := func(name string, sh *smithy.Shape) *smithy.Member { return &smithy.Member{Name: name, Shape: sh} }
	rule := structure("Rule", member("Days", text), member("Hours", text), member("Then", nil))
	rule.Members[2].Shape = rule
	return structure("PutThingInput",
		member("Name", text), member("Written", text), member("Counted", text), member("Blanked", text),
		member("Converted", text), member("Refused", text), member("Rule", rule),
		member("Tags", &smithy.Shape{Kind: smithy.List, Elem: member("", structure("Tag", member("Key", text), member("Value", text)))}),
		member("Parts", &smithy.Shape{Kind: smithy.Map, Elem: member("", structure("Part", member("Size", text), member("Hash", text)))}),
	)
}

// TestIgnoredMembers shows that the check finds what it is there for.
func TestIgnoredMembers(t *testing.T) {
	code := loadFake(t)
	line, ok := code.handles[modulePath+"/api/fakeapi.PutThing"]
	if !ok || line.tree != "services/fake" {
		t.Fatalf("the Handle line is found in %q", line.tree)
	}
	if pos := code.fset.Position(line.pos); pos.Line != 9 {
		t.Errorf("the Handle line is at %v", pos)
	}
	cases := []struct {
		name    string
		refused []string
		want    []string
	}{
		{
			name: "nothing refused",
			want: []string{"Written", "Counted", "Blanked", "Converted", "Refused", "Rule.Hours", "Rule.Then", "Tags.Value", "Parts.Hash"},
		},
		{
			name:    "some refused",
			refused: []string{"Refused", "Written", "Counted", "Blanked", "Converted", "Rule.Then", "Tags.Value", "Parts"},
			want:    []string{"Rule.Hours"},
		},
		{
			name:    "a whole structure refused",
			refused: []string{"Refused", "Written", "Counted", "Blanked", "Converted", "Rule", "Tags", "Parts.Hash"},
		},
		{
			name:    "refusals of what is not there",
			refused: []string{"Refused", "Written", "Counted", "Blanked", "Converted", "Rule", "Rule.Days", "Tags", "Parts.Hash", "Nonsense"},
			want:    []string{"refusal Rule.Days", "refusal Nonsense"},
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			var got []string
			for _, p := range code.ignored(line.tree, fakeInput(), modulePath+"/api/fakeapi", "PutThingInput", tc.refused) {
				if at, ok := strings.CutPrefix(p, "nothing in services/fake reads "); ok {
					at, _, _ = strings.Cut(at, " ")
					got = append(got, at)
				} else {
					got = append(got, "refusal "+strings.Split(p, `"`)[1])
				}
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}
