package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// TestLog fails in the forms that engines read.
func TestLog(t *testing.T) {
	o := newRuntime(t)
	bundle := o.Bundle(t, "c", []string{"nothing"}, func(s *specs.Spec) {
		// A warning must not come between an engine and the one object that it reads.
		s.Process.Capabilities.Bounding = append(s.Process.Capabilities.Bounding, "CAP_NOTHING")
	})
	file := filepath.Join(o.Dir, "log")
	r := o.Run(t, "--log", file, "--log-format", "json", "create", "--bundle", bundle, "c")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var entry struct {
		Level, Msg string
		Time       time.Time
	}
	if err := json.Unmarshal(text, &entry); err != nil { // the whole file is one object
		t.Fatalf("%v in %q", err, text)
	}
	const words = `exec: "nothing": executable file not found in $PATH`
	if r.Code != 1 || entry.Level != "error" || entry.Msg != words || time.Since(entry.Time) > time.Minute {
		t.Errorf("%+v, %+v", r, entry)
	}
	if r.Stderr != words+"\n" || strings.Count(string(text), "\n") != 1 {
		t.Errorf("standard error %q, log %q", r.Stderr, text)
	}

	_ = os.Remove(file)
	o.Run(t, "--debug", "--log", file, "--log-format=json", "create", "--bundle", bundle, "c")
	text, _ = os.ReadFile(file)
	all := lines(string(text))
	for _, line := range all {
		if !json.Valid([]byte(line)) {
			t.Errorf("no object: %q", line)
		}
	}
	if len(all) < 5 || !strings.Contains(all[0], `"level":"debug","msg":"create: network: `) || !strings.Contains(all[len(all)-1], `"level":"error"`) {
		t.Errorf("the last line is no error: %q", all)
	}

	for _, format := range [][]string{nil, {"--log-format", "text"}} {
		r = o.Run(t, append(format, "create", "--bundle", bundle, "c")...)
		all = lines(r.Stderr)
		if len(all) != 1 || !strings.HasPrefix(all[0], `time="`) || !strings.Contains(all[0], `level=error msg="exec: \"nothing\": executable`) {
			t.Errorf("text: %q", r.Stderr)
		}
	}
	o.Refused(t, 1, "want text or json", "--log-format", "xml", "list")
	o.Refused(t, 1, "want error, warning, info or debug", "--log-level", "loud", "list")
	o.Refused(t, 1, "--log: open /nowhere/log", "--log", "/nowhere/log", "list")
}

// TestWarnings are shown where no engine reads.
func TestWarnings(t *testing.T) {
	o := newRuntime(t)
	r := o.Run(t, "run", "--bundle", o.Bundle(t, "c", []string{"true"}, func(s *specs.Spec) {
		s.Process.Capabilities.Bounding = append(s.Process.Capabilities.Bounding, "CAP_NOTHING")
	}), "c")
	if r.Code != 0 || !strings.Contains(r.Stderr, "level=warning") || !strings.Contains(r.Stderr, "CAP_NOTHING") {
		t.Errorf("%+v", r)
	}
}

// TestWarningsAreNotTheContainers: standard error of a detached container is its own.
func TestWarningsAreNotTheContainers(t *testing.T) {
	o := newRuntime(t)
	odd := func(s *specs.Spec) {
		s.Process.Capabilities.Bounding = append(s.Process.Capabilities.Bounding, "CAP_NOTHING")
	}
	bundle := o.Bundle(t, "c", sleeper, odd)
	for _, verb := range [][]string{{"create"}, {"run", "--detach"}} {
		for _, global := range []string{"", "--debug"} {
			args := append(append(slices.Clone(verb), "--bundle", bundle), "c")
			if global != "" {
				args = append([]string{global}, args...)
			}
			r := o.Run(t, args...)
			if r.Code != 0 || strings.Contains(r.Stderr, "CAP_NOTHING") != (global != "") {
				t.Errorf("%q: %+v", args, r)
			}
			o.Must(t, "delete", "--force", "c")
		}
	}
}

// TestWrongUse wants one line that says what is wrong, and nothing done.
func TestWrongUse(t *testing.T) {
	o := newRuntime(t)
	bundle := o.Bundle(t, "c", sleeper)
	for _, c := range []struct {
		code  int
		words string
		args  []string
	}{
		{1, "No help topic for 'foo'", []string{"foo"}},
		{1, "flag provided but not defined: --rot; did you mean --root?", []string{"--rot", "/x", "list"}},
		{1, "flag needs an argument: --root", []string{"--root"}},
		{1, "the root directory cannot hold states", []string{"--root", "/", "list"}},
		{1, "want true, false or auto", []string{"--rootless", "perhaps", "list"}},
		{1, "want cgroupfs, systemd or disabled", []string{"--cgroup-manager", "none", "list"}},
		{1, "conflicts with --cgroup-manager disabled", []string{"--systemd-cgroup", "--cgroup-manager", "disabled", "list"}},
		{1, "requires exactly 1 argument(s)", []string{"state"}},
		{1, "requires exactly 1 argument(s)", []string{"create", "--bundle", bundle}},
		{1, "requires exactly 1 argument(s)", []string{"create", "--bundle", bundle, "a", "b"}},
		{1, "requires a maximum of 2 argument(s)", []string{"kill", "a", "9", "b"}},
		{1, "requires a minimum of 1 argument(s)", []string{"ps"}},
		{1, "requires exactly 0 argument(s)", []string{"list", "x"}},
		{255, "requires a minimum of 1 argument(s)", []string{"exec"}},
		{1, "no such file", []string{"create", "--bundle", "/nowhere", "c"}},
		{1, "no such file", []string{"run", "--config", "/nowhere", "c"}},
		{1, "is kept in any case", []string{"run", "--keep", "--detach", "--bundle", bundle, "c"}},
		{1, "want a number from 0", []string{"run", "--preserve-fds", "-1", "--bundle", bundle, "c"}},
		{1, "systemd", []string{"--systemd-cgroup", "create", "--bundle", bundle, "c"}},
	} {
		r := o.Run(t, c.args...)
		if r.Code != c.code || !strings.Contains(r.Stderr, c.words) || strings.Count(r.Stderr, "\n") != 1 || r.Stdout != "" {
			t.Errorf("%q: %+v, want code %d with %q", c.args, r, c.code, c.words)
		}
	}
	nothing(t, o, "after wrong use")
	// What is wrong with a configuration is said before anything is made.
	for field, change := range map[string]func(*specs.Spec){
		"process.args": func(s *specs.Spec) { s.Process.Args = nil },
		"process":      func(s *specs.Spec) { s.Process = nil },
		"ociVersion":   func(s *specs.Spec) { s.Version = "2" },
		"root.path":    func(s *specs.Spec) { s.Root = nil },
		"cgroupsPath":  func(s *specs.Spec) { s.Linux.CgroupsPath = "/a/../../b" },
	} {
		o.Refused(t, 1, field, "create", "--bundle", o.Bundle(t, "c", sleeper, change), "c")
		nothing(t, o, field)
	}
}
