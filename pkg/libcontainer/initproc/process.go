package initproc

import (
	"errors"
	"strconv"
	"strings"
	"unsafe"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"golang.org/x/sys/unix"
)

// keyring gives the container a session keyring of its own. A kernel without keys, or an outer
// filter against them, is no error.
func (in *initializer) keyring() *launch.Failure {
	if in.Process.Keyring == "" {
		return nil
	}
	// Without a label of its own a key has its maker's, and the container could not use it.
	if l := in.Process.SELinux; l != "" {
		if err := in.writeProc("thread-self/attr/keycreate", l); err != nil {
			return failure("selinux label", l, err)
		}
		defer func() { _ = in.writeProc("thread-self/attr/keycreate", "\n") }() // execve clears it too
	}
	_, err := unix.KeyctlJoinSessionKeyring(in.Process.Keyring)
	if err == unix.ENOSYS || err == unix.EPERM || err == unix.EDQUOT {
		return nil
	}
	return failure("keyring", in.Process.Keyring, err)
}

// becomeProcess gives this thread the attributes of the user's program.
func (in *initializer) becomeProcess() *launch.Failure {
	steps := []func() *launch.Failure{
		in.affinity, in.oomScore, in.labels, in.scheduling, in.personality, in.rlimits, in.closeFiles, in.becomeUser,
	}
	for _, step := range steps {
		if f := step(); f != nil {
			return f
		}
	}
	in.home()
	if u := in.Process.Umask; u != nil {
		unix.Umask(int(*u))
	} else {
		unix.Umask(0o022)
	}
	return nil
}

// oomScore is tried: lowering it wants a privilege that rootless callers do not have.
func (in *initializer) oomScore() *launch.Failure {
	adj := in.Process.OOMScoreAdj
	if adj == nil {
		return nil
	}
	err := in.writeProc("self/oom_score_adj", strconv.Itoa(*adj))
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		return nil
	}
	return failure("oom_score_adj", "", err)
}

// labels sets the security label that the program gets when it is executed.
func (in *initializer) labels() *launch.Failure {
	if p := in.Process.AppArmor; p != "" {
		err := in.writeProc("thread-self/attr/apparmor/exec", "exec "+p)
		if errors.Is(err, unix.ENOENT) {
			err = in.writeProc("thread-self/attr/exec", "exec "+p)
		}
		if errors.Is(err, unix.ENOENT) {
			return explain("apparmor profile", p, unix.ENOENT, "it is not loaded")
		}
		if err != nil {
			return failure("apparmor profile", p, err)
		}
	}
	if l := in.Process.SELinux; l != "" {
		return failure("selinux label", l, in.writeProc("thread-self/attr/exec", l))
	}
	return nil
}

func (in *initializer) personality() *launch.Failure {
	if in.Process.Personality == nil {
		return nil
	}
	_, _, errno := unix.RawSyscall(unix.SYS_PERSONALITY, uintptr(*in.Process.Personality), 0, 0)
	if errno != 0 {
		return failure("personality", "", errno)
	}
	return nil
}

// rlimits sets the limits. A hard limit above the present one needs CAP_SYS_RESOURCE; where that
// is missing the present hard limit is kept, as the most that can be had.
func (in *initializer) rlimits() *launch.Failure {
	for _, r := range in.Process.Rlimits {
		want := unix.Rlimit{Cur: r.Soft, Max: r.Hard}
		err := unix.Prlimit(0, r.Resource, &want, nil)
		if err == unix.EPERM {
			var have unix.Rlimit
			if err = unix.Prlimit(0, r.Resource, nil, &have); err == nil {
				want.Max = min(want.Max, have.Max)
				want.Cur = min(want.Cur, want.Max)
				err = unix.Prlimit(0, r.Resource, &want, nil)
			}
		}
		if err != nil {
			return failure("rlimit", strconv.Itoa(r.Resource), err)
		}
	}
	return nil
}

// becomeUser drops the bounding set, changes the ids and enters the working directory.
func (in *initializer) becomeUser() *launch.Failure {
	p := &in.Process
	caps, f := in.boundingSet()
	if f != nil {
		return f
	}
	entered := unix.Chdir(p.Cwd) // as root; a directory closed to the user may still be the image's choice
	if f := in.setIDs(); f != nil {
		return f
	}
	if entered != nil {
		entered = unix.Chdir(p.Cwd) // as the user; a FUSE mount may be closed to root
	}
	if entered != nil {
		return failure("cwd", p.Cwd, entered)
	}
	if f := checkCwd(p.Cwd); f != nil {
		return f
	}
	return in.userCapabilities(caps)
}

func (in *initializer) setIDs() *launch.Failure {
	p := &in.Process
	if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0); err != nil {
		return failure("capabilities", "keep", err)
	}
	if !p.KeepGroups {
		var list unsafe.Pointer
		if len(p.Groups) > 0 {
			list = unsafe.Pointer(&p.Groups[0])
		}
		// Raw calls: the wrappers of the standard library change every thread and wait for them.
		if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(p.Groups)), uintptr(list), 0); errno != 0 {
			return failure("groups", "", errno)
		}
	}
	gid, uid := uintptr(p.GID), uintptr(p.UID)
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, gid, gid, gid); errno != 0 {
		return failure("group", strconv.Itoa(int(p.GID)), errno)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uid, uid, uid); errno != 0 {
		return failure("user", strconv.Itoa(int(p.UID)), errno)
	}
	// Changing ids makes a process dumpable again if the system says so; not yet.
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	return failure("capabilities", "keep", unix.Prctl(unix.PR_SET_KEEPCAPS, 0, 0, 0, 0))
}

// checkCwd makes sure that the working directory is inside the root: a descriptor of the host
// that was reached through /proc would not be.
func checkCwd(cwd string) *launch.Failure {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Getcwd(buf)
	if err != nil {
		return failure("cwd", cwd, err)
	}
	if n < 1 || !strings.HasPrefix(string(buf[:n]), "/") {
		return explain("cwd", cwd, unix.EXDEV, "the directory is outside the container")
	}
	return nil
}
