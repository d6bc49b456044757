// The small program that stays with a container or runs inside it. One file, several roles,
// so that all of them share their text pages:
//
//	manager-monitor init N M    carry out a plan, then become the user's program (container and exec)
//	manager-monitor monitor     be a container's parent: streams, log, attach, exit record
//	manager-init [--] PROGRAM   process 1 of a container with --init
//
// Its imports are few and small on purpose: every package's init runs in every role.
//
// The Go runtime would read the cgroup's processor limits at start and hold them open; no
// role computes anything.
//
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0
package main

import (
	"os"
	"path/filepath"
	"runtime"

	"github.com/manager-project/manager/pkg/libcontainer/initproc"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/monitor/server"
)

// roles are chosen by the first argument.
var roles = map[string]func(args []string) int{
	launch.RoleInit: initproc.Init,
	"monitor": func(args []string) int {
		// It has several goroutines and changes no thread.
		runtime.UnlockOSThread()
		return server.Main(args)
	},
}

func init() {
	// Credentials, labels and filters belong to a thread: the main goroutine stays on the main one.
	runtime.LockOSThread()
}

func main() {
	if filepath.Base(os.Args[0]) == initproc.ReaperName {
		os.Exit(initproc.Reap(os.Args[1:]))
	}
	if len(os.Args) > 1 {
		if role, ok := roles[os.Args[1]]; ok {
			os.Exit(role(os.Args[2:]))
		}
	}
	_, _ = os.Stderr.WriteString("manager-monitor: started by manager and manager-runtime, not by hand\n")
	os.Exit(125)
}
