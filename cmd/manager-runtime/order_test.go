package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/testenv"
)

// tracedRoot is the environment's variable that makes this program the tracer of its arguments. Its value is the root file
// system of the container whose init is looked for.
const tracedRoot = "RUNTIME_TRACED_ROOT"

// traceMain runs a command and prints the steps of the process among its descendants that pivots its root, one a line. It is
// a process of its own, since it waits for any child.
func traceMain(root string, args []string) error {
	runtime.LockOSThread()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	var ws unix.WaitStatus
	if _, err := unix.Wait4(cmd.Process.Pid, &ws, unix.WALL, nil); err != nil {
		return err
	}
	const options = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK |
		unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_EXITKILL
	if err := unix.PtraceSetOptions(cmd.Process.Pid, options); err != nil {
		return err
	}
	t := &tracer{root: root, threads: map[int]*tracedThread{}}
	if err := t.follow(cmd.Process.Pid); err != nil {
		return err
	}
	for _, thread := range t.threads {
		if thread.pivoted {
			fmt.Println(strings.Join(thread.steps, "\n"))
		}
	}
	return nil
}

type tracer struct {
	root    string
	threads map[int]*tracedThread
}

// tracedThread is one thread of those that are traced.
type tracedThread struct {
	steps []string
	// entered is the step whose call is under way, "" for none that counts.
	entered string
	// cgroup says that its children are born in the container's cgroup, namespaces that the next one is in new ones.
	cgroup, namespaces bool
	// stopped says that its first stop is over, told that its maker's clone has been heard of. The kernel has no order for the two.
	stopped, told bool
	pivoted       bool
}

// thread is the one of that number.
func (t *tracer) thread(pid int) *tracedThread {
	if t.threads[pid] == nil {
		t.threads[pid] = &tracedThread{}
	}
	return t.threads[pid]
}

// follow lets the threads go on from stop to stop until none is left.
func (t *tracer) follow(first int) error {
	t.thread(first)
	if err := unix.PtraceSyscall(first, 0); err != nil {
		return err
	}
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, unix.WALL, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ECHILD):
			return nil
		case err != nil:
			return err
		case !ws.Stopped():
			continue
		}
		signal, known := 0, t.threads[pid] != nil && t.threads[pid].stopped
		thread := t.thread(pid)
		thread.stopped = true
		switch {
		case !known && ws.StopSignal() == unix.SIGSTOP: // so it starts
			if !thread.told {
				continue // what it has from its birth comes first
			}
		case ws.TrapCause() > 0 && ws.TrapCause() != unix.PTRACE_EVENT_EXEC:
			child, err := unix.PtraceGetEventMsg(pid)
			if err != nil {
				break
			}
			made := t.thread(int(child))
			made.born(thread)
			made.told = true
			if made.stopped {
				if err := unix.PtraceSyscall(int(child), 0); err != nil && !errors.Is(err, unix.ESRCH) {
					return err
				}
			}
		case ws.StopSignal() == unix.SIGTRAP|0x80:
			t.call(pid, thread)
		case ws.StopSignal() != unix.SIGTRAP:
			signal = int(ws.StopSignal())
		}
		if err := unix.PtraceSyscall(pid, signal); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
}

// syscallInfo is struct ptrace_syscall_info as far as it is needed. Source: ptrace(2), PTRACE_GET_SYSCALL_INFO (Linux 5.3).
type syscallInfo struct {
	op     uint8 // 1 at entry, 2 at exit
	_      [3]byte
	_      uint32 // architecture
	_, _   uint64 // instruction and stack pointers
	number uint64 // at exit, the result
	args   [6]uint64
}

// call notes a call that succeeded.
func (t *tracer) call(pid int, thread *tracedThread) {
	const getSyscallInfo = 0x420e
	var info syscallInfo
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, getSyscallInfo, uintptr(pid), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	switch {
	case errno != 0:
	case info.op == 1:
		thread.entered = t.step(pid, uintptr(info.number), info.args)
	case info.op == 2 && thread.entered != "":
		if int64(info.number) >= 0 {
			thread.note(thread.entered)
		}
		thread.entered = ""
	}
}

// born notes what a child has from its birth.
func (t *tracedThread) born(maker *tracedThread) {
	if maker.cgroup {
		t.note("cgroup")
	}
	if maker.namespaces {
		t.note("namespaces")
	}
}

// note adds a step, but a repeated one.
func (t *tracedThread) note(step string) {
	if n := len(t.steps); n > 0 && t.steps[n-1] == step {
		return
	}
	t.steps = append(t.steps, step)
	t.cgroup = t.cgroup || step == "cgroup"
	t.pivoted = t.pivoted || step == "pivot"
}

// step names a call that counts, "" for others.
func (t *tracer) step(pid int, number uintptr, args [6]uint64) string {
	switch number {
	case unix.SYS_WRITE:
		return t.write(pid, args)
	case unix.SYS_KEYCTL:
		return "keyring"
	case unix.SYS_MOVE_MOUNT:
		return "mount " + t.file(pid, args[2])
	case unix.SYS_MOUNT_SETATTR:
		if attr := memory(pid, args[3], 8); len(attr) == 8 && binary.NativeEndian.Uint64(attr)&unix.MOUNT_ATTR_RDONLY != 0 {
			return "read-only " + t.file(pid, args[0])
		}
	case unix.SYS_MKNODAT:
		return "devices"
	case unix.SYS_SETHOSTNAME:
		return "hostname"
	case unix.SYS_PIVOT_ROOT:
		return "pivot"
	case unix.SYS_UMOUNT2:
		return "unmount the host"
	case unix.SYS_SCHED_SETATTR:
		return "scheduler"
	case unix.SYS_IOPRIO_SET:
		return "io priority"
	case unix.SYS_PERSONALITY:
		return "personality"
	case unix.SYS_PRLIMIT64:
		if args[1] == unix.RLIMIT_CORE && args[2] != 0 {
			return "limits"
		}
	case unix.SYS_CHDIR:
		return "cwd " + text(pid, args[0])
	case unix.SYS_SETGROUPS:
		return "groups"
	case unix.SYS_SETRESGID:
		return "group"
	case unix.SYS_SETRESUID:
		return "user"
	case unix.SYS_CAPSET:
		return "capabilities"
	case unix.SYS_SECCOMP:
		return "filter"
	case unix.SYS_PRCTL:
		return prctlSteps[args[0]]
	case unix.SYS_UNSHARE:
		if args[0] == unix.CLONE_NEWCGROUP { // a network is made by the caller
			return "cgroup namespace"
		}
	case unix.SYS_SETNS:
		return "network"
	case unix.SYS_CLOSE_RANGE:
		return "close descriptors"
	case unix.SYS_RECVMSG:
		return "wait"
	case unix.SYS_EXECVE:
		if name := text(pid, args[0]); !strings.HasPrefix(name, "/proc/self/fd/") {
			return "execute " + name
		}
		return "execute the plan"
	case unix.SYS_CLONE:
		return t.clone(pid, args[0])
	case unix.SYS_CLONE3:
		if flags := memory(pid, args[0], 8); len(flags) == 8 {
			return t.clone(pid, binary.NativeEndian.Uint64(flags))
		}
	}
	return ""
}

// clone names the making of a child that is no thread.
func (t *tracer) clone(pid int, flags uint64) string {
	if flags&unix.CLONE_THREAD != 0 {
		return ""
	}
	thread := t.thread(pid)
	thread.cgroup = thread.cgroup || flags&unix.CLONE_INTO_CGROUP != 0
	thread.namespaces = flags&unix.CLONE_NEWNS != 0
	return "start hooks" // of an init; others make other children
}

var prctlSteps = map[uint64]string{
	unix.PR_CAPBSET_DROP: "bounding set", unix.PR_SET_NO_NEW_PRIVS: "no new privileges", unix.PR_SET_DUMPABLE: "undumpable",
	unix.PR_SET_KEEPCAPS: "keep capabilities",
}

// messages are those of an init to its parent.
var messages = map[string]string{"b": "tell built", "r": "tell ready", "x": "tell exec"}

// write names what is written to.
func (t *tracer) write(pid int, args [6]uint64) string {
	name := t.file(pid, args[0])
	switch {
	case strings.HasSuffix(name, "/tasks"):
		return "cgroup"
	case strings.HasPrefix(name, "socket:"):
		return messages[string(memory(pid, args[1], 1))]
	}
	for _, part := range []string{"/sys/net/", "/oom_score_adj", "/attr/"} {
		if _, rest, found := strings.Cut(name, part); found {
			return "write " + part[1:] + rest
		}
	}
	return ""
}

// file is the path behind a descriptor of a process, as the container has it.
func (t *tracer) file(pid int, fd uint64) string {
	name, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, int32(fd)))
	if rest, inside := strings.CutPrefix(name, t.root); inside {
		return "/" + strings.TrimPrefix(rest, "/")
	}
	return name
}

// memory is what can be read of a process at an address.
func memory(pid int, at, size uint64) []byte {
	f, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	b := make([]byte, size)
	n, _ := f.ReadAt(b, int64(at))
	return b[:n]
}

func text(pid int, at uint64) string {
	b, _, _ := bytes.Cut(memory(pid, at, 64), []byte{0})
	return string(b)
}

// steps are what an init does, in this order. What is behind a colon is done on that way only: by an image, by the small
// program, with no_new_privs, without it.
//
// Security depends on more than one place in it. Nobody can look into the init from its first call on and again after its
// user has changed, and nothing of the caller's is open when it is told what to do. Settings are written before masks and
// read-only paths cover them, and both are there before the host's file systems go. The bounding set, which takes
// a privilege, is dropped before the user changes. Who starts the container is told that it is ready when nothing is
// left to do but for what would be in the way of that: the filter comes last, with no_new_privs right before it, or with the
// privilege for it given up right after it.
const steps = `
cgroup
namespaces
small: cgroup namespace
execute the plan
undumpable
image: cgroup
image: network
image: cgroup namespace
close descriptors
keyring
mount /
mount /proc
mount /dev
mount /dev/pts
mount /sys
devices
write sys/net/ipv4/ip_forward
mount /proc/sys
read-only /proc/sys
mount /proc/version
mount /sys/firmware
small: read-only /sys/firmware
hostname
read-only /
pivot
image: tell built
unmount the host
cwd /
image: close descriptors
write oom_score_adj
scheduler
io priority
personality
limits
bounding set
cwd /tmp
keep capabilities
groups
group
user
undumpable
keep capabilities
capabilities
tell ready
wait
small: start hooks
nnp: no new privileges
tell exec
filter
plain: capabilities
execute /bin/true`

// TestOrderOfInit observes the calls by which a container's init becomes the program.
func TestOrderOfInit(t *testing.T) {
	for _, way := range []string{"image", "small"} {
		for _, privileges := range []string{"nnp", "plain"} {
			t.Run(way+" "+privileges, func(t *testing.T) {
				o := newRuntime(t)
				var want []string
				for _, step := range lines(steps) {
					if on, rest, some := strings.Cut(step, ": "); !some {
						want = append(want, step)
					} else if on == way || on == privileges {
						want = append(want, rest)
					}
				}
				got := orderOfInit(t, o, way == "small", privileges == "nnp")
				if !slices.Equal(got, want) {
					t.Errorf("the order is\n%s\n\nand should be\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
			})
		}
	}
}

func orderOfInit(t *testing.T, o *testenv.OCI, small, nnp bool) []string {
	t.Helper()
	errno, score, persona := uint(1), 100, specs.PerLinux
	bundle := o.Bundle(t, "c", []string{"true"}, func(s *specs.Spec) {
		s.Root.Readonly = true
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.CgroupNamespace})
		p := s.Process
		p.User = specs.User{UID: 1000, GID: 1000, AdditionalGids: []uint32{5}}
		p.NoNewPrivileges, p.OOMScoreAdj, p.Cwd = nnp, &score, "/tmp"
		p.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_CORE"}}
		p.Scheduler = &specs.Scheduler{Policy: specs.SchedBatch}
		p.IOPriority = &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_BE, Priority: 6}
		s.Linux.Personality = &specs.LinuxPersonality{Domain: persona}
		s.Linux.Sysctl = map[string]string{"net.ipv4.ip_forward": "1"}
		s.Linux.ReadonlyPaths, s.Linux.MaskedPaths = []string{"/proc/sys"}, []string{"/proc/version", "/sys/firmware"}
		s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{
			{Names: []string{"mount"}, Action: specs.ActErrno, ErrnoRet: &errno},
		}}
		if small { // hooks are none of an image's
			s.Hooks = &specs.Hooks{StartContainer: []specs.Hook{{Path: "/bin/true"}}}
		}
	})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, append(append([]string{o.Program}, o.Global...), "run", "--bundle", bundle, "c")...)
	cmd.Env = append(o.Env, tracedRoot+"="+o.Rootfs)
	cmd.Dir = o.Dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return lines(string(out))
}
