package e2e

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/manager-project/manager/internal/testenv"
)

// TestSELinuxStreams: a confined command gets the caller's streams though it may not have files and pipes of his session,
// and a confined program reaches the socket of its monitor.
func TestSELinuxStreams(t *testing.T) {
	testenv.Need(t, testenv.Root, testenv.Enforcing)
	m := testenv.NewManager(t)
	m.Image(t, "busybox")
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.Close() }()
	cmd := m.Command(t.Context(), "run", "-d", "--name", "c", "--network", "none", "busybox", "sh", "-c",
		`ln -s $NOTIFY_SOCKET /dev/log && logger "x
STATUS=fine" && exec sleep 1000`)
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	_ = socket.SetReadDeadline(time.Now().Add(waiting))
	for got := ""; got != "STATUS=fine"; {
		buf := make([]byte, 4096)
		n, err := socket.Read(buf)
		if err != nil {
			t.Fatalf("no message of the program: %v; %s", err, m.Run("logs", "c").Stderr)
		}
		got = string(buf[:n])
	}
	in, out := filepath.Join(t.TempDir(), "in"), filepath.Join(t.TempDir(), "out")
	text := strings.Repeat("0123456789abcde\n", 20000)
	if err := os.WriteFile(in, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd = m.Command(t.Context(), "exec", "-i", "c", "sh", "-c", "cat; echo err >&2; echo again >/dev/stdout")
	stdin, err := os.Open(in)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stdin.Close() }()
	stdout, err := os.OpenFile(out, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stdout.Close() }()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, stdout
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	// Two streams, so err may come before the end of the text.
	if len(got) != len(text)+len("err\nagain\n") || strings.ReplaceAll(string(got), "err\n", "") != text+"again\n" {
		t.Errorf("%d bytes came, of %d", len(got), len(text))
	}
	m.MustRun(t, "rm", "-f", "-t", "0", "c")
}

// session is the label of a shell that a user logs in to: with all categories, unlike services.
const session = "unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023"

// TestSELinuxSession: a container gets its streams from a login's session too, root's and a user's, though the pipes of such a
// session have all categories. A user's containers are confined as root's are.
func TestSELinuxSession(t *testing.T) {
	testenv.Need(t, testenv.Root, testenv.Enforcing)
	m := testenv.NewManager(t)
	m.Image(t, "busybox")
	inSession := func(prefix []string, program string, args ...string) string {
		t.Helper()
		argv := append(append([]string{session}, prefix...), append([]string{program}, args...)...)
		cmd := exec.CommandContext(t.Context(), "runcon", argv...)
		cmd.Env = append(os.Environ(), m.Env...)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%q: %v\n%s%s", args, err, out, &stderr)
		}
		return string(out)
	}
	confined := regexp.MustCompile(`^[a-z_]+:[a-z_]+:container_t:s0:c\d+,c\d+`)
	look := []string{"busybox", "sh", "-c", "cat /proc/self/attr/current; echo; cat"}
	if out := inSession(nil, m.Program, m.Args(append([]string{"run", "--rm", "-i", "--network", "none"}, look...)...)...); !confined.MatchString(out) {
		t.Errorf("root: %q", out)
	}
	// The user's own store, in his home.
	home, err := os.MkdirTemp("/home/"+testenv.MachineUser, "selinux")
	if err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(home, "busybox.tar")
	m.MustRun(t, "save", "-o", archive, "busybox")
	policy := filepath.Join(home, "config", "containers", "policy.json")
	if err := errors.Join(os.MkdirAll(filepath.Dir(policy), 0o755), os.WriteFile(policy, []byte(`{"default": [{"type": "insecureAcceptAnything"}]}`), 0o644)); err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]os.FileMode{home: 0o755, archive: 0o644} {
		if err := errors.Join(os.Chmod(path, mode), os.Chown(path, 1000, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	user := []string{
		"setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "env", "-i", "PATH=/usr/bin:/usr/sbin:/bin:/sbin",
		"HOME=/home/" + testenv.MachineUser, "USER=" + testenv.MachineUser, "XDG_RUNTIME_DIR=/run/user/1000", "XDG_CONFIG_HOME=" + home + "/config",
	}
	his := func(args ...string) string {
		t.Helper()
		return inSession(user, m.Program, append([]string{"--root", home + "/root", "--runroot", home + "/run", "--cgroup-manager", "cgroupfs"}, args...)...)
	}
	// His store stays, with the mounts in his namespace: the machine goes with it.
	his("load", "-i", archive)
	own := filepath.Join(home, "own")
	if err := errors.Join(os.Mkdir(own, 0o755), os.Chown(own, 1000, 1000)); err != nil {
		t.Fatal(err)
	}
	if out := his(append([]string{"run", "--rm", "-i", "--network", "none", "-v", own + ":/own:Z", "-v", "data:/data"}, "busybox", "sh", "-c", "cat /proc/self/attr/current; echo; echo x >/own/f && echo x >/data/f && echo written")...); !confined.MatchString(out) || !strings.HasSuffix(out, "written\n") {
		t.Errorf("user: %q", out)
	}
}

// TestSELinuxCheckpoint: a confined container goes on with its label, or as it is where CRIU cannot keep that: by an
// error that says so. One without a label of its own can be checkpointed by any CRIU.
func TestSELinuxCheckpoint(t *testing.T) {
	testenv.Need(t, testenv.Root, testenv.SELinux)
	m := testenv.NewManager(t)
	m.Image(t, "busybox")
	criuLogs(t, m)
	m.MustRun(t, "run", "--detach", "--name", "kept", "--network", "none", "busybox", "sh", "-c", "i=0; while :; do i=$((i+1)); echo $i >/dev/shm/count; sleep 0.05; done")
	label := func() string {
		t.Helper()
		raw, err := os.ReadFile("/proc/" + inspected(t, m, "kept", ".State.Pid") + "/attr/current")
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimRight(string(raw), "\x00\n")
	}
	before := label()
	if want := inspected(t, m, "kept", ".ProcessLabel"); before != want {
		t.Errorf("its label is %s, want %s", before, want)
	}
	var count string
	counts := func() error {
		r := m.Run("exec", "kept", "cat", "/dev/shm/count")
		if r.Code != 0 || r.Stdout == "" || r.Stdout == count {
			return fmt.Errorf("the count stays at %q: %+v", count, r)
		}
		count = r.Stdout
		return nil
	}
	until(t, 2*time.Minute, counts)
	check := exec.Command("criu", "check").Run()
	r := m.Run("container", "checkpoint", "kept")
	switch {
	case r.Code == 0:
		m.MustRun(t, "container", "restore", "kept")
	case check == nil && strings.Contains(r.Stderr, "built without SELinux") && strings.Contains(r.Stderr, "--security-opt label=disable"):
	case check != nil && strings.Contains(r.Stderr, "SELinux enforces here and may be the reason"):
	default:
		t.Errorf("checkpoint: %+v; criu check: %v", r, check)
	}
	until(t, 2*time.Minute, counts)
	until(t, 2*time.Minute, counts)
	if after := label(); after != before {
		t.Errorf("its label is %s, and was %s", after, before)
	}
	if r.Code != 0 {
		if r := m.Run("container", "restore", "kept"); r.Code != 125 {
			t.Errorf("restore: %+v", r)
		}
	}
	m.MustRun(t, "rm", "--force", "--time", "0", "kept")
	if check == nil {
		goesOn(t, m, []string{"--security-opt", "label=disable"})
	}
}

// TestSELinuxWhy: "why" tells what SELinux refused a program, and names no other reason.
func TestSELinuxWhy(t *testing.T) {
	testenv.Need(t, testenv.Root, testenv.Enforcing)
	m := testenv.NewManager(t)
	m.Image(t, "busybox")
	dir := filepath.Join(m.Dir, "unlabelled")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	m.MustRun(t, "create", "--name", "c", "--network", "none", "--volume", dir+":/d", "busybox", "sh", "-c", "ls /d && exit 0; exit 3")
	// The kernel leaves out what it refuses when it has refused much.
	until(t, 2*time.Minute, func() error {
		if r := m.Run("start", "--attach", "c"); r.Code == 0 {
			t.Fatalf("it could list the directory: %+v", r)
		}
		out := m.MustRun(t, "why", "c")
		if !strings.Contains(out, `SELinux did not let "ls" `) || !strings.Contains(out, ` a directory "/d" with the label `) || !strings.Contains(out, "label=disable") {
			return errors.New(out)
		}
		return nil
	})
	m.MustRun(t, "rm", "c")
	if out := m.MustRun(t, "why", "c"); !strings.Contains(out, `SELinux did not let "ls" `) {
		t.Errorf("of the removed one: %s", out)
	}
	m.MustRun(t, "run", "--name", "well", "--network", "none", "busybox", "true")
	if r := m.Run("run", "--name", "ill", "--network", "none", "busybox", "false"); r.Code != 1 {
		t.Errorf("got %+v", r)
	}
	if out := m.MustRun(t, "why", "ill"); strings.Contains(out, "SELinux") {
		t.Errorf("SELinux had no part: %s", out)
	}
	m.MustRun(t, "rm", "well", "ill")
}
