package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/testenv"
)

// userRange is how many subordinate ids the user of the scripts' second run has.
const userRange = 65536

// The user's ids. He exists only in a mount namespace, whose /etc knows him, and is another one for each run of
// the tests, so that two at a time do not meet.
var (
	userID    = 50000 + os.Getpid()%10000
	userFirst = 3000000 + os.Getpid()%10000*userRange
)

// userName is the runtime's name of that run in the table unfit, though it is no runtime.
const userName = "user"

// delegatedName is that of the scripts that a user can run who has a cgroup of his own.
const delegatedName = "delegated"

// TestScriptsUser runs the container, image and volume scripts as an ordinary user with subordinate ids, without
// a session and without delegated cgroups.
func TestScriptsUser(t *testing.T) {
	scriptsAsUser(t, userName, "", asUser)
}

// TestScriptsUserDelegated runs those that take a cgroup as a user to whom one was given.
func TestScriptsUserDelegated(t *testing.T) {
	prepare, cgroup := delegated(t)
	scriptsAsUser(t, delegatedName, cgroup, func(t *testing.T, subids int, argv ...string) *exec.Cmd {
		return asUserIn(t, prepare, subids, argv...)
	})
}

// delegated is root's script that gives a user a cgroup in every hierarchy, and that cgroup.
func delegated(t *testing.T) (prepare, cgroup string) {
	t.Helper()
	testenv.Need(t, testenv.Root, testenv.V1)
	cgroup = fmt.Sprintf("/%suser-%d", testenv.CgroupPrefix, os.Getpid())
	t.Cleanup(func() {
		for _, pattern := range []string{"/me", ""} {
			dirs, err := filepath.Glob("/sys/fs/cgroup/*" + cgroup + pattern)
			if err != nil {
				t.Fatal(err)
			}
			for _, dir := range dirs {
				if err := unix.Rmdir(dir); err != nil {
					t.Errorf("%s: %v", dir, err)
				}
			}
		}
	})
	return fmt.Sprintf(delegate, cgroup, userID), cgroup
}

// delegate gives a user a cgroup in every hierarchy, and goes into one below it.
const delegate = `
for top in /sys/fs/cgroup/*/; do
	[ -e $top/cgroup.procs ] || continue
	for dir in $top%[1]s $top%[1]s/me; do
		mkdir -p $dir
		for file in cpuset.cpus cpuset.mems; do
			[ ! -e $dir/$file ] || cat $top/$file >$dir/$file
		done
		for file in . tasks cgroup.procs cgroup.subtree_control cgroup.threads; do
			[ ! -e $dir/$file ] || chown %[2]d $dir/$file
		done
	done
	echo $$ >$dir/cgroup.procs
done
`

// scriptsAsUser runs the scripts of a name in the table unfit by a way to become a user, who has that cgroup or "".
func scriptsAsUser(t *testing.T, name, cgroup string, as func(t *testing.T, subids int, argv ...string) *exec.Cmd) {
	t.Helper()
	if os.Getenv(runtimeVariable) != "" {
		t.Skip("this is the process that it starts")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root to become a user")
	}
	if _, err := exec.LookPath("newuidmap"); err != nil {
		t.Skip("newuidmap is not installed")
	}
	if _, err := testenv.BuildImage("busybox"); err != nil {
		t.Fatal(err)
	}
	cmd := as(t, userRange, executable(t), "-test.v", "-test.run", "^TestScripts$", "-test.timeout", "10m", "-test.parallel", "4")
	cmd.Env = append(cmd.Env, runtimeVariable+"="+name+"=", "MANAGER_BIN="+testenv.Programs(t), testenv.CgroupVariable+"="+cgroup)
	runRetold(t, cmd)
	for _, u := range unfit {
		// What a user without a cgroup cannot run, one with a cgroup does.
		if u.runtime == name && name == delegatedName {
			t.Run(u.script, func(t *testing.T) { t.Skip(u.reason) })
		}
	}
}

func executable(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return self
}

// runRetold runs tests of this program in another process, and makes tests of this one out of them.
func runRetold(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	retell(t, out, err != nil)
}

// usersToo are the tests, besides the scripts, that concern a user as much as root: of images that are hostile,
// of real programs, terminals, registries, health checks and service managers.
const usersToo = "^Test(HostileS.*|Debian|DebianSetuid|Nginx|Postgres|Redis|RedisEverySecond|" +
	"StoppedClients|Terminal|BadInput|BadInputJSON|ImageHealthcheck|NotifySocket|ListenSockets|Why|" +
	"ProgressOnTerminal|Login|RedirectCredentials|RedirectToOtherPort|RunPolicies|RetriesEnd|PushFaults|RegistryFaults|Check|CheckContainers|CheckLeftLayer)$"

// TestAsUser runs them as an ordinary user.
func TestAsUser(t *testing.T) {
	if os.Geteuid() != 0 || os.Getenv(runtimeVariable) != "" {
		t.Skip("this is the process that it starts, or needs root to become a user")
	}
	prepare, cgroup := delegated(t)
	for _, image := range []string{"busybox", "debian", "nginx", "postgres", "redis"} {
		if _, err := testenv.BuildImage(image); testenv.NotHere(err) {
			t.Skip(err)
		} else if err != nil {
			t.Fatal(err)
		}
	}
	cmd := asUserIn(t, prepare, userRange, executable(t), "-test.v", "-test.run", usersToo, "-test.timeout", "15m", "-test.parallel", "2")
	cmd.Env = append(cmd.Env, runtimeVariable+"="+userName+"=", "MANAGER_BIN="+testenv.Programs(t), testenv.CgroupVariable+"="+cgroup)
	runRetold(t, cmd)
}

// asUser is a command that is run as a user who is made for it: in a mount namespace with an /etc of his own,
// so that the machine's is never touched. His home is the test's folder; he has that many subordinate ids.
func asUser(t *testing.T, subids int, argv ...string) *exec.Cmd {
	t.Helper()
	return asUserIn(t, "", subids, argv...)
}

// asUserIn is asUser after root has carried out a script in the user's mount namespace, to which his home is
// $home.
func asUserIn(t *testing.T, prepare string, subids int, argv ...string) *exec.Cmd {
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
		"subuid": fmt.Sprintf("tester:%d:%d", userFirst, subids),
		"subgid": fmt.Sprintf("tester:%d:%d", userFirst, subids),
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
	// Networks need the tun device, which udev opens to everybody; not every machine has udev.
	script += fmt.Sprintf("mknod -m 666 %[1]s/tun c 10 200; [ ! -e /dev/net/tun ] || mount --bind %[1]s/tun /dev/net/tun\n", home)
	script += fmt.Sprintf("home=%s\n%s\nchown %d:%d $home\n", home, prepare, userID, userID)
	script += fmt.Sprintf("exec setpriv --reuid %d --regid %d --clear-groups \"$@\"\n", userID, userID)
	cmd := exec.CommandContext(t.Context(), "/bin/sh", append([]string{"-c", script, "sh"}, argv...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "USER=tester", "LOGNAME=tester", "TMPDIR=" + home, "LC_ALL=C.UTF-8"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL, Unshareflags: unix.CLONE_NEWNS}
	return cmd
}

// removeUser ends what the user has left and removes his folder.
func removeUser(t *testing.T, home string) {
	// A monitor's last clean-up may be under way.
	for deadline := time.Now().Add(20 * time.Second); len(userProcesses(t)) > 0 && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
	}
	for pid, name := range userProcesses(t) {
		t.Errorf("the user has left process %d, %s", pid, name)
		_ = unix.Kill(pid, unix.SIGKILL)
	}
	for _, dir := range []string{home, fmt.Sprintf("/tmp/manager-run-%d", userID)} {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	}
}

// userProcesses are the user's, by pid, but for the holder of his namespaces, which it ends, and for zombies.
func userProcesses(t *testing.T) map[int]string {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	found := map[int]string{}
	for _, path := range stats {
		var st unix.Stat_t
		text, err := os.ReadFile(path)
		if err != nil || unix.Stat(path, &st) != nil || !isUsers(int(st.Uid)) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			t.Fatal(err)
		}
		switch end := strings.LastIndexByte(string(text), ')'); {
		case strings.HasPrefix(string(text[end:]), ") Z"):
		case strings.Contains(string(text[:end]), "(manager-hold"):
			_ = unix.Kill(pid, unix.SIGKILL)
		default:
			found[pid] = string(text[:end+1])
		}
	}
	return found
}

// isUsers says whether an id is the user's, or a subordinate one of his.
func isUsers(uid int) bool { return uid == userID || uid >= userFirst && uid < userFirst+userRange }

// asShell runs a script as the user and returns what it prints.
func asShell(t *testing.T, subids int, script string) string {
	t.Helper()
	return asShellIn(t, "", subids, script)
}

// asShellIn is asShell after root's script, see asUserIn.
func asShellIn(t *testing.T, prepare string, subids int, script string) string {
	t.Helper()
	if os.Geteuid() != 0 || os.Getenv(runtimeVariable) != "" {
		t.Skip("needs root to become a user")
	}
	cmd := asUserIn(t, prepare, subids, "/bin/sh", "-euc", script)
	cmd.Env = append(cmd.Env, "PATH="+testenv.Programs(t)+":"+os.Getenv("PATH"))
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// One pair of namespaces serves all of a user's commands; what the environment claims changes nothing; a holder
// that was killed, or given up, is made anew.
func TestUserNamespace(t *testing.T) {
	out := asShell(t, userRange, `
holders() { ps -u "$(id -u)" -o stat=,comm= | grep -v ^Z | grep -c manager-hold || true; }
manager unshare sh -c 'echo map $(cat /proc/self/uid_map)'
for i in 1 2 3 4 5 6 7 8; do manager ps --quiet & done; wait
echo holders $(holders)
_CONTAINERS_USERNS_CONFIGURED=done _CONTAINERS_ROOTLESS_UID=0 _CONTAINERS_ROOTLESS_GID=0 manager unshare sh -c 'echo inside $(id -u) $_CONTAINERS_ROOTLESS_UID'
XDG_RUNTIME_DIR=/root manager unshare sh -c 'echo foreign $XDG_RUNTIME_DIR'
for i in 1 2 3 4 5 6 7 8 9; do pkill -KILL -x manager-hold -u "$(id -u)"; manager unshare true; done
pkill -KILL -x manager-hold -u "$(id -u)"
manager unshare sh -c 'echo again $(id -u)'
manager run --rm --network none hello >/dev/null
manager system migrate
echo after $(holders)
manager unshare sh -c 'exit 7' || echo code $?
manager unshare no-such-program || echo code $?
cd "$HOME"; mkdir gone; cd gone; rmdir ../gone
manager ps || echo code $?
`)
	for _, want := range []string{
		fmt.Sprintf("map 0 %d 1 1 %d %d\n", userID, userFirst, userRange), "holders 1\n", fmt.Sprintf("inside 0 %d\n", userID),
		fmt.Sprintf("foreign /tmp/manager-run-%d\n", userID), "again 0\n", "after 0\n", "code 7\n", "code 127\n", "working directory", "code 125\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// Without subordinate ids there is one id, which is said once, and images of root's files work.
func TestUserWithoutRanges(t *testing.T) {
	out := asShell(t, 0, `
manager unshare sh -c 'echo map $(cat /proc/self/uid_map)'
manager run --rm --network none hello
`)
	if strings.Count(out, "has no subordinate ids") != 1 || !strings.Contains(out, fmt.Sprintf("map 0 %d 1\n", userID)) || !strings.Contains(out, "Hello from a container") {
		t.Errorf("%s", out)
	}
}

// Root in whose environment the variables of a user's namespace are is root.
func TestRootWithAUsersEnvironment(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	m := testenv.NewManager(t)
	m.Env = append(m.Env, "_CONTAINERS_USERNS_CONFIGURED=done", "_CONTAINERS_ROOTLESS_UID=1000", "_CONTAINERS_ROOTLESS_GID=1000")
	if got := m.MustRun(t, "info", "--format", "{{.Host.Security.Rootless}} {{.Store.GraphRoot}}"); got != "false "+m.Root {
		t.Errorf("info: %s", got)
	}
}

// What a user has is behind directories that only he may enter, whatever his umask.
func TestUserFromAnother(t *testing.T) {
	out := asShell(t, userRange, `
umask 0
chmod 755 "$HOME"
manager run -d --name x --network none hello serve >/dev/null 2>&1
stat -c 'mode %a' "$HOME/.local/share/containers/storage" "/tmp/manager-run-$(id -u)"
manager rm -f --time 0 x >/dev/null
`)
	if out != "mode 700\nmode 700\n" {
		t.Errorf("%s", out)
	}
}
