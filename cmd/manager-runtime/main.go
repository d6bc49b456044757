// Manager-runtime is the embedded runtime's command line, in the words of runc: the same commands,
// options, formats, exit codes and, where engines match on them, texts.
//
//	manager-runtime [global options] COMMAND [options] [arguments]
//
// Commands exit with 0, or 1 when they fail. run and exec exit with the program's status, 128+n for
// signal n, 126 for a program that cannot be executed and 127 for one that is not there; a failure of
// exec's own is 255.
//
// The Go runtime would read the cgroup's processor limits at start and hold them open; nothing here
// computes anything.
//
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0
package main

import (
	"os"

	"github.com/manager-project/manager/pkg/sysmon"
)

func main() {
	sysmon.Relax()
	os.Exit(newApp().main(os.Args[1:]))
}
