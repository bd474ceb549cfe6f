package smithy_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy/model"
)

func FuzzUnpack(f *testing.F) {
	b, err := os.ReadFile(filepath.Join("..", "..", "models", "sts.json"))
	if err != nil {
		f.Fatal(err)
	}
	s, err := model.Parse("sts", b)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(smithy.Pack(s))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := smithy.Unpack(b)
		if err == nil && s == nil {
			t.Fatal("neither a service nor an error")
		}
	})
}
