package e2e

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/manager-project/manager/internal/testenv"
)

// strangerID is another user of the machine than userID, without subordinate ids.
const strangerID = 40001

// asID runs the words that follow it in a script of root's as a user.
func asID(id int) string {
	return fmt.Sprintf("setpriv --reuid %d --regid %d --clear-groups ", id, id)
}

// inhabit makes containers with all that leaves files, sockets and processes.
const inhabit = `
manager run -d -i --name c --network none -v v:/v --health-cmd true --health-interval 1s --env SECRET=x busybox sh -c 'sleep 1000' >/dev/null
manager exec -d c sleep 1000 >/dev/null
manager run -d --name d --network none --log-driver json-file --ipc shareable busybox sleep 1000 >/dev/null
manager run -d --name e --network none --ipc container:d busybox sleep 1000 >/dev/null
`

// inhabited is root's script that has the user inhabit his home, and a stranger then try it.
func inhabited(t *testing.T, before string) string {
	t.Helper()
	return fmt.Sprintf(`
chown %[1]d $home
chmod 755 $home
cd /
cat >$home/inhabit <<'END'
%[4]s
%[5]s
%[6]s
END
env PATH="%[3]s:$PATH" HOME=$home USER=tester %[2]s sh -eu $home/inhabit
{
	find $home/.local/share/containers/storage /tmp/manager-run-%[1]d -mindepth 1 -printf 'file %%p\n'
	find /dev/shm /run/lock -uid %[1]d -printf 'file %%p\n'
	ps -e -o pid=,uid= | while read -r pid uid; do [ $uid != %[1]d ] || echo "process $pid"; done
} >$home/list
env %[7]s=%[8]s %[9]s %[10]s <$home/list >$home/report
`, userID, asID(userID), testenv.Programs(t), before, loadBusybox(t), inhabit, probeVariable, strangerProbe, asID(strangerID), executable(t))
}

// deserted shows the report, and that nothing was blocked.
const deserted = `
manager exec c true && echo still there
manager rm --force --time 0 e >/dev/null
manager rm --all --force --time 0 >/dev/null
cat "$HOME/report"
`

// opened are the breaches of a store that was opened on purpose, as one that others use as an additional store is:
// what is the images', and the names in the store.
var opened = regexp.MustCompile(`^breach: .* \S+/containers/storage/([^/]+|overlay/\S+): `)

// Another user of the machine reads nothing of what a user has, connects to nothing, locks nothing, and has no
// hold of a process, whatever the umask was. In a store that was opened to others he gets no further than to the images.
func TestStranger(t *testing.T) {
	for name, c := range map[string]struct {
		before  string
		allowed *regexp.Regexp
	}{
		"usual":        {before: "umask 0"},
		"opened store": {`mkdir -p "$HOME/.local/share/containers/storage/manager"`, opened},
	} {
		t.Run(name, func(t *testing.T) {
			out := asShellIn(t, inhabited(t, c.before), userRange, deserted+leave)
			for line := range strings.Lines(out) {
				if strings.HasPrefix(line, "breach") && (c.allowed == nil || !c.allowed.MatchString(line)) {
					t.Error(strings.TrimSpace(line))
				}
			}
			wants(t, out, "still there\n")
			m := regexp.MustCompile(`tried (\d+) files (\d+) sockets (\d+) processes`).FindStringSubmatch(out)
			if m == nil {
				t.Fatalf("no report:\n%s", out)
			}
			for i, least := range []int{50, 2, 7} { // a holder, three monitors, three programs
				if n, err := strconv.Atoi(m[i+1]); err != nil || n < least {
					t.Errorf("only %s", m[0])
				}
			}
		})
	}
}

// What a stranger puts where a user's run directory would be neither gets anything of the user's nor keeps the user
// from anything.
func TestStrangerSquats(t *testing.T) {
	dir := fmt.Sprintf("/tmp/manager-run-%d", userID)
	for name, squat := range map[string]string{
		"directory": "mkdir -m 777 DIR", "closed directory": "mkdir -m 700 DIR", "file": "touch DIR", "pipe": "mkfifo DIR",
		"link to a directory": "mkdir -m 777 DIR.trap; ln -s DIR.trap DIR", "link to nothing": "ln -s DIR.trap DIR",
	} {
		t.Run(name, func(t *testing.T) {
			t.Cleanup(func() {
				if err := os.RemoveAll(dir + ".trap"); err != nil {
					t.Error(err)
				}
			})
			prepare := asID(strangerID) + "sh -ec '" + strings.ReplaceAll(squat, "DIR", dir) + "'\n"
			out := asShellIn(t, prepare, userRange, `
manager run -d --name c --network none hello serve >/dev/null 2>&1
manager exec c ls / >/dev/null
manager inspect --format 'status {{.State.Status}}' c
manager rm --force --time 0 c >/dev/null
stat -c 'mode %a' "$HOME/.local/state/manager/run"
echo found $(find `+dir+` `+dir+`.trap -mindepth 1 2>/dev/null | wc -l)
`+leave)
			wants(t, out, "status running\n", "mode 700\n", "found 0\n")
		})
	}
}

// A run directory of the user's own that others may write to is not used.
func TestStrangerLooseRunDirectory(t *testing.T) {
	out := asShell(t, userRange, fmt.Sprintf(`
mkdir -m 777 /tmp/manager-run-%[1]d
chmod 777 /tmp/manager-run-%[1]d
manager run --rm --network none hello >/dev/null 2>&1
echo found $(ls -A /tmp/manager-run-%[1]d | wc -l)
`, userID)+leave)
	wants(t, out, "found 0\n")
}
