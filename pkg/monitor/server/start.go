package server

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/pkg/atomicfile"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/monitor"
)

func itoa(n int) []byte { return strconv.AppendInt(nil, int64(n), 10) }

// failure turns an error of the monitor's own into the form that crosses processes.
func failure(stage, path string, err error) *launch.Failure {
	var f *launch.Failure
	if errors.As(err, &f) {
		return f
	}
	var errno syscall.Errno
	errors.As(err, &errno)
	f = &launch.Failure{Stage: stage, Path: path, Errno: errno}
	if errno == 0 || path == "" {
		f.Detail = err.Error()
	}
	return f
}

// refuse makes the init fail for a reason of ours: Ready's outcome then carries it.
func (s *server) refuse(f *launch.Failure) {
	s.refusal = f
	s.cancelReady()
}

// onReady is the outcome of the launch's first half.
func (s *server) onReady(console *os.File, err error) {
	err = s.endEarly(err)
	if err == nil && s.refusal != nil {
		err = s.refusal
	}
	switch {
	case err == nil && console != nil:
		err = s.useConsole(console)
	case console != nil:
		_ = console.Close()
	case err == nil && s.runsAlready():
		err = s.watchOutput()
	}
	if err == nil && !s.aborted {
		err = s.announce()
	}
	if err != nil || s.aborted {
		// A child that failed by itself was reaped by Ready; killing it again is harmless.
		_ = s.child.Signal(unix.SIGKILL)
		_, _ = s.child.Wait()
		if s.refusal != nil {
			err = s.refusal
		}
		s.fail(failure("init", "", err))
		return
	}
	s.phase = waiting
	if s.startWanted {
		s.release()
	}
}

// announce writes live.json and the pid file, and tells the owner.
func (s *server) announce() error {
	start, err := s.child.StartTime()
	if err != nil {
		return err
	}
	s.live = monitor.Live{Generation: s.cfg.Generation, PID: s.child.PID(), StartTime: start, MonitorPID: os.Getpid()}
	if s.cfg.PIDFile != "" {
		if err := atomicfile.Write(s.cfg.PIDFile, itoa(s.live.PID), 0o644, atomicfile.Volatile); err != nil {
			return failure("--pidfile", s.cfg.PIDFile, err)
		}
	}
	pidfd := int(s.child.PIDFD().Fd())
	if err := s.loop.add(pidfd, unix.EPOLLIN, func(uint32) { s.loop.remove(pidfd); s.onExit() }); err != nil {
		return err
	}
	return s.tellLive(monitor.KindReady)
}

func (s *server) tellLive(k monitor.Kind) error {
	data, err := json.Marshal(s.live)
	if err != nil {
		return err
	}
	path := filepath.Join(s.cfg.RunDir, monitor.LiveFile)
	if err := atomicfile.Write(path, data, 0o600, atomicfile.Volatile); err != nil {
		return failure("monitor", path, err)
	}
	fault.Point("monitor: live.json written")
	s.tellOwner(k, data)
	return nil
}

func (s *server) tellOwner(k monitor.Kind, payload []byte) {
	if s.owner != nil {
		s.owner.send(append([]byte{byte(k)}, payload...))
	}
}

// release lets the init become the user's program.
func (s *server) release() {
	s.phase = starting
	s.live.Released = time.Now() // before it can write anything: its log begins here
	fault.Point("monitor: release")
	s.active()
	go func() {
		err := s.child.Exec()
		if err == nil {
			err = s.poststart()
		}
		s.loop.post(func() { s.onExec(err) })
	}()
}

// onExec is the outcome of the launch's second half.
func (s *server) onExec(err error) {
	if err != nil {
		s.kill() // it may be alive if it was not the program that failed
		_, _ = s.child.Wait()
		s.fail(failure(launch.StageExec, "", err))
		return
	}
	s.noteStart()
	s.phase = running
	fault.Point("monitor: released")
	if err := s.tellLive(monitor.KindStarted); err != nil {
		// It runs: a full disk is no reason to say otherwise. The owner's copy is right.
		data, _ := json.Marshal(s.live)
		s.tellOwner(monitor.KindStarted, data)
	}
	if s.cfg.Timeout > 0 {
		s.after(s.cfg.Timeout, func() {
			if s.phase == running {
				s.timedOut = true
				s.kill()
			}
		})
	}
	for _, sig := range s.signals {
		s.signal(sig)
	}
	s.signals = nil
	s.notifyRuns()
	s.startHealth()
	if s.exited {
		s.reap()
	}
}

func (s *server) kill() {
	_ = s.child.Signal(unix.SIGKILL)
	s.thaw()
}

// fail ends a monitor whose container never ran. An abort leaves nothing; a failure leaves a
// record, so that also a client that was not there learns why.
func (s *server) fail(f *launch.Failure) {
	s.phase = ended
	s.closeStdio()
	if s.aborted {
		s.leaveNothing()
		s.loop.stop()
		return
	}
	data, err := json.Marshal(f)
	if err == nil && len(data) <= monitor.MaxPayload {
		s.tellOwner(monitor.KindFailure, data)
	}
	s.end(monitor.ExitRecord{
		Generation: s.cfg.Generation, Code: f.ExitCode(), Cause: monitor.CauseStartFailed,
		FinishedAt: time.Now(), Failure: f,
	})
}

// leaveNothing removes what this start made.
func (s *server) leaveNothing() {
	fault.Point("monitor: aborted")
	s.closeListener()
	_ = os.Remove(filepath.Join(s.cfg.RunDir, monitor.LiveFile))
	fault.Point("monitor: live.json removed")
	if s.cfg.PIDFile != "" {
		_ = os.Remove(s.cfg.PIDFile)
	}
	s.unlock()
}
