package crash

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/manager-project/manager/internal/testenv"
)

// crowd runs f n times, at most width at once, and returns how each ended.
func crowd(n, width int, f func(i int) testenv.Result) []testenv.Result {
	results := make([]testenv.Result, n)
	slots := make(chan struct{}, width)
	var wait sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		wait.Go(func() {
			results[i] = f(i)
			<-slots
		})
	}
	wait.Wait()
	return results
}

// watch runs ps over and over until the returned function is called, which reports what was wrong and returns
// how long each took.
func (m *manager) watch() (stop func() []time.Duration) {
	quit, done := make(chan struct{}), make(chan struct{})
	var wrong []string
	var times []time.Duration
	go func() {
		defer close(done)
		for {
			select {
			case <-quit:
				return
			default:
			}
			began := time.Now()
			r := m.Run("ps", "--all", "--format", "{{.ID}} {{.Names}} {{.State}}")
			times = append(times, time.Since(began))
			if r.Code != 0 || r.Stderr != "" {
				wrong = append(wrong, fmt.Sprintf("ps: exit code %d: %s", r.Code, r.Stderr))
			}
			seen := map[string]bool{}
			for line := range strings.Lines(r.Stdout) {
				words := strings.Fields(line)
				if len(words) != 3 || len(words[0]) != 12 || seen[words[1]] || !knownState[words[2]] {
					wrong = append(wrong, "ps shows "+line)
					continue
				}
				seen[words[1]] = true
			}
		}
	}()
	return func() []time.Duration {
		m.t.Helper()
		close(quit)
		<-done
		if len(times) < 3 {
			m.t.Errorf("ps answered only %d times", len(times))
		}
		for _, line := range wrong[:min(len(wrong), 5)] {
			m.t.Error(line)
		}
		return times
	}
}

var knownState = map[string]bool{
	"creating": true, "created": true, "running": true, "paused": true, "stopping": true, "exited": true, "removing": true,
}

// TestManyAtOnce starts a hundred containers at once, then has sixty-four commands run in one of them.
func TestManyAtOnce(t *testing.T) {
	m := newManager(t)
	stop := m.watch()
	for i, r := range crowd(100, 100, func(i int) testenv.Result {
		return m.Run("run", "-d", "--name", fmt.Sprintf("c%d", i), "--network", "none", busybox, "sleep", "1000")
	}) {
		if r.Code != 0 || len(strings.TrimSpace(r.Stdout)) != 64 || r.Stderr != "" {
			t.Errorf("run %d: exit code %d: %s%s", i, r.Code, r.Stdout, r.Stderr)
		}
	}
	if n := strings.Count(m.must("ps", "--quiet"), "\n") + 1; n != 100 {
		t.Errorf("%d containers run", n)
	}
	for i, r := range crowd(64, 64, func(i int) testenv.Result {
		return m.Run("exec", "c0", "sh", "-c", fmt.Sprintf("echo $((%d * 3)); exit %d", i, i))
	}) {
		if r.Code != i || r.Stdout != fmt.Sprintln(3*i) || r.Stderr != "" {
			t.Errorf("exec %d: exit code %d: %s%s", i, r.Code, r.Stdout, r.Stderr)
		}
	}
	m.must("rm", "--all", "--force", "--time", "0")
	stop()
	m.empty("after rm --all")
}

// TestFiveHundred starts five hundred containers, thirty-two at once, with no failure, and stops
// them all. It takes a minute or more, so it is part of the soak.
func TestFiveHundred(t *testing.T) {
	if soak() == 0 {
		t.Skip("it takes minutes on two processors: make soak runs it")
	}
	m := newManager(t)
	stop := m.watch()
	begin := time.Now()
	for i, r := range crowd(500, 32, func(i int) testenv.Result {
		return m.Run("run", "-d", "--name", fmt.Sprintf("c%d", i), "--network", "none", busybox, "sleep", "10000")
	}) {
		if r.Code != 0 || len(strings.TrimSpace(r.Stdout)) != 64 || r.Stderr != "" {
			t.Errorf("run %d: exit code %d: %s%s", i, r.Code, r.Stdout, r.Stderr)
		}
	}
	took := time.Since(begin)
	times := stop()
	t.Logf("started in %v; meanwhile ps took %v at the median and %v at the 99th percentile of %d",
		took, percentile(times, 50), percentile(times, 99), len(times))
	if n := strings.Count(m.must("ps", "--quiet"), "\n") + 1; n != 500 {
		t.Errorf("%d containers run", n)
	}
	m.must("rm", "--all", "--force", "--time", "0")
	t.Logf("removed after %v", time.Since(begin))
	m.empty("after rm --all")
}

// TestManyRuns runs a hundred containers that --rm removes, each with an exit code of its own.
func TestManyRuns(t *testing.T) {
	m := newManager(t)
	stop := m.watch()
	for i, r := range crowd(100, 100, func(i int) testenv.Result {
		return m.Run("run", "--rm", "--network", "none", busybox, "sh", "-c", fmt.Sprintf("echo out %d; echo err %d >&2; exit %d", i, i, i))
	}) {
		if r.Code != i || r.Stdout != fmt.Sprintf("out %d\n", i) || r.Stderr != fmt.Sprintf("err %d\n", i) {
			t.Errorf("run %d: exit code %d: %s%s", i, r.Code, r.Stdout, r.Stderr)
		}
	}
	stop()
	m.empty("after a hundred runs")
}

// TestColdStart uses a store that does not exist yet from many commands at once.
func TestColdStart(t *testing.T) {
	m := newEmpty(t)
	for i, r := range crowd(16, 16, func(i int) testenv.Result { return m.Run("run", "--rm", "--network", "none", "hello") }) {
		if r.Code != 0 || !strings.Contains(r.Stdout, "Hello") || strings.Contains(r.Stderr, "rror") {
			t.Errorf("run %d: exit code %d: %s%s", i, r.Code, r.Stdout, r.Stderr)
		}
	}
	if images := m.must("images", "--quiet"); strings.Count(images, "\n") != 0 {
		t.Errorf("images: %s", images)
	}
	m.layers = m.driverDirs()
	m.empty("after the first commands")
}

// atLeastOne is one's wish for any number of successes but none.
const atLeastOne = -1

// one counts the successes and wants exactly that many; the others must fail as text says.
func one(t *testing.T, what string, want int, text string, results []testenv.Result) {
	t.Helper()
	good := 0
	for _, r := range results {
		if r.Code == 0 {
			good++
		} else if text == "" || !strings.Contains(r.Stderr, text) || strings.Count(r.Stderr, "\n") != 1 {
			t.Errorf("%s: exit code %d: %s", what, r.Code, r.Stderr)
		}
	}
	if good != want && (want != atLeastOne || good == 0) {
		t.Errorf("%s: %d of %d succeeded, want %d", what, good, len(results), want)
	}
}

// TestSameContainer has several commands do the same thing to one container at once.
func TestSameContainer(t *testing.T) {
	m := newManager(t)
	const n = 6
	all := func(args ...string) []testenv.Result {
		return crowd(n, n, func(int) testenv.Result { return m.Run(args...) })
	}
	for range 3 {
		one(t, "run --name x", 1, "already in use", all(sleeper...))
		one(t, "stop", n, "", all("stop", "--time", "0", "x"))
		one(t, "start", n, "", all("start", "x"))
		one(t, "restart", n, "", all("restart", "--time", "0", "x"))
		// A process that was sent SIGKILL is there until it has died: whoever comes meanwhile kills it too.
		one(t, "kill", atLeastOne, "not running", killAtOnce(m, n))
		one(t, "start", n, "", all("start", "x"))
		one(t, "pause", 1, "not running", all("pause", "x"))
		one(t, "unpause", 1, "not paused", all("unpause", "x"))
		one(t, "rm --force", n, "", all("rm", "--force", "--ignore", "--time", "0", "x"))
		m.must("create", "--name", "x", "--network", "none", busybox, "true")
		one(t, "rm", 1, "no such", all("rm", "x"))
		one(t, "create --name x", 1, "already in use", all("create", "--name", "x", "--network", "none", busybox, "true"))
		one(t, "container cleanup", n, "", all("container", "cleanup", "x"))
		one(t, "rename", 1, "", renameAtOnce(m, n))
		m.must("rm", "--all", "--force")
		m.empty("after all")
	}
}

// killAtOnce wants one success at least: several signals may be sent before the first has worked.
func killAtOnce(m *manager, n int) []testenv.Result {
	results := crowd(n, n, func(int) testenv.Result { return m.Run("kill", "x") })
	var kept []testenv.Result
	for _, r := range results {
		if r.Code != 0 || len(kept) == 0 || kept[0].Code != 0 {
			kept = append(kept, r)
		}
	}
	return kept
}

// renameAtOnce gives the container several names: one holds in the end, the losers find it gone.
func renameAtOnce(m *manager, n int) []testenv.Result {
	results := crowd(n, n, func(i int) testenv.Result { return m.Run("rename", "x", fmt.Sprintf("y%d", i)) })
	good := []testenv.Result{{Code: 125, Stderr: "nobody could rename it\n"}}
	for _, r := range results {
		if r.Code == 0 {
			good[0] = r
		} else if !strings.Contains(r.Stderr, "no such") {
			good = append(good, r)
		}
	}
	if s := m.statuses(); len(s) != 1 {
		m.t.Errorf("after rename: %v", s)
	}
	return good
}

// allowed are the errors that commands may get when others change the same things meanwhile.
var allowed = []string{
	"no such container", "no such volume", "is already in use", "not running", "not stopped", "not paused", "it is ", "in use",
	"exists", "has no more", "uses it", "not created", "another name", "--rm would remove it",
}

// TestMix lets clients do random things to a few names; whatever the order, each command ends
// with success or with a reason that fits, and in the end nothing is left.
func TestMix(t *testing.T) {
	m := newManager(t)
	duration, seed := 12*time.Second, uint64(time.Now().UnixNano())
	if text := soak(); text > 0 {
		duration = text
	}
	t.Logf("seed %d", seed)
	stop := m.watch()
	var wait sync.WaitGroup
	end := time.Now().Add(duration)
	for client := range 6 {
		wait.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(client)))
			for time.Now().Before(end) {
				m.mixed(r)
			}
		})
	}
	wait.Wait()
	stop()
	m.must("rm", "--all", "--force", "--time", "0")
	m.must("volume", "prune", "--all", "--force")
	m.empty("after the mix")
}

// mixed runs one random command.
func (m *manager) mixed(r *rand.Rand) {
	name, other := "n"+strconv.Itoa(r.IntN(4)), "n"+strconv.Itoa(r.IntN(4))
	volume := "v" + strconv.Itoa(r.IntN(2))
	list := [][]string{
		{"run", "-d", "--name", name, "--network", "none", "-v", volume + ":/data", busybox, "sleep", "1000"},
		{"run", "--rm", "--name", name, "--network", "none", "-v", "/anonymous", busybox, "true"},
		{"run", "-d", "--replace", "--stop-timeout", "0", "--name", name, "--network", "none", busybox, "sleep", "1000"},
		{"create", "--name", name, "--network", "none", busybox, "true"},
		{"start", name},
		{"stop", "--time", "0", name},
		{"restart", "--time", "0", name},
		{"kill", name},
		{"exec", name, "true"},
		{"exec", "-d", name, "true"},
		{"pause", name},
		{"unpause", name},
		{"rm", name},
		{"rm", "--force", "--time", "0", name},
		{"rename", name, other},
		{"inspect", name},
		{"ps", "--all"},
		{"container", "prune", "--force"},
		{"volume", "create", volume},
		{"volume", "rm", volume},
		{"volume", "ls"},
		{"logs", name},
		{"top", name},
		{"images"},
		{"tag", busybox, "localhost/" + name},
		{"rmi", "localhost/" + name},
	}
	args := list[r.IntN(len(list))]
	res := m.Run(args...)
	attached := args[0] == "exec" || args[0] == "run" && args[1] == "--rm"
	if res.Code == 0 || attached && res.Code == 137 && res.Stderr == "" {
		return // somebody may have killed the container, and a command in it dies with it
	}
	for _, text := range append(allowed, "image not known", "no such image") {
		if strings.Contains(res.Stderr, text) {
			return
		}
	}
	m.t.Errorf("%s: exit code %d: %s", strings.Join(args, " "), res.Code, res.Stderr)
}

// TestDefaultParent uses the cgroup parent of users, which goes with its last container.
func TestDefaultParent(t *testing.T) {
	m := newManager(t)
	if found, _ := filepath.Glob("/sys/fs/cgroup/*/manager/manager-*"); len(found) > 0 {
		t.Skip("containers of others are in the default cgroup parent: " + found[0])
	}
	parent := m.CgroupParent
	m.CgroupParent = ""
	t.Cleanup(func() { m.CgroupParent = parent })
	for i, r := range crowd(6, 6, func(i int) testenv.Result {
		r := m.Run("run", "-d", "--name", fmt.Sprintf("c%d", i), "--network", "none", busybox, "sleep", "1000")
		if r.Code != 0 {
			return r
		}
		return m.Run("rm", "--force", "--time", "0", fmt.Sprintf("c%d", i))
	}) {
		if r.Code != 0 || r.Stderr != "" && !fineWords.MatchString(r.Stderr) {
			t.Errorf("%d: exit code %d: %s", i, r.Code, r.Stderr)
		}
	}
	m.eventually("the default cgroup parent is gone", 20*time.Second, func() bool {
		found, _ := filepath.Glob("/sys/fs/cgroup/*/manager")
		_, err := os.Stat("/sys/fs/cgroup/manager")
		return len(found) == 0 && os.IsNotExist(err)
	})
}

// TestRemovedByMany removes containers at once by those who do not mind when it is done already.
func TestRemovedByMany(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	for range 10 {
		m.must("run", "-d", "--rm", "--name", "x", "--network", "none", busybox, "sleep", "1000")
		m.endUnseen()
		crowd(8, 8, func(i int) testenv.Result {
			args := [][]string{{"rm", "--force", "--time", "0", "x"}, {"rm", "--ignore", "x"}, {"container", "cleanup", "x"}, {"ps", "--all"}}[i%4]
			r := m.Run(args...)
			if r.Code != 0 && args[0] != "container" {
				t.Errorf("%v: exit code %d: %s", args, r.Code, r.Stderr)
			}
			return r
		})
		m.empty("after the crowd")
	}
}
