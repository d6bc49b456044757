package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/runtime-spec/specs-go/features"

	"github.com/manager-project/manager/internal/testenv"
)

// TestCreating looks at a container whose creation takes its time, and takes it away meanwhile.
func TestCreating(t *testing.T) {
	o := newRuntime(t)
	gate := filepath.Join(o.Dir, "gate")
	slow := func(s *specs.Spec) {
		s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "while ! [ -e " + gate + " ]; do sleep 0.05; done"}}}}
	}
	bundle := o.Bundle(t, "c", sleeper, slow)
	done := make(chan testenv.Result, 1)
	go func() { done <- o.Run(t, "create", "--bundle", bundle, "c") }()
	o.Await(t, "c", "creating")
	o.Refused(t, 1, "creating", "delete", "c")
	o.Refused(t, 255, "creating", "exec", "c", "true")
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := <-done; r.Code != 0 {
		t.Errorf("%+v", r)
	}
	o.Await(t, "c", "created")
}

// TestPIDOfAnother puts the pid of a stranger into a record: it is neither signalled nor shown.
func TestPIDOfAnother(t *testing.T) {
	o := newRuntime(t)
	start(t, o, "c")
	path := filepath.Join(o.Root, "c/state.json")
	time.Sleep(20 * time.Millisecond) // two ticks: a process is known by its pid and the tick of its start
	stranger := o.Command(t.Context(), "features")
	stranger.Path, stranger.Args = "/bin/sleep", []string{"sleep", "1000"}
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- stranger.Wait() }()
	t.Cleanup(func() { _ = stranger.Process.Kill(); <-ended })
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pid := strconv.Itoa(int(o.State(t, "c")["pid"].(float64)))
	other := strings.Replace(string(b), `"pid":`+pid, `"pid":`+strconv.Itoa(stranger.Process.Pid), 1)
	if other == string(b) {
		t.Fatalf("no pid %s in %s", pid, b)
	}
	if err := os.WriteFile(path, []byte(other), 0o600); err != nil {
		t.Fatal(err)
	}
	if s := o.State(t, "c"); s["status"] != "stopped" || s["pid"] != 0.0 {
		t.Errorf("state %v", s)
	}
	o.Refused(t, 1, "container not running", "kill", "c", "KILL")
	o.Must(t, "delete", "--force", "c") // by the cgroup, the container's own processes
	select {
	case err := <-ended:
		ended <- err
		t.Errorf("the stranger was killed: %v", err)
	default:
	}
}

func TestFrozenCgroup(t *testing.T) {
	o := newRuntime(t)
	bundle := o.Bundle(t, "d", sleeper, func(s *specs.Spec) { s.Linux.CgroupsPath = o.Cgroup + "/d" })
	// The version 2 freezer decides where there is one.
	frozen := ""
	for dir, words := range map[string][2]string{
		filepath.Join("/sys/fs/cgroup/freezer", o.Cgroup, "d"): {"freezer.state", "FROZEN"},
		filepath.Join("/sys/fs/cgroup/unified", o.Cgroup, "d"): {"cgroup.freeze", "1"},
		filepath.Join("/sys/fs/cgroup", o.Cgroup, "d"):         {"cgroup.freeze", "1"},
	} {
		if _, err := os.Stat(filepath.Join(filepath.Dir(filepath.Dir(dir)), "cgroup.procs")); err != nil {
			continue
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _, _ = os.Remove(dir), os.Remove(filepath.Dir(dir)) })
		if err := os.WriteFile(filepath.Join(dir, words[0]), []byte(words[1]), 0); err != nil {
			t.Fatal(err)
		}
		frozen = dir
	}
	if frozen == "" {
		t.Skip("no freezer")
	}
	o.Refused(t, 1, "container's cgroup unexpectedly frozen", "create", "--bundle", bundle, "d")
	if _, err := os.Stat(frozen); err != nil {
		t.Errorf("a cgroup that was there is gone: %v", err)
	}
}

// TestOOMEvent lets a program run out of memory.
func TestOOMEvent(t *testing.T) {
	o := newRuntime(t)
	const size = 16 << 20
	start(t, o, "c", func(s *specs.Spec) {
		n := int64(size)
		s.Linux.Resources = &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &n}}
	})
	if limit(o, "memory", "memory.oom_control") == "" && limit(o, "", "memory.events") == "" {
		t.Skip("no memory controller")
	}
	out := filepath.Join(o.Dir, "events")
	f, err := os.OpenFile(out, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	cmd := o.Command(t.Context(), "events", "--interval", "1h", "c")
	cmd.Stdout = f
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	wait(t, "an oom event", func() bool {
		// /dev is a tmpfs: what is in it is memory of the container.
		_ = o.Run(t, "exec", "c", "sh", "-c", "head -c 41943040 /dev/zero >/dev/big; rm -f /dev/big")
		b, _ := os.ReadFile(out)
		return strings.Contains(string(b), `{"type":"oom","id":"c"}`)
	})
	o.Must(t, "delete", "--force", "c")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestHome fills HOME from the container's own passwd.
func TestHome(t *testing.T) {
	o := newRuntime(t)
	if err := os.WriteFile(filepath.Join(o.Rootfs, "etc/passwd"), []byte("u:x:9:9::/home/u:/bin/sh\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for env, want := range map[string]string{"": "/home/u", "HOME=": "/home/u", "HOME=/x": "/x"} {
		r := o.Run(t, "run", "--bundle", o.Bundle(t, "c", []string{"sh", "-c", "echo $HOME"}, func(s *specs.Spec) {
			s.Process.User.UID, s.Process.Env = 9, []string{"PATH=/bin"}
			if env != "" {
				s.Process.Env = append(s.Process.Env, env)
			}
		}), "c")
		if r.Code != 0 || strings.TrimSpace(r.Stdout) != want {
			t.Errorf("%q: %+v, want %q", env, r, want)
		}
	}
}

// TestKeyring gives containers a session keyring of their own, which exec joins.
func TestKeyring(t *testing.T) {
	o := newRuntime(t)
	if _, err := os.Stat("/proc/keys"); err != nil {
		t.Skip("the kernel has no keys")
	}
	show := []string{"sh", "-c", "cat /proc/keys; exec sleep 1000"}
	for _, c := range []struct {
		id, option string
		own        bool
	}{{"keyed", "", true}, {"plain", "--no-new-keyring", false}} {
		out := filepath.Join(o.Rootfs, "tmp/keys")
		show[2] = "cat /proc/keys >/tmp/keys; exec sleep 1000"
		o.Must(t, append(append([]string{"run", "--detach", "--bundle", o.Bundle(t, c.id, show)}, strings.Fields(c.option)...), c.id)...)
		wait(t, "the keys", func() bool { b, _ := os.ReadFile(out); return len(b) > 0 })
		b, _ := os.ReadFile(out)
		if strings.Contains(string(b), "_ses."+c.id+":") != c.own {
			t.Errorf("run %q: keys\n%s", c.option, b)
		}
		if got := o.Must(t, "exec", c.id, "cat", "/proc/keys"); strings.Contains(got, "_ses."+c.id+":") != c.own {
			t.Errorf("exec %q: keys\n%s", c.option, got)
		}
		o.Must(t, "delete", "--force", c.id)
		_ = os.Remove(out)
	}
}

// TestFeaturesAreTrue tries what the features list.
func TestFeaturesAreTrue(t *testing.T) {
	o := newRuntime(t)
	var f features.Features
	if err := json.Unmarshal([]byte(o.Must(t, "features")), &f); err != nil {
		t.Fatal(err)
	}
	for _, action := range f.Linux.Seccomp.Actions {
		if action == string(specs.ActNotify) {
			continue // needs a receiver
		}
		r := o.Run(t, "run", "--bundle", o.Bundle(t, "c", []string{"true"}, func(s *specs.Spec) {
			s.Linux.Seccomp = &specs.LinuxSeccomp{
				DefaultAction: specs.ActAllow, Architectures: []specs.Arch{specs.Arch(f.Linux.Seccomp.Archs[0])},
				Syscalls: []specs.LinuxSyscall{{Names: []string{"swapon"}, Action: specs.LinuxSeccompAction(action)}},
			}
			for _, flag := range f.Linux.Seccomp.SupportedFlags {
				if !strings.Contains(flag, "WAIT_KILLABLE") { // needs a listener
					s.Linux.Seccomp.Flags = append(s.Linux.Seccomp.Flags, specs.LinuxSeccompFlag(flag))
				}
			}
		}), "c")
		if r.Code != 0 {
			t.Errorf("%s: %+v", action, r)
		}
	}
	for _, option := range f.MountOptions {
		if option == "remount" || strings.Contains(option, "idmap") || option == "mand" || option == "iversion" {
			continue // want a mount, a map, or a kernel or file system that has it
		}
		r := o.Run(t, "run", "--bundle", o.Bundle(t, "c", []string{"true"}, func(s *specs.Spec) {
			m := specs.Mount{Destination: "/mnt", Type: "tmpfs", Source: "tmpfs", Options: []string{option}}
			if strings.HasSuffix(option, "bind") {
				m.Source = o.Rootfs
			}
			if option == "copy-symlink" || option == "src-nofollow" { // they are about a source
				m.Source, m.Options = o.Rootfs, append(m.Options, "bind")
			}
			s.Mounts = append(s.Mounts, m)
		}), "c")
		if r.Code != 0 {
			t.Errorf("mount option %s: %+v", option, r)
		}
	}
	if f.Annotations["org.opencontainers.runc.version"] == "" || f.Annotations["org.opencontainers.runc.checkpoint.enabled"] == "" || len(f.PotentiallyUnsafeConfigAnnotations) == 0 {
		t.Errorf("annotations %v, unsafe %v", f.Annotations, f.PotentiallyUnsafeConfigAnnotations)
	}
	if c := f.Linux.Cgroup; !*c.V1 || !*c.V2 || !*c.Systemd || !*c.Rdma {
		t.Errorf("cgroup %+v", c)
	}
}

// TestFewDescriptors starves the runtime: it fails, says so, and leaves nothing.
func TestFewDescriptors(t *testing.T) {
	o := newRuntime(t)
	failed := 0
	for n := 12; n < 40; n += 3 { // the shell needs some itself
		cmd := o.Command(t.Context(), "create", "--bundle", o.Bundle(t, "c", sleeper), "c")
		cmd.Path, cmd.Args = "/bin/sh", []string{"sh", "-c", "ulimit -n " + strconv.Itoa(n) + `; exec "$0" "$@" 2>"$ERR"`, o.Program, "--root", o.Root, "create", "--bundle", filepath.Join(o.Dir, "bundles/c"), "c"}
		errs := filepath.Join(o.Dir, "err")
		cmd.Env = append(cmd.Env, "ERR="+errs)
		if err := cmd.Run(); err == nil {
			o.Must(t, "delete", "--force", "c")
			continue
		}
		failed++
		if b, _ := os.ReadFile(errs); len(b) == 0 {
			t.Errorf("%d descriptors: not a word", n)
		}
		if o.State(t, "c") != nil {
			t.Errorf("%d descriptors: a container is left", n)
		}
		nothing(t, o, strconv.Itoa(n)+" descriptors")
	}
	if failed == 0 {
		t.Error("it never failed")
	}
}
