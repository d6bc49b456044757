package server

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
)

// The test program plays three parts: the tests, the monitor, and an init that waits for a
// byte and then executes the plan, a JSON list of arguments, on the host.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "monitor":
			os.Exit(runMain(os.Args[2:], startFake))
		case "fakeinit":
			os.Exit(fakeInit())
		}
	}
	code := m.Run()
	if builtDir != "" {
		_ = os.RemoveAll(builtDir)
	}
	os.Exit(code)
}

type fakePlan struct {
	Args     []string
	Terminal bool
	// Padding makes the plan long.
	Padding string
	// FailReady makes the init fail before it is ready.
	FailReady bool
}

type fakeChild struct {
	proc    *os.Process
	pidfd   *os.File
	sock    *os.File
	console *os.File
	reaped  *launch.ExitStatus
}

func startFake(_ context.Context, r launch.Request) (child, error) {
	var plan fakePlan
	if err := json.Unmarshal(r.Plan, &plan); err != nil {
		return nil, err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	theirs := os.NewFile(uintptr(pair[1]), "theirs")
	defer func() { _ = theirs.Close() }()
	c := &fakeChild{sock: os.NewFile(uintptr(pair[0]), "ours")}
	null, _ := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	defer func() { _ = null.Close() }()
	stdio := []*os.File{null, null, null}
	for i, f := range r.Stdio {
		if f != nil {
			stdio[i] = f
		}
	}
	pidfd := -1
	attr := &syscall.SysProcAttr{Setsid: true, PidFD: &pidfd}
	if plan.Terminal {
		var slave *os.File
		if c.console, slave, err = openPTY(); err != nil {
			return nil, err
		}
		defer func() { _ = slave.Close() }()
		stdio = []*os.File{slave, slave, slave}
		attr.Setctty = true
	}
	c.proc, err = os.StartProcess("/proc/self/exe", []string{"fakeinit", "fakeinit", string(r.Plan)},
		&os.ProcAttr{Files: append(stdio, theirs), Sys: attr, Env: []string{"PATH=" + os.Getenv("PATH")}})
	if err != nil {
		return nil, err
	}
	c.pidfd = os.NewFile(uintptr(pidfd), "pidfd")
	return c, nil
}

func openPTY() (*os.File, *os.File, error) {
	m, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	n, err := unix.IoctlGetInt(int(m.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(m.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		return nil, nil, err
	}
	s, err := os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	return m, s, err
}

func (c *fakeChild) PID() int        { return c.proc.Pid }
func (c *fakeChild) PIDFD() *os.File { return c.pidfd }
func (c *fakeChild) StartTime() (uint64, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(c.proc.Pid) + "/stat")
	if err != nil {
		return 0, err
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	return strconv.ParseUint(f[19], 10, 64)
}

func (c *fakeChild) message() (string, error) {
	buf := make([]byte, 64)
	n, err := c.sock.Read(buf)
	return string(buf[:n]), err
}

func (c *fakeChild) Ready(ctx context.Context) (*os.File, error) {
	defer context.AfterFunc(ctx, func() { _ = c.proc.Kill() })()
	if m, err := c.message(); m != "r" {
		_, _ = c.Wait()
		return c.console, &launch.Failure{Stage: "mount", Path: "/x", Detail: "fake: " + m, Errno: errnoOf(err)}
	}
	return c.console, nil
}

func errnoOf(err error) syscall.Errno {
	var e syscall.Errno
	errors.As(err, &e)
	return e
}

func (c *fakeChild) Exec() error {
	if _, err := c.sock.WriteString("g"); err != nil {
		return &launch.Failure{Stage: launch.StageExec, Detail: err.Error()}
	}
	m, _ := c.message()
	if m == "" {
		return nil
	}
	n, _ := strconv.Atoi(m)
	return &launch.Failure{Stage: launch.StageExec, Errno: syscall.Errno(n)}
}

func (c *fakeChild) Wait() (launch.ExitStatus, error) {
	if c.reaped == nil {
		st, err := c.proc.Wait()
		if err != nil {
			return launch.ExitStatus{}, err
		}
		e := launch.ExitStatus{Code: st.ExitCode(), At: time.Now()}
		if ws := st.Sys().(syscall.WaitStatus); ws.Signaled() {
			e.Signal = ws.Signal()
			e.Code = 128 + int(ws.Signal())
		}
		c.reaped = &e
	}
	return *c.reaped, nil
}

func (c *fakeChild) Signal(sig syscall.Signal) error { return c.proc.Signal(sig) }
func (c *fakeChild) Close() error                    { return c.sock.Close() }

// fakeInit is the init's side: ready, go, exec.
func fakeInit() int {
	var plan fakePlan
	if err := json.Unmarshal([]byte(os.Args[2]), &plan); err != nil || plan.FailReady {
		_, _ = unix.Write(3, []byte("broken"))
		return 1
	}
	unix.CloseOnExec(3)
	_, _ = unix.Write(3, []byte("r"))
	if n, _ := unix.Read(3, make([]byte, 8)); n != 1 {
		return 1
	}
	path, err := exec.LookPath(plan.Args[0])
	if err == nil {
		err = syscall.Exec(path, plan.Args, os.Environ())
	}
	errno := errnoOf(err)
	if errno == 0 {
		errno = syscall.ENOENT
	}
	_, _ = unix.Write(3, []byte(strconv.Itoa(int(errno))))
	return 127
}
