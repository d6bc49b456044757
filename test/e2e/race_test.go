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
	"github.com/manager-project/manager/internal/testenv/evil"
)

// The tests named TestRace start containers while somebody exchanges a directory or file in a
// volume of theirs with a link to the host. They go on for a few seconds, or for $MANAGER_SOAK.

// raced is a volume with a directory "d" that holds real files, and a link "l" to the canary.
type raced struct {
	*hostile
	image, dir string
	before     string
}

func newRaced(t *testing.T) *raced {
	if os.Geteuid() != 0 {
		t.Skip("the volumes of containers belong to root")
	}
	t.Parallel()
	h := newHostile(t)
	w := &raced{hostile: h, image: h.image(t, nil)}
	w.MustRun(t, "volume", "create", "v")
	w.dir = filepath.Join(w.Root, "volumes", "v", "_data")
	for _, err := range []error{
		os.MkdirAll(filepath.Join(w.dir, "d", "conf.d"), 0o755),
		os.WriteFile(filepath.Join(w.dir, "d", "secret"), []byte("inside"), 0o600),
		os.WriteFile(filepath.Join(w.dir, "d", "victim"), []byte("inside"), 0o600),
		os.Symlink(h.canary.Dir, filepath.Join(w.dir, "l")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	w.before = hostMounts(t)
	return w
}

// hostMounts are the mount points of this process's namespace that could be of a race.
func hostMounts(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for line := range strings.Lines(string(raw)) {
		if f := strings.Fields(line); strings.Contains(f[4], "canary") || strings.Contains(f[4], "_data") || strings.HasPrefix(f[4], "/etc") {
			b.WriteString(f[4] + "\n")
		}
	}
	return b.String()
}

// starts runs containers, with the options that next gives, until the time is over, and hands
// each result to look. A start may fail, with one line; it must not reach the host.
func (w *raced) starts(t *testing.T, r *testenv.Racer, next func(i int) []string, look func(res testenv.Result)) {
	t.Helper()
	good, n := 0, 0
	for end := time.Now().Add(testenv.RaceTime(4 * time.Second)); time.Now().Before(end) || good == 0 && n < 1000; n++ {
		res := w.run(t, append([]string{"run", "--rm", "--network", "none"}, next(n)...)...)
		switch {
		case res.Code == 0:
			good++
			look(res)
		case res.Code == 125 && strings.Count(res.Stderr, "\n") == 1:
		default:
			t.Errorf("start %d: exit code %d: %s%s", n, res.Code, res.Stdout, res.Stderr)
		}
		if t.Failed() {
			break
		}
	}
	r.End()
	t.Logf("%d starts, %d succeeded, %d exchanges", n, good, r.Swaps())
	if good == 0 || r.Swaps() < int64(n) {
		t.Errorf("no start succeeded, or there was no race: %d of %d starts, %d exchanges", good, n, r.Swaps())
	}
	if now := hostMounts(t); now != w.before {
		t.Errorf("the host's mounts changed from\n%s\nto\n%s", w.before, now)
	}
	w.canary.Check(t)
}

// TestRaceS04Console: /dev is a volume whose pts, and whose console, are exchanged while
// containers with a terminal start. A console is always a pseudo-terminal.
func TestRaceS04Console(t *testing.T) {
	w := newRaced(t)
	for _, err := range []error{
		os.Mkdir(filepath.Join(w.dir, "pts"), 0o755),
		os.Symlink(w.canary.Dir, filepath.Join(w.dir, "lpts")),
		os.WriteFile(filepath.Join(w.dir, "console"), nil, 0o600),
		os.Symlink(w.canary.Dir+"/victim", filepath.Join(w.dir, "lconsole")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	pattern, err := os.ReadFile("/proc/sys/kernel/core_pattern")
	if err != nil {
		t.Fatal(err)
	}
	other := testenv.Race(t, filepath.Join(w.dir, "console"), filepath.Join(w.dir, "lconsole"))
	defer other.End()
	r := testenv.Race(t, filepath.Join(w.dir, "pts"), filepath.Join(w.dir, "lpts"))
	w.starts(t, r, func(i int) []string {
		if i%2 == 0 {
			return []string{"-t", "-v", "v:/dev", w.image, "stat", "-c", "%F %t", "/dev/console"}
		}
		return []string{"-t", "-v", "v:/dev", "-v", "/dev/pts", w.image, "stat", "-c", "%F %t", "/dev/console"}
	}, func(res testenv.Result) {
		if got := strings.TrimSpace(res.Stdout); got != "character special file 88" && !strings.HasPrefix(got, "regular") && !strings.HasPrefix(got, "symbolic") {
			t.Errorf("the console is a %q", got)
		}
	})
	if now, err := os.ReadFile("/proc/sys/kernel/core_pattern"); err != nil || string(now) != string(pattern) {
		t.Errorf("core_pattern is %q, %v", now, err)
	}
}

// TestRaceS03Null: masks are made of a null device that somebody exchanges with a link into /proc.
func TestRaceS03Null(t *testing.T) {
	w := newRaced(t)
	null := filepath.Join(w.dir, "null")
	if err := os.WriteFile(null, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/proc/sys/kernel/core_pattern", filepath.Join(w.dir, "lnull")); err != nil {
		t.Fatal(err)
	}
	r := testenv.Race(t, null, filepath.Join(w.dir, "lnull"))
	w.starts(t, r, func(int) []string {
		return []string{"-v", "v:/dev", w.image, "sh", "-c", "head -c 100 /proc/kcore | wc -c"}
	}, func(res testenv.Result) {
		if strings.TrimSpace(res.Stdout) != "0" {
			t.Errorf("what is masked shows %q", res.Stdout)
		}
	})
}

// TestRaceS07MountBelowMount: a tmpfs on a directory that is exchanged, and a mount below it.
func TestRaceS07MountBelowMount(t *testing.T) {
	w := newRaced(t)
	host := t.TempDir()
	writeText(t, filepath.Join(host, "mark"), "bound")
	r := testenv.Race(t, filepath.Join(w.dir, "d"), filepath.Join(w.dir, "l"))
	w.starts(t, r, func(int) []string {
		return []string{
			"-v", "v:/v", "--tmpfs", "/v/d", "-v", host + ":/v/d/e", w.image,
			"sh", "-c", "cut -d' ' -f5 /proc/self/mountinfo; cat " + w.canary.Dir + "/secret /v/d/e/secret /v/d/secret /v/l/secret 2>/dev/null; ls " + w.Root + " 2>/dev/null; true",
		}
	}, func(res testenv.Result) {
		if strings.Contains(res.Stdout, "volumes\n") || strings.Contains(res.Stdout, "overlay\n") {
			t.Errorf("the host is visible: %s", res.Stdout)
		}
	})
}

// TestRaceS08MountPoints: mount points for files and directories are made below a directory
// that is exchanged with a link to the canary.
func TestRaceS08MountPoints(t *testing.T) {
	w := newRaced(t)
	host := t.TempDir()
	writeText(t, filepath.Join(host, "mark"), "bound")
	r := testenv.Race(t, filepath.Join(w.dir, "d"), filepath.Join(w.dir, "l"))
	w.starts(t, r, func(i int) []string {
		place := fmt.Sprintf("/v/d/conf.d/n%d", i)
		return []string{
			"-v", "v:/v", "-v", host + ":" + place + "/dir", "-v", host + "/mark:" + place + "/file",
			"--tmpfs", place + "/tmp", "--device", "/dev/null:" + place + "/null", "-w", place + "/work", w.image, "true",
		}
	}, func(testenv.Result) {})
}

// TestRaceVolumeSubpath mounts a part of a volume whose way there is exchanged with a link out
// of the volume: what is found when it is looked up is what is mounted.
func TestRaceVolumeSubpath(t *testing.T) {
	w := newRaced(t)
	r := testenv.Race(t, filepath.Join(w.dir, "d"), filepath.Join(w.dir, "l"))
	kinds := []string{"conf.d", "victim", "secret"}
	w.starts(t, r, func(i int) []string {
		mount, user := "type=volume,src=v,dst=/x,subpath=d/"+kinds[i%len(kinds)], "0"
		if i/len(kinds)%2 == 1 {
			mount, user = mount+",U", "7:7"
		}
		return []string{"--mount", mount, "--user", user, w.image, "sh", "-c", "cat /x; echo written >/x; echo written >/x/file; true"}
	}, func(testenv.Result) {})
}

// TestRaceCopyUp fills new volumes from the image and gives them away while a part of them is
// exchanged with a link to the canary.
func TestRaceCopyUp(t *testing.T) {
	w := newRaced(t)
	entries := []evil.Entry{evil.Dir("data", 0o777), evil.Dir("data/d", 0o777)}
	for i := range 50 {
		entries = append(entries, evil.File(fmt.Sprintf("data/d/f%d", i), "x", 0o644))
	}
	image := w.hostile.image(t, nil, entries...)
	swaps := testenv.RaceWith(t, func() (n int64) { // whatever volume there is
		found, _ := filepath.Glob(filepath.Join(w.Root, "volumes", "n*", "*", "d"))
		for _, d := range found {
			link := filepath.Join(filepath.Dir(d), "l")
			_ = os.Symlink(w.canary.Dir, link)
			for range 20 {
				if unix.Renameat2(unix.AT_FDCWD, d, unix.AT_FDCWD, link, unix.RENAME_EXCHANGE) == nil {
					n++
				}
			}
		}
		time.Sleep(100 * time.Microsecond)
		return n
	})
	w.starts(t, swaps, func(i int) []string {
		return []string{"-v", fmt.Sprintf("n%d:/data:U", i), "--user", "7:7", image, "true"}
	}, func(testenv.Result) {})
	w.MustRun(t, "volume", "prune", "--all", "--force")
}
