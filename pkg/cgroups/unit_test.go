package cgroups

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/manager-project/manager/internal/testenv"
	"github.com/manager-project/manager/pkg/cgroups/systemd"
	"github.com/manager-project/manager/pkg/errdefs"
)

func TestScopeLimits(t *testing.T) {
	type props map[string]any
	const infinite = uint64(math.MaxUint64)
	for _, tc := range []struct {
		name, json string
		version    int
		v1, v2     props
	}{
		{name: "nothing", json: `{}`, version: 252},
		{
			name: "memory", json: `{"memory":{"limit":1000,"reservation":500,"swap":1500}}`, version: 252,
			v1: props{"MemoryLimit": uint64(1000)}, v2: props{"MemoryMax": uint64(1000), "MemoryLow": uint64(500), "MemorySwapMax": uint64(500)},
		},
		{
			name: "unlimited", json: `{"memory":{"limit":-1,"swap":-1},"pids":{"limit":-1},"cpu":{"quota":-1}}`, version: 252,
			v1: props{"MemoryLimit": infinite, "TasksMax": infinite, "CPUQuotaPerSecUSec": infinite},
			v2: props{"MemoryMax": infinite, "MemorySwapMax": infinite, "TasksMax": infinite, "CPUQuotaPerSecUSec": infinite},
		},
		{name: "no task", json: `{"pids":{"limit":0}}`, version: 252, v1: props{"TasksMax": uint64(1)}, v2: props{"TasksMax": uint64(1)}},
		{
			name: "cpu", json: `{"cpu":{"shares":1024,"quota":33333,"period":100000,"cpus":"0,8-9","mems":"1"}}`, version: 252,
			v1: props{"CPUShares": uint64(1024), "CPUQuotaPerSecUSec": uint64(340000), "CPUQuotaPeriodUSec": uint64(100000)},
			v2: props{
				"CPUWeight": uint64(100), "CPUQuotaPerSecUSec": uint64(340000), "CPUQuotaPeriodUSec": uint64(100000),
				"AllowedCPUs": []byte{1, 3}, "AllowedMemoryNodes": []byte{2},
			},
		},
		{
			name: "an old systemd", json: `{"cpu":{"quota":100000,"period":50000,"cpus":"0","idle":1}}`, version: 239,
			v1: props{"CPUQuotaPerSecUSec": uint64(2000000)}, v2: props{"CPUQuotaPerSecUSec": uint64(2000000)},
		},
		{name: "idle", json: `{"cpu":{"idle":1,"shares":5}}`, version: 252, v1: props{"CPUShares": uint64(5)}, v2: props{"CPUWeight": uint64(0)}},
		{name: "io", json: `{"blockIO":{"weight":1000}}`, version: 252, v1: props{"BlockIOWeight": uint64(1000)}, v2: props{"IOWeight": uint64(10000)}},
		{
			name: "unified", version: 252,
			json: `{"unified":{"memory.high":"5","memory.min":"max","cpu.max":"5000 10000","cpuset.cpus":"1","cpu.weight":"7","pids.max":"3","memory.low":"1G","x.y":"z"}}`,
			v2: props{
				"MemoryHigh": uint64(5), "MemoryMin": infinite, "CPUQuotaPerSecUSec": uint64(500000), "CPUQuotaPeriodUSec": uint64(10000),
				"AllowedCPUs": []byte{2}, "CPUWeight": uint64(7), "TasksMax": uint64(3),
			},
		},
	} {
		for unified, want := range map[bool]props{false: tc.v1, true: tc.v2} {
			if tc.name == "unified" && !unified {
				continue
			}
			got := props{}
			for _, p := range scopeLimits(resources(t, tc.json), unified, tc.version) {
				got[p.Name] = p.Value
			}
			if want == nil {
				want = props{}
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s, unified %v:\ngot  %v\nwant %v", tc.name, unified, got, want)
			}
		}
	}
}

// TestScopeDevices compares what systemd is told with the rules.
func TestScopeDevices(t *testing.T) {
	const always = "char-* m, block-* m, /dev/char/1:3 rwm, /dev/char/1:5 rwm, /dev/char/1:7 rwm, /dev/char/1:8 rwm, " +
		"/dev/char/1:9 rwm, /dev/char/5:0 rwm, char-136 rwm, /dev/char/5:2 rwm, /dev/char/10:200 rwm"
	for _, tc := range []struct{ name, json, want string }{
		{"none", `{}`, ""},
		{"nothing but what all have", `{"devices":[{"allow":false,"access":"rwm"}]}`, "strict: " + always},
		{"everything", `{"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"a","access":"rwm"}]}`, ""},
		{"all but one", `{"devices":[{"allow":false,"type":"b","major":8,"minor":0,"access":"rwm"}]}`, ""},
		{
			"some", `{"devices":[{"allow":true,"type":"c","major":7,"access":"r"},{"allow":false,"access":"rwm"},` +
				`{"allow":true,"type":"b","major":8,"minor":1,"access":"rw"},{"allow":true,"type":"b","major":9,"access":"rwm"},` +
				`{"allow":true,"type":"b","major":8,"minor":1,"access":"m"},{"allow":false,"type":"b","major":9,"access":"wm"},` +
				`{"allow":true,"type":"b","minor":5,"access":"rwm"},{"allow":true,"type":"c","major":4,"minor":4,"access":"w"},` +
				`{"allow":false,"type":"c","major":4,"minor":4,"access":"w"},{"allow":false,"type":"c","major":4,"minor":5,"access":"w"}]}`,
			"strict: /dev/block/8:1 rwm, block-9 r, " + always,
		},
	} {
		rules, err := deviceRules(resources(t, tc.json))
		if err != nil {
			t.Fatal(err)
		}
		var got string
		for _, p := range scopeDevices(rules) {
			if p.Name == "DevicePolicy" {
				got = fmt.Sprint(p.Value) + ":"
				continue
			}
			var names []string
			for _, d := range p.Value.([]deviceAllow) {
				names = append(names, d.Device+" "+d.Access)
			}
			got += " " + strings.Join(names, ", ")
		}
		if got != tc.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tc.name, got, tc.want)
		}
	}
}

// TestScopeWithoutSystemd says what is lacking, and leaves no process behind.
func TestScopeWithoutSystemd(t *testing.T) {
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+filepath.Join(t.TempDir(), "none"))
	_, err := Create(Config{Systemd: true, Scope: "manager-test-none.scope"})
	if Mode() != Disabled && (!errors.Is(err, errdefs.ErrUnavailable) || !strings.Contains(err.Error(), "systemd")) {
		t.Errorf("got %v", err)
	}
	_, err = Create(Config{Systemd: true, Scope: "a.scope", Annotations: map[string]string{"org.systemd.property.X": "'"}})
	if !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

// show asks systemctl for a property.
func show(t *testing.T, user bool, unit, property string) string {
	t.Helper()
	args := []string{"show", "--value", "-p", property, unit}
	if user {
		args = append([]string{"--user"}, args...)
	}
	out, err := exec.Command("systemctl", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("systemctl %v: %v %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// scopeLife makes a scope, puts a process into it, changes, reloads and removes it.
func scopeLife(t *testing.T, user bool) {
	name := fmt.Sprintf("manager-test-%d.scope", os.Getpid())
	cfg := Config{
		Systemd: true, UserBus: user, Rootless: user, Scope: name, Description: "a test",
		Resources:   resources(t, `{"memory":{"limit":104857600},"cpu":{"quota":50000,"period":100000},"pids":{"limit":70}}`),
		Annotations: map[string]string{"org.systemd.property.TimeoutStopSec": "uint64 7", "org.systemd.property.CollectMode": "'inactive-or-failed'"},
	}
	c, err := Create(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.KillAll(); _ = c.Remove() })
	if _, err := Create(cfg); !errors.Is(err, errdefs.ErrExists) {
		t.Errorf("a second one: %v", err)
	}
	d, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	cmd := enter(t, c)
	d.Close() // the holder goes, the scope stays
	for property, want := range map[string]string{
		"ActiveState": "active", "Delegate": "yes", "Description": "a test", "TimeoutStopUSec": "7s", "ControlGroup": c.Path(),
		"MemoryMax": "104857600", "CPUQuotaPerSecUSec": "500ms", "TasksMax": "70", "MemoryAccounting": "yes",
	} {
		if got := show(t, user, name, property); got != want {
			t.Errorf("%s is %q, want %q", property, got, want)
		}
	}
	mustSet(t, c, `{"memory":{"limit":52428800},"pids":{"limit":60}}`)
	reload := []string{"daemon-reload"}
	if user {
		reload = []string{"--user", "daemon-reload"}
	}
	if out, err := exec.Command("systemctl", reload...).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	reads(t, c, map[string]string{"memory/memory.max": "52428800", "pids/pids.max": "60", "cpu/cpu.max": "50000 100000"})
	if pids, err := c.PIDs(); err != nil || len(pids) != 1 || pids[0] != cmd.Process.Pid {
		t.Errorf("processes %v, %v", pids, err)
	}
	again, err := LoadConfig(Config{Path: c.Path(), Systemd: true, UserBus: user})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Sub("below"); err != nil {
		t.Errorf("it is not delegated: %v", err)
	}
	if err := again.KillAll(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if err := again.Remove(); err != nil {
		t.Fatal(err)
	}
	if state := show(t, user, name, "LoadState"); state != "not-found" {
		t.Errorf("the unit is left: %s", state)
	}
	if _, err := LoadConfig(Config{Path: c.Path(), Systemd: true, UserBus: user}); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("the cgroup is left: %v", err)
	}
	if err := again.Remove(); err != nil {
		t.Errorf("again: %v", err)
	}
}

func TestSystemdScope(t *testing.T) {
	testenv.Need(t, testenv.Root, testenv.Unified, testenv.Systemd)
	scopeLife(t, false)
}

// TestSystemdScopeV1 is the life of a scope where the controllers are in version 1 hierarchies: some of its directories are systemd's, and some
// ours. What systemd puts back when it is reloaded are the limits and the devices that were asked for.
func TestSystemdScopeV1(t *testing.T) {
	testenv.Need(t, testenv.Root, testenv.SystemdV1)
	name := fmt.Sprintf("manager-test-%d.scope", os.Getpid())
	c, err := Create(Config{
		Systemd: true, Scope: name, Description: "a test",
		Resources: resources(t, `{"memory":{"limit":104857600},"cpu":{"quota":50000,"period":100000,"shares":512},"pids":{"limit":70},`+
			`"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"b","major":7,"minor":0,"access":"r"}]}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.KillAll(); _ = c.Remove() })
	d, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	cmd := enter(t, c)
	d.Close() // the holder goes, the scope stays
	for property, want := range map[string]string{
		"ActiveState": "active", "Delegate": "yes", "Description": "a test", "ControlGroup": c.Path(), "DevicePolicy": "strict",
		"MemoryLimit": "104857600", "CPUQuotaPerSecUSec": "500ms", "CPUShares": "512", "TasksMax": "70",
	} {
		if got := show(t, false, name, property); got != want {
			t.Errorf("%s is %q, want %q", property, got, want)
		}
	}
	devices := func() []string {
		t.Helper()
		list, err := os.ReadFile(filepath.Join(c.dirOf("devices"), "devices.list"))
		if err != nil {
			t.Fatal(err)
		}
		rules := strings.Split(strings.TrimSpace(string(list)), "\n")
		slices.Sort(rules)
		return rules
	}
	before := devices()
	if len(before) != 12 || !slices.Contains(before, "b 7:0 r") {
		t.Errorf("devices %q", before)
	}
	mustSet(t, c, `{"memory":{"limit":52428800},"pids":{"limit":60}}`)
	if out, err := exec.Command("systemctl", "daemon-reload").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	reads(t, c, map[string]string{
		"memory/memory.limit_in_bytes": "52428800", "pids/pids.max": "60", "cpu/cpu.cfs_quota_us": "50000", "cpu/cpu.shares": "512",
	})
	if after := devices(); !slices.Equal(before, after) {
		t.Errorf("devices after a reload %q, before %q", after, before)
	}
	if pids, err := c.PIDs(); err != nil || len(pids) != 1 || pids[0] != cmd.Process.Pid {
		t.Errorf("processes %v, %v", pids, err)
	}
	dirs := c.dirs()
	again, err := LoadConfig(Config{Path: c.Path(), Systemd: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := again.KillAll(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if err := again.Remove(); err != nil {
		t.Fatal(err)
	}
	if state := show(t, false, name, "LoadState"); state != "not-found" {
		t.Errorf("the unit is left: %s", state)
	}
	for _, dir := range dirs {
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", dir, err)
		}
	}
}

func TestSystemdUserScope(t *testing.T) {
	testenv.Need(t, testenv.User, testenv.Unified, testenv.Systemd, testenv.Delegated)
	scopeLife(t, true)
}

// TestSystemdFailedUnit makes a scope in the place of one that failed.
func TestSystemdFailedUnit(t *testing.T) {
	testenv.Need(t, testenv.Root, testenv.Unified, testenv.Systemd)
	name := fmt.Sprintf("manager-test-failed-%d.scope", os.Getpid())
	cfg := Config{Systemd: true, Scope: name, Annotations: map[string]string{"org.systemd.property.RuntimeMaxSec": "1"}}
	c, err := Create(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for show(t, false, name, "ActiveState") != "failed" {
		if t.Context().Err() != nil {
			t.Fatal("it does not fail")
		}
	}
	c.unit.release()
	cfg.Annotations = nil
	if c, err = Create(cfg); err != nil {
		t.Fatal(err)
	}
	if err := c.Remove(); err != nil {
		t.Error(err)
	}
	if state := show(t, false, name, "LoadState"); state != "not-found" {
		t.Errorf("the unit is left: %s", state)
	}
}

// TestSystemdRefuses leaves nothing behind when systemd or the kernel refuses a value.
func TestSystemdRefuses(t *testing.T) {
	testenv.Need(t, testenv.Root, testenv.Unified, testenv.Systemd)
	name := fmt.Sprintf("manager-test-refused-%d.scope", os.Getpid())
	for _, cfg := range []Config{
		{Annotations: map[string]string{"org.systemd.property.NoSuchThing": "true"}},
		{Resources: resources(t, `{"unified":{"memory.high":"much"}}`)},
		{Slice: "no-such-thing"},
	} {
		cfg.Systemd, cfg.Scope = true, name
		if _, err := Create(cfg); err == nil {
			t.Errorf("%+v was accepted", cfg)
		}
		if state := show(t, false, name, "LoadState"); state != "not-found" {
			t.Errorf("the unit is left: %s", state)
		}
	}
}

// TestSystemdPrivateSocket does without a bus.
func TestSystemdPrivateSocket(t *testing.T) {
	testenv.Need(t, testenv.Root, testenv.Unified, testenv.Systemd)
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/run/systemd/private")
	conn, err := systemd.Connect(context.Background(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if conn.Version() < 200 {
		t.Errorf("version %d", conn.Version())
	}
	scopeLife(t, false)
}
