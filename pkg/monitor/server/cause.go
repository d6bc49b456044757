package server

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/manager-project/manager/pkg/monitor"
)

// explain completes the record of a program that ran with why it ended.
func (s *server) explain(e *monitor.ExitRecord) {
	e.Stop = s.readStop()
	e.Memory = memoryUse(s.cfg.MemoryEvents, e.Signal != 0)
	if e.Memory != nil {
		e.OOMKilled = e.Memory.Kills > 0
		e.Memory.AtEnd = s.oom.killedAt(e.FinishedAt, e.Memory.Kills)
	}
	wanted := s.ending
	if wanted == "" && s.timedOut && s.status.Signal == syscall.SIGKILL {
		wanted = monitor.CauseTimeout
	}
	e.Cause = e.DecideCause(wanted)
	e.Again = s.again && e.Cause == monitor.CauseHealth
}

// readStop returns the note about this start's end, or nil.
func (s *server) readStop() *monitor.Stop {
	stop, err := monitor.ReadStop(s.cfg.RunDir)
	if err != nil || stop.Generation != s.cfg.Generation {
		return nil
	}
	return &stop
}

// memoryUse reads the files of the cgroup beside the one that counts kills. Limit and peak are read only
// after a kill or, with always, in any case; otherwise nil says that nothing was killed.
// Source: kernel cgroup-v2.rst, "Memory Interface Files"; cgroup-v1/memory.rst, section 3.
func memoryUse(events string, always bool) *monitor.MemoryUse {
	if events == "" {
		return nil
	}
	m := monitor.MemoryUse{Kills: oomKills(events)}
	if m.Kills == 0 && !always {
		return nil
	}
	limit, peak := "memory.max", "memory.peak"
	if filepath.Base(events) == "memory.oom_control" {
		limit, peak = "memory.limit_in_bytes", "memory.max_usage_in_bytes"
	}
	dir := filepath.Dir(events)
	m.Limit, m.Peak = readNumber(filepath.Join(dir, limit)), readNumber(filepath.Join(dir, peak))
	if m.Limit >= noLimit {
		m.Limit = 0
	}
	return &m
}

// noLimit is what version 1 shows for no limit, less a page of whatever size.
const noLimit = 1<<63 - 1<<20

// oomKills reads the kernel's counter: the line "oom_kill N" is in memory.events of version 2
// and in memory.oom_control of version 1 (since Linux 4.13). 0 if there is none.
// Source: kernel cgroup-v2.rst, "memory.events"; mm/memcontrol-v1.c, mem_cgroup_oom_control_read.
func oomKills(path string) uint64 {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	return oomKillsIn(data)
}

func oomKillsIn(data []byte) uint64 {
	for line := range bytes.Lines(data) {
		if v, ok := bytes.CutPrefix(line, []byte("oom_kill ")); ok {
			return number(v)
		}
	}
	return 0
}

// readNumber reads a file with one number; 0 for one that does not exist, or says "max".
func readNumber(path string) uint64 {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	return number(data)
}

func number(text []byte) uint64 {
	n, _ := strconv.ParseUint(string(bytes.TrimSpace(text)), 10, 64)
	return n
}
