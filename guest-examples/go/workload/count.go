// Counts the lines of the files that it is given, as `wc -l` does.
package main

import (
	"bytes"
	"fmt"
	"os"
)

func main() {
	failed := false
	for _, name := range os.Args[1:] {
		text, err := os.ReadFile(name)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			failed = true
			continue
		}
		fmt.Printf("%d lines in %s\n", bytes.Count(text, []byte("\n")), name)
	}
	if failed {
		os.Exit(1)
	}
}
