package spec

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/pkg/errdefs"
)

// updateCase is a container's limits, what was asked for, and what becomes of them.
type updateCase struct {
	name, had string
	ask       func(*UpdateRequest)
	// v2 says that the host's controllers are on the unified hierarchy.
	v2 bool
	// config is what the container has then, write what is written to the kernel; err is in
	// place of both.
	config, write, err string
}

var updateCases = []updateCase{
	{
		name: "memory brings its swap", had: `{"memory":{"limit":67108864,"swap":134217728}}`,
		ask:    func(u *UpdateRequest) { u.Limits.Memory = "96m"; u.Changed["memory"] = true },
		config: `{"memory":{"limit":100663296,"swap":201326592}}`, write: `{"memory":{"limit":100663296,"swap":201326592}}`,
	},
	{
		name: "memory is checked where the kernel kills", had: `{}`, v2: true,
		ask:    func(u *UpdateRequest) { u.Limits.Memory = "96m"; u.Changed["memory"] = true },
		config: `{"memory":{"limit":100663296,"swap":201326592}}`,
		write:  `{"memory":{"limit":100663296,"swap":201326592,"checkBeforeUpdate":true}}`,
	},
	{
		name: "the rest of memory stays", had: `{"memory":{"limit":67108864,"swap":134217728,"reservation":8388608,"swappiness":5,"disableOOMKiller":true}}`,
		ask:    func(u *UpdateRequest) { u.Limits.MemoryReservation = "16m"; u.Changed["memory-reservation"] = true },
		config: `{"memory":{"limit":67108864,"reservation":16777216,"swap":134217728,"swappiness":5,"disableOOMKiller":true}}`,
		write:  `{"memory":{"reservation":16777216}}`,
	},
	{
		name: "swap alone", had: `{"memory":{"limit":67108864,"swap":134217728}}`,
		ask:    func(u *UpdateRequest) { u.Limits.MemorySwap = "-1"; u.Changed["memory-swap"] = true },
		config: `{"memory":{"limit":67108864,"swap":-1}}`, write: `{"memory":{"swap":-1}}`,
	},
	{
		name: "0 lifts memory with its swap", had: `{"memory":{"limit":67108864,"swap":134217728}}`,
		ask:    func(u *UpdateRequest) { u.Limits.Memory = "0"; u.Changed["memory"] = true },
		config: `{}`, write: `{"memory":{"limit":-1,"swap":-1}}`,
	},
	{
		name: "reservation above the limit that is there", had: `{"memory":{"limit":67108864,"swap":134217728}}`,
		ask: func(u *UpdateRequest) { u.Limits.MemoryReservation = "65m"; u.Changed["memory-reservation"] = true },
		err: "--memory-reservation",
	},
	{
		name: "limit below the reservation that is there", had: `{"memory":{"limit":67108864,"swap":134217728,"reservation":33554432}}`,
		ask: func(u *UpdateRequest) { u.Limits.Memory = "16m"; u.Changed["memory"] = true },
		err: "--memory-reservation",
	},
	{
		name: "swappiness on version 2", had: `{}`, v2: true,
		ask: func(u *UpdateRequest) { u.Limits.MemorySwappiness = 5; u.Changed["memory-swappiness"] = true },
		err: "--memory-swappiness",
	},
	{
		name: "cpus in place of a quota", had: `{"cpu":{"shares":512,"quota":5000,"period":10000,"cpus":"0"}}`,
		ask:    func(u *UpdateRequest) { u.Limits.CPUs = 2; u.Changed["cpus"] = true },
		config: `{"cpu":{"shares":512,"quota":200000,"period":100000,"cpus":"0"}}`, write: `{"cpu":{"quota":200000,"period":100000}}`,
	},
	{
		name: "quota and shares are lifted", had: `{"cpu":{"shares":512,"quota":5000}}`,
		ask: func(u *UpdateRequest) {
			u.Limits.CPUQuota = -1
			u.Changed["cpu-quota"], u.Changed["cpu-shares"] = true, true
		},
		config: `{}`, write: `{"cpu":{"shares":1024,"quota":-1}}`,
	},
	{
		name: "no limit of tasks", had: `{"pids":{"limit":5}}`,
		ask:    func(u *UpdateRequest) { u.Limits.PidsLimit = ptr(int64(0)); u.Changed["pids-limit"] = true },
		config: `{}`, write: `{"pids":{"limit":-1}}`,
	},
	{
		name: "devices by their numbers", had: `{"blockIO":{"weight":100,"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":5},{"major":8,"minor":1,"rate":7}]}}`,
		ask: func(u *UpdateRequest) {
			u.Limits.DeviceReadBPS = []string{"/dev/sda:1k"}
			u.Changed["device-read-bps"] = true
		},
		config: `{"blockIO":{"weight":100,"throttleReadBpsDevice":[{"major":8,"minor":1,"rate":7},{"major":8,"minor":0,"rate":1024}]}}`,
		write:  `{"blockIO":{"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":1024}]}}`,
	},
	{
		name: "a device's rate is lifted", had: `{"blockIO":{"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":5}]}}`,
		ask: func(u *UpdateRequest) {
			u.Limits.DeviceReadBPS = []string{"/dev/sda:0"}
			u.Changed["device-read-bps"] = true
		},
		config: `{"blockIO":{}}`, write: `{"blockIO":{"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":0}]}}`,
	},
}

func TestUpdate(t *testing.T) {
	for _, c := range updateCases {
		t.Run(c.name, func(t *testing.T) {
			cfg := &Config{}
			cfg.Limits.Resources = &specs.LinuxResources{}
			if err := json.Unmarshal([]byte(c.had), cfg.Limits.Resources); err != nil {
				t.Fatal(err)
			}
			host := testHost()
			host.CgroupV2 = c.v2
			host.DeviceNumber = func(string) (int64, int64, error) { return 8, 0, nil }
			req := &UpdateRequest{Changed: map[string]bool{}}
			req.Limits.MemorySwappiness = -1
			c.ask(req)
			change, err := Update(cfg, req, host)
			if had := string(mustJSON(t, cfg.Limits.Resources)); had != string(mustJSON(t, resourcesOf(t, c.had))) {
				t.Errorf("the former Config became %s", had)
			}
			if c.err != "" {
				if err == nil || !strings.HasPrefix(err.Error(), c.err) {
					t.Errorf("%v, want %s", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := string(mustJSON(t, change.Config.Limits.Resources)); got != c.config {
				t.Errorf("config %s\nwant   %s", got, c.config)
			}
			if got := string(mustJSON(t, change.Resources)); got != c.write {
				t.Errorf("written %s\nwant    %s", got, c.write)
			}
		})
	}
}

func resourcesOf(t *testing.T, text string) *specs.LinuxResources {
	t.Helper()
	r := &specs.LinuxResources{}
	if err := json.Unmarshal([]byte(text), r); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestUpdateProcess changes what only later processes see, and writes nothing.
func TestUpdateProcess(t *testing.T) {
	cfg := &Config{}
	cfg.Process.Env = []string{"A=1", "B=2"}
	cfg.Process.Rlimits = []Limit{{"RLIMIT_CORE", 0, 0}, {"RLIMIT_NOFILE", 5, 5}}
	req := &UpdateRequest{Env: []string{"C=3", "A=4"}, UnsetEnv: []string{"B"}, Changed: map[string]bool{"env": true, "unsetenv": true, "ulimit": true}}
	req.Limits.Ulimit = []string{"nofile=7:9"}
	change, err := Update(cfg, req, testHost())
	if err != nil {
		t.Fatal(err)
	}
	if got := string(mustJSON(t, change.Config.Process.Env)); got != `["A=4","C=3"]` {
		t.Errorf("env %s", got)
	}
	if got := string(mustJSON(t, change.Config.Process.Rlimits)); got != `[{"type":"RLIMIT_CORE","soft":0,"hard":0},{"type":"RLIMIT_NOFILE","soft":7,"hard":9}]` {
		t.Errorf("limits %s", got)
	}
	if change.Resources != nil || cfg.Process.Env[0] != "A=1" {
		t.Errorf("%v, %v", change.Resources, cfg.Process.Env)
	}
	cfg.Limits.Disabled = true
	req.Limits.CPUs, req.Changed["cpus"] = 1, true
	if _, err := Update(cfg, req, testHost()); !errors.Is(err, errdefs.ErrUnsupported) {
		t.Errorf("limits without a cgroup: %v", err)
	}
	if _, err := Update(cfg, &UpdateRequest{}, testHost()); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("nothing asked for: %v", err)
	}
}
