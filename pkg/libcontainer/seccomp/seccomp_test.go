package seccomp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/manager-project/manager/pkg/errdefs"
	moby "github.com/moby/profiles/seccomp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// vm interprets a filter in this process. The interpreter reads words in network order, so the
// data is laid out that way.
type vm struct{ *bpf.VM }

func newVM(t *testing.T, f *Filter) vm {
	t.Helper()
	var prog []bpf.RawInstruction
	for b := f.Program; len(b) > 0; b = b[8:] {
		prog = append(prog, bpf.RawInstruction{Op: binary.NativeEndian.Uint16(b), Jt: b[2], Jf: b[3], K: binary.NativeEndian.Uint32(b[4:])})
	}
	ins, ok := bpf.Disassemble(prog)
	if !ok {
		t.Fatal("unknown instructions")
	}
	m, err := bpf.NewVM(ins)
	if err != nil {
		t.Fatal(err)
	}
	return vm{m}
}

func (m vm) run(t *testing.T, audit, nr uint32, args ...uint64) uint32 {
	t.Helper()
	data := make([]byte, 64)
	binary.BigEndian.PutUint32(data[offNR:], nr)
	binary.BigEndian.PutUint32(data[offArch:], audit)
	for i, a := range args {
		binary.BigEndian.PutUint32(data[offArgs+8*i:], uint32(a))
		binary.BigEndian.PutUint32(data[offArgs+8*i+4:], uint32(a>>32))
	}
	v, err := m.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(v)
}

// expect is the meaning of a profile for a call by name, worked out the slow way.
func expect(p *specs.LinuxSeccomp, name string, args []uint64, half bool) uint32 {
	value := func(a specs.LinuxSeccompAction, e *uint) uint32 {
		v := actions[a]
		if a == specs.ActErrno {
			n := uint(unix.EPERM)
			if e != nil {
				n = *e
			}
			v |= uint32(n)
		}
		return v
	}
	verdict := value(p.DefaultAction, p.DefaultErrnoRet)
	found := false
	for _, s := range p.Syscalls {
		named := false
		for _, n := range s.Names {
			named = named || n == name
		}
		if !named {
			continue
		}
		if len(s.Args) == 0 {
			return value(s.Action, s.ErrnoRet)
		}
		if found {
			continue
		}
		all := true
		for _, a := range s.Args {
			all = all && holds(a, args[a.Index], half)
		}
		if all {
			verdict, found = value(s.Action, s.ErrnoRet), true
		}
	}
	return verdict
}

func holds(a specs.LinuxSeccompArg, got uint64, half bool) bool {
	v, w := a.Value, a.ValueTwo
	if half {
		v, w, got = uint64(uint32(v)), uint64(uint32(w)), uint64(uint32(got))
	}
	return map[specs.LinuxSeccompOperator]bool{
		specs.OpNotEqual: got != v, specs.OpEqualTo: got == v, specs.OpLessThan: got < v, specs.OpLessEqual: got <= v,
		specs.OpGreaterThan: got > v, specs.OpGreaterEqual: got >= v, specs.OpMaskedEqual: got&v == w,
	}[a.Op]
}

// check compares filter and meaning for every call of every architecture of the machine family.
func check(t *testing.T, p *specs.LinuxSeccomp, arches []*arch) {
	t.Helper()
	f, err := Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	m := newVM(t, f)
	rng := rand.New(rand.NewPCG(1, 2))
	interesting := []uint64{0, 1, 2, 8, 40, 0x20000, 0x20008, 0xffffffff, 0x7e020000, 1 << 32, 1<<32 | 5, ^uint64(0)}
	for _, a := range arches {
		newest := uint32(0)
		for _, s := range p.Syscalls {
			for _, n := range s.Names {
				if nr, ok := a.number(n); ok {
					newest = max(newest, nr)
				}
			}
		}
		for _, c := range a.table {
			nr, ok := a.number(c.name)
			if !ok || nr > newest {
				continue
			}
			for range 8 {
				args := make([]uint64, 6)
				for i := range args {
					args[i] = interesting[rng.IntN(len(interesting))]
				}
				want := expect(p, c.name, args, a.half)
				if got := m.run(t, a.audit, nr, args...); got != want {
					t.Fatalf("%s (%d) of %#x with %x: %#x, want %#x", c.name, nr, a.audit, args, got, want)
				}
			}
		}
		if got := m.run(t, a.audit, newest+1); got != errnoAction(unix.ENOSYS) && refuses(actions[p.DefaultAction]) {
			t.Errorf("call after the newest: %#x", got)
		}
	}
	if got := m.run(t, 0xdead, 1); got != unix.SECCOMP_RET_KILL_PROCESS {
		t.Errorf("foreign architecture: %#x", got)
	}
}

func defaultProfile(t *testing.T) *specs.LinuxSeccomp {
	t.Helper()
	caps := []string{"CAP_CHOWN"}
	p, err := moby.GetDefaultProfile(&specs.Spec{Process: &specs.Process{
		Capabilities: &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps},
	}, Linux: &specs.Linux{}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestDefaultProfile(t *testing.T) {
	machine := family("amd64")
	if selected, _ := selectArches(nil); selected[0] != archX86_64 {
		t.Skip("the default profile is for this machine's architecture")
	}
	check(t, defaultProfile(t), machine)
}

func TestOperators(t *testing.T) {
	if selected, _ := selectArches(nil); selected[0] != archX86_64 {
		t.Skip("needs amd64 numbers")
	}
	for op := range operators {
		for _, v := range []uint64{0, 5, 0xffffffff, 1<<32 | 5} {
			check(t, &specs.LinuxSeccomp{
				DefaultAction: specs.ActErrno, Architectures: []specs.Arch{specs.ArchX86_64, specs.ArchX86, specs.ArchX32},
				Syscalls: []specs.LinuxSyscall{
					{Names: []string{"openat", "close"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{
						{Index: 1, Value: v, ValueTwo: v & 4, Op: op}, {Index: 2, Value: 8, Op: specs.OpGreaterThan},
					}},
					{Names: []string{"read", "openat"}, Action: specs.ActTrap, Args: []specs.LinuxSeccompArg{{Index: 0, Value: 2, Op: specs.OpEqualTo}}},
					{Names: []string{"futex", "no_such_call"}, Action: specs.ActKillProcess},
				},
			}, family("amd64"))
		}
	}
}

func TestSameProfileSameBytes(t *testing.T) {
	a, err := Compile(defaultProfile(t))
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		b, err := Compile(defaultProfile(t))
		if err != nil || !bytes.Equal(a.Program, b.Program) {
			t.Fatalf("differs (%v)", err)
		}
	}
	t.Logf("%d instructions", len(a.Program)/8)
}

func TestRefusals(t *testing.T) {
	one := uint(1)
	for name, c := range map[string]struct {
		p     specs.LinuxSeccomp
		class error
	}{
		"action":   {specs.LinuxSeccomp{DefaultAction: "SCMP_ACT_NICE"}, errdefs.ErrInvalid},
		"arch":     {specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Architectures: []specs.Arch{"Z80"}}, errdefs.ErrInvalid},
		"errno":    {specs.LinuxSeccomp{DefaultAction: specs.ActAllow, DefaultErrnoRet: &one}, errdefs.ErrInvalid},
		"flag":     {specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Flags: []specs.LinuxSeccompFlag{"X"}}, errdefs.ErrInvalid},
		"names":    {specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Action: specs.ActErrno}}}, errdefs.ErrInvalid},
		"listener": {specs.LinuxSeccomp{DefaultAction: specs.ActNotify}, errdefs.ErrInvalid},
		"operator": {specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{
			Names: []string{"read"}, Action: specs.ActErrno,
			Args: []specs.LinuxSeccompArg{{Op: "X"}},
		}}}, errdefs.ErrInvalid},
	} {
		if _, err := Compile(&c.p); !errors.Is(err, c.class) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUnknownCallIsAWarning(t *testing.T) {
	f, err := Compile(&specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: []string{"no_such_call", "read"}, Action: specs.ActErrno}}})
	if err != nil || len(f.Warnings) != 1 || !strings.Contains(f.Warnings[0], "no_such_call") {
		t.Errorf("%v, %v", f, err)
	}
}

func BenchmarkDefaultProfile(b *testing.B) {
	p, err := moby.GetDefaultProfile(&specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{}}, Linux: &specs.Linux{}})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Compile(p); err != nil {
			b.Fatal(err)
		}
	}
}
