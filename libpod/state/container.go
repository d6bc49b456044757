package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/pkg/errdefs"
)

const stateColumns = "status,generation,pid,pid_start,monitor_pid,cgroup,mounted,started,finished,exit_code,signal,oom_killed,cause,error,by_user,restarts,restart_wait,restart_at"

// AddOptions go with a new container.
type AddOptions struct {
	// Volumes are the names of the volumes it uses: they exist, or are among NewVolumes.
	Volumes []string
	// NewVolumes are those among Volumes that are stored with the container.
	NewVolumes []Volume
	// DependsOn are the ids of the containers it needs.
	DependsOn []string
}

// AddContainer stores a new container. A taken name is ErrExists; a volume or a container
// it needs that has gone meanwhile is ErrNotFound.
func (s *Store) AddContainer(ctx context.Context, d Durability, r Row, o AddOptions) error {
	return s.update(ctx, d, func(tx *sql.Tx) error {
		args := append([]any{r.ID, r.Name, r.ImageID, r.Created.UnixNano(), string(r.Brief)}, stateValues(&r.State)...)
		marks := strings.TrimSuffix(strings.Repeat("?,", len(args)), ",")
		_, err := tx.ExecContext(ctx, "INSERT INTO container(id,name,image_id,created,brief,"+stateColumns+") VALUES("+marks+")", args...)
		if err != nil {
			var holder string
			if tx.QueryRowContext(ctx, "SELECT id FROM container WHERE name=?", r.Name).Scan(&holder) == nil {
				return nameTaken(r.Name, holder)
			}
		} else {
			_, err = tx.ExecContext(ctx, "INSERT INTO config(container,config) VALUES(?,?)", r.ID, string(r.Config))
		}
		if err != nil {
			return s.fail("write", err)
		}
		for _, v := range o.NewVolumes {
			if _, err := s.insertVolume(ctx, tx, v); err != nil {
				return err
			}
		}
		for _, v := range o.Volumes {
			if _, err := tx.ExecContext(ctx, "INSERT OR IGNORE INTO volume_use(volume,container) VALUES(?,?)", v, r.ID); err != nil {
				return s.missing(err, "volume", v)
			}
		}
		for _, id := range o.DependsOn {
			if _, err := tx.ExecContext(ctx, "INSERT OR IGNORE INTO depend(container,depends_on) VALUES(?,?)", r.ID, id); err != nil {
				return s.missing(err, "container", id)
			}
		}
		return nil
	})
}

func nameTaken(name, holder string) *errdefs.Error {
	return &errdefs.Error{
		Kind: "container", Name: name, Class: errdefs.ErrExists,
		Cause: fmt.Errorf("the name is already in use by %s", define.ShortID(holder)),
		Hint:  fmt.Sprintf("choose another --name, remove it with \"manager rm %s\", or use --replace", name),
	}
}

// missing turns a failed foreign key into "no such".
func (s *Store) missing(err error, kind, name string) error {
	if strings.Contains(err.Error(), "FOREIGN KEY") {
		return errdefs.NotFound(kind, name)
	}
	return s.fail("write", err)
}

// Container returns the container with exactly this id; ErrNotFound if there is none.
func (s *Store) Container(ctx context.Context, id string) (*Row, error) {
	row := s.db.QueryRowContext(ctx, "SELECT id,name,image_id,created,brief,coalesce((SELECT config FROM config WHERE container=id),''),"+stateColumns+" FROM container WHERE id=?", id)
	r, err := scanRow(row)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errdefs.NotFound("container", id)
	}
	if err != nil {
		return nil, s.fail("read", err)
	}
	return r, nil
}

// FindContainer returns the id of the container with this name, full id or unambiguous
// beginning of an id. A name wins over an id.
func (s *Store) FindContainer(ctx context.Context, name string) (string, error) {
	var id string
	err := s.db.QueryRowContext(ctx, "SELECT id FROM container WHERE name=? UNION ALL SELECT id FROM container WHERE id=? LIMIT 1", name, name).Scan(&id)
	if err == nil {
		return id, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return "", s.fail("read", err)
	}
	if name == "" || strings.Trim(name, "0123456789abcdef") != "" {
		return "", noContainer(name)
	}
	rows, err := s.db.QueryContext(ctx, "SELECT id FROM container WHERE id >= ? AND id < ? LIMIT 3", name, name+"g")
	if err != nil {
		return "", s.fail("read", err)
	}
	defer func() { _ = rows.Close() }()
	var ids []string
	for rows.Next() {
		if err := rows.Scan(&id); err != nil {
			return "", s.fail("read", err)
		}
		ids = append(ids, id)
	}
	switch len(ids) {
	case 0:
		return "", noContainer(name)
	case 1:
		return ids[0], nil
	}
	return "", &errdefs.Error{
		Kind: "container", Name: name, Class: errdefs.ErrAmbiguous,
		Cause: fmt.Errorf("the id fits more than one container: %s, %s", define.ShortID(ids[0]), define.ShortID(ids[1])),
		Hint:  "write more digits of the id",
	}
}

func noContainer(name string) error {
	e := errdefs.NotFound("container", name)
	e.Hint = "\"manager ps -a\" lists all containers"
	return e
}

// Containers returns all containers without their Config, newest first.
func (s *Store) Containers(ctx context.Context) ([]Row, error) {
	return s.rows(ctx, "SELECT id,name,image_id,created,brief,'',"+stateColumns+" FROM container ORDER BY created DESC, id")
}

func (s *Store) rows(ctx context.Context, query string, args ...any) ([]Row, error) {
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, s.fail("read", err)
	}
	defer func() { _ = rows.Close() }()
	var all []Row
	for rows.Next() {
		r, err := scanRow(rows)
		if err != nil {
			return nil, s.fail("read", err)
		}
		all = append(all, *r)
	}
	if err := rows.Err(); err != nil {
		return nil, s.fail("read", err)
	}
	return all, nil
}

// SetState stores what changed of a container.
func (s *Store) SetState(ctx context.Context, d Durability, id string, c *Container) error {
	return s.end(ctx, d, func(tx *sql.Tx) error {
		set := strings.ReplaceAll(stateColumns, ",", "=?,") + "=?"
		res, err := tx.ExecContext(ctx, "UPDATE container SET "+set+" WHERE id=?", append(stateValues(c), id)...)
		if err != nil {
			return s.fail("write", err)
		}
		if n, err := res.RowsAffected(); err == nil && n == 0 {
			return errdefs.NotFound("container", id)
		}
		return nil
	})
}

// SetConfig stores what an update made of a container's Config, and its short form.
func (s *Store) SetConfig(ctx context.Context, d Durability, id string, brief, config []byte) error {
	return s.update(ctx, d, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "UPDATE container SET brief=? WHERE id=?", string(brief), id)
		if err != nil {
			return s.fail("write", err)
		}
		if n, err := res.RowsAffected(); err == nil && n == 0 {
			return errdefs.NotFound("container", id)
		}
		return s.writeConfig(ctx, tx, id, config)
	})
}

// Rename gives a container another name and the Config that says so.
func (s *Store) Rename(ctx context.Context, id, name string, config []byte) error {
	return s.update(ctx, Durable, func(tx *sql.Tx) error {
		var holder string
		err := tx.QueryRowContext(ctx, "SELECT id FROM container WHERE name=? AND id<>?", name, id).Scan(&holder)
		if err == nil {
			e := nameTaken(name, holder)
			e.Hint = "choose another name"
			return e
		}
		if _, err := tx.ExecContext(ctx, "UPDATE container SET name=? WHERE id=?", name, id); err != nil {
			return s.fail("write", err)
		}
		return s.writeConfig(ctx, tx, id, config)
	})
}

func (s *Store) writeConfig(ctx context.Context, tx *sql.Tx, id string, config []byte) error {
	if _, err := tx.ExecContext(ctx, "UPDATE config SET config=? WHERE container=?", string(config), id); err != nil {
		return s.fail("write", err)
	}
	return nil
}

// RemoveContainer forgets a container, what it used and its exec sessions. Removing one
// that is not there is no error. One that others depend on is ErrInUse.
func (s *Store) RemoveContainer(ctx context.Context, d Durability, id string) error {
	return s.end(ctx, d, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM container WHERE id=?", id); err != nil {
			if strings.Contains(err.Error(), "FOREIGN KEY") {
				return &errdefs.Error{
					Kind: "container", Name: define.ShortID(id), Class: errdefs.ErrInUse,
					Cause: errors.New("other containers depend on it"), Hint: "remove them first, or use --depend",
				}
			}
			return s.fail("write", err)
		}
		return nil
	})
}

// Dependents returns the ids of the containers that need this one.
func (s *Store) Dependents(ctx context.Context, id string) ([]string, error) {
	return s.strings(ctx, "SELECT container FROM depend WHERE depends_on=?", id)
}

// AllDependents returns, by id, what Dependents does for every container that has some.
func (s *Store) AllDependents(ctx context.Context) (map[string][]string, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT depends_on, container FROM depend")
	if err != nil {
		return nil, s.fail("read", err)
	}
	defer func() { _ = rows.Close() }()
	all := map[string][]string{}
	for rows.Next() {
		var on, id string
		if err := rows.Scan(&on, &id); err != nil {
			return nil, s.fail("read", err)
		}
		all[on] = append(all[on], id)
	}
	return all, rows.Err()
}

// ContainersOfImage returns the ids of the containers made from an image.
func (s *Store) ContainersOfImage(ctx context.Context, imageID string) ([]string, error) {
	return s.strings(ctx, "SELECT id FROM container WHERE image_id=?", imageID)
}

func (s *Store) strings(ctx context.Context, query string, args ...any) ([]string, error) {
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, s.fail("read", err)
	}
	defer func() { _ = rows.Close() }()
	var all []string
	for rows.Next() {
		var v string
		if err := rows.Scan(&v); err != nil {
			return nil, s.fail("read", err)
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

type scanner interface{ Scan(dest ...any) error }

func scanRow(row scanner) (*Row, error) {
	var (
		r                              Row
		created, started, finished, at int64
		brief, config, status          string
	)
	c := &r.State
	err := row.Scan(&r.ID, &r.Name, &r.ImageID, &created, &brief, &config,
		&status, &c.Generation, &c.PID, &c.PIDStart, &c.MonitorPID, &c.CgroupPath, &c.Mounted, &started, &finished,
		&c.ExitCode, &c.Signal, &c.OOMKilled, &c.Cause, &c.Error, &c.StoppedByUser, &c.Restarts, &c.RestartWait, &at)
	if err != nil {
		return nil, err
	}
	r.Created, c.StartedAt, c.FinishedAt, c.RestartAt = unix(created), unix(started), unix(finished), unix(at)
	r.Brief, r.Config, c.Status = []byte(brief), []byte(config), define.Status(status)
	return &r, nil
}

func stateValues(c *Container) []any {
	return []any{
		string(c.Status), c.Generation, c.PID, c.PIDStart, c.MonitorPID, c.CgroupPath, c.Mounted,
		nano(c.StartedAt), nano(c.FinishedAt), c.ExitCode, c.Signal, c.OOMKilled, c.Cause, c.Error, c.StoppedByUser, c.Restarts,
		int64(c.RestartWait), nano(c.RestartAt),
	}
}

func nano(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func unix(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n)
}
