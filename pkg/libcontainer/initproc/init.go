// Package initproc carries out a plan inside the new (or joined) container and then becomes
// the user's program.
//
// It decides nothing: what to mount, mask and drop was compiled beforehand. It trusts the plan and
// nothing else; every path of the container is resolved in its root by descriptor
// (pkg/fsroot), and /proc is reached through a handle of our own.
//
// The order: descriptors, keyring, root and mounts, devices, hooks, console, sysctl, read-only and masked
// paths, names, pivot, limits, labels, user and capabilities, ready, barrier, hooks, seccomp, execve.
package initproc

import (
	"os"
	"runtime"
	"strconv"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/pkg/fsroot"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/libcontainer/plan"
	"golang.org/x/sys/unix"
)

// exitFailed is the exit code after a failure that was reported (or could not be).
const exitFailed = 125

// Init is the "init" role: args are those after the role's name. It returns only on failure.
// The caller must have locked the main goroutine to the main thread: credentials, labels and
// filters belong to a thread, and this one executes the program.
func Init(args []string) int {
	runtime.LockOSThread()
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	keepFileLimit()
	var extra, files int
	if len(args) == 2 {
		extra, _ = strconv.Atoi(args[0])
		files, _ = strconv.Atoi(args[1])
	}
	first := 3 + extra
	// What the caller of our caller left open is no business of ours.
	_ = unix.CloseRange(uint(first+2+files), ^uint(0)>>32, 0)
	// Everything that is not for the user's program closes itself when that is executed.
	if err := unix.CloseRange(uint(first), ^uint(0)>>32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		setCloexecByProc(first)
	}
	p := &parent{fd: first}
	in := &initializer{parent: p, firstFile: first + 2, files: files, proc: -1}
	if err := in.run(first + 1); err != nil {
		p.fail(err)
	}
	return exitFailed
}

// keepFileLimit makes the limit of open files that the Go runtime raised at start the program's: without that it
// would be put back at execve for some ways to get here, and not for others.
func keepFileLimit() {
	var have unix.Rlimit
	if unix.Prlimit(0, unix.RLIMIT_NOFILE, nil, &have) == nil {
		_ = unix.Prlimit(0, unix.RLIMIT_NOFILE, &have, nil)
	}
}

// initializer is the state while a plan is carried out.
type initializer struct {
	*plan.Plan
	parent    *parent
	firstFile int // descriptor of OpenFiles[0]
	files     int // how many there are
	root      *fsroot.Root
	proc      int // our handle on procfs, or -1; it may be one of kernel's
	kernel    plan.KernelMounts[int]
	devpts    int   // the container's devpts, 0 if there is none
	readonly  []int // mounts that become read-only at the end
	finalCaps plan.Capabilities
}

func (in *initializer) run(planFD int) *launch.Failure {
	pl, err := readPlan(planFD)
	if err != nil {
		return failure("plan", "", err)
	}
	in.Plan = pl
	fault.Point("init: has its plan")
	if in.Process.Terminal {
		if _, err := unix.Setsid(); err != nil && err != unix.EPERM {
			return failure("session", "", err)
		}
	}
	if f := in.keyring(); f != nil {
		return f
	}
	if !in.Join {
		if f := in.buildRoot(); f != nil {
			return f
		}
	}
	if in.Join && in.Process.Terminal {
		if f := in.joinConsole(); f != nil {
			return f
		}
	}
	fault.Point("init: become the process")
	if f := in.becomeProcess(); f != nil {
		return f
	}
	fault.Point("init: ready")
	if f := in.parent.barrier(in.findProgram); f != nil {
		return f
	}
	fault.Point("init: released")
	return in.exec()
}

// buildRoot makes the container's file system and moves into it.
func (in *initializer) buildRoot() *launch.Failure {
	for _, step := range []struct {
		point string
		do    func() *launch.Failure
	}{
		{"init: root", in.attachRoot},
		{"init: mounts", in.mounts},
		{"init: devices", in.makeDevices},
		{"init: null device", in.ownNull},
		{"init: links in /dev", in.devLinks},
		{"init: hooks", in.createHooks},
		{"init: console", in.console},
		{"init: sysctl", in.sysctls},
		{"init: read-only paths", in.readonlyPaths},
		{"init: masked paths", in.maskedPaths},
		{"init: names", in.names},
		{"init: loopback", in.loopback},
		{"init: working directory", in.makeCwd},
		{"init: finish mounts", in.finishMounts},
		{"init: enter root", in.enterRoot},
	} {
		fault.Point(step.point)
		if f := step.do(); f != nil {
			return f
		}
	}
	return nil
}

// closeFiles closes everything that leads to a directory, before the working directory, which may
// be a path of /proc/self/fd, is entered.
func (in *initializer) closeFiles() *launch.Failure {
	if in.root != nil {
		_ = in.root.Close()
	}
	in.closeKernel(in.kernel.Hide("/"))
	if in.proc >= 0 {
		_ = unix.Close(in.proc)
		in.proc = -1
	}
	if in.devpts > 0 {
		_ = unix.Close(in.devpts)
	}
	for _, fd := range in.readonly {
		_ = unix.Close(fd)
	}
	for fd := in.firstFile - 1; fd < in.firstFile+in.files; fd++ { // the plan is before the files
		_ = unix.Close(fd)
	}
	return nil
}

// file returns the descriptor of a 1-based OpenFiles index.
func (in *initializer) file(index int) int { return in.firstFile + index - 1 }

func readPlan(fd int) (*plan.Plan, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	if st.Size <= 0 || st.Size > plan.MaxSize {
		return nil, unix.EFBIG
	}
	b, err := unix.Mmap(fd, 0, int(st.Size), unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	return plan.Decode(b)
}

// setCloexecByProc serves kernels before 5.11.
func setCloexecByProc(from int) {
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd >= from {
			unix.CloseOnExec(fd)
		}
	}
}
