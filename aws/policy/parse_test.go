package policy

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type parseCase struct {
	Name      string          `json:"name"`
	Text      *string         `json:"text"`
	Doc       json.RawMessage `json:"doc"`
	Statement json.RawMessage `json:"statement"`
	Error     string          `json:"error"`
	Element   string          `json:"element"`
}

func (c *parseCase) document() []byte {
	switch {
	case c.Text != nil:
		return []byte(*c.Text)
	case c.Doc != nil:
		return c.Doc
	default:
		return slices.Concat([]byte(`{"Version":"2012-10-17","Statement":`), c.Statement, []byte(`}`))
	}
}

func parseCases(t testing.TB, name string) []parseCase {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "parse", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []parseCase
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

// TestParse pins what is a policy, and IAM's sentence for what is none.
func TestParse(t *testing.T) {
	for name, kinds := range map[string][]Kind{
		"identity": {Identity, Boundary, Session, SCP},
		"trust":    {Trust},
		"resource": {Resource},
	} {
		for _, c := range parseCases(t, name) {
			for _, k := range kinds {
				t.Run(name+"/"+c.Name, func(t *testing.T) { checkParse(t, &c, k) })
			}
		}
	}
}

func checkParse(t *testing.T, c *parseCase, k Kind) {
	t.Helper()
	d, err := Parse(c.document(), k)
	if c.Error == "" {
		if err != nil {
			t.Fatalf("refused: %v (%+v)", err, err)
		}
		if len(d.Statements) == 0 || d.Kind != k {
			t.Errorf("document %+v", d)
		}
		return
	}
	var serr *SyntaxError
	if !errors.As(err, &serr) {
		t.Fatalf("error %v is no SyntaxError", err)
	}
	if serr.Error() != c.Error {
		t.Errorf("%q (%s), want %q", serr.Reason, serr.Detail, c.Error)
	}
	if c.Element != "" && serr.Element != c.Element {
		t.Errorf("element %q, want %q", serr.Element, c.Element)
	}
}

func TestParseBounds(t *testing.T) {
	long := `{"Version":"2012-10-17","Id":"` + strings.Repeat("x", maxSize) + `","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
	deep := strings.Repeat("[", 100000)
	nested := `{"Statement":` + strings.Repeat("[", 50) + strings.Repeat("]", 50) + `}`
	for _, text := range []string{long, deep, nested, "\xff\xfe", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"` + "\xff" + `"}}`} {
		if _, err := Parse([]byte(text), Identity); err == nil {
			t.Errorf("accepted %.40q", text)
		}
	}
}

func TestStatementAccessors(t *testing.T) {
	d := mustParse(`{"Version":"2012-10-17","Id":"i","Statement":[
		{"Sid":"one","Effect":"Deny","NotPrincipal":{"AWS":["111122223333"],"Service":"a.amazonaws.com"},
		 "NotAction":["s3:Get*","S3:List"],"NotResource":"arn:aws:s3:::B/*",
		 "Condition":{"Bool":{"aws:SecureTransport":"true"},"StringLike":{"s3:Prefix":"a","aws:SecureTransport":"x"}}},
		{"Effect":"Allow","Principal":"*","Action":"s3:*"}]}`, Resource)
	type view struct {
		SID        string
		Deny       bool
		Actions    []string
		NotAction  bool
		Resources  []string
		NotRes     bool
		Principals []PrincipalElement
		NotPrin    bool
		Keys       []string
	}
	var got []view
	for i := range d.Statements {
		st := &d.Statements[i]
		v := view{SID: st.SID, Deny: st.Deny, Keys: st.ConditionKeys()}
		v.Actions, v.NotAction = st.Actions()
		v.Resources, v.NotRes = st.Resources()
		v.Principals, v.NotPrin = st.Principals()
		got = append(got, v)
	}
	want := []view{{
		SID: "one", Deny: true, Actions: []string{"s3:Get*", "S3:List"}, NotAction: true,
		Resources: []string{"arn:aws:s3:::B/*"}, NotRes: true,
		Principals: []PrincipalElement{{"AWS", "111122223333"}, {"Service", "a.amazonaws.com"}}, NotPrin: true,
		Keys: []string{"aws:SecureTransport", "s3:Prefix"},
	}, {
		Actions: []string{"s3:*"}, Principals: []PrincipalElement{{"AWS", "*"}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]int{
		"":                          0,
		" {\n\t} ":                  2,
		`{"a b": "c  d"}`:           len(`{"a b":"c  d"}`),
		`{ "a\" b" : [ 1, 2 ] }`:    len(`{"a\" b":[1,2]}`),
		`{ "a\\" : " x" }` + "\r\n": len(`{"a\\":" x"}`),
	} {
		if got := Size([]byte(text)); got != want {
			t.Errorf("Size(%q) = %d, want %d", text, got, want)
		}
	}
}

func TestContextKeys(t *testing.T) {
	d := mustParse(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${aws:username}/${s3:prefix, 'x'}",
		 "Condition":{"StringEquals":{"aws:RequestedRegion":"${aws:PrincipalTag/Region}"},
		  "ArnLike":{"aws:SourceArn":"arn:aws:sqs:*:${aws:PrincipalAccount}:*"}}},
		{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Bool":{"AWS:UserName":"true"},"Null":{"aws:MultiFactorAuthPresent":"true"}}}]}`, Identity)
	want := []string{
		"aws:MultiFactorAuthPresent", "aws:PrincipalAccount", "aws:PrincipalTag/Region", "aws:RequestedRegion",
		"aws:SourceArn", "aws:username", "s3:prefix",
	}
	if diff := cmp.Diff(want, ContextKeysIn(d)); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	rq := &Request{
		Principal: &Principal{Type: User, UserName: "alice", AccountID: "111122223333"},
		Global:    Context{"aws:requestedregion": {"us-east-1"}},
	}
	src := Source{Doc: d}
	want = []string{"aws:MultiFactorAuthPresent", "aws:PrincipalTag/Region", "aws:SourceArn", "s3:prefix"}
	for name, s := range map[string]*Set{
		"identity": {Identity: []Source{src}}, "boundary": {Boundary: &src}, "session": {Session: []Source{src}},
		"organization": {SCPs: [][]Source{{src}}}, "resource": {Resource: []Source{src}},
	} {
		if diff := cmp.Diff(want, MissingContextKeys(rq, s)); diff != "" {
			t.Errorf("%s: missing (-want +got):\n%s", name, diff)
		}
	}
}

func TestPublic(t *testing.T) {
	for name, c := range map[string]struct {
		statement string
		want      bool
	}{
		"everybody":           {`{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"*"}`, true},
		"everybody with AWS":  {`{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"s3:GetObject","Resource":"*"}`, true},
		"deny":                {`{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"*"}`, false},
		"one account":         {`{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"s3:GetObject","Resource":"*"}`, false},
		"fixed vpc":           {`{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:SourceVpc":"vpc-1"}}}`, false},
		"vpc if exists":       {`{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":{"StringEqualsIfExists":{"aws:SourceVpc":"vpc-1"}}}`, true},
		"any vpc":             {`{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":{"StringLike":{"aws:SourceVpc":"vpc-*"}}}`, true},
		"vpc by variable":     {`{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:SourceVpc":"${aws:SourceVpce}"}}}`, true},
		"not a vpc":           {`{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":{"StringNotEquals":{"aws:SourceVpc":"vpc-1"}}}`, true},
		"network":             {`{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}}`, false},
		"wide network":        {`{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":["203.0.113.0/24","0.0.0.0/1"]}}}`, true},
		"wide IPv6 network":   {`{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"::/0"}}}`, true},
		"source account":      {`{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:sns:*:111122223333:*"}}}`, false},
		"every source":        {`{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:sns:*:*:*"}}}`, true},
		"source bucket":       {`{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::b"}}}`, false},
		"a key that is no id": {`{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}`, true},
	} {
		d := mustParse(`{"Version":"2012-10-17","Statement":`+c.statement+`}`, Resource)
		if got := d.Public(); got != c.want {
			t.Errorf("%s: Public() = %v, want %v", name, got, c.want)
		}
	}
}
