package libcontainer_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/internal/testenv"
)

// raceStarts starts containers while somebody exchanges names, by images and by the small program in turn, until the time
// is over and some have started and some not, and hands those that have to look.
func raceStarts(t *testing.T, r *testenv.Racer, next func(i int) *specs.Spec, look func(t *testing.T, b *box)) {
	t.Helper()
	good, n := 0, 0
	for end := time.Now().Add(testenv.RaceTime(1500 * time.Millisecond)); time.Now().Before(end) || (good == 0 || good == n) && n < 1000; n++ {
		t.Run(fmt.Sprint("start ", n), func(t *testing.T) {
			b, _, err := byWay(t, next(n), n%2 == 0)
			if err == nil {
				good++
				look(t, b)
			}
		})
		if t.Failed() {
			break
		}
	}
	r.End()
	t.Logf("%d starts, %d succeeded, %d exchanges", n, good, r.Swaps())
	if good == 0 || good == n || r.Swaps() < int64(n) {
		t.Errorf("there was no race: %d of %d starts, %d exchanges", good, n, r.Swaps())
	}
}

// mountPoint is a line of /proc/PID/mountinfo.
type mountPoint struct{ id, parent, path, kind string }

func mountPoints(t *testing.T, b *box) []mountPoint {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", b.PID()))
	if err != nil {
		t.Fatal(err)
	}
	var all []mountPoint
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		_, kind, _ := strings.Cut(line, " - ")
		all = append(all, mountPoint{f[0], f[1], f[4], strings.Fields(kind)[0]})
	}
	return all
}

// TestRaceProcOfTheRoot: what somebody exchanges is procfs's own place, with a link to a tree that looks like it. Settings
// are written to the real one, and that has its masks, or the container does not start.
func TestRaceProcOfTheRoot(t *testing.T) {
	root := testRoot(t)
	fake := filepath.Join(root, "fake")
	for _, name := range []string{"sys/net/ipv4/ip_forward", "self/oom_score_adj", "thread-self/attr/exec", "version"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(fake, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(fake, name), "fake", 0o666)
	}
	if err := os.Symlink("fake", filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	score := 321
	r := testenv.Race(t, filepath.Join(root, "proc"), filepath.Join(root, "link"))
	raceStarts(t, r, func(int) *specs.Spec {
		spec := testSpec(root, "sleep", "1000")
		spec.Process.OOMScoreAdj = &score
		spec.Linux.Sysctl = map[string]string{"net.ipv4.ip_forward": "1"}
		spec.Linux.MaskedPaths, spec.Linux.ReadonlyPaths = []string{"/proc/version"}, []string{"/proc/sys"}
		return spec
	}, func(t *testing.T, b *box) {
		var proc string
		below := map[string]bool{}
		points := mountPoints(t, b)
		for _, m := range points {
			if m.kind == "proc" && proc == "" {
				proc = m.id
			}
			if strings.HasPrefix(m.path, "/fake") {
				t.Errorf("%+v was mounted behind the link", m)
			}
			if m.parent == proc {
				below[filepath.Base(m.path)] = true
			}
		}
		if !below["version"] || !below["sys"] {
			t.Errorf("the mounts on procfs are %v: %v", below, points)
		}
		if got, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", b.PID())); err != nil || string(got) != "321\n" {
			t.Errorf("the score is %q, %v", got, err)
		}
	})
	for _, name := range []string{"sys/net/ipv4/ip_forward", "self/oom_score_adj", "thread-self/attr/exec", "version"} {
		if got, err := os.ReadFile(filepath.Join(fake, name)); err != nil || string(got) != "fake" {
			t.Errorf("%s is %q, %v", name, got, err)
		}
	}
}

// TestRaceProcBehindALink: what is exchanged are directories of a volume, with links into /proc, which other mounts of the
// same container are below. None is made inside /proc.
func TestRaceProcBehindALink(t *testing.T) {
	shared, source := t.TempDir(), t.TempDir()
	write(t, source+"/file", "covered", 0o644)
	var r *testenv.Racer
	for i, to := range []string{"/proc/sys/net/ipv4", "/proc/self/attr", "/proc"} {
		dir, link := filepath.Join(shared, fmt.Sprint("d", i)), filepath.Join(shared, fmt.Sprint("l", i))
		for _, err := range []error{os.Mkdir(dir, 0o755), os.Symlink(to, link)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"ip_forward", "exec", "version"} {
			write(t, filepath.Join(dir, name), "of the volume", 0o644)
		}
		r = testenv.Race(t, dir, link)
	}
	root := testRoot(t)
	raceStarts(t, r, func(i int) *specs.Spec {
		spec := testSpec(root, "cat", "/proc/sys/net/ipv4/ip_forward")
		spec.Linux.Sysctl = map[string]string{"net.ipv4.ip_forward": "1"}
		mounts := []specs.Mount{
			{Destination: "/v/d0", Type: "tmpfs", Source: "tmpfs"},
			{Destination: "/v/d0/ip_forward", Type: "bind", Source: source + "/file", Options: []string{"bind"}},
			{Destination: "/v/d1/exec", Type: "bind", Source: source + "/file", Options: []string{"bind"}},
			{Destination: "/v/d1", Type: "bind", Source: source, Options: []string{"bind"}},
			{Destination: "/v/d2", Type: "tmpfs", Source: "tmpfs"},
			{Destination: "/v/d2/version", Type: "bind", Source: source + "/file", Options: []string{"bind"}},
		}
		m := i / 2 % len(mounts) // each by both ways
		spec.Mounts = append(spec.Mounts, specs.Mount{Destination: "/v", Type: "bind", Source: shared, Options: []string{"bind"}}, mounts[m])
		return spec
	}, func(t *testing.T, b *box) {
		for _, m := range mountPoints(t, b) {
			if strings.HasPrefix(m.path, "/proc/sys/") || strings.HasPrefix(m.path, "/proc/self/") || strings.HasPrefix(m.path, "/proc/1/") ||
				m.path == "/proc/version" || m.path == "/proc" && m.kind != "proc" {
				t.Errorf("%+v was mounted", m)
			}
		}
		if out, code := b.finish(); out != "1" || code != 0 {
			t.Errorf("the setting is %q, code %d", out, code)
		}
	})
}
