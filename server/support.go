package server

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/api/catalog"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/kv/memkv"
	"github.com/gigawatt-cloud/gigawatt/service"
)

// Support says what of a service is implemented.
type Support struct {
	Service    string             `json:"service"`
	Operations []OperationSupport `json:"operations"`
}

// OperationSupport says whether an operation is implemented, and which input
// members it refuses.
type OperationSupport struct {
	Name      string   `json:"name"`
	Supported bool     `json:"supported"`
	Refused   []string `json:"refused,omitempty"`
}

// Implemented lists the services of this program, not running.
func Implemented() []*service.Service {
	db := memkv.New()
	master := new([32]byte)
	return services(service.Env{DB: db, MasterKey: master, Region: DefaultRegion, Account: DefaultAccount}, identity.New(db, master), nil)
}

// SupportTable lists every operation of the implemented services.
func SupportTable() []Support {
	var out []Support
	for _, s := range Implemented() {
		t := Support{Service: s.Name}
		for _, op := range catalog.Service(s.Name).Operations {
			o := OperationSupport{Name: op.Name}
			if h := s.Handler(op.Name); h != nil {
				o.Supported, o.Refused = true, h.Refused
			}
			t.Operations = append(t.Operations, o)
		}
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b Support) int { return strings.Compare(a.Service, b.Service) })
	return out
}

// WriteSupport writes the table as Markdown: doc/support.md.
func WriteSupport(w io.Writer, table []Support) {
	fmt.Fprint(w, "# What is supported\n\nGenerated from the list of handlers by `go test ./server -run TestSupportTable -update`; `gigawatt support` prints the same.\n"+
		"An operation that is not supported, and a member that is refused, is answered with an error that names it.\n"+
		"All other services and operations of AWS are recognised and refused in the same way.\n\n| service | operations | of |\n| --- | --- | --- |\n")
	for _, s := range table {
		fmt.Fprintf(w, "| [%s](#%s) | %d | %d |\n", s.Service, s.Service, s.count(), len(s.Operations))
	}
	for _, s := range table {
		fmt.Fprintf(w, "\n## %s\n\n", s.Service)
		var missing []string
		for _, o := range s.Operations {
			switch {
			case !o.Supported:
				missing = append(missing, o.Name)
			case len(o.Refused) > 0:
				fmt.Fprintf(w, "- %s; refuses %s\n", o.Name, strings.Join(o.Refused, ", "))
			default:
				fmt.Fprintf(w, "- %s\n", o.Name)
			}
		}
		if len(missing) > 0 {
			fmt.Fprintf(w, "\nNot supported: %s.\n", strings.Join(missing, ", "))
		}
	}
}

func (s *Support) count() (n int) {
	for _, o := range s.Operations {
		if o.Supported {
			n++
		}
	}
	return n
}
