package server

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/api/catalog"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/neutral"
	"github.com/gigawatt-cloud/gigawatt/aws/sigv4"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
	"github.com/gigawatt-cloud/gigawatt/service"
)

// golden compares lines with a file of testdata, or rewrites it.
func golden(t *testing.T, name, header string, lines []string) {
	t.Helper()
	got := header + strings.Join(lines, "\n") + "\n"
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := gocmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); d != "" {
		t.Errorf("%s differs; if that is meant, run `go test ./server -run %s -update` (-file +now)\n%s", file, t.Name(), d)
	}
}

// eachHandler calls fn for every implemented operation, in the order of the names.
func eachHandler(services []*service.Service, fn func(h *service.Handler, op *smithy.Operation)) {
	services = slices.SortedFunc(slices.Values(services), func(a, b *service.Service) int { return cmp.Compare(a.Name, b.Name) })
	for _, s := range services {
		handlers := slices.SortedFunc(slices.Values(s.Handlers), func(a, b *service.Handler) int { return cmp.Compare(a.Name, b.Name) })
		for _, h := range handlers {
			fn(h, catalog.Service(h.Service).Operation(h.Name))
		}
	}
}

const authzHeader = `# What each implemented operation needs: service, operation, action, resource.
# The input is a sample in which every member is set, to its own name where that
# is allowed. A line without an action is an operation that needs no permission.
`

// TestAuthz holds testdata/authz.txt against what the operations ask for.
func TestAuthz(t *testing.T) {
	s := newTestServer(t, Config{})
	var lines []string
	eachHandler(s.services, func(h *service.Handler, op *smithy.Operation) {
		in, err := decodeSample(h, op)
		if err != nil {
			t.Errorf("%s %s: the sample is not taken: %v", h.Service, h.Name, err)
			return
		}
		c := &service.Call{
			Account: DefaultAccount, Region: DefaultRegion, Op: op, Frame: s.frame, Now: s.clock.Now(), IDs: s.ids,
			Principal: &policy.Principal{Type: policy.User, AccountID: DefaultAccount, ARN: "arn:aws:iam::000000000000:user/caller", UserName: "caller"},
		}
		needs := h.Needs(c, in)
		if len(needs) == 0 {
			lines = append(lines, h.Service+" "+h.Name)
		}
		for _, n := range needs {
			if n.Action == "" || n.Resource == "" {
				t.Errorf("%s %s needs action %q on resource %q: both have to be named", h.Service, h.Name, n.Action, n.Resource)
			}
			lines = append(lines, strings.Join([]string{h.Service, h.Name, n.Action, n.Resource}, " "))
		}
	})
	golden(t, "authz.txt", authzHeader, lines)
}

// decodeSample makes the typed sample input of an operation.
func decodeSample(h *service.Handler, op *smithy.Operation) (any, error) {
	b, err := json.Marshal(sample(h, op))
	if err != nil {
		return nil, err
	}
	in := h.NewInput()
	var problems smithy.Problems
	rq := &protocol.Request{Method: http.MethodPost, Body: io.NopCloser(bytes.NewReader(b)), ContentLength: int64(len(b)), MaxBody: 1 << 20}
	if err := (neutral.Codec{}).Decode(op, rq, in, &problems); err != nil {
		return nil, fmt.Errorf("%w: %s", err, b)
	}
	return in, nil
}

const unauthenticatedHeader = `# Which implemented operations are done, rather than refused by the gateway, for
# somebody without credentials (anonymous) and for a user without any permission
# (user). Every line is a decision: a new one has to be AWS's own.
`

// TestUnauthenticated calls every implemented operation without credentials
// and as a user who may do nothing. All that the gateway lets through is in
// testdata/unauthenticated.txt.
func TestUnauthenticated(t *testing.T) {
	s := newTestServer(t, Config{})
	user := s.newUser(t, "nobody")
	var lines []string
	eachHandler(s.services, func(h *service.Handler, op *smithy.Operation) {
		for _, who := range []struct {
			name string
			cred sigv4.Credentials
		}{{"anonymous", sigv4.Credentials{}}, {"user", user}} {
			rs, body := s.call(t, op, sample(h, op), who.cred)
			switch step := s.steps.failedAt(rs); step {
			case "sigv4", "authorize":
			case "", "admit", "invoke", "meter", "encode":
				lines = append(lines, strings.Join([]string{who.name, h.Service, h.Name}, " "))
			default:
				t.Errorf("%s %s as %s is refused by %s, before its permissions are checked: %s", h.Service, h.Name, who.name, step, body)
			}
		}
	})
	slices.Sort(lines)
	golden(t, "unauthenticated.txt", unauthenticatedHeader, lines)
}

// call invokes an operation in the neutral form.
func (s *testServer) call(t *testing.T, op *smithy.Operation, in any, cred sigv4.Credentials) (*http.Response, string) {
	t.Helper()
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/_gigawatt/call/"+op.Service.Name+"/"+op.Name, bytes.NewReader(b))
	return s.send(r, op.Service.SigningName, cred)
}

// newUser makes a user without permissions and returns its key.
func (s *testServer) newUser(t *testing.T, name string) sigv4.Credentials {
	t.Helper()
	iam := catalog.Service("iam")
	for _, op := range []string{"CreateUser", "CreateAccessKey"} {
		rs, body := s.call(t, iam.Operation(op), map[string]string{"UserName": name}, s.rootKey())
		if rs.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", op, body)
		}
		if op == "CreateUser" {
			continue
		}
		var out struct {
			AccessKey struct{ AccessKeyId, SecretAccessKey string }
		}
		if err := json.Unmarshal([]byte(body), &out); err != nil {
			t.Fatal(err)
		}
		return sigv4.Credentials{AccessKeyID: out.AccessKey.AccessKeyId, SecretAccessKey: out.AccessKey.SecretAccessKey}
	}
	return sigv4.Credentials{}
}
