package launch

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrImage says that an image may not be executed: files in memory are not programs everywhere. Nothing was
// changed.
var ErrImage = errors.New("a file in memory may not be executed here")

// runImage starts an image and waits until the process that stays is there. The image is executed before anything of
// the container is entered, so the standard library's own way of starting processes, which shares the caller's
// memory with the child until then, serves.
func (s *starting) runImage(ctx context.Context) (*Child, error) {
	f := s.clone(s.forkImage)
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
	if s.req.Join.Flags != 0 {
		err = c.awaitSecond(ctx)
	}
	if f.tid != 0 {
		awaitThreadExit(f.tid)
	}
	if err != nil {
		c.kill()
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (s *starting) forkImage() forked {
	files := make([]uintptr, len(s.spec.fds))
	for i, fd := range s.spec.fds {
		files[i] = uintptr(fd)
	}
	pidfd := -1
	attr := &syscall.SysProcAttr{PidFD: &pidfd}
	if s.req.Cgroup != nil {
		attr.UseCgroupFD, attr.CgroupFD = true, int(s.req.Cgroup.Fd())
	}
	program := fmt.Sprintf("/proc/self/fd/%d", s.req.Image.File.Fd())
	pid, err := syscall.ForkExec(program, []string{"exec"}, &syscall.ProcAttr{Files: files, Env: childEnv, Sys: attr})
	runtime.KeepAlive(s.req)
	if err != nil {
		var errno syscall.Errno
		errors.As(err, &errno)
		if errno == syscall.EACCES || errno == syscall.EPERM || errno == syscall.ENOENT {
			return forked{err: ErrImage}
		}
		return forked{err: &Failure{Stage: forkStages[stageClone], Errno: errno}}
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
