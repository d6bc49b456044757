package e2e

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/manager-project/manager/internal/testenv"
)

// needCRIU leaves the test to a machine whose kernel and CRIU fit together.
func needCRIU(t *testing.T) {
	t.Helper()
	out, err := exec.Command("criu", "check").CombinedOutput()
	if err == nil {
		return
	}
	testenv.Need(t, testenv.Root, testenv.Unified, testenv.Systemd)
	t.Fatalf("criu check: %v\n%s", err, out)
}

// counter is a container that counts in its memory and on its output.
type counter struct {
	t   *testing.T
	log string
}

// counting starts one.
func counting(t *testing.T, m *testenv.Manager, name string, options ...string) *counter {
	t.Helper()
	dir := filepath.Join(m.Dir, "out-"+name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	m.MustRun(t, append(append([]string{"run", "--detach", "--name", name, "--network", "none", "--volume", dir + ":/out"}, options...),
		"busybox", "sh", "-c", "trap 'exit 7' TERM; i=0; while :; do i=$((i+1)); echo at $i; sleep 0.05; done")...)
	return &counter{t, inspected(t, m, name, ".HostConfig.LogConfig.Path")}
}

// said is all that it has said.
func (c *counter) said() (all []int) {
	c.t.Helper()
	log, err := os.ReadFile(c.log)
	if err != nil && !os.IsNotExist(err) {
		c.t.Fatal(err)
	}
	for line := range strings.Lines(string(log)) {
		if _, text, ok := strings.Cut(line, " at "); ok && strings.HasSuffix(text, "\n") {
			n, err := strconv.Atoi(strings.TrimSpace(text))
			if err != nil {
				c.t.Fatalf("the log has %q", line)
			}
			all = append(all, n)
		}
	}
	return all
}

// more waits until it has said more than so many counts, and returns all.
func (c *counter) more(than int) (all []int) {
	c.t.Helper()
	until(c.t, 2*time.Minute, func() error {
		if all = c.said(); len(all) <= than {
			return fmt.Errorf("it does not count beyond %v", all[max(0, len(all)-3):])
		}
		return nil
	})
	return all
}

// criuLogs shows what CRIU complained of when a test fails.
func criuLogs(t *testing.T, m *testenv.Manager) {
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		logs, _ := filepath.Glob(filepath.Join(m.Root, "manager/containers/*/criu/*.log"))
		for _, file := range logs {
			text, _ := os.ReadFile(file)
			for line := range strings.Lines(string(text)) {
				if strings.Contains(line, "Error") || strings.Contains(line, "Warn") {
					t.Logf("%s: %s", filepath.Base(file), strings.TrimSpace(line))
				}
			}
		}
	})
}

// inspected is a field of inspect.
func inspected(t *testing.T, m *testenv.Manager, name, field string) string {
	t.Helper()
	return strings.TrimSpace(m.MustRun(t, "inspect", "--format", "{{"+field+"}}", name))
}

// parentOf is the parent of a process.
func parentOf(t *testing.T, pid string) string {
	t.Helper()
	raw, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), "\nPPid:")
	return strings.Fields(rest)[0]
}

// TestCRIU has containers go on where they were. They know the count from their memory alone.
func TestCRIU(t *testing.T) {
	needCRIU(t)
	for _, runtime := range []string{"", "manager-runtime", "runc"} {
		t.Run("runtime "+runtime, func(t *testing.T) {
			m := testenv.NewManager(t)
			m.Image(t, "busybox")
			criuLogs(t, m)
			var options []string
			switch runtime {
			case "manager-runtime":
				options = []string{"--runtime", filepath.Join(testenv.Programs(t), runtime)}
			case "runc":
				options = []string{"--runtime", runtime}
			}
			goesOn(t, m, options)
		})
	}
}

func goesOn(t *testing.T, m *testenv.Manager, options []string) {
	box := counting(t, m, "box", options...)
	box.more(5)
	m.MustRun(t, "container", "checkpoint", "box")
	if status := inspected(t, m, "box", ".State.Status"); status != "exited" {
		t.Errorf("it is %s after the checkpoint", status)
	}
	if since := inspected(t, m, "box", ".State.CheckpointedAt"); strings.HasPrefix(since, "0001") {
		t.Errorf("checkpointed at %s", since)
	}
	said := box.said()
	next := said[len(said)-1] + 1
	m.MustRun(t, "container", "restore", "--keep", "box")
	if now := box.more(len(said)); now[len(said)] != next {
		t.Errorf("it goes on at %d and not at %d: %v", now[len(said)], next, now)
	}
	pid, monitor := inspected(t, m, "box", ".State.Pid"), inspected(t, m, "box", ".State.ConmonPid")
	if got := parentOf(t, pid); got != monitor {
		t.Errorf("its parent is %s, the monitor is %s", got, monitor)
	}
	if out := m.MustRun(t, "exec", "box", "echo", "inside"); out != "inside" {
		t.Errorf("exec says %q", out)
	}
	m.MustRun(t, "pause", "box")
	m.MustRun(t, "unpause", "box")
	box.more(len(box.said()))
	// Its output still goes to the log, and its end is seen.
	if out := m.MustRun(t, "logs", "--tail", "1", "box"); !strings.HasPrefix(out, "at ") {
		t.Errorf("the log ends with %q", out)
	}
	m.MustRun(t, "stop", "--time", "60", "box")
	if code := inspected(t, m, "box", ".State.ExitCode"); code != "7" {
		t.Errorf("it ended with %s", code)
	}
	// The images were kept: back in time.
	before := len(box.said())
	m.MustRun(t, "container", "restore", "box")
	if now := box.more(before); now[before] != next {
		t.Errorf("it goes on at %d and not at %d: %v", now[before], next, now)
	}
	m.MustRun(t, "rm", "--force", "--time", "0", "box")
}

// TestCRIUNetwork: a network is no part of the images. A restored container has one again, and its port.
func TestCRIUNetwork(t *testing.T) {
	needCRIU(t)
	m := testenv.NewManager(t)
	m.Image(t, "busybox")
	criuLogs(t, m)
	m.MustRun(t, "run", "--detach", "--name", "box", "--network", "builtin", "--publish", "127.0.0.1:8093:80", "busybox",
		"sh", "-c", "echo served >/index.html; exec httpd -f -p 80 -h /")
	served := func(when string) {
		t.Helper()
		var r testenv.Result
		for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
			if r = m.Run("run", "--rm", "--network", "host", "busybox", "wget", "-qO-", "http://127.0.0.1:8093/"); r.Stdout == "served\n" {
				return
			}
		}
		t.Errorf("%s: %q %s", when, r.Stdout, r.Stderr)
	}
	served("at first")
	m.MustRun(t, "container", "checkpoint", "box")
	m.MustRun(t, "container", "restore", "box")
	served("restored")
	if out := m.MustRun(t, "exec", "box", "ip", "route"); !strings.Contains(out, "default via 10.0.2.2") {
		t.Errorf("routes: %s", out)
	}
	m.MustRun(t, "rm", "--force", "--time", "0", "box")
}

// TestCRIUTwice dumps on top of a pre-dump, while the container goes on, and prints what that took.
func TestCRIUTwice(t *testing.T) {
	needCRIU(t)
	m := testenv.NewManager(t)
	m.Image(t, "busybox")
	criuLogs(t, m)
	box := counting(t, m, "box")
	m.MustRun(t, "container", "checkpoint", "--pre-checkpoint", "box")
	box.more(len(box.said()))
	if r := m.Run("container", "checkpoint", "--print-stats", "--with-previous", "--leave-running", "box"); r.Code != 0 || !strings.Contains(r.Stdout, `"frozen_time"`) {
		t.Fatalf("exit code %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
	box.more(len(box.said()))
	if status := inspected(t, m, "box", ".State.Status"); status != "running" {
		t.Errorf("it is %s", status)
	}
	m.MustRun(t, "stop", "--time", "0", "box")
	said := box.said()
	m.MustRun(t, "container", "restore", "box")
	box.more(len(said))
	if r := m.Run("container", "restore", "box"); r.Code != 125 || !strings.Contains(r.Stderr, "it is running") {
		t.Errorf("restored twice: exit code %d: %s", r.Code, r.Stderr)
	}
	m.MustRun(t, "stop", "--time", "0", "box")
	if r := m.Run("container", "restore", "box"); r.Code != 125 || !strings.Contains(r.Stderr, "has no checkpoint") {
		t.Errorf("without images: exit code %d: %s", r.Code, r.Stderr)
	}
}

// TestCRIUArchive takes a container from one store to another, with what it wrote into its root filesystem.
func TestCRIUArchive(t *testing.T) {
	needCRIU(t)
	m, other := testenv.NewManager(t), testenv.NewManager(t)
	for _, m := range []*testenv.Manager{m, other} {
		m.Image(t, "busybox")
		criuLogs(t, m)
	}
	m.MustRun(t, "run", "--detach", "--name", "box", "--network", "none", "--volume", "data:/data", "--volume", "/own", "busybox",
		"sh", "-c", "i=0; echo mine > /written; echo named > /data/file; echo own > /own/file; chown 7:8 /own/file; while :; do i=$((i+1)); echo $i > /count; sleep 0.05; done")
	count := func(m *testenv.Manager, name string, above int) int {
		t.Helper()
		for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
			if now, err := strconv.Atoi(strings.TrimSpace(m.Run("exec", name, "cat", "/count").Stdout)); err == nil && now > above {
				return now
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: the count does not get beyond %d", name, above)
			}
		}
	}
	at := count(m, "box", 5)
	pre, whole := filepath.Join(m.Dir, "pre.tar"), filepath.Join(m.Dir, "box.tar.gz")
	m.MustRun(t, "container", "checkpoint", "--pre-checkpoint", "--export", pre, "--compress", "none", "box")
	m.MustRun(t, "container", "checkpoint", "--with-previous", "--export", whole, "--compress", "gzip", "box")
	if r := other.Run("container", "restore", "--import", whole); r.Code != 125 || !strings.Contains(r.Stderr, "needs its pre-checkpoint") {
		t.Errorf("without the first part: exit code %d: %s", r.Code, r.Stderr)
	}
	other.MustRun(t, "container", "restore", "--import", whole, "--import-previous", pre)
	if now := count(other, "box", 0); now < at || now > at+2000 {
		t.Errorf("it goes on at %d, and was at %d", now, at)
	}
	if out := other.MustRun(t, "exec", "box", "cat", "/written", "/data/file", "/own/file"); out != "mine\nnamed\nown" {
		t.Errorf("the files have %q", out)
	}
	if out := other.MustRun(t, "exec", "box", "stat", "-c", "%u:%g", "/own/file"); out != "7:8" {
		t.Errorf("/own/file belongs to %s", out)
	}
	if out := other.MustRun(t, "volume", "ls", "--quiet", "--filter", "name=data"); out != "data" {
		t.Errorf("the volumes are %q", out)
	}
	if r := other.Run("container", "restore", "--import", whole, "--import-previous", pre); r.Code != 125 || !strings.Contains(r.Stderr, "remove it") {
		t.Errorf("once more: exit code %d: %s", r.Code, r.Stderr)
	}
	other.MustRun(t, "rm", "--force", "--time", "0", "--volumes", "box")
	m.MustRun(t, "rm", "--volumes", "box")
	for _, m := range []*testenv.Manager{m, other} {
		m.MustRun(t, "volume", "rm", "data")
	}
}

// tarNames are the names in a tar file that is not compressed.
func tarNames(t *testing.T, from io.Reader) (names []string) {
	t.Helper()
	for r := tar.NewReader(from); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		if strings.HasPrefix(h.Name, "volumes/") {
			for _, inner := range tarNames(t, r) {
				names = append(names, h.Name+":"+inner)
			}
		}
	}
}

// TestCheckpointVolumes puts the content of volumes into archives, and takes no volume that is here. The images are
// those of a CRIU that does nothing.
func TestCheckpointVolumes(t *testing.T) {
	m, other := testenv.NewManager(t), testenv.NewManager(t)
	for _, m := range []*testenv.Manager{m, other} {
		m.Image(t, "busybox")
	}
	m.MustRun(t, "run", "--detach", "--name", "kept", "--network", "none", "--volume", "data:/data", "--volume", "/own", "--volume", "data2:/ro:ro",
		"busybox", "sh", "-c", "echo mine > /data/file; mkdir /own/dir; ln -s /etc/passwd /own/link; echo ready; sleep 1000")
	until(t, waiting, func() error {
		if r := m.Run("logs", "kept"); r.Stdout != "ready\n" {
			return fmt.Errorf("%+v", r)
		}
		return nil
	})
	file := filepath.Join(m.Dir, "kept.tar")
	export := func(options ...string) []string {
		t.Helper()
		// It answers that the dump (kind 1) went well. Source: CRIU, rpc.proto, "criu_resp".
		fakeCRIU(t, m, "#!/bin/sh\n[ $1 = check ] && exit 0\ndd bs=1M count=1 <&$2 >/dev/null 2>&1\nprintf '\\010\\001\\020\\001' >&$2\n")
		m.MustRun(t, append(append([]string{"container", "checkpoint", "--leave-running", "--compress", "none", "--export", file}, options...), "kept")...)
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return tarNames(t, bytes.NewReader(raw))
	}
	names := export()
	for _, want := range []string{"volumes/0.tar:file", "volumes/1.tar:dir/", "volumes/1.tar:link", "volumes/2.tar"} {
		if !slices.Contains(names, want) {
			t.Errorf("no %s among %q", want, names)
		}
	}
	fakeCRIU(t, other, "#!/bin/sh\n[ $1 = check ] && exit 0\nexit 1\n")
	refused := func(words string, options ...string) {
		t.Helper()
		before := other.MustRun(t, "volume", "ls", "--quiet")
		r := other.Run(append([]string{"container", "restore", "--import", file}, options...)...)
		if r.Code != 125 || !strings.Contains(r.Stderr, words) {
			t.Errorf("%v: exit code %d: %s", options, r.Code, r.Stderr)
		}
		if after := other.MustRun(t, "volume", "ls", "--quiet") + other.MustRun(t, "ps", "--all", "--quiet"); after != before {
			t.Errorf("%v left %s, and there was %s", options, after, before)
		}
	}
	refused("restore container kept: ") // by the CRIU that does nothing, after the volumes
	other.MustRun(t, "volume", "create", "data")
	refused("volume data: it is here already; remove it, or add --ignore-volumes")
	refused("restore container kept: ", "--ignore-volumes")
	if names := export("--ignore-volumes"); slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, "volumes/") }) {
		t.Errorf("volumes among %q", names)
	}
	refused("volumes are not in the archive; add --ignore-volumes")
	m.MustRun(t, "volume", "create", "--opt", "type=tmpfs", "--opt", "device=tmpfs", "special")
	m.MustRun(t, "run", "--detach", "--name", "mounted", "--network", "none", "--volume", "special:/x", "busybox", "sleep", "1000")
	if r := m.Run("container", "checkpoint", "--leave-running", "--export", file, "mounted"); r.Code != 125 || !strings.Contains(r.Stderr, "the volume special, which was made with options") {
		t.Errorf("exit code %d: %s", r.Code, r.Stderr)
	}
	m.MustRun(t, "rm", "--force", "--time", "0", "--volumes", "kept", "mounted")
	m.MustRun(t, "volume", "rm", "data", "data2", "special")
	other.MustRun(t, "volume", "rm", "data")
}

// fakeCRIU puts a program into $PATH, in place of criu, or none.
func fakeCRIU(t *testing.T, m *testenv.Manager, script string) {
	t.Helper()
	dir := filepath.Join(m.Dir, "fake")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "criu")
	if err := os.WriteFile(file, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	path := dir + ":" + os.Getenv("PATH")
	if script == "" {
		path = filepath.Join(m.Dir, "nowhere")
	}
	for i, kv := range m.Env {
		if strings.HasPrefix(kv, "PATH=") {
			m.Env[i] = "PATH=" + path
		}
	}
}

// TestCheckpointFails leaves the container as it was, and says what to do.
func TestCheckpointFails(t *testing.T) {
	m := testenv.NewManager(t)
	m.Image(t, "busybox")
	m.MustRun(t, "run", "--detach", "--name", "box", "--network", "none", "busybox", "sleep", "1000")
	m.MustRun(t, "create", "--name", "off", "--network", "none", "busybox", "true")
	refused := func(words string, args ...string) {
		t.Helper()
		r := m.Run(append([]string{"container"}, args...)...)
		if r.Code != 125 || strings.Count(r.Stderr, "\n") != 1 || !strings.Contains(r.Stderr, words) {
			t.Errorf("%v: exit code %d: %s", args, r.Code, r.Stderr)
		}
		if got := inspected(t, m, "box", ".State.Status"); got != "running" {
			t.Fatalf("it is %s after %v", got, args)
		}
	}
	fakeCRIU(t, m, "")
	refused("criu: not found in $PATH; install the package criu", "checkpoint", "box")
	refused("criu: not found in $PATH", "restore", "off")
	fakeCRIU(t, m, "#!/bin/sh\necho 'Error (x.c:1): no such thing in this kernel'\necho 'Error (y.c:2): so no'\nexit 1\n")
	refused("it does not work on this host: Error (x.c:1): no such thing in this kernel; install a criu that knows Linux", "checkpoint", "box")
	fakeCRIU(t, m, "#!/bin/sh\n[ $1 = check ] && exit 0\necho out of order >&2\nexit 1\n")
	refused("checkpoint container box: checkpoint by criu: out of order; see ", "checkpoint", "box")
	refused("checkpoint container box: pre-dump by criu: out of order; see ", "checkpoint", "--pre-checkpoint", "box")
	refused("it has no earlier checkpoint; make one with --pre-checkpoint first", "checkpoint", "--with-previous", "box")
	refused("--with-previous", "checkpoint", "--with-previous", "--pre-checkpoint", "box")
	refused("it is created, not running", "checkpoint", "off")
	refused("it has no checkpoint", "restore", "off")
	refused("it is running, not stopped", "restore", "box")
	refused("needs a container name", "checkpoint")
	refused("--all and --latest", "restore", "--all", "box")
	// A checkpoint that CRIU cannot restore leaves the container stopped, and the images.
	id := inspected(t, m, "off", ".Id")
	images := filepath.Join(m.Root, "manager/containers", id, "checkpoint")
	if err := os.Mkdir(images, 0o700); err != nil {
		t.Fatal(err)
	}
	refused("restore container off: runtime manager-runtime: ", "restore", "off")
	if err := os.Symlink("/etc/passwd", filepath.Join(images, "pages-1.img")); err != nil {
		t.Fatal(err)
	}
	refused("is not a regular file", "restore", "off")
	if got := inspected(t, m, "off", ".State.Status"); got != "created" {
		t.Errorf("it is %s", got)
	}
	m.MustRun(t, "rm", "--force", "--time", "0", "box", "off")
}

// TestCheckpointArchives refuses archives and options before anything is made, and leaves nothing.
func TestCheckpointArchives(t *testing.T) {
	m := testenv.NewManager(t)
	m.Image(t, "busybox")
	m.MustRun(t, "volume", "create", "data")
	m.MustRun(t, "run", "--detach", "--name", "box", "--network", "none", "busybox", "sleep", "1000")
	m.MustRun(t, "run", "--detach", "--name", "bound", "--network", "none", "--volume", m.Dir+":/host", "busybox", "sleep", "1000")
	m.MustRun(t, "run", "--detach", "--name", "kept", "--network", "none", "--volume", "data:/data", "busybox", "sleep", "1000")
	m.MustRun(t, "run", "--detach", "--name", "mighty", "--network", "none", "--privileged", "busybox", "sleep", "1000")
	fakeCRIU(t, m, "#!/bin/sh\n[ $1 = check ] && exit 0\nexit 1\n")
	refused := func(words string, args ...string) {
		t.Helper()
		before := m.MustRun(t, "ps", "--all", "--quiet")
		r := m.Run(append([]string{"container"}, args...)...)
		if r.Code != 125 || strings.Count(r.Stderr, "\n") != 1 || !strings.Contains(r.Stderr, words) {
			t.Errorf("%v: exit code %d: %s", args, r.Code, r.Stderr)
		}
		if after := m.MustRun(t, "ps", "--all", "--quiet"); after != before {
			t.Errorf("%v left\n%s", args, after)
		}
	}
	file := filepath.Join(m.Dir, "a.tar")
	refused("--compress", "checkpoint", "--export", file, "--compress", "rar", "box")
	refused("it is about archives", "checkpoint", "--compress", "gzip", "box")
	refused("no such directory", "checkpoint", "--export", "/no/such/a.tar", "box")
	refused("one file takes one container", "checkpoint", "--export", file, "box", "kept")
	refused("the mounts (--volume, --mount) of bound cannot be put into an archive", "checkpoint", "--export", file, "bound")
	refused("the security options and devices of mighty", "checkpoint", "--export", file, "mighty")
	if _, err := os.Lstat(file); err == nil {
		t.Error("there is an archive")
	}
	refused("it is about archives", "restore", "--name", "x", "box")
	refused("no such file", "restore", "--import", file)
	refused("not a regular file", "restore", "--import", "/dev/zero")
	refused("it takes no containers", "restore", "--import", file, "box")
	image := strings.TrimSpace(m.MustRun(t, "inspect", "--format", "{{.Image}}", "box"))
	id := strings.Repeat("ab", 32)
	good := `{"version":1,"id":"` + id + `","name":"new","image":{"id":"` + image + `"},"args":["sleep","9"],"network":"none"}`
	for words, config := range map[string]string{
		"it is of version 9":                strings.Replace(good, `"version":1`, `"version":9`, 1),
		"no id of a container":              strings.Replace(good, id, "../../etc", 1),
		"no name of a container":            strings.Replace(good, `"new"`, `"../x"`, 1),
		`network mode "host"`:               strings.Replace(good, `"none"`, `"host"`, 1),
		"it has no command":                 strings.Replace(good, `"sleep","9"`, "", 1),
		"pull or load that image first":     strings.Replace(good, image, strings.Repeat("0", 64), 1),
		"--workdir":                         strings.Replace(good, `"args"`, `"workdir":"rel","args"`, 1),
		"it ends before digests.json":       good,
		"config.json: ":                     good[:20],
		"--import-previous":                 strings.Replace(good, `"args"`, `"previous":true,"args"`, 1),
		"no name of a volume":               strings.Replace(good, `"args"`, `"volumes":[{"name":"../x","destination":"/x"}],"args"`, 1),
		"no place for a volume":             strings.Replace(good, `"args"`, `"volumes":[{"name":"x","destination":"/a/../.."}],"args"`, 1),
		"is in it twice":                    strings.Replace(good, `"args"`, `"volumes":[{"destination":"/x"},{"destination":"/x"}],"args"`, 1),
		"volumes are not in the archive":    strings.Replace(good, `"args"`, `"volumes":[{"name":"x","destination":"/x"}],"args"`, 1),
		"volume data: it is here already":   strings.Replace(good, `"args"`, `"volumes_in":true,"volumes":[{"name":"data","destination":"/x"}],"args"`, 1),
		"it is a pre-checkpoint":            strings.Replace(good, `"args"`, `"pre":true,"args"`, 1),
		"--memory \"1\": less than 6291456": strings.Replace(good, `"args"`, `"memory":1,"args"`, 1),
	} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		if err := w.WriteHeader(&tar.Header{Name: "config.json", Size: int64(len(config)), Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write([]byte(config))
		if err := errors.Join(w.Close(), os.WriteFile(file, b.Bytes(), 0o600)); err != nil {
			t.Fatal(err)
		}
		refused(words, "restore", "--import", file)
	}
	m.MustRun(t, "rm", "--force", "--time", "0", "box", "bound", "kept", "mighty")
	m.MustRun(t, "volume", "rm", "data")
}
