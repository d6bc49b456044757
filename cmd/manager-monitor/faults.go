//go:build faults

package main

import (
	"os"

	"github.com/manager-project/manager/internal/fault/arming"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
)

// Built for a test, the program can be stopped at every point.
func init() {
	if len(os.Args) < 2 {
		return
	}
	switch os.Args[1] {
	case "monitor":
		arming.Arm(arming.Monitor, os.Environ())
	case launch.RoleInit:
		arming.Arm(arming.Init, os.Environ())
	}
}
