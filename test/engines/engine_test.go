// Package engines runs containers in other projects' engines (podman, dockerd and
// containerd, from the distribution's packages) with the embedded runtime in the place of
// runc.
//
// Each engine has private folders, sockets and cgroups, and runs every scenario of one
// table. With $MANAGER_ENGINES_REFERENCE they run with runc too, which shows that the
// scenario is right. A scenario looks at the result from inside the container, from the
// engine, and in the files of the kernel. At the end nothing may be left behind: no
// process, mount, cgroup or state file.
package engines

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/testenv"
)

// commandTime bounds one command; it ends a hang, not a slow machine.
const commandTime = time.Minute

// image is the name under which every engine knows the test image.
const image = "localhost/busybox:latest"

// An engine is a container engine with private folders, sockets and cgroups.
type engine struct {
	name string
	// dir is the private folder; its name is short, since the paths of sockets are limited.
	dir string
	// parent is the cgroup of the engine's containers, "/NAME".
	parent string
	// env is the environment of its commands and daemons.
	env []string
	dialect
}

// A dialect is how an engine's command line says things.
type dialect interface {
	// run creates a container and, unless o says otherwise, starts it.
	run(b *box, name string, o *options, args []string) []string
	// exec runs another process in a container.
	exec(b *box, name string, o *options, args []string) []string
	// verb is start, attach, kill, pause, resume or remove: the command lines one after another.
	verb(b *box, verb, name string, more ...string) [][]string
	// look returns the container's status in the engine's words, and its pid.
	look(b *box, name string) (status string, pid int)
	// logs is what the container has written.
	logs(b *box, name string) string
}

// options are those of a container or of a process in it.
type options struct {
	terminal, detach, createOnly, stdin bool
	readOnly, hostPID, hostNetwork      bool
	env                                 []string
	user, cwd                           string
	// binds are "SOURCE:TARGET[:ro]".
	binds []string
	// memory is in bytes; cpus is a number of processors; 0 and "" set no limit.
	memory                   string
	cpus                     string
	capDrop, capAdd, devices []string
	// noNewPrivs and seccomp ask for what some engines do anyway.
	noNewPrivs, seccomp bool
	// more are options in the engine's own words.
	more []string
}

// newEngine makes the private folder, which goes at the end of the test when everything
// that stands in it has gone.
func newEngine(t *testing.T, name string, programs ...string) *engine {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("the engines are set up as root")
	}
	for _, p := range append(programs, "runc") {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("%s is not installed (hack/deps.sh test installs it)", p)
		}
	}
	dir, err := os.MkdirTemp("", "eng")
	if err != nil {
		t.Fatal(err)
	}
	e := &engine{name: name, dir: dir, parent: "/" + testenv.CgroupPrefix + os.Getenv(testenv.RunVariable) + filepath.Base(dir)}
	for _, sub := range []string{"tmp", "home", "runc", "manager-runtime"} {
		if err := os.Mkdir(e.path(sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	e.env = []string{
		"PATH=" + os.Getenv("PATH") + ":/usr/sbin:/sbin", "LC_ALL=C.UTF-8", "TERM=dumb",
		"HOME=" + e.path("home"), "TMPDIR=" + e.path("tmp"),
	}
	t.Cleanup(func() { e.close(t) })
	return e
}

// path is a path below the private folder.
func (e *engine) path(parts ...string) string {
	return filepath.Join(append([]string{e.dir}, parts...)...)
}

// marks are what everything of the engine can be known by.
func (e *engine) marks() testenv.Marks {
	return testenv.Marks{Dirs: []string{e.dir}, Cgroups: []string{strings.TrimPrefix(e.parent, "/")}}
}

// settle waits for the processes that engines leave to finish a removal.
func (e *engine) settle(t *testing.T) {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if list, err := testenv.Processes(e.marks()); err != nil || len(list) == 0 {
			return
		}
	}
	t.Errorf("processes of %s do not end", e.name)
}

// close looks for what the runtimes and the engine left behind, and removes the folder.
func (e *engine) close(t *testing.T) {
	for _, runtime := range []string{"runc", "manager-runtime"} {
		for _, state := range e.states(t, runtime) {
			t.Errorf("%s left the state %s behind", runtime, state)
		}
	}
	e.settle(t)
	e.removeParent(t)
	left, err := testenv.Remains(e.marks())
	if err != nil {
		t.Error(err)
	}
	for _, thing := range left {
		t.Errorf("left behind: %s", thing)
	}
	if err := os.RemoveAll(e.dir); err != nil {
		t.Error(err)
	}
}

// states are the containers that a runtime's folder knows.
func (e *engine) states(t *testing.T, runtime string) []string {
	dir := e.path(runtime)
	switch e.name {
	case "ctr":
		dir = e.path(runtime, "default") // containerd's name space
	case "docker":
		dir = e.path("exec", "runtime-runc", "moby") // of all that go through runc's shim
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// command is a command that is yet to be started.
func (e *engine) command(ctx context.Context, words []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Env, cmd.Dir = e.env, e.dir
	// What stays behind with our pipes open shall fail the test, not hang it.
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// call runs a command to its end, with the text as its input.
func (e *engine) call(input string, words ...string) testenv.Result {
	ctx, cancel := context.WithTimeout(context.Background(), commandTime)
	defer cancel()
	cmd := e.command(ctx, words)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &stdout, &stderr
	err := cmd.Run()
	r := testenv.Result{Stdout: stdout.String(), Stderr: stderr.String()}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		r.Code = exit.ExitCode()
	case err != nil:
		r.Code, r.Stderr = -1, r.Stderr+err.Error()
	}
	return r
}

// must runs a command that has to succeed and returns its output without the last newline.
func (e *engine) must(t *testing.T, words ...string) string {
	t.Helper()
	r := e.call("", words...)
	if r.Code != 0 {
		t.Fatalf("%s: exit code %d\n%s%s", strings.Join(words, " "), r.Code, r.Stdout, r.Stderr)
	}
	return strings.TrimSuffix(r.Stdout, "\n")
}

// daemon starts a daemon whose output goes to DIR/NAME.log, and waits until the command
// succeeds. At the end of the test it is ended by its pid.
func (e *engine) daemon(t *testing.T, words []string, ready ...string) {
	t.Helper()
	log, err := os.Create(e.path(e.name + ".log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = e.env, e.dir, log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(unix.SIGTERM)
		select {
		case <-ended: // its exit code says nothing about us
		case <-time.After(30 * time.Second):
			t.Errorf("%s does not end on SIGTERM", words[0])
			_ = cmd.Process.Kill()
			<-ended
		}
	})
	for deadline := time.Now().Add(commandTime); ; time.Sleep(50 * time.Millisecond) {
		r := e.call("", ready...)
		if r.Code == 0 {
			return
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(log.Name())
			t.Fatalf("%s is not ready: %s\n%s", words[0], r.Stderr, text)
		}
	}
}
