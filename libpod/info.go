package libpod

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/libpod/image"
	"github.com/manager-project/manager/pkg/apparmor"
	"github.com/manager-project/manager/pkg/cgroups"
	"github.com/manager-project/manager/pkg/rootless"
	"github.com/manager-project/manager/pkg/selinux"
)

// Info gathers what is to be known about this host and store.
func (r *Runtime) Info(ctx context.Context) (*Info, error) {
	store, err := r.storeInfo(ctx)
	if err != nil {
		return nil, err
	}
	host, err := r.hostInfo(ctx)
	if err != nil {
		return nil, err
	}
	registries, err := image.Registries()
	if err != nil {
		return nil, err
	}
	return &Info{
		Host: host, Store: store, Registries: registries, Version: Version(),
		Plugins: PluginsInfo{Volume: []string{"local"}, Network: []string{"host", "none", "private", "container", "ns"}, Log: []string{"k8s-file", "json-file", "none"}},
	}, nil
}

func (r *Runtime) storeInfo(ctx context.Context) (*StoreInfo, error) {
	images, err := r.Images(ctx)
	if err != nil {
		return nil, err
	}
	facts, err := images.StoreFacts(ctx)
	if err != nil {
		return nil, err
	}
	s := &StoreInfo{
		ConfigFile: facts.ConfigFile, GraphDriverName: facts.Driver, GraphOptions: facts.Options, GraphRoot: r.paths.graphRoot,
		GraphStatus: facts.Status, ImageCopyTmpDir: facts.TempDir, ImageStore: ImageStoreInfo{Number: facts.Images},
		RunRoot: r.paths.runRoot, VolumePath: r.paths.volumes,
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(r.paths.graphRoot, &fs); err == nil {
		s.GraphRootAllocated = fs.Blocks * uint64(fs.Bsize)
		s.GraphRootUsed = (fs.Blocks - fs.Bfree) * uint64(fs.Bsize)
	}
	entries, err := r.List(ctx, ListOptions{All: true})
	if err != nil {
		return nil, err
	}
	s.ContainerStore.Number = len(entries)
	for _, e := range entries {
		switch e.Status {
		case define.StatusPaused:
			s.ContainerStore.Paused++
		case define.StatusRunning, define.StatusStopping:
			s.ContainerStore.Running++
		default:
			s.ContainerStore.Stopped++
		}
	}
	return s, nil
}

func (r *Runtime) hostInfo(ctx context.Context) (*HostInfo, error) {
	oci, err := r.runtimeInfo(ctx)
	if err != nil {
		return nil, err
	}
	hostname, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	defaults, err := r.conf.Defaults()
	if err != nil {
		return nil, err
	}
	v := Version()
	program := func(name string) *ProgramInfo {
		return &ProgramInfo{Package: "manager", Path: r.paths.programs, Version: name + " " + v.Version}
	}
	manager, err := r.cgroupManager()
	if err != nil {
		return nil, err
	}
	h := &HostInfo{
		Arch: runtime.GOARCH, CgroupManager: manager, CgroupVersion: "v1", CgroupControllers: controllers(), Conmon: program("manager-monitor"),
		CPUs: runtime.NumCPU(), CPUUtilization: cpuUtilization(), DatabaseBackend: "sqlite", Distribution: distribution(), EventLogger: r.events.backend(),
		Hostname: hostname, Kernel: kernel(), Linkmode: "static", LogDriver: defaults.LogDriver,
		NetworkBackend: "none", NetworkBackendInfo: NetworkInfo{Backend: "none"}, OCIRuntime: oci,
		OS: runtime.GOOS, Uptime: uptime(), Variant: "",
		Security: SecurityInfo{
			AppArmorEnabled: apparmor.Kernel{}.Enabled(), DefaultCapabilities: strings.Join(defaults.Capabilities, ","),
			Rootless: rootless.Active(), SECCOMPEnabled: exists("/proc/sys/kernel/seccomp/actions_avail"), SECCOMPProfilePath: first(defaults.SeccompProfile, "default"),
			SELinuxEnabled: selinux.Enabled(),
		},
	}
	if cgroups.Mode() == cgroups.Unified {
		h.CgroupVersion = "v2"
	}
	var si unix.Sysinfo_t
	if err := unix.Sysinfo(&si); err == nil {
		unit := int64(si.Unit)
		h.MemTotal, h.MemFree, h.SwapTotal, h.SwapFree = int64(si.Totalram)*unit, int64(si.Freeram)*unit, int64(si.Totalswap)*unit, int64(si.Freeswap)*unit
	}
	return h, nil
}

// runtimeInfo describes the runtime that new containers get.
func (r *Runtime) runtimeInfo(ctx context.Context) (*RuntimeInfo, error) {
	rt, err := r.runtime()
	if err != nil {
		return nil, err
	}
	d, err := rt.Describe(ctx)
	if err != nil {
		return nil, err
	}
	return &RuntimeInfo{Name: d.Name, Package: first(d.Package, "unknown"), Path: d.Path, Version: d.Version}, nil
}

func kernel() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

// controllers are the resource controllers that limits can be set with.
func controllers() []string {
	l, err := cgroups.ReadLayout()
	if err != nil {
		return nil
	}
	all := []string{}
	for _, h := range l.V1 {
		for _, c := range h.Controllers {
			if !strings.HasPrefix(c, "name=") {
				all = append(all, c)
			}
		}
	}
	if len(all) == 0 && l.Unified != "" {
		raw, _ := os.ReadFile(filepath.Join(l.Unified, "cgroup.controllers"))
		all = append(all, strings.Fields(string(raw))...)
	}
	return all
}

// distribution reads os-release(5).
func distribution() DistributionInfo {
	var d DistributionInfo
	f, err := os.Open("/etc/os-release")
	if err != nil {
		return DistributionInfo{Distribution: "unknown", Version: "unknown"}
	}
	defer func() { _ = f.Close() }()
	for s := bufio.NewScanner(f); s.Scan(); {
		key, value, _ := strings.Cut(s.Text(), "=")
		value = strings.Trim(value, `"'`)
		switch key {
		case "ID":
			d.Distribution = value
		case "VERSION_ID":
			d.Version = value
		case "VERSION_CODENAME":
			d.Codename = value
		}
	}
	return d
}

// cpuUtilization is the share of each kind of time since the boot. Source: proc_stat(5).
func cpuUtilization() *CPUUtilization {
	raw, err := os.ReadFile("/proc/stat")
	if err != nil {
		return &CPUUtilization{}
	}
	line, _, _ := strings.Cut(string(raw), "\n")
	var times [8]float64
	var total float64
	for i, f := range strings.Fields(line)[1:] {
		if i >= len(times) {
			break
		}
		times[i], _ = strconv.ParseFloat(f, 64)
		total += times[i]
	}
	percent := func(t float64) float64 { return float64(int(10000*t/max(1, total))) / 100 }
	return &CPUUtilization{UserPercent: percent(times[0] + times[1]), SystemPercent: percent(times[2]), IdlePercent: percent(times[3])}
}

func uptime() string {
	var si unix.Sysinfo_t
	if err := unix.Sysinfo(&si); err != nil {
		return ""
	}
	d := time.Duration(si.Uptime) * time.Second
	return fmt.Sprintf("%dh %dm %ds", int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60)
}
