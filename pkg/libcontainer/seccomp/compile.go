// Package seccomp compiles OCI seccomp profiles into filters of the kernel, without libseccomp.
//
// A filter first tells the calling conventions apart, then finds the call in a binary tree of number
// ranges, so that an ordinary call costs about ten instructions. What a profile names and this
// machine does not have is skipped. Calls newer than the newest that the profile names fail with
// ENOSYS, as on an older kernel, so that programs fall back instead of giving up on EPERM.
//
// Rules for one call: one without conditions beats those with; of several without, the strictest
// counts; those with conditions are tried in the profile's order. Two conditions on the same argument
// in one rule are alternatives, as engines and their profiles have it.
//
// The same profile always gives the same bytes, so that results can be cached.
//
// Source: OCI runtime-spec, config-linux.md, "Seccomp"; kernel seccomp_filter.rst.
package seccomp

import (
	"fmt"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Filter is a compiled profile.
type Filter struct {
	// Program are the instructions in the machine's byte order, eight bytes each.
	Program []byte
	// Flags are SECCOMP_FILTER_FLAG_ bits.
	Flags uint64
	// Listener says that some action is SCMP_ACT_NOTIFY: the filter is to be installed with
	// SECCOMP_FILTER_FLAG_NEW_LISTENER, which Flags has, and the descriptor to be handed over.
	Listener bool
	// Warnings name what was skipped.
	Warnings []string
}

// maxInstructions is the kernel's bound on a filter (BPF_MAXINSNS).
const maxInstructions = 4096

// Compile compiles a profile. Errors are of class ErrInvalid or ErrUnsupported.
func Compile(profile *specs.LinuxSeccomp) (*Filter, error) {
	arches, err := selectArches(profile.Architectures)
	if err != nil {
		return nil, err
	}
	fallback, err := actionValue("linux.seccomp.defaultAction", "linux.seccomp.defaultErrnoRet", profile.DefaultAction, profile.DefaultErrnoRet)
	if err != nil {
		return nil, err
	}
	rules, err := collect(profile, fallback)
	if err != nil {
		return nil, err
	}
	out := &Filter{}
	if out.Flags, err = flagBits(profile.Flags); err != nil {
		return nil, err
	}
	if err := out.listen(profile, rules, fallback); err != nil {
		return nil, err
	}
	c := &compiler{asm: assembler{rets: map[uint32]int{}}, fallback: fallback, rules: rules}
	c.program(arches)
	if len(c.asm.rev) > maxInstructions {
		return nil, errdefs.Unsupported("linux.seccomp", "the profile needs %d instructions, the kernel takes %d", len(c.asm.rev), maxInstructions)
	}
	out.Warnings = unknown(rules)
	out.Program = c.asm.bytes()
	return out, nil
}

// listen decides whether the filter has a listener, and what of the profile depends on it.
func (f *Filter) listen(profile *specs.LinuxSeccomp, rules []rule, fallback uint32) error {
	f.Listener = fallback == unix.SECCOMP_RET_USER_NOTIF
	for i := range rules {
		f.Listener = f.Listener || rules[i].action == unix.SECCOMP_RET_USER_NOTIF
	}
	const killable = unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	switch {
	case profile.ListenerMetadata != "" && profile.ListenerPath == "":
		return fieldError("linux.seccomp.listenerMetadata", "means nothing without listenerPath")
	case f.Listener && profile.ListenerPath == "":
		return fieldError("linux.seccomp.listenerPath", "is missing: %s needs a listener", specs.ActNotify)
	case f.Listener && !strings.HasPrefix(profile.ListenerPath, "/"):
		return fieldError("linux.seccomp.listenerPath", "%q is not absolute", profile.ListenerPath)
	case f.Listener && len(profile.ListenerPath) > 107: // sun_path, with its NUL
		return fieldError("linux.seccomp.listenerPath", "is longer than a socket's path can be")
	case f.Flags&killable != 0 && !f.Listener:
		return fieldError("linux.seccomp.flags", "%s needs %s", specs.LinuxSeccompFlagWaitKillableRecv, specs.ActNotify)
	case f.Listener:
		f.Flags |= unix.SECCOMP_FILTER_FLAG_NEW_LISTENER
	}
	return nil
}

// fieldError names a field of the configuration.
func fieldError(field, format string, args ...any) error {
	return &errdefs.Error{Op: field, Class: errdefs.ErrInvalid, Cause: fmt.Errorf(format, args...)}
}

type compiler struct {
	asm      assembler
	fallback uint32
	rules    []rule
}

// unknown has a line for each name that no architecture has.
func unknown(rules []rule) (warnings []string) {
	told := map[string]bool{}
	for _, r := range rules {
		if !r.known && !told[r.name] {
			told[r.name] = true
			warnings = append(warnings, "seccomp: unknown system call "+r.name+" skipped")
		}
	}
	return warnings
}

// program puts the architectures' trees behind the tests that tell them apart.
func (c *compiler) program(arches []*arch) {
	kill := c.asm.ret(unix.SECCOMP_RET_KILL_PROCESS)
	entry := kill
	x32 := -1
	for i := len(arches) - 1; i >= 0; i-- {
		a := arches[i]
		tree := c.tree(a)
		if a.x32 {
			x32 = tree
			continue
		}
		if a.audit == unix.AUDIT_ARCH_X86_64 {
			if x32 < 0 {
				x32 = c.asm.ret(errnoAction(unix.ENOSYS))
			}
			tree = c.asm.jump(unix.BPF_JGE, x32Bit, x32, tree)
		}
		tree = c.asm.load(offNR, tree)
		entry = c.asm.jump(unix.BPF_JEQ, a.audit, tree, entry)
	}
	c.asm.load(offArch, entry)
}

// span is a range of numbers, up to the next span's start, with one outcome.
type span struct {
	start uint32
	calls *outcome
	plain uint32 // action when calls is nil
}

// tree is the entry of an architecture's binary tree; the accumulator holds the number there.
func (c *compiler) tree(a *arch) int {
	spans := c.spans(a)
	var build func(lo, hi int) int
	build = func(lo, hi int) int {
		if hi-lo == 1 {
			if o := spans[lo].calls; o != nil {
				return c.conditional(o, a)
			}
			return c.asm.ret(spans[lo].plain)
		}
		mid := (lo + hi) / 2
		right := build(mid, hi)
		left := build(lo, mid)
		return c.asm.jump(unix.BPF_JGE, spans[mid].start, right, left)
	}
	return build(0, len(spans))
}

// spans orders an architecture's calls and joins neighbours of the same outcome.
func (c *compiler) spans(a *arch) []span {
	byNumber, newest := c.outcomes(a)
	spans := []span{{plain: c.fallback}}
	put := func(s span) {
		if n := len(spans) - 1; spans[n].start == s.start {
			spans = spans[:n]
		}
		if n := len(spans) - 1; n >= 0 && spans[n].calls == nil && s.calls == nil && spans[n].plain == s.plain {
			return
		}
		spans = append(spans, s)
	}
	for i := range byNumber {
		nr, o := a.base+uint32(i), &byNumber[i]
		if !o.known {
			continue
		}
		if o.plain != nil {
			put(span{start: nr, plain: *o.plain})
		} else {
			put(span{start: nr, calls: o})
		}
		put(span{start: nr + 1, plain: c.fallback})
	}
	if len(byNumber) > 0 && refuses(c.fallback) {
		put(span{start: newest + 1, plain: errnoAction(unix.ENOSYS)})
	}
	return spans
}

// outcomes gathers the rules by number, from the architecture's base on, and tells the newest.
func (c *compiler) outcomes(a *arch) (byNumber []outcome, newest uint32) {
	for i := range c.rules {
		r := &c.rules[i]
		nr, ok := a.number(r.name)
		if !ok {
			continue
		}
		r.known = true
		newest = max(newest, nr)
		for a.base+uint32(len(byNumber)) <= nr {
			byNumber = append(byNumber, outcome{})
		}
		byNumber[nr-a.base].add(r)
	}
	return byNumber, newest
}

// refuses says that an action keeps a call from happening.
func refuses(action uint32) bool {
	switch action & unix.SECCOMP_RET_ACTION_FULL {
	case unix.SECCOMP_RET_ALLOW, unix.SECCOMP_RET_LOG, unix.SECCOMP_RET_TRACE, unix.SECCOMP_RET_USER_NOTIF:
		return false
	}
	return true
}
