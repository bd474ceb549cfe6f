package cloudtest

import (
	"context"
	"fmt"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// files reads the files that a command line names and writes its output files.
type files interface {
	read(name string) (string, error)
	write(name, content string) error
}

// command is a parsed command line of the AWS CLI: SERVICE OPERATION [--option
// value …] [OUTFILE].
type command struct {
	op      *smithy.Operation
	in      map[string]any // in the neutral form
	query   string
	format  string
	outfile string
}

// run calls what args say and returns what the AWS CLI would print.
func run(ctx context.Context, client *Client, f files, args []string) (string, error) {
	c, err := parse(f, args)
	if err != nil {
		return "", err
	}
	var out any
	if _, err := client.Call(ctx, c.op.Service.Name, c.op.Name, c.in, &out); err != nil {
		return "", err
	}
	if c.op.Output == nil {
		return "", nil
	}
	payload, err := c.takePayload(out)
	if err != nil {
		return "", err
	}
	switch c.outfile {
	case "":
		payload = ""
	case "/dev/stdout":
	default:
		if err := f.write(c.outfile, payload); err != nil {
			return "", err
		}
		payload = ""
	}
	text, err := c.print(presentTimes(c.op.Output, out))
	return payload + text, err
}

func parse(f files, args []string) (*command, error) {
	if len(args) < 2 {
		return nil, fmt.Errorf("usage: aws SERVICE OPERATION [--member value …]")
	}
	c := &command{op: findOperation(args[0], args[1]), in: map[string]any{}, format: "json"}
	if c.op == nil {
		return nil, fmt.Errorf("the AWS CLI has no command %s %s", args[0], args[1])
	}
	for rest := args[2:]; len(rest) > 0; {
		name, isOption := strings.CutPrefix(rest[0], "--")
		if !isOption {
			if !c.streams() || c.outfile != "" {
				return nil, fmt.Errorf("unknown options: %s", rest[0])
			}
			c.outfile, rest = rest[0], rest[1:]
			continue
		}
		end := 1
		for end < len(rest) && !strings.HasPrefix(rest[end], "--") {
			end++
		}
		used, err := c.option(f, name, rest[1:end])
		if err != nil {
			return nil, fmt.Errorf("--%s: %w", name, err)
		}
		rest = rest[1+used:]
	}
	if c.streams() && c.outfile == "" {
		return nil, fmt.Errorf("%s wants a file for what it returns", cliOperation(c.op.Name))
	}
	return c, nil
}

// streams reports whether the output has a payload that goes to a file.
func (c *command) streams() bool {
	if c.op.Output == nil {
		return false
	}
	m := c.op.Output.PayloadMember()
	return m != nil && m.Shape.Kind == smithy.Blob
}

var errNoValue = fmt.Errorf("expected one argument")

// option takes an option with the values after it and returns how many it used.
func (c *command) option(f files, name string, values []string) (used int, err error) {
	if name == "no-sign-request" || name == "no-paginate" {
		return 0, nil
	}
	m, negated := findMember(c.op, name)
	if m != nil && m.Shape.Kind == smithy.Boolean {
		c.in[m.Name] = !negated
		return 0, nil
	}
	if len(values) == 0 && (m == nil || m.Shape.Kind != smithy.List) {
		return 0, errNoValue
	}
	switch {
	case m != nil:
		n := 1
		if m.Shape.Kind == smithy.List {
			n = len(values)
		}
		c.in[m.Name], err = optionValue(f, m, values[:n])
		return n, err
	case name == "query":
		c.query = values[0]
	case name == "output":
		if c.format = values[0]; c.format != "json" && c.format != "text" {
			return 0, fmt.Errorf("only json and text are known here")
		}
	case name == "cli-input-json":
		v, err := fromJSON(c.op.Input, values[0], f)
		if err != nil {
			return 0, err
		}
		given, ok := v.(map[string]any)
		if !ok {
			return 0, fmt.Errorf("wants a JSON object")
		}
		for k, e := range given {
			if _, ok := c.in[k]; !ok {
				c.in[k] = e
			}
		}
	default:
		return 0, fmt.Errorf("%s has no such option", cliOperation(c.op.Name))
	}
	return 1, nil
}
