package state

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/pkg/errdefs"
)

const volumeColumns = "name,driver,path,created,labels,options,anonymous,uid,gid,needs_copyup,needs_chown"

// AddVolume stores a new volume; a taken name is ErrExists.
func (s *Store) AddVolume(ctx context.Context, v Volume) error {
	return s.update(ctx, Durable, func(tx *sql.Tx) error {
		added, err := s.insertVolume(ctx, tx, v)
		if err == nil && !added {
			return &errdefs.Error{Kind: "volume", Name: v.Name, Class: errdefs.ErrExists, Hint: "choose another name, or use --ignore"}
		}
		return err
	})
}

// insertVolume stores a volume; false says that the name is taken.
func (s *Store) insertVolume(ctx context.Context, tx *sql.Tx, v Volume) (bool, error) {
	labels, err := json.Marshal(nonNil(v.Labels))
	if err != nil {
		return false, err
	}
	options, err := json.Marshal(nonNil(v.Options))
	if err != nil {
		return false, err
	}
	res, err := tx.ExecContext(ctx, "INSERT OR IGNORE INTO volume("+volumeColumns+") VALUES(?,?,?,?,?,?,?,?,?,?,?)",
		v.Name, v.Driver, v.Path, v.Created.UnixNano(), string(labels), string(options), v.Anonymous, v.UID, v.GID, v.NeedsCopyUp, v.NeedsChown)
	if err != nil {
		return false, s.fail("write", err)
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// DropAnonymous ends a container's use of the named volumes that are anonymous, and forgets
// those that no other container uses. It returns the names that are still stored.
func (s *Store) DropAnonymous(ctx context.Context, container string, names []string) (kept []string, err error) {
	err = s.end(ctx, Durable, func(tx *sql.Tx) error {
		for _, name := range names {
			for _, stmt := range []string{
				"DELETE FROM volume_use WHERE volume=?1 AND container=?2 AND (SELECT anonymous FROM volume WHERE name=?1)=1",
				"DELETE FROM volume WHERE name=?1 AND anonymous=1 AND NOT EXISTS (SELECT 1 FROM volume_use WHERE volume=?1)",
			} {
				if _, err := tx.ExecContext(ctx, stmt, name, container); err != nil {
					return s.fail("write", err)
				}
			}
			var n int
			if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM volume WHERE name=?", name).Scan(&n); err != nil {
				return s.fail("read", err)
			}
			if n > 0 {
				kept = append(kept, name)
			}
		}
		return nil
	})
	return kept, err
}

// SetVolume stores the flags of a volume that change: NeedsCopyUp, NeedsChown, UID, GID.
func (s *Store) SetVolume(ctx context.Context, v Volume) error {
	return s.end(ctx, Durable, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE volume SET needs_copyup=?, needs_chown=?, uid=?, gid=? WHERE name=?", v.NeedsCopyUp, v.NeedsChown, v.UID, v.GID, v.Name)
		if err != nil {
			return s.fail("write", err)
		}
		return nil
	})
}

// Volume returns one volume by its exact name; ErrNotFound if there is none.
func (s *Store) Volume(ctx context.Context, name string) (*Volume, error) {
	vs, err := s.volumes(ctx, "SELECT "+volumeColumns+" FROM volume WHERE name=?", name)
	if err != nil {
		return nil, err
	}
	if len(vs) == 0 {
		e := errdefs.NotFound("volume", name)
		e.Hint = "\"manager volume ls\" lists all volumes"
		return nil, e
	}
	return &vs[0], nil
}

// Volumes returns all volumes by name.
func (s *Store) Volumes(ctx context.Context) ([]Volume, error) {
	return s.volumes(ctx, "SELECT "+volumeColumns+" FROM volume ORDER BY name")
}

func (s *Store) volumes(ctx context.Context, query string, args ...any) ([]Volume, error) {
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, s.fail("read", err)
	}
	defer func() { _ = rows.Close() }()
	var all []Volume
	for rows.Next() {
		var (
			v               Volume
			created         int64
			labels, options string
		)
		if err := rows.Scan(&v.Name, &v.Driver, &v.Path, &created, &labels, &options, &v.Anonymous, &v.UID, &v.GID, &v.NeedsCopyUp, &v.NeedsChown); err != nil {
			return nil, s.fail("read", err)
		}
		v.Created = unix(created)
		if err := errors.Join(json.Unmarshal([]byte(labels), &v.Labels), json.Unmarshal([]byte(options), &v.Options)); err != nil {
			return nil, &errdefs.Error{Kind: "volume", Name: v.Name, Class: errdefs.ErrCorrupt, Cause: err}
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

// VolumeUsers returns the ids of the containers that use a volume.
func (s *Store) VolumeUsers(ctx context.Context, name string) ([]string, error) {
	return s.strings(ctx, "SELECT container FROM volume_use WHERE volume=?", name)
}

// VolumesOf returns the names of the volumes that a container uses.
func (s *Store) VolumesOf(ctx context.Context, id string) ([]string, error) {
	return s.strings(ctx, "SELECT volume FROM volume_use WHERE container=?", id)
}

// RemoveVolume forgets a volume that no container uses; ErrInUse otherwise.
func (s *Store) RemoveVolume(ctx context.Context, name string) error {
	return s.end(ctx, Durable, func(tx *sql.Tx) error {
		var user string
		err := tx.QueryRowContext(ctx, "SELECT container FROM volume_use WHERE volume=? LIMIT 1", name).Scan(&user)
		if err == nil {
			return &errdefs.Error{
				Kind: "volume", Name: name, Class: errdefs.ErrInUse,
				Cause: fmt.Errorf("container %s uses it", define.ShortID(user)),
				Hint:  "remove the container first, or use --force to remove both",
			}
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return s.fail("read", err)
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM volume WHERE name=?", name); err != nil {
			return s.fail("write", err)
		}
		return nil
	})
}

func nonNil(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}
