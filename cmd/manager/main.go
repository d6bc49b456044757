// Command manager runs containers and manages images, without a daemon.
package main

import (
	"os"
	"runtime/debug"

	"github.com/manager-project/manager/cmd/manager/cli"
	"github.com/manager-project/manager/libpod/image"
)

func main() {
	if image.ReexecInit() {
		return // this process only extracts a layer
	}
	// A command lives for milliseconds and allocates a few megabytes: collecting them costs more
	// than keeping them. Long ones (a pull) collect as they grow.
	debug.SetGCPercent(800)
	os.Exit(cli.Main(os.Args, os.Stdin, os.Stdout, os.Stderr))
}
