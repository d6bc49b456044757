package libcontainer_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/manager-project/manager/pkg/libcontainer/compile"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestTimeNamespace(t *testing.T) {
	if _, err := os.Stat("/proc/self/ns/time"); err != nil {
		t.Skip("no time namespaces in this kernel")
	}
	for _, user := range []bool{false, true} {
		spec := testSpec(testRoot(t), "sleep", "100")
		spec.Linux.Namespaces = append(spec.Linux.Namespaces, specs.LinuxNamespace{Type: specs.TimeNamespace})
		spec.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"boottime": {Secs: 1000000, Nanosecs: 5}, "monotonic": {Secs: 77}}
		if user {
			withUserNamespace(t, spec)
		}
		b, err := start(t, spec)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Exec(); err != nil {
			t.Fatal(err)
		}
		offsets, err := os.ReadFile(fmt.Sprintf("/proc/%d/timens_offsets", b.PID()))
		if f := strings.Fields(string(offsets)); err != nil || strings.Join(f, " ") != "monotonic 77 0 boottime 1000000 5" {
			t.Errorf("offsets %q, %v", offsets, err)
		}
		// Who joins later has the same clocks.
		p, h, err := compile.Exec(&specs.Process{Args: []string{"sh", "-c", "cat /proc/uptime; readlink /proc/self/ns/time"}, Cwd: "/", Env: []string{"PATH=/bin"}}, compile.ExecOptions{})
		if err != nil {
			t.Fatal(err)
		}
		enc, err := p.Encode()
		h.Close()
		if err != nil {
			t.Fatal(err)
		}
		flags := uintptr(compile.AllNamespaces)
		if !user {
			flags &^= unix.CLONE_NEWUSER
		}
		e, err := launchBox(t, launch.Request{Plan: enc, Join: &launch.JoinTarget{PIDFD: b.PIDFD(), Flags: flags}})
		if err != nil {
			t.Fatal(err)
		}
		out, _ := e.finish()
		f := strings.Fields(out)
		link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/time", b.PID()))
		if len(f) != 3 || err != nil {
			t.Fatalf("output %q, %v", out, err)
		}
		if up, err := strconv.ParseFloat(f[0], 64); err != nil || up < 1000000 {
			t.Errorf("uptime %v, %v", up, err)
		}
		if f[2] != link {
			t.Errorf("time namespace %s, want %s", f[2], link)
		}
	}
}

func TestJoinedNamespacesOfEveryKind(t *testing.T) {
	root := testRoot(t)
	holder := exec.Command("sleep", "60")
	holder.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWPID | unix.CLONE_NEWUSER | unix.CLONE_NEWCGROUP,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 100000, Size: 65536}}, GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 100000, Size: 65536}},
		GidMappingsEnableSetgroups: true,
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = holder.Process.Kill(); _ = holder.Wait() }()
	spec := testSpec(root, "sh", "-c", "for n in user net uts ipc cgroup pid; do readlink /proc/self/ns/$n; done; id -u")
	withUserNamespace(t, spec)
	spec.Linux.UIDMappings, spec.Linux.GIDMappings, spec.Mounts = nil, nil, spec.Mounts[:3]
	var want []string
	spec.Linux.Namespaces = []specs.LinuxNamespace{{Type: "mount"}}
	// The user namespace is listed last and must be entered first.
	for _, n := range [][2]string{{"network", "net"}, {"uts", "uts"}, {"ipc", "ipc"}, {"cgroup", "cgroup"}, {"pid", "pid"}, {"user", "user"}} {
		path := fmt.Sprintf("/proc/%d/ns/%s", holder.Process.Pid, n[1])
		spec.Linux.Namespaces = append(spec.Linux.Namespaces, specs.LinuxNamespace{Type: specs.LinuxNamespaceType(n[0]), Path: path})
	}
	for _, n := range []string{"user", "net", "uts", "ipc", "cgroup", "pid"} {
		l, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", holder.Process.Pid, n))
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, l)
	}
	out, code := run(t, spec)
	if out != strings.Join(want, "\n")+"\n0" || code != 0 {
		t.Errorf("output %q, code %d, want %q", out, code, want)
	}
}

// statField is a field of /proc/PID/stat, counted from 1.
func statField(t *testing.T, pid, n int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	v, err := strconv.Atoi(f[n-3])
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSchedulerAndIOPriority(t *testing.T) {
	for _, c := range []struct {
		s                      specs.Scheduler
		policy, nice, priority int
	}{
		{specs.Scheduler{Policy: specs.SchedOther, Nice: 5}, 0, 5, 0},
		{specs.Scheduler{Policy: specs.SchedBatch, Nice: 7}, 3, 7, 0},
		{specs.Scheduler{Policy: specs.SchedIdle}, 5, 0, 0},
		{specs.Scheduler{Policy: specs.SchedFIFO, Priority: 3}, 1, 0, 3},
		{specs.Scheduler{Policy: specs.SchedRR, Priority: 4, Flags: []specs.LinuxSchedulerFlag{specs.SchedFlagResetOnFork}}, 2, 0, 4},
	} {
		spec := testSpec(testRoot(t), "sleep", "100")
		spec.Process.Scheduler = &c.s
		spec.Process.IOPriority = &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_BE, Priority: 6}
		b, err := start(t, spec)
		if errors.Is(err, unix.EPERM) && c.priority > 0 {
			t.Logf("%s: real time is not allowed here", c.s.Policy)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Exec(); err != nil {
			t.Fatal(err)
		}
		if p, n, r := statField(t, b.PID(), 41), statField(t, b.PID(), 19), statField(t, b.PID(), 40); p != c.policy || n != c.nice || r != c.priority {
			t.Errorf("%s: policy %d, nice %d, priority %d", c.s.Policy, p, n, r)
		}
		io, _, errno := unix.Syscall(unix.SYS_IOPRIO_GET, 1, uintptr(b.PID()), 0)
		if errno != 0 || io != 2<<13|6 {
			t.Errorf("io priority %#x, %v", io, errno)
		}
	}
}

func TestPersonalityMemoryPolicyAndMore(t *testing.T) {
	spec := testSpec(testRoot(t), "sh", "-c", "cat /proc/self/personality /proc/self/oom_score_adj /proc/sys/kernel/domainname; grep Umask /proc/self/status; grep 'open files' /proc/self/limits; grep -c bind:0 /proc/self/numa_maps >/tmp/numa 2>/dev/null; test -s /proc/self/numa_maps && cat /tmp/numa || echo no numa")
	umask, score := uint32(0o27), 321
	spec.Process.User.Umask, spec.Process.OOMScoreAdj = &umask, &score
	spec.Domainname = "example.org"
	spec.Linux.Personality = &specs.LinuxPersonality{Domain: specs.PerLinux32}
	spec.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "0"}
	spec.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 123, Hard: 456}}
	b, err := start(t, spec)
	if errors.Is(err, unix.ENOSYS) {
		t.Log("no memory policies in this kernel")
		spec.Linux.MemoryPolicy = nil
		b, err = start(t, spec)
	}
	if err != nil {
		t.Fatal(err)
	}
	out, _ := b.finish()
	for _, want := range []string{"00000008\n", "321\n", "example.org\n", "Umask:\t0027\n", "123                  456"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in %q", want, out)
		}
	}
	if spec.Linux.MemoryPolicy != nil && strings.HasSuffix(out, "\n0") {
		t.Errorf("memory is not bound to node 0: %q", out)
	}
}

func TestAffinity(t *testing.T) {
	var mine unix.CPUSet
	if err := unix.SchedGetaffinity(0, &mine); err != nil {
		t.Fatal(err)
	}
	if !mine.IsSet(0) || !mine.IsSet(1) {
		t.Skip("needs processors 0 and 1")
	}
	spec := testSpec(testRoot(t), "sleep", "100")
	// A caller that is confined, as one started by taskset: the container is not.
	b, err := start(t, spec, func(q *launch.Request) { q.Affinity = []uint64{1} })
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Exec(); err != nil {
		t.Fatal(err)
	}
	var got unix.CPUSet
	if err := unix.SchedGetaffinity(b.PID(), &got); err != nil || got.Count() != mine.Count() {
		t.Errorf("the container has %d processors, want %d (%v)", got.Count(), mine.Count(), err)
	}
	for _, c := range []struct{ initial, final, want string }{{"0", "1", "1"}, {"1", "", "1"}, {"", "0", "0"}, {"0-1", "0-1", "0-1"}} {
		p, h, err := compile.Exec(&specs.Process{
			Args: []string{"grep", "Cpus_allowed_list", "/proc/self/status"}, Cwd: "/", Env: []string{"PATH=/bin"},
			ExecCPUAffinity: &specs.CPUAffinity{Initial: c.initial, Final: c.final},
		}, compile.ExecOptions{})
		if err != nil {
			t.Fatal(err)
		}
		req := launch.Request{Join: &launch.JoinTarget{PIDFD: b.PIDFD(), Flags: compile.AllNamespaces &^ (unix.CLONE_NEWUSER | unix.CLONE_NEWTIME)}}
		h.Apply(&req)
		if req.Plan, err = p.Encode(); err != nil {
			t.Fatal(err)
		}
		e, err := launchBox(t, req)
		if err != nil {
			t.Fatal(err)
		}
		if out, _ := e.finish(); out != "Cpus_allowed_list:\t"+c.want {
			t.Errorf("%+v: %q", c, out)
		}
	}
	if err := unix.SchedGetaffinity(0, &got); err != nil || got.Count() != mine.Count() {
		t.Error("the caller stayed confined")
	}
}

func TestCapabilitySets(t *testing.T) {
	spec := testSpec(testRoot(t), "grep", "Cap", "/proc/self/status")
	spec.Process.User.UID = 7
	spec.Process.Capabilities = &specs.LinuxCapabilities{
		Bounding: []string{"CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"}, Permitted: []string{"CAP_CHOWN", "CAP_KILL"}, Effective: []string{"CAP_CHOWN"},
		Inheritable: []string{"CAP_CHOWN", "CAP_KILL"}, Ambient: []string{"CAP_KILL"},
	}
	out, _ := run(t, spec)
	// Another user's program has what is ambient; root's would have the bounding set.
	for _, want := range []string{"CapInh:\t0000000000000021", "CapPrm:\t0000000000000020", "CapEff:\t0000000000000020", "CapBnd:\t0000000000002021", "CapAmb:\t0000000000000020"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in %q", want, out)
		}
	}
}

func TestDevices(t *testing.T) {
	root := testRoot(t)
	mode, uid, gid := os.FileMode(0o640), uint32(11), uint32(12)
	spec := testSpec(root, "sh", "-c", "stat -c '%F %a %u %g %t:%T' /dev/zero2 /srv/deep/null /run/pipe /dev/null; echo x > /srv/deep/null; for l in fd stdin stdout stderr ptmx; do readlink /dev/$l; done")
	spec.Linux.Devices = []specs.LinuxDevice{
		{Path: "/dev/zero2", Type: "c", Major: 1, Minor: 5, FileMode: &mode, UID: &uid, GID: &gid},
		{Path: "/srv/deep/null", Type: "u", Major: 1, Minor: 3},
		{Path: "/run/pipe", Type: "p", FileMode: &mode},
	}
	want := "character special file 640 11 12 1:5\ncharacter special file 666 0 0 1:3\nfifo 640 0 0 0:0\ncharacter special file 666 0 0 1:3\n/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx"
	if out, _ := run(t, spec); out != want {
		t.Errorf("output %q, want %q", out, want)
	}
	// A second run finds the nodes outside /dev and takes them; another file at the path is an error.
	if out, _ := run(t, spec); out != want {
		t.Errorf("again: %q", out)
	}
	write(t, root+"/etc/x", "mine", 0o644)
	spec.Linux.Devices = []specs.LinuxDevice{{Path: "/etc/x", Type: "c", Major: 1, Minor: 3}}
	if _, err := start(t, spec); err == nil || !strings.Contains(err.Error(), "device /etc/x: another file is at this path") {
		t.Errorf("error %v", err)
	}
	if b, err := os.ReadFile(root + "/etc/x"); err != nil || string(b) != "mine" {
		t.Errorf("the file is %q, %v", b, err)
	}
}

// In a user namespace the host's node is bound, also under another name.
func TestDevicesInAUserNamespace(t *testing.T) {
	spec := testSpec(testRoot(t), "sh", "-c", "stat -c '%F %t:%T' /dev/mine /dev/null; echo x > /dev/mine && echo written")
	spec.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/mine", Type: "c", Major: 1, Minor: 3}}
	withUserNamespace(t, spec)
	if out, _ := run(t, spec); out != "character special file 1:3\ncharacter special file 1:3\nwritten" {
		t.Errorf("output %q", out)
	}
	spec.Linux.Devices[0].Minor = 77
	if _, err := start(t, spec); err == nil || !strings.Contains(err.Error(), "/dev/mine") {
		t.Errorf("a device that the host has not: %v", err)
	}
}
