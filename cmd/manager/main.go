// Command manager runs containers and manages images, without a daemon.
//
// The Go runtime would read the cgroup's processor limits at start and hold them open: half a
// millisecond and three descriptors, for a program that does little in parallel.
//
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0
package main

import (
	"os"
	"runtime/debug"

	"github.com/manager-project/manager/cmd/manager/cli"
	"github.com/manager-project/manager/libpod/image"
)

// memoryLimit is the heap, in bytes, from which on the collector works harder.
const memoryLimit = 192 << 20

func main() {
	if image.ReexecInit() {
		return // this process only extracts a layer
	}
	if networkHelper(os.Args) {
		return // this process only carries a container's packets
	}
	// A command lives for milliseconds and allocates a few megabytes: collecting them costs more
	// than keeping them. Long ones (a pull) collect as usual once they near the limit.
	debug.SetGCPercent(800)
	debug.SetMemoryLimit(memoryLimit)
	os.Exit(cli.Main(os.Args, os.Stdin, os.Stdout, os.Stderr))
}
