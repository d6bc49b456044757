// Package sysmon lets the Go runtime's monitor sleep for longer. That thread, which looks for threads that are stuck in a system call,
// wakes every 20 µs until it has found nothing fifty times: in a program that lives for 7 ms, that is a seventh of its processor time, most of it
// the kernel's for timers.
package sysmon

import (
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// slack is how late, in nanoseconds, the monitor may wake: as long as it sleeps anyway where it has found nothing for a while. As long,
// at worst, a goroutine waits for the place of another that blocks in a system call, if there are no other places.
const slack = 10_000_000

var before int

// Relax gives the runtime's monitor that much slack. It is called once, by the main goroutine before others are begun; where the kernel does
// not let us, nothing changes. Threads that the monitor starts inherit the slack, and what these execute too: see Slack.
// Source: proc_pid_timerslack_ns(5); the order of /proc/self/task is that in which threads began, and the monitor is the first after the main one.
func Relax() {
	if runtime.GOMAXPROCS(0) == 1 {
		return // there is one place
	}
	monitor := second()
	if monitor == "" {
		return
	}
	fd, err := unix.Open("/proc/"+monitor+"/timerslack_ns", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer func() { _ = unix.Close(fd) }()
	if now, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0); err == nil && now > 0 && now < slack {
		before = now
		_, _ = unix.Write(fd, strconv.AppendInt(nil, slack, 10))
	}
}

// second is the thread that began after the main one, "" if that cannot be told. As a rule it has the next number, and nobody asks procfs.
func second() string {
	pid := os.Getpid()
	if unix.Tgkill(pid, pid+1, 0) == nil {
		return strconv.Itoa(pid + 1)
	}
	dir, err := unix.Open("/proc/self/task", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	var entries [1024]byte
	n, err := unix.Getdents(dir, entries[:])
	_ = unix.Close(dir)
	if err != nil {
		return ""
	}
	_, _, threads := unix.ParseDirent(entries[:n], -1, nil)
	if len(threads) < 2 || threads[0] != strconv.Itoa(pid) {
		return ""
	}
	return threads[1]
}

// Slack is the timer slack, in nanoseconds, of a process that is not to notice: this one's before Relax, 0 if that changed nothing.
func Slack() int { return before }
