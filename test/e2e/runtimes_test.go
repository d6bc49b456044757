package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/testenv"
)

// runtimeVariable names the OCI runtime of the scripts' containers, in the process that
// TestScriptsRuntime starts.
const runtimeVariable = "MANAGER_TEST_RUNTIME"

// peers are the runtimes that run the scripts in place of the embedded one.
var peers = []struct {
	// name is what is put into containers.conf, and the table's key in unfit.
	name string
	// program is where it is; "" looks it up.
	program string
	// noHybrid says that it refuses version 1 hierarchies beside a version 2 one with controllers. The
	// scripts then run in a mount namespace without that one.
	noHybrid bool
}{
	{name: "crun", noHybrid: true},
	{name: "runc"},
	{name: "manager-runtime", program: "manager-runtime"},
}

// unfit are the scripts that a runtime does not pass, with the reason. "*" is every runtime but the
// embedded one.
var unfit = []struct{ script, runtime, reason string }{
	{"run-env-no-path", "*", "the runtimes look for programs in the PATH of the container's environment only"},
	{"runtime-choice", "*", "it chooses the runtimes itself"},
	{"runtime-gone", "*", "it chooses the runtimes itself"},
	{"runtime-killed", "*", "it chooses the runtimes itself"},
	{"run-preserve-fd", "*", "the runtimes pass on all descriptors up to a number; gaps between them are refused"},
	{"run-personality", "runc", "runc before 1.2 knows no personality; the option is refused"},
	{"run-idmap", "runc", "runc before 1.2 knows no mappings of a mount's own; the option is refused"},
	{"run-userns", "runc", "runc looks for files as the container's root, to whom the tests' directory is closed; see TestUserNamespaceRuntimes"},
	{"run-userns", "crun", "crun looks for files as the container's root, to whom the tests' directory is closed; see TestUserNamespaceRuntimes"},
	{"run-mounts-tmpfs-mode", "runc", "runc before 1.2 gives a tmpfs the mode of the directory below, whatever the option says"},
	{"run-no-controllers", "crun", "on a unified hierarchy crun raises the limit on locked memory, which takes CAP_SYS_RESOURCE"},
	{"rename-kill-pause", userName, "a pause takes a cgroup, which is not delegated here"},
	{"ps-columns", userName, "a pause takes a cgroup, which is not delegated here"},
	{"exec-failures", userName, "a pause takes a cgroup, which is not delegated here"},
	{"health", userName, "a pause takes a cgroup, which is not delegated here"},
	{"update-wrong", userName, "it updates limits, which take controllers that are not delegated here"},
	{"stop-paused", userName, "a pause takes a cgroup, which is not delegated here"},
	{"run-systemd", userName, "systemd takes a cgroup, which is not delegated here"},
	{"run-limits-one", userName, "limits take controllers that are not delegated here"},
	{"run-limits-one", "runc", "runc's init is a Go program, which dies now and then where it may start no thread"},
	{"run-limits-v1", userName, "limits take controllers that are not delegated here"},
	{"update-v1", userName, "it updates limits, which take controllers that are not delegated here"},
	{"stats", userName, "it counts in cgroups, which are not delegated here"},
	{"start-attach-running", userName, "a pause takes a cgroup, which is not delegated here"},
	{"events", userName, "a pause takes a cgroup, which is not delegated here"},
	{"runtime-choice", userName, "the runtimes of before 2023 make a cgroup for every container"},
	{"runtime-gone", userName, "the runtimes of before 2023 make a cgroup for every container"},
	{"runtime-killed", userName, "the runtimes of before 2023 make a cgroup for every container"},
	{"exec-terminal-size", "crun", "crun gives the terminal of an exec no size; it comes a moment later"},
}

// unfitFor is why a runtime does not run a script, or "".
func unfitFor(runtime, script string) string {
	for _, u := range unfit {
		if u.script == script && (u.runtime == "*" && runtime != userName && runtime != delegatedName || u.runtime == runtime) {
			return u.reason
		}
	}
	return ""
}

// elsewhere are scripts about what no runtime has a part in: they run once, with the embedded one.
var elsewhere = regexp.MustCompile(`^(ps-|prune-|names-|inspect-mixed|run-out-of-scope|run-names|run-limits-wrong|update-wrong|run-hello|top-descriptors|run-volume|rm-options|wait-|logs-|run-gpus|run-chrootdirs|run-host-words|run-blkio|start-attach-running|stop-deaf|stop-choice)`)

// scriptsFor lists the scripts of a noun for this process's runtime.
func scriptsFor(noun string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(scripts, noun, "*.txtar"))
	runtime, _, other := strings.Cut(os.Getenv(runtimeVariable), "=")
	if os.Geteuid() != 0 && runtime != delegatedName {
		runtime, other = userName, true
	}
	if !other {
		return files, err
	}
	if runtime == delegatedName {
		return slices.DeleteFunc(files, func(file string) bool {
			name := strings.TrimSuffix(filepath.Base(file), ".txtar")
			return unfitFor(userName, name) == "" || unfitFor(delegatedName, name) != ""
		}), err
	}
	return slices.DeleteFunc(files, func(file string) bool {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		return runtime != userName && elsewhere.MatchString(name) || unfitFor(runtime, name) != ""
	}), err
}

// TestScriptsRuntime runs the container scripts with other runtimes below the same monitor. Each has a
// process of its own, since a mount namespace belongs to a process.
func TestScriptsRuntime(t *testing.T) {
	if os.Getenv(runtimeVariable) != "" {
		t.Skip("this is the process that it starts")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root for a mount namespace")
	}
	programs := testenv.Programs(t)
	for _, p := range peers {
		t.Run(p.name, func(t *testing.T) {
			giveBack(t)
			path, err := exec.LookPath(p.name)
			if p.program != "" {
				path, err = filepath.Join(programs, p.program), nil
			}
			if err != nil {
				t.Skipf("%s is not installed", p.name)
			}
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), self, "-test.v", "-test.run", "^TestScripts$/^container$", "-test.timeout", "10m", "-test.parallel", "4")
			cmd.Env = append(os.Environ(), runtimeVariable+"="+p.name+"="+path, "MANAGER_BIN="+programs)
			cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
			if p.noHybrid {
				cmd.Env = append(cmd.Env, hideVariable+"=1")
				cmd.SysProcAttr.Unshareflags = unix.CLONE_NEWNS
			}
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			retell(t, out, err != nil)
			for _, u := range unfit {
				if unfitFor(p.name, u.script) == u.reason {
					t.Run(u.script, func(t *testing.T) { t.Skip(u.reason) })
				}
			}
		})
	}
}

// giveBack takes back, at the end, controllers that a runtime passes down at the root of a version 2 hierarchy
// beside version 1: as long as they are, nobody can mount them as version 1.
func giveBack(t *testing.T) {
	t.Helper()
	const file = "/sys/fs/cgroup/unified/cgroup.subtree_control"
	before, err := os.ReadFile(file)
	if err != nil {
		return // another layout
	}
	t.Cleanup(func() {
		after, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
		}
		for _, name := range strings.Fields(string(after)) {
			if slices.Contains(strings.Fields(string(before)), name) {
				continue
			}
			if err := os.WriteFile(file, []byte("-"+name), 0); err != nil {
				t.Errorf("take %s back: %v", name, err)
			}
		}
	})
}

// outcome is how "go test -v" tells the end of a script, of a test, or of a part of one, and speaker how it tells whose
// lines follow.
var (
	outcome = regexp.MustCompile(`^\s*--- (PASS|FAIL|SKIP): (?:TestScripts/[a-z]+/)?(\S+) \(`)
	speaker = regexp.MustCompile(`^=== \S+\s+(?:TestScripts/[a-z]+/)?(\S+)`)
)

// retell makes a test of this process out of each of the other's, with what it, and those of its parts that failed, said.
func retell(t *testing.T, out []byte, failed bool) {
	t.Helper()
	said, ended := map[string][]string{}, map[string]string{}
	var names []string
	name, blamed := "", false
	for line := range strings.Lines(string(out)) {
		if m := speaker.FindStringSubmatch(line); m != nil {
			name = m[1]
		} else if m := outcome.FindStringSubmatch(line); m != nil {
			names, ended[m[2]] = append(names, m[2]), m[1]
		} else {
			said[name] = append(said[name], line)
		}
	}
	told := slices.DeleteFunc(slices.Clone(names), func(n string) bool {
		return strings.Contains(n, "/") || n == "TestScripts" // a test's parts are told with it, and TestScripts by its parts
	})
	for _, top := range told {
		t.Run(top, func(t *testing.T) {
			switch ended[top] {
			case "FAIL":
				blamed = true
				for _, n := range names {
					if n == top || strings.HasPrefix(n, top+"/") && ended[n] == "FAIL" {
						t.Errorf("%s:\n%s", n, strings.Join(said[n], ""))
					}
				}
			case "SKIP":
				lines := append([]string{""}, said[top]...)
				t.Skip(strings.TrimSpace(lines[len(lines)-1]))
			}
		})
	}
	if failed && !blamed || len(told) == 0 {
		t.Errorf("%s", out)
	}
}

// useRuntime makes the manager use the runtime that this process is for, if any.
func useRuntime(m *testenv.Manager) error {
	name, path, other := strings.Cut(os.Getenv(runtimeVariable), "=")
	if !other || name == userName || name == delegatedName {
		return nil
	}
	file, err := os.OpenFile(filepath.Join(m.Dir, "containers.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(file, "runtime = %q\n[engine.runtimes]\n%q = [%q]\n", name, name, path)
	return errors.Join(err, file.Close())
}

// hideVariable asks for a mount namespace without the unified hierarchy.
const hideVariable = "MANAGER_TEST_NO_UNIFIED"

// hideUnified takes the version 2 hierarchy out of this process's mount namespace, which is its own.
func hideUnified() error {
	const dir = "/sys/fs/cgroup/unified"
	if os.Getenv(hideVariable) == "" {
		return nil
	}
	if err := unix.Unmount(dir, 0); !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return err
	}
	return nil // the host has version 2 alone, or version 1
}
