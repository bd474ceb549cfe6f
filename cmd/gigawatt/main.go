// Command gigawatt is an AI cloud in one program: `gigawatt serve` runs it,
// the other commands look after it. `gigawatt --help` lists them.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// cli is the command line: a command each, with its own file.
type cli struct {
	Serve      serveCmd      `cmd:"" help:"Run the cloud."`
	Env        envCmd        `cmd:"" help:"Print the shell lines that point AWS clients at the cloud."`
	Status     statusCmd     `cmd:"" help:"Show the state of the running cloud."`
	Usage      usageCmd      `cmd:"" help:"Show what was used, by the hour."`
	Explain    explainCmd    `cmd:"" help:"Show which policies allowed or denied a request."`
	Support    supportCmd    `cmd:"" help:"List what is implemented, by service and operation."`
	Account    accountCmd    `cmd:"" help:"Make and list accounts."`
	Backup     backupCmd     `cmd:"" help:"Copy all state of the running cloud into a new directory."`
	Restore    restoreCmd    `cmd:"" help:"Make a data directory from a backup."`
	Clock      clockCmd      `cmd:"" help:"Move the cloud's clock forward (dev mode)."`
	Demo       demoCmd       `cmd:"" help:"Take a short tour of a temporary cloud."`
	Version    versionCmd    `cmd:"" help:"Print the version."`
	Completion completionCmd `cmd:"" help:"Print a completion script for a shell."`
}

// global flags of the commands that talk to a running cloud.
type target struct {
	Dir      string `help:"Data directory of the cloud." placeholder:"DIR" env:"GIGAWATT_DIR"`
	Endpoint string `help:"Address of the cloud, instead of the one that the data directory names." placeholder:"URL" env:"GIGAWATT_ENDPOINT"`
	JSON     bool   `name:"json" help:"Print JSON."`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "gigawatt:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var c cli
	parser := kong.Must(&c, kong.Name("gigawatt"),
		kong.Description("An AI cloud that you run yourself and that speaks the AWS API."),
		kong.UsageOnError(), kong.BindTo(ctx, (*context.Context)(nil)),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
	k, err := parser.Parse(os.Args[1:])
	parser.FatalIfErrorf(err)
	return k.Run(parser)
}
