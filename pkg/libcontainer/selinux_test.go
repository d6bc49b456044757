package libcontainer_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/manager-project/manager/internal/testenv"
	"github.com/manager-project/manager/pkg/libcontainer"
	"github.com/manager-project/manager/pkg/libcontainer/compile"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Labels of one container, and of the files of another.
const (
	processLabel = "system_u:system_r:container_t:s0:c1,c2"
	fileLabel    = "system_u:object_r:container_file_t:s0:c1,c2"
	othersLabel  = "system_u:object_r:container_file_t:s0:c3,c4"
)

// relabel gives a label to everything in a folder.
func relabel(t *testing.T, dir, label string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return unix.Lsetxattr(path, "security.selinux", []byte(label), 0)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// labelOf is the label of a file.
func labelOf(t *testing.T, path string) string {
	t.Helper()
	buf := make([]byte, 256)
	n, err := unix.Lgetxattr(path, "security.selinux", buf)
	if err != nil {
		t.Fatalf("label of %s: %v", path, err)
	}
	return strings.TrimRight(string(buf[:n]), "\x00")
}

// selinuxSpec is a container with labels.
func selinuxSpec(t *testing.T, args ...string) *specs.Spec {
	t.Helper()
	rootfs := testRoot(t)
	relabel(t, rootfs, fileLabel)
	spec := testSpec(rootfs, args...)
	spec.Process.SelinuxLabel = processLabel
	spec.Linux.MountLabel = fileLabel
	spec.Mounts = append(spec.Mounts, specs.Mount{Destination: "/scratch", Type: "tmpfs", Source: "tmpfs", Options: []string{"size=1m", "mode=1777"}})
	return spec
}

// TestSELinuxLabels looks from the host at the labels of a running container.
func TestSELinuxLabels(t *testing.T) {
	testenv.Need(t, testenv.Root, testenv.SELinux)
	spec := selinuxSpec(t, "sh", "-c", "touch /scratch/new /tmp/new && echo there && exec sleep 1000")
	// A masked directory gets an empty one of the container's label.
	spec.Linux.MaskedPaths = append(spec.Linux.MaskedPaths, "/etc")
	b, err := start(t, spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Exec(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 6)
	if _, err := b.out.Read(line); err != nil || string(line) != "there\n" {
		t.Fatalf("output %q, %v", line, err)
	}
	proc := fmt.Sprintf("/proc/%d", b.PID())
	if got, err := os.ReadFile(proc + "/attr/current"); err != nil || strings.TrimRight(string(got), "\x00\n") != processLabel {
		t.Errorf("process: %q, %v", got, err)
	}
	for _, path := range []string{"/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/null", "/scratch", "/scratch/new", "/tmp/new", "/etc"} {
		if got := labelOf(t, proc+"/root"+path); got != fileLabel {
			t.Errorf("%s: %s", path, got)
		}
	}
	for path, want := range map[string]string{"/proc": ":proc_t:", "/sys": ":sysfs_t:", "/sys/fs/cgroup": ":cgroup_t:"} {
		if got := labelOf(t, proc+"/root"+path); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	joined, err := b.join(&specs.Process{
		Args: []string{"cat", "/proc/self/attr/current"}, Env: []string{"PATH=/bin"}, Cwd: "/", SelinuxLabel: processLabel,
	})
	if err != nil {
		t.Fatal(err)
	}
	if out, code := joined.finish(); strings.TrimRight(out, "\x00") != processLabel || code != 0 {
		t.Errorf("joined: %q, exit code %d", out, code)
	}
}

// TestSELinuxBuildBothWays: a container that an image builds has the labels of one that the small program builds.
func TestSELinuxBuildBothWays(t *testing.T) {
	testenv.Need(t, testenv.Root, testenv.SELinux)
	tmpfs := func(to string, options ...string) specs.Mount {
		return specs.Mount{Destination: to, Type: "tmpfs", Source: "tmpfs", Options: append(options, "mode=755")}
	}
	for name, change := range map[string]func(*specs.Spec){
		"plain":       func(*specs.Spec) {},
		"own context": func(s *specs.Spec) { s.Mounts = append(s.Mounts, tmpfs("/others", "ro", `context="`+othersLabel+`"`)) },
		"masked":      func(s *specs.Spec) { s.Linux.MaskedPaths = append(s.Linux.MaskedPaths, "/etc") },
		"labels of roots": func(s *specs.Spec) {
			s.Linux.MountLabel = ""
			s.Mounts = append(s.Mounts, tmpfs("/others", `rootcontext="`+othersLabel+`"`))
		},
		"files alone":     func(s *specs.Spec) { s.Process.SelinuxLabel = "" },
		"processes alone": func(s *specs.Spec) { s.Linux.MountLabel = "" },
		"neither":         func(s *specs.Spec) { s.Process.SelinuxLabel, s.Linux.MountLabel = "", "" },
	} {
		t.Run(name, func(t *testing.T) {
			var out [2]string
			for i, bySmall := range []bool{true, false} {
				spec := selinuxSpec(t, "sh", "-c", inside)
				change(spec)
				b, image, err := byWay(t, spec, bySmall)
				if err != nil {
					t.Fatal(err)
				}
				if image == bySmall {
					t.Errorf("built by an image: %v", image)
				}
				var labels strings.Builder
				root := fmt.Sprintf("/proc/%d/root", b.PID())
				for _, path := range []string{
					"/", "/dev", "/dev/pts", "/dev/ptmx", "/dev/shm", "/dev/mqueue", "/dev/null", "/dev/stdin", "/scratch", "/others", "/etc", "/proc", "/proc/keys", "/sys", "/sys/fs/cgroup",
				} {
					if _, err := os.Lstat(root + path); err == nil {
						fmt.Fprintln(&labels, path, labelOf(t, root+path))
					}
				}
				if l := spec.Linux.MountLabel; l != "" && strings.Count(labels.String(), l) < 8 {
					t.Errorf("labels at the barrier: %s", &labels)
				}
				text, code := b.finish()
				if code != 0 || spec.Process.SelinuxLabel != "" && !strings.Contains(text, processLabel) {
					t.Errorf("code %d: %s", code, text)
				}
				out[i] = labels.String() + strings.ReplaceAll(numbers.ReplaceAllString(text, "#"), spec.Root.Path, "ROOT")
			}
			if out[0] != out[1] {
				t.Errorf("%s", differing(out[1], out[0]))
			}
		})
	}
}

// TestSELinuxJoinBothWays: a process that an image starts has its label, and its keyring and terminal serve it.
func TestSELinuxJoinBothWays(t *testing.T) {
	testenv.Need(t, testenv.Root, testenv.SELinux)
	spec := selinuxSpec(t, "sleep", "1000")
	b, err := start(t, spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Exec(); err != nil {
		t.Fatal(err)
	}
	for _, terminal := range []bool{false, true} {
		q := libcontainer.Join{Keyring: "_ses.selinux-join", Process: &specs.Process{
			Args: []string{"sh", "-c", "cat /proc/self/attr/current; cat /proc/self/attr/keycreate; touch /scratch/join && echo made"},
			Env:  []string{"PATH=/bin"}, Cwd: "/", SelinuxLabel: processLabel, Terminal: terminal,
		}}
		want, err := joined(t, b, spec, q, false, false)
		if err != nil {
			t.Fatal(err)
		}
		got, err := joined(t, b, spec, q, true, false)
		if err != nil || got != want || !strings.HasPrefix(got, processLabel) || !strings.Contains(got, "made") {
			t.Errorf("terminal %v: %q, %v, want %q", terminal, got, err, want)
		}
	}
}

// TestSELinuxKeyring wants the container's session keyring to be the container's.
func TestSELinuxKeyring(t *testing.T) {
	testenv.Need(t, testenv.Root, testenv.SELinux)
	spec := selinuxSpec(t, "true")
	id := fmt.Sprintf("selinux-%d", os.Getpid())
	p, h, err := compile.Container(spec, compile.Options{Bundle: spec.Root.Path, ID: id})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	enc, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	req := launch.Request{Plan: enc}
	h.Apply(&req)
	if _, err := launchBox(t, req); err != nil {
		t.Fatal(err)
	}
	keys, err := os.ReadFile("/proc/keys")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(keys)) {
		if !strings.Contains(line, "_ses."+id) {
			continue
		}
		var key uint32
		if _, err := fmt.Sscanf(line, "%x", &key); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 256)
		n, err := unix.KeyctlBuffer(unix.KEYCTL_GET_SECURITY, int(int32(key)), buf, 0)
		if err != nil || strings.TrimRight(string(buf[:n]), "\x00") != processLabel {
			t.Errorf("label of the session keyring: %q, %v", buf[:max(n, 0)], err)
		}
		return
	}
	t.Errorf("no session keyring of %s in\n%s", id, keys)
}

// TestSELinuxRefuses lets a container at files that are not its own.
func TestSELinuxRefuses(t *testing.T) {
	testenv.Need(t, testenv.Root, testenv.Enforcing)
	host := t.TempDir()
	for _, dir := range []string{"own", "others", "unlabelled"} {
		if err := os.Mkdir(filepath.Join(host, dir), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(host, dir, "text"), []byte(dir), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	relabel(t, filepath.Join(host, "own"), fileLabel)
	relabel(t, filepath.Join(host, "others"), othersLabel)
	spec := selinuxSpec(t, "sh", "-c", `for d in own others unlabelled; do
		cat /$d/text 2>/dev/null || echo "not read"; { echo x >/$d/new; } 2>/dev/null && echo written || echo "not written"; done`)
	for _, dir := range []string{"own", "others", "unlabelled"} {
		spec.Mounts = append(spec.Mounts, specs.Mount{
			Destination: "/" + dir, Type: "bind", Source: filepath.Join(host, dir), Options: []string{"bind"},
		})
	}
	const want = "ownwritten\nnot read\nnot written\nnot read\nnot written"
	if out, code := run(t, spec); out != want || code != 0 {
		t.Errorf("exit code %d, output %q, want %q", code, out, want)
	}
	// Without a label of its own the same container, which is then the test's, reads and writes all.
	spec.Process.SelinuxLabel = ""
	if out, _ := run(t, spec); strings.Contains(out, "not") {
		t.Errorf("without a label: %q", out)
	}
}

// TestSELinuxEntrypoint wants a program that the label may not begin with to be refused by its name.
func TestSELinuxEntrypoint(t *testing.T) {
	testenv.Need(t, testenv.Root, testenv.Enforcing)
	spec := selinuxSpec(t, "true")
	relabel(t, filepath.Join(spec.Root.Path, "bin"), "system_u:object_r:etc_t:s0")
	b, err := start(t, spec)
	if err == nil {
		err = b.Exec()
	}
	var failed *launch.Failure
	if !errors.As(err, &failed) || failed.Errno != unix.EACCES || failed.Stage != launch.StageExec {
		t.Errorf("got %v", err)
	}
}

// TestSELinuxUnknownLabel wants a label that the policy has not to be named, and no program to run.
func TestSELinuxUnknownLabel(t *testing.T) {
	testenv.Need(t, testenv.Root, testenv.SELinux)
	for _, change := range []func(*specs.Spec){
		func(s *specs.Spec) { s.Process.SelinuxLabel = "system_u:system_r:no_such_t:s0" },
		func(s *specs.Spec) { s.Linux.MountLabel = "system_u:object_r:no_such_t:s0" },
	} {
		spec := selinuxSpec(t, "true")
		change(spec)
		_, err := start(t, spec)
		var failed *launch.Failure
		if !errors.As(err, &failed) || failed.Errno != unix.EINVAL || !strings.Contains(err.Error(), "no_such_t") {
			t.Errorf("got %v", err)
		}
	}
}

// TestSELinuxOwnContext lets a mount's own context win over the container's, in both spellings.
func TestSELinuxOwnContext(t *testing.T) {
	testenv.Need(t, testenv.Root, testenv.SELinux)
	for name, option := range map[string]string{"bare": "context=" + othersLabel, "quoted": `context="` + othersLabel + `"`} {
		// Options beyond 255 bytes take another way to the kernel, where a comma ends an option.
		for _, long := range []string{"", "mpol=bind:" + strings.Repeat("0,", 130) + "0"} {
			spec := selinuxSpec(t, "sleep", "1000")
			options := []string{option}
			if long != "" {
				options = append(options, long)
			}
			spec.Mounts = append(spec.Mounts, specs.Mount{Destination: "/others", Type: "tmpfs", Source: "tmpfs", Options: options})
			b, err := start(t, spec)
			if err != nil {
				t.Errorf("%s, %d bytes: %v", name, len(long), err)
				continue
			}
			if got := labelOf(t, fmt.Sprintf("/proc/%d/root/others", b.PID())); got != othersLabel {
				t.Errorf("%s, %d bytes: %s", name, len(long), got)
			}
		}
	}
}

// TestSELinuxContextType looks at file systems that are labelled as the annotation says: by rootcontext only the root has the label, and
// labels can be given inside.
func TestSELinuxContextType(t *testing.T) {
	testenv.Need(t, testenv.Root, testenv.SELinux)
	for kind, changes := range map[string]bool{"context": false, "rootcontext": true} {
		spec := selinuxSpec(t, "sh", "-c", "touch /scratch/new && echo there && exec sleep 1000")
		spec.Annotations = map[string]string{"run.oci.mount_context_type": kind}
		b, err := start(t, spec)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Exec(); err != nil {
			t.Fatal(err)
		}
		line := make([]byte, 6)
		if _, err := b.out.Read(line); err != nil || string(line) != "there\n" {
			t.Fatalf("%s: output %q, %v", kind, line, err)
		}
		scratch := fmt.Sprintf("/proc/%d/root/scratch", b.PID())
		if got := labelOf(t, scratch); got != fileLabel {
			t.Errorf("%s: %s", kind, got)
		}
		err = unix.Lsetxattr(scratch+"/new", "security.selinux", []byte(othersLabel), 0)
		if changes != (err == nil) || !changes && !errors.Is(err, unix.ENOTSUP) {
			t.Errorf("%s: another label: %v", kind, err)
		}
	}
}
