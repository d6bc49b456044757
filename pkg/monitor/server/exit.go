package server

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

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
	if err != nil {
		st.At = time.Now()
		st.Code = 255
	}
	s.status = st
	s.phase = draining
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
	e := monitor.ExitRecord{
		Generation: s.cfg.Generation, Code: s.status.Code, Signal: int(s.status.Signal),
		Cause: monitor.CauseExit, StartedAt: s.live.Released, FinishedAt: s.status.At,
	}
	if e.Signal != 0 {
		e.Cause = monitor.CauseSignal
	}
	if s.status.Signal == syscall.SIGKILL {
		switch {
		case s.timedOut:
			e.Cause = monitor.CauseTimeout
		case oomKills(s.cfg.MemoryEvents) > 0:
			e.Cause, e.OOMKilled = monitor.CauseOOM, true
		}
	}
	s.end(e)
}

// oomKills reads the kernel's counter: the line "oom_kill N" is in memory.events of version 2
// and in memory.oom_control of version 1 (since Linux 4.13). 0 if there is none.
// Source: kernel cgroup-v2.rst, "memory.events"; mm/memcontrol-v1.c, mem_cgroup_oom_control_read.
func oomKills(path string) uint64 {
	if path == "" {
		return 0
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(data) {
		if v, ok := bytes.CutPrefix(line, []byte("oom_kill ")); ok {
			n, _ := strconv.ParseUint(string(bytes.TrimSpace(v)), 10, 64)
			return n
		}
	}
	return 0
}

// end records the exit and tells everybody, in the order that readers rely on: the record, the
// socket away, the lock free, the messages.
func (s *server) end(e monitor.ExitRecord) {
	s.noteEnd(&e)
	s.planRestart(&e)
	data, err := json.Marshal(e)
	if err == nil && s.lock >= 0 {
		path := filepath.Join(s.cfg.RunDir, monitor.ExitFile)
		if err := atomicfile.Write(path, data, 0o600, atomicfile.Volatile); err != nil {
			// The message still goes out; the next command sees a lost exit.
			complain("write the exit record: " + err.Error())
		}
	}
	s.closeListener()
	s.unlock()
	s.exitPacket = append([]byte{byte(monitor.KindExit)}, data...)
	for _, c := range s.clients {
		switch {
		case c.owner || c.streams || c.waits:
			s.sendExit(c)
		default:
			s.drop(c)
		}
	}
	s.after(lingerMax, s.dropLate)
	s.lingering = true
	s.flushed()
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

// callCleanup starts the clean-up command, with more words, in a session of its own. The monitor does
// not wait for it; the host's reaper inherits it.
func (s *server) callCleanup(more ...string) {
	if len(s.cfg.CleanupCommand) == 0 {
		return
	}
	argv := append(slices.Clip(s.cfg.CleanupCommand), more...)
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		complain("start the clean-up: " + err.Error())
		return
	}
	_, err = os.StartProcess(argv[0], argv, &os.ProcAttr{
		Dir: "/", Env: s.cfg.CleanupEnv, Files: []*os.File{null, null, null},
		Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		complain("start the clean-up: " + err.Error())
	}
}
