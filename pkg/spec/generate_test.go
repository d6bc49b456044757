package spec

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/pkg/errdefs"
)

// TestGenerate makes the OCI spec of a request through Decide and compares it whole.
func TestGenerate(t *testing.T) {
	for name, change := range generateCases {
		t.Run(name, func(t *testing.T) {
			req, img, host, facts := testRequest(), testImage(), testHost(), testFacts()
			change(req, img, host, facts)
			cfg, _, err := Decide(req, img, Builtin(), host)
			if err != nil {
				t.Fatal(err)
			}
			spec, err := Generate(cfg, facts)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "generate/"+name, spec)
		})
	}
}

var generateCases = map[string]func(*Request, *ImageConfig, *Host, *Facts){
	"systemd": func(r *Request, _ *ImageConfig, _ *Host, _ *Facts) {
		r.Command, r.Mounts.ShmSystemd = []string{"/sbin/init"}, "1m"
	},
	"systemd-v1": func(r *Request, _ *ImageConfig, h *Host, f *Facts) {
		r.Command, r.Mounts.Volume = []string{"/sbin/init"}, []string{"/srv:/run/lock", "/srv:/d:idmap=uids=0-1-2;gids=0-1-2"}
		h.CgroupV2, f.CgroupV2 = false, false
		h.SystemdCgroups = []string{"/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"}
		f.SystemdCgroups = h.SystemdCgroups
	},
	"plain": func(*Request, *ImageConfig, *Host, *Facts) {},
	"wide": func(r *Request, _ *ImageConfig, _ *Host, f *Facts) {
		r.Process.Env = []string{"A=b"}
		r.Process.User, r.Process.Workdir = "1000:1000", "/work"
		r.Mounts.Volume = []string{"./src:/src:ro", "data:/data"}
		r.Mounts.Mount = []string{"type=tmpfs,dst=/scratch,tmpfs-size=64m"}
		r.Limits.Memory, r.Limits.CPUs = "64m", 1.5
		f.User = UserFacts{UID: 1000, GID: 1000, Additional: []uint32{1000}, Home: "/home/x"}
		f.MountSources = map[string]string{"/data": "/volumes/data/_data"}
	},
	"privileged": func(r *Request, _ *ImageConfig, _ *Host, f *Facts) {
		r.Security.Privileged = true
		f.Devices = []DeviceNode{{LinuxDevice: specs.LinuxDevice{Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229}, Host: "/dev/fuse", Permissions: "rwm"}}
	},
	"devices": func(r *Request, _ *ImageConfig, _ *Host, f *Facts) {
		r.Security.DeviceCgroupRule = []string{"c 4:* r"}
		f.Devices = []DeviceNode{{LinuxDevice: specs.LinuxDevice{Path: "/dev/b", Type: "c", Major: 1, Minor: 2}, Host: "/dev/a", Permissions: "r"}}
	},
	"rootless": func(r *Request, _ *ImageConfig, h *Host, f *Facts) {
		h.Rootless, f.Rootless, f.BindDevices = true, true, true
		r.Net.Network = []string{"host"}
		r.Namespace.UIDMap = []string{"0:1000:1"}
		f.Devices = []DeviceNode{{LinuxDevice: specs.LinuxDevice{Path: "/dev/b", Type: "c", Major: 1, Minor: 2}, Host: "/dev/a", Permissions: "r"}}
	},
	// Root's container in a namespace of its own: nothing of the host's can be mounted anew there.
	"userns": func(r *Request, _ *ImageConfig, _ *Host, _ *Facts) {
		r.Namespace = NamespaceRequest{UIDMap: []string{"0:100000:1000", "5000:7:1"}, GIDMap: []string{"0:200000:1000"}, IPC: "host", PID: "host"}
		r.Net.Network, r.Process.GroupAdd = []string{"host"}, []string{"keep-groups"}
		r.Mounts.Volume = []string{"/src:/a:idmap", "/src:/b:idmap=uids=@0-5-3;gids=@0-998-2"}
	},
	"userns-joined": func(r *Request, _ *ImageConfig, _ *Host, f *Facts) {
		r.Namespace = NamespaceRequest{UserNS: "container:mapped", IPC: "container:mapped"}
		f.NamespacePaths = map[specs.LinuxNamespaceType]string{specs.UserNamespace: "/proc/9/ns/user", specs.IPCNamespace: "/proc/9/ns/ipc"}
	},
	"readonly": func(r *Request, _ *ImageConfig, _ *Host, _ *Facts) {
		r.Mounts.ReadOnly = true
		r.Mounts.Tmpfs = []string{"/tmp:size=1m"}
	},
	"readonly-bare": func(r *Request, _ *ImageConfig, _ *Host, _ *Facts) {
		r.Mounts.ReadOnly, r.Mounts.ReadOnlyTmpfs = true, false
	},
	"hostns": func(r *Request, _ *ImageConfig, _ *Host, _ *Facts) {
		r.Net.Network = []string{"host"}
		r.Namespace = NamespaceRequest{IPC: "host", PID: "host", UTS: "host", CgroupNS: "host"}
	},
	"joined": func(r *Request, _ *ImageConfig, _ *Host, f *Facts) {
		r.Net.Network = []string{"container:db"}
		r.Namespace = NamespaceRequest{IPC: "container:shared", PID: "ns:/run/pidns"}
		f.NamespacePaths = map[specs.LinuxNamespaceType]string{specs.NetworkNamespace: "/proc/7/ns/net", specs.IPCNamespace: "/proc/8/ns/ipc"}
		f.ShmPath = "/rundir/other/shm"
	},
	"ipc-none": func(r *Request, _ *ImageConfig, _ *Host, _ *Facts) { r.Namespace.IPC = "none" },
	"init": func(r *Request, _ *ImageConfig, _ *Host, f *Facts) {
		r.Process.Init, f.InitPath = true, "/usr/libexec/manager/init"
	},
	"no-cgroup": func(r *Request, _ *ImageConfig, _ *Host, _ *Facts) { r.Limits.Cgroups = "disabled" },
	"cap-user": func(r *Request, _ *ImageConfig, _ *Host, f *Facts) {
		r.Process.User, r.Security.CapAdd, f.User.UID = "5", []string{"NET_RAW"}, 5
	},
	"mounts": func(r *Request, _ *ImageConfig, _ *Host, f *Facts) {
		r.Mounts.Volume = []string{"/src:/a/b/c:rshared", "/low:/low:O", "/src2:/dev/shm"}
		r.Mounts.Mount = []string{"type=image,src=alpine,dst=/img", "type=devpts,dst=/mypts", "type=ramfs,dst=/a", "type=volume,src=v,dst=/a/b,subpath=x"}
		f.MountSources = map[string]string{"/low": "/rundir/overlay", "/img": "/store/img", "/a/b": "/proc/self/fd/9"}
	},
	"own-dev": func(r *Request, _ *ImageConfig, _ *Host, _ *Facts) { r.Mounts.Volume = []string{"/dev:/dev"} },
	"odds": func(r *Request, _ *ImageConfig, h *Host, f *Facts) {
		h.AppArmor, h.CanRaiseRlimits = true, true
		r.Process.Personality, r.Process.OOMScoreAdj, r.Limits.RdtClass = "LINUX32", ptr(-5), "gold"
		r.Security.SecurityOpt = []string{"apparmor=mine", "no-new-privileges", "seccomp=seccomp.json", "proc-opts=hidepid=2"}
		r.Life.Annotation = []string{"a=b"}
		f.Annotations = map[string]string{"c": "d"}
		f.OCIVersion = "1.0.2"
		f.Rlimits = map[string]uint64{"RLIMIT_NOFILE": 100}
		f.Seccomp, _ = LoadSeccomp([]byte(`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["chmod"],"action":"SCMP_ACT_ERRNO","excludes":{"caps":["CAP_BPF"]}}]}`), nil)
	},
}

// TestGenerateMissing wants an error for every fact that a Config needs and nobody gave.
func TestGenerateMissing(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Request)
		class  error
	}{
		"volume":    {func(r *Request) { r.Mounts.Volume = []string{"v:/v"} }, errdefs.ErrInvalid},
		"overlay":   {func(r *Request) { r.Mounts.Volume = []string{"/v:/v:O"} }, errdefs.ErrInvalid},
		"namespace": {func(r *Request) { r.Namespace.PID = "container:db" }, errdefs.ErrInvalid},
		"init":      {func(r *Request) { r.Process.Init = true }, errdefs.ErrInvalid},
		"cdi":       {func(r *Request) { r.Security.Device = []string{"v.com/gpu=all"} }, errdefs.ErrUnsupported},
	} {
		req := testRequest()
		c.change(req)
		cfg, _, err := Decide(req, testImage(), Builtin(), testHost())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Generate(cfg, testFacts()); !errors.Is(err, c.class) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// TestNoCapabilitiesForUsers is CVE-2021-20188 and CVE-2022-24769: another user than root
// has none that it was not given by name, and nothing is inheritable by itself.
func TestNoCapabilitiesForUsers(t *testing.T) {
	for _, privileged := range []bool{false, true} {
		for _, uid := range []uint32{0, 1000} {
			req, facts := testRequest(), testFacts()
			req.Security.Privileged, facts.User.UID = privileged, uid
			cfg, _, err := Decide(req, testImage(), Builtin(), testHost())
			if err != nil {
				t.Fatal(err)
			}
			spec, err := Generate(cfg, facts)
			if err != nil {
				t.Fatal(err)
			}
			c := spec.Process.Capabilities
			if len(c.Inheritable)+len(c.Ambient) != 0 || (uid != 0) != (len(c.Effective)+len(c.Permitted) == 0) || len(c.Bounding) == 0 {
				t.Errorf("privileged %v, uid %d: %+v", privileged, uid, c)
			}
		}
	}
}

// TestDefaultMounts wants the filesystems that config-linux.md names, each once, and every
// parent before what lies below it.
func TestDefaultMounts(t *testing.T) {
	cfg, _, err := Decide(testRequest(), testImage(), Builtin(), testHost())
	if err != nil {
		t.Fatal(err)
	}
	spec, err := Generate(cfg, testFacts())
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]int{}
	for i, m := range spec.Mounts {
		if _, twice := at[m.Destination]; twice {
			t.Errorf("%s twice", m.Destination)
		}
		at[m.Destination] = i
		for _, later := range spec.Mounts[i+1:] {
			if strings.HasPrefix(m.Destination, later.Destination+"/") {
				t.Errorf("%s before %s", m.Destination, later.Destination)
			}
		}
	}
	for _, dst := range strings.Fields("/proc /sys /dev /dev/pts /dev/shm /dev/mqueue /sys/fs/cgroup") {
		if _, ok := at[dst]; !ok {
			t.Errorf("no %s", dst)
		}
	}
}

// TestMasks wants what every container must hide.
func TestMasks(t *testing.T) {
	cfg, _, err := Decide(testRequest(), testImage(), Builtin(), testHost())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range strings.Fields("/proc/kcore /proc/keys /proc/timer_list /proc/sched_debug /proc/scsi /proc/acpi /proc/interrupts /sys/firmware /sys/devices/virtual/powercap /sys/fs/selinux") {
		if !slices.Contains(cfg.Security.MaskedPaths, p) {
			t.Errorf("%s is not masked", p)
		}
	}
}
