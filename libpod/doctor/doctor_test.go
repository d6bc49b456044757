package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// cut takes a path out of a text.
func cut(text, path string) string { return strings.ReplaceAll(text, path, "FILE") }

// text is a report as one line for each finding that is not well.
func text(r *Report) string {
	var b strings.Builder
	for _, f := range r.Findings {
		if f.Status == OK || f.Status == Skipped {
			continue
		}
		fmt.Fprintf(&b, "%s %s: %s: %s; %s\n", f.Status, f.Probe, f.What, f.Why, strings.Join(f.Cure, " && "))
	}
	return b.String()
}

// Nothing is said of machines on which all is well.
func TestHealthy(t *testing.T) {
	for name, change := range map[string]func(*machine){
		"usual":      func(*machine) {},
		"cgroups 1":  func(m *machine) { cgroup1(m) },
		"no session": func(m *machine) { m.remove("/run/systemd/system/x"); m.env("XDG_RUNTIME_DIR", ""); m.RuntimeDir = "" },
		"btrfs":      func(m *machine) { m.spaces[m.GraphRoot] = Space{Free: 50 << 30, Size: 100 << 30} },
		"small run": func(m *machine) {
			m.spaces[m.RunRoot] = Space{Free: 9 << 20, Size: 10 << 20, FreeInodes: 900, Inodes: 1000}
		},
		"driver vfs": func(m *machine) { m.Driver, m.trial.Overlay = "vfs", unix.ENODEV },
		"file caps":  func(m *machine) { fileCapabilities(m) },
		"proxy":      func(m *machine) { m.env("HTTPS_PROXY", "http://proxy:3128"); m.remove("/etc/resolv.conf") },
		"one range each": func(m *machine) {
			m.write("/etc/subuid", "1000:100000:65536\n")
			m.write("/etc/subgid", "alice:100000:65536\n")
		},
		"other's name":    func(m *machine) { m.write("/etc/subuid", "1000:100000:65536\nalice:100000:65536\n") },
		"selinux":         func(m *machine) { selinux(m, "container_var_lib_t") },
		"apparmor":        func(m *machine) { apparmor(m); m.Profile = "containers-default" },
		"unknown limits":  func(m *machine) { m.remove("/proc/sys/fs/inotify/max_user_instances") },
		"ubuntu, profile": func(m *machine) { m.sysctl("kernel/apparmor_restrict_unprivileged_userns", "1") },
	} {
		for _, uid := range []int{0, 1000} {
			t.Run(fmt.Sprint(name, uid), func(t *testing.T) {
				m := healthy(uid)
				change(m)
				r := Examine(t.Context(), m.Env)
				if got := text(r); got != "" || !r.Healthy {
					t.Errorf("healthy %v:\n%s", r.Healthy, got)
				}
				if len(r.Findings) < len(probes) {
					t.Errorf("%d findings of %d probes", len(r.Findings), len(probes))
				}
			})
		}
	}
}

func cgroup1(m *machine) {
	m.remove("/sys/fs/cgroup/cgroup.controllers", "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/cgroup.controllers")
	for _, c := range wanted {
		m.write("/sys/fs/cgroup/"+c+"/tasks", "")
	}
}

func fileCapabilities(m *machine) {
	for _, name := range []string{"newuidmap", "newgidmap"} {
		m.program(name)
		m.xattrs["/usr/bin/"+name+" security.capability"] = "\x01\x00\x00\x02\x80"
	}
}

func selinux(m *machine, label string) {
	m.write("/sys/fs/selinux/enforce", "1")
	m.write("/etc/selinux/config", "SELINUX=enforcing\nSELINUXTYPE=targeted\n")
	m.write("/etc/selinux/targeted/contexts/lxc_contexts", "process = \"x\"")
	m.xattrs[m.GraphRoot+" security.selinux"] = "system_u:object_r:" + label + ":s0\x00"
}

func apparmor(m *machine) {
	m.write("/sys/module/apparmor/parameters/enabled", "Y\n")
	m.write("/sys/kernel/security/apparmor/profiles", "containers-default (enforce)\n/usr/bin/man (enforce)\n")
}

// Each broken thing is found, with its cure, and nothing else is said.
func TestFixtures(t *testing.T) {
	for _, f := range fixtures {
		t.Run(strings.ReplaceAll(f.name, "/", ""), func(t *testing.T) {
			m := healthy(1000)
			if f.root {
				m = healthy(0)
			}
			f.harm(t, m)
			r := Examine(t.Context(), m.Env)
			if got := text(r); got != f.want {
				t.Errorf("got\n%swant\n%s", got, f.want)
			}
			if r.Healthy != !strings.Contains(f.want, "broken ") {
				t.Errorf("healthy: %v", r.Healthy)
			}
			if len(m.did) > 0 {
				t.Errorf("changed something: %v", m.did)
			}
		})
	}
}

// What is safe is done by Fix, and told; what is not is left.
func TestFix(t *testing.T) {
	for _, c := range []struct {
		name    string
		uid     int
		change  func(*machine)
		did     []string
		healthy bool
	}{
		{"mode of the runtime directory", 1000, func(m *machine) { m.dir("/run/user/1000", 1000, 0o777) }, []string{"chmod", "-rwx------", "/run/user/1000"}, true},
		{"runtime directory", 1000, func(m *machine) { m.env("XDG_RUNTIME_DIR", "/home/alice/run") }, []string{"mkdir", "/home/alice/run"}, true},
		{"linger", 1000, func(m *machine) { m.remove("/var/lib/systemd/linger/alice") }, []string{"loginctl", "enable-linger", "alice"}, true},
		{"migrate", 1000, func(m *machine) { m.outdated = true }, []string{"manager", "system", "migrate"}, true},
		{
			"ranges, as root under sudo", 0, func(m *machine) { m.Sudo = "alice"; m.write("/etc/subuid", ""); m.write("/etc/subgid", "") },
			[]string{"usermod", "--add-subuids", "100000-165535", "--add-subgids", "100000-165535", "alice"},
			true,
		},
		{"ranges, as a user", 1000, func(m *machine) { m.write("/etc/subuid", "") }, nil, false},
		{"/tmp, as root", 0, func(m *machine) { m.dir("/tmp", 0, 0o777) }, []string{"chmod", (fs.ModeSticky | 0o777).String(), "/tmp"}, true},
		{"/tmp, as a user", 1000, func(m *machine) { m.dir("/tmp", 0, 0o777) }, nil, false},
		{"kernel", 0, func(m *machine) { m.Kernel = "4.1" }, nil, false},
	} {
		t.Run(strings.ReplaceAll(c.name, "/", ""), func(t *testing.T) {
			m := healthy(c.uid)
			c.change(m)
			r := Examine(t.Context(), m.Env)
			if err := Fix(t.Context(), m.Env, r); err != nil || !slices.Equal(m.did, c.did) || r.Healthy != c.healthy {
				t.Errorf("did %q, healthy %v, %v\n%s", m.did, r.Healthy, err, text(r))
			}
		})
	}
	m := healthy(1000)
	m.outdated = true
	m.Run = func(context.Context, ...string) error { return errors.New("it is busy") }
	r := Examine(t.Context(), m.Env)
	if err := Fix(t.Context(), m.Env, r); err == nil || !strings.Contains(err.Error(), "subids: it is busy") {
		t.Errorf("%v", err)
	}
}

// A probe that hangs is told as that, and holds nobody up.
func TestHanging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := healthy(0)
		free := make(chan struct{})
		m.Space = func(string) (Space, error) { <-free; return Space{}, errors.New("server not responding") }
		began := time.Now()
		r := Examine(t.Context(), m.Env)
		close(free)
		if took := time.Since(began); took >= 2*time.Second {
			t.Errorf("%v", took)
		}
		for _, f := range r.Findings {
			if hangs := slices.Contains([]string{"filesystem", "disk", "inodes"}, f.Probe); hangs != (f.Status == Warn) {
				t.Errorf("%s: %s: %s", f.Probe, f.Status, f.What)
			}
		}
		synctest.Wait()
	})
}
