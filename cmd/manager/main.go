// Command manager runs containers and manages images, without a daemon.
package main

import (
	"os"

	"github.com/manager-project/manager/cmd/manager/cli"
)

func main() {
	os.Exit(cli.Main(os.Args, os.Stdin, os.Stdout, os.Stderr))
}
