// Package conformance holds runtimes with runc's command line to one contract: ours, and the runc and crun
// that are installed, which prove that the contract is theirs.
package conformance

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

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
		return testenv.NewOCI(t, unhybrid(t, installed(t, "crun")))
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

// unhybrid is a program that runs crun in a mount namespace without the version 2 tree: beside controllers of
// version 1 it takes one with controllers for its reason to refuse the machine.
func unhybrid(t *testing.T, crun string) string {
	t.Helper()
	const tree = "/sys/fs/cgroup/unified"
	if _, err := os.Stat(tree + "/cgroup.controllers"); err != nil {
		return crun
	}
	path := filepath.Join(t.TempDir(), "crun")
	script := "#!/bin/sh\nexec unshare --mount sh -c 'umount " + tree + " && exec \"$0\" \"$@\"' " + crun + " \"$@\"\n"
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// each runs a contract on every runtime.
func each(t *testing.T, contract func(t *testing.T, o *testenv.OCI)) {
	for _, r := range runtimes {
		t.Run(r.name, func(t *testing.T) { contract(t, r.open(t)) })
	}
}
