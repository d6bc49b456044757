// Package e2e runs the built program as a user does: each script below testdata/script is
// a test with a store, a run directory, a configuration and a cgroup of its own. At its
// end everything is removed and nothing may be left behind.
//
// The scripts are testscript archives; commands_test.go describes the commands that are
// ours. testdata/script/NOUN/VERB-CASE.txtar runs as TestScripts/NOUN/VERB-CASE.
package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/manager-project/manager/internal/testenv"
)

const scripts = "testdata/script"

func TestScripts(t *testing.T) {
	programs := testenv.Programs(t)
	nouns, err := os.ReadDir(scripts)
	if err != nil {
		t.Fatal(err)
	}
	// testscript makes its folder there and, when -run leaves scripts out, never removes it.
	// t.Setenv would forbid the scripts to run in parallel.
	if err := os.Setenv("GOTMPDIR", t.TempDir()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Unsetenv("GOTMPDIR") })
	for _, noun := range nouns {
		t.Run(noun.Name(), func(t *testing.T) {
			files, err := scriptsFor(noun.Name())
			if err != nil {
				t.Fatal(err)
			}
			testscript.Run(t, testscript.Params{
				Files:              files,
				Setup:              func(env *testscript.Env) error { return setup(env, programs) },
				Cmds:               commands,
				Condition:          condition,
				RequireUniqueNames: true,
			})
		})
	}
}

// managerKey and testKey find a script's manager and its test among its values.
type (
	managerKey struct{}
	testKey    struct{}
)

// setup gives a script its manager, and takes it away at the end.
func setup(env *testscript.Env, programs string) error {
	m, err := testenv.OpenManager(programs)
	if err == nil {
		err = useRuntime(m)
	}
	if err != nil {
		return err
	}
	env.Values[managerKey{}], env.Values[testKey{}] = m, env.T()
	work := env.Getenv("WORK")
	env.Vars = append(env.Vars, m.Env...)
	env.Setenv("WORK", work)
	env.Setenv("MANAGER_DIR", m.Dir)
	env.Setenv("MANAGER_BIN", programs)
	env.Setenv("MANAGER_CGROUP", m.CgroupParent)
	env.Defer(func() {
		if wrong := m.Close(); len(wrong) > 0 {
			env.T().Log(strings.Join(wrong, "\n"))
			env.T().FailNow()
		}
	})
	return nil
}

// condition answers the conditions that are ours: [root], [cgroups], [program:NAME], [file:PATH].
func condition(name string) (bool, error) {
	kind, rest, _ := strings.Cut(name, ":")
	switch kind {
	case "root":
		return os.Geteuid() == 0, nil
	case "cgroups":
		why, err := testenv.Missing(testenv.Delegated)
		return os.Geteuid() == 0 || os.Getenv(testenv.CgroupVariable) != "" || err == nil && why == "", nil
	case "program":
		_, err := exec.LookPath(rest)
		return err == nil, nil
	case "file":
		_, err := os.Stat(rest)
		return err == nil, nil
	}
	return false, fmt.Errorf("unknown condition %s", name)
}
