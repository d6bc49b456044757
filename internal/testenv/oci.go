package testenv

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// OCI is a program with runc's command line, with a state directory, a root file system of busybox and a
// parent cgroup of its own.
type OCI struct {
	// Program is absolute.
	Program string
	// Global are the options before each command.
	Global []string
	// Dir is the private folder that holds everything below; Root is what --root names.
	Dir, Root, Rootfs string
	// Cgroup is the parent of all containers' cgroups, "/NAME".
	Cgroup string
	// Env is the whole environment of the commands.
	Env []string
}

// OCICommand is one command of a runtime.
type OCICommand struct {
	Args []string
	// Env is added to the environment.
	Env []string
	// Stdin is text for its standard input; nil means none.
	Stdin *string
	// Files become descriptors 3, 4, …
	Files []*os.File
	// Dir is its working directory; "" means the private folder.
	Dir string
}

// NewOCI prepares a runtime. At the end of the test all its containers are deleted, and nothing may
// be left behind. It skips without root or a static busybox.
func NewOCI(t testing.TB, program string, global ...string) *OCI {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	if _, err := os.Stat("/bin/busybox"); err != nil {
		t.Skip("needs a static /bin/busybox")
	}
	dir, err := os.MkdirTemp("", "oci")
	if err != nil {
		t.Fatal(err)
	}
	var tail [6]byte
	_, _ = rand.Read(tail[:])
	o := &OCI{
		Program: program, Dir: dir, Root: filepath.Join(dir, "state"), Rootfs: filepath.Join(dir, "rootfs"),
		Cgroup: "/" + CgroupPrefix + hex.EncodeToString(tail[:]), Env: []string{"PATH=" + os.Getenv("PATH")},
	}
	o.Global = append([]string{"--root", o.Root}, global...)
	t.Cleanup(func() { o.close(t) })
	if err := makeRootfs(o.Rootfs); err != nil {
		t.Fatal(err)
	}
	return o
}

// makeRootfs is busybox, its most used names, and directories to mount on.
func makeRootfs(dir string) error {
	for _, d := range []string{"bin", "dev", "proc", "sys", "tmp", "etc", "root"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return err
		}
	}
	b, err := os.ReadFile("/bin/busybox")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "bin/busybox"), b, 0o755); err != nil {
		return err
	}
	for _, n := range strings.Fields("sh cat ls true false id mount grep sed cut sleep touch echo mkdir readlink hostname tty kill stat env pwd stty ps seq nc head wc") {
		if err := os.Symlink("busybox", filepath.Join(dir, "bin", n)); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "etc/passwd"), []byte("root:x:0:0:root:/root:/bin/sh\n"), 0o644)
}

// close deletes the containers and looks for what is left.
func (o *OCI) close(t testing.TB) {
	if list, err := os.ReadDir(o.Root); err == nil {
		for _, e := range list {
			o.Run(t, "delete", "--force", e.Name())
		}
	}
	if parents, err := filepath.Glob("/sys/fs/cgroup/*" + o.Cgroup); err == nil {
		for _, dir := range append(parents, "/sys/fs/cgroup"+o.Cgroup) {
			_ = unix.Rmdir(dir) // one that is not empty stays and is reported
		}
	}
	left, err := Remains(o.Marks())
	if err != nil {
		t.Error(err)
	}
	for _, thing := range left {
		t.Errorf("left behind: %s", thing)
	}
	if err := os.RemoveAll(o.Dir); err != nil {
		t.Error(err)
	}
}

// Marks are the marks of everything that this runtime makes.
func (o *OCI) Marks() Marks {
	return Marks{Dirs: []string{o.Dir}, Cgroups: []string{o.Cgroup[1:]}, Watch: []string{o.Root}}
}

// Spec is a configuration like the ones engines make, for a container of that id.
func (o *OCI) Spec(id string, args ...string) *specs.Spec {
	caps := []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_KILL", "CAP_SETGID", "CAP_SETUID"}
	return &specs.Spec{
		Version: "1.0.2", Root: &specs.Root{Path: o.Rootfs}, Hostname: "box",
		Process: &specs.Process{
			Args: args, Cwd: "/", Env: []string{"PATH=/bin", "HOME=/root"}, NoNewPrivileges: true,
			Capabilities: &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps},
		},
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
			{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
			{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", "ro"}},
		},
		Linux: &specs.Linux{
			CgroupsPath: o.Cgroup + "/" + id,
			Namespaces:  []specs.LinuxNamespace{{Type: "pid"}, {Type: "network"}, {Type: "ipc"}, {Type: "uts"}, {Type: "mount"}},
		},
	}
}

// Bundle writes the bundle of a container and returns its folder. Each change may edit the configuration.
func (o *OCI) Bundle(t testing.TB, id string, args []string, change ...func(*specs.Spec)) string {
	t.Helper()
	spec := o.Spec(id, args...)
	for _, c := range change {
		c(spec)
	}
	b, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(o.Dir, "bundles", id)
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "config.json"), b, 0o644)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Command returns a command that is yet to be started, without streams.
func (o *OCI) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, o.Program, append(slices.Clone(o.Global), args...)...)
	cmd.Env, cmd.Dir = o.Env, o.Dir
	return cmd
}

// Run runs a command to its end.
func (o *OCI) Run(t testing.TB, args ...string) Result {
	t.Helper()
	return o.Do(t, OCICommand{Args: args})
}

// Do runs a command to its end. Its output goes to files, since containers that it leaves hold the
// streams open.
func (o *OCI) Do(t testing.TB, c OCICommand) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := o.Command(ctx, c.Args...)
	cmd.Env = append(slices.Clone(o.Env), c.Env...)
	cmd.ExtraFiles = c.Files
	if c.Dir != "" {
		cmd.Dir = c.Dir
	}
	if c.Stdin != nil {
		cmd.Stdin = strings.NewReader(*c.Stdin)
	}
	out, errs := outFile(t), outFile(t)
	cmd.Stdout, cmd.Stderr = out, errs
	err := cmd.Run()
	r := Result{Stdout: content(t, out), Stderr: content(t, errs)}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		t.Errorf("%s %s hangs\n%s%s", filepath.Base(o.Program), strings.Join(c.Args, " "), r.Stdout, r.Stderr)
		r.Code = -1
	case errors.As(err, &exit):
		r.Code = exit.ExitCode()
	case err != nil:
		t.Fatal(err)
	}
	return r
}

// outFile is a file without a name.
func outFile(t testing.TB) *os.File {
	t.Helper()
	fd, err := unix.MemfdCreate("output", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), "output")
}

func content(t testing.TB, f *os.File) string {
	t.Helper()
	var b bytes.Buffer
	_, err := f.Seek(0, 0)
	if err == nil {
		_, err = b.ReadFrom(f)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Must runs a command that has to succeed, and returns its output without the last newline.
func (o *OCI) Must(t testing.TB, args ...string) string {
	t.Helper()
	r := o.Run(t, args...)
	if r.Code != 0 {
		t.Fatalf("%s %s: exit code %d\n%s%s", filepath.Base(o.Program), strings.Join(args, " "), r.Code, r.Stdout, r.Stderr)
	}
	return strings.TrimSuffix(r.Stdout, "\n")
}

// Refused runs a command that has to fail with a code and words.
func (o *OCI) Refused(t testing.TB, code int, words string, args ...string) {
	t.Helper()
	r := o.Run(t, args...)
	if r.Code != code || !strings.Contains(r.Stderr, words) {
		t.Errorf("%s %s: exit code %d, want %d with %q\n%s%s", filepath.Base(o.Program), strings.Join(args, " "), r.Code, code, words, r.Stdout, r.Stderr)
	}
}

// State is the decoded answer of the command state; nil without a container of that id.
func (o *OCI) State(t testing.TB, id string) map[string]any {
	t.Helper()
	r := o.Run(t, "state", id)
	if r.Code != 0 {
		return nil
	}
	var s map[string]any
	if err := json.Unmarshal([]byte(r.Stdout), &s); err != nil {
		t.Fatalf("state %s: %v\n%s", id, err, r.Stdout)
	}
	return s
}

// Await waits until the container has a status.
func (o *OCI) Await(t testing.TB, id, status string) {
	t.Helper()
	var got any
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		s := o.State(t, id)
		if got = s["status"]; got == status {
			return
		}
	}
	t.Fatalf("container %s is %v, want %s", id, got, status)
}
