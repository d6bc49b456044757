package libcontainer_test

import (
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// With and without no_new_privs: the second installs the filter by CAP_SYS_ADMIN, which the
// program must not keep.
func TestSeccompFilterInTheKernel(t *testing.T) {
	for _, nnp := range []bool{true, false} {
		spec := testSpec(testRoot(t), "sh", "-c", "mkdir /tmp/x 2>&1; touch /tmp/y && echo made; grep -E 'Seccomp:|NoNewPrivs|CapEff|CapPrm' /proc/self/status")
		spec.Process.NoNewPrivileges = nnp
		spec.Process.Capabilities = &specs.LinuxCapabilities{Bounding: []string{"CAP_CHOWN"}, Permitted: []string{"CAP_CHOWN"}, Effective: []string{"CAP_CHOWN"}}
		errno := uint(99)
		spec.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{
			{Names: []string{"mkdir", "mkdirat"}, Action: specs.ActErrno, ErrnoRet: &errno},
		}}
		out, code := run(t, spec)
		want := []string{"Cannot assign requested address", "made", "Seccomp:\t2", "CapPrm:\t0000000000000001", "CapEff:\t0000000000000001"}
		for _, w := range append(want, map[bool]string{true: "NoNewPrivs:\t1", false: "NoNewPrivs:\t0"}[nnp]) {
			if !strings.Contains(out, w) {
				t.Errorf("no_new_privs %v: no %q in %q (code %d)", nnp, w, out, code)
			}
		}
	}
}

// A filter that kills the thread that executes must end the start, and not make it wait without end: as an error where
// another thread lives on, and as the process's end where there is none.
func TestSeccompThatKillsTheReporter(t *testing.T) {
	for _, bySmall := range []bool{true, false} {
		spec := testSpec(testRoot(t), "true")
		spec.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{
			{Names: []string{"execve", "execveat"}, Action: specs.ActKillThread},
		}}
		b, image, err := byWay(t, spec, bySmall)
		if err != nil {
			t.Fatal(err)
		}
		if err = b.Exec(); err == nil && image {
			st, werr := b.Wait()
			if werr != nil || st.Signal != unix.SIGSYS {
				t.Errorf("%+v, %v", st, werr)
			}
		} else if err == nil {
			t.Error("no error")
		} else if !strings.Contains(err.Error(), "seccomp") && !strings.Contains(err.Error(), "signal") {
			t.Error(err)
		}
	}
}
