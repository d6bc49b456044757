package libcontainer_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// note is a hook that writes its name, state and a few facts to a file.
func note(log, name, more string) specs.Hook {
	return specs.Hook{
		Path: "/bin/sh",
		Args: []string{"sh", "-c", fmt.Sprintf(`{ echo %s; cat; echo; readlink /proc/self/ns/mnt; %s; } >> %s`, name, more, log)},
		Env:  []string{"PATH=/usr/bin:/bin"},
	}
}

func TestHooksInTheirOrderAndNamespaces(t *testing.T) {
	root, dir := testRoot(t), t.TempDir()
	log := dir + "/log"
	spec := testSpec(root, "sh", "-c", "cat /hook-made; readlink /proc/self/ns/mnt")
	spec.Annotations = map[string]string{"some": "thing"}
	spec.Mounts = append(spec.Mounts, specs.Mount{Destination: "/shared", Source: dir, Options: []string{"bind"}})
	spec.Hooks = &specs.Hooks{
		//lint:ignore SA1019 it is still in configurations
		Prestart:        []specs.Hook{note(log, "prestart", "pwd")},
		CreateRuntime:   []specs.Hook{note(log, "createRuntime", "pwd")},
		CreateContainer: []specs.Hook{note(log, "createContainer", "grep -c "+root+"/dev/shm /proc/self/mountinfo; echo made > "+root+"/hook-made")},
		StartContainer:  []specs.Hook{note("/shared/log", "startContainer", "pwd")},
	}
	spec.Root.Readonly = true // once the hooks have run
	b, err := start(t, spec)
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	pid := b.PID()
	out, code := b.finish()
	all, err := os.ReadFile(log)
	if err != nil || code != 0 {
		t.Fatal(err, code)
	}
	if strings.Contains(string(before), "startContainer") {
		t.Error("startContainer ran before the start")
	}
	lines := strings.Split(strings.TrimSpace(string(all)), "\n")
	if len(lines) != 16 {
		t.Fatalf("log\n%s", all)
	}
	mine, _ := os.Readlink("/proc/self/ns/mnt")
	f := strings.Fields(out)
	if len(f) != 2 || f[0] != "made" {
		t.Fatalf("output %q", out)
	}
	for i, want := range []struct {
		name, mnt, more, status string
		pid                     int
	}{
		{"prestart", mine, root, "creating", pid},
		{"createRuntime", mine, root, "creating", pid},
		{"createContainer", f[1], "1", "creating", 1},
		{"startContainer", f[1], "/", "created", 1},
	} {
		l := lines[4*i:]
		var st specs.State
		if err := json.Unmarshal([]byte(l[1]), &st); err != nil {
			t.Fatal(err)
		}
		if l[0] != want.name || l[2] != want.mnt || l[3] != want.more || st.Pid != want.pid ||
			string(st.Status) != want.status || st.Bundle != root || st.ID != "box" || st.Annotations["some"] != "thing" {
			t.Errorf("%s: %q, want %+v", want.name, l[:4], want)
		}
	}
}

func TestFailedHookEndsTheContainer(t *testing.T) {
	for _, kind := range []string{"prestart", "createRuntime", "createContainer", "startContainer"} {
		t.Run(kind, func(t *testing.T) {
			spec := testSpec(testRoot(t), "touch", "/ran")
			bad := []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "echo no >&2; exit 9"}}}
			spec.Hooks = map[string]*specs.Hooks{
				"prestart": {Prestart: bad}, "createRuntime": {CreateRuntime: bad},
				"createContainer": {CreateContainer: bad}, "startContainer": {StartContainer: bad},
			}[kind]
			b, err := start(t, spec)
			if kind == "startContainer" && err == nil {
				err = b.Exec()
			}
			var f *launch.Failure
			if !errors.As(err, &f) || f.Stage != launch.StageHook || f.ExitCode() != 125 ||
				!strings.Contains(f.Error(), "hooks."+kind+"[0] /bin/sh: exit status 9: no") {
				t.Fatalf("error %v", err)
			}
			if _, err := os.Stat(spec.Root.Path + "/ran"); err == nil {
				t.Error("the program ran")
			}
			if err := b.Signal(0); !errors.Is(err, unix.ESRCH) {
				t.Errorf("the init is still there: %v", err)
			}
		})
	}
}

func TestHookTimeout(t *testing.T) {
	spec := testSpec(testRoot(t), "true")
	one := 1
	spec.Hooks = &specs.Hooks{CreateContainer: []specs.Hook{{Path: "/bin/sleep", Args: []string{"sleep", "100"}, Timeout: &one}}}
	if _, err := start(t, spec); err == nil || !strings.Contains(err.Error(), "timed out after 1s") {
		t.Errorf("error %v", err)
	}
}
