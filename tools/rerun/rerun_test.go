package rerun_test

import (
	"testing"

	"golang.org/x/tools/go/analysis/analysistest"

	"github.com/gigawatt-cloud/gigawatt/tools/rerun"
)

func TestAnalyzer(t *testing.T) {
	analysistest.Run(t, analysistest.TestData(), rerun.Analyzer, "a")
}
