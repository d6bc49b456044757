package server

import (
	"encoding/json"
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/pkg/atomicfile"
	"github.com/manager-project/manager/pkg/monitor"
)

// onExit is called once, when the init's pidfd says that it has ended.
func (s *server) onExit() {
	s.exited = true
	switch s.phase {
	case waiting:
		if s.runsAlready() && !s.aborted {
			return // as if it had ended right after the release, which is to come
		}
		// Nobody released it: it was killed at the barrier, by us or by a stranger.
		st, _ := s.child.Wait()
		s.fail(failure("init", "", errKilled(st.Code)))
	case running:
		s.reap()
	default: // while starting, Exec's outcome comes next and decides
	}
}

type errKilled int

func (e errKilled) Error() string {
	return "ended with " + strconv.Itoa(int(e)) + " before it was released"
}

// reap takes the init's status and begins to read the last output.
func (s *server) reap() {
	st, err := s.child.Wait()
	fault.Point("monitor: exit seen")
	if err != nil {
		st.At = time.Now()
		st.Code = 255
	}
	s.status = st
	s.phase = draining
	s.endHealth()
	s.closeNotify()
	s.drained = 0
	s.lastOutput = time.Now()
	s.drainUntil = s.lastOutput.Add(drainMax)
	s.held = true // also a terminal that hung up is read once more
	s.unpause()
	s.drain()
}

// drain goes on until all output is at its end, or silent, or too long.
func (s *server) drain() {
	if s.phase != draining {
		return
	}
	over := true
	for _, o := range s.out {
		over = over && o.eof
	}
	now := time.Now()
	left := min(drainIdle-now.Sub(s.lastOutput), s.drainUntil.Sub(now))
	if over || left <= 0 || s.drained > drainBytes {
		s.finish()
		return
	}
	if !s.drainArmed {
		s.drainArmed = true
		s.after(left, func() { s.drainArmed = false; s.drain() })
	}
}

// finish writes the record of a container that ran.
func (s *server) finish() {
	s.phase = ended
	s.closeStdio()
	fault.Point("monitor: output drained")
	s.code = s.mainExitCode()
	e := monitor.ExitRecord{
		Generation: s.cfg.Generation, Code: s.status.Code, Signal: int(s.status.Signal),
		StartedAt: s.live.Released, FinishedAt: s.status.At,
	}
	s.explain(&e)
	s.end(e)
}

// end records the exit and tells everybody, in the order that readers rely on: the record, the
// socket away, the lock free, the messages.
func (s *server) end(e monitor.ExitRecord) {
	if loss := s.loss(); loss.Bytes > 0 {
		e.LogLoss = &loss
		s.noteLoss(loss)
	}
	s.noteEnd(&e)
	s.planRestart(&e)
	data, err := json.Marshal(e)
	if err == nil && s.lock >= 0 {
		path := filepath.Join(s.cfg.RunDir, monitor.ExitFile)
		err := atomicfile.Write(path, data, 0o600, atomicfile.Volatile)
		if err != nil {
			err = s.spendSpare(data)
		}
		if err != nil {
			// The message still goes out; the next command sees a lost exit.
			complain("write the exit record: " + err.Error())
		}
	}
	fault.Point("monitor: exit.json written")
	s.closeListener()
	fault.Point("monitor: socket removed")
	s.unlock()
	fault.Point("monitor: unlocked")
	s.exitPacket = append([]byte{byte(monitor.KindExit)}, data...)
	for _, c := range s.clients {
		switch {
		case c.owner || c.streams || c.waits:
			s.sendExit(c)
		case len(c.queue) > 0: // it has not read yet that its output was dropped
		default:
			s.drop(c)
		}
	}
	fault.Point("monitor: clients told")
	s.after(lingerMax, s.dropLate)
	s.lingering = true
	s.flushed()
}

// spareSize is more than an exit record takes, in bytes.
const spareSize = 4096

// makeSpare takes room for the exit record. Without it a full disk at the end loses the exit code.
func (s *server) makeSpare() {
	path := filepath.Join(s.cfg.RunDir, monitor.SpareFile)
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return
	}
	_ = unix.Fallocate(fd, 0, 0, spareSize)
	_ = unix.Close(fd)
}

// spendSpare writes the exit record into the room that was taken for it.
func (s *server) spendSpare(data []byte) error {
	path := filepath.Join(s.cfg.RunDir, monitor.SpareFile)
	f, err := os.OpenFile(path, os.O_WRONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Truncate(int64(len(data))), f.Close()); err != nil {
		return err
	}
	return os.Rename(path, filepath.Join(s.cfg.RunDir, monitor.ExitFile))
}

func (s *server) sendExit(c *client) {
	if s.exitPacket != nil && !c.told {
		c.told = true
		c.send(s.exitPacket)
	}
}

// dropLate ends the clients that have not read the end in time; the owner is waited for as long as
// it lives.
func (s *server) dropLate() {
	for _, c := range s.clients {
		if !c.owner {
			s.drop(c)
		}
	}
}

// flushed ends the monitor when everybody has got everything and the owner has left.
func (s *server) flushed() {
	if !s.lingering {
		return
	}
	for _, c := range s.clients {
		if c.owner && !s.cleaned && !s.restart.due || len(c.queue) > 0 {
			return
		}
	}
	s.loop.stop()
}

func (s *server) unlock() {
	if s.lock >= 0 {
		_ = unix.Close(s.lock)
		s.lock = -1
	}
}

func (s *server) closeStdio() {
	for _, o := range s.out {
		s.closeSource(o)
	}
	if s.in != nil {
		s.closeStdin()
	}
	s.log.close()
}

// callCleanup runs the clean-up command, with more words. With a service manager it waits for the command's end: with the
// main process's end that ends what else the service has. Else the host's reaper inherits it.
func (s *server) callCleanup(more ...string) {
	pidfd := s.startCleanup(nil, more...)
	if pidfd < 0 {
		return
	}
	defer func() { _ = unix.Close(pidfd) }()
	for s.notifier != nil {
		if _, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, -1); err != unix.EINTR {
			return
		}
	}
}

// startCleanup starts the clean-up command in a session of its own, with that standard input or none, and returns a
// pidfd, or -1 where it cannot be started.
func (s *server) startCleanup(stdin *os.File, more ...string) int {
	if len(s.cfg.CleanupCommand) == 0 {
		return -1
	}
	signal.Reset(unix.SIGHUP, unix.SIGQUIT, unix.SIGPIPE) // what is ignored would be by the command too
	if s.cfg.Stop == nil {
		signal.Reset(unix.SIGINT, unix.SIGTERM)
	}
	argv := append(slices.Clip(s.cfg.CleanupCommand), more...)
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		complain("start the clean-up: " + err.Error())
		return -1
	}
	defer func() { _ = null.Close() }()
	if stdin == nil {
		stdin = null
	}
	pidfd := -1
	_, err = syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{
		Dir: "/", Env: append(slices.Clip(s.cfg.CleanupEnv), s.cfg.Notify.Environ()...),
		Files: []uintptr{stdin.Fd(), null.Fd(), null.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true, PidFD: &pidfd, Cloneflags: monitor.Kinship(s.notifier != nil)},
	})
	if err != nil {
		complain("start the clean-up: " + err.Error())
		return -1
	}
	return pidfd
}
