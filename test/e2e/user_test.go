package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/testenv"
)

// The user of the scripts' second run. He exists only in a mount namespace, whose /etc knows him.
const (
	userID    = 54321
	userRange = 65536
)

// userName is the runtime's name of that run in the table unfit, though it is no runtime.
const userName = "user"

// TestScriptsUser runs the container, image and volume scripts as an ordinary user with subordinate ids, without
// a session and without delegated cgroups.
func TestScriptsUser(t *testing.T) {
	if os.Getenv(runtimeVariable) != "" {
		t.Skip("this is the process that it starts")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root to become a user")
	}
	if _, err := exec.LookPath("newuidmap"); err != nil {
		t.Skip("newuidmap is not installed")
	}
	for _, image := range []string{"busybox"} {
		if _, err := testenv.BuildImage(image); err != nil {
			t.Fatal(err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := asUser(t, self, "-test.v", "-test.run", "^TestScripts$", "-test.timeout", "10m", "-test.parallel", "4")
	cmd.Env = append(cmd.Env, runtimeVariable+"="+userName+"=", "MANAGER_BIN="+testenv.Programs(t))
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	retell(t, out, err != nil)
	for _, u := range unfit {
		if u.runtime == userName {
			t.Run(u.script, func(t *testing.T) { t.Skip(u.reason) })
		}
	}
}

// asUser is a command that is run as a user who is made for it: in a mount namespace with an /etc of his own,
// so that the machine's is never touched. His home is the test's folder.
func asUser(t *testing.T, argv ...string) *exec.Cmd {
	t.Helper()
	home, err := os.MkdirTemp("", "mgu")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeUser(t, home) })
	script := "set -e\nmount --make-rprivate /\n"
	for file, line := range map[string]string{
		"passwd": fmt.Sprintf("tester:x:%d:%d::%s:/bin/sh", userID, userID, home),
		"group":  fmt.Sprintf("tester:x:%d:", userID),
		"subuid": fmt.Sprintf("tester:%d:%d", 3000000, userRange),
		"subgid": fmt.Sprintf("tester:%d:%d", 3000000, userRange),
	} {
		old, err := os.ReadFile("/etc/" + file)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		path := filepath.Join(home, "etc-"+file)
		if err := os.WriteFile(path, append(old, line+"\n"...), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat("/etc/" + file); err != nil {
			if err := os.WriteFile("/etc/"+file, nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		script += fmt.Sprintf("mount --bind %s /etc/%s\n", path, file)
	}
	if err := os.Chown(home, userID, userID); err != nil {
		t.Fatal(err)
	}
	script += fmt.Sprintf("exec setpriv --reuid %d --regid %d --clear-groups \"$@\"\n", userID, userID)
	cmd := exec.CommandContext(t.Context(), "/bin/sh", append([]string{"-c", script, "sh"}, argv...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "USER=tester", "LOGNAME=tester", "TMPDIR=" + home, "LC_ALL=C.UTF-8"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL, Unshareflags: unix.CLONE_NEWNS}
	return cmd
}

// removeUser ends what the user has left and removes his folder.
func removeUser(t *testing.T, home string) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Error(err)
	}
	for _, e := range entries {
		var st unix.Stat_t
		if strings.Trim(e.Name(), "0123456789") != "" || unix.Stat("/proc/"+e.Name(), &st) != nil {
			continue
		}
		if st.Uid == userID || st.Uid >= 3000000 && st.Uid < 3000000+userRange {
			name, _ := os.ReadFile("/proc/" + e.Name() + "/comm")
			if got := strings.TrimSpace(string(name)); got != "manager-hold" && got != "" {
				t.Errorf("the user has left process %s, %s", e.Name(), got)
			}
			var pid int
			_, _ = fmt.Sscan(e.Name(), &pid)
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
	if err := os.RemoveAll(home); err != nil {
		t.Error(err)
	}
}
