package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/server"
)

type serveCmd struct {
	Config     kong.ConfigFlag `help:"Read flags from a JSON file." placeholder:"FILE" env:"GIGAWATT_CONFIG"`
	Dir        string          `help:"Data directory; made when it is missing. Default: .gigawatt in the home directory." placeholder:"DIR" env:"GIGAWATT_DIR"`
	Listen     string          `help:"Address to listen on." default:"127.0.0.1:4566" placeholder:"HOST:PORT" env:"GIGAWATT_LISTEN"`
	Open       bool            `help:"Accept any credentials and check no permissions, for CI. A 12-digit access key id names the account." env:"GIGAWATT_OPEN"`
	Dev        bool            ` help:"Allow the clock to be moved with 'gigawatt clock advance'." env:"GIGAWATT_DEV"`
	AccountID  string          `name:"account-id" help:"The cloud's own account." default:"000000000000" placeholder:"N" env:"GIGAWATT_ACCOUNT_ID"`
	Region     string          `help:"The region of calls that name none." default:"us-east-1" env:"GIGAWATT_REGION"`
	TLS        string          `name:"tls" help:"'self-signed' makes a certificate in the data directory." placeholder:"self-signed" env:"GIGAWATT_TLS"`
	TLSCert    string          `name:"tls-cert" help:"Certificate file (PEM)." placeholder:"FILE" env:"GIGAWATT_TLS_CERT"`
	TLSKey     string          `name:"tls-key" help:"Key file (PEM)." placeholder:"FILE" env:"GIGAWATT_TLS_KEY"`
	LegacyACLs bool            `name:"s3-legacy-acls" help:"New buckets allow ACLs and public access, as AWS did before April 2023." env:"GIGAWATT_S3_LEGACY_ACLS"`
	OTLP       string          `name:"otlp" help:"Send OpenTelemetry traces to this OTLP/HTTP endpoint." placeholder:"URL" env:"GIGAWATT_OTLP"`
	LogLevel   string          `name:"log-level" help:"debug logs every request, info the failed ones." enum:"debug,info,warn,error" default:"info" env:"GIGAWATT_LOG_LEVEL"`
	LogJSON    bool            `name:"log-json" help:"Log JSON lines." env:"GIGAWATT_LOG_JSON"`
}

// Run serves until it is interrupted.
func (s *serveCmd) Run(ctx context.Context) error {
	log := logger(os.Stderr, s.LogLevel, s.LogJSON)
	start := time.Now()
	dir := s.Dir
	if dir == "" {
		dir = server.DefaultDir()
	}
	srv, err := server.Open(ctx, server.Config{
		Dir: dir, Listen: s.Listen, Open: s.Open, Dev: s.Dev, Account: arn.AccountID(s.AccountID), Region: s.Region,
		TLS: s.TLS, CertFile: s.TLSCert, KeyFile: s.TLSKey, OTLP: s.OTLP, LegacyACLs: s.LegacyACLs, Log: log,
	})
	if err != nil {
		return err
	}
	defer srv.Close() //nolint:errcheck // Run has ended; what was acknowledged is durable
	if err := srv.Listen(ctx); err != nil {
		return err
	}
	c := srv.Credentials()
	log.Info("ready", "endpoint", c.Endpoint, "dir", dir, "account", c.AccountID, "region", c.Region, "open", c.Open, "version", server.Version, "took", time.Since(start).Round(time.Millisecond))
	if s.Open {
		log.Warn("open: any credentials are accepted and no permissions are checked")
	}
	hint(os.Stdout, &c, dir)
	// A second signal ends the process at once.
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return srv.Run(ctx)
}

func logger(w io.Writer, level string, asJSON bool) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo
	}
	o := &slog.HandlerOptions{Level: l}
	if asJSON {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// hint prints what to paste into another shell.
func hint(w io.Writer, c *server.Credentials, dir string) {
	fmt.Fprintf(w, "\n# Paste into another shell (or: eval \"$(gigawatt env --dir %s)\")\n", dir)
	printEnv(w, c)
	fmt.Fprintf(w, "aws s3 mb s3://my-first-bucket\n\n")
}

type envCmd struct {
	Dir string `help:"Data directory of the cloud." placeholder:"DIR" env:"GIGAWATT_DIR"`
}

// Run prints export lines.
func (e *envCmd) Run() error {
	c, err := server.ReadCredentials(dirOr(e.Dir))
	if err != nil {
		return err
	}
	printEnv(os.Stdout, c)
	return nil
}

func dirOr(dir string) string {
	if dir == "" {
		return server.DefaultDir()
	}
	return dir
}

func printEnv(w io.Writer, c *server.Credentials) {
	fmt.Fprintf(w, "export AWS_ENDPOINT_URL=%s\nexport AWS_ACCESS_KEY_ID=%s\nexport AWS_SECRET_ACCESS_KEY=%s\nexport AWS_REGION=%s\nexport AWS_DEFAULT_REGION=%s\n",
		c.Endpoint, c.AccessKeyID, c.SecretAccessKey, c.Region, c.Region)
	if c.CertFile != "" {
		fmt.Fprintf(w, "export AWS_CA_BUNDLE=%s\n", c.CertFile)
	}
}
