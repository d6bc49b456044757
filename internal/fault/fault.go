// Package fault names the moments at which a test may stop a program or make a step fail.
//
// The core passes a point before and after whatever it changes outside its own memory: a row,
// a lock, a directory, a mount, a cgroup, a process. Nothing happens there unless a test program
// has armed a hook; no environment variable, option or file does that in the programs that
// users have. A test that records the points of a command and then kills it at each of them
// finds new steps by itself.
package fault

// hook is what Arm was given.
var hook func(point string) error

// Arm sets what happens at each point; only test programs call it, before anything else runs.
// The hook may end the process. It is called from several goroutines.
func Arm(f func(point string) error) { hook = f }

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
