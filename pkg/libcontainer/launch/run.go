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
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/sysmon"
)

// forked is what the cloning thread hands back.
type forked struct {
	pid, pidfd int
	tid        int  // the thread, if it must be seen to die
	legacy     bool // the child is not in its version 2 cgroup yet
	runs       bool // the child executes its program already
	err        error
}

func (s *starting) run(ctx context.Context) (*Child, error) {
	fork := s.forkHere
	if s.plain() {
		fork = s.forkPlain
	}
	f := s.clone(fork)
	_ = unix.Close(s.spec.status) // the write end is the child's alone now
	if f.err != nil {
		return nil, f.err
	}
	c := &Child{pid: f.pid, pidfd: os.NewFile(uintptr(f.pidfd), "pidfd"), hooks: s.req.Hooks, notify: s.req.Notify}
	var err error
	if !f.runs {
		err = s.follow(ctx, c, f.legacy)
	}
	if f.tid != 0 {
		awaitThreadExit(f.tid)
	}
	if err != nil {
		c.kill()
		_ = c.pidfd.Close()
		return nil, err
	}
	c.sock, s.sock = s.sock, nil
	return c, nil
}

// clone forks from a thread of its own. With version 1 cgroups that thread first moves into
// them, by writing "0" to their tasks files, which moves only the writing thread and is spared
// the kernel's lock on whole thread groups; the child is born there, and the thread, still
// locked to its goroutine, dies with it.
func (s *starting) clone(fork func() forked) forked {
	done := make(chan forked)
	go func() { done <- s.cloneOnThread(fork) }()
	return <-done
}

func (s *starting) cloneOnThread(fork func() forked) forked {
	runtime.LockOSThread()
	if ns := sysmon.Slack(); ns > 0 {
		_ = unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(ns), 0, 0, 0) // which the child inherits
	}
	if len(s.req.CgroupTasks) == 0 {
		defer runtime.UnlockOSThread()
		undo, err := s.confine()
		if err != nil {
			return forked{err: err}
		}
		defer undo()
		return fork()
	}
	if unix.Gettid() == unix.Getpid() {
		// The main thread cannot die alone and would stay in the container's cgroups: keep it busy
		// while another thread does the work.
		inner := make(chan forked)
		go func() { inner <- s.cloneOnThread(fork) }()
		f := <-inner
		runtime.UnlockOSThread()
		return f
	}
	if _, err := s.confine(); err != nil { // for good: this thread dies
		return forked{err: err, tid: unix.Gettid()}
	}
	for _, tasks := range s.req.CgroupTasks {
		if _, err := unix.Write(int(tasks.Fd()), []byte("0")); err != nil {
			return forked{err: fmt.Errorf("enter cgroup %s: %w", tasks.Name(), err), tid: unix.Gettid()}
		}
	}
	f := fork()
	f.tid = unix.Gettid()
	return f
}

func (s *starting) forkHere() forked {
	var pidfd int32 = -1
	args := cloneArgs{
		flags:      uint64(s.spec.flags) | unix.CLONE_PIDFD,
		pidfd:      uint64(uintptr(unsafe.Pointer(&pidfd))),
		exitSignal: uint64(syscall.SIGCHLD),
	}
	if s.spec.cgroupFD >= 0 {
		args.flags |= unix.CLONE_INTO_CGROUP
		args.cgroup = uint64(s.spec.cgroupFD)
	}
	legacy := false
	syscall.ForkLock.Lock()
	pid, errno := fork(&s.spec, &args, &pidfd, false)
	if errno == unix.ENOSYS || errno == unix.EPERM && s.spec.flags&unix.CLONE_NEWUSER == 0 {
		args.flags &^= unix.CLONE_INTO_CGROUP
		legacy = s.spec.cgroupFD >= 0
		s.spec.gateEarly = legacy
		pid, errno = fork(&s.spec, &args, &pidfd, true)
	}
	syscall.ForkLock.Unlock()
	runtime.KeepAlive(s.req)
	if errno != 0 {
		return forked{err: &Failure{Stage: forkStages[stageClone], Errno: errno}}
	}
	return forked{pid: pid, pidfd: int(pidfd), legacy: legacy}
}

// plain says whether the child has nothing to do before it executes its program but what the standard library
// does for it: it makes namespaces in which it is alone, and no ids are mapped.
func (s *starting) plain() bool {
	// Without this call what others left open would be open inside.
	closes := unix.CloseRange(^uint(0)>>32, ^uint(0)>>32, 0) == nil
	return closes && !s.spec.second && !s.spec.gateMaps && !s.spec.timeNS
}

// newNamespaces are the attributes of a plain child.
func (s *starting) newNamespaces() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: s.spec.flags, Setsid: s.spec.session}
	if s.spec.cgroupNS {
		attr.Unshareflags = unix.CLONE_NEWCGROUP
	}
	return attr
}

// forkPlain starts a plain child without a copy of this process. What the kernel refuses is left to the other
// way, which knows of older kernels.
func (s *starting) forkPlain() forked {
	f := s.forkExec(s.program, s.argv(), s.newNamespaces())
	if f.err != nil {
		return s.forkHere()
	}
	f.runs = true
	return f
}

// follow brings the child to its program: cgroup, id maps, second child.
func (s *starting) follow(ctx context.Context, c *Child, legacy bool) error {
	stop := context.AfterFunc(ctx, func() { _ = s.status.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	if legacy {
		if err := s.enterCgroup(c.pid); err != nil {
			return err
		}
		_, _ = s.gate.Write([]byte{1})
	}
	if s.spec.gateMaps && !s.spec.second {
		if err := s.writeMaps(c.pid); err != nil {
			return err
		}
	}
	for {
		var msg [8]byte
		_, err := io.ReadFull(s.status, msg[:])
		if err == io.EOF {
			return nil
		}
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return ctx.Err()
			}
			return fmt.Errorf("child status: %w", err)
		}
		stage := int32(binary.NativeEndian.Uint32(msg[:4]))
		value := int32(binary.NativeEndian.Uint32(msg[4:]))
		if stage != stageNone {
			return &Failure{Stage: forkStages[stage], Errno: syscall.Errno(value)}
		}
		if err := s.adopt(c, int(value)); err != nil {
			return err
		}
	}
}

// adopt replaces the first child, which is done, by the second.
func (s *starting) adopt(c *Child, pid int) error {
	if err := c.replace(pid); err != nil || !s.spec.gateMaps {
		return err
	}
	return s.writeMaps(pid)
}

// replace makes the second of two processes the child, and reaps the first.
func (c *Child) replace(pid int) error {
	first := c.pid
	c.pid = pid
	_, _ = wait4(first)
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("open pidfd of %d: %w", pid, err)
	}
	_ = c.pidfd.Close()
	c.pidfd = os.NewFile(uintptr(fd), "pidfd")
	return nil
}

func (s *starting) enterCgroup(pid int) error {
	fd, err := unix.Openat(s.spec.cgroupFD, "cgroup.procs", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("enter cgroup: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	if _, err := unix.Write(fd, []byte(strconv.Itoa(pid))); err != nil {
		return fmt.Errorf("enter cgroup: %w", err)
	}
	return nil
}

// awaitThreadExit waits until the cloning thread is gone: as long as it is in the container's
// cgroups, a kill of all their processes would hit ours.
func awaitThreadExit(tid int) {
	pid := unix.Getpid()
	for range 10000 {
		if unix.Tgkill(pid, tid, 0) == unix.ESRCH {
			return
		}
		time.Sleep(20 * time.Microsecond)
	}
}

func wait4(pid int) (syscall.WaitStatus, error) {
	var ws syscall.WaitStatus
	for {
		_, err := syscall.Wait4(pid, &ws, 0, nil)
		if err != syscall.EINTR {
			return ws, err
		}
	}
}
