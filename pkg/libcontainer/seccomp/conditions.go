package seccomp

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// operators by name: how the comparison of the halves works.
var operators = map[specs.LinuxSeccompOperator]bool{
	specs.OpNotEqual: true, specs.OpLessThan: true, specs.OpLessEqual: true, specs.OpEqualTo: true,
	specs.OpGreaterEqual: true, specs.OpGreaterThan: true, specs.OpMaskedEqual: true,
}

// conditional is the entry of a call's conditions, tried in order; if none holds the default
// action follows.
func (c *compiler) conditional(o *outcome, a *arch) int {
	next := c.asm.ret(c.fallback)
	for i := len(o.rules) - 1; i >= 0; i-- {
		r := o.rules[i]
		match := c.asm.ret(r.action)
		for j := len(r.args) - 1; j >= 0; j-- {
			match = c.compare(&r.args[j], a, match, next)
		}
		next = match
	}
	return next
}

// compare is the entry of one comparison. Arguments have 64 bits, the machine 32: the high halves
// decide unless they are equal.
func (c *compiler) compare(arg *specs.LinuxSeccompArg, a *arch, yes, no int) int {
	s := &c.asm
	low := uint32(offArgs + 8*arg.Index)
	high := low + 4
	hi, lo := uint32(arg.Value>>32), uint32(arg.Value)
	op := arg.Op
	switch op { // "less" is "not greater or equal"
	case specs.OpNotEqual:
		op, yes, no = specs.OpEqualTo, no, yes
	case specs.OpLessThan:
		op, yes, no = specs.OpGreaterEqual, no, yes
	case specs.OpLessEqual:
		op, yes, no = specs.OpGreaterThan, no, yes
	default: // the others are asked as they are
	}
	if op == specs.OpMaskedEqual {
		entry := s.load(low, s.and(lo, s.jump(unix.BPF_JEQ, uint32(arg.ValueTwo), yes, no)))
		if a.half {
			return entry
		}
		return s.load(high, s.and(hi, s.jump(unix.BPF_JEQ, uint32(arg.ValueTwo>>32), entry, no)))
	}
	jump := uint16(unix.BPF_JEQ)
	switch op {
	case specs.OpGreaterEqual:
		jump = unix.BPF_JGE
	case specs.OpGreaterThan:
		jump = unix.BPF_JGT
	default: // equal
	}
	entry := s.load(low, s.jump(jump, lo, yes, no))
	if a.half {
		return entry
	}
	entry = s.jump(unix.BPF_JEQ, hi, entry, no)
	if op != specs.OpEqualTo {
		entry = s.jump(unix.BPF_JGT, hi, yes, entry)
	}
	return s.load(high, entry)
}
