// Package process builds the gigawatt binary and runs it as a process of its
// own, so that a test can kill it and a measurement can ask the kernel what it
// used. It knows nothing of what the cloud does. Start at [Start].
package process

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/gigawatt-cloud/gigawatt/server"
)

// binaryEnv names a binary that is built already.
const binaryEnv = "GIGAWATT_BINARY"

// Binary returns the path of the program, which it builds into dir, from the
// sources around the working directory, unless the environment variable
// GIGAWATT_BINARY names one.
func Binary(ctx context.Context, dir string) (string, error) {
	if b := os.Getenv(binaryEnv); b != "" {
		if _, err := os.Stat(b); err != nil { // a result that Go's test cache keeps is for this very file
			return "", fmt.Errorf("%s: %w", binaryEnv, err)
		}
		return filepath.Abs(b)
	}
	wd, err := os.Getwd()
	if err != nil {
		return "", err
	}
	root, err := moduleRoot(wd)
	if err != nil {
		return "", err
	}
	out := filepath.Join(dir, "gigawatt")
	c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, "./cmd/gigawatt")
	c.Dir = root
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if b, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build gigawatt: %w\n%s", err, b)
	}
	return out, nil
}

// moduleRoot is the folder above dir that holds the program.
func moduleRoot(dir string) (string, error) {
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(filepath.Join(d, "cmd", "gigawatt", "main.go")); err == nil {
			return d, nil
		}
		if d == filepath.Dir(d) {
			return "", fmt.Errorf("no cmd/gigawatt above %s", dir)
		}
	}
}

// Process is a running cloud.
type Process struct {
	server.Credentials
	// PID is the process's id.
	PID int
	// Ready is how long it took from the start to the first answer.
	Ready time.Duration

	cmd    *exec.Cmd
	exited chan struct{}
	err    error
	log    *journal
}

// startTime bounds the wait for a server to be ready; it is far longer than a
// start takes on any machine.
const startTime = time.Minute

// Start runs `gigawatt serve` on a data directory and a free loopback port and
// returns when it answers. More flags are passed on.
func Start(ctx context.Context, binary, dir string, flags ...string) (*Process, error) {
	args := append([]string{"serve", "--dir", dir, "--listen", "127.0.0.1:0", "--log-json"}, flags...)
	p := &Process{cmd: exec.Command(binary, args...), exited: make(chan struct{}), log: &journal{}} //nolint:noctx // Kill and Stop end it
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	p.PID = p.cmd.Process.Pid
	endpoint := make(chan string, 1)
	go func() {
		p.log.read(stderr, endpoint)
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	select {
	case e := <-endpoint:
		err = answers(ctx, e)
	case <-p.exited:
		err = fmt.Errorf("the server ended at its start: %w", p.err)
	case <-ctx.Done():
		err = fmt.Errorf("the server did not get ready: %w", ctx.Err())
	}
	p.Ready = time.Since(start)
	if err != nil {
		return nil, errors.Join(err, p.Kill(), errors.New(p.Log()))
	}
	c, err := server.ReadCredentials(dir)
	if err != nil {
		return nil, errors.Join(err, p.Kill())
	}
	p.Credentials = *c
	return p, nil
}

// answers asks for the server's health until it is good.
func answers(ctx context.Context, endpoint string) error {
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"/_gigawatt/health", nil)
		if err != nil {
			return err
		}
		if rs, err := http.DefaultClient.Do(r); err == nil {
			_ = rs.Body.Close()
			if rs.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

// Kill ends the process with SIGKILL and waits until it is gone.
func (p *Process) Kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.exited
	return nil
}

// Stop asks the process to end and waits until it has; an exit code other than
// 0 is an error.
func (p *Process) Stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.exited
	return p.err
}

// Exited reports whether the process has ended by itself.
func (p *Process) Exited() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// Log is the end of what the process logged.
func (p *Process) Log() string { return p.log.String() }

// journal keeps the last lines of a log.
type journal struct {
	mu    sync.Mutex
	lines [][]byte
}

const journalLines = 50

// read reads the log to its end and sends the address once it is logged.
func (j *journal) read(r io.Reader, endpoint chan<- string) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		line := bytes.Clone(s.Bytes())
		j.mu.Lock()
		if j.lines = append(j.lines, line); len(j.lines) > journalLines {
			j.lines = j.lines[1:]
		}
		j.mu.Unlock()
		var x struct{ Msg, Endpoint string }
		if json.Unmarshal(line, &x) == nil && x.Msg == "ready" {
			select {
			case endpoint <- x.Endpoint:
			default:
			}
		}
	}
	_, _ = io.Copy(io.Discard, r) // a line that is too long must not block the server
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return string(bytes.Join(j.lines, []byte("\n")))
}

// Serves reports whether this version of the cloud serves an operation.
func Serves(service, operation string) bool {
	for _, s := range server.SupportTable() {
		if s.Service != service {
			continue
		}
		for _, o := range s.Operations {
			if o.Name == operation {
				return o.Supported
			}
		}
	}
	return false
}
