package launch

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/fault"
)

// ErrImage says that an image may not be executed: files in memory are not programs everywhere, and older
// kernels do not know how to have a process born in a cgroup. Nothing was changed.
var ErrImage = errors.New("a file in memory may not be executed here")

// runImage starts an image and waits until the process that stays is there, and a new container is built. The image
// is executed before anything of a container is entered, so the standard library's own way of starting processes,
// which shares the caller's memory with the child until then, serves.
func (s *starting) runImage(ctx context.Context) (*Child, error) {
	f := s.cloneImage()
	_ = s.peer.Close() // the child's alone now
	if f.err != nil {
		return nil, f.err
	}
	c := &Child{
		pid: f.pid, pidfd: os.NewFile(uintptr(f.pidfd), "pidfd"), sock: s.sock,
		notify: s.req.Notify, image: s.req.Image,
	}
	s.sock = nil
	var err error
	switch {
	case s.req.Join == nil:
		c.started, _ = StartTime(c.pid)
		err = c.awaitBuilt(ctx)
	case s.req.Join.Flags != 0:
		err = c.awaitSecond(ctx)
	}
	if err != nil {
		c.kill()
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// cloneImage is clone for an image, which enters version 1 cgroups itself. Only who changes the thread's processors locks it:
// for a locked thread the Go runtime starts another one that starts threads.
func (s *starting) cloneImage() forked {
	if len(s.req.Affinity) == 0 {
		return s.forkImage()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	undo, err := s.confine()
	if err != nil {
		return forked{err: err}
	}
	defer undo()
	return s.forkImage()
}

func (s *starting) forkImage() forked {
	name, attr := "exec", &syscall.SysProcAttr{}
	if s.req.Join == nil {
		name, attr = RoleInit, s.newNamespaces()
		attr.Unshareflags = 0 // the image makes its cgroup namespace when it has entered the cgroup
	}
	f := s.forkExec(s.req.Image.File, []string{name}, attr)
	for _, refusal := range []syscall.Errno{syscall.EACCES, syscall.EPERM, syscall.ENOENT, syscall.ENOSYS} {
		if errors.Is(f.err, refusal) {
			f.err = ErrImage
		}
	}
	return f
}

// forkExec starts a program by the standard library's own way, which shares the caller's memory with the child
// until it executes: nothing is copied. Nobody else may be in the namespaces that the child is born in.
func (s *starting) forkExec(program *os.File, argv []string, attr *syscall.SysProcAttr) forked {
	files := make([]uintptr, len(s.spec.fds))
	highest := 0
	for i, fd := range s.spec.fds {
		files[i] = uintptr(fd)
		highest = max(highest, fd, i)
	}
	// The numbers that the child's descriptors get are taken, and so are those that they move to beforehand where one is in
	// another's place.
	number, err := unix.FcntlInt(program.Fd(), unix.F_DUPFD_CLOEXEC, highest+1+len(files))
	if err != nil {
		return forked{err: &Failure{Stage: forkStages[stageFD], Errno: errnoOf(err)}}
	}
	defer func() { _ = unix.Close(number) }()
	pidfd := -1
	attr.PidFD = &pidfd
	if s.req.Cgroup != nil {
		attr.UseCgroupFD, attr.CgroupFD = true, int(s.req.Cgroup.Fd())
	}
	pid, err := syscall.ForkExec("/proc/self/fd/"+strconv.Itoa(number), argv, &syscall.ProcAttr{Files: files, Env: fault.Environ(), Sys: attr})
	runtime.KeepAlive(s.req)
	if err != nil {
		return forked{err: &Failure{Stage: forkStages[stageClone], Errno: errnoOf(err)}}
	}
	if pidfd < 0 {
		if pidfd, err = unix.PidfdOpen(pid, 0); err != nil {
			_ = unix.Kill(pid, unix.SIGKILL)
			_, _ = wait4(pid)
			return forked{err: fmt.Errorf("open pidfd of %d: %w", pid, err)}
		}
	}
	return forked{pid: pid, pidfd: pidfd}
}

func errnoOf(err error) syscall.Errno {
	var errno syscall.Errno
	errors.As(err, &errno)
	return errno
}

// awaitBuilt waits until a new container is built.
func (c *Child) awaitBuilt(ctx context.Context) error {
	msg, _, err := c.receive(ctx)
	switch {
	case err != nil:
		return err
	case msg[0] != MsgBuilt:
		return errUnable
	}
	return nil
}

var errUnable = errors.New("the image could not build the container")

// awaitSecond replaces the first process, which is done, by the one that it made. That one may be the faster to
// speak: what it says is kept.
func (c *Child) awaitSecond(ctx context.Context) error {
	var early []packet
	for {
		msg, file, err := c.receive(ctx)
		switch {
		case errors.Is(err, io.EOF) && len(early) > 0:
			return c.failed(early[0].msg) // there is no second one
		case err != nil:
			return c.gone("init", err)
		case msg[0] == MsgChild && len(msg) == 8:
			c.early = early
			return c.replace(int(int32(binary.NativeEndian.Uint32(msg[4:]))))
		}
		early = append(early, packet{msg, file})
	}
}
