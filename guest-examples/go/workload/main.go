// Counts the lines of the files that it is given, as `wc -l` does.
package main

import (
	"bytes"
	"fmt"
	"os"
	"syscall"
)

// By system calls: a host of WASI 0.2 cannot wait for files, as Go's own os.File does.
func count(name string) (int, error) {
	file, err := syscall.Open(name, syscall.O_RDONLY, 0)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	defer syscall.Close(file)
	lines, piece := 0, make([]byte, 4096)
	for {
		n, err := syscall.Read(file, piece)
		if n <= 0 || err != nil {
			return lines, err
		}
		lines += bytes.Count(piece[:n], []byte("\n"))
	}
}

func main() {
	failed := false
	for _, name := range os.Args[1:] {
		lines, err := count(name)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			failed = true
			continue
		}
		fmt.Printf("%d lines in %s\n", lines, name)
	}
	if failed {
		os.Exit(1)
	}
}
