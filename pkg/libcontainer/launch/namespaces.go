package launch

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// namespaces are the files of /proc/PID/ns and their flags. Source: namespaces(7).
var namespaces = []struct {
	file string
	flag uintptr
}{
	{"user", unix.CLONE_NEWUSER},
	{"mnt", unix.CLONE_NEWNS},
	{"pid", unix.CLONE_NEWPID},
	{"net", unix.CLONE_NEWNET},
	{"ipc", unix.CLONE_NEWIPC},
	{"uts", unix.CLONE_NEWUTS},
	{"cgroup", unix.CLONE_NEWCGROUP},
	{"time", unix.CLONE_NEWTIME},
}

// DifferingNamespaces returns the namespaces (CLONE_NEW*) in which a process is elsewhere than this one:
// the Flags of a JoinTarget.
func DifferingNamespaces(pid int) (uintptr, error) {
	var flags uintptr
	for _, n := range namespaces {
		theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, n.file))
		if errors.Is(err, os.ErrNotExist) && n.file == "time" {
			continue // kernels before 5.6
		}
		if err != nil {
			return 0, err
		}
		ours, err := os.Readlink("/proc/self/ns/" + n.file)
		if err != nil {
			return 0, err
		}
		if ours != theirs {
			flags |= n.flag
		}
	}
	return flags, nil
}
