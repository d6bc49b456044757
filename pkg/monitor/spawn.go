package monitor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/pack"
)

// OwnerFD is the descriptor on which a monitor finds its owner's connection.
const OwnerFD = 3

// SpawnOptions say which program becomes the monitor and what it is told.
type SpawnOptions struct {
	// Program is manager-monitor, opened for reading or O_PATH. Nil means Launch.Program.
	Program *os.File
	// Args are the program's arguments. Empty means "manager-monitor monitor".
	Args []string
	// Env is added to the monitor's environment, which is otherwise nearly empty. The init gets
	// none of it.
	Env []string
	// Config is handed over unchanged.
	Config Config
	// Launch is handed over with its plan and descriptors. Nil Stdio entries become the monitor's
	// pipes (standard input: /dev/null without Config.Stdin); others are passed on untouched and
	// neither logged nor attached. The files stay the caller's.
	Launch launch.Request
	// External, if set, makes the process in place of Launch's plan.
	External *External
}

// monitorEnv keeps an idle monitor small: one processor means one scheduler's caches, and
// it has never two things to do.
var monitorEnv = []string{"GOMAXPROCS=1", "GOTRACEBACK=single"}

// Spawn starts a monitor in a session of its own and hands everything over. The caller
// gets the owner's connection: until Start, closing it undoes everything.
func Spawn(ctx context.Context, o SpawnOptions) (*Session, error) {
	if o.Program == nil {
		o.Program = o.Launch.Program
	}
	b, err := Begin(o.Program, o.Args, o.Env)
	if err != nil {
		return nil, err
	}
	return b.HandOver(ctx, o)
}

// Beginning is a monitor process that has been started and not yet been told anything. Its
// start needs nothing that a container's preparation finds out, so the two can overlap.
type Beginning struct {
	conn *conn
	proc process
	// stderr is a memory file that takes what the Go runtime says when it crashes.
	stderr *os.File
}

// Begin starts the monitor process. HandOver or Cancel must follow. Program stays the caller's.
func Begin(program *os.File, args, env []string) (*Beginning, error) {
	if program == nil {
		return nil, errdefs.New(errdefs.ErrInvalid, "monitor", "", "no program to run")
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("monitor connection: %w", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "monitor-owner")
	defer func() { _ = theirs.Close() }()
	b := &Beginning{}
	if b.conn, err = newConn(pair[0]); err != nil {
		return nil, err
	}
	if err := b.start(program, args, env, theirs); err != nil {
		_ = b.conn.close()
		return nil, err
	}
	return b, nil
}

func (b *Beginning) start(program *os.File, args, env []string, owner *os.File) error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { _ = null.Close() }()
	fd, err := unix.MemfdCreate("monitor-stderr", unix.MFD_CLOEXEC|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate("monitor-stderr", unix.MFD_CLOEXEC)
	}
	if err != nil {
		return fmt.Errorf("monitor's standard error: %w", err)
	}
	b.stderr = os.NewFile(uintptr(fd), "monitor-stderr")
	if len(args) == 0 {
		args = []string{"manager-monitor", "monitor"}
	}
	// The path is resolved in the child, before exec closes the descriptor.
	path := fmt.Sprintf("/proc/self/fd/%d", program.Fd())
	// Not os.StartProcess: at its first use it forks once more, to find out about the kernel.
	pid, err := syscall.ForkExec(path, args, &syscall.ProcAttr{
		Dir:   "/",
		Env:   slices.Concat(monitorEnv, env, fault.Environ()),
		Files: []uintptr{null.Fd(), null.Fd(), b.stderr.Fd(), owner.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true, Cloneflags: Kinship(os.Getenv("NOTIFY_SOCKET") != "")},
	})
	runtime.KeepAlive(program)
	if err != nil {
		err = fmt.Errorf("start the monitor: %w", err)
		if errors.Is(err, unix.EACCES) {
			err = &errdefs.Error{
				Op: "start", Kind: "monitor", Name: program.Name(), Class: errdefs.ErrPermission, Cause: unix.EACCES,
				Hint: "if it lies on a file system mounted noexec, install the programs (make install), or name a --tmpdir on another",
			}
		}
		return errors.Join(err, b.stderr.Close())
	}
	b.proc = process(pid)
	return nil
}

// Kinship is clone's flag that makes what a service's main process starts the service manager's child, as the next
// main process has to be: of a stranger's child systemd neither notices the end nor waits for it after SIGTERM. So the
// monitor is its child, and the command that starts the container again, and the monitor which that starts.
// Source: sd_notify(3), "MAINPID"; systemd's unit_kill_context.
func Kinship(serviced bool) uintptr {
	if serviced {
		return unix.CLONE_PARENT
	}
	return 0
}

// process is a child that is waited for exactly once: until then its pid is its own. A service manager's child
// (see Kinship) is reaped there.
type process int

func (p process) kill() error { return syscall.Kill(int(p), syscall.SIGKILL) }

func (p process) wait() error {
	for {
		_, err := syscall.Wait4(int(p), nil, 0, nil)
		if errors.Is(err, syscall.ECHILD) {
			return p.awaitEnd()
		}
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// awaitEnd waits for a process that is another's to reap; it has been told to end, or has said that it does.
func (p process) awaitEnd() error {
	fd, err := unix.PidfdOpen(int(p), 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	for {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 10_000)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// Cancel ends a monitor that was told nothing, and reaps it.
func (b *Beginning) Cancel() {
	_ = b.conn.close()
	_ = b.stderr.Close()
	_ = b.proc.kill()
	_ = b.proc.wait()
}

// HandOver tells the monitor everything; o's Program, Args and Env do not count. After an error
// nothing is left of it.
func (b *Beginning) HandOver(ctx context.Context, o SpawnOptions) (*Session, error) {
	if o.Launch.Program == nil {
		o.Launch.Program = o.Program
	}
	s := newSession(o.Config, b.conn, b.proc, b.stderr)
	stop := context.AfterFunc(ctx, func() { _ = b.conn.close() })
	err := handOver(b.conn, o)
	if !stop() {
		err = errors.Join(ctx.Err(), err)
	}
	if err != nil {
		s.leave()
		return nil, s.explain(fmt.Errorf("hand over to the monitor: %w", err))
	}
	go s.receive()
	return s, nil
}

// handOver sends the setup: lengths, header and plan in pieces, descriptors in batches.
func handOver(c *conn, o SpawnOptions) error {
	setup, files := NewSetup(o.Config, o.Launch)
	setup.External = o.External
	header, err := pack.Marshal(setup)
	if err != nil {
		return err
	}
	if len(header) > MaxHeader || len(o.Launch.Plan) > MaxPlan || len(files) > MaxFiles {
		return errdefs.New(errdefs.ErrInvalid, "container", o.Config.ID,
			"its configuration is too large: %d bytes, %d files", len(header)+len(o.Launch.Plan), len(files))
	}
	l := SetupLengths{uint32(len(header)), uint32(len(o.Launch.Plan)), uint32(len(files))}
	if err := c.send(KindSetup, l.Encode()); err != nil {
		return err
	}
	for _, part := range [][]byte{header, o.Launch.Plan} {
		for len(part) > 0 {
			n := min(len(part), MaxPayload)
			if err := c.send(KindBlob, part[:n]); err != nil {
				return err
			}
			part = part[n:]
		}
	}
	for len(files) > 0 {
		n := min(len(files), MaxFilesPerPacket)
		fds := make([]int, n)
		for i, f := range files[:n] {
			fds[i] = int(f.Fd())
		}
		if err := c.send(KindFiles, nil, fds...); err != nil {
			return err
		}
		files = files[n:]
	}
	return nil
}
