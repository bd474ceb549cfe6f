package policy

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/aws/arn"
)

// A case file is a theme: shared principals and policies by name, then cases.
// README.md in testdata explains the members.
type caseFile struct {
	Rule       string                     `json:"rule"`
	Principals map[string]casePrincipal   `json:"principals"`
	Policies   map[string]json.RawMessage `json:"policies"`
	Cases      []evalCase                 `json:"cases"`
}

type casePrincipal struct {
	Type, ARN, UserID, UserName, RoleARN, UserARN, SessionName, SourceIdentity string
	Service, FederatedProvider, CanonicalUser                                  string
	AccountID                                                                  arn.AccountID
	Tags                                                                       map[string]string
	MFAAgeSeconds                                                              *int
	IssuedAt                                                                   time.Time
	CalledVia                                                                  []string
}

type evalCase struct {
	Name      string                     `json:"name"`
	Principal string                     `json:"principal"`
	Action    string                     `json:"action"`
	Resource  string                     `json:"resource"`
	Owner     arn.AccountID              `json:"owner"`
	Context   map[string][]string        `json:"context"`
	Global    map[string][]string        `json:"global"`
	Time      time.Time                  `json:"time"`
	Identity  []json.RawMessage          `json:"identity"`
	Boundary  json.RawMessage            `json:"boundary"`
	Session   []json.RawMessage          `json:"session"`
	SCPs      [][]json.RawMessage        `json:"scps"`
	Policy    json.RawMessage            `json:"policy"`
	Trust     json.RawMessage            `json:"trust"`
	MustAllow bool                       `json:"must_allow"`
	Condition map[string]json.RawMessage `json:"condition"`
	Want      string                     `json:"want"`
	Layer     string                     `json:"layer"`
	By        []string                   `json:"by"`
	Message   string                     `json:"message"`
}

var principalTypes = map[string]PrincipalType{
	"Anonymous": Anonymous, "Root": Root, "User": User, "AssumedRole": AssumedRole,
	"FederatedUser": FederatedUser, "WebIdentity": WebIdentity, "Service": Service,
}

func (cp casePrincipal) principal(t testing.TB) *Principal {
	typ, ok := principalTypes[cp.Type]
	if !ok {
		t.Fatalf("unknown principal type %q", cp.Type)
	}
	p := &Principal{
		Type: typ, ARN: cp.ARN, AccountID: cp.AccountID, UserID: cp.UserID, UserName: cp.UserName,
		RoleARN: cp.RoleARN, UserARN: cp.UserARN, SessionName: cp.SessionName, SourceIdentity: cp.SourceIdentity,
		Tags: cp.Tags, Service: cp.Service, FederatedProvider: cp.FederatedProvider,
		CanonicalUser: cp.CanonicalUser, IssuedAt: cp.IssuedAt, CalledVia: cp.CalledVia,
	}
	if cp.MFAAgeSeconds != nil {
		age := time.Duration(*cp.MFAAgeSeconds) * time.Second
		p.MFAAge = &age
	}
	return p
}

// source compiles a policy: an object, or the name of one of the file's. A
// statement alone stands for a document around it.
func (f *caseFile) source(t testing.TB, raw json.RawMessage, k Kind) Source {
	t.Helper()
	id := "inline"
	var name string
	if json.Unmarshal(raw, &name) == nil {
		id = name
		var ok bool
		if raw, ok = f.Policies[name]; !ok {
			t.Fatalf("no policy %q", name)
		}
	}
	var probe map[string]json.RawMessage
	if err := json.Unmarshal(raw, &probe); err != nil {
		t.Fatalf("policy %s: %v", id, err)
	}
	if _, ok := probe["Statement"]; !ok {
		raw = slices.Concat([]byte(`{"Version":"2012-10-17","Statement":`), raw, []byte(`}`))
	}
	d, err := Parse(raw, k)
	if err != nil {
		t.Fatalf("policy %s as %s: %v (%+v)\n%s", id, k, err, err, raw)
	}
	return Source{ID: id, Doc: d}
}

func (f *caseFile) sources(t testing.TB, raws []json.RawMessage, k Kind) []Source {
	t.Helper()
	out := make([]Source, 0, len(raws))
	for _, raw := range raws {
		out = append(out, f.source(t, raw, k))
	}
	return out
}

// build turns a case into what Evaluate takes. A case with a condition alone
// asks whether a statement with that condition applies.
func (f *caseFile) build(t testing.TB, c *evalCase) (*Request, *Set) {
	t.Helper()
	if c.Condition != nil {
		cond, err := json.Marshal(c.Condition)
		if err != nil {
			t.Fatal(err)
		}
		c.Identity = append(c.Identity, json.RawMessage(
			`{"Effect":"Allow","Action":"*","Resource":"*","Condition":`+string(cond)+`}`))
	}
	rq := &Request{Time: c.Time, Global: Context{}, Need: Need{
		Action: c.Action, Resource: c.Resource, ResourceAccount: c.Owner, Context: Context{},
	}}
	if rq.Need.Action == "" {
		rq.Need.Action = "s3:GetObject"
	}
	if rq.Need.Resource == "" {
		rq.Need.Resource = "arn:aws:s3:::docs/a.txt"
	}
	for k, v := range c.Context {
		rq.Need.Context.Set(k, v...)
	}
	for k, v := range c.Global {
		rq.Global.Set(k, v...)
	}
	name := c.Principal
	if name == "" {
		name = "alice"
	}
	cp, ok := f.Principals[name]
	if !ok {
		t.Fatalf("no principal %q", name)
	}
	rq.Principal = cp.principal(t)
	s := &Set{Identity: f.sources(t, c.Identity, Identity), ResourceMustAllow: c.MustAllow}
	if c.Boundary != nil {
		src := f.source(t, c.Boundary, Boundary)
		s.Boundary = &src
	}
	if c.Session != nil {
		s.HasSession, s.Session = true, f.sources(t, c.Session, Session)
	}
	for _, level := range c.SCPs {
		s.SCPs = append(s.SCPs, f.sources(t, level, SCP))
	}
	if c.Policy != nil {
		s.Resource = append(s.Resource, f.source(t, c.Policy, Resource))
	}
	if c.Trust != nil {
		s.Resource = append(s.Resource, f.source(t, c.Trust, Trust))
	}
	return rq, s
}

func readCases(t testing.TB, path string) *caseFile {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	common, err := os.ReadFile(filepath.Join("testdata", "principals.json"))
	if err != nil {
		t.Fatal(err)
	}
	var f caseFile
	for _, in := range [][]byte{common, b} {
		dec := json.NewDecoder(strings.NewReader(string(in)))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&f); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	return &f
}

func caseFiles(t testing.TB) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "eval", "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no case files: %v", err)
	}
	return paths
}

// TestEvaluateCases runs the rules of AWS's documentation, a file a theme.
func TestEvaluateCases(t *testing.T) {
	total := 0
	for _, path := range caseFiles(t) {
		f := readCases(t, path)
		theme := strings.TrimSuffix(filepath.Base(path), ".json")
		for i := range f.Cases {
			c := &f.Cases[i]
			total++
			t.Run(theme+"/"+c.Name, func(t *testing.T) {
				rq, s := f.build(t, c)
				checkCase(t, c, rq, s)
			})
		}
	}
	if total < 150 {
		t.Errorf("%d cases; the table must hold at least 150", total)
	}
}

func checkCase(t *testing.T, c *evalCase, rq *Request, s *Set) {
	t.Helper()
	d := Evaluate(rq, s)
	want := map[string]string{"allow": "allowed", "deny": "explicitDeny", "no": "implicitDeny"}[c.Want]
	if want == "" {
		t.Fatalf("want is %q", c.Want)
	}
	if d.Effect.String() != want {
		t.Fatalf("%s, want %s: %s (%s) %+v", d.Effect, want, d.Reason, d.Layer, d.Verdicts)
	}
	if c.Layer != "" && d.Layer != c.Layer {
		t.Errorf("layer %q, want %q", d.Layer, c.Layer)
	}
	if c.By != nil {
		by := []string{}
		for _, m := range d.By {
			by = append(by, m.Source+"#"+m.SID)
		}
		if diff := cmp.Diff(c.By, by); diff != "" {
			t.Errorf("By (-want +got):\n%s", diff)
		}
	}
	if c.Message != "" && d.Message(rq) != c.Message {
		t.Errorf("message %q\nwant    %q", d.Message(rq), c.Message)
	}
	// Whatever the case is about, one more Deny never opens it, and its own
	// statement denies.
	s.Identity = append(slices.Clone(s.Identity), Source{ID: "deny", Doc: denyAll})
	if after := Evaluate(rq, s); after.Allowed() && rq.Principal.hasIdentity() {
		t.Errorf("allowed in spite of an explicit deny")
	}
}

var denyAll = mustParse(`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`, Identity)

func mustParse(text string, k Kind) *Document {
	d, err := Parse([]byte(text), k)
	if err != nil {
		panic(err)
	}
	return d
}
