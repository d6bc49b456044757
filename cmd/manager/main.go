// Command manager runs containers and manages images, without a daemon.
package main

import (
	"os"

	"github.com/manager-project/manager/cmd/manager/cli"
	"github.com/manager-project/manager/libpod/image"
)

func main() {
	if image.ReexecInit() {
		return // this process only extracts a layer
	}
	os.Exit(cli.Main(os.Args, os.Stdin, os.Stdout, os.Stderr))
}
