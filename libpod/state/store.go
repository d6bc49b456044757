// Package state is the one place where manager keeps what it must not forget: a SQLite
// file in WAL mode.
//
//	meta        key -> value                 schema version, boot id
//	container   id, name, image_id, created  identity; names are unique
//	            brief                        JSON: what ps prints
//	            status, generation, pid, …   what changes (Container)
//	config      container -> config          JSON: spec.Config
//	volume      name -> path, labels, …      named volumes (Volume)
//	volume_use  (volume, container)          which container uses which volume
//	depend      (container, on)              whose namespaces or volumes a container needs
//	exec        id -> container, command     detached exec sessions (ExecSession)
//
// Readers never wait. Writers take short immediate transactions; nothing slow (pull,
// mount, stop, copy) happens inside one, so a busy file is waited for, never reported.
// A transaction is Durable (synced before it returns) or Volatile (lost with the machine,
// whole or not at all): containers that --rm will remove anyway are Volatile.
//
// The store decides nothing about a container's life; legality is libpod's.
package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/reserve"
)

// schemaVersion is the version this program writes. It reads those before and the next one. There was no version 3: a
// program of version 2 would take it for one that it can read.
const schemaVersion = 4

// Durability says whether a transaction must survive a power cut once it has returned.
type Durability int

// The durabilities.
const (
	Durable Durability = iota
	Volatile
)

// Store is the open state file. It is safe for concurrent use.
type Store struct {
	db   *sql.DB
	path string
	boot string // see BootID
	// writer is the driver's connection that was made ready to write, durability what it was last told. Who has the
	// connection has these too.
	writer     any
	durability Durability
}

// Open opens the state file below dir, making directory (0700) and file when missing.
func Open(ctx context.Context, dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	path := filepath.Join(dir, "state.db")
	_, statErr := os.Stat(path)
	// A lock lasts as long as the machine is slow; commands never say "locked".
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() +
		"?_txlock=immediate&_pragma=busy_timeout(60000)"
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("state file: %w", err)
	}
	db.SetMaxOpenConns(1)
	s := &Store{db: db, path: path}
	if errors.Is(statErr, os.ErrNotExist) {
		err = s.create(ctx)
	} else {
		err = s.checkVersion(ctx)
		if isFull(err) && s.SpendReserve() { // the log of a file that everybody closed is made anew
			err = s.checkVersion(ctx)
		}
	}
	if err != nil {
		_ = db.Close()
		return nil, err
	}
	reserve.Keep(s.reservePath(), reserveSize)
	return s, nil
}

// Close closes the file. A command that is about to exit need not call it: closing would
// checkpoint and sync the log of the last open connection, and the kernel frees the locks.
func (s *Store) Close() error { return s.db.Close() }

func (s *Store) create(ctx context.Context) error {
	if _, err := s.db.ExecContext(ctx, "PRAGMA journal_mode=WAL"); err != nil {
		return s.fail("create", err)
	}
	return s.update(ctx, Durable, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, schema); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "INSERT OR IGNORE INTO meta(key,value) VALUES('schema',?)", fmt.Sprint(schemaVersion))
		return err
	})
}

func (s *Store) checkVersion(ctx context.Context) error {
	version, err := s.facts(ctx)
	if err != nil {
		// Another process is between making the file and writing the schema, or died there:
		// every statement of the schema is IF NOT EXISTS, so doing it again is right.
		return s.create(ctx)
	}
	if version > schemaVersion+1 {
		return &errdefs.Error{
			Op: "open", Kind: "state", Name: s.path, Class: errdefs.ErrUnsupported,
			Cause: fmt.Errorf("written by a newer manager (schema %d, this one knows %d)", version, schemaVersion),
			Hint:  "use the newer manager",
		}
	}
	if version < schemaVersion {
		if err := s.backUp(ctx, version); err != nil {
			return err
		}
		return s.upgrade(ctx)
	}
	return nil
}

// facts reads what is known about the file: the schema's version, and the boot.
func (s *Store) facts(ctx context.Context) (version int, err error) {
	err = s.db.QueryRowContext(ctx, "SELECT value, coalesce((SELECT value FROM meta WHERE key='boot'),'') FROM meta WHERE key='schema'").Scan(&version, &s.boot)
	return version, err
}

// upgrade brings a file of a version before to this one. Of two at once the second finds it done.
func (s *Store) upgrade(ctx context.Context) error {
	return s.update(ctx, Durable, func(tx *sql.Tx) error {
		var version int
		if err := tx.QueryRowContext(ctx, "SELECT value FROM meta WHERE key='schema'").Scan(&version); err != nil {
			return s.fail("upgrade", err)
		}
		if version >= schemaVersion {
			return nil
		}
		for _, c := range added {
			var there bool
			err := tx.QueryRowContext(ctx, "SELECT count(*)>0 FROM pragma_table_info('container') WHERE name=?", c.name).Scan(&there)
			if err == nil && !there {
				_, err = tx.ExecContext(ctx, "ALTER TABLE container ADD COLUMN "+c.name+" "+c.definition)
			}
			if err != nil {
				return s.fail("upgrade", err)
			}
		}
		for _, stmt := range append([]string{schema}, split...) {
			if _, err := tx.ExecContext(ctx, stmt); err != nil {
				return s.fail("upgrade", err)
			}
		}
		if _, err := tx.ExecContext(ctx, "UPDATE meta SET value=? WHERE key='schema'", fmt.Sprint(schemaVersion)); err != nil {
			return s.fail("upgrade", err)
		}
		return nil
	})
}

// update runs f in one immediate transaction.
func (s *Store) update(ctx context.Context, d Durability, f func(*sql.Tx) error) error {
	fault.Point("state: write")
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return s.fail("open", err)
	}
	defer func() { _ = conn.Close() }()
	if err := s.prepare(ctx, conn, d); err != nil {
		return s.fail("write", err)
	}
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return s.fail("write", err)
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback()
		return err
	}
	if err := tx.Commit(); err != nil {
		return s.fail("write", err)
	}
	fault.Point("state: written")
	return nil
}

// prepare makes the connection ready to write: commands that only look save the statements. A new connection of SQLite is
// durable (synchronous=FULL). Source: sqlite.org/pragma.html.
func (s *Store) prepare(ctx context.Context, conn *sql.Conn, d Durability) error {
	var statements []string
	_ = conn.Raw(func(c any) error {
		if c != s.writer {
			s.writer, s.durability = c, Durable
			statements = []string{"PRAGMA foreign_keys=1", "PRAGMA wal_autocheckpoint=256"}
		}
		return nil
	})
	if d != s.durability {
		level := map[Durability]string{Durable: "FULL", Volatile: "NORMAL"}[d]
		statements = append(statements, "PRAGMA synchronous="+level)
		s.durability = d
	}
	for _, stmt := range statements {
		if _, err := conn.ExecContext(ctx, stmt); err != nil {
			s.writer = nil
			return err
		}
	}
	return nil
}

// fail says what happened to the file itself, with the one remedy there is.
func (s *Store) fail(op string, err error) error {
	if isFull(err) {
		err = noSpace{err}
	}
	return &errdefs.Error{
		Op: op, Kind: "state", Name: s.path, Class: errdefs.ErrUnavailable, Cause: err,
		Hint: "check free space and permissions of its directory",
	}
}
