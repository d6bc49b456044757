package libpod

import (
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/pkg/monitor"
	"github.com/manager-project/manager/pkg/spec"
)

// explain says how a start ended, in words and for programs.
func (e *end) explain() *WhyEnd {
	r := &e.Record
	w := &WhyEnd{
		Cause: r.Cause, Summary: e.summary(), Details: e.details(), Next: e.next(), ExitCode: r.Code, OOMKilled: r.OOMKilled,
		Memory: r.Memory, StartedAt: r.StartedAt, FinishedAt: r.FinishedAt, Error: e.Error,
	}
	if r.Signal != 0 {
		w.Signal = spec.SignalName(syscall.Signal(r.Signal))
	}
	return w
}

// summary is the cause in a few words.
func (e *end) summary() string {
	r := &e.Record
	switch r.Cause {
	case monitor.CauseOOM:
		return "out of memory"
	case monitor.CauseTimeout:
		return "out of time: --timeout ended it"
	case monitor.CauseHealth:
		return "unhealthy: its healthcheck failed"
	case monitor.CauseStop, monitor.CauseRestart, monitor.CauseRemove:
		if r.Escalated() {
			return fmt.Sprintf("killed by \"manager %s\"", r.Cause)
		}
		return fmt.Sprintf("stopped by \"manager %s\"", r.Cause)
	case monitor.CauseKill:
		return "ended by \"manager kill\""
	case monitor.CauseStartFailed:
		return "could not be started"
	case monitor.CauseLost:
		return "nobody saw it end: its monitor was gone"
	case monitor.CauseReboot:
		return "ended with the machine, which was restarted"
	case monitor.CauseSignal:
		if crash[syscall.Signal(r.Signal)] != "" {
			return "crashed: " + spec.SignalName(syscall.Signal(r.Signal))
		}
		return "killed by " + spec.SignalName(syscall.Signal(r.Signal))
	}
	if r.Code == 0 {
		return "ended by itself, well"
	}
	return fmt.Sprintf("ended by itself, with exit code %d", r.Code)
}

// crash are the signals by which a program ends for a fault of its own, each with the fault.
// Source: signal(7).
var crash = map[syscall.Signal]string{
	unix.SIGSEGV: "it used memory that it does not have",
	unix.SIGBUS:  "it used memory behind which there is nothing, as the end of a file that was cut",
	unix.SIGILL:  "it ran an instruction that this processor does not have",
	unix.SIGFPE:  "it divided by zero, or the like",
	unix.SIGABRT: "it gave up, as programs do that find themselves in a wrong state",
	unix.SIGTRAP: "it met a breakpoint",
	unix.SIGSYS:  "it made a system call that its seccomp profile answers so",
	unix.SIGXCPU: "it used more processor time than its --ulimit cpu",
	unix.SIGXFSZ: "it wrote a file larger than its --ulimit fsize",
}

// details are what is known beyond the summary.
func (e *end) details() []string {
	r, list := &e.Record, []string{}
	add := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	switch r.Cause {
	case monitor.CauseOOM:
		add("The kernel killed process 1, because %s.", e.shortage())
	case monitor.CauseTimeout:
		add("It ran longer than the %s of its --timeout, and was killed.", time.Duration(e.Timeout)*time.Second)
	case monitor.CauseStop, monitor.CauseRestart, monitor.CauseRemove:
		e.stopDetails(add)
	case monitor.CauseKill:
		if r.Stop != nil {
			add("\"manager kill\" sent %s.", spec.SignalName(syscall.Signal(r.Stop.Signal)))
		}
	case monitor.CauseStartFailed:
		add("%s.", e.Error)
	case monitor.CauseLost:
		add("The monitor, which would have seen the end, was killed or crashed. The time is that of noticing it.")
	case monitor.CauseSignal:
		if len(e.Denied) == 0 {
			e.signalDetails(add)
		}
	case monitor.CauseExit:
		e.exitDetails(add)
	}
	for _, words := range e.Denied {
		add("%s.", words)
	}
	if s := r.Stop; s != nil && r.Cause != s.By {
		add("\"manager %s\" had sent %s %s before.", s.By, spec.SignalName(syscall.Signal(s.Signal)), rounded(r.FinishedAt.Sub(s.At)))
	}
	if r.OOMKilled && r.Cause != monitor.CauseOOM && r.Memory != nil {
		add("The kernel had killed %s, because %s.", processes(r.Memory.Kills), e.shortage())
	}
	return list
}

// shortage says what there was not enough of.
func (e *end) shortage() string {
	m := e.Record.Memory
	switch {
	case m == nil:
		return "memory ran out"
	case m.Limit == 0:
		return "memory ran out on the machine or in the parent cgroup; the container has no limit of its own"
	case m.Peak == 0:
		return "it had used up its limit of " + bytesText(m.Limit)
	}
	return fmt.Sprintf("it had used up its limit of %s (peak %s)", bytesText(m.Limit), bytesText(m.Peak))
}

func processes(n uint64) string {
	if n == 1 {
		return "another process of it"
	}
	return fmt.Sprintf("%d other processes of it", n)
}

func (e *end) stopDetails(add func(string, ...any)) {
	r := &e.Record
	if r.Stop == nil {
		return // its note was lost with the run directory
	}
	sent := spec.SignalName(syscall.Signal(r.Stop.Signal))
	switch {
	case !r.Escalated() && r.Signal == 0:
		add("It answered to %s with exit code %d, %s after it.", sent, r.Code, rounded(r.FinishedAt.Sub(r.Stop.At)))
	case !r.Escalated():
		add("It ended by %s, %s after it was sent.", spec.SignalName(syscall.Signal(r.Signal)), rounded(r.FinishedAt.Sub(r.Stop.At)))
	case r.FinishedAt.Sub(r.Stop.At) < r.Stop.Timeout:
		add("It neither handles nor blocks %s, so SIGKILL was sent without waiting.", sent)
	default:
		add("It did not end within %s of %s, so SIGKILL was sent.", r.Stop.Timeout, sent)
	}
}

func (e *end) signalDetails(add func(string, ...any)) {
	r, sig := &e.Record, syscall.Signal(e.Record.Signal)
	if fault := crash[sig]; fault != "" {
		add("The program itself is at fault: %s. Only a process outside could have sent it that signal otherwise.", fault)
		return
	}
	add("No command of manager sent it, and the kernel does not tell who sends a signal.")
	if e.Shielded {
		add("It came from outside the container: from inside, the kernel passes process 1 no signal that it does not handle.")
	} else {
		add("It may have come from inside the container too, which shares its pid namespace.")
	}
	if sig != unix.SIGKILL {
		return
	}
	switch {
	case r.Memory == nil:
		add("Whether it was for lack of memory is not known: it has no cgroup whose counter could tell.")
	case r.Memory.Kills == 0:
		add("It was not for lack of memory: the kernel counted no such kill.")
	default:
		add("It was not for lack of memory: the kernel's kills for that came earlier.")
	}
}

func (e *end) exitDetails(add func(string, ...any)) {
	switch code := e.Record.Code; {
	case code == define.ExitNotExecutable:
		add("Shells end so when a command cannot be executed.")
	case code == define.ExitNotFound:
		add("Shells end so when a command is not found.")
	case code > 128 && unix.SignalName(syscall.Signal(code-128)) != "":
		add("Shells and inits end so when a process of theirs ended by %s.", unix.SignalName(syscall.Signal(code-128)))
	}
}

// next is what to do about it, "" for nothing. What is removed can only be run anew.
func (e *end) next() string {
	r, there := &e.Record, e.Removed.IsZero()
	switch {
	case r.Cause == monitor.CauseOOM, r.Cause == monitor.CauseExit && r.OOMKilled:
		return e.moreMemory()
	case r.Cause == monitor.CauseTimeout:
		return "give it more time with --timeout"
	case r.Escalated():
		if r.FinishedAt.Sub(r.Stop.At) < r.Stop.Timeout {
			return "to stop it in good order, run it with --init, or let the program handle the signal"
		}
		return "to stop it in good order, give it more time with --stop-timeout, or another --stop-signal"
	case r.Code == 0, r.Stop != nil && r.Cause == r.Stop.By:
		return ""
	case len(e.Denied) > 0:
		return "label the files for containers, with :z or :Z at a mount, or give --security-opt label=type:T or label=disable"
	case !there && r.Cause == monitor.CauseExit:
		return "run it again without --rm to keep all of its log"
	case !there:
		return ""
	}
	switch r.Cause {
	case monitor.CauseHealth:
		return "look at the last checks: manager inspect --format '{{json .State.Health}}' " + e.Name
	case monitor.CauseStartFailed:
		return "start it again to see what to do: manager start " + e.Name
	case monitor.CauseLost, monitor.CauseReboot:
		return "start it again: manager start " + e.Name
	}
	return "read all that it wrote: manager logs " + e.Name
}

func (e *end) moreMemory() string {
	if m := e.Record.Memory; m != nil && m.Limit == 0 {
		return "free memory on the machine, or give containers limits with --memory so that none takes it all"
	}
	return "give it more with --memory, or let the program use less"
}

// rounded is a duration that people read.
func rounded(d time.Duration) time.Duration {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond)
	case d < time.Minute:
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Second)
}

// bytesText is a number of bytes in the units of --memory, which are powers of 1024.
func bytesText(n uint64) string {
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	if f == float64(uint64(f)) {
		return fmt.Sprintf("%d %s", uint64(f), units[i])
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}
