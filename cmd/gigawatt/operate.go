package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/gigawatt-cloud/gigawatt/server"
)

// show prints v as JSON, or through human.
func show(asJSON bool, v any, human func(w io.Writer)) error {
	if asJSON {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	human(w)
	return w.Flush()
}

// at is a time as the API's JSON writes it: seconds.
func at(seconds float64) string {
	return time.UnixMilli(int64(seconds * 1000)).UTC().Format(time.RFC3339)
}

type statusCmd struct{ target }

// Run shows the server's state.
func (s *statusCmd) Run(ctx context.Context) error {
	c, err := s.client()
	if err != nil {
		return err
	}
	var out struct {
		Version, Region, AccountId, Problem string
		StartedAt, Now                      float64
		Open, Healthy                       bool
		StoreBytes, BlobBytes               int64
		Services                            []struct {
			Name               string
			Implemented, Total int
		}
	}
	if err := c.call(ctx, "GetStatus", struct{}{}, &out); err != nil {
		return err
	}
	return show(s.JSON, out, func(w io.Writer) {
		health := "ok"
		if !out.Healthy {
			health = out.Problem
		}
		fmt.Fprintf(w, "health\t%s\nendpoint\t%s\nversion\t%s\naccount\t%s\nregion\t%s\nopen\t%t\nsince\t%s\nclock\t%s\nstate\t%d bytes\nblobs\t%d bytes\n",
			health, c.endpoint, out.Version, out.AccountId, out.Region, out.Open, at(out.StartedAt), at(out.Now), out.StoreBytes, out.BlobBytes)
		for _, v := range out.Services {
			fmt.Fprintf(w, "%s\t%d of %d operations\n", v.Name, v.Implemented, v.Total)
		}
	})
}

type usageCmd struct {
	target
	Account string `help:"Only this account." placeholder:"N"`
	Service string `help:"Only this service." placeholder:"NAME"`
}

// usage is an hourly sum.
type usage struct {
	AccountId, Region, ServiceName, OperationName, UsageType, Resource, Unit string
	Hour, Quantity                                                           float64
}

// Run lists the usage.
func (u *usageCmd) Run(ctx context.Context) error {
	c, err := u.client()
	if err != nil {
		return err
	}
	all, err := listUsage(ctx, c, u.Account, u.Service)
	if err != nil {
		return err
	}
	return show(u.JSON, all, func(w io.Writer) { printUsage(w, all) })
}

func listUsage(ctx context.Context, c *client, account, service string) ([]usage, error) {
	in := map[string]any{}
	if account != "" {
		in["AccountId"] = account
	}
	if service != "" {
		in["ServiceName"] = service
	}
	all := []usage{}
	for {
		var out struct {
			Usage     []usage
			NextToken string
		}
		if err := c.call(ctx, "ListUsage", in, &out); err != nil {
			return nil, err
		}
		all = append(all, out.Usage...)
		if out.NextToken == "" {
			return all, nil
		}
		in["NextToken"] = out.NextToken
	}
}

func printUsage(w io.Writer, all []usage) {
	fmt.Fprintln(w, "HOUR\tACCOUNT\tSERVICE\tOPERATION\tQUANTITY\tUNIT\tRESOURCE")
	for _, u := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%g\t%s\t%s\n", at(u.Hour), u.AccountId, u.ServiceName, u.OperationName, u.Quantity, u.Unit, u.Resource)
	}
}

type explainCmd struct {
	target
	RequestID string `arg:"" help:"The request id of a response, as in x-amzn-requestid."`
}

// Run shows how a request was decided.
func (e *explainCmd) Run(ctx context.Context) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	var out struct {
		RequestId, AccountId, Principal, ServiceName, OperationName, ErrorCode string
		Time                                                                   float64
		Allowed                                                                bool
		Decisions                                                              []struct {
			Action, Resource, Effect, Layer, Reason string
			Statements                              []struct {
				Source, Sid, Effect string
				Index               int
			}
		}
	}
	if err := c.call(ctx, "ExplainRequest", map[string]string{"RequestId": e.RequestID}, &out); err != nil {
		return err
	}
	return show(e.JSON, out, func(w io.Writer) {
		fmt.Fprintf(w, "%s %s by %s at %s\n", out.ServiceName, out.OperationName, out.Principal, at(out.Time))
		if out.ErrorCode != "" {
			fmt.Fprintf(w, "answered the error %s\n", out.ErrorCode)
		}
		if len(out.Decisions) == 0 {
			fmt.Fprintln(w, "no permission was checked")
		}
		for _, d := range out.Decisions {
			fmt.Fprintf(w, "%s  %s on %s\n    %s\n", d.Effect, d.Action, d.Resource, d.Reason)
			for _, s := range d.Statements {
				fmt.Fprintf(w, "    %s: statement %d %s of %s\n", s.Effect, s.Index+1, s.Sid, s.Source)
			}
		}
	})
}

type backupCmd struct {
	target
	To string `arg:"" help:"A directory that does not exist yet." type:"path"`
}

// Run copies the state while the cloud goes on.
func (b *backupCmd) Run(ctx context.Context) error {
	c, err := b.client()
	if err != nil {
		return err
	}
	var out struct {
		Directory    string
		Bytes, Files int64
	}
	if err := c.call(ctx, "CreateBackup", map[string]string{"Directory": b.To}, &out); err != nil {
		return err
	}
	return show(b.JSON, out, func(w io.Writer) {
		fmt.Fprintf(w, "%d files, %d bytes in %s\nRestore with: gigawatt restore %s --dir NEW-DIR\n", out.Files, out.Bytes, out.Directory, out.Directory)
	})
}

type restoreCmd struct {
	From string `arg:"" help:"The directory of a backup." type:"existingdir"`
	Dir  string `help:"The data directory to make; it must be missing or empty." required:"" placeholder:"DIR"`
}

// Run makes a data directory; no server needs to run.
func (r *restoreCmd) Run(ctx context.Context) error {
	dir, err := filepath.Abs(r.Dir)
	if err != nil {
		return err
	}
	if err := server.Restore(ctx, r.From, dir); err != nil {
		return err
	}
	fmt.Printf("Restored. Start it with: gigawatt serve --dir %s\n", dir)
	return nil
}

type clockCmd struct {
	Advance clockAdvanceCmd `cmd:"" help:"Move the clock forward."`
}

type clockAdvanceCmd struct {
	target
	By time.Duration `arg:"" help:"How far, such as 90s, 1h or 720h."`
}

// Run moves the clock.
func (a *clockAdvanceCmd) Run(ctx context.Context) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	var out struct {
		Now           float64
		OffsetSeconds int64
	}
	if err := c.call(ctx, "AdvanceClock", map[string]int64{"Seconds": int64(a.By / time.Second)}, &out); err != nil {
		return err
	}
	return show(a.JSON, out, func(w io.Writer) { fmt.Fprintf(w, "the clock is at %s\n", at(out.Now)) })
}

type versionCmd struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Run prints the version.
func (v *versionCmd) Run() error {
	return show(v.JSON, map[string]string{"version": server.Version}, func(w io.Writer) { fmt.Fprintln(w, "gigawatt", server.Version) })
}
