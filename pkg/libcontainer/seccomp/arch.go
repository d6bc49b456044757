package seccomp

import (
	"fmt"
	"runtime"
	"sort"

	"github.com/manager-project/manager/pkg/errdefs"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

//go:generate go run gentables.go

// call is a system call's name and number.
type call struct {
	name string
	nr   uint32
}

// arch is one calling convention that a filter distinguishes.
type arch struct {
	audit uint32 // AUDIT_ARCH_ value in struct seccomp_data
	table []call
	base  uint32 // added to every number
	x32   bool
	half  bool // arguments have 32 bits
}

// x32Bit marks the numbers of the x32 convention, which shares AUDIT_ARCH_X86_64.
const x32Bit = 0x40000000

// x32Calls are the calls with numbers of their own there. Source: arch/x86/entry/syscalls/syscall_64.tbl.
var x32Calls = [...]call{
	{"execve", 520},
	{"execveat", 545},
	{"get_robust_list", 531},
	{"getsockopt", 542},
	{"io_setup", 543},
	{"io_submit", 544},
	{"ioctl", 514},
	{"kexec_load", 528},
	{"move_pages", 533},
	{"mq_notify", 527},
	{"preadv", 534},
	{"preadv2", 546},
	{"process_vm_readv", 539},
	{"process_vm_writev", 540},
	{"ptrace", 521},
	{"pwritev", 535},
	{"pwritev2", 547},
	{"readv", 515},
	{"recvfrom", 517},
	{"recvmmsg", 537},
	{"recvmsg", 519},
	{"rt_sigaction", 512},
	{"rt_sigpending", 522},
	{"rt_sigqueueinfo", 524},
	{"rt_sigreturn", 513},
	{"rt_sigtimedwait", 523},
	{"rt_tgsigqueueinfo", 536},
	{"sendmmsg", 538},
	{"sendmsg", 518},
	{"set_robust_list", 530},
	{"setsockopt", 541},
	{"sigaltstack", 525},
	{"timer_create", 526},
	{"vmsplice", 532},
	{"waitid", 529},
	{"writev", 516},
}

var (
	archX86_64 = &arch{audit: unix.AUDIT_ARCH_X86_64, table: tableamd64[:]}
	archX32    = &arch{audit: unix.AUDIT_ARCH_X86_64, table: tableamd64[:], base: x32Bit, x32: true}
	archX86    = &arch{audit: unix.AUDIT_ARCH_I386, table: table386[:], half: true}
	archARM64  = &arch{audit: unix.AUDIT_ARCH_AARCH64, table: tablearm64[:]}
	archARM    = &arch{audit: unix.AUDIT_ARCH_ARM, table: tablearm[:], half: true}
)

// number finds a call by name.
func (a *arch) number(name string) (uint32, bool) {
	if a.x32 {
		if nr, ok := find(x32Calls[:], name); ok {
			return nr + a.base, true
		}
	}
	nr, ok := find(a.table, name)
	return nr + a.base, ok
}

func find(table []call, name string) (uint32, bool) {
	i := sort.Search(len(table), func(i int) bool { return table[i].name >= name })
	if i < len(table) && table[i].name == name {
		return table[i].nr, true
	}
	return 0, false
}

// known are the architectures of the specification; those of other machines cannot occur here.
var known = map[specs.Arch]*arch{
	specs.ArchX86: archX86, specs.ArchX86_64: archX86_64, specs.ArchX32: archX32, specs.ArchARM: archARM, specs.ArchAARCH64: archARM64,
	specs.ArchMIPS: nil, specs.ArchMIPS64: nil, specs.ArchMIPS64N32: nil, specs.ArchMIPSEL: nil, specs.ArchMIPSEL64: nil,
	specs.ArchMIPSEL64N32: nil, specs.ArchPPC: nil, specs.ArchPPC64: nil, specs.ArchPPC64LE: nil, specs.ArchS390: nil,
	specs.ArchS390X: nil, specs.ArchPARISC: nil, specs.ArchPARISC64: nil, specs.ArchRISCV64: nil,
	specs.ArchLOONGARCH64: nil, specs.ArchM68K: nil, specs.ArchSH: nil, specs.ArchSHEB: nil,
}

// family are the conventions that a machine can execute, its own first.
func family(machine string) []*arch {
	switch machine {
	case "amd64":
		return []*arch{archX86_64, archX32, archX86}
	case "arm64":
		return []*arch{archARM64, archARM}
	}
	return nil
}

// select picks the profile's architectures that this machine can execute; its own is always one.
func selectArches(names []specs.Arch) ([]*arch, error) {
	machine := family(runtime.GOARCH)
	if machine == nil {
		return nil, errdefs.Unsupported("linux.seccomp", "no filters for %s", runtime.GOARCH)
	}
	want := map[*arch]bool{machine[0]: true}
	for i, n := range names {
		a, ok := known[n]
		if !ok {
			return nil, fieldError(fmt.Sprintf("linux.seccomp.architectures[%d]", i), "unknown architecture %q", n)
		}
		want[a] = true
	}
	var out []*arch
	for _, a := range machine {
		if want[a] {
			out = append(out, a)
		}
	}
	return out, nil
}
