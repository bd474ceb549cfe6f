package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/gigawatt-cloud/gigawatt/server"
)

type supportCmd struct {
	Service string `arg:"" optional:"" help:"Only this service, with its operations."`
	JSON    bool   `name:"json" help:"Print JSON."`
}

// Run prints the list; no server needs to run.
func (s *supportCmd) Run() error {
	table := server.SupportTable()
	if s.Service != "" {
		table = slices.DeleteFunc(table, func(t server.Support) bool { return t.Service != s.Service })
		if len(table) == 0 {
			return fmt.Errorf("%s is not implemented; `gigawatt support` lists what is", s.Service)
		}
	}
	return show(s.JSON, table, func(w io.Writer) {
		for _, t := range table {
			n := 0
			for _, o := range t.Operations {
				if o.Supported {
					n++
				}
			}
			fmt.Fprintf(w, "%s\t%d of %d operations\n", t.Service, n, len(t.Operations))
			if s.Service == "" {
				continue
			}
			for _, o := range t.Operations {
				mark, note := "no", ""
				if o.Supported {
					mark = "yes"
				}
				if len(o.Refused) > 0 {
					note = "refuses " + strings.Join(o.Refused, ", ")
				}
				fmt.Fprintf(w, "  %s\t%s\t%s\n", o.Name, mark, note)
			}
		}
	})
}

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Run prints the script. Its words come from the command line's own model.
func (c *completionCmd) Run(k *kong.Kong) error {
	var all []string
	for _, n := range k.Model.Leaves(true) {
		var flags []string
		for _, group := range n.AllFlags(true) {
			for _, f := range group {
				flags = append(flags, "--"+f.Name)
			}
		}
		path := strings.Fields(n.Path())
		all = append(all, strings.Join(path[1:], " ")+"\t"+strings.Join(flags, " "))
	}
	write := map[string]func(leaves []string) string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}[c.Shell]
	_, err := fmt.Fprint(k.Stdout, write(all))
	return err
}

// bashCompletion completes the first word with the commands and later ones
// with the flags of the command.
func bashCompletion(leaves []string) string {
	var b strings.Builder
	var first []string
	b.WriteString("_gigawatt() {\n  local cur=${COMP_WORDS[COMP_CWORD]}\n  case \"${COMP_WORDS[1]}\" in\n")
	for _, l := range leaves {
		path, flags, _ := strings.Cut(l, "\t")
		name, sub, _ := strings.Cut(path, " ")
		first = append(first, name)
		fmt.Fprintf(&b, "    %s) [ $COMP_CWORD -gt 1 ] && COMPREPLY=($(compgen -W '%s' -- \"$cur\")) && return;;\n", name, strings.TrimSpace(sub+" "+flags))
	}
	fmt.Fprintf(&b, "  esac\n  [ $COMP_CWORD -eq 1 ] && COMPREPLY=($(compgen -W '%s' -- \"$cur\"))\n}\ncomplete -o default -F _gigawatt gigawatt\n", strings.Join(slices.Compact(first), " "))
	return b.String()
}

func zshCompletion(leaves []string) string {
	return "autoload -U +X bashcompinit && bashcompinit\n" + bashCompletion(leaves)
}

func fishCompletion(leaves []string) string {
	var b strings.Builder
	for _, l := range leaves {
		path, flags, _ := strings.Cut(l, "\t")
		name, sub, _ := strings.Cut(path, " ")
		fmt.Fprintf(&b, "complete -c gigawatt -n __fish_use_subcommand -f -a %s\n", name)
		if sub != "" {
			fmt.Fprintf(&b, "complete -c gigawatt -n '__fish_seen_subcommand_from %s' -f -a %s\n", name, sub)
		}
		for f := range strings.FieldsSeq(flags) {
			fmt.Fprintf(&b, "complete -c gigawatt -n '__fish_seen_subcommand_from %s' -l %s\n", name, strings.TrimPrefix(f, "--"))
		}
	}
	return b.String()
}
