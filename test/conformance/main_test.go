// Package conformance holds runtimes with runc's command line to one contract: ours, and the runc and crun
// that are installed, which prove that the contract is theirs.
package conformance

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/testenv"
)

// runtimes are the programs under test. Each makes a private one or skips.
var runtimes = []struct {
	name string
	open func(t *testing.T) *testenv.OCI
}{
	{"manager-runtime", func(t *testing.T) *testenv.OCI {
		return testenv.NewOCI(t, filepath.Join(testenv.Programs(t), "manager-runtime"))
	}},
	{"runc", func(t *testing.T) *testenv.OCI { return testenv.NewOCI(t, installed(t, "runc")) }},
	{"crun", func(t *testing.T) *testenv.OCI {
		path := installed(t, "crun")
		unhybrid(t)
		return testenv.NewOCI(t, path)
	}},
}

func installed(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return path
}

// unhybrid takes the last free controller out of the version 2 tree, which crun takes for its
// reason to refuse the machine.
func unhybrid(t *testing.T) {
	t.Helper()
	b, err := os.ReadFile("/sys/fs/cgroup/unified/cgroup.controllers")
	if err != nil || string(b) == "\n" || len(b) == 0 {
		return // nothing to do: no hybrid machine, or none that crun minds
	}
	const dir = "/sys/fs/cgroup/hugetlb"
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Skip("crun does not work on hybrid cgroups: ", err)
	}
	t.Cleanup(func() { _ = os.Remove(dir) })
	if err := unix.Mount("cgroup", dir, "cgroup", 0, "hugetlb"); err != nil {
		t.Skip("crun does not work on hybrid cgroups: ", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, 0) })
}

// each runs a contract on every runtime.
func each(t *testing.T, contract func(t *testing.T, o *testenv.OCI)) {
	for _, r := range runtimes {
		t.Run(r.name, func(t *testing.T) { contract(t, r.open(t)) })
	}
}
