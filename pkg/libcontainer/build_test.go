package libcontainer_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
)

// byWay starts a container by an image or by the small program. It says whether an image stands at the barrier.
func byWay(t *testing.T, spec *specs.Spec, bySmall bool, change ...func(*launch.Request)) (b *box, image bool, err error) {
	t.Helper()
	defer func(before bool) { small = before }(small)
	small = bySmall
	if b, err = start(t, spec, change...); err != nil {
		return b, false, err
	}
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", b.PID()))
	return b, strings.HasPrefix(exe, "/memfd:exec"), err
}

// numbers are what differs from one container to the next: inodes of namespaces, ids of mounts and devices, times; and the owner of
// the host's /dev/null, which hides files: crun, which other tests run, gives it to the user of a container for a moment.
var numbers = regexp.MustCompile(`(?m:^character special file 666 \d+ \d+ 1 3 )|:\[\d+\]|(?m:^\d+ \d+ \d+:\d+ )|(?:shared|master):\d+|[A-Z][a-z][a-z] +\d+ +\d\d:\d\d|inode=\d+`)

// passing are hierarchies that other tests make and remove, in which everybody is at the root.
var passing = regexp.MustCompile(`(?m:^\d+:(?:net_cls|net_prio|net_cls,net_prio|hugetlb):/\n)`)

// inside prints what the file system of a container is, besides everything of its first process.
const inside = everything + `
cat /proc/self/mountinfo
busybox ls -laR /dev /tmp /run /data 2>&1 | busybox grep -v ' -> pipe:'
stat -c '%F %a %u %g %t %T %n' /proc /sys /sys/fs/cgroup /proc/kcore /proc/keys /proc/scsi /sys/firmware 2>&1
for f in /proc/sys/kernel/hostname /proc/sys/kernel/domainname /proc/sys/net/ipv4/ip_forward /sys/class/net/lo/flags; do cat $f; done
for f in /proc/sysrq-trigger /proc/sys/kernel/panic /proc/timer_list /dev/null /dev/full /x; do { echo >$f; } 2>&1; echo $f $?; done
cat /data/file /data/single 2>&1
true`

// TestBuildBothWays: a container that an image builds is the same as one that the small program builds.
func TestBuildBothWays(t *testing.T) {
	source := t.TempDir()
	for _, name := range []string{"file", "single"} {
		write(t, filepath.Join(source, name), name+"\n", 0o644)
	}
	bind := func(from, to string, options ...string) specs.Mount {
		return specs.Mount{Destination: to, Type: "bind", Source: from, Options: append([]string{"rbind"}, options...)}
	}
	mount := func(m ...specs.Mount) func(*specs.Spec) {
		return func(s *specs.Spec) { s.Mounts = append(s.Mounts, m...) }
	}
	errno := uint(99)
	for name, c := range map[string]struct {
		change func(*specs.Spec)
		// small says that only the small program can build it.
		small bool
	}{
		"plain":              {change: func(*specs.Spec) {}},
		"read-only":          {change: func(s *specs.Spec) { s.Root.Readonly = true }},
		"directory":          {change: mount(bind(source, "/data"))},
		"file":               {change: mount(bind(source+"/single", "/data/single", "ro"))},
		"deep":               {change: mount(bind(source, "/data/a/b/c/d", "ro", "nosuid"))},
		"behind a link":      {change: mount(bind(source, "/linked/below"))},
		"behind a dead link": {change: mount(bind(source, "/dead/below")), small: true},
		"attributes":         {change: mount(bind(source, "/data", "rro", "noatime", "nosymfollow", "rslave", "unbindable"))},
		"tmpfs": {change: mount(
			specs.Mount{Destination: "/run", Type: "tmpfs", Source: "tmpfs", Options: []string{"ro", "size=1m", "mode=750"}},
			bind(source, "/run/in/it"),
		)},
		"copied up": {change: mount(specs.Mount{Destination: "/etc", Type: "tmpfs", Source: "tmpfs", Options: []string{"tmpcopyup"}}), small: true},
		"sysctl": {change: func(s *specs.Spec) {
			s.Linux.Sysctl = map[string]string{"net.ipv4.ip_forward": "1", "kernel.domainname": "d"}
		}},
		"names": {change: func(s *specs.Spec) { s.Hostname, s.Domainname = "one", "two.example" }},
		"devices": {change: func(s *specs.Spec) {
			mode, id := os.FileMode(0o640), uint32(7)
			s.Linux.Devices = []specs.LinuxDevice{
				{Path: "/dev/mine", Type: "c", Major: 1, Minor: 7, FileMode: &mode, UID: &id, GID: &id},
				{Path: "/run/dir/fifo", Type: "p", FileMode: &mode},
			}
		}},
		"no dev":       {change: func(s *specs.Spec) { s.Mounts = s.Mounts[:1] }},
		"propagation":  {change: func(s *specs.Spec) { s.Linux.RootfsPropagation = "shared" }},
		"host's names": {change: func(s *specs.Spec) { s.Hostname = ""; s.Linux.Namespaces = withoutKind(s, "uts", "ipc") }},
		"host's net":   {change: func(s *specs.Spec) { s.Linux.Namespaces = withoutKind(s, "network") }},
		"net that is there": {change: func(s *specs.Spec) {
			s.Linux.Namespaces = append(withoutKind(s, "network"), specs.LinuxNamespace{Type: "network", Path: netThere(t)})
		}},
		"host's pids":   {change: func(s *specs.Spec) { s.Linux.Namespaces = withoutKind(s, "pid") }},
		"user":          {change: func(s *specs.Spec) { s.Process.User = specs.User{UID: 7, GID: 8, AdditionalGids: []uint32{9}} }},
		"cwd":           {change: func(s *specs.Spec) { s.Process.Cwd = "/tmp" }},
		"home":          {change: func(s *specs.Spec) { s.Process.User.UID = 7; s.Process.Env = append(s.Process.Env, "HOME=") }},
		"score":         {change: func(s *specs.Spec) { n := 321; s.Process.OOMScoreAdj = &n }},
		"no privileges": {change: func(s *specs.Spec) { s.Process.Capabilities = nil }},
		"filter": {change: func(s *specs.Spec) {
			s.Process.NoNewPrivileges = false
			s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{
				{Names: []string{"mkdir", "mkdirat", "mount", "capset", "pivot_root"}, Action: specs.ActErrno, ErrnoRet: &errno},
			}}
		}},
		"user namespace": {change: func(s *specs.Spec) { withUserNamespace(t, s) }, small: true},
	} {
		t.Run(name, func(t *testing.T) {
			var out [2]string
			for i, bySmall := range []bool{true, false} {
				root := testRoot(t)
				for link, to := range map[string]string{"linked": "/tmp", "dead": "/later/on"} {
					if err := os.Symlink(to, filepath.Join(root, link)); err != nil {
						t.Fatal(err)
					}
				}
				write(t, root+"/etc/passwd", "root:x:0:0::/root:\nseven:x:7:7::/seven:\n", 0o644)
				spec := testSpec(root, "sh", "-c", inside)
				c.change(spec)
				b, image, err := byWay(t, spec, bySmall)
				if err != nil {
					t.Fatal(err)
				}
				if os.Getenv(envProgram) == "" && image == (bySmall || c.small) {
					t.Errorf("built by an image: %v", image)
				}
				text, code := b.finish()
				if code != 0 {
					t.Errorf("code %d: %s", code, text)
				}
				out[i] = strings.ReplaceAll(numbers.ReplaceAllString(passing.ReplaceAllString(text, ""), "#"), root, "ROOT")
			}
			if out[0] != out[1] {
				t.Errorf("%s", differing(out[1], out[0]))
			}
			if len(out[0]) < 3000 {
				t.Errorf("little was seen: %s", out[0])
			}
		})
	}
}

// TestImageAboveItsDescriptors: an image starts whatever numbers its descriptors have here, also where one is lower than the
// one that it gets inside.
func TestImageAboveItsDescriptors(t *testing.T) {
	if small {
		t.Skip("no images in this lane")
	}
	for extra := range 40 {
		spec := testSpec(testRoot(t), "true")
		spec.Linux.Namespaces = append(withoutKind(spec, "network"), specs.LinuxNamespace{Type: "network", Path: netThere(t)})
		_, image, err := byWay(t, spec, false, func(r *launch.Request) {
			for range extra {
				fd, err := unix.FcntlInt(r.OpenFiles[0].Fd(), unix.F_DUPFD_CLOEXEC, 0)
				if err != nil {
					t.Fatal(err)
				}
				file := os.NewFile(uintptr(fd), "extra")
				t.Cleanup(func() { _ = file.Close() })
				r.ExtraFiles = append(r.ExtraFiles, file)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if !image {
			t.Errorf("with %d more descriptors it was not built by an image", extra)
		}
	}
}

// netThere is the file of a network namespace that somebody has made.
func netThere(t *testing.T) string {
	t.Helper()
	keeper := exec.Command("sleep", "1000")
	keeper.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: unix.SIGKILL}
	if err := keeper.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = keeper.Process.Kill()
		_ = keeper.Wait()
	})
	return fmt.Sprintf("/proc/%d/ns/net", keeper.Process.Pid)
}

func withoutKind(s *specs.Spec, kinds ...specs.LinuxNamespaceType) []specs.LinuxNamespace {
	var rest []specs.LinuxNamespace
	for _, n := range s.Linux.Namespaces {
		keep := true
		for _, k := range kinds {
			keep = keep && n.Type != k
		}
		if keep {
			rest = append(rest, n)
		}
	}
	return rest
}

// TestBuildFailsBothWays: what an image cannot build is told in the words of the small program, and what it cannot
// execute in the same.
func TestBuildFailsBothWays(t *testing.T) {
	for name, change := range map[string]func(*specs.Spec){
		"missing":   func(s *specs.Spec) { s.Process.Args = []string{"nothing"} },
		"directory": func(s *specs.Spec) { s.Process.Args = []string{"/tmp"} },
		"cwd":       func(s *specs.Spec) { s.Process.Cwd = "/bin/busybox" },
		"sysctl":    func(s *specs.Spec) { s.Linux.Sysctl = map[string]string{"net.ipv4.nothing": "1"} },
		"source": func(s *specs.Spec) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/x", Type: "bind", Source: "/nothing", Options: []string{"bind"}})
		},
		"option": func(s *specs.Spec) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/x", Type: "tmpfs", Source: "tmpfs", Options: []string{"nothing=1"}})
		},
		"target": func(s *specs.Spec) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/bin/busybox/x", Type: "tmpfs", Source: "tmpfs"})
		},
		"procfs": func(s *specs.Spec) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/toproc", Type: "tmpfs", Source: "tmpfs"})
		},
		"device": func(s *specs.Spec) {
			s.Linux.Devices = []specs.LinuxDevice{{Path: "/bin/busybox", Type: "c", Major: 1, Minor: 3}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var failures [2]launch.Failure
			for i, bySmall := range []bool{true, false} {
				root := testRoot(t)
				if err := os.Symlink("/proc/self", filepath.Join(root, "toproc")); err != nil {
					t.Fatal(err)
				}
				spec := testSpec(root, "true")
				change(spec)
				b, _, err := byWay(t, spec, bySmall)
				if err == nil {
					err = b.Exec()
				}
				var f *launch.Failure
				if !errors.As(err, &f) {
					t.Fatalf("%v, want a failure", err)
				}
				failures[i] = *f
			}
			if failures[0] != failures[1] {
				t.Errorf("%#v, want %#v", failures[1], failures[0])
			}
		})
	}
}

// TestBuiltIsNoneOfTheHosts: at the barrier an image is a sealed file with no descriptor but its own, and cannot be
// looked into.
func TestBuiltIsNoneOfTheHosts(t *testing.T) {
	stray, err := unix.Open("/", unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(stray) }()
	spec := testSpec(testRoot(t), "sleep", "1000")
	spec.Process.User.UID = 7
	b, image, err := byWay(t, spec, false)
	if os.Getenv(envProgram) != "" {
		t.Skip("calls are hidden that an image needs")
	}
	if err != nil || !image {
		t.Fatalf("image %v, %v", image, err)
	}
	proc := func(name string) string { return fmt.Sprintf("/proc/%d/%s", b.PID(), name) }
	fds, err := os.ReadDir(proc("fd"))
	if err != nil || len(fds) != 4 { // stdio and the socket
		t.Errorf("descriptors %v, %v", fds, err)
	}
	if fd, err := unix.Open(proc("exe"), unix.O_WRONLY, 0); err == nil {
		if _, err = unix.Write(fd, []byte("x")); err == nil {
			t.Error("its program was written to")
		}
		_ = unix.Close(fd)
	}
	var st unix.Stat_t
	if err := unix.Stat(proc("status"), &st); err != nil || st.Uid != 0 {
		t.Errorf("it can be dumped: owner %d, %v", st.Uid, err)
	}
}
