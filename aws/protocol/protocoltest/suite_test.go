package protocoltest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// dataDir is the folder of the suites; the test is skipped when there is none.
func dataDir(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("GIGAWATT_PROTOCOL_TESTS"); dir != "" {
		return dir
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		data := filepath.Join(dir, "shared", "protocol-tests")
		if _, err := os.Stat(filepath.Join(data, "botocore")); err == nil {
			return data
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Skip("the suites are not here: put them in ../shared/protocol-tests beside the repository or name their folder in GIGAWATT_PROTOCOL_TESTS")
		}
		dir = up
	}
}

// unmarshal reads JSON and keeps numbers as they are written.
func unmarshal(b []byte, out any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return d.Decode(out)
}

// exceptions are the cases of a suite that are known not to pass.
func exceptions(t *testing.T, suite string) map[string]string {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "exceptions.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := map[string]string{}
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		line := strings.TrimSpace(sc.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		parts := strings.SplitN(line, "\t", 3)
		if len(parts) != 3 || parts[2] == "" {
			t.Fatalf("exceptions.txt: want suite, case and reason with tabs between them: %q", line)
		}
		if parts[0] == suite {
			out[parts[1]] = parts[2]
		}
	}
	if err := sc.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// clients begins the reason of an exception that only clients can pass.
const clients = "Client only: "

// tally runs cases and holds them against the exceptions.
type tally struct {
	suite  string
	except map[string]string
	seen   map[string]bool
	// clientOnly are the cases, without their file, that are marked so.
	clientOnly map[string]bool
	passed     int
	failed     int
	listed     int
	others     int
}

func newTally(t *testing.T, suite string) *tally {
	return &tally{suite: suite, except: exceptions(t, suite), seen: map[string]bool{}}
}

// skip counts a case that is not for servers.
func (y *tally) skip() { y.others++ }

// run runs one case. Its id is unique within the suite.
func (y *tally) run(t *testing.T, id string, check func() error) {
	t.Helper()
	if y.seen[id] {
		t.Errorf("two cases are called %s", id)
	}
	y.seen[id] = true
	err := guard(check)
	reason := y.except[id]
	switch {
	case err == nil && reason == "":
		y.passed++
	case err == nil:
		t.Errorf("%s %s passes, but is listed in exceptions.txt: %s", y.suite, id, reason)
	case strings.HasPrefix(reason, clients):
		if !y.clientOnly[id[strings.IndexByte(id, '/')+1:]] {
			t.Errorf("%s %s is listed as being for clients, but its authors do not mark it so", y.suite, id)
		}
		y.others++
	case reason != "":
		y.listed++
	default:
		y.failed++
		msg := err.Error()
		if len(msg) > longest {
			msg = msg[:longest] + "…"
		}
		t.Errorf("%s %s: %s", y.suite, id, msg)
	}
}

// longest is how much of a failure is printed; some bodies are 10 KB.
const longest = 2000

// guard turns a panic into an error, so that the other cases run.
func guard(check func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return check()
}

// done reports the counts.
func (y *tally) done(t *testing.T) {
	t.Helper()
	for id := range y.except {
		if !y.seen[id] {
			t.Errorf("exceptions.txt lists %s %s, which does not exist", y.suite, id)
		}
	}
	t.Logf("%s: %d of %d cases pass, %d are listed exceptions, %d fail; %d more are not for servers", y.suite, y.passed, y.total(), y.listed, y.failed, y.others)
}

func (y *tally) total() int { return y.passed + y.failed + y.listed }

// enough holds the parts of a collection together to what is asked: 99 of 100
// cases pass.
func enough(t *testing.T, collection string, parts ...*tally) {
	t.Helper()
	passed, total := 0, 0
	for _, y := range parts {
		passed, total = passed+y.passed, total+y.total()
	}
	t.Logf("%s: %d of %d cases pass", collection, passed, total)
	if total == 0 || passed*100 < total*99 {
		t.Errorf("%s: only %d of %d cases pass; 99%% must", collection, passed, total)
	}
}
