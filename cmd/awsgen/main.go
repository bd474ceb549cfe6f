// Command awsgen turns API models into what the server is built from.
//
//	awsgen import DIR   copy the models of botocore's data folder DIR into models/, without documentation
//	awsgen generate     write api/catalog/tables.bin and the Go packages named in models/generate.txt
//
// It is run from the module's root; `make generate` does so.
package main

import (
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "awsgen:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "import":
		return importModels(args[1], "models")
	case len(args) == 1 && args[0] == "generate":
		return generate("models", "api")
	}
	return fmt.Errorf("usage: awsgen import DIR | awsgen generate")
}
