// Command load measures a running Gigawatt against what the machine can do
// without it: the store's own put rate, and bare net/http handlers.
//
//	go run ./load [--quick] [--only REGEXP] [--json]
//
// It starts the real binary and a baseline server, each a process of its own,
// and drives both with the same client from the same machine; so only the
// ratios mean something on another machine. Nothing fails when a target is
// missed: the table says so. Start at measurements; doc/performance.md holds a
// real run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"time"

	"github.com/gigawatt-cloud/gigawatt/test/process"
)

// measurement is one row group of the report.
type measurement struct {
	name string
	// service and operation must be served; "" for what needs none.
	service, operation string
	run                func(ctx context.Context, b *bench) error
}

// measurements are made in this order.
var measurements = []measurement{
	{"start", "", "", measureStart},
	{"kv", "", "", measureKV},
	{"identity", "sts", "GetCallerIdentity", measureIdentity},
	{"send", "sqs", "SendMessage", measureSend},
	{"consume", "sqs", "ReceiveMessage", measureConsume},
	{"depth", "sqs", "SendMessageBatch", measureDepth},
	{"get", "s3", "GetObject", measureGet},
	{"put", "s3", "PutObject", measurePut},
	{"small", "s3", "PutObject", measureSmall},
	{"large", "s3", "PutObject", measureLarge},
}

// bench is one run.
type bench struct {
	binary string
	dir    string
	length time.Duration // of one measurement
	rounds int           // in which what is compared alternates
	deep   int           // messages in the deep queue
	large  int64         // bytes of the large object
	gw     *process.Process
	base   *baseline
	report report
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == baselineCommand {
		fatal(serveBaseline(os.Args[2]))
		return
	}
	fatal(run())
}

func fatal(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run() (err error) {
	quick := flag.Bool("quick", false, "measure for a short time, to see that everything works")
	only := flag.String("only", "", "make only the measurements that this regular expression matches")
	asJSON := flag.Bool("json", false, "print JSON")
	under := flag.String("dir", "", "put the data under this directory instead of the temporary one")
	flag.Parse()
	which, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir, err := os.MkdirTemp(*under, "gigawatt-load-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &bench{dir: dir, length: 3 * time.Second, rounds: 3, deep: 1_000_000, large: 5 << 30}
	if *quick {
		b.length, b.rounds, b.deep, b.large = 300*time.Millisecond, 1, 20_000, 64<<20
	}
	if b.binary, err = process.Binary(ctx, dir); err != nil {
		return err
	}
	if b.base, err = startBaseline(filepath.Join(dir, "baseline")); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.base.stop()) }()
	if b.gw, err = process.Start(ctx, b.binary, filepath.Join(dir, "cloud")); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.gw.Stop()) }()
	if err := b.measure(ctx, which); err != nil {
		return err
	}
	if *asJSON {
		return b.report.json(os.Stdout)
	}
	return b.report.table(os.Stdout)
}

// measure makes the measurements that were asked for.
func (b *bench) measure(ctx context.Context, which *regexp.Regexp) error {
	for _, m := range measurements {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case !which.MatchString(m.name):
		case m.service != "" && !process.Serves(m.service, m.operation):
			fmt.Fprintf(os.Stderr, "%s: left out, %s of %s is not served\n", m.name, m.operation, m.service)
		default:
			fmt.Fprintf(os.Stderr, "%s …\n", m.name)
			if err := m.run(ctx, b); err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
		}
	}
	return nil
}
