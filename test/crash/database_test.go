package crash

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/manager-project/manager/internal/testenv"
)

func open(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// forgeBoot makes the stored boot id another one. The state's files are left as a power cut leaves them:
// with all that was ever written to the log in it.
func (m *manager) forgeBoot() {
	t, path := m.t, filepath.Join(m.Root, "manager/state.db")
	t.Helper()
	db := open(t, path)
	res, err := db.Exec("UPDATE meta SET value='another boot' WHERE key='boot'")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := res.RowsAffected(); n != 1 || err != nil {
		t.Fatalf("the boot id: %d rows, %v", n, err)
	}
	kept := map[string][]byte{}
	for _, end := range []string{"", "-wal", "-shm"} {
		text, err := os.ReadFile(path + end)
		if err != nil {
			t.Fatal(err)
		}
		kept[path+end] = text
	}
	if err := db.Close(); err != nil { // which empties the log
		t.Fatal(err)
	}
	for file, text := range kept {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestForeignReader holds a read transaction open, as a curious user with sqlite3 does: nothing waits.
func TestForeignReader(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	db := open(t, filepath.Join(m.Root, "manager/state.db"))
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := tx.QueryRow("SELECT count(*) FROM container").Scan(&n); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for range 3 {
		m.must(sleeper...)
		m.must("rm", "--force", "--time", "0", "x")
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("three lives took %v beside a reader", took)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	m.empty("beside a reader")
}

// TestForeignWriter holds the write lock for a few seconds: readers answer meanwhile, writers wait,
// and nobody says "locked".
func TestForeignWriter(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	m.must(sleeper...)
	db := open(t, filepath.Join(m.Root, "manager/state.db"))
	if _, err := db.Exec("BEGIN EXCLUSIVE"); err != nil {
		t.Fatal(err)
	}
	const held = 8 * time.Second
	began := time.Now()
	ended := make(chan struct{})
	time.AfterFunc(held, func() {
		defer close(ended)
		if _, err := db.Exec("ROLLBACK"); err != nil {
			t.Error(err)
		}
	})
	for _, args := range [][]string{{"ps"}, {"inspect", "x"}, {"exec", "x", "true"}, {"logs", "x"}, {"images"}} {
		m.must(args...)
	}
	if took := time.Since(began); took >= held {
		t.Errorf("readers waited: %v", took)
	}
	for i, r := range crowd(8, 8, func(int) testenv.Result {
		return m.Run("run", "--rm", "--network", "none", busybox, "true")
	}) {
		if r.Code != 0 || r.Stderr != "" {
			t.Errorf("run %d: exit code %d: %s", i, r.Code, r.Stderr)
		}
	}
	if took := time.Since(began); took < held {
		t.Errorf("writers did not wait: %v", took)
	}
	<-ended
	m.must("rm", "--force", "--time", "0", "x")
	m.empty("beside a writer")
}
