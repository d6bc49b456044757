package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
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
}

// monitorEnv keeps an idle monitor small: one processor means one scheduler's caches, and
// it has never two things to do.
var monitorEnv = []string{"GOMAXPROCS=1", "GOTRACEBACK=single"}

// Spawn starts a monitor in a session of its own and hands everything over. The caller
// gets the owner's connection: until Start, closing it undoes everything.
func Spawn(ctx context.Context, o SpawnOptions) (*Session, error) {
	if o.Launch.Program == nil {
		o.Launch.Program = o.Program
	}
	if o.Program == nil {
		o.Program = o.Launch.Program
	}
	if o.Program == nil {
		return nil, errdefs.New(errdefs.ErrInvalid, "monitor", o.Config.ID, "no program to run")
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("monitor connection: %w", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "monitor-owner")
	c, err := newConn(pair[0])
	if err != nil {
		_ = theirs.Close()
		return nil, err
	}
	proc, err := startProcess(o, theirs)
	_ = theirs.Close()
	if err != nil {
		_ = c.close()
		return nil, err
	}
	s := newSession(o.Config, c, proc)
	stop := context.AfterFunc(ctx, func() { _ = c.close() })
	err = handOver(c, o)
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

func startProcess(o SpawnOptions, owner *os.File) (*os.Process, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = null.Close() }()
	stderr, err := os.OpenFile(filepath.Join(o.Config.RunDir, StderrFile),
		os.O_CREATE|os.O_WRONLY|os.O_TRUNC|os.O_APPEND|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("run directory: %w", err)
	}
	defer func() { _ = stderr.Close() }()
	args := o.Args
	if len(args) == 0 {
		args = []string{"manager-monitor", "monitor"}
	}
	// The path is resolved in the child, before exec closes the descriptor.
	path := fmt.Sprintf("/proc/self/fd/%d", o.Program.Fd())
	proc, err := os.StartProcess(path, args, &os.ProcAttr{
		Dir:   "/",
		Env:   append(append([]string(nil), monitorEnv...), o.Env...),
		Files: []*os.File{null, null, stderr, owner},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return nil, fmt.Errorf("start the monitor: %w", err)
	}
	return proc, nil
}

// handOver sends the setup: lengths, header and plan in pieces, descriptors in batches.
func handOver(c *conn, o SpawnOptions) error {
	setup, files := NewSetup(o.Config, o.Launch)
	header, err := json.Marshal(setup)
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
