package libcontainer_test

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// The kernel's structures of seccomp_unotify(2).
type (
	notification struct {
		id         uint64
		pid, flags uint32
		nr         int32
		arch       uint32
		ip         uint64
		args       [6]uint64
	}
	answer struct {
		id    uint64
		val   int64
		err   int32
		flags uint32
	}
)

const (
	ioctlRecv = 0xc0502100
	ioctlSend = 0xc0182101
)

// agent receives one listener and answers: mkdir fails with EXDEV, all else goes on.
type agent struct {
	path    string
	got     chan specs.ContainerProcessState
	answers atomic.Int64
}

func startAgent(t *testing.T) *agent {
	t.Helper()
	a := &agent{path: filepath.Join(t.TempDir(), "agent.sock"), got: make(chan specs.ContainerProcessState, 8)}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: a.path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.AcceptUnix()
			if err != nil {
				return
			}
			a.receive(c)
		}
	}()
	return a
}

func (a *agent) receive(c *net.UnixConn) {
	defer func() { _ = c.Close() }()
	buf, oob := make([]byte, 64<<10), make([]byte, 256)
	n, oobn, _, _, err := c.ReadMsgUnix(buf, oob)
	if err != nil {
		return
	}
	var state specs.ContainerProcessState
	all := buf[:n]
	for {
		m, err := c.Read(buf[len(all):])
		all = buf[:len(all)+m]
		if err != nil {
			break
		}
	}
	if err := json.Unmarshal(all, &state); err != nil {
		state.Metadata = err.Error()
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err == nil && len(messages) == 1 {
		if fds, err := unix.ParseUnixRights(&messages[0]); err == nil && len(fds) == 1 {
			go a.serve(fds[0])
		}
	}
	a.got <- state
}

func (a *agent) serve(fd int) {
	defer func() { _ = unix.Close(fd) }()
	for {
		var n notification
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), ioctlRecv, uintptr(unsafe.Pointer(&n))); errno == unix.EINTR {
			continue
		} else if errno != 0 {
			return
		}
		a.answers.Add(1)
		r := answer{id: n.id, flags: 1} // SECCOMP_USER_NOTIF_FLAG_CONTINUE
		if n.nr == unix.SYS_MKDIR || n.nr == unix.SYS_MKDIRAT {
			r = answer{id: n.id, err: -int32(unix.EXDEV)}
		}
		_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(fd), ioctlSend, uintptr(unsafe.Pointer(&r)))
	}
}

func notifyProfile(path string, names ...string) *specs.LinuxSeccomp {
	return &specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow, ListenerPath: path, ListenerMetadata: "opaque",
		Syscalls: []specs.LinuxSyscall{{Names: names, Action: specs.ActNotify}},
	}
}

// The listener reaches the agent before any call of the container needs it, also when nearly all do.
func TestSeccompListener(t *testing.T) {
	for name, calls := range map[string][]string{
		"one call": {"mkdir", "mkdirat"},
		"calls that the hand-over itself might use": {
			"mkdir", "mkdirat", "execve", "rt_sigprocmask", "rt_sigaction", "futex", "nanosleep", "clock_nanosleep", "sendmsg", "read", "write",
			"recvmsg", "mmap", "munmap", "madvise", "close", "capset", "rt_sigreturn", "sched_yield", "epoll_pwait", "prctl", "openat",
		},
	} {
		for _, nnp := range []bool{true, false} {
			a := startAgent(t)
			spec := testSpec(testRoot(t), "sh", "-c", "mkdir /tmp/x 2>&1; echo done")
			spec.Process.NoNewPrivileges = nnp
			spec.Linux.Seccomp = notifyProfile(a.path, calls...)
			if nnp {
				spec.Linux.Seccomp.Flags = []specs.LinuxSeccompFlag{specs.LinuxSeccompFlagWaitKillableRecv}
			}
			spec.Annotations = map[string]string{"x": strings.Repeat("y", 8<<10)} // more than one packet of some
			b, err := start(t, spec)
			if err != nil {
				t.Fatal(err)
			}
			pid := b.PID()
			out, code := b.finish()
			if !strings.Contains(out, "Invalid cross-device link") || !strings.HasSuffix(out, "done") || code != 0 {
				t.Errorf("%s: output %q, code %d", name, out, code)
			}
			select {
			case s := <-a.got:
				if s.Pid != pid || s.State.Pid != pid || s.State.ID != "box" || s.Metadata != "opaque" || len(s.Fds) != 1 || s.Fds[0] != specs.SeccompFdName ||
					s.Version == "" || s.State.Bundle != spec.Root.Path || s.State.Annotations["x"] == "" {
					t.Errorf("%s: state %.300v", name, s)
				}
			default:
				t.Errorf("%s: no state", name)
			}
			if a.answers.Load() == 0 {
				t.Errorf("%s: the agent was never asked", name)
			}
			if len(a.got) != 0 {
				t.Errorf("%s: more than one state", name)
			}
		}
	}
}

func TestSeccompListenerWithoutReceiver(t *testing.T) {
	spec := testSpec(testRoot(t), "touch", "/ran")
	spec.Linux.Seccomp = notifyProfile("/nothing/agent.sock", "mkdir")
	b, err := start(t, spec)
	if err != nil {
		t.Fatal(err)
	}
	err = b.Exec()
	var f *launch.Failure
	if !errors.As(err, &f) || f.Stage != launch.StageNotify || f.Path != "/nothing/agent.sock" || f.ExitCode() != 125 {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(spec.Root.Path + "/ran"); err == nil {
		t.Error("the program ran")
	}
	if err := b.Signal(0); !errors.Is(err, unix.ESRCH) {
		t.Errorf("the init is still there: %v", err)
	}
}
