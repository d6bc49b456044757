package libcontainer_test

import (
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

const statusScript = "grep -E '^(Uid|Gid|Groups|Cap)' /proc/self/status; umask; pwd; cat /proc/self/limits | grep 'open files'"

func TestUserGroupsAndCapabilities(t *testing.T) {
	root := testRoot(t)
	spec := testSpec(root, "sh", "-c", statusScript)
	umask := uint32(0o027)
	spec.Process.User = specs.User{UID: 1000, GID: 1001, AdditionalGids: []uint32{5, 1001, 7}, Umask: &umask}
	spec.Process.Cwd = "/tmp"
	out, _ := run(t, spec)
	for _, w := range []string{
		"Uid:\t1000\t1000\t1000\t1000", "Gid:\t1001\t1001\t1001\t1001", "Groups:\t5 7 1001",
		"CapInh:\t0000000000000000", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "CapAmb:\t0000000000000000",
		"CapBnd:\t00000000000004eb"[:7], "0027", "/tmp", "1024",
	} {
		if !strings.Contains(out, w) {
			t.Errorf("no %q in %q", w, out)
		}
	}
}

func TestAmbientCapabilities(t *testing.T) {
	spec := testSpec(testRoot(t), "sh", "-c", statusScript)
	caps := []string{"CAP_NET_BIND_SERVICE", "CAP_NOT_YET_INVENTED"}
	spec.Process.User.UID = 1000
	spec.Process.Capabilities = &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps, Inheritable: caps, Ambient: caps}
	out, _ := run(t, spec)
	for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
		if !strings.Contains(out, set+":\t0000000000000400") {
			t.Errorf("%s in %q", set, out)
		}
	}
}

func TestHardLimitsAreLoweredWithoutPrivilege(t *testing.T) {
	spec := testSpec(testRoot(t), "sh", "-c", "ulimit -n; ulimit -Hn")
	spec.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 1 << 20, Hard: 1 << 20}}
	out, code := run(t, spec)
	if f := strings.Fields(out); code != 0 || len(f) != 2 || f[0] != f[1] {
		t.Errorf("output %q, code %d", out, code)
	}
}

func TestTerminal(t *testing.T) {
	spec := testSpec(testRoot(t), "sh", "-c", "tty; stty size; stat -c %t:%T /dev/console | grep -q 88: && echo console; [ -t 0 ] && [ -t 2 ] && echo terminal; sleep 0.1")
	spec.Process.Terminal = true
	spec.Process.ConsoleSize = &specs.Box{Height: 33, Width: 99}
	b, err := start(t, spec)
	if err != nil {
		t.Fatal(err)
	}
	checkTerminal(t, b, "console")
}

func TestTerminalOfExec(t *testing.T) {
	b, err := start(t, testSpec(testRoot(t), "sleep", "60"))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Exec(); err != nil {
		t.Fatal(err)
	}
	e, err := b.join(&specs.Process{
		Args: []string{"sh", "-c", "tty; stty size; [ -t 0 ] && [ -t 2 ] && echo terminal; sleep 0.1"}, Cwd: "/",
		Env: []string{"PATH=/bin"}, Terminal: true, ConsoleSize: &specs.Box{Height: 33, Width: 99},
	})
	if err != nil {
		t.Fatal(err)
	}
	checkTerminal(t, e, "")
}

func checkTerminal(t *testing.T, b *box, more string) {
	t.Helper()
	if b.console == nil {
		t.Fatal("no console came")
	}
	defer func() { _ = b.console.Close() }()
	if err := b.Exec(); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	buf := make([]byte, 4096)
	for {
		n, err := b.console.Read(buf)
		out.Write(buf[:n])
		if err != nil {
			break
		}
	}
	for _, w := range []string{"/dev/pts/0", "33 99", "terminal", more} {
		if !strings.Contains(out.String(), w) {
			t.Errorf("no %q in %q", w, out.String())
		}
	}
}
