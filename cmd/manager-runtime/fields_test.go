package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/vishvananda/netlink"
)

// Hooks of all six kinds, each run by the command and in the order that the specification says.
func TestAllSixHooks(t *testing.T) {
	o := newRuntime(t)
	log := filepath.Join(o.Dir, "log")
	note := func(name, file string) []specs.Hook {
		return []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "echo " + name + " $(cat | tr -d '\\n' | grep -o '\"status\":\"[a-z]*\"') >> " + file}, Env: []string{"PATH=/bin:/usr/bin"}}}
	}
	hooks := func(s *specs.Spec) {
		s.Hooks = &specs.Hooks{
			//lint:ignore SA1019 it is still in configurations
			Prestart: note("prestart", log), CreateRuntime: note("createRuntime", log), CreateContainer: note("createContainer", log),
			StartContainer: note("startContainer", "/mnt/log"), Poststart: note("poststart", log), Poststop: note("poststop", log),
		}
		s.Mounts = append(s.Mounts, specs.Mount{Destination: "/mnt", Type: "bind", Source: o.Dir, Options: []string{"bind"}})
	}
	create(t, o, "c", []string{"sh", "-c", "exec sleep 1000"}, hooks)
	said := func(want string) {
		t.Helper()
		b, err := os.ReadFile(log)
		got := strings.NewReplacer(`"status":`, "", `"`, "").Replace(strings.Join(strings.Fields(string(b)), " "))
		if err != nil || got != want {
			t.Errorf("log %q, want %q (%v)", got, want, err)
		}
	}
	want := "prestart creating createRuntime creating createContainer creating"
	said(want)
	o.Must(t, "start", "c")
	want += " startContainer created poststart running"
	said(want)
	o.Must(t, "delete", "--force", "c")
	said(want + " poststop stopped")
}

func TestFailedHooksLeaveNothing(t *testing.T) {
	o := newRuntime(t)
	bad := []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "echo wrong >&2; exit 1"}}}
	for name, h := range map[string]*specs.Hooks{"createRuntime": {CreateRuntime: bad}, "createContainer": {CreateContainer: bad}} {
		dir := o.Bundle(t, "c", sleeper, func(s *specs.Spec) { s.Hooks = h })
		o.Refused(t, 1, "hooks."+name+"[0] /bin/sh: exit status 1: wrong", "create", "--bundle", dir, "c")
		nothing(t, o, name)
	}
}

func TestNetDevices(t *testing.T) {
	o := newRuntime(t)
	name := fmt.Sprintf("mgr%d", os.Getpid()%100000)
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: name + "p"}); err != nil {
		t.Skip("cannot make a device: ", err)
	}
	t.Cleanup(func() {
		if l, err := netlink.LinkByName(name + "p"); err == nil { // takes its peer with it
			_ = netlink.LinkDel(l)
		}
	})
	l, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	addr, err := netlink.ParseAddr("192.0.2.7/24")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.AddrAdd(l, addr); err != nil {
		t.Fatal(err)
	}
	change := func(inside string) func(s *specs.Spec) {
		return func(s *specs.Spec) { s.Linux.NetDevices = map[string]specs.LinuxNetDevice{name: {Name: inside}} }
	}
	o.Refused(t, 1, "linux.netDevices."+name+": the container has a device lo", "create", "--bundle", o.Bundle(t, "c", sleeper, change("lo")), "c")
	nothing(t, o, "a name that is taken")
	if _, err := netlink.LinkByName(name); err != nil {
		t.Fatal("a refused device was moved: ", err)
	}
	r := o.Run(t, "run", "--bundle", o.Bundle(t, "c", []string{"busybox", "ip", "-o", "addr", "show", "in0"}, change("in0")), "c")
	if r.Code != 0 || !strings.Contains(r.Stdout, "192.0.2.7/24") {
		t.Errorf("%+v", r)
	}
	if _, err := netlink.LinkByName("in0"); err == nil {
		t.Error("the device came back")
	}
}

func TestClassOfServiceWithoutResctrl(t *testing.T) {
	if b, _ := os.ReadFile("/proc/self/mountinfo"); strings.Contains(string(b), " - resctrl ") {
		t.Skip("resctrl is mounted here")
	}
	o := newRuntime(t)
	dir := o.Bundle(t, "c", sleeper, func(s *specs.Spec) { s.Linux.IntelRdt = &specs.LinuxIntelRdt{L3CacheSchema: "L3:0=f"} })
	o.Refused(t, 1, "linux.intelRdt: no resctrl file system is mounted", "create", "--bundle", dir, "c")
	nothing(t, o, "no resctrl")
}

func TestTimeNamespaceAndExec(t *testing.T) {
	o := newRuntime(t)
	start(t, o, "c", func(s *specs.Spec) {
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.TimeNamespace})
		s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"boottime": {Secs: 5000000}}
	})
	r := o.Run(t, "exec", "c", "cat", "/proc/uptime")
	if r.Code != 0 || len(r.Stdout) < 10 || strings.Index(r.Stdout, ".") < 7 {
		t.Errorf("%+v", r)
	}
	o.Must(t, "delete", "--force", "c")
}
