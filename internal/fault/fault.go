// Package fault names the moments at which a test may stop a program or make a step fail.
//
// The core, the monitor and the container's init pass a point before and after whatever they
// change outside their own memory: a row, a lock, a file, a directory, a mount, a cgroup, a
// process. Nothing happens there unless a test program has armed a hook; no environment variable,
// option or file does that in the programs that users have, since package arming, which reads
// them, is linked into programs of tests only. A test that kills a command at each of its points
// in turn finds new steps by itself.
package fault

import (
	"slices"
	"strings"
)

// hook is what Arm was given.
var hook func(point string) error

// environ is what ArmChildren was given.
var environ []string

// ArmChildren sets what Environ returns; only test programs call it, before anything else runs.
func ArmChildren(words []string) { environ = words }

// Environ is added to the environment of a program of ours that is started with next to none: the
// monitor, the init, the clean-up command. It is empty unless a test program set it.
func Environ() []string { return environ }

// Arm sets what happens at each point; only test programs call it, before anything else runs.
// The hook may end the process. It is called from several goroutines.
func Arm(f func(point string) error) { hook = f }

// ForInit says whether a test stops the init of a container at its points.
func ForInit() bool {
	return slices.ContainsFunc(environ, func(word string) bool { return strings.HasPrefix(word, "FAULT_INIT=") })
}

// Check is a point at which the step that follows can be made to fail: the caller returns the
// error as if the step had failed.
func Check(point string) error {
	if hook == nil {
		return nil
	}
	return hook(point)
}

// Point is a point at which the process may be killed. An error of the hook is dropped.
func Point(point string) {
	if hook != nil {
		_ = hook(point)
	}
}
