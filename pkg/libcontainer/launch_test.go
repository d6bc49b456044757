package libcontainer_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func TestRunGivesOutputAndExitCode(t *testing.T) {
	out, code := run(t, testSpec(testRoot(t), "sh", "-c", "echo $$ $(hostname); exit 7"))
	if out != "1 box" || code != 7 {
		t.Errorf("output %q, code %d", out, code)
	}
}

func TestExecJoinsEveryNamespace(t *testing.T) {
	b, err := start(t, testSpec(testRoot(t), "sleep", "30"))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Exec(); err != nil {
		t.Fatal(err)
	}
	script := "for n in pid net ipc uts mnt cgroup; do [ $(readlink /proc/1/ns/$n) = $(readlink /proc/self/ns/$n) ] || echo $n differs; done; hostname; exit 3"
	e, err := b.join(&specs.Process{Args: []string{"sh", "-c", script}, Cwd: "/tmp", Env: []string{"PATH=/bin"}, Capabilities: testSpec("").Process.Capabilities})
	if err != nil {
		t.Fatal(err)
	}
	out, code := e.finish()
	// Without CAP_SYS_PTRACE the program cannot read process 1's links unless it is its equal.
	if out != "box" || code != 3 {
		t.Errorf("output %q, code %d", out, code)
	}
}

func TestExecFailureIsAFact(t *testing.T) {
	for _, c := range []struct {
		program string
		code    int
		text    string
	}{
		{"nothing", 127, "executable file not found in $PATH"},
		{"/bin/nothing", 127, "no such file"},
		{"/tmp", 126, "is a directory"},
		{"/etc/plain", 126, "permission denied"},
		{"/bin/cat/x", 127, "not a directory"},
	} {
		root := testRoot(t)
		write(t, root+"/etc/plain", "text", 0o644)
		b, err := start(t, testSpec(root, c.program))
		if err != nil {
			t.Fatal(err)
		}
		err = b.Exec()
		var f *launch.Failure
		if !errors.As(err, &f) || f.ExitCode() != c.code || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v, want code %d with %q", c.program, err, c.code, c.text)
		}
	}
}
