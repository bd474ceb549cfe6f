// Package server is the composition root: it reads the configuration, opens
// the drivers, makes the services and the gateway, and runs them until it is
// told to stop. It is the only package that knows everything. Start at [Open].
package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"

	"github.com/gigawatt-cloud/gigawatt/aws/arn"
)

// Config is all that can be configured. The zero value of a field means its default.
type Config struct {
	// Dir is the data directory; in memory when InMemory is set.
	Dir      string
	InMemory bool
	// Listen is HOST:PORT; port 0 takes any free one.
	Listen string
	// Open accepts any credentials.
	Open bool
	// Dev allows the clock to be moved.
	Dev     bool
	Account arn.AccountID
	Region  string
	// TLS is "", "self-signed", or CertFile and KeyFile are given.
	TLS               string
	CertFile, KeyFile string
	// Seed makes identifiers reproducible; for tests. Zero draws them at random.
	Seed uint64
	// OTLP is the endpoint that traces are sent to, such as
	// http://127.0.0.1:4318; none when empty.
	OTLP string
	// MaxInFlight bounds the requests that are worked on at once.
	MaxInFlight int
	// LegacyACLs has new S3 buckets allow ACLs and public access, as AWS did
	// before April 2023.
	LegacyACLs bool
	Log        *slog.Logger
}

// The defaults.
const (
	DefaultListen  = "127.0.0.1:4566"
	DefaultAccount = arn.AccountID("000000000000")
	DefaultRegion  = "us-east-1"
)

// DefaultDir is the data directory in the user's home.
func DefaultDir() string {
	home, err := os.UserHomeDir()
	if err != nil {
		return "gigawatt-data"
	}
	return filepath.Join(home, ".gigawatt")
}

var regionForm = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]$`)

// complete fills in the defaults and checks everything at once.
func (c *Config) complete() error {
	if c.Dir == "" && !c.InMemory {
		c.Dir = DefaultDir()
	}
	if c.Listen == "" {
		c.Listen = DefaultListen
	}
	if c.Account == "" {
		c.Account = DefaultAccount
	}
	if c.Region == "" {
		c.Region = DefaultRegion
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	var errs []error
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		errs = append(errs, fmt.Errorf("--listen wants HOST:PORT: %w", err))
	}
	if !c.Account.Valid() {
		errs = append(errs, fmt.Errorf("--account-id wants twelve digits, not %q", c.Account))
	}
	if !regionForm.MatchString(c.Region) {
		errs = append(errs, fmt.Errorf("--region %q does not look like a region, such as us-east-1", c.Region))
	}
	if c.TLS != "" && c.TLS != "self-signed" {
		errs = append(errs, fmt.Errorf("--tls takes self-signed; for a certificate of yours use --tls-cert and --tls-key"))
	}
	if (c.CertFile == "") != (c.KeyFile == "") {
		errs = append(errs, errors.New("--tls-cert and --tls-key go together"))
	}
	return errors.Join(errs...)
}

// secure reports whether the server speaks TLS.
func (c *Config) secure() bool { return c.TLS != "" || c.CertFile != "" }
