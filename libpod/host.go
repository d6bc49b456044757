package libpod

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/libpod/network"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/journal"
	"github.com/manager-project/manager/pkg/rootless"
	"github.com/manager-project/manager/pkg/selinux"
	"github.com/manager-project/manager/pkg/spec"
)

// host gathers the facts about this machine that decisions need on a container with that --cgroup-parent.
func (r *Runtime) host(ctx context.Context, parent string) (*spec.Host, error) {
	cwd, err := os.Getwd()
	if err != nil {
		return nil, &errdefs.Error{Op: "find", Kind: "working directory", Class: errdefs.ErrUnavailable, Cause: err, Hint: "change to a directory that exists"}
	}
	hostname, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	h := &spec.Host{
		Cwd: cwd, Environ: os.Environ(), Hostname: hostname,
		ReadFile: readUserFile, PathExists: exists, ZoneExists: zoneExists, DeviceNumber: deviceNumber,
		Rlimits: hostRlimits(), CanRaiseRlimits: !rootless.Active() && hasCapability(unix.CAP_SYS_RESOURCE),
		OOMScoreAdj: oomScoreAdj(), IntelRDT: exists("/sys/fs/resctrl/schemata"),
		SELinux: selinux.Enabled(),
		Journal: exists(journal.Socket), Rootless: rootless.Active(), ThrottlePaths: throttlePaths(),
		FindContainer: r.peer(ctx), FindHostUser: findHostUser, FindNetwork: network.Default, FreePort: r.freePort(ctx),
		Now: time.Now(), NewID: define.NewID,
	}
	usernsFacts(h)
	appArmorFacts(h)
	return h, r.cgroupFacts(h, parent)
}

// oomScoreAdj is this process's own.
func oomScoreAdj() int {
	raw, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(strings.TrimSpace(string(raw)))
	return n
}

// maxUserFile bounds the files that options name, in bytes.
const maxUserFile = 16 << 20

func readUserFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return readLimited(f, maxUserFile)
}

func readLimited(f *os.File, limit int64) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(raw)) > limit {
		err = fmt.Errorf("%s: larger than %d bytes", f.Name(), limit)
	}
	return raw, err
}

func zoneExists(name string) bool {
	if name == "local" {
		return true
	}
	return fs.ValidPath(name) && exists(filepath.Join("/usr/share/zoneinfo", name))
}

func deviceNumber(path string) (major, minor int64, err error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, 0, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return 0, 0, &os.PathError{Op: "use", Path: path, Err: errors.New("not a block device")}
	}
	return int64(unix.Major(st.Rdev)), int64(unix.Minor(st.Rdev)), nil
}

func findHostUser(name string) error {
	_, err := user.Lookup(name)
	return err
}

// rlimits are the limits by name. Source: getrlimit(2).
var rlimits = map[string]int{
	"RLIMIT_AS": unix.RLIMIT_AS, "RLIMIT_CORE": unix.RLIMIT_CORE, "RLIMIT_CPU": unix.RLIMIT_CPU, "RLIMIT_DATA": unix.RLIMIT_DATA,
	"RLIMIT_FSIZE": unix.RLIMIT_FSIZE, "RLIMIT_LOCKS": unix.RLIMIT_LOCKS, "RLIMIT_MEMLOCK": unix.RLIMIT_MEMLOCK,
	"RLIMIT_MSGQUEUE": unix.RLIMIT_MSGQUEUE, "RLIMIT_NICE": unix.RLIMIT_NICE, "RLIMIT_NOFILE": unix.RLIMIT_NOFILE,
	"RLIMIT_NPROC": unix.RLIMIT_NPROC, "RLIMIT_RSS": unix.RLIMIT_RSS, "RLIMIT_RTPRIO": unix.RLIMIT_RTPRIO,
	"RLIMIT_RTTIME": unix.RLIMIT_RTTIME, "RLIMIT_SIGPENDING": unix.RLIMIT_SIGPENDING, "RLIMIT_STACK": unix.RLIMIT_STACK,
}

func hostRlimits() map[string]spec.Limit {
	all := make(map[string]spec.Limit, len(rlimits))
	for name, number := range rlimits {
		var l unix.Rlimit
		if err := unix.Prlimit(0, number, nil, &l); err == nil {
			all[name] = spec.Limit{Type: name, Soft: l.Cur, Hard: l.Max}
		}
	}
	// The Go runtime raises the soft limit on open files; its children get the original back.
	if l, ok := all["RLIMIT_NOFILE"]; ok {
		l.Soft = originalNoFile()
		all["RLIMIT_NOFILE"] = l
	}
	return all
}

// originalNoFile is the soft limit on open files that this program was started with, as far as
// it can be told: the usual 1024, or less.
func originalNoFile() uint64 {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 1024
	}
	return min(l.Cur, 1024)
}

// hardLimits are what this start can give: all, with the capability to raise them.
func hardLimits() map[string]uint64 {
	if hasCapability(unix.CAP_SYS_RESOURCE) {
		return nil
	}
	all := map[string]uint64{}
	for name, l := range hostRlimits() {
		all[name] = l.Hard
	}
	return all
}

var effective = sync.OnceValue(func() uint64 {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return 0
	}
	return uint64(data[0].Effective) | uint64(data[1].Effective)<<32
})

func hasCapability(c uint) bool { return effective()&(1<<c) != 0 }

func throttlePaths() []string {
	paths, _ := filepath.Glob("/sys/devices/system/cpu/cpu*/thermal_throttle")
	return paths
}
