// Package cloudtest starts a whole cloud inside a Go test, and runs scripts
// against it.
//
// [Start] gives a test a cloud with an address and keys. [Run] runs the txtar
// scripts of a folder, each with a cloud of its own and these commands beside
// those of testscript:
//
//	aws SERVICE OPERATION [--member value …]   call an operation as the AWS CLI does
//	as root | USER | anonymous                 choose who calls; a user gets a key when first named
//	advance DURATION                           move the cloud's clock
//	restart                                    stop the cloud and start it on the same data
//	usage                                      print what was used: service operation type quantity
//
// aws prints the output as the AWS CLI's JSON, or through --query (JMESPath)
// and --output text. With the environment variable GIGAWATT_AWS_CLI set to the
// path of the real AWS CLI, that is run instead.
package cloudtest

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/gigawatt-cloud/gigawatt/server"
)

// Options say how a cloud is started. The zero value serves from a temporary
// directory with permissions enforced.
type Options struct {
	// Dir is the data directory; a temporary one when empty.
	Dir string
	// InMemory keeps nothing on disk.
	InMemory bool
	// Open accepts any credentials.
	Open bool
	// Verbose logs to standard error.
	Verbose bool
}

// Cloud is a running cloud.
type Cloud struct {
	server.Credentials
	// Dir is the data directory.
	Dir    string
	server *server.Server
	opts   Options
	stop   func() error
}

// Start runs a cloud until the test ends.
func Start(t testing.TB, o Options) *Cloud {
	t.Helper()
	if o.Dir == "" && !o.InMemory {
		o.Dir = t.TempDir()
	}
	c, err := start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// seed makes the identifiers of test clouds the same on every run.
const seed = 42

func start(o Options) (*Cloud, error) {
	log := slog.New(slog.DiscardHandler)
	if o.Verbose {
		log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	ctx, cancel := context.WithCancel(context.Background())
	s, err := server.Open(ctx, server.Config{Dir: o.Dir, InMemory: o.InMemory, Listen: "127.0.0.1:0", Open: o.Open, Dev: true, Seed: seed, Log: log})
	if err != nil {
		cancel()
		return nil, err
	}
	if err := s.Listen(ctx); err != nil {
		cancel()
		_ = s.Close()
		return nil, err
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return &Cloud{Credentials: s.Credentials(), Dir: o.Dir, server: s, opts: o, stop: func() error {
		cancel()
		err := <-done
		if cerr := s.Close(); err == nil {
			err = cerr
		}
		return err
	}}, nil
}

// Advance moves the cloud's clock forward.
func (c *Cloud) Advance(d time.Duration) error {
	_, _, err := c.server.Advance(d)
	return err
}

// Restart stops the cloud and starts it again on the same data, at the same
// time of its clock and with another address.
func (c *Cloud) Restart() error {
	offset := c.server.ClockOffset()
	if err := c.stop(); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	n, err := start(c.opts)
	if err != nil {
		return fmt.Errorf("start again: %w", err)
	}
	c.Credentials, c.server, c.stop = n.Credentials, n.server, n.stop
	return c.Advance(offset)
}
