package sdk

import (
	"context"
	"fmt"
	"os"
	"testing"
)

// tests and scratch live as long as the tests of this package.
var (
	tests   context.Context
	scratch string
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) (code int) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	dir, err := os.MkdirTemp("", "gigawatt-sdk-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir) //nolint:errcheck // the system clears it too
	tests, scratch = ctx, dir
	code = m.Run()
	started := false
	if _, err := os.Stat(dir + "/cloud"); err == nil {
		started = true
	}
	if !started {
		return code
	}
	if p, err := cloud(); err == nil {
		if err := p.Stop(); err != nil {
			fmt.Fprintf(os.Stderr, "stop the cloud: %v\n%s\n", err, p.Log())
			return 1
		}
	}
	return code
}
