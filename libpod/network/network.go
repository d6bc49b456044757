package network

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/spec"
)

// netnsFile is the network namespace in the run directory: a bind mount, since /proc/PID/ns/net can be opened only by
// processes with all of the container's capabilities, which pasta gives up first.
const netnsFile = "netns"

// Request is what Begin needs of a container.
type Request struct {
	Net *spec.Net
	// Dir is the container's run directory, absolute.
	Dir string
	// Init is the waiting process whose network namespace is meant. The zero value makes one, of the caller's user namespace.
	Init Process
	// Root says that this process is root on the host, and not of a user's namespace.
	Root bool
	// Outlives says that a driver comes up though its starter is killed: Teardown is sure to come, and a program may have begun by
	// then (see Beginning.Connected).
	Outlives bool
	// Program finds the program that has the helper linked in.
	Program func() (string, error)

	record record
	// routes hears of the namespace's routes, if it was made by pin.
	routes *os.File
}

func (q *Request) path(name string) string { return filepath.Join(q.Dir, name) }

// note adds a process to the record.
func (q *Request) note(p Process) error {
	fault.Point("network: process started")
	q.record.Processes = append(q.record.Processes, p)
	err := q.record.write(q.Dir)
	fault.Point("network: process noted")
	return err
}

// tunPath is the device by which every driver makes its interface.
const tunPath = "/dev/net/tun"

// tunThere says that the device can be opened: udev lets everybody, but not every machine has udev.
func tunThere() error {
	err := unix.Access(tunPath, unix.R_OK|unix.W_OK)
	if err == nil {
		return nil
	}
	e := &errdefs.Error{Op: "set up network", Kind: "device", Name: tunPath, Class: errdefs.ErrUnavailable, Cause: err, Hint: "load it as root: \"modprobe tun\""}
	if errors.Is(err, unix.EACCES) {
		e.Class, e.Hint = errdefs.ErrPermission, "let users open it, as root: \"chmod 0666 "+tunPath+"\", as udev does; or use --network host or none"
	}
	return e
}

// command runs a driver that puts itself into the background when it is ready. If ctx ends before, so does the driver, and
// dropped is called. With Outlives, Teardown finds it by its words; one that does not have them yet finds no namespace where it is
// to look for it.
func (q *Request) command(ctx context.Context, name string, args []string, dropped func()) error {
	program, err := find(name)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	pidfd := -1
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = "/", &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, PidFD: &pidfd}
	if !q.Outlives {
		cmd.SysProcAttr.Pdeathsig = unix.SIGKILL
		runtime.LockOSThread() // the signal is for the end of the thread
		defer runtime.UnlockOSThread()
	}
	cmd.Cancel = func() error {
		if endWithChildren(cmd.Process.Pid, pidfd) {
			dropped()
		}
		return nil
	}
	err = cmd.Run()
	if pidfd >= 0 {
		_ = unix.Close(pidfd)
	}
	if err = abandoned(ctx, err); err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) && ctx.Err() == nil {
			return failed(name, q.Net.DriverOptions, out.String())
		}
		return fmt.Errorf("start %s: %w", program, err)
	}
	return nil
}

// endWithChildren kills a child of this process with what it has forked, and reports whether it was in time for that. It is stopped
// first, so that it does not fork meanwhile, nor its children's pids come to others. Source: proc_pid_task(5), "children".
func endWithChildren(pid, pidfd int) bool {
	defer func() { _ = unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0) }()
	if unix.PidfdSendSignal(pidfd, unix.SIGSTOP, nil, 0) != nil {
		return false
	}
	var info unix.Siginfo
	for {
		err := unix.Waitid(unix.P_PIDFD, pidfd, &info, unix.WSTOPPED|unix.WEXITED|unix.WNOWAIT, nil)
		if err == nil && info.Code == cldStopped {
			break
		}
		if err != unix.EINTR {
			return false // it has ended
		}
	}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return false // the kernel does not say
	}
	for _, word := range strings.Fields(string(children)) {
		if child, err := strconv.Atoi(word); err == nil {
			_ = unix.Kill(child, unix.SIGKILL)
		}
	}
	return true
}

// cldStopped is what waitid says of a child that was stopped. Source: <bits/siginfo-consts.h>, CLD_STOPPED.
const cldStopped = 5

// failed says what a driver with these options said before it gave up.
func failed(name string, options []string, out string) error {
	words := name
	if len(options) > 0 {
		words += ":" + strings.Join(options, ",")
	}
	e := errdefs.New(errdefs.ErrUnavailable, "network", words, "%s", lastSaid(out)).WithOp("set up")
	if len(options) > 0 {
		return e.WithHint("make the container anew with other options behind --network %s:, or with another driver: pasta, slirp4netns or builtin", name)
	}
	return e.WithHint("make the container anew with another driver behind --network: pasta, slirp4netns or builtin")
}

// badWord is how getopt begins, after the program's name. Source: glibc, posix/getopt.c.
var badWord = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`: (unrecognized option|invalid option|option )`)
})

// lastSaid is the last line of a driver's output that is not about its own log.
func lastSaid(out string) string {
	last := "it says nothing"
	for line := range strings.Lines(out) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasSuffix(line, "bytes to syslog") && !strings.HasPrefix(line, "Usage:") {
			last = line
			if about := badWord().FindStringIndex(line); about != nil {
				return line[about[0]+2:] // what follows is the help
			}
		}
	}
	return last
}

// Effective is what a start makes of a container's network: a driver that was only the first to be found gives way to the
// built-in one when it has gone since, or when the host has no way out by which pasta could take its bearings.
func Effective(n *spec.Net) *spec.Net {
	if !n.DriverFound {
		return n
	}
	if _, err := find(n.Driver); err == nil && (n.Driver != spec.NetPasta || wayOut()) {
		return n
	}
	e := *n
	e.Driver, e.DriverOptions = spec.NetBuiltin, nil
	return &e
}

// Default chooses the driver of a user's containers: the administrator's, else pasta or slirp4netns where one is installed, else
// the one that is built in. preferred is what containers.conf says.
func Default(preferred string) (string, error) {
	switch preferred {
	case spec.NetPasta, spec.NetSlirp4netns:
		if _, err := find(preferred); err != nil {
			return "", errdefs.New(errdefs.ErrUnavailable, "program", preferred, "it is not installed").
				WithOp("containers.conf: default_rootless_network_cmd").WithHint("install it, or change that line")
		}
		return preferred, nil
	case spec.NetBuiltin:
		return preferred, nil
	case "":
		for _, name := range []string{spec.NetPasta, spec.NetSlirp4netns} {
			if _, err := find(name); err == nil {
				return name, nil
			}
		}
		return spec.NetBuiltin, nil
	}
	return "", errdefs.Invalid("containers.conf", "default_rootless_network_cmd", "%q is no network", preferred).
		WithHint("write pasta, slirp4netns or builtin")
}
