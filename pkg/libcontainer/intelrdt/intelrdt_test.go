package intelrdt

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/manager-project/manager/pkg/errdefs"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// fake is a directory that fills new directories as resctrl does.
func fake(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	fill := func(dir string) {
		for name, text := range map[string]string{"schemata": "    L3:0=ff;1=ff\n    MB:0=100;1= 50\n", "tasks": ""} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	mkdir = func(dir string, mode os.FileMode) error {
		if err := os.Mkdir(dir, mode); err != nil {
			return err
		}
		fill(dir)
		return os.MkdirAll(filepath.Join(dir, "mon_groups"), 0o755)
	}
	rmdir = os.RemoveAll
	t.Cleanup(func() { mkdir, rmdir = os.Mkdir, os.Remove })
	fill(root)
	for _, d := range []string{"mon_groups", "info", "admin", "admin/mon_groups"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	fill(root + "/admin")
	return root
}

func create(root, id string, r *specs.LinuxIntelRdt) (*Group, error) {
	g, err := Find(root, id, r)
	if err == nil {
		err = g.Make()
	}
	return g, err
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func exists(path ...string) bool {
	_, err := os.Stat(filepath.Join(path...))
	return err == nil
}

func TestOwnClassOfAContainer(t *testing.T) {
	root := fake(t)
	g, err := create(root, "box", &specs.LinuxIntelRdt{L3CacheSchema: "L3:0=f", MemBwSchema: "MB:0=20", Schemata: []string{"L2:0=3"}, EnableMonitoring: true})
	if err != nil {
		t.Fatal(err)
	}
	// A plain file keeps what was written last over what was longer: the order is seen from its beginning.
	if got := read(t, root, "box/schemata"); !strings.HasPrefix(got, "L2:0=3\n") {
		t.Errorf("schemata %q", got)
	}
	if err := g.Add(77); err != nil {
		t.Fatal(err)
	}
	if read(t, root, "box/tasks") != "77\n" || read(t, root, "box/mon_groups/box/tasks") != "77\n" || read(t, root, "tasks") != "" {
		t.Error("the process is not where it belongs")
	}
	if err := g.Set(&specs.LinuxIntelRdt{L3CacheSchema: "L3:0=1"}); err != nil || !strings.HasPrefix(read(t, root, "box/schemata"), "L3:0=1\n") {
		t.Error(err)
	}
	if _, err := create(root, "box", &specs.LinuxIntelRdt{}); !errors.Is(err, errdefs.ErrExists) {
		t.Errorf("a second of the name: %v", err)
	}
	for range 2 {
		if err := g.Remove(); err != nil {
			t.Fatal(err)
		}
	}
	if exists(root, "box") {
		t.Error("the class is still there")
	}
}

func TestNothingIsWrittenWithoutSchemata(t *testing.T) {
	root := fake(t)
	before := read(t, root, "admin/schemata")
	g, err := create(root, "box", &specs.LinuxIntelRdt{ClosID: "admin", EnableMonitoring: true})
	if err != nil || g.Made || g.Monitor != filepath.Join(root, "admin/mon_groups/box") {
		t.Fatalf("%+v, %v", g, err)
	}
	if got := read(t, root, "admin/schemata"); got != before {
		t.Errorf("schemata %q", got)
	}
	if err := g.Set(&specs.LinuxIntelRdt{L3CacheSchema: "L3:0=1"}); !errors.Is(err, errdefs.ErrState) {
		t.Error(err)
	}
	if err := g.Remove(); err != nil || !exists(root, "admin") || exists(root, "admin/mon_groups/box") {
		t.Errorf("after removal: %v", err)
	}
}

func TestClassesOfOthersMustMatch(t *testing.T) {
	root := fake(t)
	for name, c := range map[string]struct {
		r    specs.LinuxIntelRdt
		want error
	}{
		"equal":               {specs.LinuxIntelRdt{ClosID: "admin", L3CacheSchema: "L3:0=0ff", MemBwSchema: "MB:1=50"}, nil},
		"the root":            {specs.LinuxIntelRdt{ClosID: "/", L3CacheSchema: "L3:0=ff"}, nil},
		"another mask":        {specs.LinuxIntelRdt{ClosID: "admin", L3CacheSchema: "L3:0=f"}, errdefs.ErrInvalid},
		"no such domain":      {specs.LinuxIntelRdt{ClosID: "admin", L3CacheSchema: "L3:7=ff"}, errdefs.ErrInvalid},
		"another line":        {specs.LinuxIntelRdt{ClosID: "admin", Schemata: []string{"L2:0=1"}}, errdefs.ErrInvalid},
		"not there":           {specs.LinuxIntelRdt{ClosID: "nothing"}, errdefs.ErrNotFound},
		"monitoring is there": {specs.LinuxIntelRdt{ClosID: "admin", EnableMonitoring: true}, errdefs.ErrInvalid},
	} {
		if name == "monitoring is there" {
			if err := os.Mkdir(root+"/admin/mon_groups/box", 0o755); err != nil {
				t.Fatal(err)
			}
		}
		g, err := create(root, "box", &c.r)
		if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && g.Made {
			t.Errorf("%s: counts as ours", name)
		}
	}
}

func TestNamedClassOutlivesItsContainer(t *testing.T) {
	root := fake(t)
	g, err := create(root, "box", &specs.LinuxIntelRdt{ClosID: "gold", L3CacheSchema: "L3:0=f"})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Remove(); err != nil || !exists(root, "gold") {
		t.Errorf("the named class went with its first container: %v", err)
	}
}

func TestFailureLeavesNothing(t *testing.T) {
	root := fake(t)
	made := mkdir
	mkdir = func(dir string, mode os.FileMode) error { // as when the hardware has no group left
		if strings.Contains(dir, "mon_groups") {
			return os.ErrPermission
		}
		return made(dir, mode)
	}
	if err := os.WriteFile(root+"/info/last_cmd_status", []byte("no free RMID\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := create(root, "box", &specs.LinuxIntelRdt{L3CacheSchema: "L3:0=f", EnableMonitoring: true})
	if err == nil || !strings.Contains(err.Error(), "linux.intelRdt.enableMonitoring") || !strings.Contains(err.Error(), "(no free RMID)") {
		t.Error(err)
	}
	if exists(root, "box") {
		t.Error("the class was left")
	}
}

func TestRootOfTheMount(t *testing.T) {
	got, err := rootIn(strings.NewReader("1 2 0:3 / / rw - ext4 /dev/sda rw\n2 1 0:4 / /sys/fs/res\\040ctrl rw shared:1 - resctrl resctrl rw\n"))
	if err != nil || got != "/sys/fs/res ctrl" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := rootIn(strings.NewReader("1 2 0:3 / /resctrl rw - tmpfs resctrl rw\n")); !errors.Is(err, errdefs.ErrUnsupported) {
		t.Error(err)
	}
}

func TestStats(t *testing.T) {
	root := fake(t)
	g, err := create(root, "box", &specs.LinuxIntelRdt{EnableMonitoring: true})
	if err != nil {
		t.Fatal(err)
	}
	s, err := g.Stats(root)
	if err != nil || !reflect.DeepEqual(s, Stats{}) {
		t.Errorf("hardware without anything: %+v, %v", s, err)
	}
	for name, text := range map[string]string{
		"info/L3/cbm_mask": "fffff\n", "info/L3/min_cbm_bits": "2\n", "info/L3/num_closids": "16\n",
		"info/MB/bandwidth_gran": "10\n", "info/MB/min_bandwidth": "10\n", "info/MB/num_closids": "8\n", "info/MB/delay_linear": "1\n",
		"box/schemata": "    L3:0=f;1=ff\n    MB:0= 20;1=100\n",
		"box/mon_groups/box/mon_data/mon_L3_00/mbm_total_bytes": "300\n",
		"box/mon_groups/box/mon_data/mon_L3_00/mbm_local_bytes": "200\n",
		"box/mon_groups/box/mon_data/mon_L3_00/llc_occupancy":   "100\n",
		"box/mon_groups/box/mon_data/mon_L3_01/llc_occupancy":   "Unavailable\n",
		"box/mon_data/mon_L3_00/llc_occupancy":                  "999\n",
	} {
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	s, err = g.Stats(root)
	b, _ := json.Marshal(s)
	const want = `{"l3_cache_info":{"cbm_mask":"fffff","min_cbm_bits":2,"num_closids":16},"l3_cache_schema_root":"L3:0=ff;1=ff",` +
		`"l3_cache_schema":"L3:0=f;1=ff","mem_bw_info":{"bandwidth_gran":10,"delay_linear":1,"min_bandwidth":10,"num_closids":8},` +
		`"mem_bw_schema_root":"MB:0=100;1=50","mem_bw_schema":"MB:0=20;1=100",` +
		`"mbm_stats":[{"mbm_total_bytes":300,"mbm_local_bytes":200}],"cmt_stats":[{"llc_occupancy":100},{"llc_occupancy":0}]}`
	if err != nil || string(b) != want {
		t.Errorf("got  %s, %v\nwant %s", b, err, want)
	}
	if err := os.RemoveAll(filepath.Join(root, "box")); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Stats(root); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without the class: %v", err)
	}
}
