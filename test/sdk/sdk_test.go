package sdk

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gigawatt-cloud/gigawatt/test/process"
)

// steps is the tour, with what each step needs that may not be served yet.
var steps = []struct {
	name, service, operation string
}{
	{"objects", "s3", "PutObject"},               // make a bucket; put, get, list, copy and delete objects
	{"multipart", "s3", "CreateMultipartUpload"}, // 20 MB in parts, and a range of it
	{"presigned", "s3", "PutObject"},             // PUT and GET with nothing but a URL
	{"batch", "sqs", "SendMessageBatch"},         // send, receive and delete messages ten at a time
	{"fifo", "sqs", "SendMessage"},               // order within a group, and duplicates dropped
	{"permissions", "iam", "CreateAccessKey"},    // a user's key, a call that its policy allows and one that it does not
	{"role", "sts", "AssumeRole"},                // a role that is assumed, and what its session may do
}

// python and modules are where `make clients` installs.
const (
	python  = "../../.tools/python/bin"
	modules = "js/node_modules"
)

// clients are the programs that take the tour.
var clients = []struct {
	name string
	// needs is what must be there, and where it comes from.
	needs string
	argv  []string
}{
	{"boto3", python + "/python", []string{python + "/python", "testdata/tour.py"}},
	{"aws-cli", python + "/aws", []string{"bash", "testdata/tour.sh"}},
	{"javascript", modules + "/@aws-sdk/client-s3", []string{"node", "js/tour.mjs"}},
}

// cloud is the one that all clients share; each uses names of its own.
var cloud = sync.OnceValues(func() (*process.Process, error) {
	binary, err := process.Binary(tests, scratch)
	if err != nil {
		return nil, err
	}
	return process.Start(tests, binary, filepath.Join(scratch, "cloud"))
})

func running(t *testing.T) *process.Process {
	t.Helper()
	p, err := cloud()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// served are the steps whose operations the cloud serves; others are left out.
func served(t *testing.T) (names []string) {
	t.Helper()
	for _, s := range steps {
		if process.Serves(s.service, s.operation) {
			names = append(names, s.name)
		} else {
			t.Logf("%s is left out: %s of %s is not served", s.name, s.operation, s.service)
		}
	}
	return names
}

func TestTour(t *testing.T) {
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(c.argv[0]); err != nil && !strings.Contains(c.argv[0], "/") {
				t.Skip(err) // installing a language is not this repository's business
			}
			if _, err := os.Stat(c.needs); errors.Is(err, fs.ErrNotExist) {
				missing(t, c.needs+" is missing: run `make clients`")
			}
			take(t, c.argv, served(t))
		})
	}
}

// missing skips a client that `make clients` would have installed; in CI that
// is a failure.
func missing(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// take runs a client and sees that it got through every step.
func take(t *testing.T, argv, names []string) {
	t.Helper()
	p := running(t)
	c := exec.CommandContext(t.Context(), argv[0], append(argv[1:], names...)...)
	work := t.TempDir()
	c.Env = append(environment(p), "WORK="+work, "HOME="+work, "AWS_CLI="+python+"/aws")
	var out, problems bytes.Buffer
	c.Stdout, c.Stderr = &out, &problems
	err := c.Run()
	for _, n := range names {
		if !slices.Contains(strings.Split(out.String(), "\n"), "ok "+n) {
			t.Errorf("%s: not done", n)
		}
	}
	if err != nil || t.Failed() {
		t.Errorf("%v\n%s\n%s", err, out.Bytes(), problems.Bytes())
	}
}

// environment points a client at the cloud, and at nothing else.
func environment(p *process.Process) []string {
	env := []string{
		"AWS_ENDPOINT_URL=" + p.Endpoint, "AWS_ACCESS_KEY_ID=" + p.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + p.SecretAccessKey,
		"AWS_REGION=" + p.Region, "AWS_DEFAULT_REGION=" + p.Region, "AWS_PAGER=", "AWS_EC2_METADATA_DISABLED=true",
		"ACCOUNT=" + p.AccountID, "NODE_NO_WARNINGS=1",
	}
	for _, k := range []string{"PATH", "LANG"} {
		env = append(env, fmt.Sprintf("%s=%s", k, os.Getenv(k)))
	}
	return env
}
