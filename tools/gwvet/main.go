// Command gwvet runs Gigawatt's own analyzers:
//
//	go vet -vettool=.tools/bin/gwvet ./...
//
// Each analyzer is a package beside this one and explains itself.
package main

import (
	"golang.org/x/tools/go/analysis/unitchecker"

	"github.com/gigawatt-cloud/gigawatt/tools/rerun"
)

func main() { unitchecker.Main(rerun.Analyzer) }
