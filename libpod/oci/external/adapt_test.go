package external

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/libpod/oci"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/monitor"
)

func TestGrantable(t *testing.T) {
	all := []string{"CAP_CHOWN", "CAP_SYS_RESOURCE", "CAP_KILL", "CAP_NONSENSE"}
	got := grantable(specs.LinuxCapabilities{Bounding: all, Effective: all, Ambient: all[1:2]}, 1<<unix.CAP_CHOWN|1<<unix.CAP_KILL)
	// A name that is not known is the runtime's to refuse.
	want := []string{"CAP_CHOWN", "CAP_KILL", "CAP_NONSENSE"}
	if !slices.Equal(got.Bounding, want) || !slices.Equal(got.Effective, want) || len(got.Ambient) != 0 || got.Permitted != nil {
		t.Errorf("%+v", got)
	}
	if all[1] != "CAP_SYS_RESOURCE" {
		t.Error("the caller's list was changed")
	}
	if none := grantable(specs.LinuxCapabilities{Bounding: all[:3]}, ^uint64(0)); !slices.Equal(none.Bounding, all[:3]) {
		t.Errorf("%+v", none)
	}
}

func TestRefine(t *testing.T) {
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, root, "file", 0o644)
	if err := os.Symlink("/dir", filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../../../../tmp", filepath.Join(root, "out")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		f    launch.Failure
		want error
	}{
		{launch.Failure{Stage: launch.StageExec, Path: "/dir", Errno: unix.EACCES}, unix.EISDIR},
		{launch.Failure{Stage: launch.StageExec, Path: "/dir", Errno: unix.EPERM}, unix.EISDIR},
		{launch.Failure{Stage: launch.StageExec, Path: "/link", Errno: unix.EACCES}, unix.EISDIR},
		{launch.Failure{Stage: launch.StageExec, Path: "/file", Errno: unix.EACCES}, unix.EACCES},
		{launch.Failure{Stage: launch.StageExec, Path: "/out", Errno: unix.EACCES}, unix.EACCES}, // inside the root, where no /tmp is
		{launch.Failure{Stage: launch.StageExec, Path: "dir", Errno: unix.EACCES}, unix.EACCES},
		{launch.Failure{Stage: launch.StageExec, Path: "/dir", Errno: unix.ENOENT}, unix.ENOENT},
		{launch.Failure{Stage: "runtime", Path: "/dir", Errno: unix.EACCES}, unix.EACCES},
	} {
		if err := refine(&c.f, root); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v, want %v", c.f, err, c.want)
		}
	}
	plain := errors.New("plain")
	if err := refine(plain, root); !errors.Is(err, plain) {
		t.Error(err)
	}
}

func TestWriteSpec(t *testing.T) {
	bundle := t.TempDir()
	q := oci.LaunchRequest{
		ID: "c", Bundle: bundle, Init: "/run/init",
		Spec: &specs.Spec{Version: specs.Version, Process: &specs.Process{Args: []string{"prog", "x"}}},
	}
	for range 2 { // a second start of the same container
		if err := writeSpec(&q); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(filepath.Join(bundle, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	var s specs.Spec
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	if s.Version != ociVersion || !slices.Equal(s.Process.Args, []string{"/run/init", "--", "prog", "x"}) {
		t.Errorf("%s", raw)
	}
	if q.Spec.Version != specs.Version || len(q.Spec.Process.Args) != 2 {
		t.Error("the caller's specification was changed")
	}
	if st, err := os.Stat(stateRoot(bundle)); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", st, err)
	}
}

func TestCommands(t *testing.T) {
	r := New(nil, Options{Name: "crun", Path: "/bin/crun", Flags: []string{"--debug"}, NoCgroups: true})
	q := oci.LaunchRequest{
		ID: "ID", Bundle: "/b", Cgroup: "/c", Spec: &specs.Spec{Process: &specs.Process{Args: []string{"prog"}}},
		Monitor: monitor.Config{Terminal: true}, ExtraFiles: make([]*os.File, 2),
	}
	e := r.create(&q)
	if got := strings.Join(e.Create, " "); got != "/bin/crun --debug --root /b/runtime --log /b/runtime.log --log-format json create --bundle /b --pid-file /b/runtime.pid --console-socket {console-socket} --preserve-fds 2 ID" {
		t.Error(got)
	}
	q.InitReports, q.Init = true, "/run/manager-init"
	if e := r.create(&q); !e.Reports || !strings.Contains(strings.Join(e.Create, " "), "--preserve-fds 3 ID") {
		t.Errorf("%+v", e)
	}
	if got := strings.Join(initArgs(&q), " "); got != "/run/manager-init --report=5 --" {
		t.Error(got)
	}
	if got := strings.Join(e.Start, " "); got != "/bin/crun --debug --root /b/runtime --log /b/runtime.log --log-format json start ID" {
		t.Error(got)
	}
	if e.Program != "prog" || e.Runtime != "crun" || e.PIDFile != "/b/runtime.pid" || e.Log != "/b/runtime.log" {
		t.Errorf("%+v", e)
	}
	x := oci.ExecRequest{ID: "ID", Bundle: "/b", Process: &specs.Process{}}
	if got := strings.Join(r.exec(&x, "/b/exec-1", ""), " "); got != "/bin/crun --debug --cgroup-manager=disabled --root /b/runtime --log /b/exec-1/runtime.log --log-format json exec --detach --process /b/exec-1/process.json --pid-file /b/exec-1/runtime.pid ID" {
		t.Error(got)
	}
}

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, "runc")
	if err := os.WriteFile(old, []byte("#!/bin/sh\necho runc version 1.1.5\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	fresh := filepath.Join(dir, "new")
	if err := os.WriteFile(fresh, []byte("#!/bin/sh\necho runc version 1.2.0; echo spec: 1.2.0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	silent := put(t, dir, "silent", 0o755)
	for _, c := range []struct {
		o    Options
		need oci.Ability
		ok   bool
	}{
		{Options{Path: old}, oci.Personality, false},
		{Options{Path: fresh}, oci.Personality, true},
		{Options{Path: silent}, oci.Personality, true},
		{Options{Path: old}, oci.NoCgroups, false},
		{Options{Path: old, NoCgroups: true}, oci.NoCgroups, true},
	} {
		err := New(nil, c.o).Check(t.Context(), c.need)
		if c.ok != (err == nil) || err != nil && (!errors.Is(err, errdefs.ErrUnsupported) || errdefs.Hint(err) == "") {
			t.Errorf("%+v, %s: %v", c.o, c.need, err)
		}
	}
	d, err := New(nil, Options{Name: "n", Path: fresh}).Describe(t.Context())
	if want := (oci.Description{Name: "n", Path: fresh, Version: "runc version 1.2.0\nspec: 1.2.0"}); err != nil || !reflect.DeepEqual(d, want) {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := New(nil, Options{Name: "n", Path: dir + "/gone"}).Describe(t.Context()); !errors.Is(err, errdefs.ErrNotFound) {
		t.Error(err)
	}
}

func TestGapsAreRefused(t *testing.T) {
	if err := passable([]*os.File{os.Stdin, nil, os.Stdin}); !errors.Is(err, errdefs.ErrUnsupported) || !strings.Contains(err.Error(), "4 is not passed") {
		t.Error(err)
	}
	if err := passable([]*os.File{os.Stdin}); err != nil {
		t.Error(err)
	}
}
