package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/internal/testenv"
)

// TestDeviceRulesAreRuncs compares the kernel's list of rules for a container with the one that runc sets for the same
// configuration, and with what is written down here.
func TestDeviceRulesAreRuncs(t *testing.T) {
	if _, err := os.Stat("/sys/fs/cgroup/devices/devices.list"); err != nil {
		t.Skip("needs the device controller of version 1: ", err)
	}
	ours := newRuntime(t)
	n := func(n int64) *int64 { return &n }
	deny := specs.LinuxDeviceCgroup{Access: "rwm"}
	always := []string{
		"b *:* m", "c *:* m", "c 10:200 rwm", "c 136:* rwm", "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm", "c 1:9 rwm",
		"c 5:0 rwm", "c 5:2 rwm",
	}
	for name, c := range map[string]struct {
		rules []specs.LinuxDeviceCgroup
		// more are the rules besides those that always hold.
		more []string
	}{
		"nothing but the defaults": {rules: []specs.LinuxDeviceCgroup{deny}},
		"a device": {
			[]specs.LinuxDeviceCgroup{deny, {Allow: true, Type: "c", Major: n(10), Minor: n(229), Access: "rw"}},
			[]string{"c 10:229 rw"},
		},
		"a kind": {
			[]specs.LinuxDeviceCgroup{deny, {Allow: true, Type: "b", Major: n(8), Access: "r"}, {Allow: true, Type: "c", Major: n(4), Minor: n(-1), Access: "w"}},
			[]string{"b 8:* r", "c 4:* w"},
		},
		"a default that is refused": {rules: []specs.LinuxDeviceCgroup{deny, {Type: "c", Major: n(1), Minor: n(3), Access: "rwm"}}},
		"no rules":                  {},
		"taken back": {
			[]specs.LinuxDeviceCgroup{
				deny, {Allow: true, Type: "c", Major: n(10), Minor: n(229), Access: "rwm"}, {Type: "c", Major: n(10), Minor: n(229), Access: "wm"},
			},
			[]string{"c 10:229 r"},
		},
	} {
		want := append(slices.Clone(always), c.more...)
		slices.Sort(want)
		change := func(s *specs.Spec) { s.Linux.Resources = &specs.LinuxResources{Devices: c.rules} }
		got := deviceList(t, ours, change)
		if !slices.Equal(got, want) {
			t.Errorf("%s:\n%q, want\n%q", name, got, want)
		}
		if runc, err := exec.LookPath("runc"); err != nil {
			t.Log("not compared with runc: ", err)
		} else if theirs := deviceList(t, testenv.NewOCI(t, runc), change); !slices.Equal(got, theirs) {
			t.Errorf("%s:\n%q, and runc has\n%q", name, got, theirs)
		}
	}
}

// deviceList is the kernel's list of a container that a runtime makes, in an order of its own.
func deviceList(t *testing.T, o *testenv.OCI, change func(*specs.Spec)) []string {
	t.Helper()
	create(t, o, "c", sleeper, change)
	defer o.Must(t, "delete", "--force", "c")
	pid := int(o.State(t, "c")["pid"].(float64))
	cgroup, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines(string(cgroup)) {
		if f := strings.SplitN(line, ":", 3); f[1] == "devices" {
			b, err := os.ReadFile(filepath.Join("/sys/fs/cgroup/devices", f[2], "devices.list"))
			if err != nil {
				t.Fatal(err)
			}
			list := lines(string(b))
			slices.Sort(list)
			return list
		}
	}
	t.Fatalf("no devices in %s", cgroup)
	return nil
}
