package libcontainer_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"unsafe"

	"github.com/manager-project/manager/pkg/libcontainer/seccomp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// What TestHiddenCalls tells the copy of this program that it starts.
const (
	envProgram = "LIBCONTAINER_TEST_PROGRAM"
	envHidden  = "LIBCONTAINER_TEST_HIDDEN"
)

// hide makes calls fail with ENOSYS, in this process and all that it starts, as on an older kernel or below
// an engine with a narrow profile.
func hide(calls []string) error {
	errno := uint(unix.ENOSYS)
	f, err := seccomp.Compile(&specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: calls, Action: specs.ActErrno, ErrnoRet: &errno}},
	})
	if err != nil {
		return err
	}
	if len(f.Warnings) > 0 {
		return fmt.Errorf("%v", f.Warnings)
	}
	prog := unix.SockFprog{Len: uint16(len(f.Program) / 8), Filter: (*unix.SockFilter)(unsafe.Pointer(&f.Program[0]))}
	const setModeFilter = 1
	_, _, errNo := unix.Syscall(unix.SYS_SECCOMP, setModeFilter, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	if errNo != 0 {
		return errNo
	}
	return nil
}

// basics are the tests that no missing call may break.
const basics = "RunGivesOutput|ExecJoinsEvery|ExecFailureIs|ReadonlyRootKeeps|TmpfsCopyUp|Sysctl|PreservedFiles|Reaper|Devices$|EveryMountOption|" +
	"RemountAndOverlay|LinksAsSource|NothingIsMountedBelow|HooksInTheirOrder|NamespacesByPath|BornInItsCgroup|CapabilitySets|SchedulerAndIO|" +
	"SeccompFilterInTheKernel|RootPropagation|Masked|Terminal|JoinIntoACgroup"

// Each group of calls is hidden from the compiler, the launcher and the init, and the same tests pass.
func TestHiddenCalls(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs the other tests many times: make test does")
	}
	if skipReason != "" {
		t.Skip(skipReason)
	}
	if os.Getenv(envProgram) != "" {
		t.Skip("runs only at the top")
	}
	full := basics + "|BindMounts|UserNamespace|Recursive|LockedFlags|FallbacksOf|TimeNamespace"
	for name, c := range map[string]struct{ calls, tests string }{
		"openat2":       {"openat2", full},
		"mount calls":   {"fsopen fsconfig fsmount fspick open_tree move_mount mount_setattr", basics},
		"fsopen":        {"fsopen fspick", full},
		"mount_setattr": {"mount_setattr", basics},
		"clone3":        {"clone3", full},
		"close_range":   {"close_range", full},
		"pidfd":         {"pidfd_send_signal pidfd_getfd", full},
		"all together":  {"openat2 fsopen fsconfig fsmount fspick open_tree move_mount mount_setattr clone3 close_range pidfd_send_signal statx", basics},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command("/proc/self/exe", "-test.run=^Test("+c.tests+")", "-test.v", "-test.timeout=120s")
			cmd.Env = append(os.Environ(), envProgram+"="+program, envHidden+"="+c.calls)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, failures(string(out)))
			}
			if n := strings.Count(string(out), "--- PASS: "); n < 15 {
				t.Errorf("%d tests passed: the expression is wrong", n)
			}
		})
	}
}

// failures leaves out what passed.
func failures(out string) string {
	var keep []string
	for _, l := range strings.Split(out, "\n") {
		if !strings.Contains(l, "=== RUN") && !strings.Contains(l, "--- PASS") {
			keep = append(keep, l)
		}
	}
	return strings.Join(keep, "\n")
}
