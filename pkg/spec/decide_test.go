package spec

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/manager-project/manager/pkg/errdefs"
)

func ptr[T any](v T) *T { return &v }

// decideCase changes testRequest, looks at one part of the Config and compares it as JSON.
type decideCase struct {
	name   string
	change func(*Request, *ImageConfig, *Defaults, *Host)
	look   func(*Config) any
	want   string
}

func args(c *Config) any { return c.Process.Args }
func env(c *Config) any  { return c.Process.Env }
func res(c *Config) any  { return c.Limits.Resources }
func caps(c *Config) any { return c.Security.Capabilities }
func systemd(c *Config) any {
	return []any{c.Process.Systemd, c.Process.SystemdTmpfsSize, c.Life.StopSignal}
}

func TestDecide(t *testing.T) {
	for _, c := range decideCases {
		t.Run(c.name, func(t *testing.T) {
			req, img, def, host := testRequest(), testImage(), Builtin(), testHost()
			c.change(req, img, def, host)
			cfg, _, err := Decide(req, img, def, host)
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.Marshal(c.look(cfg))
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if again, err := roundTrip(cfg); err != nil || again != string(mustJSON(t, cfg)) {
				t.Errorf("the Config does not survive JSON: %v", err)
			}
		})
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func roundTrip(cfg *Config) (string, error) {
	b, err := json.Marshal(cfg)
	if err != nil {
		return "", err
	}
	var again Config
	if err := json.Unmarshal(b, &again); err != nil {
		return "", err
	}
	b, err = json.Marshal(&again)
	return string(b), err
}

var decideCases = []decideCase{
	{"command of the image", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) { r.Command = nil }, args, `["sh"]`},
	{"command of the user", func(r *Request, i *ImageConfig, _ *Defaults, _ *Host) { i.Entrypoint = []string{"/e"} }, args, `["/e","true"]`},
	{"entrypoint and command of the image", func(r *Request, i *ImageConfig, _ *Defaults, _ *Host) {
		r.Command, i.Entrypoint = nil, []string{"/e"}
	}, args, `["/e","sh"]`},
	{"entrypoint drops the image's command", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) {
		r.Command, r.Process.Entrypoint = nil, ptr("/mine x")
	}, args, `["/mine x"]`},
	{"entrypoint as JSON", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) { r.Process.Entrypoint = ptr(`["/a","b c"]`) }, args, `["/a","b c","true"]`},
	{"entrypoint that only looks like JSON", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) { r.Process.Entrypoint = ptr(`[`) }, args, `["[","true"]`},
	{"empty entrypoint", func(r *Request, i *ImageConfig, _ *Defaults, _ *Host) {
		i.Entrypoint, r.Process.Entrypoint = []string{"/e"}, ptr("")
	}, args, `["true"]`},

	{"env of all sources", func(r *Request, _ *ImageConfig, d *Defaults, _ *Host) {
		d.Env = []string{"FROM=conf", "CONF=1"}
		r.Process.EnvFile, r.Process.Env = []string{"env"}, []string{"B=cmd", "NEW=a=b", "EMPTY="}
	}, env, `["PATH=/bin","FROM=host","CONF=1","http_proxy=http://proxy:3128","A=1","B=cmd","NEW=a=b","EMPTY="]`},
	{"env by name and prefix", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) {
		r.Process.HTTPProxy, r.Process.Env = false, []string{"FROM", "NOSUCH", "LC_*"}
	}, env, `["PATH=/bin","FROM=host","LC_ALL=C","LC_TIME=de"]`},
	{
		"env of the host", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) { r.Process.EnvHost = true }, env,
		`["PATH=/bin","HOME=/home/u","FROM=image","LC_ALL=C","LC_TIME=de","http_proxy=http://proxy:3128"]`,
	},
	{"env-merge", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) {
		r.Process.HTTPProxy, r.Process.EnvMerge = false, []string{"PATH=${PATH}:/x", "N=$FROM"}
	}, env, `["PATH=/bin:/x","FROM=image","N=image"]`},
	{"unsetenv", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) {
		r.Process.UnsetEnv, r.Process.Env = []string{"FROM", "http_proxy", "NOSUCH"}, []string{"X=1"}
	}, env, `["PATH=/bin","X=1"]`},
	{"unsetenv-all keeps --env", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) {
		r.Process.UnsetEnvAll, r.Process.Env = true, []string{"X=1"}
	}, env, `["X=1"]`},
	{"TERM with a terminal", func(r *Request, i *ImageConfig, _ *Defaults, _ *Host) {
		r.Process.TTY, r.Process.HTTPProxy, i.Env = true, false, nil
	}, env, `["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","TERM=xterm"]`},
	{"env of a hostile image", func(r *Request, i *ImageConfig, _ *Defaults, _ *Host) { // CVE-2026-57231
		r.Process.HTTPProxy, i.Env = false, []string{"FROM", "*", "LC_*", "=x", "OK=1", "NUL=\x00"}
	}, env, `["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","OK=1"]`},

	{"workdir", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) { r.Process.Workdir = "/a/../b" }, func(c *Config) any { return c.Process.Workdir }, `"/b"`},
	{"workdir of the image", func(_ *Request, i *ImageConfig, _ *Defaults, _ *Host) { i.WorkingDir = "../srv" }, func(c *Config) any { return c.Process.Workdir }, `"/srv"`},
	{"no workdir", func(*Request, *ImageConfig, *Defaults, *Host) {}, func(c *Config) any { return c.Process.Workdir }, `"/"`},
	{"user over image", func(r *Request, i *ImageConfig, _ *Defaults, _ *Host) { i.User, r.Process.User = "app", "5:6" }, func(c *Config) any { return c.Process.User }, `"5:6"`},
	{"user of the image", func(_ *Request, i *ImageConfig, _ *Defaults, _ *Host) { i.User = "app" }, func(c *Config) any { return c.Process.User }, `"app"`},
	{"descriptors", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) {
		r.Process.PreserveFDs, r.Process.PreserveFD = 2, []uint{9, 4}
	}, func(c *Config) any { return c.Process.PreserveFDs }, `[3,4,9]`},
	{"umask", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) { r.Process.Umask = "077" }, func(c *Config) any { return c.Process.Umask }, `"077"`},
	{"time zone", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) { r.Process.TZ = "Europe/Berlin" }, func(c *Config) any { return c.Process.Timezone }, `"Europe/Berlin"`},
	{"personality", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) { r.Process.Personality = "linux32" }, func(c *Config) any { return c.Process.Personality }, `"LINUX32"`},
	{"rootfs", func(r *Request, i *ImageConfig, _ *Defaults, _ *Host) { r.Mounts.Rootfs, r.Image = true, "./root:O" }, func(c *Config) any { return c.Rootfs }, `{"path":"/home/u/root","overlay":true}`},
	{"read-only", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) { r.Mounts.ReadOnly = true }, func(c *Config) any { return c.Rootfs }, `{"read_only":true,"read_only_tmpfs":true}`},

	{
		"namespaces on version 2", func(*Request, *ImageConfig, *Defaults, *Host) {}, func(c *Config) any { return c.Namespaces },
		`{"ipc":{"mode":"private"},"pid":{"mode":"private"},"uts":{"mode":"private"},"cgroup":{"mode":"private"}}`,
	},
	{
		"namespaces on version 1", func(_ *Request, _ *ImageConfig, d *Defaults, h *Host) { h.CgroupV2 = false; d.PIDNS = "host" }, func(c *Config) any { return c.Namespaces },
		`{"ipc":{"mode":"private"},"pid":{"mode":"host"},"uts":{"mode":"private"},"cgroup":{"mode":"host"}}`,
	},
	{
		"joined namespaces", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) {
			r.Namespace.IPC, r.Namespace.PID, r.Namespace.UTS = "container:shared", "container:db", "ns:/proc/1/ns/uts"
		}, func(c *Config) any { return []any{c.Namespaces, c.Dependencies} },
		`[{"ipc":{"mode":"container","target":"id-shared"},"pid":{"mode":"container","target":"id-db"},"uts":{"mode":"ns","target":"/proc/1/ns/uts"},"cgroup":{"mode":"private"}},["id-shared","id-db"]]`,
	},
	{"network by default", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) { r.Net.Network = nil }, func(c *Config) any { return c.Net.Namespace }, `{"mode":"private"}`},
	{
		"host network takes the host's name", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) { r.Net.Network = []string{"host"} }, func(c *Config) any { return c.Net },
		`{"namespace":{"mode":"host"},"hostname":"thehost"}`,
	},
	{"network of a container", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) { r.Net.Network = []string{"container:db"} }, func(c *Config) any { return c.Net.Namespace }, `{"mode":"container","target":"id-db"}`},
	{"hostname", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) { r.Process.Hostname = "web.example" }, func(c *Config) any { return c.Net.Hostname }, `"web.example"`},
	{"host uts has the host's name", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) { r.Namespace.UTS = "host" }, func(c *Config) any { return c.Net.Hostname }, `"thehost"`},
	{"dns", func(r *Request, _ *ImageConfig, d *Defaults, _ *Host) {
		r.Net.DNS, r.Net.DNSOption, d.DNSSearch = []string{"1.1.1.1", "::1"}, []string{"ndots:2"}, []string{"example.com"}
	}, func(c *Config) any { return c.Net }, `{"namespace":{"mode":"none"},"hostname":"0123456789ab","dns":["1.1.1.1","::1"],"dns_options":["ndots:2"],"dns_search":["example.com"]}`},
	{"dns none", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) { r.Net.DNS = []string{"none"} }, func(c *Config) any { return c.Net.NoResolvConf }, `true`},
	{"add-host", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) {
		r.Net.AddHost = []string{"a;b:1.2.3.4", "six:[::1]", "seven:fe80::1", "up:host-gateway"}
	}, func(c *Config) any { return c.Net.Hosts }, `["1.2.3.4 a b","::1 six","fe80::1 seven","host-gateway up"]`},
	{"expose", func(r *Request, i *ImageConfig, _ *Defaults, _ *Host) {
		i.ExposedPorts, r.Net.Expose = []string{"80/tcp", "bogus"}, []string{"53/udp", "80", "8000-8002"}
	}, func(c *Config) any { return c.Net.Expose }, `["80/tcp","53/udp","8000/tcp","8001/tcp","8002/tcp"]`},

	{"memory doubles into swap", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) { r.Limits.Memory = "64m" }, func(c *Config) any { return c.Limits.Resources.Memory }, `{"limit":67108864,"swap":134217728}`},
	{"memory, all", func(r *Request, _ *ImageConfig, _ *Defaults, h *Host) {
		h.CgroupV2 = false
		r.Limits = LimitRequest{Memory: "1g", MemoryReservation: "512m", MemorySwap: "-1", MemorySwappiness: 0, OOMKillDisable: true}
		r.Changed["memory-swappiness"] = true
	}, func(c *Config) any { return c.Limits.Resources.Memory }, `{"limit":1073741824,"reservation":536870912,"swap":-1,"swappiness":0,"disableOOMKiller":true}`},
	{"cpus", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) { r.Limits.CPUs = 0.5 }, func(c *Config) any { return c.Limits.Resources.CPU }, `{"quota":50000,"period":100000}`},
	{"cpu words", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) {
		r.Limits.CPUShares, r.Limits.CPUPeriod, r.Limits.CPUQuota, r.Limits.CpusetCPUs, r.Limits.CpusetMems = 512, 50000, -1, "0-1,3", "0"
	}, func(c *Config) any { return c.Limits.Resources.CPU }, `{"shares":512,"quota":-1,"period":50000,"cpus":"0-1,3","mems":"0"}`},
	{"pids default", func(*Request, *ImageConfig, *Defaults, *Host) {}, res, `{"pids":{"limit":2048}}`},
	{"pids unlimited", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) { r.Limits.PidsLimit = ptr(int64(-1)) }, res, `{}`},
	{"pids of the user", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) { r.Limits.PidsLimit = ptr(int64(7)) }, res, `{"pids":{"limit":7}}`},
	{
		"block devices", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) {
			r.Limits.BlkioWeight, r.Limits.BlkioWeightDevice = "300", []string{"/dev/sda:500"}
			r.Limits.DeviceReadBPS, r.Limits.DeviceWriteIOPS = []string{"/dev/sda:1mb"}, []string{"/dev/sda:1000"}
		}, func(c *Config) any { return c.Limits.Resources.BlockIO },
		`{"weight":300,"weightDevice":[{"major":8,"minor":0,"weight":500}],"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":1048576}],"throttleWriteIOPSDevice":[{"major":8,"minor":0,"rate":1000}]}`,
	},
	{"cgroup-conf", func(r *Request, _ *ImageConfig, d *Defaults, _ *Host) {
		d.CgroupConf, r.Limits.CgroupConf = []string{"memory.high=1", "memory.min=2"}, []string{"memory.high=3"}
	}, func(c *Config) any { return c.Limits.Resources.Unified }, `{"memory.high":"3","memory.min":"2"}`},
	{"cgroup-parent", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) { r.Limits.CgroupParent = "a/b/" }, func(c *Config) any { return c.Limits.CgroupParent }, `"/a/b"`},
	{"device rules", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) {
		r.Security.DeviceCgroupRule = []string{"c 1:3 rwm", "b 8:* r"}
	}, func(c *Config) any { return c.Limits.Resources.Devices }, `[{"allow":true,"type":"c","major":1,"minor":3,"access":"rwm"},{"allow":true,"type":"b","major":8,"access":"r"}]`},

	{
		"ulimits lowered to the host", func(_ *Request, _ *ImageConfig, d *Defaults, _ *Host) {
			d.Ulimits = []string{"nofile=500000:600000", "core=0"}
		}, func(c *Config) any { return c.Process.Rlimits },
		`[{"type":"RLIMIT_CORE","soft":0,"hard":0},{"type":"RLIMIT_NOFILE","soft":20000,"hard":20000},{"type":"RLIMIT_NPROC","soft":4194304,"hard":4194304}]`,
	},
	{
		"ulimits of the user", func(r *Request, _ *ImageConfig, _ *Defaults, h *Host) {
			h.CanRaiseRlimits = true
			r.Limits.Ulimit = []string{"nofile=30000", "nproc=5:-1"}
		}, func(c *Config) any { return c.Process.Rlimits },
		`[{"type":"RLIMIT_NOFILE","soft":30000,"hard":30000},{"type":"RLIMIT_NPROC","soft":5,"hard":18446744073709551615}]`,
	},
	{
		"ulimits of the host", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) { r.Limits.Ulimit = []string{"host"} }, func(c *Config) any { return c.Process.Rlimits },
		`[{"type":"RLIMIT_CORE","soft":0,"hard":18446744073709551615},{"type":"RLIMIT_NOFILE","soft":1024,"hard":20000}]`,
	},

	{"sysctls", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) {
		r.Security.Sysctl = []string{"net.core.somaxconn=5", "kernel.msgmax=8", "fs/mqueue/msg_max=9"}
	}, func(c *Config) any { return c.Security.Sysctl }, `{"fs.mqueue.msg_max":"9","kernel.msgmax":"8","net.core.somaxconn":"5","net.ipv4.ping_group_range":"0 0"}`},
	{"default sysctl not in the host's namespace", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) { r.Net.Network = []string{"host"} }, func(c *Config) any { return c.Security.Sysctl }, `null`},

	{"caps added and dropped", func(r *Request, _ *ImageConfig, d *Defaults, _ *Host) {
		d.Capabilities = []string{"chown", "KILL"}
		r.Security.CapAdd, r.Security.CapDrop = []string{"net_admin", "CAP_NET_ADMIN"}, []string{"cap_kill"}
	}, caps, `["CAP_CHOWN","CAP_NET_ADMIN"]`},
	{"caps all dropped, one added", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) {
		r.Security.CapDrop, r.Security.CapAdd = []string{"all"}, []string{"KILL"}
	}, caps, `["CAP_KILL"]`},
	{"caps all that can be given", func(r *Request, _ *ImageConfig, _ *Defaults, h *Host) {
		h.Capabilities = []string{"CAP_CHOWN", "CAP_KILL", "CAP_BPF"}
		r.Security.CapAdd, r.Security.CapDrop = []string{"ALL"}, []string{"BPF"}
	}, caps, `["CAP_CHOWN","CAP_KILL"]`},
	{"privileged", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) { r.Security.Privileged = true }, func(c *Config) any {
		return []any{len(c.Security.Capabilities), c.Security.Seccomp, c.Security.LabelDisabled, len(c.Security.MaskedPaths), len(c.Security.ReadonlyPaths)}
	}, `[41,"unconfined",true,0,0]`},
	{"security options", func(r *Request, _ *ImageConfig, _ *Defaults, h *Host) {
		h.AppArmor = true
		r.Security.SecurityOpt = []string{"seccomp=unconfined", "no-new-privileges", "apparmor=mine", "label=disable", "proc-opts=hidepid=2,subset=pid"}
	}, func(c *Config) any {
		s := c.Security
		return []any{s.Seccomp, s.NoNewPrivileges, s.AppArmor, s.LabelDisabled, s.ProcOptions}
	}, `["unconfined",true,"mine",true,["hidepid=2","subset=pid"]]`},
	{
		"masks", func(r *Request, _ *ImageConfig, _ *Defaults, h *Host) {
			h.ThrottlePaths = []string{"/sys/devices/system/cpu/cpu0/thermal_throttle"}
			r.Security.SecurityOpt = []string{"unmask=/proc/*", "unmask=/sys/firmware:/sys/dev/block", "mask=/a:/b/"}
		}, func(c *Config) any { return []any{c.Security.MaskedPaths, c.Security.ReadonlyPaths} },
		`[["/sys/devices/virtual/powercap","/sys/fs/selinux","/sys/devices/system/cpu/cpu0/thermal_throttle","/a","/b"],[]]`,
	},
	{"unmask ALL", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) {
		r.Security.SecurityOpt = []string{"systempaths=unconfined"}
	}, func(c *Config) any { return []any{c.Security.MaskedPaths, c.Security.ReadonlyPaths} }, `[null,null]`},
	{"seccomp file", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) {
		r.Security.SecurityOpt = []string{"seccomp=seccomp.json"}
	}, func(c *Config) any { return []any{c.Security.Seccomp, len(c.Security.SeccompProfile) > 0} }, `["/home/u/seccomp.json",true]`},
	{
		"devices", func(r *Request, _ *ImageConfig, d *Defaults, _ *Host) {
			d.Devices = []string{"/dev/fuse"}
			r.Security.Device = []string{"/dev/sda:r", "/dev/a:/dev/b", "/dev/a:/dev/c:rw", "vendor.com/gpu=all"}
		}, func(c *Config) any { return []any{c.Security.Devices, c.Security.CDIDevices} },
		`[[{"host":"/dev/fuse","container":"/dev/fuse","permissions":"rwm"},{"host":"/dev/sda","container":"/dev/sda","permissions":"r"},{"host":"/dev/a","container":"/dev/b","permissions":"rwm"},{"host":"/dev/a","container":"/dev/c","permissions":"rw"}],["vendor.com/gpu=all"]]`,
	},

	{"labels", func(r *Request, i *ImageConfig, _ *Defaults, _ *Host) { // CVE-2026-53488
		i.Labels = map[string]string{"x": "image", "z": "i", "run.oci.handler": "krun", "org.systemd.property.X": "y", "io.podman.annotations.a": "b", "org.criu.config": "c"}
		r.Life.LabelFile, r.Life.Label = []string{"labels"}, []string{"w=a=b"}
	}, func(c *Config) any { return []any{c.Labels, c.Annotations} }, `[{"w":"a=b","x":"1","y":"","z":"i"},null]`},
	{"stop", func(r *Request, i *ImageConfig, _ *Defaults, _ *Host) {
		i.StopSignal, r.Life.StopTimeout, r.Life.RemoveImage = "SIGQUIT", ptr(uint(3)), true
	}, func(c *Config) any { return c.Life }, `{"stop_signal":3,"stop_timeout":3,"remove":true,"remove_image":true}`},
	{"bad stop signal of an image", func(_ *Request, i *ImageConfig, _ *Defaults, _ *Host) { i.StopSignal = "BOGUS" }, func(c *Config) any { return c.Life.StopSignal }, `15`},
	{"files", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) {
		r.Life.CIDFile, r.Life.PIDFile = "cid", "/run/pid"
	}, func(c *Config) any { return []string{c.Life.CIDFile, c.Life.PIDFile} }, `["/home/u/cid","/run/pid"]`},
	{"log", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) {
		r.Log = LogRequest{Driver: "json-file", Opt: []string{"path=log", "max-size=1m", "tag=x"}}
	}, func(c *Config) any { return c.Log }, `{"driver":"json-file","path":"/home/u/log","max_size":1048576,"max_file":2,"tag":"x"}`},
	{"log by itself", func(*Request, *ImageConfig, *Defaults, *Host) {}, func(c *Config) any { return c.Log }, `{"driver":"k8s-file","max_size":134217728,"max_file":2}`},
	{"log of the administrator", func(_ *Request, _ *ImageConfig, d *Defaults, h *Host) {
		d.LogDriver, d.LogTag, d.LogSizeMax, d.LogPath, h.Journal = "journald", "{{.Name}}", 9000, "/logs", true
	}, func(c *Config) any { return c.Log }, `{"driver":"journald","tag":"{{.Name}}"}`},
	{"log of the administrator, in files without a limit", func(_ *Request, _ *ImageConfig, d *Defaults, _ *Host) {
		d.LogTag, d.LogSizeMax, d.LogPath = "x", -1, "/logs"
	}, func(c *Config) any { return c.Log }, `{"driver":"k8s-file","path":"/logs/` + testID[:63] + `0/ctr.log","max_file":2}`},
	{"log driver of the user, not the administrator's", func(r *Request, _ *ImageConfig, d *Defaults, _ *Host) {
		r.Log.Driver, r.Changed, d.LogDriver = "k8s-file", map[string]bool{"log-driver": true}, "journald"
	}, func(c *Config) any { return c.Log.Driver }, `"k8s-file"`},
	{"log files and labels", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) {
		r.Log = LogRequest{Driver: "json-file", Opt: []string{"max-size=-1", "max-file=5", "label=A_1=x=y", "label=B="}}
	}, func(c *Config) any { return c.Log }, `{"driver":"json-file","max_file":5,"labels":["A_1=x=y","B="]}`},
	{"log passed through", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) {
		r.Log.Driver, r.Life.Detach = "passthrough", true
	}, func(c *Config) any { return c.Log }, `{"driver":"passthrough"}`},

	{
		"image volumes", func(_ *Request, i *ImageConfig, _ *Defaults, _ *Host) { i.Volumes = []string{"/data", "rel/../../up"} }, func(c *Config) any { return c.Mounts },
		`[{"kind":"volume","source":"` + testID[:63] + `1","destination":"/data","options":["rbind","rw","rprivate","nosuid","nodev"],"anonymous":true},{"kind":"volume","source":"` + testID[:63] + `2","destination":"/up","options":["rbind","rw","rprivate","nosuid","nodev"],"anonymous":true}]`,
	},
	{"image volumes ignored", func(r *Request, i *ImageConfig, _ *Defaults, _ *Host) {
		i.Volumes, r.Mounts.ImageVolume = []string{"/data"}, "ignore"
	}, func(c *Config) any { return c.Mounts }, `null`},
	{"image volumes on tmpfs", func(r *Request, i *ImageConfig, _ *Defaults, _ *Host) {
		i.Volumes, r.Mounts.ImageVolume = []string{"/data"}, "tmpfs"
	}, func(c *Config) any { return c.Mounts }, `[{"kind":"tmpfs","destination":"/data","options":["rw","rprivate","nosuid","nodev"]}]`},
	{
		"the user's mount wins", func(r *Request, i *ImageConfig, d *Defaults, _ *Host) {
			i.Volumes, d.Volumes, r.Mounts.VolumesFrom = []string{"/data"}, []string{"/conf:/data"}, []string{"db:ro"}
			r.Mounts.Volume = []string{"./d:/data:ro"}
		}, func(c *Config) any { return c.Mounts },
		`[{"kind":"volume","source":"anon","destination":"/anon","options":["rbind","ro"]},{"kind":"bind","source":"/home/u/d","destination":"/data","options":["rbind","ro","rprivate"]}]`,
	},
	{
		"volumes-from over the image", func(r *Request, i *ImageConfig, _ *Defaults, _ *Host) {
			i.Volumes, r.Mounts.VolumesFrom = []string{"/data"}, []string{"db:ro"}
		}, func(c *Config) any { return []any{c.Mounts[1], c.Dependencies} },
		`[{"kind":"volume","source":"data","destination":"/data","options":["rbind","ro","rprivate","nosuid","nodev"]},null]`,
	},
	{"gpus", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) {
		r.Security.GPUs, r.Security.Device = []string{"all", "0"}, []string{"vendor.example/x=y"}
	}, func(c *Config) any { return c.Security.CDIDevices }, `["nvidia.com/gpu=all","nvidia.com/gpu=0","vendor.example/x=y"]`},
	{"systemd by its name", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) {
		r.Command, r.Mounts.ShmSystemd = []string{"/lib/systemd/systemd"}, "2m"
	}, systemd, `[true,2097152,37]`},
	{"systemd as init", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) { r.Command = []string{"/sbin/init"} }, systemd, `[true,0,37]`},
	{"systemd behind a shell", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) {
		r.Command = []string{"/bin/sh", "-c", "/usr/sbin/init"}
	}, systemd, `[true,0,37]`},
	{"systemd below an init of ours", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) {
		r.Command, r.Process.Init = []string{"systemd"}, true
	}, systemd, `[false,0,15]`},
	{"systemd refused", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) {
		r.Command, r.Process.Systemd = []string{"systemd"}, "false"
	}, systemd, `[false,0,15]`},
	{"systemd with the image's stop signal", func(r *Request, i *ImageConfig, _ *Defaults, _ *Host) {
		r.Process.Systemd, i.StopSignal = "always", "SIGUSR1"
	}, systemd, `[true,0,10]`},
	{"shm-size", func(r *Request, _ *ImageConfig, _ *Defaults, _ *Host) { r.Mounts.ShmSize = "1m" }, func(c *Config) any { return c.ShmSize }, `1048576`},
}

// TestDecideErrors: every row is an error of its class, names the option, gives a next
// step, and is one line.
func TestDecideErrors(t *testing.T) {
	invalid, unsupported := errdefs.ErrInvalid, errdefs.ErrUnsupported
	for _, c := range []struct {
		option string
		class  error
		change func(*Request)
	}{
		{"--name", invalid, func(r *Request) { r.Life.Name = "-x" }},
		{"--name", invalid, func(r *Request) { r.Life.Name = "a/b" }},
		{"--env", invalid, func(r *Request) { r.Process.Env = []string{"=x"} }},
		{"--env", invalid, func(r *Request) { r.Process.Env = []string{""} }},
		{"--env-file", invalid, func(r *Request) { r.Process.EnvFile = []string{"nosuch"} }},
		{"--env-file", invalid, func(r *Request) { r.Process.EnvFile = []string{"bad.env"} }},
		{"--env-merge", invalid, func(r *Request) { r.Process.EnvMerge = []string{"X"} }},
		{"--workdir", invalid, func(r *Request) { r.Process.Workdir = "rel" }},
		{"--user", invalid, func(r *Request) { r.Process.User = "a\nb" }},
		{"--group-add", invalid, func(r *Request) { r.Process.GroupAdd = []string{"a:b"} }},
		{"--group-add", invalid, func(r *Request) { r.Process.GroupAdd = []string{"keep-groups", "wheel"} }},
		{"--hostuser", invalid, func(r *Request) { r.Process.HostUser = []string{"ghost"} }},
		{"--init-path", invalid, func(r *Request) { r.Process.InitPath = "init" }},
		{"--preserve-fd", invalid, func(r *Request) { r.Process.PreserveFD = []uint{1} }},
		{"--umask", invalid, func(r *Request) { r.Process.Umask = "888" }},
		{"--umask", invalid, func(r *Request) { r.Process.Umask = "00022" }},
		{"--tz", invalid, func(r *Request) { r.Process.TZ = "Mars/Base" }},
		{"--tz", invalid, func(r *Request) { r.Process.TZ = "../../etc/passwd" }},
		{"--personality", invalid, func(r *Request) { r.Process.Personality = "BSD" }},
		{"--oom-score-adj", invalid, func(r *Request) { r.Process.OOMScoreAdj = ptr(1001) }},
		{"--oom-score-adj", errdefs.ErrPermission, func(r *Request) { r.Process.OOMScoreAdj = ptr(-1) }},
		{"--init", invalid, func(r *Request) { r.Process.Init, r.Namespace.PID = true, "host" }},
		{"--init-path", errdefs.ErrNotFound, func(r *Request) { r.Process.Init, r.Process.InitPath = true, "/missing/init" }},
		{"--hosts-file", errdefs.ErrNotFound, func(r *Request) { r.Net.HostsFile = "/missing/hosts" }},
		{"--passwd-entry", invalid, func(r *Request) { r.Process.PasswdEntry = "a\nroot::0:0::/:" }},
		{"--systemd", invalid, func(r *Request) { r.Process.Systemd, r.Process.Init = "always", true }},
		{"--systemd", invalid, func(r *Request) { r.Process.Systemd, r.Limits.Cgroups = "always", "disabled" }},
		{"--systemd", invalid, func(r *Request) { r.Process.Systemd = "maybe" }},
		{"--sdnotify", errdefs.ErrInvalid, func(r *Request) { r.Process.SdNotify = "healthy" }},
		{"--ipc", invalid, func(r *Request) { r.Namespace.IPC = "container:db" }},
		{"--ipc", invalid, func(r *Request) { r.Namespace.IPC = "bogus" }},
		{"--pid", invalid, func(r *Request) { r.Namespace.PID = "none" }},
		{"--pid", invalid, func(r *Request) { r.Namespace.PID = "host:x" }},
		{"--uts", invalid, func(r *Request) { r.Namespace.UTS = "ns:rel" }},
		{"--cgroupns", invalid, func(r *Request) { r.Namespace.CgroupNS = "container:" }},
		{"--network", unsupported, func(r *Request) { r.Net.Network = []string{"bridge"} }},
		{"--network", invalid, func(r *Request) { r.Net.Network = []string{"pasta:-t,,80"} }},
		{"--network", invalid, func(r *Request) { r.Net.Network = []string{"builtin:mtu=1500"} }},
		{"--network", invalid, func(r *Request) { r.Net.Network = []string{"private:x"} }},
		{"--network", unsupported, func(r *Request) { r.Net.Network = []string{"a", "b"} }},
		{"--hostname", invalid, func(r *Request) { r.Process.Hostname = "a b" }},
		{"--hostname", invalid, func(r *Request) { r.Process.Hostname = strings.Repeat("a", 65) }},
		{"--hostname", invalid, func(r *Request) { r.Process.Hostname, r.Namespace.UTS = "a", "host" }},
		{"--dns", invalid, func(r *Request) { r.Net.DNS = []string{"dns.example"} }},
		{"--dns", invalid, func(r *Request) { r.Net.DNS = []string{"none", "1.1.1.1"} }},
		{"--dns", invalid, func(r *Request) { r.Net.DNS, r.Net.Network = []string{"1.1.1.1"}, []string{"container:db"} }},
		{"--dns-search", invalid, func(r *Request) { r.Net.DNSSearch = []string{"a\nnameserver 6.6.6.6"} }},
		{"--add-host", invalid, func(r *Request) { r.Net.AddHost = []string{"a"} }},
		{"--add-host", invalid, func(r *Request) { r.Net.AddHost = []string{"a b:1.1.1.1"} }},
		{"--add-host", invalid, func(r *Request) { r.Net.AddHost, r.Net.NoHosts = []string{"a:1.1.1.1"}, true }},
		{"--expose", invalid, func(r *Request) { r.Net.Expose = []string{"90-80"} }},
		{"--expose", invalid, func(r *Request) { r.Net.Expose = []string{"80/icmp"} }},
		{"--image-volume", invalid, func(r *Request) { r.Mounts.ImageVolume = "keep" }},
		{"--volumes-from", invalid, func(r *Request) { r.Mounts.VolumesFrom = []string{"db:exec"} }},
		{"--volume", invalid, func(r *Request) { r.Mounts.Volume = []string{"a:/x", "b:/x/"} }},
		{"--tmpfs", invalid, func(r *Request) { r.Mounts.Volume, r.Mounts.Tmpfs = []string{"a:/x"}, []string{"/x"} }},
		{"--shm-size", invalid, func(r *Request) { r.Mounts.ShmSize = "big" }},
		{"--shm-size-systemd", invalid, func(r *Request) { r.Mounts.ShmSystemd = "1m" }},
		{"--shm-size-systemd", invalid, func(r *Request) { r.Mounts.ShmSystemd, r.Process.Systemd = "x", "always" }},
		{"--chrootdirs", invalid, func(r *Request) { r.Mounts.ChrootDirs = []string{"x"} }},
		{"--chrootdirs", invalid, func(r *Request) { r.Mounts.ChrootDirs = []string{"/"} }},
		{"--rootfs", invalid, func(r *Request) { r.Mounts.Rootfs, r.Image = true, "/x:idmap" }},
		{"--rootfs", invalid, func(r *Request) { r.Mounts.Rootfs, r.Image = true, "/x:idmap=uids=0-1-1" }},
		{"idmap", invalid, func(r *Request) { r.Mounts.Volume = []string{"/s:/d:idmap"} }},
		{"--memory", invalid, func(r *Request) { r.Limits.Memory = "4m" }},
		{"--memory", invalid, func(r *Request) { r.Limits.Memory = "-5" }},
		{"--memory-reservation", invalid, func(r *Request) { r.Limits.Memory, r.Limits.MemoryReservation = "8m", "9m" }},
		{"--memory-swap", invalid, func(r *Request) { r.Limits.MemorySwap = "8m" }},
		{"--memory-swap", invalid, func(r *Request) { r.Limits.Memory, r.Limits.MemorySwap = "8m", "7m" }},
		{"--memory-swappiness", unsupported, func(r *Request) { r.Limits.MemorySwappiness = 5; r.Changed["memory-swappiness"] = true }},
		{"--oom-kill-disable", unsupported, func(r *Request) { r.Limits.OOMKillDisable = true }},
		{"--cpus", invalid, func(r *Request) { r.Limits.CPUs, r.Limits.CPUQuota = 1, 5000 }},
		{"--cpus", invalid, func(r *Request) { r.Limits.CPUs = -1 }},
		{"--cpu-period", invalid, func(r *Request) { r.Limits.CPUPeriod = 5 }},
		{"--cpu-quota", invalid, func(r *Request) { r.Limits.CPUQuota = 5 }},
		{"--cpu-shares", invalid, func(r *Request) { r.Limits.CPUShares = 1 }},
		{"--cpu-rt-runtime", unsupported, func(r *Request) { r.Limits.CPURTRuntime = 5 }},
		{"--cpuset-cpus", invalid, func(r *Request) { r.Limits.CpusetCPUs = "2-1" }},
		{"--pids-limit", invalid, func(r *Request) { r.Limits.PidsLimit = ptr(int64(-2)) }},
		{"--blkio-weight", invalid, func(r *Request) { r.Limits.BlkioWeight = "9" }},
		{"--blkio-weight-device", invalid, func(r *Request) { r.Limits.BlkioWeightDevice = []string{"/dev/null:100"} }},
		{"--device-read-bps", invalid, func(r *Request) { r.Limits.DeviceReadBPS = []string{"/dev/sda"} }},
		{"--cgroup-conf", invalid, func(r *Request) { r.Limits.CgroupConf = []string{"../x=1"} }},
		{"--cgroup-parent", unsupported, func(r *Request) { r.Limits.CgroupParent = "user.slice" }},
		{"--cgroup-parent", invalid, func(r *Request) { r.Limits.CgroupParent = "/a/../b" }},
		{"--cgroups", invalid, func(r *Request) { r.Limits.Cgroups, r.Limits.Memory = "disabled", "8m" }},
		{"--cgroups", invalid, func(r *Request) { r.Limits.Cgroups, r.Limits.CgroupParent = "split", "/a" }},
		{"--ulimit", invalid, func(r *Request) { r.Limits.Ulimit = []string{"nofile=20001"} }},
		{"--ulimit", invalid, func(r *Request) { r.Limits.Ulimit = []string{"core=1", "core=2"} }},
		{"--ulimit", invalid, func(r *Request) { r.Limits.Ulimit = []string{"host", "core=2"} }},
		{"--sysctl", invalid, func(r *Request) { r.Security.Sysctl = []string{"kernel.core_pattern=|/x"} }},
		{"--sysctl", invalid, func(r *Request) { r.Security.Sysctl = []string{"net.x"} }},
		{"--sysctl", invalid, func(r *Request) { r.Security.Sysctl = []string{"net.ipv4/../../kernel/core_pattern=x"} }},
		{"--sysctl", invalid, func(r *Request) { r.Security.Sysctl, r.Net.Network = []string{"net.a=1"}, []string{"host"} }},
		{"--sysctl", invalid, func(r *Request) { r.Security.Sysctl, r.Namespace.IPC = []string{"kernel.msgmax=1"}, "host" }},
		{"--cap-add", invalid, func(r *Request) { r.Security.CapAdd = []string{"FLY"} }},
		{"--cap-add", invalid, func(r *Request) { r.Security.CapAdd, r.Security.CapDrop = []string{"KILL"}, []string{"cap_kill"} }},
		{"--security-opt", invalid, func(r *Request) { r.Security.SecurityOpt = []string{"what=ever"} }},
		{"--security-opt", invalid, func(r *Request) { r.Security.SecurityOpt = []string{"no-new-privileges=maybe"} }},
		{"--security-opt", invalid, func(r *Request) { r.Security.SecurityOpt = []string{"label=bogus:x"} }},
		{"--security-opt", invalid, func(r *Request) { r.Security.SecurityOpt = []string{"mask=rel"} }},
		{"--security-opt", invalid, func(r *Request) { r.Security.SecurityOpt = []string{"unmask=/[x"} }},
		{"--security-opt", invalid, func(r *Request) { r.Security.SecurityOpt = []string{"seccomp=nosuch.json"} }},
		{"--security-opt", invalid, func(r *Request) { r.Security.SecurityOpt = []string{"seccomp=broken.json"} }},
		{"--security-opt", unsupported, func(r *Request) { r.Security.SecurityOpt = []string{"apparmor=x"} }},
		{"--seccomp-policy", unsupported, func(r *Request) { r.Security.SeccompPolicy = "image" }},
		{"--gpus", invalid, func(r *Request) { r.Security.GPUs = []string{"device=0"} }},
		{"--device", invalid, func(r *Request) { r.Security.Device = []string{"dev"} }},
		{"--device", errdefs.ErrNotFound, func(r *Request) { r.Security.Device = []string{"/dev/missing"} }},
		{"--device-cgroup-rule", invalid, func(r *Request) { r.Security.DeviceCgroupRule = []string{"x 1:3 rwm"} }},
		{"--stop-signal", invalid, func(r *Request) { r.Life.StopSignal = "FOO" }},
		{"--restart", invalid, func(r *Request) { r.Life.Restart = "sometimes" }},
		{"--restart", invalid, func(r *Request) { r.Life.Restart = "always:3" }},
		{"--restart", invalid, func(r *Request) { r.Life.Restart = "no:3" }},
		{"--restart", invalid, func(r *Request) { r.Life.Restart = "on-failure:" }},
		{"--restart", invalid, func(r *Request) { r.Life.Restart = "on-failure:-1" }},
		{"--restart", invalid, func(r *Request) { r.Life.Restart, r.Life.Remove = "on-failure", true }},
		{"--restart", invalid, func(r *Request) { r.Life.Restart, r.Life.RemoveImage = "always", true }},
		{"--pull", invalid, func(r *Request) { r.Life.Pull = "sometimes" }},
		{"--platform", invalid, func(r *Request) { r.Life.Platform = "linux/" }},
		{"--platform", invalid, func(r *Request) { r.Life.Platform, r.Life.Arch = "linux/arm64", "arm64" }},
		{"--label", invalid, func(r *Request) { r.Life.Label = []string{"=x"} }},
		{"--annotation", unsupported, func(r *Request) { r.Life.Annotation = []string{"run.oci.handler=x"} }},
		{"--log-driver", unsupported, func(r *Request) { r.Log.Driver = "journald" }},
		{"--log-driver", invalid, func(r *Request) { r.Log.Driver = "syslog9" }},
		{"--log-opt", invalid, func(r *Request) { r.Log.Opt = []string{"color=red"} }},
		{"--log-opt", invalid, func(r *Request) { r.Log.Opt = []string{"path="} }},
		{"--log-opt", invalid, func(r *Request) { r.Log.Opt = []string{"compress=true", "max-file=1"} }},
		{"--log-opt", invalid, func(r *Request) { r.Log.Opt = []string{"labels=a"} }},
		{"--log-opt", invalid, func(r *Request) { r.Log.Opt = []string{"max-buffer-size=1m"} }},
		{"--log-opt", invalid, func(r *Request) { r.Log.Opt = []string{"max-size=much"} }},
		{"--log-opt", invalid, func(r *Request) { r.Log.Opt = []string{"max-file=0"} }},
		{"--log-opt", invalid, func(r *Request) { r.Log.Opt = []string{"max-file=101"} }},
		{"--log-opt", invalid, func(r *Request) { r.Log.Opt = []string{"tag=x"} }},
		{"--log-opt", invalid, func(r *Request) { r.Log.Opt = []string{"label=A=b"} }},
		{"--log-opt", invalid, func(r *Request) { r.Log = LogRequest{Driver: "none", Opt: []string{"path=x"}} }},
		{"--log-opt", invalid, func(r *Request) { r.Log = LogRequest{Driver: "passthrough", Opt: []string{"max-size=1m"}} }},
		{"--log-opt", invalid, func(r *Request) { r.Log = LogRequest{Driver: "json-file", Opt: []string{"tag=a\tb"}} }},
		{"--log-opt", invalid, func(r *Request) { r.Log = LogRequest{Driver: "json-file", Opt: []string{"label=a=b"}} }},
		{"--log-opt", invalid, func(r *Request) { r.Log = LogRequest{Driver: "json-file", Opt: []string{"label=_A=b"}} }},
		{"--log-opt", invalid, func(r *Request) { r.Log = LogRequest{Driver: "json-file", Opt: []string{"label=A"}} }},
		{"--log-opt", invalid, func(r *Request) { r.Log = LogRequest{Driver: "json-file", Opt: []string{"label=MESSAGE=b"}} }},
		{"--log-opt", invalid, func(r *Request) {
			r.Log = LogRequest{Driver: "json-file", Opt: []string{"label=A=" + strings.Repeat("x", 5000)}}
		}},
		{"--log-driver", invalid, func(r *Request) { r.Log.Driver, r.Process.TTY = "passthrough-tty", true }},
		{"--log-driver", invalid, func(r *Request) { r.Log.Driver, r.Life.Restart = "passthrough", "always" }},
		{"--log-driver", invalid, func(r *Request) { r.Log.Driver, r.Life.Attach = "passthrough", []string{"stdout"} }},
		{"mount source", errdefs.ErrNotFound, func(r *Request) { r.Mounts.Volume = []string{"/missing:/x"} }},
		{"image", invalid, func(r *Request) { r.Command, r.Process.Entrypoint = nil, ptr("") }},
	} {
		req := testRequest()
		c.change(req)
		cfg, _, err := Decide(req, testImage(), Builtin(), testHost())
		if err == nil || cfg != nil {
			t.Errorf("%s: accepted", c.option)
			continue
		}
		if !errors.Is(err, c.class) || !strings.HasPrefix(err.Error(), c.option) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %q is not of class %v", c.option, err, c.class)
		}
	}
	req := testRequest()
	req.Life.Requires = []string{"ghost"}
	if _, _, err := Decide(req, testImage(), Builtin(), testHost()); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("--requires: %v", err)
	}
}

// TestPoorHost wants a host without controllers to do without the default limit, and what
// its runtime cannot do refused by name.
func TestPoorHost(t *testing.T) {
	host := testHost()
	host.IntelRDT, host.Controllers = false, map[string]bool{}
	cfg, _, err := Decide(testRequest(), testImage(), Builtin(), host)
	if err != nil || cfg.Limits.Resources.Pids != nil {
		t.Errorf("without controllers: %v", err)
	}
	req := testRequest()
	req.Limits.PidsLimit = ptr(int64(7))
	cfg, _, err = Decide(req, testImage(), Builtin(), host)
	if err != nil || *cfg.Limits.Resources.Pids.Limit != 7 {
		t.Errorf("a limit that was asked for: %v", err)
	}
	req.Limits.RdtClass = "gold"
	if _, _, err := Decide(req, testImage(), Builtin(), host); !errors.Is(err, errdefs.ErrUnsupported) {
		t.Errorf("--rdt-class: error %v", err)
	}
}
