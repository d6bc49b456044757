package libpod

import (
	"context"
	"errors"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/libpod/state"
	"github.com/manager-project/manager/pkg/monitor"
	"github.com/manager-project/manager/pkg/spec"
)

// Inspect returns what is known of a container: its state as the kernel sees it.
func (r *Runtime) Inspect(ctx context.Context, id string) (Record, error) {
	if err := r.reconcileQuietly(ctx, id); err != nil {
		return Record{}, err
	}
	c, err := r.observe(ctx, id)
	if err != nil {
		return Record{}, err
	}
	return Record{Config: c.cfg, State: c.row.State}, nil
}

// reconcileQuietly settles a container whose lock is free, if there is something to settle.
func (r *Runtime) reconcileQuietly(ctx context.Context, id string) error {
	row, err := r.state.Container(ctx, id)
	if err != nil {
		return err
	}
	s := &row.State
	if s.Unsettled() && !(s.Status.Live() && alive(s.PID, s.PIDStart)) {
		_, err := r.tryReconcile(ctx, id)
		return err
	}
	return nil
}

// InspectContainer returns what inspect prints; with size, also how large the layers are.
func (r *Runtime) InspectContainer(ctx context.Context, id string, size bool) (*InspectData, error) {
	rec, err := r.Inspect(ctx, id)
	if err != nil {
		return nil, err
	}
	c := &container{rt: r, row: &state.Row{ID: id, Name: rec.Config.Name, State: rec.State}, cfg: rec.Config}
	facts, err := r.inspectFacts(ctx, c)
	if err != nil {
		return nil, err
	}
	if size {
		if facts.Size, err = r.size(ctx, id); err != nil {
			return nil, err
		}
	}
	return newInspectData(rec, facts), nil
}

func (r *Runtime) inspectFacts(ctx context.Context, c *container) (inspectFacts, error) {
	run := r.paths.runDir(c.row.ID)
	f := inspectFacts{
		StaticDir: r.paths.staticDir(c.row.ID), Rootfs: c.cfg.Rootfs.Path, LogPath: c.logPath(), CgroupManager: managerCgroupfs,
		OCIConfigPath:  existing(run, "config.json"),
		ResolvConfPath: existing(run, "resolv.conf"), HostsPath: existing(run, "hosts"), HostnamePath: existing(run, "hostname"),
		VolumePaths: map[string]string{}, Times: c.checkpointTimes(), LogLoss: c.logLoss(),
	}
	if h := c.cfg.Health; h != nil {
		record := r.healthOf(c.row, h.LogDirectory)
		f.Health = &record
	}
	if c.cfg.Limits.Systemd {
		f.CgroupManager = managerSystemd
	}
	var err error
	if f.ExecIDs, err = c.execIDs(ctx); err != nil {
		return f, err
	}
	for i := range c.cfg.Mounts {
		if m := &c.cfg.Mounts[i]; m.Kind == spec.MountVolume {
			if v, err := r.state.Volume(ctx, m.Source); err == nil {
				f.VolumePaths[m.Source] = v.Path
			}
		}
	}
	if c.row.State.Status.Live() {
		if held, err := monitor.Alive(run); err == nil {
			f.Unmonitored = !held
		}
	}
	if c.cfg.Rootfs.Path != "" {
		return f, nil
	}
	images, err := r.Images(ctx)
	if err != nil {
		return f, err
	}
	f.Driver, f.DriverData, err = images.RootfsDirs(c.row.ID)
	if errors.Is(err, unix.EROFS) {
		return f, nil // the store cannot even be locked; the rest is known without it
	}
	if err != nil {
		return f, c.fail("inspect", nil, err, "")
	}
	if c.row.State.Status.Live() {
		f.Rootfs = f.DriverData["MergedDir"]
	}
	return f, nil
}

// existing is a file of the run directory, or "".
func existing(dir, name string) string {
	if path := filepath.Join(dir, name); exists(path) {
		return path
	}
	return ""
}
