package cgroups

import (
	"errors"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// insn is one eBPF instruction (struct bpf_insn).
type insn struct {
	code byte
	regs byte // destination in the low half, source in the high half
	off  int16
	imm  int32
}

// The instructions in use. Source: kernel Documentation/bpf/standardization/instruction-set.rst.
const (
	opLoad32 = 0x61 // ldxw dst, [src+off]
	opMov    = 0xbf // mov64 dst, src
	opMovImm = 0xb7 // mov64 dst, imm
	opAndImm = 0x54 // and32 dst, imm
	opShrImm = 0x74 // rsh32 dst, imm
	opJneImm = 0x55 // jne dst, imm, off
	opJeqImm = 0x15 // jeq dst, imm, off
	opJneReg = 0x5d // jne dst, src, off
	opExit   = 0x95
)

// The registers of the program: what is asked for.
const (
	regKind   = 2
	regAccess = 3
	regMajor  = 4
	regMinor  = 5
	regTemp   = 1
)

// deviceProgram compiles the rules. The last rule that concerns a request decides, so they are tried
// backwards: an allowing rule must cover all of the access asked for, a denying one any of it.
// What no rule concerns is allowed, as in a fresh version 1 cgroup.
func deviceProgram(rules []deviceRule) []insn {
	prog := []insn{
		{opLoad32, regKind | 1<<4, 0, 0},
		{opMov, regAccess | regKind<<4, 0, 0},
		{opAndImm, regKind, 0, 0xffff},
		{opShrImm, regAccess, 0, 16},
		{opLoad32, regMajor | 1<<4, 4, 0},
		{opLoad32, regMinor | 1<<4, 8, 0},
	}
	for i := len(rules) - 1; i >= 0; i-- {
		b := rules[i].block()
		prog = append(prog, b...)
		if len(b) == 2 {
			return prog // a rule for everything: the verifier refuses what cannot be reached
		}
	}
	return append(prog, insn{opMovImm, 0, 0, 1}, insn{opExit, 0, 0, 0})
}

// block is one rule: tests that jump behind it, then its verdict.
func (r deviceRule) block() []insn {
	var b []insn
	switch r.kind {
	case 'b':
		b = append(b, insn{opJneImm, regKind, 0, unix.BPF_DEVCG_DEV_BLOCK})
	case 'c':
		b = append(b, insn{opJneImm, regKind, 0, unix.BPF_DEVCG_DEV_CHAR})
	}
	if mask := r.mask(); mask != 7 {
		b = append(b, insn{opMov, regTemp | regAccess<<4, 0, 0}, insn{opAndImm, regTemp, 0, mask})
		if r.allow {
			b = append(b, insn{opJneReg, regTemp | regAccess<<4, 0, 0})
		} else {
			b = append(b, insn{opJeqImm, regTemp, 0, 0})
		}
	}
	if r.major != anyNumber {
		b = append(b, insn{opJneImm, regMajor, 0, int32(r.major)})
	}
	if r.minor != anyNumber {
		b = append(b, insn{opJneImm, regMinor, 0, int32(r.minor)})
	}
	verdict := int32(0)
	if r.allow {
		verdict = 1
	}
	b = append(b, insn{opMovImm, 0, 0, verdict}, insn{opExit, 0, 0, 0})
	for i := range b {
		if c := b[i].code; c == opJneImm || c == opJeqImm || c == opJneReg {
			b[i].off = int16(len(b) - i - 1)
		}
	}
	return b
}

func (r deviceRule) mask() int32 {
	var m int32
	for letter, bit := range map[string]int32{"m": unix.BPF_DEVCG_ACC_MKNOD, "r": unix.BPF_DEVCG_ACC_READ, "w": unix.BPF_DEVCG_ACC_WRITE} {
		if strings.Contains(r.access, letter) {
			m |= bit
		}
	}
	return m
}

// attachDeviceProgram loads the program and puts it in the place of those attached before.
func attachDeviceProgram(dir string, rules []deviceRule) error {
	cg, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(cg) }()
	before, err := attachedPrograms(cg)
	if err != nil {
		return err
	}
	prog, err := loadProgram(deviceProgram(rules))
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(prog) }()
	if err := attachProgram(unix.BPF_PROG_ATTACH, cg, prog); err != nil {
		return err
	}
	for _, id := range before {
		old, err := bpf(unix.BPF_PROG_GET_FD_BY_ID, unsafe.Pointer(&[4]uint32{id}), 16)
		if err != nil {
			return err
		}
		err = attachProgram(unix.BPF_PROG_DETACH, cg, old)
		_ = unix.Close(old)
		if err != nil {
			return err
		}
	}
	return nil
}

// maxLoads bounds the tries to load a program.
const maxLoads = 20

func loadProgram(prog []insn) (int, error) {
	license := []byte("Apache-2.0\x00")
	attr := struct {
		kind, count    uint32
		insns, license uint64
		log            [4]uint64
	}{
		kind: unix.BPF_PROG_TYPE_CGROUP_DEVICE, count: uint32(len(prog)),
		insns: uint64(uintptr(unsafe.Pointer(&prog[0]))), license: uint64(uintptr(unsafe.Pointer(&license[0]))),
	}
	fd, err := bpf(unix.BPF_PROG_LOAD, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	for tries := 0; errors.Is(err, unix.EAGAIN) && tries < maxLoads; tries++ {
		// The verifier gives up when a signal is pending, as Go's runtime sends itself.
		fd, err = bpf(unix.BPF_PROG_LOAD, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	}
	runtime.KeepAlive(prog)
	runtime.KeepAlive(license)
	return fd, err
}

func attachProgram(cmd, cgroup, prog int) error {
	attr := struct{ target, prog, kind, flags uint32 }{
		uint32(cgroup), uint32(prog), unix.BPF_CGROUP_DEVICE, unix.BPF_F_ALLOW_MULTI,
	}
	if cmd == unix.BPF_PROG_DETACH {
		attr.flags = 0
	}
	_, err := bpf(cmd, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	return err
}

// attachedPrograms are the ids of the device programs of this very cgroup.
func attachedPrograms(cgroup int) ([]uint32, error) {
	ids := make([]uint32, 64)
	attr := struct {
		target, kind, queryFlags, attachFlags uint32
		ids                                   uint64
		count                                 uint32
		_                                     uint32
	}{target: uint32(cgroup), kind: unix.BPF_CGROUP_DEVICE, ids: uint64(uintptr(unsafe.Pointer(&ids[0]))), count: uint32(len(ids))}
	_, err := bpf(unix.BPF_PROG_QUERY, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	runtime.KeepAlive(ids)
	if err != nil {
		return nil, err
	}
	return ids[:attr.count], nil
}

func bpf(cmd int, attr unsafe.Pointer, size uintptr) (int, error) {
	fd, _, errno := unix.Syscall(unix.SYS_BPF, uintptr(cmd), uintptr(attr), size)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}
