// Package arming arms the points of internal/fault as the environment says. Only programs of tests
// import it: the test program of test/crash, and manager-monitor when it is built with the tag
// "faults".
//
//	FAULT_CLIENT=WHAT    for a command of the user
//	FAULT_CLEANUP=WHAT   for the clean-up command that a monitor starts
//	FAULT_MONITOR=WHAT   for a monitor
//	FAULT_INIT=WHAT      for an init, that of exec too
//	FAULT_LOG=FILE       takes a line "ROLE: POINT" when one of them was struck
//	FAULT_BALLAST=FILE   is what "full" fills the disk with
//
// WHAT is one of
//
//	at=N        the process is killed at the Nth point that it passes
//	on=POINT    the process is killed at the point of that name
//	stop=POINT  the process is stopped (SIGSTOP) at the point of that name
//	full=N      the disk is filled at the Nth point, and the process goes on
//	fail=POINT  the step behind the point fails
//	after=D     the process is killed after the duration
package arming

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/manager-project/manager/internal/fault"
)

// A Role is what a process is, and the end of the name of its variable.
type Role string

// The roles.
const (
	Client  Role = "CLIENT"
	Cleanup Role = "CLEANUP"
	Monitor Role = "MONITOR"
	Init    Role = "INIT"
)

const prefix = "FAULT_"

// Word is the environment entry that arms a role.
func Word(role Role, what string) string { return prefix + string(role) + "=" + what }

// BallastWord names the file that fills the disk.
func BallastWord(path string) string { return prefix + "BALLAST=" + path }

// Arm arms this process, and its children of ours, as the words of an environment say; the last word
// of a name counts. It is called once, before anything else runs.
func Arm(role Role, words []string) {
	mine := map[string]string{}
	var kept []string
	for _, word := range words {
		if key, value, ok := strings.Cut(word, "="); ok && strings.HasPrefix(key, prefix) {
			mine[strings.TrimPrefix(key, prefix)] = value
			kept = append(kept, word)
		}
	}
	fault.ArmChildren(kept)
	kind, value, ok := strings.Cut(mine[string(role)], "=")
	if !ok {
		return
	}
	s := &striker{role: role, ballast: mine["BALLAST"], log: -1}
	if path := mine["LOG"]; path != "" {
		if role == Init {
			s.page = page(path)
		} else {
			s.log, _ = syscall.Open(path, syscall.O_WRONLY|syscall.O_APPEND|syscall.O_CREAT|syscall.O_CLOEXEC, 0o600)
		}
	}
	n, _ := strconv.ParseInt(value, 10, 64)
	var passed atomic.Int64
	switch kind {
	case "at":
		fault.Arm(func(point string) error {
			if passed.Add(1) == n {
				s.note(point)
				die()
			}
			return nil
		})
	case "on":
		fault.Arm(func(point string) error {
			if point == value {
				s.note(point)
				die()
			}
			return nil
		})
	case "stop":
		fault.Arm(func(point string) error {
			if point == value {
				s.note(point)
				halt()
			}
			return nil
		})
	case "full":
		fault.Arm(func(point string) error {
			if passed.Add(1) == n {
				s.note(point)
				Fill(s.ballast)
			}
			return nil
		})
	case "fail":
		fault.Arm(func(point string) error {
			if point == value {
				return fmt.Errorf("injected at %q", point)
			}
			return nil
		})
	case "after":
		after, _ := time.ParseDuration(value)
		if after == 0 {
			die() // before it does anything, however busy the machine is
		}
		time.AfterFunc(after, die)
	}
}

// striker is what strikes this process.
type striker struct {
	role    Role
	ballast string
	log     int
	// page is an init's log: it closes what it was not given, and does not see the host's files later.
	page []byte
}

// page maps a file of one process beside the log; see Log.Next.
func page(path string) []byte {
	const size = 4096
	fd, err := syscall.Open(path+"."+strconv.Itoa(os.Getpid()), syscall.O_RDWR|syscall.O_CREAT|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil
	}
	defer func() { _ = syscall.Close(fd) }()
	if syscall.Ftruncate(fd, size) != nil {
		return nil
	}
	mem, _ := syscall.Mmap(fd, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	return mem
}

// A Log is the file of FAULT_LOG, for whoever reads it while processes write it.
type Log struct {
	Path string
	// read is how much of the file Next has returned.
	read int
}

// Word is the entry of an environment that names the file.
func (l *Log) Word() string { return prefix + "LOG=" + l.Path }

// Next returns where processes were struck since it was last asked, a line each.
func (l *Log) Next() string {
	var all []byte
	pages, _ := filepath.Glob(l.Path + ".*")
	for _, file := range pages {
		text, _ := os.ReadFile(file)
		if text = bytes.TrimRight(text, "\x00"); len(text) > 0 { // else its process may yet write there
			all = append(all, text...)
			_ = os.Remove(file)
		}
	}
	text, _ := os.ReadFile(l.Path)
	text = text[min(l.read, len(text)):]
	l.read += len(text)
	return string(append(all, text...))
}

// note says where the process was struck.
func (s *striker) note(point string) {
	line := string(s.role) + ": " + point + "\n"
	if s.page != nil {
		copy(s.page, line)
		return
	}
	_, _ = syscall.Write(s.log, []byte(line))
}

// Fill fills the disk that the file is on, to the last byte. What others give up meanwhile stays theirs.
func Fill(path string) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }()
	var disk syscall.Statfs_t
	if syscall.Fstatfs(int(f.Fd()), &disk) != nil {
		return
	}
	filled := int64(0)
	for block := make([]byte, 1<<20); len(block) > 0; {
		n, err := f.Write(block)
		filled += int64(n)
		if err != nil || n < len(block) {
			block = block[:len(block)/2]
		}
	}
	if free := int64(disk.Bavail) * disk.Bsize; filled > free {
		_ = f.Truncate(free)
	}
}

// halt stops the process here: a signal to the process might be taken by another thread, and this one go on for a moment.
func halt() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = syscall.Tgkill(syscall.Getpid(), syscall.Gettid(), syscall.SIGSTOP)
}

// die is kill -9 by somebody else. Process 1 of a container cannot send itself that, so it vanishes
// by another way.
func die() {
	_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
	_, _, _ = syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 137, 0, 0)
}
