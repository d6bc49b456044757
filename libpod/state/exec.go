package state

import (
	"context"
	"database/sql"
	"encoding/json"
)

// AddExec stores a detached exec session.
func (s *Store) AddExec(ctx context.Context, e ExecSession) error {
	command, err := json.Marshal(e.Command)
	if err != nil {
		return err
	}
	return s.update(ctx, Volatile, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO exec(id,container,command,created,run_dir) VALUES(?,?,?,?,?)",
			e.ID, e.Container, string(command), e.Created.UnixNano(), e.RunDir)
		if err != nil {
			return s.missing(err, "container", e.Container)
		}
		return nil
	})
}

// Execs returns the detached exec sessions of a container, oldest first.
func (s *Store) Execs(ctx context.Context, container string) ([]ExecSession, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT id,container,command,created,run_dir FROM exec WHERE container=? ORDER BY created", container)
	if err != nil {
		return nil, s.fail("read", err)
	}
	defer func() { _ = rows.Close() }()
	var all []ExecSession
	for rows.Next() {
		var (
			e       ExecSession
			command string
			created int64
		)
		if err := rows.Scan(&e.ID, &e.Container, &command, &created, &e.RunDir); err != nil {
			return nil, s.fail("read", err)
		}
		e.Created = unix(created)
		if err := json.Unmarshal([]byte(command), &e.Command); err != nil {
			return nil, s.fail("read", err)
		}
		all = append(all, e)
	}
	return all, rows.Err()
}

// RemoveExec forgets a session; one that is not there is no error.
func (s *Store) RemoveExec(ctx context.Context, id string) error {
	return s.end(ctx, Volatile, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM exec WHERE id=?", id); err != nil {
			return s.fail("write", err)
		}
		return nil
	})
}
