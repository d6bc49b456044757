package state

// schema makes everything; each statement may run again.
const schema = `
CREATE TABLE IF NOT EXISTS meta (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS container (
  id          TEXT PRIMARY KEY,
  name        TEXT NOT NULL UNIQUE,
  image_id    TEXT NOT NULL DEFAULT '',
  created     INTEGER NOT NULL,
  brief       TEXT NOT NULL,
  status      TEXT NOT NULL,
  generation  INTEGER NOT NULL DEFAULT 0,
  pid         INTEGER NOT NULL DEFAULT 0,
  pid_start   INTEGER NOT NULL DEFAULT 0,
  monitor_pid INTEGER NOT NULL DEFAULT 0,
  cgroup      TEXT NOT NULL DEFAULT '',
  mounted     INTEGER NOT NULL DEFAULT 0,
  started     INTEGER NOT NULL DEFAULT 0,
  finished    INTEGER NOT NULL DEFAULT 0,
  exit_code   INTEGER NOT NULL DEFAULT 0,
  signal      INTEGER NOT NULL DEFAULT 0,
  oom_killed  INTEGER NOT NULL DEFAULT 0,
  cause       TEXT NOT NULL DEFAULT '',
  error       TEXT NOT NULL DEFAULT '',
  by_user     INTEGER NOT NULL DEFAULT 0,
  restarts    INTEGER NOT NULL DEFAULT 0,
  restart_wait INTEGER NOT NULL DEFAULT 0,
  restart_at   INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS container_image ON container(image_id);

CREATE TABLE IF NOT EXISTS config (
  container TEXT PRIMARY KEY REFERENCES container(id) ON DELETE CASCADE,
  config    TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS volume (
  name         TEXT PRIMARY KEY,
  driver       TEXT NOT NULL,
  path         TEXT NOT NULL,
  created      INTEGER NOT NULL,
  labels       TEXT NOT NULL DEFAULT '{}',
  options      TEXT NOT NULL DEFAULT '{}',
  anonymous    INTEGER NOT NULL DEFAULT 0,
  uid          INTEGER NOT NULL DEFAULT 0,
  gid          INTEGER NOT NULL DEFAULT 0,
  needs_copyup INTEGER NOT NULL DEFAULT 1,
  needs_chown  INTEGER NOT NULL DEFAULT 1
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS volume_use (
  volume    TEXT NOT NULL REFERENCES volume(name),
  container TEXT NOT NULL REFERENCES container(id) ON DELETE CASCADE,
  PRIMARY KEY (volume, container)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS volume_use_container ON volume_use(container);

CREATE TABLE IF NOT EXISTS depend (
  container  TEXT NOT NULL REFERENCES container(id) ON DELETE CASCADE,
  depends_on TEXT NOT NULL REFERENCES container(id),
  PRIMARY KEY (container, depends_on)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS depend_on ON depend(depends_on);

CREATE TABLE IF NOT EXISTS exec (
  id        TEXT PRIMARY KEY,
  container TEXT NOT NULL REFERENCES container(id) ON DELETE CASCADE,
  command   TEXT NOT NULL,
  created   INTEGER NOT NULL,
  run_dir   TEXT NOT NULL
) WITHOUT ROWID;
`

// added are the columns of container that version 1 had not.
var added = []struct{ name, definition string }{
	{"restart_wait", "INTEGER NOT NULL DEFAULT 0"},
	{"restart_at", "INTEGER NOT NULL DEFAULT 0"},
}

// split gives configs their own table, as of version 4. Before, a list read and an update of a state wrote
// the pages of the config too.
var split = []string{
	"INSERT INTO config(container,config) SELECT id,config FROM container",
	"DROP INDEX IF EXISTS container_mounted",
	"ALTER TABLE container DROP COLUMN config",
}
