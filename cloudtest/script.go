package cloudtest

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gigawatt-cloud/gigawatt/aws/sigv4"
)

// cliEnv names the real AWS CLI, which scripts then use.
const cliEnv = "GIGAWATT_AWS_CLI"

// Run runs every script of a folder, each with a cloud of its own. The
// environment variable GIGAWATT_UPDATE_SCRIPTS makes `cmp` rewrite its files.
func Run(t *testing.T, dir string) {
	t.Helper()
	testscript.Run(t, testscript.Params{
		Dir:           dir,
		UpdateScripts: os.Getenv("GIGAWATT_UPDATE_SCRIPTS") != "",
		Setup: func(e *testscript.Env) error {
			dir := filepath.Join(e.WorkDir, ".cloud")
			c, err := start(Options{Dir: dir})
			if err != nil {
				return err
			}
			s := &session{cloud: c, client: c.Client(), keys: map[string]sigv4.Credentials{}}
			e.Values[sessionKey{}] = s
			e.Defer(func() {
				if err := c.stop(); err != nil {
					e.T().Log(err)
				}
			})
			s.export(e.Setenv)
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"aws": cmdAWS, "as": cmdAs, "advance": cmdAdvance, "restart": cmdRestart, "usage": cmdUsage,
		},
	})
}

type sessionKey struct{}

// session is the state of one script.
type session struct {
	cloud  *Cloud
	client *Client
	keys   map[string]sigv4.Credentials
}

func of(ts *testscript.TestScript) *session { return ts.Value(sessionKey{}).(*session) }

// export sets the variables that scripts, and the real AWS CLI, use.
func (s *session) export(set func(k, v string)) {
	set("AWS_ENDPOINT_URL", s.client.Endpoint)
	set("AWS_REGION", s.client.Region)
	set("AWS_DEFAULT_REGION", s.client.Region)
	set("AWS_ACCESS_KEY_ID", s.client.Credentials.AccessKeyID)
	set("AWS_SECRET_ACCESS_KEY", s.client.Credentials.SecretAccessKey)
	set("AWS_SESSION_TOKEN", s.client.Credentials.SessionToken)
	set("AWS_PAGER", "")
	set("ACCOUNT", s.cloud.AccountID)
}

func cmdAWS(ts *testscript.TestScript, neg bool, args []string) {
	s := of(ts)
	var err error
	if cli := os.Getenv(cliEnv); cli != "" && (len(args) == 0 || args[0] != "gigawatt") { // which AWS does not have
		if s.client.Credentials.AccessKeyID == "" {
			args = append(args, "--no-sign-request")
		}
		// Version 1 of the AWS CLI does not take the endpoint of SQS from the environment.
		err = realCLI(ts, cli, append([]string{"--endpoint-url", s.client.Endpoint}, args...))
	} else {
		var out string
		out, err = run(context.Background(), s.client, scriptFiles{ts}, args)
		if _, werr := ts.Stdout().Write([]byte(out)); werr != nil {
			ts.Fatalf("%v", werr)
		}
		if err != nil {
			if _, werr := ts.Stderr().Write([]byte("\n" + err.Error() + "\n")); werr != nil {
				ts.Fatalf("%v", werr)
			}
		}
	}
	report(ts, neg, err, args)
}

// scriptFiles are the files of a script's folder; stdout and stderr name what
// the last command wrote.
type scriptFiles struct{ ts *testscript.TestScript }

func (f scriptFiles) read(name string) (string, error) {
	if name == "stdout" || name == "stderr" {
		return f.ts.ReadFile(name), nil
	}
	b, err := os.ReadFile(f.ts.MkAbs(name))
	return string(b), err
}

func (f scriptFiles) write(name, content string) error {
	return os.WriteFile(f.ts.MkAbs(name), []byte(content), 0o600)
}

func report(ts *testscript.TestScript, neg bool, err error, args []string) {
	switch {
	case err != nil && !neg:
		ts.Fatalf("aws %s: %v", strings.Join(args, " "), err)
	case err == nil && neg:
		ts.Fatalf("aws %s succeeded", strings.Join(args, " "))
	}
}

func realCLI(ts *testscript.TestScript, cli string, args []string) error {
	c := exec.CommandContext(context.Background(), cli, args...)
	c.Dir = ts.MkAbs(".")
	for _, k := range []string{"AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PAGER"} {
		if v := ts.Getenv(k); v != "" || k == "AWS_PAGER" {
			c.Env = append(c.Env, k+"="+v)
		}
	}
	c.Env = append(c.Env, "PATH="+os.Getenv("PATH"), "HOME="+ts.MkAbs("."))
	c.Stdout, c.Stderr = ts.Stdout(), ts.Stderr()
	return c.Run()
}

// cmdAs chooses who calls. A user's key is made with the root's when the user
// is first named; an access key, its secret and a session token are taken as
// they are.
func cmdAs(ts *testscript.TestScript, neg bool, args []string) {
	s := of(ts)
	if neg || len(args) != 1 && len(args) != 3 {
		ts.Fatalf("usage: as root | USER | anonymous | KEY SECRET TOKEN")
	}
	root := s.cloud.Client()
	switch name := args[0]; {
	case len(args) == 3:
		root.Credentials = sigv4.Credentials{AccessKeyID: args[0], SecretAccessKey: args[1], SessionToken: args[2]}
	case name == "root":
	case name == "anonymous":
		root.Credentials = sigv4.Credentials{}
	default:
		k, ok := s.keys[name]
		if !ok {
			var out struct {
				AccessKey struct{ AccessKeyId, SecretAccessKey string }
			}
			if _, err := root.Call(context.Background(), "iam", "CreateAccessKey", map[string]string{"UserName": name}, &out); err != nil {
				ts.Fatalf("as %s: %v", name, err)
			}
			k = sigv4.Credentials{AccessKeyID: out.AccessKey.AccessKeyId, SecretAccessKey: out.AccessKey.SecretAccessKey}
			s.keys[name] = k
		}
		root.Credentials = k
	}
	s.client = root
	s.export(ts.Setenv)
}

func cmdAdvance(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: advance DURATION")
	}
	d, err := time.ParseDuration(args[0])
	ts.Check(err)
	ts.Check(of(ts).cloud.Advance(d))
}

func cmdRestart(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: restart")
	}
	s := of(ts)
	ts.Check(s.cloud.Restart())
	cred := s.client.Credentials
	s.client = s.cloud.Client()
	s.client.Credentials = cred
	s.export(ts.Setenv)
}

func cmdUsage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: usage")
	}
	in := map[string]string{}
	for {
		var out struct {
			Usage []struct {
				ServiceName, OperationName, UsageType, Resource string
				Quantity                                        json.Number
			}
			NextToken string
		}
		_, err := of(ts).cloud.Client().Call(context.Background(), "gigawatt", "ListUsage", in, &out)
		ts.Check(err)
		for _, u := range out.Usage {
			line := strings.Join([]string{u.ServiceName, u.OperationName, u.UsageType, string(u.Quantity), u.Resource}, " ")
			_, err := ts.Stdout().Write([]byte(strings.TrimRight(line, " ") + "\n"))
			ts.Check(err)
		}
		if out.NextToken == "" {
			return
		}
		in["NextToken"] = out.NextToken
	}
}
