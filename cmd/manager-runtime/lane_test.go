package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/internal/testenv"
)

// TestAppArmor has the profile of the configuration, and that of the command line, hold for run and exec.
func TestAppArmor(t *testing.T) {
	testenv.Need(t, testenv.Root, testenv.AppArmor)
	profile := testenv.AppArmorProfile(t)
	o := laneRuntime(t)
	under := func(name string) func(*specs.Spec) {
		return func(s *specs.Spec) { s.Process.ApparmorProfile = name }
	}
	current := []string{"cat", "/proc/self/attr/current"}
	for name, want := range map[string]string{profile: profile + " (enforce)\n", "unconfined": "unconfined\n", "": "unconfined\n"} {
		if r := o.Run(t, "run", "--bundle", o.Bundle(t, "r", current, under(name)), "r"); r.Code != 0 || r.Stdout != want {
			t.Errorf("profile %q: %+v, want %q", name, r, want)
		}
	}
	missing := o.Bundle(t, "m", current, under("no-such-profile"))
	o.Refused(t, 1, "no-such-profile", "run", "--bundle", missing, "m")
	o.Refused(t, 1, "load it with apparmor_parser", "create", "--bundle", missing, "m")
	o.Refused(t, 1, "does not exist", "state", "m")
	start(t, o, "c", under(profile))
	if got := o.Must(t, append([]string{"exec", "c"}, current...)...); got != profile+" (enforce)" {
		t.Errorf("exec: %q", got)
	}
	start(t, o, "free")
	if got := o.Must(t, append([]string{"exec", "--apparmor", profile, "free"}, current...)...); got != profile+" (enforce)" {
		t.Errorf("exec --apparmor: %q", got)
	}
	o.Refused(t, 255, "no-such-profile", "exec", "--apparmor", "no-such-profile", "free", "true")
}

// property is one of a unit's, as systemctl shows it.
func property(t *testing.T, unit, name string) string {
	t.Helper()
	out, err := exec.Command("systemctl", "show", "--property="+name, "--value", unit).CombinedOutput()
	if err != nil {
		t.Fatalf("systemctl show: %v\n%s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// TestSystemdCgroup lets systemd make the cgroup, and looks for the limits at systemd and in the kernel.
func TestSystemdCgroup(t *testing.T) {
	testenv.Need(t, testenv.Root, testenv.Unified, testenv.Systemd)
	o := laneRuntime(t)
	o.Global = append(o.Global, "--systemd-cgroup")
	unit := fmt.Sprintf("managertest%d-c.scope", os.Getpid())
	limit, tasks := int64(64<<20), int64(30)
	start(t, o, "c", func(s *specs.Spec) {
		s.Linux.CgroupsPath = fmt.Sprintf("system.slice:managertest%d:c", os.Getpid())
		s.Linux.Resources = &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &limit}, Pids: &specs.LinuxPids{Limit: &tasks}}
		s.Annotations = map[string]string{"org.systemd.property.TimeoutStopUSec": "uint64 7000000"}
	})
	pid := int(o.State(t, "c")["pid"].(float64))
	cgroup, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if want := "0::/system.slice/" + unit + "\n"; err != nil || string(cgroup) != want {
		t.Errorf("cgroup %q, want %q, %v", cgroup, want, err)
	}
	look := func(memory, most string) {
		t.Helper()
		for name, want := range map[string]string{"MemoryMax": memory, "TasksMax": most, "ActiveState": "active", "Delegate": "yes", "TimeoutStopUSec": "7s"} {
			if got := property(t, unit, name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		for file, want := range map[string]string{"memory.max": memory, "pids.max": most} {
			if b, err := os.ReadFile(filepath.Join("/sys/fs/cgroup/system.slice", unit, file)); err != nil || string(b) != want+"\n" {
				t.Errorf("%s is %q, want %q, %v", file, b, want, err)
			}
		}
	}
	look("67108864", "30")
	o.Must(t, "update", "--memory", "32m", "--memory-swap", "32m", "--pids-limit", "20", "c")
	look("33554432", "20")
	o.Must(t, "pause", "c")
	if got := o.State(t, "c")["status"]; got != "paused" {
		t.Errorf("paused: %v", got)
	}
	o.Must(t, "resume", "c")
	if got := o.Must(t, "exec", "c", "cat", "/proc/self/cgroup"); !strings.HasSuffix(got, unit) {
		t.Errorf("exec: %s", got)
	}
	o.Must(t, "delete", "--force", "c")
	wait(t, "the scope is gone", func() bool { return property(t, unit, "LoadState") == "not-found" })
	if _, err := os.Stat(filepath.Join("/sys/fs/cgroup/system.slice", unit)); !os.IsNotExist(err) {
		t.Errorf("the cgroup: %v", err)
	}
	bad := o.Bundle(t, "p", sleeper, func(s *specs.Spec) { s.Linux.CgroupsPath = "/a/b" })
	o.Refused(t, 1, "slice:prefix:name", "create", "--bundle", bad, "p")
}

// TestSystemdCgroupV1 has systemd make the cgroup in version 1 hierarchies. A device that the container may not use stays closed when systemd
// is reloaded, which writes the rules anew.
func TestSystemdCgroupV1(t *testing.T) {
	testenv.Need(t, testenv.Root, testenv.SystemdV1)
	o := laneRuntime(t)
	o.Global = append(o.Global, "--systemd-cgroup")
	unit := fmt.Sprintf("managertest%d-c.scope", os.Getpid())
	limit := int64(64 << 20)
	start(t, o, "c", func(s *specs.Spec) {
		s.Linux.CgroupsPath = fmt.Sprintf("system.slice:managertest%d:c", os.Getpid())
		s.Linux.Resources = &specs.LinuxResources{
			Memory: &specs.LinuxMemory{Limit: &limit}, Devices: []specs.LinuxDeviceCgroup{{Access: "rwm"}},
		}
		caps := append([]string{"CAP_MKNOD"}, s.Process.Capabilities.Bounding...)
		s.Process.Capabilities.Bounding, s.Process.Capabilities.Permitted, s.Process.Capabilities.Effective = caps, caps, caps
	})
	if got := property(t, unit, "MemoryLimit"); got != "67108864" {
		t.Errorf("MemoryLimit is %q", got)
	}
	// The kernel's messages are there on every machine. The shell ends with what it says about the redirection.
	look := func(when string) {
		t.Helper()
		r := o.Run(t, "exec", "--cap", "CAP_MKNOD", "--cap", "CAP_SYSLOG", "c", "sh", "-c",
			"rm -f /tmp/kmsg; mknod /tmp/kmsg c 1 11 && exec 3</tmp/kmsg")
		if r.Code == 0 || !strings.Contains(r.Stderr, "peration not permitted") {
			t.Errorf("%s: %+v", when, r)
		}
	}
	look("before a reload")
	if out, err := exec.Command("systemctl", "daemon-reload").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	look("after a reload")
	o.Must(t, "update", "--memory", "32m", "--memory-swap", "32m", "c")
	look("after an update")
	if got := property(t, unit, "MemoryLimit"); got != "33554432" {
		t.Errorf("MemoryLimit is %q after an update", got)
	}
	o.Must(t, "delete", "--force", "c")
	wait(t, "the scope is gone", func() bool { return property(t, unit, "LoadState") == "not-found" })
	if left, _ := filepath.Glob("/sys/fs/cgroup/*/system.slice/" + unit); len(left) > 0 {
		t.Errorf("cgroups are left: %q", left)
	}
}
