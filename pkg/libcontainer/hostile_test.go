package libcontainer_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/manager-project/manager/pkg/libcontainer/compile"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// canary is a host directory that no container may change; the result checks it.
func canary(t *testing.T) (dir string, check func()) {
	t.Helper()
	dir = t.TempDir()
	write(t, dir+"/victim", "known", 0o640)
	write(t, dir+"/null", "known", 0o640)
	write(t, dir+"/console", "known", 0o640)
	write(t, dir+"/ptmx", "known", 0o640)
	if err := os.Mkdir(dir+"/conf.d", 0o700); err != nil {
		t.Fatal(err)
	}
	picture := func() string {
		var b strings.Builder
		_ = filepath.Walk(dir, func(p string, i os.FileInfo, err error) error {
			var st unix.Stat_t
			_ = unix.Lstat(p, &st)
			c, _ := os.ReadFile(p)
			fmt.Fprintln(&b, p, st.Mode, st.Uid, st.Gid, st.Ino, st.Size, st.Mtim, string(c))
			return nil
		})
		return b.String()
	}
	before := picture()
	return dir, func() {
		t.Helper()
		if after := picture(); after != before {
			t.Errorf("the host was changed:\n%s\nbefore:\n%s", after, before)
		}
	}
}

// Links in the root file system must not lead the set-up of /dev to the host (S01, S02).
func TestLinkedDevStaysInside(t *testing.T) {
	for _, withMount := range []bool{true, false} {
		for _, target := range []string{"%s", "../../../../../../..%s"} {
			for _, tty := range []bool{true, false} {
				dir, check := canary(t)
				root := testRoot(t)
				if err := os.Remove(root + "/dev"); err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(fmt.Sprintf(target, dir), root+"/dev"); err != nil {
					t.Fatal(err)
				}
				spec := testSpec(root, "true")
				spec.Process.Terminal = tty
				if !withMount {
					spec.Mounts = append(spec.Mounts[:1:1], spec.Mounts[5:]...)
				}
				if b, err := start(t, spec); err == nil {
					_ = b.Exec()
					_, _ = b.Wait()
				}
				check()
			}
		}
	}
}

func TestLinkedNodesInDevStayInside(t *testing.T) {
	for _, tty := range []bool{true, false} {
		dir, check := canary(t)
		root := testRoot(t)
		for _, n := range []string{"null", "console", "ptmx", "mynode"} {
			if err := os.Symlink(dir+"/victim", root+"/dev/"+n); err != nil {
				t.Fatal(err)
			}
		}
		spec := testSpec(root, "true")
		spec.Mounts = append(spec.Mounts[:1:1], spec.Mounts[5:]...) // nothing on /dev
		uid := uint32(1000)
		spec.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/mynode", Type: "c", Major: 1, Minor: 3, UID: &uid, GID: &uid}}
		spec.Process.Terminal = tty
		if b, err := start(t, spec); err == nil {
			t.Error("started on a link in the place of a device")
			_ = b.Exec()
		}
		check()
	}
}

// Links on the way of mount targets and working directories stay inside (S07, S08, S11).
func TestLinkedTargetsStayInside(t *testing.T) {
	dir, check := canary(t)
	root := testRoot(t)
	if err := os.Symlink(dir, root+"/data"); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(root+dir+"/conf.d", 0o755); err != nil { // where the link leads inside the root
		t.Fatal(err)
	}
	write(t, root+"/src", "x", 0o644)
	spec := testSpec(root, "cat", "/proc/self/mountinfo")
	spec.Mounts = append(spec.Mounts,
		specs.Mount{Destination: "/data/conf.d/new", Type: "tmpfs", Source: "tmpfs"},
		specs.Mount{Destination: "/data/file", Type: "bind", Source: root + "/src", Options: []string{"bind"}})
	out, code := run(t, spec)
	if code != 0 || !strings.Contains(out, dir+"/conf.d/new") {
		t.Errorf("code %d, not mounted inside the root: %s", code, out)
	}
	check()
}

func TestProcAndSysMustBeDirectories(t *testing.T) {
	for _, name := range []string{"proc", "sys"} {
		root := testRoot(t)
		if err := os.Remove(root + "/" + name); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("tmp", root+"/"+name); err != nil {
			t.Fatal(err)
		}
		_, err := start(t, testSpec(root, "true"))
		if err == nil || !strings.Contains(err.Error(), "must be mounted on ordinary directory") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMountsInsideProcAreRefused(t *testing.T) {
	for target, ok := range map[string]bool{"/proc/self/attr": false, "/proc/self": false, "/proc/sys/kernel": false, "/proc/../proc/sys": false, "/proc/meminfo": true} {
		root := testRoot(t)
		write(t, root+"/src", "x", 0o644)
		spec := testSpec(root, "true")
		spec.Mounts = append(spec.Mounts, specs.Mount{Destination: target, Type: "bind", Source: root + "/src", Options: []string{"bind"}})
		_, _, err := compile.Container(spec, compile.Options{Bundle: root})
		if (err == nil) != ok {
			t.Errorf("%s: %v", target, err)
		}
	}
}

// The container's own /dev/null is never used for masks (S03).
func TestMasksUseTheHostsNull(t *testing.T) {
	root := testRoot(t)
	dev := t.TempDir()
	if err := os.Symlink("/proc/sys/kernel/core_pattern", dev+"/null"); err != nil {
		t.Fatal(err)
	}
	spec := testSpec(root, "sh", "-c", "stat -c %t:%T /proc/version; ls -A /sys/kernel; mount -o remount,rw /proc/sys && echo remounted; umount /proc/version && echo unmounted; true")
	spec.Linux.MaskedPaths = append(spec.Linux.MaskedPaths, "/proc/version", "/sys/kernel", "/sys/module")
	spec.Mounts[1] = specs.Mount{Destination: "/dev", Type: "bind", Source: dev, Options: []string{"rbind"}}
	spec.Mounts = append(spec.Mounts[:2:2], spec.Mounts[5:]...)
	out, _ := run(t, spec)
	if !strings.HasPrefix(out, "1:3") || strings.Contains(out, "mounted\n") || strings.Contains(out, "mm") {
		t.Errorf("output %q", out)
	}
}

// No descriptor but stdio reaches the program, and none of the host's can be the working directory (S13).
func TestNoDescriptorLeaks(t *testing.T) {
	out, _ := run(t, testSpec(testRoot(t), "ls", "/proc/self/fd"))
	if got := strings.Fields(out); strings.Join(got, " ") != "0 1 2 3" { // 3 is ls's own
		t.Errorf("descriptors %v", got)
	}
	for n := 3; n < 20; n++ {
		for _, tail := range []string{"", "/..", "/../.."} {
			spec := testSpec(testRoot(t), "pwd")
			spec.Process.Cwd = fmt.Sprintf("/proc/self/fd/%d%s", n, tail)
			if b, err := start(t, spec); err == nil {
				out, _ := b.finish()
				t.Errorf("cwd %s: started in %q", spec.Process.Cwd, out)
			}
		}
	}
}

func TestNoDescriptorLeaksInExec(t *testing.T) {
	b, err := start(t, testSpec(testRoot(t), "sleep", "60"))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Exec(); err != nil {
		t.Fatal(err)
	}
	e, err := b.join(&specs.Process{Args: []string{"ls", "/proc/self/fd"}, Cwd: "/", Env: []string{"PATH=/bin"}})
	if err != nil {
		t.Fatal(err)
	}
	if out, _ := e.finish(); strings.Join(strings.Fields(out), " ") != "0 1 2 3" {
		t.Errorf("descriptors %q", out)
	}
	for n := 3; n < 12; n++ {
		if e, err := b.join(&specs.Process{Args: []string{"pwd"}, Cwd: fmt.Sprintf("/proc/self/fd/%d", n), Env: []string{"PATH=/bin"}}); err == nil {
			out, _ := e.finish()
			t.Errorf("cwd of descriptor %d: started in %q", n, out)
		}
	}
}

// The host's program cannot be written to through a container's init (S14); TestBuiltIsNoneOfTheHosts says the same of
// images.
func TestProgramIsReadOnly(t *testing.T) {
	b, _, err := byWay(t, testSpec(testRoot(t), "true"), true)
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	exe := fmt.Sprintf("/proc/%d/exe", b.PID())
	fd, err := unix.Open(exe, unix.O_PATH, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	b.finish() // the program no longer executes: only the mount protects it now
	f, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", fd), os.O_WRONLY, 0)
	if err == nil {
		_ = f.Close()
	}
	if !errors.Is(err, unix.EROFS) {
		t.Errorf("open for writing: %v, want EROFS", err)
	}
	if after, _ := os.ReadFile(program); !bytes.Equal(before, after) {
		t.Error("the program changed")
	}
}

// A waiting init is not dumpable: its descriptors and memory are closed to its equals (S15).
func TestInitIsNotDumpable(t *testing.T) {
	b, err := start(t, testSpec(testRoot(t), "true"))
	if err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	spec := testSpec(testRoot(t), "true")
	spec.Process.User.UID = 1000
	u, err := start(t, spec)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []*box{b, u} {
		if err := unix.Stat(fmt.Sprintf("/proc/%d/environ", p.PID()), &st); err != nil || st.Uid != 0 {
			t.Errorf("environ belongs to %d (%v), want root", st.Uid, err)
		}
	}
}

// Data for init has no bound that a big configuration could overflow (S17).
func TestThousandsOfMounts(t *testing.T) {
	root := testRoot(t)
	spec := testSpec(root, "sh", "-c", "grep -c many /proc/self/mountinfo")
	const n = 2000
	long := strings.Repeat("x", 200)
	for i := range n {
		spec.Mounts = append(spec.Mounts, specs.Mount{Destination: fmt.Sprintf("/many/%s/%d", long, i), Type: "bind", Source: root + "/bin/busybox", Options: []string{"bind", "ro"}})
	}
	out, code := run(t, spec)
	if out != fmt.Sprint(n) || code != 0 {
		t.Errorf("output %q, code %d", out, code)
	}
}

func TestDeathInHandshakeIsAnError(t *testing.T) {
	b, err := start(t, testSpec(testRoot(t), "true"))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	err = b.Exec()
	var f *launch.Failure
	if !errors.As(err, &f) || !strings.Contains(err.Error(), "signal 9") {
		t.Errorf("got %v", err)
	}
}
