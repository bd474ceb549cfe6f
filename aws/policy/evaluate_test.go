package policy

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"
	"unicode/utf8"
)

// FuzzParse: no document may panic the parser or the evaluation of what it
// accepts, and the same bytes always compile to the same decision.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"identity", "trust", "resource"} {
		for _, c := range parseCases(f, name) {
			f.Add(c.document())
		}
	}
	alice := readCases(f, caseFiles(f)[0]).Principals["alice"].principal(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		for k := Identity; k <= Session; k++ {
			d, err := Parse(b, k)
			if err != nil {
				continue
			}
			src := Source{ID: "fuzz", Doc: d}
			rq := &Request{Principal: alice, Need: Need{Action: "s3:GetObject", Resource: "arn:aws:s3:::docs/a"}, Time: time.Unix(1e9, 0)}
			s := &Set{Identity: []Source{src}}
			if k.hasPrincipal() {
				s = &Set{Resource: []Source{src}}
			}
			first := Evaluate(rq, s)
			first.Message(rq)
			ContextKeysIn(d)
			d.Public()
			again, err := Parse(b, k)
			if err != nil || Evaluate(rq, &Set{Identity: s.Identity, Resource: s.Resource}).Effect != first.Effect {
				t.Fatalf("second parse: %v", err)
			}
			if len(s.Identity) > 0 {
				s.Identity = []Source{{ID: "again", Doc: again}, {Doc: denyAll}}
				if after := Evaluate(rq, s); after.Effect != ExplicitDeny {
					t.Fatalf("a deny of everything gave %v", after.Effect)
				}
			}
		}
	})
}

// fuzzWorld spells out a request and its policies from a few bytes, so that the
// fuzzer walks over combinations of layers instead of over JSON.
type fuzzWorld struct {
	b []byte
}

func (w *fuzzWorld) pick(n int) int {
	if len(w.b) == 0 {
		return 0
	}
	v := int(w.b[0]) % n
	w.b = w.b[1:]
	return v
}

var (
	fuzzActions   = []string{"*", "s3:*", "s3:Get*", "s3:GetObject", "sqs:SendMessage", "s3:*t"}
	fuzzResources = []string{
		"*", "arn:aws:s3:::docs/*", "arn:aws:s3:::${aws:username}/*", "arn:aws:s3:::d?cs/a",
		"arn:aws:s3:::${aws:PrincipalTag/none, 'docs'}/a", "arn:aws:sqs:*:*:q",
	}
	fuzzConditions = []string{
		`{}`, `{"StringEquals":{"aws:username":"alice"}}`, `{"StringNotEquals":{"aws:username":"${aws:PrincipalTag/x}"}}`,
		`{"Null":{"aws:TokenIssueTime":"true"}}`, `{"BoolIfExists":{"aws:MultiFactorAuthPresent":"true"}}`,
		`{"ForAllValues:StringLike":{"aws:TagKeys":["a*","b"]}}`, `{"ForAnyValue:StringNotEquals":{"aws:TagKeys":"a"}}`,
		`{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`, `{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/*"}}`,
		`{"DateGreaterThan":{"aws:CurrentTime":"2001-01-01"}}`, `{"NumericLessThan":{"s3:max-keys":"5"}}`,
	}
	fuzzPrincipals = []string{
		`"*"`, `{"AWS":"111122223333"}`, `{"AWS":"arn:aws:iam::111122223333:user/alice"}`,
		`{"AWS":"arn:aws:iam::111122223333:role/app/worker"}`, `{"Service":"events.amazonaws.com"}`,
		`{"Federated":"accounts.google.com"}`, `{"AWS":"arn:aws:sts::111122223333:assumed-role/worker/job1"}`,
	}
)

func (w *fuzzWorld) document(t testing.TB, k Kind) Source {
	var statements []json.RawMessage
	for range 1 + w.pick(3) {
		st := map[string]any{"Effect": []string{"Allow", "Allow", "Deny"}[w.pick(3)]}
		st[[]string{"Action", "Action", "NotAction"}[w.pick(3)]] = fuzzActions[w.pick(len(fuzzActions))]
		st[[]string{"Resource", "Resource", "NotResource"}[w.pick(3)]] = fuzzResources[w.pick(len(fuzzResources))]
		st["Condition"] = json.RawMessage(fuzzConditions[w.pick(len(fuzzConditions))])
		if k.hasPrincipal() {
			name := "Principal"
			if st["Effect"] == "Deny" && w.pick(3) == 0 {
				name = "NotPrincipal"
			}
			st[name] = json.RawMessage(fuzzPrincipals[w.pick(len(fuzzPrincipals))])
		}
		b, err := json.Marshal(st)
		if err != nil {
			t.Fatal(err)
		}
		statements = append(statements, b)
	}
	b, err := json.Marshal(map[string]any{"Version": Version2012, "Statement": statements})
	if err != nil {
		t.Fatal(err)
	}
	return Source{ID: "fuzz", Doc: mustParse(string(b), k)}
}

func (w *fuzzWorld) set(t testing.TB) *Set {
	s := &Set{}
	for range w.pick(3) {
		s.Identity = append(s.Identity, w.document(t, Identity))
	}
	if w.pick(3) == 0 {
		src := w.document(t, Boundary)
		s.Boundary = &src
	}
	if w.pick(3) == 0 {
		s.HasSession, s.Session = true, []Source{w.document(t, Session)}
	}
	for range w.pick(3) {
		s.SCPs = append(s.SCPs, []Source{w.document(t, SCP)})
	}
	if w.pick(2) == 0 {
		s.Resource = []Source{w.document(t, Resource)}
	}
	s.ResourceMustAllow = w.pick(4) == 0
	return s
}

// FuzzEvaluate holds what must be true of any policies: a match that denies
// decides; one more Deny opens nothing; a limit more opens nothing; one more
// Allow in the identity closes nothing.
func FuzzEvaluate(f *testing.F) {
	people := readCases(f, caseFiles(f)[0]).Principals
	names := []string{"alice", "worker", "root", "fed", "mallory", "events", "google", "anonymous", "linked"}
	for i := range 40 {
		f.Add([]byte(fmt.Sprintf("%02d%d-%x", i, i*7919, i*104729)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		w := &fuzzWorld{b}
		rq := &Request{
			Principal: people[names[w.pick(len(names))]].principal(t),
			Need: Need{
				Action:   []string{"s3:GetObject", "S3:LISTBUCKET", "sqs:SendMessage"}[w.pick(3)],
				Resource: []string{"arn:aws:s3:::docs/a", "*", "arn:aws:s3:::alice/x", "arn:aws:sqs:us-east-1:111122223333:q"}[w.pick(4)],
				Context:  []Context{nil, {"aws:tagkeys": {"a", "c"}}, {"s3:max-keys": {"4"}}}[w.pick(3)],
			},
			Global: []Context{nil, {"aws:sourceip": {"10.1.2.3"}}, {"aws:sourceip": {"bad"}}}[w.pick(3)],
			Time:   time.Unix(1e9, 0),
		}
		if w.pick(2) == 0 {
			rq.Need.ResourceAccount = "111122223333"
		}
		s := w.set(t)
		d := Evaluate(rq, s)
		checkInvariants(t, rq, s, d)
		more := w.document(t, Boundary)
		limited := *s
		if s.Boundary == nil && !d.Allowed() {
			limited.Boundary = &more
			if after := Evaluate(rq, &limited); after.Allowed() {
				t.Fatalf("a boundary opened what was shut: %+v then %+v", d, after)
			}
		}
	})
}

func checkInvariants(t *testing.T, rq *Request, s *Set, d Decision) {
	t.Helper()
	v := d.Verdicts
	denied := max(v.SCP, v.Resource, v.Identity, v.Boundary, v.Session) == ExplicitlyDenied
	if denied != (d.Effect == ExplicitDeny) {
		t.Fatalf("verdicts %+v, effect %v", v, d.Effect)
	}
	for _, m := range d.By {
		if m.Deny != denied {
			t.Fatalf("a decision of %v by %+v", d.Effect, m)
		}
	}
	if d.Layer == "" || d.Reason == "" || d.Message(rq) == "" {
		t.Fatalf("no layer, reason or message: %+v", d)
	}
	if rq.Principal.Type == Anonymous && d.Allowed() && len(s.Resource) == 0 {
		t.Fatal("an anonymous caller was allowed by no policy of the resource")
	}
	more := *s
	more.Identity = append(append([]Source(nil), s.Identity...), Source{Doc: denyAll})
	if after := Evaluate(rq, &more); rq.Principal.hasIdentity() && after.Effect != ExplicitDeny {
		t.Fatalf("a deny of everything gave %v", after.Effect)
	}
	more.Identity = append(append([]Source(nil), s.Identity...), Source{Doc: allowAll})
	if after := Evaluate(rq, &more); d.Allowed() && !after.Allowed() {
		t.Fatal("one more allow closed what was open")
	}
}

var allowAll = mustParse(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`, Identity)

// FuzzGlob compares the matcher with a plain recursive one.
func FuzzGlob(f *testing.F) {
	f.Add("a*b?c", "axxbyc")
	f.Add("*", "")
	f.Add("??", "é!")
	f.Add("a*a*a*b", "aaaaaaaaaaaa")
	f.Fuzz(func(t *testing.T, p, s string) {
		if len(p) > 12 || len(s) > 24 {
			return
		}
		pt := compilePattern(p, syntax{wildcards: true})
		got, _ := pt.match(&evaluation{}, s)
		if !utf8.ValidString(p) || !utf8.ValidString(s) {
			return // documents are UTF-8; here it is enough not to panic
		}
		if want := slowGlob([]rune(p), []rune(s)); got != want {
			t.Errorf("%q matches %q: %v, want %v", p, s, got, want)
		}
	})
}

func slowGlob(p, s []rune) bool {
	switch {
	case len(p) == 0:
		return len(s) == 0
	case p[0] == '*':
		return slowGlob(p[1:], s) || len(s) > 0 && slowGlob(p, s[1:])
	case len(s) == 0:
		return false
	default:
		return (p[0] == '?' || p[0] == s[0]) && slowGlob(p[1:], s[1:])
	}
}

func benchmarkSet(b *testing.B) (*Request, *Set) {
	b.Helper()
	var sources []Source
	for i := range 4 {
		doc := `{"Version":"2012-10-17","Statement":[
			{"Effect":"Allow","Action":["sqs:Get*","sqs:List*"],"Resource":"*"},
			{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::bucket-` + fmt.Sprint(i) + `/home/${aws:username}/*"},
			{"Effect":"Allow","Action":"dynamodb:*","Resource":"arn:aws:dynamodb:us-east-1:111122223333:table/t*"},
			{"Effect":"Deny","NotAction":["iam:*","s3:*","sqs:*"],"Resource":"*","Condition":{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}},
			{"Effect":"Allow","Action":"s3:List*","Resource":"arn:aws:s3:::bucket-` + fmt.Sprint(i) + `","Condition":{"StringLike":{"s3:prefix":["","home/${aws:username}/*"]},"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}]}`
		sources = append(sources, Source{ID: fmt.Sprint("p", i), Doc: mustParse(doc, Identity)})
	}
	rq := &Request{
		Principal: &Principal{Type: User, ARN: "arn:aws:iam::111122223333:user/alice", AccountID: "111122223333", UserName: "alice"},
		Need:      Need{Action: "s3:GetObject", Resource: "arn:aws:s3:::bucket-3/home/alice/notes.txt"},
		Global:    Context{"aws:sourceip": {"10.1.2.3"}, "aws:securetransport": {"true"}},
	}
	return rq, &Set{Identity: sources}
}

// BenchmarkEvaluate is an evaluation of 20 statements with variables and
// conditions, of which one allows.
func BenchmarkEvaluate(b *testing.B) {
	rq, s := benchmarkSet(b)
	b.ReportAllocs()
	for b.Loop() {
		if d := Evaluate(rq, s); !d.Allowed() {
			b.Fatal(d.Reason)
		}
	}
}

// BenchmarkEvaluateConditions makes the conditions of four statements decide.
func BenchmarkEvaluateConditions(b *testing.B) {
	rq, s := benchmarkSet(b)
	rq.Need = Need{Action: "s3:ListBucket", Resource: "arn:aws:s3:::bucket-3", Context: Context{"s3:prefix": {"home/alice/x"}}}
	b.ReportAllocs()
	for b.Loop() {
		if d := Evaluate(rq, s); !d.Allowed() {
			b.Fatal(d.Reason)
		}
	}
}

// BenchmarkEvaluateDeny is the same set, with nothing that matches.
func BenchmarkEvaluateDeny(b *testing.B) {
	rq, s := benchmarkSet(b)
	rq.Need.Resource = "arn:aws:s3:::bucket-9/home/alice/notes.txt"
	b.ReportAllocs()
	for b.Loop() {
		if d := Evaluate(rq, s); d.Allowed() {
			b.Fatal(d.Reason)
		}
	}
}

// BenchmarkParse compiles a document of five statements.
func BenchmarkParse(b *testing.B) {
	doc := []byte(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":["sqs:Get*","sqs:List*"],"Resource":"*"},
		{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::b/home/${aws:username}/*"},
		{"Effect":"Allow","Action":"dynamodb:*","Resource":"arn:aws:dynamodb:us-east-1:111122223333:table/t*"},
		{"Effect":"Deny","NotAction":["iam:*"],"Resource":"*","Condition":{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}},
		{"Effect":"Allow","Action":"s3:List*","Resource":"arn:aws:s3:::b","Condition":{"StringLike":{"s3:prefix":["","home/*"]}}}]}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(doc, Identity); err != nil {
			b.Fatal(err)
		}
	}
}

// TestEvaluateAllocates pins that an evaluation allocates only the list of
// statements that matched.
func TestEvaluateAllocates(t *testing.T) {
	rq := &Request{
		Principal: &Principal{Type: User, AccountID: "111122223333", UserName: "alice"},
		Need:      Need{Action: "s3:GetObject", Resource: "arn:aws:s3:::home/alice/x"},
	}
	home := mustParse(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::home/${aws:username}/*","Condition":{"StringEquals":{"aws:PrincipalAccount":"111122223333"}}}}`, Identity)
	s := &Set{Identity: []Source{{ID: "home", Doc: home}}}
	if n := testing.AllocsPerRun(100, func() { Evaluate(rq, s) }); n > 1 {
		t.Errorf("an evaluation that allows made %v allocations", n)
	}
	rq.Need.Resource = "arn:aws:s3:::home/bob/x"
	if n := testing.AllocsPerRun(100, func() { Evaluate(rq, s) }); n > 0 {
		t.Errorf("an evaluation in which nothing matches made %v allocations", n)
	}
}

func TestContextNameInAnotherCase(t *testing.T) {
	doc := mustParse(`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/Env":"prod"}}}}`, Identity)
	s := &Set{Identity: []Source{{Doc: doc}}}
	tags := Context{"aws:RequestTag/Env": {"prod"}}
	for name, rq := range map[string]*Request{
		"operation": {Principal: &Principal{Type: User}, Need: Need{Action: "s3:GetObject", Resource: "*", Context: tags}},
		"call":      {Principal: &Principal{Type: User}, Need: Need{Action: "s3:GetObject", Resource: "*"}, Global: tags},
	} {
		if d := Evaluate(rq, s); d.Effect != ExplicitDeny {
			t.Errorf("%s: %v", name, d.Effect)
		}
	}
}
