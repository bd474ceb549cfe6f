package s3_test

import (
	"testing"

	"github.com/gigawatt-cloud/gigawatt/cloudtest"
)

func TestScripts(t *testing.T) { cloudtest.Run(t, "testdata/script") }
