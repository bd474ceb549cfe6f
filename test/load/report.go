package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// row is one line of the report.
type row struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	// P50 and P99 are latencies in milliseconds, where there are any.
	P50 float64 `json:"p50_ms,omitempty"`
	P99 float64 `json:"p99_ms,omitempty"`
	// Ratio compares Value with that of the row Of.
	Ratio float64 `json:"ratio,omitempty"`
	Of    string  `json:"of,omitempty"`
	// Target is what is wanted of the ratio, or of the value where there is no ratio.
	Target string `json:"target,omitempty"`
	Met    bool   `json:"met"`
}

// report collects rows in the order of their measurement.
type report struct{ rows []row }

// rated adds a row of calls a second.
func (r *report) rated(name string, x rate) *row {
	return r.add(row{Name: name, Value: x.perSecond, Unit: "/s", P50: ms(x.p50), P99: ms(x.p99)})
}

func (r *report) add(x row) *row {
	x.Met = true
	r.rows = append(r.rows, x)
	return &r.rows[len(r.rows)-1]
}

// of returns the value of an earlier row, 0 when that was not measured.
func (r *report) of(name string) float64 {
	for _, x := range r.rows {
		if x.Name == name {
			return x.Value
		}
	}
	return 0
}

// atLeast compares a row with an earlier one.
func (r *report) atLeast(x *row, of string, share float64) {
	if base := r.of(of); base > 0 {
		x.Of, x.Ratio = of, x.Value/base
		x.Target, x.Met = fmt.Sprintf("at least %.3g%%", share*100), x.Ratio >= share
	}
}

// below holds a row's value to a limit.
func (r *report) below(x *row, limit float64) {
	x.Target, x.Met = fmt.Sprintf("under %g %s", limit, x.Unit), x.Value < limit
}

func (r *report) json(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r.rows)
}

func (r *report) table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "WHAT\tVALUE\tP50\tP99\tRATIO\tTARGET\t")
	for _, x := range r.rows {
		line := fmt.Sprintf("%s\t%s %s\t", x.Name, number(x.Value), x.Unit)
		if x.P99 > 0 {
			line += fmt.Sprintf("%.2f ms\t%.2f ms\t", x.P50, x.P99)
		} else {
			line += "\t\t"
		}
		if x.Of != "" {
			line += fmt.Sprintf("%.0f%% of %s", x.Ratio*100, x.Of)
		}
		line += "\t" + x.Target + "\t"
		if !x.Met {
			line += "MISSED"
		}
		fmt.Fprintln(t, line)
	}
	return t.Flush()
}

func number(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
