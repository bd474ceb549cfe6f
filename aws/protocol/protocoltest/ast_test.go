package protocoltest

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// ast is a model in the form of Smithy's JSON AST.
type ast struct {
	Shapes map[string]*astShape `json:"shapes"`
}

type astShape struct {
	Type       string          `json:"type"`
	Members    *orderedMembers `json:"members"`
	Member     *astMember      `json:"member"`
	Key        *astMember      `json:"key"`
	Value      *astMember      `json:"value"`
	Input      *astMember      `json:"input"`
	Output     *astMember      `json:"output"`
	Errors     []astMember     `json:"errors"`
	Operations []astMember     `json:"operations"`
	Mixins     []astMember     `json:"mixins"`
	Rename     map[string]string
	Traits     traits `json:"traits"`
}

type astMember struct {
	Target string `json:"target"`
	Traits traits `json:"traits"`
}

type traits map[string]json.RawMessage

// has looks for a trait of the namespace smithy.api, or any with its full name.
func (t traits) has(name string) bool { _, ok := t[full(name)]; return ok }

// text is the value of a trait that is a string.
func (t traits) text(name string) (s string) {
	t.read(name, &s)
	return s
}

// read decodes a trait's value into out and reports whether it is there.
func (t traits) read(name string, out any) bool {
	b, ok := t[full(name)]
	if ok {
		if err := unmarshal(b, out); err != nil {
			panic(fmt.Sprintf("trait %s: %v", name, err))
		}
	}
	return ok
}

func full(name string) string {
	if strings.Contains(name, "#") {
		return name
	}
	return "smithy.api#" + name
}

type orderedMembers struct {
	names []string
	by    map[string]*astMember
}

func (o *orderedMembers) UnmarshalJSON(b []byte) error {
	if err := unmarshal(b, &o.by); err != nil {
		return err
	}
	d := json.NewDecoder(strings.NewReader(string(b)))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		o.names = append(o.names, t.(string))
		var skip json.RawMessage
		if err := d.Decode(&skip); err != nil {
			return err
		}
	}
	return nil
}

func loadAST(t *testing.T) *ast {
	t.Helper()
	f, err := os.Open(filepath.Join(dataDir(t), "smithy", "smithy-protocol-tests.ast.json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var a ast
	d := json.NewDecoder(z)
	d.UseNumber()
	if err := d.Decode(&a); err != nil {
		t.Fatal(err)
	}
	return &a
}

// protocols of the AST, as the server's packages name them.
var astProtocols = map[string]smithy.Protocol{
	"aws.protocols#awsJson1_0": smithy.AWSJSON, "aws.protocols#awsJson1_1": smithy.AWSJSON,
	"aws.protocols#awsQuery": smithy.AWSQuery, "aws.protocols#ec2Query": smithy.EC2Query,
	"aws.protocols#restJson1": smithy.RestJSON, "aws.protocols#restXml": smithy.RestXML,
	"smithy.protocols#rpcv2Cbor": smithy.RPCv2CBOR,
}

// services converts every service of the AST that speaks a protocol of ours,
// in the order of their names.
func (a *ast) services() []*converted {
	var names []string
	for n, s := range a.Shapes {
		if s.Type == "service" {
			names = append(names, n)
		}
	}
	sort.Strings(names)
	var out []*converted
	for _, n := range names {
		for trait, p := range astProtocols {
			if a.Shapes[n].Traits.has(trait) {
				out = append(out, a.convert(n, trait, p))
			}
		}
	}
	return out
}

// converted is a service of the AST with what the cases hang on.
type converted struct {
	*smithy.Service
	protocol smithy.Protocol
	trait    string
	// sources are the AST's shapes of the operations and errors by name.
	sources map[string]*astShape
	shapes  map[string]*smithy.Shape // by absolute name
}

func (a *ast) convert(name, trait string, p smithy.Protocol) *converted {
	src := a.Shapes[name]
	c := &converter{ast: a, protocol: p, rename: src.Rename, shapes: map[string]*smithy.Shape{}, names: map[string]bool{}}
	var sdk struct {
		SDKID string `json:"sdkId"`
	}
	src.Traits.read("aws.api#service", &sdk)
	var auth struct {
		Name string `json:"name"`
	}
	src.Traits.read("aws.auth#sigv4", &auth)
	sv := &smithy.Service{Meta: smithy.Meta{
		Name: strings.ReplaceAll(strings.ToLower(sdk.SDKID), " ", "-"), ServiceID: sdk.SDKID, SigningName: auth.Name,
		TargetPrefix: local(name), Protocols: []smithy.Protocol{p}, XMLNamespace: xmlNamespace(src.Traits).URI,
		QueryCompatible: src.Traits.has("aws.protocols#awsQueryCompatible"),
	}}
	switch trait {
	case "aws.protocols#awsJson1_0":
		sv.JSONVersion = "1.0"
	case "aws.protocols#awsJson1_1":
		sv.JSONVersion = "1.1"
	}
	out := &converted{Service: sv, protocol: p, trait: trait, sources: map[string]*astShape{}, shapes: c.shapes}
	for _, o := range append(src.Operations, a.orphans(name)...) {
		op := a.Shapes[o.Target]
		sv.Operations = append(sv.Operations, c.operation(local(o.Target), op))
		out.sources[local(o.Target)] = op
		for _, e := range op.Errors {
			out.sources[c.shape(e.Target).Name] = a.Shapes[e.Target]
		}
	}
	sv.Shapes = c.all
	sort.Slice(sv.Shapes, func(i, j int) bool { return sv.Shapes[i].Name < sv.Shapes[j].Name })
	sort.Slice(sv.Operations, func(i, j int) bool { return sv.Operations[i].Name < sv.Operations[j].Name })
	sv.Link()
	return out
}

// orphans are operations that are in no service though they have cases; they
// are tried as operations of RestJson, whose protocol they are for.
func (a *ast) orphans(service string) []astMember {
	if service != "aws.protocoltests.restjson#RestJson" {
		return nil
	}
	inService := map[string]bool{}
	for _, s := range a.Shapes {
		for _, o := range s.Operations {
			inService[o.Target] = true
		}
	}
	var out []astMember
	for n, s := range a.Shapes {
		if s.Type == "operation" && s.Traits.has("smithy.test#httpRequestTests") && !inService[n] {
			out = append(out, astMember{Target: n})
		}
	}
	return out
}

func local(name string) string { return name[strings.IndexByte(name, '#')+1:] }

func xmlNamespace(t traits) smithy.XMLNamespace {
	var n struct {
		URI    string `json:"uri"`
		Prefix string `json:"prefix"`
	}
	t.read("xmlNamespace", &n)
	return smithy.XMLNamespace{Prefix: n.Prefix, URI: n.URI}
}

// foreign counts the cases for servers of a protocol that is none of ours.
func (a *ast) foreign(protocol string) int {
	n := 0
	for _, s := range a.Shapes {
		for _, trait := range []string{"smithy.test#httpRequestTests", "smithy.test#httpResponseTests"} {
			var cases []requestCase
			s.Traits.read(trait, &cases)
			for _, c := range cases {
				if c.Protocol == protocol && c.AppliesTo != "client" {
					n++
				}
			}
		}
	}
	return n
}

// clientOnly are the ids of the cases of a trait that their authors mark as
// being for clients. Botocore's suites have the same cases without the mark.
func (a *ast) clientOnly(trait string) map[string]bool {
	out := map[string]bool{}
	for _, s := range a.Shapes {
		var cases []struct {
			ID        string `json:"id"`
			AppliesTo string `json:"appliesTo"`
		}
		s.Traits.read(trait, &cases)
		for _, c := range cases {
			out[c.ID] = c.AppliesTo == "client"
		}
	}
	return out
}
