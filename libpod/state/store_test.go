package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/pkg/errdefs"
)

func open(t testing.TB) *Store {
	t.Helper()
	s, err := Open(context.Background(), filepath.Join(t.TempDir(), "manager"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func add(t testing.TB, s *Store, id, name string, o AddOptions) {
	t.Helper()
	r := Row{ID: id, Name: name, ImageID: "img", Created: time.Now(), Brief: []byte("{}"), Config: []byte(`{"id":"` + id + `"}`)}
	r.State.Status = define.StatusCreated
	if err := s.AddContainer(context.Background(), Volatile, r, o); err != nil {
		t.Fatal(err)
	}
}

func TestContainerRoundTrip(t *testing.T) {
	ctx, s := context.Background(), open(t)
	want := Row{
		ID: "aa11", Name: "web", ImageID: "img", Created: time.Unix(5, 7), Brief: []byte(`{"b":1}`), Config: []byte(`{"c":2}`),
		State: Container{
			Status: define.StatusRunning, Generation: 3, PID: 4, PIDStart: 5, MonitorPID: 6, CgroupPath: "/x", Mounted: true,
			StartedAt: time.Unix(8, 1), FinishedAt: time.Unix(9, 2), ExitCode: 137, Signal: 9, OOMKilled: true, Cause: "oom", Error: "e", StoppedByUser: true, Restarts: 2,
			RestartWait: time.Minute, RestartAt: time.Unix(10, 3),
		},
	}
	if err := s.AddContainer(ctx, Durable, want, AddOptions{}); err != nil {
		t.Fatal(err)
	}
	got, err := s.Container(ctx, "aa11")
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(*got) != fmt.Sprint(want) {
		t.Errorf("got\n%+v, want\n%+v", *got, want)
	}
	want.State.Status = define.StatusExited
	if err := s.SetState(ctx, Volatile, "aa11", &want.State); err != nil {
		t.Fatal(err)
	}
	got, _ = s.Container(ctx, "aa11")
	if got.State != want.State {
		t.Errorf("got %+v, want %+v", got.State, want.State)
	}
}

func TestFindContainer(t *testing.T) {
	ctx, s := context.Background(), open(t)
	add(t, s, "abc123", "one", AddOptions{})
	add(t, s, "abd456", "two", AddOptions{})
	add(t, s, "dead00", "abc", AddOptions{})
	for _, c := range []struct {
		name, want string
		class      error
	}{
		{"one", "abc123", nil},
		{"abc123", "abc123", nil},
		{"abd", "abd456", nil},
		{"abc", "dead00", nil}, // a name wins
		{"ab", "", errdefs.ErrAmbiguous},
		{"ff", "", errdefs.ErrNotFound},
		{"nobody", "", errdefs.ErrNotFound},
		{"", "", errdefs.ErrNotFound},
		{"a%", "", errdefs.ErrNotFound},
	} {
		got, err := s.FindContainer(ctx, c.name)
		if got != c.want || !errors.Is(err, c.class) {
			t.Errorf("%q: got %q, %v; want %q, %v", c.name, got, err, c.want, c.class)
		}
	}
}

func TestNamesAndReferences(t *testing.T) {
	ctx, s := context.Background(), open(t)
	add(t, s, "a1", "one", AddOptions{})
	r := Row{ID: "a2", Name: "one", Created: time.Now()}
	if err := s.AddContainer(ctx, Durable, r, AddOptions{}); !errors.Is(err, errdefs.ErrExists) {
		t.Errorf("taken name: %v", err)
	}
	r.Name = "two"
	if err := s.AddContainer(ctx, Durable, r, AddOptions{Volumes: []string{"nix"}}); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("unknown volume: %v", err)
	}
	if err := s.AddVolume(ctx, Volume{Name: "v", Labels: map[string]string{"k": "v"}}); err != nil {
		t.Fatal(err)
	}
	if err := s.AddVolume(ctx, Volume{Name: "v"}); !errors.Is(err, errdefs.ErrExists) {
		t.Errorf("taken volume: %v", err)
	}
	if err := s.AddContainer(ctx, Durable, r, AddOptions{Volumes: []string{"v"}, DependsOn: []string{"a1"}}); err != nil {
		t.Fatal(err)
	}
	if err := s.RemoveVolume(ctx, "v"); !errors.Is(err, errdefs.ErrInUse) {
		t.Errorf("used volume: %v", err)
	}
	if err := s.RemoveContainer(ctx, Durable, "a1"); !errors.Is(err, errdefs.ErrInUse) {
		t.Errorf("needed container: %v", err)
	}
	for _, id := range []string{"a2", "a1", "a1"} {
		if err := s.RemoveContainer(ctx, Durable, id); err != nil {
			t.Errorf("remove %s: %v", id, err)
		}
	}
	if err := s.RemoveVolume(ctx, "v"); err != nil {
		t.Errorf("unused volume: %v", err)
	}
}

func TestReboot(t *testing.T) {
	ctx, s := context.Background(), open(t)
	add(t, s, "a1", "one", AddOptions{})
	if err := s.SetState(ctx, Durable, "a1", &Container{Status: define.StatusRunning, PID: 7, Mounted: true}); err != nil {
		t.Fatal(err)
	}
	add(t, s, "a2", "two", AddOptions{})
	if err := s.SetState(ctx, Durable, "a2", &Container{Status: define.StatusRestarting, ExitCode: 3, RestartAt: time.Unix(1, 0)}); err != nil {
		t.Fatal(err)
	}
	unsettled(t, s, 2)
	if err := s.Reboot(ctx, "boot-2"); err != nil {
		t.Fatal(err)
	}
	if r, _ := s.Container(ctx, "a2"); r.State.Status != define.StatusExited || r.State.ExitCode != 3 || !r.State.RestartAt.IsZero() {
		t.Errorf("a restart after the reboot: %+v", r.State)
	}
	r, _ := s.Container(ctx, "a1")
	if r.State.Status != define.StatusExited || r.State.PID != 0 || !r.State.Mounted || r.State.Cause != "reboot" {
		t.Errorf("after reboot: %+v", r.State)
	}
	if _, err := s.facts(ctx); err != nil || s.BootID() != "boot-2" {
		t.Errorf("boot id %q, %v", s.BootID(), err)
	}
	unsettled(t, s, 1)
}

func unsettled(t *testing.T, s *Store, want int) {
	t.Helper()
	rows, err := s.Containers(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	rows = slices.DeleteFunc(rows, func(r Row) bool { return !r.State.Unsettled() })
	if len(rows) != want {
		t.Errorf("%d are unsettled, not %d: %v", len(rows), want, rows)
	}
}

// Two programs that open a new state at the same moment both find a whole one.
func TestConcurrentOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "manager")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			s, err := Open(context.Background(), dir)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = s.Close() }()
			for j := range 20 {
				add(t, s, fmt.Sprintf("%02x%02x", i, j), fmt.Sprintf("n%d-%d", i, j), AddOptions{})
			}
		}()
	}
	wg.Wait()
	s, err := Open(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	rows, err := s.Containers(context.Background())
	if err != nil || len(rows) != 160 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}

// A file of the version before gets what it has not, whoever comes first, and keeps the rest; as it was it stays beside.
func TestOlderSchemaIsUpgraded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "manager")
	s, err := Open(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	add(t, s, "aa11", "web", AddOptions{})
	before, err := s.Container(context.Background(), "aa11")
	if err != nil || len(before.Config) == 0 {
		t.Fatal(before, err)
	}
	statements := []string{
		"ALTER TABLE container ADD COLUMN config TEXT NOT NULL DEFAULT ''",
		"UPDATE container SET config=(SELECT config FROM config WHERE container=id)",
		"DROP TABLE config",
		"CREATE INDEX container_mounted ON container(mounted) WHERE mounted = 1",
	}
	for _, c := range added {
		statements = append(statements, "ALTER TABLE container DROP COLUMN "+c.name)
	}
	for _, stmt := range statements {
		if _, err := s.db.Exec(stmt); err != nil {
			t.Fatal(stmt, err)
		}
	}
	if _, err := s.db.Exec("UPDATE meta SET value='1' WHERE key='schema'"); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := Open(context.Background(), dir)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = s.Close() }()
			if r, err := s.Container(context.Background(), "aa11"); err != nil || r.Name != "web" || r.State.RestartWait != 0 || string(r.Config) != string(before.Config) {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
	wg.Wait()
	kept, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "state.db.version-1"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = kept.Close() }()
	var version, name, config string
	if err := kept.QueryRow("SELECT (SELECT value FROM meta WHERE key='schema'),name,config FROM container").Scan(&version, &name, &config); err != nil || version != "1" || name != "web" || config != string(before.Config) {
		t.Errorf("the file before: version %s, %s, %s, %v", version, name, config, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "state.db.version-*.*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "manager")
	s, err := Open(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.Exec("UPDATE meta SET value='9' WHERE key='schema'"); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	if _, err := Open(context.Background(), dir); !errors.Is(err, errdefs.ErrUnsupported) {
		t.Errorf("newer schema: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "state.db"), []byte("garbage that is no database at all, long enough"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(context.Background(), dir); err == nil {
		t.Error("garbage was opened")
	}
}

func BenchmarkOpen(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "manager")
	s, _ := Open(context.Background(), dir)
	add(b, s, "a1", "one", AddOptions{})
	for b.Loop() {
		s, err := Open(context.Background(), dir)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.FindContainer(context.Background(), "one"); err != nil {
			b.Fatal(err)
		}
		_ = s.Close()
	}
}

func BenchmarkVolatile(b *testing.B) { benchmarkSet(b, Volatile) }
func BenchmarkDurable(b *testing.B)  { benchmarkSet(b, Durable) }

func benchmarkSet(b *testing.B, d Durability) {
	s := open(b)
	add(b, s, "a1", "one", AddOptions{})
	for b.Loop() {
		if err := s.SetState(context.Background(), d, "a1", &Container{Status: define.StatusRunning}); err != nil {
			b.Fatal(err)
		}
	}
}

// TestReserve keeps space, gives it away once, and makes it again.
func TestReserve(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		s, err := Open(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		if st, err := os.Stat(filepath.Join(dir, "reserve")); err != nil || st.Size() != reserveSize {
			t.Errorf("reserve: %v %v", st, err)
		}
		if !s.SpendReserve() || s.SpendReserve() {
			t.Error("the reserve can be spent once")
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// smallDisk mounts a disk of its own for the test, which fill leaves without room.
func smallDisk(t *testing.T) (dir string, fill func()) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=16m,mode=0700"); err != nil {
		t.Skipf("a tmpfs cannot be mounted: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir, func() {
		t.Helper()
		f, err := os.Create(filepath.Join(dir, "ballast"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		for err == nil {
			_, err = f.Write(make([]byte, 4096))
		}
	}
}

// TestOpenOnAFullDisk: a file that everybody has closed has no log. One is made also where there is no room but the
// reserve, and a container can be forgotten.
func TestOpenOnAFullDisk(t *testing.T) {
	dir, fill := smallDisk(t)
	s, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	add(t, s, "a1", "one", AddOptions{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	fill()
	if s, err = Open(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if err := s.RemoveContainer(t.Context(), Durable, "a1"); err != nil {
		t.Error(err)
	}
}

// TestFullDiskWithoutReserve: where even the reserve is gone, a container can be forgotten as long as the log can be
// written from its start again.
func TestFullDiskWithoutReserve(t *testing.T) {
	dir, fill := smallDisk(t)
	s, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		add(t, s, fmt.Sprint("a", i), fmt.Sprint("name", i), AddOptions{})
	}
	forget := func(from, to int) {
		t.Helper()
		for i := from; i < to; i++ {
			if err := s.RemoveContainer(t.Context(), Durable, fmt.Sprint("a", i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Close(); err != nil { // the file has its size, and there is no log
		t.Fatal(err)
	}
	if s, err = Open(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	forget(0, 3)
	s.SpendReserve()
	fill()
	forget(3, 10)
}

// What is durable is synced, and what is not is not, in any order; foreign keys hold.
func TestConnectionIsMadeReady(t *testing.T) {
	ctx, s := context.Background(), open(t)
	for _, want := range []struct {
		d     Durability
		level int // sqlite.org/pragma.html: 1 is NORMAL, 2 is FULL
	}{{Durable, 2}, {Volatile, 1}, {Volatile, 1}, {Durable, 2}} {
		err := s.update(ctx, want.d, func(tx *sql.Tx) error {
			for pragma, value := range map[string]int{"synchronous": want.level, "foreign_keys": 1, "wal_autocheckpoint": 256} {
				var got int
				if err := tx.QueryRowContext(ctx, "PRAGMA "+pragma).Scan(&got); err != nil || got != value {
					t.Errorf("durability %v: %s is %d, %v", want.d, pragma, got, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
