package libpod

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/libpod/image"
	"github.com/manager-project/manager/libpod/lock"
	"github.com/manager-project/manager/libpod/network"
	"github.com/manager-project/manager/libpod/state"
	"github.com/manager-project/manager/libpod/volume"
	"github.com/manager-project/manager/pkg/cgroups"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/eventlog"
	"github.com/manager-project/manager/pkg/rootless"
	"github.com/manager-project/manager/pkg/selinux"
	"github.com/manager-project/manager/pkg/spec"
	"github.com/manager-project/manager/pkg/undo"
)

// Create makes a container and starts nothing.
func (r *Runtime) Create(ctx context.Context, req *spec.Request, progress image.ProgressFunc) (CreateReport, error) {
	var report CreateReport
	err := r.create(ctx, req, progress, nil, func(ctx context.Context, c *locked, warnings []Warning) error {
		report = CreateReport{ID: c.row.ID, Name: c.row.Name, Warnings: warnings}
		c.row.State.Status, c.row.State.Mounted = define.StatusCreated, false
		return c.save(ctx)
	})
	return report, err
}

// create makes a container and hands it, still locked and in status "creating", to stored, if that is not nil, when it has
// a row, and to finish when it is complete. When one of them fails, or this process dies, nothing of the container is left.
func (r *Runtime) create(
	ctx context.Context, req *spec.Request, progress image.ProgressFunc,
	stored func(context.Context, *locked) error, finish func(context.Context, *locked, []Warning) error,
) (err error) {
	img, warnings, err := r.prepareImage(ctx, req, progress)
	if err != nil {
		return err
	}
	cfg, more, err := r.decide(ctx, req, img)
	if err != nil {
		return err
	}
	for _, w := range more {
		warnings = append(warnings, Warning(w))
	}
	return r.make(ctx, cfg, req.Life.Replace, progress, stored, func(ctx context.Context, c *locked) error { return finish(ctx, c, warnings) })
}

// make is create of what has been decided.
func (r *Runtime) make(
	ctx context.Context, cfg *spec.Config, replace bool, progress image.ProgressFunc, stored, finish func(context.Context, *locked) error,
) (err error) {
	cid, err := openCIDFile(cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cid.close(err)) }()
	if replace {
		if err := r.replace(ctx, cfg.Name); err != nil {
			return err
		}
	}
	taken, err := r.allocateIDs(ctx, cfg)
	if err != nil {
		return err
	}
	c, err := r.nameAndStore(ctx, cfg)
	taken.Release()
	if err != nil {
		return err
	}
	defer c.lock.Release()
	var back undo.Stack
	back.Add(func() error {
		return c.remove(context.WithoutCancel(ctx), RemoveOptions{Force: true, Volumes: true})
	})
	if stored != nil {
		if err := stored(ctx, c); err != nil {
			return errors.Join(err, back.Run())
		}
	}
	err = c.makeAnonymous()
	if err == nil {
		err = c.makeLayer(ctx, progress)
	}
	if err != nil {
		return errors.Join(c.fail("create", nil, err, ""), back.Run())
	}
	c.emit(eventlog.Create)
	if err := finish(ctx, c); err != nil {
		if c.row.State.Status == define.StatusCreating {
			return errors.Join(err, back.Run())
		}
		return err
	}
	return cid.write(cfg.ID)
}

// nameTries is how often a made-up name may be taken by another command between looking and
// storing.
const nameTries = 16

// nameAndStore stores a new container under the user's name, or under one that is made up.
func (r *Runtime) nameAndStore(ctx context.Context, cfg *spec.Config) (*locked, error) {
	madeUp := cfg.Name == ""
	for try := 1; ; try++ {
		if madeUp {
			cfg.Name = ""
		}
		if err := r.nameContainer(ctx, cfg); err != nil {
			return nil, err
		}
		c, err := r.store(ctx, cfg)
		if !madeUp || try == nameTries || !errors.Is(err, errdefs.ErrExists) {
			return c, err
		}
	}
}

// decide makes the Config out of the request, the image and the host.
func (r *Runtime) decide(ctx context.Context, req *spec.Request, img *spec.ImageConfig) (*spec.Config, []string, error) {
	host, err := r.host(ctx, req.Limits.CgroupParent)
	if err != nil {
		return nil, nil, err
	}
	defaults, err := r.conf.Defaults()
	if err != nil {
		return nil, nil, err
	}
	cfg, warnings, err := spec.Decide(req, img, defaults, host)
	if err != nil {
		return nil, nil, err
	}
	if err := r.decideRuntime(ctx, cfg); err != nil {
		return nil, nil, err
	}
	if _, err := network.Plan(&cfg.Net); err != nil {
		return nil, nil, err
	}
	if err := network.CheckOptions(ctx, &cfg.Net); err != nil {
		return nil, nil, err
	}
	if rootless.Active() {
		if err := network.CheckRights(cfg.Net.Ports); err != nil {
			return nil, nil, err
		}
	}
	if err := cgroups.Check(cfg.Limits.Resources, host.Controllers); err != nil {
		return nil, nil, err
	}
	for i := range cfg.Mounts {
		if m := &cfg.Mounts[i]; m.Kind == spec.MountBind && m.Chown {
			if err := volume.CheckChown(m.Source); err != nil {
				return nil, nil, err
			}
		}
	}
	more, err := r.decideLabels(ctx, cfg)
	if err != nil {
		return nil, nil, err
	}
	return cfg, append(warnings, more...), r.findMountImages(ctx, cfg)
}

// findMountImages settles now which images mounts show, so that a wrong name makes nothing.
func (r *Runtime) findMountImages(ctx context.Context, cfg *spec.Config) error {
	for i := range cfg.Mounts {
		m := &cfg.Mounts[i]
		if m.Kind != spec.MountImage {
			continue
		}
		images, err := r.Images(ctx)
		if err != nil {
			return err
		}
		img, err := images.Resolve(ctx, m.Source)
		if err != nil {
			return fmt.Errorf("mount %s: %w", m.Destination, err)
		}
		m.Source = img.ID
	}
	return nil
}

// store writes the row of a new container, whose lock is held from before it can be seen,
// with its volumes.
func (r *Runtime) store(ctx context.Context, cfg *spec.Config) (*locked, error) {
	done, err := r.reserveLabels(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer done()
	row, err := newRow(cfg)
	if err != nil {
		return nil, err
	}
	volumes, fresh, err := r.ensureVolumes(ctx, cfg)
	if err != nil {
		return nil, err
	}
	l, err := r.newLock(ctx, cfg.ID)
	if err != nil {
		return nil, err
	}
	c := &locked{container: container{rt: r, row: row, cfg: cfg}, lock: l}
	err = r.state.AddContainer(ctx, c.durability(), *row, state.AddOptions{
		Volumes: volumes, NewVolumes: fresh, DependsOn: cfg.Dependencies,
	})
	if err != nil {
		_ = removeLocked(r.paths.staticDir(cfg.ID), r.paths.lockFile(cfg.ID))
		l.Release()
		var e *errdefs.Error
		if errors.As(err, &e) && e.Op == "" {
			e.Op = "create"
		}
		return nil, err
	}
	return c, nil
}

// newLock makes a container's directory and takes its lock. A sweep that comes between the two
// takes the empty directory for abandoned; a lock that is seen is held, so that no sweep looks for a layer.
func (r *Runtime) newLock(ctx context.Context, id string) (*lock.Lock, error) {
	for tries := 0; ; tries++ {
		if err := mkdir(r.paths.staticDir(id)); err != nil {
			return nil, err
		}
		l, err := lock.Make(r.paths.lockFile(id))
		if errors.Is(err, os.ErrExist) || errors.Is(err, errors.ErrUnsupported) {
			l, err = lock.Acquire(ctx, r.paths.lockFile(id), true)
		}
		if tries == 10 || !errors.Is(err, os.ErrNotExist) {
			return l, err
		}
	}
}

func newRow(cfg *spec.Config) (*state.Row, error) {
	raw, err := marshal(cfg)
	if err != nil {
		return nil, err
	}
	b := brief{
		Image: cfg.Image.Name, Command: cfg.Process.Args, Labels: cfg.Labels, Network: cfg.Net.ModeText(),
		AutoRemove: cfg.Life.Remove, CIDFile: cfg.Life.CIDFile, Exposed: exposed(cfg.Net.Expose), Ports: cfg.Net.Ports, StopSignal: cfg.Life.StopSignal,
		Restart: cfg.Life.Restart.Policy, UIDs: cfg.UserNS.UIDs, GIDs: cfg.UserNS.GIDs,
	}
	if cfg.Security.ProcessLabel != "" {
		b.Level = selinux.LevelOf(cfg.Security.ProcessLabel)
	}
	if cfg.Health != nil {
		b.Health, b.HealthLog = true, cfg.Health.LogDirectory
	}
	if cfg.Rootfs.Path != "" {
		b.Image = cfg.Rootfs.Path
	}
	for _, m := range cfg.Mounts {
		b.Mounts = append(b.Mounts, m.Destination)
		if m.Kind == spec.MountVolume {
			b.Volumes = append(b.Volumes, m.Source)
		}
	}
	short, err := json.Marshal(b)
	if err != nil {
		return nil, err
	}
	row := &state.Row{ID: cfg.ID, Name: cfg.Name, ImageID: cfg.Image.ID, Created: cfg.Created, Brief: short, Config: raw}
	row.State.Status, row.State.Mounted = define.StatusCreating, true
	return row, nil
}

func marshal(cfg *spec.Config) ([]byte, error) { return json.Marshal(cfg) }

// exposed turns "80/tcp" entries into ps's map of port to protocols.
func exposed(entries []string) map[uint16][]string {
	m := map[uint16][]string{}
	for _, e := range entries {
		text, proto, ok := strings.Cut(e, "/")
		if !ok {
			proto = "tcp"
		}
		if port, err := strconv.ParseUint(text, 10, 16); err == nil && !slices.Contains(m[uint16(port)], proto) {
			m[uint16(port)] = append(m[uint16(port)], proto)
		}
	}
	return m
}

// prepareImage finds the image that the request names, pulling it if the policy says so.
func (r *Runtime) prepareImage(ctx context.Context, req *spec.Request, progress image.ProgressFunc) (*spec.ImageConfig, []Warning, error) {
	if req.Mounts.Rootfs {
		return nil, nil, nil
	}
	images, err := r.Images(ctx)
	if err != nil {
		return nil, nil, err
	}
	img, err := r.findImage(ctx, images, req, progress)
	if err != nil {
		return nil, nil, err
	}
	c, err := images.Config(ctx, img)
	if err != nil {
		return nil, nil, err
	}
	var warnings []Warning
	for _, w := range c.Warnings {
		warnings = append(warnings, Warning(w.Subject+": "+w.Text))
	}
	return &spec.ImageConfig{
		Ref: spec.ImageRef{ID: img.ID, Name: imageName(img), Digest: string(img.Digest), Requested: req.Image},
		Env: c.Env, Entrypoint: c.Entrypoint, Cmd: c.Cmd, User: c.User, WorkingDir: c.WorkingDir, Volumes: c.Volumes,
		ExposedPorts: c.ExposedPorts, Labels: c.Labels, StopSignal: c.StopSignal,
		Health: imageHealth(c.Healthcheck),
	}, warnings, nil
}

func imageName(img image.Image) string {
	if img.Name != "" {
		return img.Name
	}
	if len(img.Names) > 0 {
		return img.Names[0]
	}
	return img.ID
}

// replace removes the container that holds the name.
func (r *Runtime) replace(ctx context.Context, name string) error {
	if name == "" {
		return errdefs.Invalid("--replace", "", "it needs a name").WithHint("add --name")
	}
	id, err := r.state.FindContainer(ctx, name)
	if errors.Is(err, errdefs.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if row, err := r.state.Container(ctx, id); err != nil || row.Name != name {
		return err // an id that happens to begin so
	}
	_, err = r.Remove(ctx, id, RemoveOptions{Force: true, Volumes: true, Depend: false})
	return err
}

// nameContainer makes a name up when the user gave none, and otherwise finds out early, before
// a layer is made, that it is taken. The transaction that stores it has the last word.
func (r *Runtime) nameContainer(ctx context.Context, cfg *spec.Config) error {
	if cfg.Name == "" {
		cfg.Name = madeUpName(cfg.ID)
		for i := 2; r.nameIsTaken(ctx, cfg.Name); i++ {
			cfg.Name = madeUpName(cfg.ID) + strconv.Itoa(i)
		}
		return nil
	}
	id, err := r.state.FindContainer(ctx, cfg.Name)
	if err == nil {
		if row, err := r.state.Container(ctx, id); err == nil && row.Name == cfg.Name && !row.State.Status.Live() {
			// One that was abandoned in the making, or in the removal, gives its name back.
			_, _ = r.tryReconcile(ctx, id)
		}
	}
	if err == nil && r.nameIsTaken(ctx, cfg.Name) {
		return &errdefs.Error{
			Op: "create", Kind: "container", Name: cfg.Name, Class: errdefs.ErrExists,
			Cause: fmt.Errorf("the name is already in use by %s", define.ShortID(id)),
			Hint:  fmt.Sprintf("choose another --name, remove it with \"manager rm %s\", or use --replace", cfg.Name),
		}
	}
	return nil
}

func (r *Runtime) nameIsTaken(ctx context.Context, name string) bool {
	id, err := r.state.FindContainer(ctx, name)
	if err != nil {
		return false
	}
	row, err := r.state.Container(ctx, id)
	return err == nil && row.Name == name
}

// removeFiles removes what the container wrote outside its directories.
func (c *locked) removeFiles() {
	for _, path := range []string{c.cfg.Life.CIDFile, c.cfg.Life.PIDFile} {
		if path != "" {
			_ = os.Remove(path)
		}
	}
}
