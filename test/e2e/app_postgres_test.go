package e2e

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/manager-project/manager/internal/testenv"
)

// TestPostgres keeps a database on a named volume through stop, start, rm, and in a new
// container; each stop has to be a clean shutdown.
func TestPostgres(t *testing.T) {
	t.Parallel()
	m := testenv.NewManager(t)
	m.Image(t, "postgres")
	const data = "/var/lib/postgresql/data"
	run := func(name string) {
		t.Helper()
		m.MustRun(t, "run", "-d", "--name", name, "--network", "none", "-v", "pgdata:"+data, "localhost/postgres")
		postgresReady(t, m, name)
	}
	sql := func(name, text string) string {
		t.Helper()
		return m.MustRun(t, "exec", "-u", "postgres", name, "psql", "-v", "ON_ERROR_STOP=1", "-qAt", "-c", text)
	}
	run("first")
	expect(t, m, "postgres:postgres 600", "exec", "first", "stat", "-c", "%U:%G %a", data+"/PG_VERSION")
	expect(t, m, "postgres:postgres 700", "exec", "first", "stat", "-c", "%U:%G %a", data)
	expect(t, m, "postgres", "exec", "-u", "postgres", "first", "id", "-un")
	expect(t, m, "postgres", "exec", "first", "stat", "-c", "%U", "/proc/1")
	sql("first", "create table kept (id int primary key, text text); insert into kept select i, repeat('x', 100) from generate_series(1, 10000) i")
	sql("first", "insert into kept values (0, 'ünïcödé')")

	postgresStop(t, m, "first")
	m.MustRun(t, "start", "first")
	postgresReady(t, m, "first")
	if got := sql("first", "select count(*), sum(id) from kept"); got != "10001|50005000" {
		t.Errorf("after stop and start: %s", got)
	}
	sql("first", "insert into kept values (-1, 'after start')")
	postgresStop(t, m, "first")
	m.MustRun(t, "rm", "first")
	expect(t, m, "pgdata", "volume", "ls", "-q")

	run("second")
	if got := sql("second", "select text from kept where id <= 0 order by id"); got != "after start\nünïcödé" {
		t.Errorf("in a new container: %q", got)
	}
	// A crash, too, must lose nothing that was committed.
	sql("second", "insert into kept values (-2, 'before the crash')")
	m.MustRun(t, "kill", "second")
	m.MustRun(t, "wait", "second")
	m.MustRun(t, "start", "second")
	postgresReady(t, m, "second")
	if got := sql("second", "select count(*) from kept"); got != "10003" {
		t.Errorf("after a crash: %s", got)
	}
	if r := m.Run("volume", "rm", "pgdata"); r.Code == 0 || !strings.Contains(r.Stderr, "pgdata") {
		t.Errorf("a volume in use was removed: %+v", r)
	}
	postgresStop(t, m, "second")
	m.MustRun(t, "rm", "second")
	m.MustRun(t, "volume", "rm", "pgdata")
}

// postgresReady waits until the server of a container takes connections.
func postgresReady(t *testing.T, m *testenv.Manager, name string) {
	t.Helper()
	until(t, 60*time.Second, func() error {
		if r := m.Run("exec", "-u", "postgres", name, "pg_isready", "-q"); r.Code != 0 {
			return errors.New(r.Stderr + m.Run("logs", name).Stderr)
		}
		return nil
	})
}

// postgresStop stops a server and looks whether it shut its files down before it ended.
func postgresStop(t *testing.T, m *testenv.Manager, name string) {
	t.Helper()
	since := time.Now()
	m.MustRun(t, "stop", name)
	if took := time.Since(since); took > 9*time.Second {
		t.Errorf("stop %s took %v: the stop signal was not heard", name, took)
	}
	expect(t, m, "exited 0", "inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", name)
	r := m.Run("logs", name)
	if lines := strings.Split(strings.TrimSpace(r.Stdout+r.Stderr), "\n"); !strings.HasSuffix(lines[len(lines)-1], "database system is shut down") {
		t.Errorf("%s ended with %q", name, lines[len(lines)-1])
	}
	state := m.MustRun(t, "run", "--rm", "--network", "none", "-u", "postgres", "--volumes-from", name, "--entrypoint", "pg_controldata", "localhost/postgres")
	if !strings.Contains(state, "cluster state:               shut down\n") {
		t.Errorf("%s left its files as:\n%s", name, state)
	}
}
