package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/testenv"
)

// What a user mounts and his container cannot read is said with the ids that the user knows, and the cures cure.
func TestUserUnreadable(t *testing.T) {
	archive, err := testenv.BuildImage("busybox")
	if os.Geteuid() != 0 {
		t.Skip("needs root to become a user")
	}
	if err != nil {
		t.Fatal(err)
	}
	out := asShell(t, userRange, fmt.Sprintf(`
cd "$HOME"
manager load -qi %s >/dev/null
mkdir -m 700 mine theirs
manager unshare chown 33:33 theirs
try() { echo "== $*"; manager run --rm --network none "$@" localhost/busybox ls /m 2>&1 || echo code $?; }
try -v ./mine:/m
try -v ./mine:/m --user 33:34
try -v ./theirs:/m --user 34:34
try -v ./theirs:/m --user 33:33
try -v ./theirs:/m
try -v /root:/m
`, archive))
	_, out, _ = strings.Cut(out, "==")
	var got []string
	for _, part := range strings.Split(out, "== ") {
		line, rest, _ := strings.Cut(strings.TrimSpace(part), "\n")
		_ = line
		warning, _, _ := strings.Cut(rest, "\n")
		if _, text, ok := strings.Cut(warning, "/"); ok && strings.HasPrefix(warning, "Warning: ") {
			got = append(got, text[strings.LastIndex(text[:strings.Index(text, ": ")], "/")+1:])
			continue
		}
		got = append(got, rest)
	}
	want := []string{
		"",
		fmt.Sprintf("mine: the container's user 33:34 (on the host %d:%d) cannot read it: it belongs to tester:tester (%d:%d) and has mode 0700; with --userns keep-id:uid=33,gid=34 it is you", userFirst+32, userFirst+33, userID, userID),
		fmt.Sprintf("theirs: the container's user 34:34 (on the host %d:%d) cannot read it: it belongs to %d:%d and has mode 0700; with --user 33:33 it is the owner", userFirst+33, userFirst+33, userFirst+32, userFirst+32),
		"", "",
		fmt.Sprintf("root: the container's user 0:0 (on the host %d:%d) cannot read it: it belongs to another user of the host and has mode 0700; whoever owns it can allow it: chmod o+rX /root", userID, userID),
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s\nall:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"), out)
	}
}

// A user who does not linger is told once that a container in the background ends with the session.
func TestUserLinger(t *testing.T) {
	if os.Geteuid() != 0 || os.Getenv(runtimeVariable) != "" {
		t.Skip("needs root to become a user")
	}
	// A session is known by the name of its cgroup.
	base := ""
	for _, dir := range []string{"/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup"} {
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err == nil && (st.Type == unix.CGROUP2_SUPER_MAGIC || st.Type == unix.CGROUP_SUPER_MAGIC) {
			base = dir
			break
		}
	}
	if base == "" {
		t.Skip("no cgroups are mounted")
	}
	own := filepath.Join(base, fmt.Sprintf("manager-test-linger-%d", os.Getpid()))
	session := filepath.Join(own, fmt.Sprintf("user-%d.slice", userID), "session-1.scope")
	if err := os.MkdirAll(session, 0o755); err != nil {
		t.Skipf("no cgroup can be made here: %v", err)
	}
	t.Cleanup(func() {
		for _, dir := range []string{session, filepath.Dir(session), own} {
			for deadline := time.Now().Add(waiting); ; time.Sleep(20 * time.Millisecond) {
				err := os.Remove(dir)
				if err == nil || os.IsNotExist(err) {
					break
				}
				if time.Now().After(deadline) {
					t.Error(err)
					break
				}
			}
		}
	})
	cmd := asUser(t, userRange, "/bin/sh", "-euc", `
for i in 1 2; do
	manager run -d --name c$i --network none hello serve 2>&1 >/dev/null | sed -n "s/^Warning/$i: &/p"
	manager rm -f --time 0 c$i >/dev/null
done
manager run --rm --network none hello 2>&1 | grep -c linger || true
`)
	cmd.Args[2] = strings.Replace(cmd.Args[2], "exec setpriv",
		"mount -t tmpfs none /run/systemd\nmkdir /run/systemd/system\necho $$ >"+session+"/cgroup.procs\nexec setpriv", 1)
	if err := os.MkdirAll("/run/systemd", 0o755); err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(cmd.Env, "PATH="+testenv.Programs(t)+":"+os.Getenv("PATH"))
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	want := "1: Warning: user tester does not linger: containers in the background end when you log out; \"loginctl enable-linger tester\" lets them go on\n0\n"
	if err != nil || string(out) != want {
		t.Errorf("%v\n%swant\n%s", err, out, want)
	}
}
