package libcontainer_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"testing"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer/compile"
	"github.com/manager-project/manager/pkg/libcontainer/plan"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestPlanGolden(t *testing.T) {
	spec := testSpec("rootfs", "sh")
	spec.Mounts = spec.Mounts[:6] // the last depends on the host's cgroups
	spec.Root.Readonly = true
	spec.Mounts = append(spec.Mounts, specs.Mount{Destination: "data", Source: "vol", Options: []string{"rbind", "rro", "nosuid", "rprivate"}})
	spec.Process.User = specs.User{UID: 1, GID: 2, AdditionalGids: []uint32{3, 2}}
	spec.Process.Env = []string{"A=1", "PATH=/bin", "A=2"}
	p, h, err := compile.Container(spec, compile.Options{ID: "x", Bundle: "/bundle"})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	got, err := json.MarshalIndent(p, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/plan.json"
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("the plan differs from %s (%v); run with -update and look at the difference\n%s", golden, err, got)
	}
	enc, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := plan.Decode(enc)
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := json.MarshalIndent(back, "", " "); !bytes.Equal(again, got) {
		t.Error("encoding loses something")
	}
}

func TestCompileRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*specs.Spec)
		class  error
	}{
		"version":   {func(s *specs.Spec) { s.Version = "2.0" }, errdefs.ErrInvalid},
		"no args":   {func(s *specs.Spec) { s.Process.Args = nil }, errdefs.ErrInvalid},
		"cwd":       {func(s *specs.Spec) { s.Process.Cwd = "x" }, errdefs.ErrInvalid},
		"env":       {func(s *specs.Spec) { s.Process.Env = []string{"CANARY"} }, errdefs.ErrInvalid},
		"rlimit":    {func(s *specs.Spec) { s.Process.Rlimits[0].Type = "RLIMIT_X" }, errdefs.ErrInvalid},
		"rlimit x2": {func(s *specs.Spec) { s.Process.Rlimits = append(s.Process.Rlimits, s.Process.Rlimits[0]) }, errdefs.ErrInvalid},
		"ns x2": {func(s *specs.Spec) {
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: "pid"})
		}, errdefs.ErrInvalid},
		"ns path":    {func(s *specs.Spec) { s.Linux.Namespaces[0].Path = "/proc/self/ns/net" }, errdefs.ErrInvalid},
		"maps":       {func(s *specs.Spec) { s.Linux.UIDMappings = []specs.LinuxIDMapping{{}} }, errdefs.ErrInvalid},
		"root mount": {func(s *specs.Spec) { s.Mounts[0].Destination = "/x/.." }, errdefs.ErrInvalid},
		"masked":     {func(s *specs.Spec) { s.Linux.MaskedPaths = []string{"x"} }, errdefs.ErrInvalid},
		"time": {func(s *specs.Spec) {
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: "time"})
		}, errdefs.ErrUnsupported},
		"device type": {func(s *specs.Spec) { s.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/x", Type: "z"}} }, errdefs.ErrInvalid},
	} {
		spec := testSpec("rootfs", "sh")
		c.change(spec)
		if _, _, err := compile.Container(spec, compile.Options{Bundle: "/b"}); !errors.Is(err, c.class) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
