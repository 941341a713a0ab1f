// Command onceproof-dapr is the Dapr runtime of a run: daprd, placement and scheduler in one binary.
//
// The first argument names the part, the others are that part's own flags, unchanged. The parts are
// Dapr's own packages at the version in go.mod. What is ours, and differs from the official binaries:
// the list of components (components.go), and health endpoints that obey their listen address
// (health.go).
package main

import (
	"fmt"
	"os"
	"sort"
	"strings"
)

var parts = map[string]func(args []string) error{
	"daprd":      runDaprd,
	"placement":  runPlacement,
	"scheduler":  runScheduler,
	"components": printComponents,
	"version":    printVersion,
}

func main() {
	if len(os.Args) < 2 || parts[os.Args[1]] == nil {
		names := make([]string, 0, len(parts))
		for name := range parts {
			names = append(names, name)
		}
		sort.Strings(names)
		fmt.Fprintf(os.Stderr, "usage: onceproof-dapr {%s} [flags of that part]\n", strings.Join(names, "|"))
		os.Exit(2)
	}
	if err := parts[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}
