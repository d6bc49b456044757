package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/internal/testenv"
)

// hooked gives a container hooks that append a word and the state's status to a file.
func hooked(o *testenv.OCI, fails string) func(*specs.Spec) {
	return func(s *specs.Spec) {
		hook := func(kind string) []specs.Hook {
			code := 0
			if kind == fails {
				code = 1
			}
			script := fmt.Sprintf(`read -r s; echo %s "$s" >>%s; exit %d`, kind, filepath.Join(o.Dir, "hooks"), code)
			return []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", script}}}
		}
		s.Hooks = &specs.Hooks{CreateRuntime: hook("createRuntime"), Poststart: hook("poststart"), Poststop: hook("poststop")}
		//lint:ignore SA1019 it is still in configurations
		s.Hooks.Prestart = hook("prestart")
	}
}

// ran are the hooks that ran, each with the status that it was told; the file is emptied.
func ran(t *testing.T, o *testenv.OCI) string {
	t.Helper()
	path := filepath.Join(o.Dir, "hooks")
	b, _ := os.ReadFile(path)
	_ = os.Remove(path)
	var out []string
	for _, line := range lines(string(b)) {
		kind, state, _ := strings.Cut(line, " ")
		var s specs.State
		if err := json.Unmarshal([]byte(state), &s); err != nil || s.ID != "c" || s.Bundle != filepath.Join(o.Dir, "bundles/c") {
			t.Errorf("%s was told %q, %v", kind, state, err)
		}
		if (s.Pid == 0) != (s.Status == "stopped") {
			t.Errorf("%s was told pid %d and status %s", kind, s.Pid, s.Status)
		}
		out = append(out, kind+" "+string(s.Status))
	}
	return strings.Join(out, ", ")
}

func TestHooks(t *testing.T) {
	o := newRuntime(t)
	bundle := o.Bundle(t, "c", sleeper, hooked(o, ""))
	for _, step := range []struct {
		want string
		args []string
	}{
		{"prestart creating, createRuntime creating", []string{"create", "--bundle", bundle, "c"}},
		{"poststart running", []string{"start", "c"}},
		{"", []string{"exec", "c", "true"}},
		{"poststop stopped", []string{"delete", "--force", "c"}},
	} {
		o.Must(t, step.args...)
		if got := ran(t, o); got != step.want {
			t.Errorf("%s: %q, want %q", step.args[0], got, step.want)
		}
	}
	o.Must(t, "run", "--bundle", o.Bundle(t, "c", []string{"true"}, hooked(o, "")), "c")
	if got := ran(t, o); got != "prestart creating, createRuntime creating, poststart running, poststop stopped" {
		t.Errorf("run: %q", got)
	}
}

// TestHooksThatFail end the container, but for the last kind.
func TestHooksThatFail(t *testing.T) {
	o := newRuntime(t)
	for _, c := range []struct{ kind, want string }{
		{"prestart", "prestart creating, poststop stopped"},
		{"createRuntime", "prestart creating, createRuntime creating, poststop stopped"},
		{"poststart", "prestart creating, createRuntime creating, poststart running, poststop stopped"},
	} {
		bundle := o.Bundle(t, "c", sleeper, hooked(o, c.kind))
		for _, verbs := range [][]string{{"create", "start"}, {"run"}} {
			var last testenv.Result
			for _, verb := range verbs {
				args := []string{verb, "c"}
				if verb != "start" {
					args = []string{verb, "--bundle", bundle, "c"}
				}
				if last = o.Run(t, args...); last.Code != 0 {
					break
				}
			}
			if last.Code != 1 || !strings.Contains(last.Stderr, "hooks."+c.kind+"[0] /bin/sh") || strings.Count(last.Stderr, "\n") != 1 {
				t.Errorf("%s, %v: %+v", c.kind, verbs, last)
			}
			if got := ran(t, o); got != c.want {
				t.Errorf("%s, %v: %q, want %q", c.kind, verbs, got, c.want)
			}
			nothing(t, o, c.kind)
		}
	}
	create(t, o, "c", sleeper, hooked(o, "poststop"))
	if r := o.Run(t, "delete", "c"); r.Code != 0 || !strings.Contains(r.Stderr, "level=warning") || !strings.Contains(r.Stderr, "hooks.poststop[0]") {
		t.Errorf("poststop: %+v", r)
	}
	ran(t, o)
	nothing(t, o, "poststop")
}
