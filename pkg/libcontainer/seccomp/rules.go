package seccomp

import (
	"fmt"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// rule is one rule of the profile for one name.
type rule struct {
	name   string
	action uint32
	args   []specs.LinuxSeccompArg // all must hold; none means always
	known  bool                    // some architecture has the call
}

// outcome is what happens on one call.
type outcome struct {
	known bool    // some rule names it
	plain *uint32 // unconditional action
	rules []*rule
}

func (o *outcome) add(r *rule) {
	o.known = true
	if len(r.args) > 0 {
		o.rules = append(o.rules, r)
		return
	}
	if o.plain == nil || strictness(r.action) < strictness(*o.plain) {
		o.plain = &r.action
	}
}

// strictness orders actions as the kernel does between filters: lower is stricter.
func strictness(action uint32) int32 { return int32(action & unix.SECCOMP_RET_ACTION_FULL) }

// collect flattens the profile. Rules that do what happens anyway are left out.
func collect(profile *specs.LinuxSeccomp, fallback uint32) ([]rule, error) {
	var rules []rule
	for i := range profile.Syscalls {
		s := &profile.Syscalls[i]
		at := fmt.Sprintf("linux.seccomp.syscalls[%d]", i)
		if len(s.Names) == 0 {
			return nil, fieldError(at+".names", "is empty")
		}
		for j, n := range s.Names {
			if n == "" {
				return nil, fieldError(fmt.Sprintf("%s.names[%d]", at, j), "is empty")
			}
		}
		action, err := actionValue(at+".action", at+".errnoRet", s.Action, s.ErrnoRet)
		if err != nil {
			return nil, err
		}
		for j, a := range s.Args {
			if a.Index > 5 {
				return nil, fieldError(fmt.Sprintf("%s.args[%d].index", at, j), "%d, want 0 to 5", a.Index)
			}
			if _, ok := operators[a.Op]; !ok {
				return nil, fieldError(fmt.Sprintf("%s.args[%d].op", at, j), "unknown operator %q", a.Op)
			}
		}
		alternatives := split(s.Args)
		for _, name := range s.Names {
			if action == fallback {
				rules = append(rules, rule{name: name, action: action})
				continue
			}
			for _, args := range alternatives {
				rules = append(rules, rule{name: name, action: action, args: args})
			}
		}
	}
	return drop(rules, fallback), nil
}

// drop removes rules that repeat the default where another rule for the name exists; alone they
// still say that the profile knows the call.
func drop(rules []rule, fallback uint32) []rule {
	other := map[string]bool{}
	for _, r := range rules {
		if r.action != fallback {
			other[r.name] = true
		}
	}
	out := rules[:0]
	for _, r := range rules {
		if r.action != fallback || !other[r.name] {
			out = append(out, r)
		}
	}
	return out
}

// split makes alternatives of a rule that names an argument twice.
func split(args []specs.LinuxSeccompArg) [][]specs.LinuxSeccompArg {
	var seen [6]bool
	for _, a := range args {
		if seen[a.Index] {
			out := make([][]specs.LinuxSeccompArg, len(args))
			for i := range args {
				out[i] = args[i : i+1]
			}
			return out
		}
		seen[a.Index] = true
	}
	return [][]specs.LinuxSeccompArg{args}
}

var actions = map[specs.LinuxSeccompAction]uint32{
	specs.ActKill: unix.SECCOMP_RET_KILL_THREAD, specs.ActKillThread: unix.SECCOMP_RET_KILL_THREAD,
	specs.ActKillProcess: unix.SECCOMP_RET_KILL_PROCESS, specs.ActTrap: unix.SECCOMP_RET_TRAP,
	specs.ActErrno: unix.SECCOMP_RET_ERRNO, specs.ActTrace: unix.SECCOMP_RET_TRACE,
	specs.ActAllow: unix.SECCOMP_RET_ALLOW, specs.ActLog: unix.SECCOMP_RET_LOG, specs.ActNotify: unix.SECCOMP_RET_USER_NOTIF,
}

// actionValue is the kernel's return value of an action; an errno left out is EPERM.
func actionValue(field, errnoField string, a specs.LinuxSeccompAction, errno *uint) (uint32, error) {
	v, ok := actions[a]
	if a == "" {
		return 0, fieldError(field, "is missing")
	}
	if !ok {
		return 0, fieldError(field, "unknown action %q", a)
	}
	if a != specs.ActErrno && a != specs.ActTrace {
		if errno != nil {
			return 0, fieldError(errnoField, "%s takes no errno", a)
		}
		return v, nil
	}
	if errno == nil {
		return v | uint32(unix.EPERM), nil
	}
	const maxErrno = 4095
	if *errno > maxErrno {
		return 0, fieldError(errnoField, "%d, want at most %d", *errno, maxErrno)
	}
	return v | uint32(*errno), nil
}

func errnoAction(e unix.Errno) uint32 { return unix.SECCOMP_RET_ERRNO | uint32(e) }

// flagBits translates the flags. TSYNC is left out: the filter is set by the thread that executes
// the program, which ends all others.
func flagBits(flags []specs.LinuxSeccompFlag) (uint64, error) {
	var bits uint64
	for i, f := range flags {
		switch f {
		case "SECCOMP_FILTER_FLAG_TSYNC":
		case specs.LinuxSeccompFlagLog:
			bits |= unix.SECCOMP_FILTER_FLAG_LOG
		case specs.LinuxSeccompFlagSpecAllow:
			bits |= unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW
		case specs.LinuxSeccompFlagWaitKillableRecv:
			bits |= unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
		default:
			return 0, fieldError(fmt.Sprintf("linux.seccomp.flags[%d]", i), "unknown flag %q", f)
		}
	}
	return bits, nil
}
