// Command onceproof-dapr is the Dapr runtime of a run: daprd, placement and scheduler in one binary.
//
// The first argument names the part (or the name that the binary is called by does), the others are
// that part's own flags, unchanged. The parts are Dapr's own packages at the version in go.mod. What is
// ours, and differs from the official binaries: the list of components (components.go), and health
// endpoints that obey their listen address (health.go). With the tag kubernetes it is what the images
// of Dapr hold (kubernetes.go).
package main

import (
	"fmt"
	"os"
	"path/filepath"
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
	args := os.Args
	if parts[filepath.Base(args[0])] == nil {
		args = args[1:]
	}
	if len(args) == 0 || parts[filepath.Base(args[0])] == nil {
		names := make([]string, 0, len(parts))
		for name := range parts {
			names = append(names, name)
		}
		sort.Strings(names)
		fmt.Fprintf(os.Stderr, "usage: onceproof-dapr {%s} [flags of that part]\n", strings.Join(names, "|"))
		os.Exit(2)
	}
	part := filepath.Base(args[0])
	if err := parts[part](args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", part, err)
		os.Exit(1)
	}
}
