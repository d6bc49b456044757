package cgroups

import (
	"path/filepath"
	"testing"

	"github.com/manager-project/manager/internal/testenv"
)

func TestFormer(t *testing.T) {
	for _, tc := range []struct {
		name, json, file, now, want string
		v                           version
	}{
		{"one value", `{"pids":{"limit":5}}`, "pids.max", "max", "max", v1},
		{"another device", `{"blockIO":{"throttleReadBpsDevice":[{"major":8,"minor":1,"rate":5}]}}`, "blkio.throttle.read_bps_device", "8:16 7", "8:1 0", v1},
		{"of two", `{"blockIO":{"throttleReadBpsDevice":[{"major":8,"minor":1,"rate":5}]}}`, "blkio.throttle.read_bps_device", "8:16 7\n8:1 9", "8:1 9", v1},
		{"no line", `{"blockIO":{"throttleWriteIOPSDevice":[{"major":8,"minor":1,"rate":5}]}}`, "io.max", "", "8:1 wiops=max", v2},
		{"a line", `{"blockIO":{"throttleWriteIOPSDevice":[{"major":8,"minor":1,"rate":5}]}}`, "io.max", "8:1 rbps=max wbps=max riops=max wiops=9", "8:1 rbps=max wbps=max riops=max wiops=9", v2},
		{"weight", `{"blockIO":{"weight":500}}`, "io.weight", "default 300\n8:1 20", "default 300", v2},
		{"unreadable", `{"pids":{"limit":5}}`, "pids.max", "", "none", v2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := builder{r: resources(t, tc.json), version: func(string) version { return tc.v }, current: func(string, string) string { return "" }}
			list, err := b.settings()
			if err != nil || len(list) != 1 || list[0].file != tc.file {
				t.Fatalf("%v, %v", list, err)
			}
			got, ok := list[0].former(tc.now)
			if value := got.value; ok != (tc.want != "none") || ok && value != tc.want {
				t.Errorf("%q, %v, want %q", value, ok, tc.want)
			}
		})
	}
}

// TestRemember puts back what several writes changed, those of a disk too.
func TestRemember(t *testing.T) {
	testenv.Need(t, testenv.Root, testenv.V1)
	c := testCgroup(t, resources(t, `{"memory":{"limit":104857600,"swap":104857600},"pids":{"limit":50}}`))
	before := map[string]string{
		"memory/memory.limit_in_bytes": "104857600", "memory/memory.memsw.limit_in_bytes": "104857600", "pids/pids.max": "50",
	}
	change := `{"memory":{"limit":209715200,"swap":419430400},"pids":{"limit":-1}}`
	if devices, _ := filepath.Glob("/sys/block/*/dev"); len(devices) > 0 {
		if major, minor, err := parseDevice(readShort(devices[0])); err == nil {
			change = change[:len(change)-1] + `,"blockIO":{"throttleReadBpsDevice":[{"major":` + unsigned(major) + `,"minor":` + unsigned(minor) + `,"rate":1048576}]}}`
			before["blkio/blkio.throttle.read_bps_device"] = ""
		}
	}
	restore, err := c.Remember(resources(t, change))
	if err != nil {
		t.Fatal(err)
	}
	mustSet(t, c, change)
	reads(t, c, map[string]string{"memory/memory.limit_in_bytes": "209715200", "pids/pids.max": "max"})
	if err := restore(); err != nil {
		t.Fatal(err)
	}
	reads(t, c, before)
}
