package seccomp

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"testing"

	"github.com/manager-project/manager/pkg/errdefs"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// FuzzCompile compiles any JSON as a profile: an error of a class, or a program that the kernel's verifier
// would take: every jump lands inside, and every way ends with a return.
func FuzzCompile(f *testing.F) {
	for _, s := range []string{
		`{"defaultAction":"SCMP_ACT_ALLOW"}`,
		`{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,"architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_X86","SCMP_ARCH_X32"],"syscalls":[{"names":["read","write"],"action":"SCMP_ACT_ALLOW"}]}`,
		`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["clone"],"action":"SCMP_ACT_ERRNO","args":[{"index":0,"value":2114060288,"valueTwo":0,"op":"SCMP_CMP_MASKED_EQ"}]}]}`,
		`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_KILL","args":[{"index":1,"value":18446744073709551615,"op":"SCMP_CMP_GT"},{"index":1,"value":3,"op":"SCMP_CMP_LT"}]}]}`,
		`{"defaultAction":"SCMP_ACT_NOTIFY","listenerPath":"/x","listenerMetadata":"m","flags":["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV","SECCOMP_FILTER_FLAG_LOG"]}`,
		`{"defaultAction":"SCMP_ACT_TRACE","defaultErrnoRet":5000}`, `{}`, `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":[]}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var p specs.LinuxSeccomp
		if json.Unmarshal(b, &p) != nil {
			return
		}
		out, err := Compile(&p)
		if err != nil {
			if !errors.Is(err, errdefs.ErrInvalid) && !errors.Is(err, errdefs.ErrUnsupported) {
				t.Fatalf("%v has no class", err)
			}
			return
		}
		verify(t, out.Program)
		again, err := Compile(&p)
		if err != nil || string(again.Program) != string(out.Program) {
			t.Fatal("the same profile gives another program")
		}
	})
}

// verify follows the rules of the kernel's bpf_check_classic, as far as our instructions go.
func verify(t *testing.T, b []byte) {
	t.Helper()
	n := len(b) / 8
	if n == 0 || n > maxInstructions || len(b)%8 != 0 {
		t.Fatalf("%d bytes", len(b))
	}
	for i := range n {
		in := b[8*i:]
		code, jt, jf, k := binary.NativeEndian.Uint16(in), int(in[2]), int(in[3]), binary.NativeEndian.Uint32(in[4:])
		last := i
		switch code {
		case unix.BPF_RET | unix.BPF_K:
			continue
		case unix.BPF_JMP | unix.BPF_JA:
			last = i + 1 + int(k)
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K:
			last = i + 1 + max(jt, jf)
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			if k%4 != 0 || k >= 64 {
				t.Fatalf("instruction %d loads from %d", i, k)
			}
			last = i + 1
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			last = i + 1
		default:
			t.Fatalf("instruction %d has code %#x", i, code)
		}
		if last >= n {
			t.Fatalf("instruction %d leads to %d of %d", i, last, n)
		}
	}
}
