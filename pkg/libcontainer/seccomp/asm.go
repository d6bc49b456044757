package seccomp

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// assembler builds a program from its end to its beginning, so that the distance of every jump
// is known when it is written. A label is the index of an instruction counted from the end.
type assembler struct {
	rev  []unix.SockFilter
	rets map[uint32]int
}

// Offsets in struct seccomp_data.
const (
	offNR   = 0
	offArch = 4
	offArgs = 16
)

// near is how far a conditional jump reaches, with room for the trampolines of its own.
const near = 250

func (a *assembler) push(code uint16, jt, jf uint8, k uint32) int {
	a.rev = append(a.rev, unix.SockFilter{Code: code, Jt: jt, Jf: jf, K: k})
	return len(a.rev) - 1
}

// reach returns a label within reach that leads to the label.
func (a *assembler) reach(label int) int {
	if len(a.rev)-label <= near {
		return label
	}
	if i := a.rev[label]; i.Code == unix.BPF_RET|unix.BPF_K {
		return a.ret(i.K)
	}
	return a.push(unix.BPF_JMP|unix.BPF_JA, 0, 0, uint32(len(a.rev)-label-1))
}

// ret is a label of "return action" within reach.
func (a *assembler) ret(action uint32) int {
	if l, ok := a.rets[action]; ok && len(a.rev)-l <= near {
		return l
	}
	l := a.push(unix.BPF_RET|unix.BPF_K, 0, 0, action)
	a.rets[action] = l
	return l
}

// jump puts a comparison of the accumulator with k in front.
func (a *assembler) jump(op uint16, k uint32, yes, no int) int {
	if yes == no {
		return yes
	}
	yes, no = a.reach(yes), a.reach(no)
	yes = a.reach(yes) // the second trampoline may have moved the first target away
	n := len(a.rev)
	return a.push(unix.BPF_JMP|op|unix.BPF_K, uint8(n-yes-1), uint8(n-no-1), k)
}

// load puts "accumulator = word at offset" in front of what the label names.
func (a *assembler) load(offset uint32, then int) int {
	a.before(then)
	return a.push(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, 0, 0, offset)
}

func (a *assembler) and(mask uint32, then int) int {
	a.before(then)
	return a.push(unix.BPF_ALU|unix.BPF_AND|unix.BPF_K, 0, 0, mask)
}

// before makes the label the next instruction.
func (a *assembler) before(then int) {
	if then != len(a.rev)-1 {
		a.push(unix.BPF_JMP|unix.BPF_JA, 0, 0, uint32(len(a.rev)-then-1))
	}
}

// bytes are the instructions in the machine's order.
func (a *assembler) bytes() []byte {
	out := make([]byte, 0, 8*len(a.rev))
	for i := len(a.rev) - 1; i >= 0; i-- {
		f := a.rev[i]
		out = binary.NativeEndian.AppendUint16(out, f.Code)
		out = append(out, f.Jt, f.Jf)
		out = binary.NativeEndian.AppendUint32(out, f.K)
	}
	return out
}
