package crash

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/manager-project/manager/internal/fault/arming"
)

// scene is a moment at which the files of a container look as a crash may have left them.
type scene struct {
	name string
	// make makes it, with a container x.
	make func(m *manager)
	// want are the states that x may have afterwards. One whose files say nothing may be gone.
	want []string
}

var scenes = []scene{
	{"created", created, []string{"created"}},
	{"exited", exited, []string{"exited"}},
	{"running", running, []string{"running"}},
	{"unmonitored", func(m *manager) { running(m); m.kill9(m.pid("ConmonPid")) }, []string{"running", "exited"}},
	{"ended unseen", func(m *manager) { running(m); m.endUnseen() }, []string{"exited"}},
	{"killed unseen", func(m *manager) {
		running(m)
		m.cleanupFaults(arming.Word(arming.Cleanup, "after=0s"))
		m.with([]string{arming.Word(arming.Client, "on=process: told")}, "kill", "x")
		m.monitorGone()
		m.cleanupFaults("")
	}, []string{"exited"}},
	{"start cut short", func(m *manager) {
		created(m)
		m.with([]string{arming.Word(arming.Client, "on=monitor: spawned")}, "start", "x")
		m.monitorGone()
	}, []string{"created"}},
}

// ours are the files that a command of ours wrote for the container, below its folders.
func (m *manager) ours() []string {
	m.t.Helper()
	var files []string
	for _, dir := range []string{filepath.Join(m.TmpDir, "containers"), filepath.Join(m.Root, "manager/containers")} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				files = append(files, path)
			}
			return nil
		})
		if err != nil {
			m.t.Fatal(err)
		}
	}
	return files
}

// TestCutFiles shortens each file that a container has, to nothing and to its half, in each of the
// scenes: what a power cut, or a disk that was full, leaves of a file that was not put on the disk.
// The next command says what is true, and the container can be used or removed.
func TestCutFiles(t *testing.T) {
	for _, s := range scenes {
		t.Run(strings.ReplaceAll(s.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			m := newManager(t)
			s.make(m)
			var names []string
			for _, path := range m.ours() {
				names = append(names, strings.TrimPrefix(path, m.Dir))
			}
			m.must("rm", "--force", "--time", "0", "x")
			cases := 0
			for i := range names {
				if i%every(2) != 0 {
					continue
				}
				for _, half := range []bool{false, true} {
					s.make(m)
					now := m.ours()
					at := slices.IndexFunc(now, func(path string) bool { return filepath.Base(path) == filepath.Base(names[i]) })
					if at < 0 {
						t.Fatalf("files were %q, are %q", names, now)
					}
					st, err := os.Stat(now[at])
					if err != nil {
						t.Fatal(err)
					}
					size := int64(0)
					if half {
						size = st.Size() / 2
					}
					if st.Size() > size || !half {
						m.cut(s, now[at], size)
						cases++
					}
					m.must("rm", "--force", "--ignore", "--time", "0", "x")
				}
			}
			count("file cut", cases)
			t.Logf("%d cases with %d files", cases, len(names))
		})
	}
}

// cut shortens a file and looks at what the program makes of it.
func (m *manager) cut(s scene, path string, size int64) {
	m.t.Helper()
	when := fmt.Sprintf("%s: %s of %d bytes", s.name, filepath.Base(path), size)
	if err := os.Truncate(path, size); err != nil {
		m.t.Fatal(err)
	}
	m.sane(when)
	got := m.statuses()["x"]
	fits := false
	for _, want := range s.want {
		fits = fits || got == want
	}
	if !fits {
		m.t.Errorf("%s: it is %q, want %q", when, got, s.want)
	}
	m.must("inspect", "x")
	switch r := m.with(nil, "logs", "x"); {
	case r.Code == 0, got == "created":
	default:
		m.t.Errorf("%s: logs: %s", when, r.Stderr)
	}
	m.must("stop", "--time", "0", "x")
	m.must("start", "x")
	m.reuse(when)
	if m.t.Failed() {
		m.t.Logf("this was %s", when)
	}
}

// TestPowerCutFiles takes the machine's power, as far as a test can, and leaves of a file that commands
// do not put on the disk at once what a power cut may leave: nothing, a part, or an older content.
func TestPowerCutFiles(t *testing.T) {
	cases := 0
	for _, c := range []struct{ name, file string }{
		{"state-log", "root/manager/state.db-wal"},
		{"state-index", "root/manager/state.db-shm"},
		{"mounts", "run/overlay-layers/mountpoints.json"},
		{"volatile-layers", "root/overlay-layers/volatile-layers.json"},
		{"volatile-containers", "root/overlay-containers/volatile-containers.json"},
		{"reserve", "root/manager/reserve"},
		{"log", "root/manager/containers/*/ctr.log"},
		{"lock", "root/manager/containers/*/lock"},
	} {
		for _, part := range []int64{0, 2, 3} {
			cases++
			t.Run(fmt.Sprintf("%s-%d", c.name, part), func(t *testing.T) {
				t.Parallel()
				m := newManager(t)
				m.must("create", "--name", "old", "--network", "none", busybox, "true")
				m.must(sleeper...)
				logged, err := os.Stat(filepath.Join(m.Root, "manager/state.db-wal"))
				if err != nil {
					t.Fatal(err)
				}
				m.must("run", "-d", "--rm", "--name", "z", "--network", "none", "-v", "/anonymous", busybox, "sleep", "1000")
				files, err := filepath.Glob(filepath.Join(m.Dir, c.file))
				if err != nil || len(files) == 0 {
					t.Fatalf("no %s: %v", c.file, err)
				}
				m.powerCut(true)
				size := int64(0)
				for _, file := range files {
					st, err := os.Stat(file)
					if err != nil {
						t.Fatal(err)
					}
					if part > 0 {
						size = st.Size() * (part - 1) / part
					}
					if c.name == "state-log" { // what was synced is there
						size = logged.Size() + (st.Size()-logged.Size())*part/4
					}
					if err := os.Truncate(file, size); err != nil {
						t.Fatal(err)
					}
				}
				m.sane(c.name)
				m.must("ps", "--all")
				m.must("images")
				m.must("rm", "--all", "--force")
				m.must("volume", "prune", "--all", "--force")
				m.reuse(c.name)
			})
		}
	}
	count("power cut", cases)
}
