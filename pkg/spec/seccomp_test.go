package spec

import (
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func allows(p *specs.LinuxSeccomp, name string) bool {
	return slices.ContainsFunc(p.Syscalls, func(s specs.LinuxSyscall) bool {
		return s.Action == specs.ActAllow && len(s.Args) == 0 && slices.Contains(s.Names, name)
	})
}

// TestSeccomp checks that the profile follows the capabilities.
func TestSeccomp(t *testing.T) {
	plain, err := DefaultSeccomp(nil)
	if err != nil {
		t.Fatal(err)
	}
	admin, err := DefaultSeccomp([]string{"CAP_SYS_ADMIN"})
	if err != nil {
		t.Fatal(err)
	}
	if plain.DefaultAction != specs.ActErrno || !allows(plain, "read") || allows(plain, "mount") || !allows(admin, "mount") {
		t.Errorf("the default profile does not follow the capabilities")
	}
	if p, err := Seccomp(&Security{Seccomp: SeccompUnconfined}); p != nil || err != nil {
		t.Errorf("unconfined: %v, %v", p, err)
	}
	for _, bad := range []string{"", "{", `{"syscalls":[]}`, `{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86"],"archMap":[{"architecture":"SCMP_ARCH_X86"}]}`} {
		if _, err := LoadSeccomp([]byte(bad), nil); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func BenchmarkDefaultSeccomp(b *testing.B) {
	caps := Builtin().Capabilities
	for b.Loop() {
		if _, err := DefaultSeccomp(caps); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecideGenerate(b *testing.B) {
	host, def, img, req, facts := testHost(), Builtin(), testImage(), testRequest(), testFacts()
	host.NewID = func() string { return testID }
	for b.Loop() {
		cfg, _, err := Decide(req, img, def, host)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := Generate(cfg, facts); err != nil {
			b.Fatal(err)
		}
	}
}
