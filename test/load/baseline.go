package main

import (
	"bufio"
	"bytes"
	"crypto/md5" //nolint:gosec // S3's ETag is one
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gigawatt-cloud/gigawatt/test/process"
)

// baselineCommand makes this program the baseline server.
const baselineCommand = "baseline"

// objectSize is the size of what is put and got.
const objectSize = 1 << 20

// baseline is a process that does with net/http what nobody can avoid: answer;
// serve a file; hash a body, write it and fsync it.
type baseline struct {
	endpoint string
	process  *process.Process
	cmd      *exec.Cmd
	stdin    io.Closer
}

func startBaseline(dir string) (*baseline, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := exec.Command(self, baselineCommand, dir) //nolint:noctx // stop ends it
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the baseline: %w", err), in.Close(), c.Wait())
	}
	return &baseline{endpoint: strings.TrimSpace(line), process: &process.Process{PID: c.Process.Pid}, cmd: c, stdin: in}, nil
}

// stop ends the process, which lives as long as its standard input.
func (b *baseline) stop() error { return errors.Join(b.stdin.Close(), b.cmd.Wait()) }

// serveBaseline prints its address and serves until standard input ends.
func serveBaseline(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	file := filepath.Join(dir, "object")
	if err := os.WriteFile(file, bytes.Repeat([]byte("gigawatt"), objectSize/8), 0o600); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /object", func(w http.ResponseWriter, r *http.Request) { serveFile(w, r, file) })
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write([]byte("nothing was done"))
	})
	mux.HandleFunc("PUT /{key}", func(w http.ResponseWriter, r *http.Request) { storeFile(w, r, dir) })
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it lives as long as the process
	if err != nil {
		return err
	}
	fmt.Println("http://" + l.Addr().String())
	s := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(l) }()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = s.Close()
	}()
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func serveFile(w http.ResponseWriter, r *http.Request, name string) {
	f, err := os.Open(name)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer f.Close() //nolint:errcheck // it was only read
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, f)
}

// storeFile hashes, writes and fsyncs a body.
func storeFile(w http.ResponseWriter, r *http.Request, dir string) {
	f, err := os.CreateTemp(dir, "put-")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	m, s := md5.New(), sha256.New() //nolint:gosec // S3's ETag is one
	_, err = io.CopyBuffer(io.MultiWriter(f, m, s), r.Body, make([]byte, 128<<10))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if hex.EncodeToString(s.Sum(nil)) != r.Header.Get("X-Amz-Content-Sha256") {
		http.Error(w, "the body is not what was signed", http.StatusBadRequest)
		return
	}
	w.Header().Set("Etag", `"`+hex.EncodeToString(m.Sum(nil))+`"`)
}
