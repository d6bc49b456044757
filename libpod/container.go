package libpod

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/libpod/lock"
	"github.com/manager-project/manager/libpod/network"
	"github.com/manager-project/manager/libpod/state"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/idmap"
	"github.com/manager-project/manager/pkg/spec"
)

// container is a consistent picture of one container, fresh from the state.
type container struct {
	rt  *Runtime
	row *state.Row
	cfg *spec.Config
}

// locked is a container whose lock this call holds: the only type with mutating steps.
type locked struct {
	container
	lock *lock.Lock
	// awaited says that a user waits for the end of a foreground run. Taking the cgroup's parent
	// away and making it again for the next run costs 0.9 ms of processor time: others do that.
	awaited bool
	// layerGoes says that the layer is about to be deleted, which unmounts it too.
	layerGoes bool
	// network is what this start has begun of the container's network, or nil.
	network *network.Beginning
}

// brief is what lists print of a container, kept beside its Config so that listing a
// thousand containers decodes a thousand small documents.
type brief struct {
	Image      string              `json:"image,omitempty"`
	Command    []string            `json:"command,omitempty"`
	Labels     map[string]string   `json:"labels,omitempty"`
	Mounts     []string            `json:"mounts,omitempty"`
	Volumes    []string            `json:"volumes,omitempty"`
	Network    string              `json:"network,omitempty"`
	AutoRemove bool                `json:"auto_remove,omitempty"`
	CIDFile    string              `json:"cid_file,omitempty"`
	Exposed    map[uint16][]string `json:"exposed,omitempty"`
	Ports      []spec.Port         `json:"ports,omitempty"`
	StopSignal int                 `json:"stop_signal,omitempty"`
	Restart    string              `json:"restart,omitempty"`
	// Level is the SELinux level that its processes and files have, and no other container's.
	Level string `json:"level,omitempty"`
	// Health says that there is a healthcheck, HealthLog its directory of --health-log-destination, or "".
	Health    bool   `json:"health,omitempty"`
	HealthLog string `json:"health_log,omitempty"`
	// UIDs and GIDs are the maps of its own user namespace, whose ids no other is given.
	UIDs idmap.Map `json:"uids,omitempty"`
	GIDs idmap.Map `json:"gids,omitempty"`
}

// load reads a container without locking it.
func (r *Runtime) load(ctx context.Context, id string) (*container, error) {
	row, err := r.state.Container(ctx, id)
	if err != nil {
		return nil, err
	}
	r.forgetStop(row)
	c := &container{rt: r, row: row, cfg: new(spec.Config)}
	if err := json.Unmarshal(row.Config, c.cfg); err != nil {
		return nil, &errdefs.Error{
			Kind: "container", Name: row.Name, Class: errdefs.ErrCorrupt, Cause: err,
			Hint: "remove it with \"manager rm -f " + define.ShortID(id) + "\"",
		}
	}
	return c, nil
}

// update takes a container's lock, loads its state fresh, settles what an earlier command
// left undone, and calls f.
func (r *Runtime) update(ctx context.Context, id string, f func(context.Context, *locked) error) error {
	l, err := r.acquire(ctx, id)
	if err != nil {
		return err
	}
	defer l.Release()
	c, err := r.load(ctx, id)
	if err != nil {
		return err
	}
	lc := &locked{container: *c, lock: l}
	if err := lc.reconcile(ctx); err != nil {
		return err
	}
	return f(ctx, lc)
}

func (r *Runtime) acquire(ctx context.Context, id string) (*lock.Lock, error) {
	l, err := lock.Acquire(ctx, r.paths.lockFile(id), false)
	if errors.Is(err, lock.ErrGone) {
		// The row tells apart a container that is gone from one whose directory was lost.
		if _, err := r.state.Container(ctx, id); err != nil {
			return nil, err
		}
		return r.newLock(ctx, id)
	}
	return l, err
}

// durability of a container's own transactions: one that --rm removes at its end need not
// survive a power cut.
func (c *container) durability() state.Durability {
	if c.cfg.Life.Remove {
		return state.Volatile
	}
	return state.Durable
}

// save stores the container's changed state.
func (c *locked) save(ctx context.Context) error {
	return c.rt.state.SetState(ctx, c.durability(), c.row.ID, &c.row.State)
}

func (c *container) status() define.Status { return c.row.State.Status }

// fail names the container in an error.
func (c *container) fail(op string, class, cause error, hint string) error {
	return &errdefs.Error{Op: op, Kind: "container", Name: c.row.Name, Class: class, Cause: cause, Hint: hint}
}
