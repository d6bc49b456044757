package adopt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/ocilog"
)

// reaperState counts who needs this process to be a subreaper. Source: PR_SET_CHILD_SUBREAPER(2const).
type reaperState struct {
	mu     sync.Mutex
	claims int
}

var subreaper reaperState

func (r *reaperState) hold() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.claims == 0 {
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			return err
		}
	}
	r.claims++
	return nil
}

func (r *reaperState) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.claims--; r.claims == 0 {
		_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
	}
}

// maker is a running command. It is waited for exactly once.
type maker struct {
	pid   int
	pidfd *os.File
}

// begin starts a program with exactly these descriptors, in a session of its own: a key pressed on our
// terminal must not reach it. death is the signal that it gets when this process dies, or 0.
func begin(argv, env []string, stdio [3]*os.File, extra []*os.File, death syscall.Signal) (maker, error) {
	if len(argv) == 0 {
		return maker{}, errors.New("no command")
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return maker{}, err
	}
	defer func() { _ = null.Close() }()
	files := append(stdio[:], extra...)
	fds := make([]uintptr, len(files))
	for i, f := range files {
		if f == nil {
			f = null
		}
		fds[i] = f.Fd()
	}
	// Not os.StartProcess: at its first use it forks once more, to find out about the kernel.
	pid, err := syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{
		Dir: "/", Env: env, Files: fds, Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: death},
	})
	runtime.KeepAlive(files)
	if err != nil {
		return maker{}, fmt.Errorf("start %s: %w", argv[0], err)
	}
	m := maker{pid: pid}
	// It is not reaped yet, so the pid is its own.
	if fd, err := unix.PidfdOpen(pid, 0); err == nil {
		m.pidfd = os.NewFile(uintptr(fd), "pidfd")
	}
	return m, nil
}

// pidfdProcessGroup sends to the process group that the process leads. Source: pidfd_send_signal(2), Linux 6.9.
const pidfdProcessGroup = 1 << 2 // PIDFD_SIGNAL_PROCESS_GROUP

// kill ends the command with what it has started in its session; before Linux 6.9 the command alone.
func (m *maker) kill() {
	if m.pidfd == nil {
		return
	}
	if fd := int(m.pidfd.Fd()); unix.PidfdSendSignal(fd, unix.SIGKILL, nil, pidfdProcessGroup) != nil {
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	}
}

func (m *maker) wait() (code int, err error) {
	st, err := launch.WaitFor(m.pid)
	return st.Code, err
}

func (m *maker) close() {
	if m.pidfd != nil {
		_ = m.pidfd.Close()
	}
}

// Run runs a command of a runtime that makes no process of ours and waits for it. What it says goes to
// its log, whose last error comes back as *Error, or what it said on standard error. When ctx
// ends the command is killed.
func Run(ctx context.Context, argv, env []string, log string) error {
	said, err := memory()
	if err != nil {
		return err
	}
	defer func() { _ = said.Close() }()
	offset := sizeOf(log)
	m, err := begin(argv, env, [3]*os.File{nil, said, said}, nil, 0)
	if err != nil {
		return err
	}
	defer m.close()
	stop := context.AfterFunc(ctx, m.kill)
	code, err := m.wait()
	if !stop() && ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil || code == 0 {
		return err
	}
	return failed(code, log, offset, said)
}

// failed makes an error of what a command left in its log from offset on, or said. said may be nil.
func failed(code int, log string, offset int64, said *os.File) *Error {
	e := &Error{Text: ocilog.Read(log, offset), Code: code}
	if e.Text == "" && said != nil {
		buf := make([]byte, 1024)
		n, _ := said.ReadAt(buf, 0)
		e.Text = ocilog.OneLine(string(buf[:n]))
	}
	return e
}

// memory is a file that no disk can run out of.
func memory() (*os.File, error) {
	fd, err := unix.MemfdCreate("runtime-output", unix.MFD_CLOEXEC|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate("runtime-output", unix.MFD_CLOEXEC)
	}
	if err != nil {
		return nil, fmt.Errorf("memory for a runtime's output: %w", err)
	}
	return os.NewFile(uintptr(fd), "runtime-output"), nil
}

func sizeOf(path string) int64 {
	st, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return st.Size()
}

// killOrphans kills what a command that failed, or was killed itself, has left to us.
func (c *Child) killOrphans() {
	if !c.cmd.Alone {
		return
	}
	for _, pid := range c.strangers() {
		_ = unix.Kill(pid, unix.SIGKILL) // a child that was not waited for: the pid is its own
		_, _ = launch.WaitFor(pid)
	}
}

// reapStrays forgets the other processes that the command has left to us, such as a hook's, and
// which have ended. The rest stays ours; there is nobody else to take them.
func (c *Child) reapStrays() {
	if !c.cmd.Alone {
		return
	}
	for _, pid := range c.strangers() {
		if pid != c.PID() {
			_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
		}
	}
}

// strangers are this process's children but those that it had before.
func (c *Child) strangers() []int {
	return slices.DeleteFunc(children(), func(pid int) bool { return slices.Contains(c.cmd.But, pid) })
}

// children are this process's, as each of its threads knows them. Source: proc_pid_task(5), "children".
func children() []int {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return nil
	}
	var all []int
	for _, t := range tasks {
		raw, err := os.ReadFile("/proc/self/task/" + t.Name() + "/children")
		if err != nil {
			continue
		}
		for _, field := range bytes.Fields(raw) {
			if pid, err := strconv.Atoi(string(field)); err == nil {
				all = append(all, pid)
			}
		}
	}
	return all
}
