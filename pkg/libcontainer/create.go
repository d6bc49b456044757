package libcontainer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/atomicfile"
	"github.com/manager-project/manager/pkg/cgroups"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer/compile"
	"github.com/manager-project/manager/pkg/libcontainer/direct"
	"github.com/manager-project/manager/pkg/libcontainer/intelrdt"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/libcontainer/plan"
	"github.com/manager-project/manager/pkg/undo"
)

// Create makes a container whose init waits for Start. Errors: ErrInvalid and ErrUnsupported for the
// id and the configuration, ErrExists, *launch.Failure from inside. An error leaves nothing behind;
// what a kill of this process leaves is undone by Destroy.
func (f *Factory) Create(ctx context.Context, id string, cfg Config) (*Container, error) {
	if err := ValidateID(id); err != nil {
		return nil, err
	}
	c := &creation{factory: f, ctx: ctx, cfg: &cfg, id: id, launches: true}
	err := f.runSteps("create", []step{
		{"network", c.makeNetwork},
		{"directory", c.directory},
		{"place", c.place},
		{"compile", c.compile},
		{"class of service", c.findClass},
		{"journal", c.journal},
		{"cgroup", c.makeCgroup},
		{"make class of service", c.makeClass},
		{"launch", c.launch},
		{"configuration", c.keepConfig}, // here, and not before: the init takes its time
		{"draft", c.draftRecord},
		{"ready", c.ready},
		{"outside", c.outside},
		{"limits", c.limits},
		{"console", c.sendConsole},
		{"pidfd", c.sendPIDFD},
		{"record", c.complete},
		{"pid file", c.pidFile},
		{"park", c.park},
	})
	c.dropImage()
	c.dropNetwork()
	if c.handles != nil {
		c.handles.Close()
	}
	if c.parking != nil {
		_ = c.parking.Close()
	}
	if err != nil {
		err = errors.Join(shortage(c.cgroup, err), c.back.Run())
		if c.made != nil && isHook(err) {
			c.made.poststop()
		}
		return nil, err
	}
	c.made.dir.unlock()
	return c.made, nil
}

// creation is a create under way.
type creation struct {
	factory *Factory
	ctx     context.Context
	cfg     *Config
	id      string
	// launches says that the init is started, and not restored.
	launches bool
	spec     *specs.Spec // with what the caller's options add
	made     *Container
	plan     *plan.Plan
	handles  *compile.Handles
	where    *cgroups.Config // nil for no cgroup
	cgroup   *cgroups.Cgroup
	parking  *os.File            // the listening socket
	network  <-chan *os.File     // a namespace that is made ahead; see makeNetwork
	image    chan *launch.Image  // of the plan, if it has one; see buildImage
	draft    *atomicfile.Pending // the record of the complete container
	class    *intelrdt.Group
	back     undo.Stack
}

// directory takes the id.
func (c *creation) directory() error {
	if err := os.MkdirAll(c.factory.Root, 0o711); err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	path := c.factory.dir(c.id)
	if err := os.Mkdir(path, 0o700); err != nil {
		if errors.Is(err, os.ErrExist) {
			return errdefs.New(errdefs.ErrExists, "container", c.id, "container with given ID already exists").
				WithHint("delete it, or choose another id")
		}
		return fmt.Errorf("state directory: %w", err)
	}
	c.back.Add(func() error { return removeState(path) })
	d, err := openDir(path)
	if err != nil {
		return err
	}
	c.back.Add(d.Close)
	c.made = &Container{factory: c.factory, dir: d}
	if err := d.lock(lockPatience); err != nil {
		return err
	}
	c.spec = c.cfg.effective(filepath.Join(path, notifyDir))
	if !c.cfg.Notify {
		return nil
	}
	// The container's root may be another user, and must reach the socket in it.
	return errors.Join(os.Mkdir(filepath.Join(path, notifyDir), 0o755), os.Chmod(filepath.Join(path, notifyDir), 0o755))
}

// compile decides everything; it changes nothing.
func (c *creation) compile() (err error) {
	if c.cfg.ConsoleSocket != "" && (c.spec.Process == nil || !c.spec.Process.Terminal) {
		return errdefs.Invalid("--console-socket", c.cfg.ConsoleSocket, "process.terminal is not set")
	}
	c.plan, c.handles, err = compile.Container(c.spec, compile.Options{
		ID: c.id, KeepKeyring: c.cfg.NoNewKeyring, Bundle: c.cfg.Bundle, CgroupPath: c.cgroupPath(), PreserveFDs: len(c.cfg.ExtraFiles),
		NoPivot: c.cfg.NoPivot, MakeCwd: true,
	})
	if err != nil {
		return err
	}
	c.made.Warnings = c.handles.Warnings
	c.buildImage()
	return nil
}

// request is what launch starts, without the cgroup.
func (c *creation) request() launch.Request {
	req := launch.Request{Program: c.factory.Program, Stdio: c.cfg.Stdio, ExtraFiles: c.cfg.ExtraFiles, Detached: true}
	c.handles.Apply(&req)
	return req
}

// buildImage begins to make the image of the plan, while the cgroup is made. nil comes for one that cannot be.
func (c *creation) buildImage() {
	if !c.launches {
		return
	}
	c.dropImage()
	req, p := c.request(), c.plan
	if c.where != nil {
		layout, err := cgroups.ReadLayout()
		if err != nil {
			return // it will be told where the cgroup is made
		}
		req.CgroupTasks = make([]*os.File, len(layout.V1))
	}
	if c.network != nil {
		enterNetwork(&req, nil) // an image has only the number of it inside
	}
	if !direct.CanBuild(&req, p) {
		return
	}
	c.image = make(chan *launch.Image, 1)
	go func(image chan<- *launch.Image) {
		if direct.Build(&req, p) != nil {
			req.Image = nil
		}
		image <- req.Image
	}(c.image)
}

// takeImage waits for the image, which is then the caller's.
func (c *creation) takeImage() *launch.Image {
	if c.image == nil {
		return nil
	}
	image := <-c.image
	c.image = nil
	return image
}

func (c *creation) dropImage() {
	if image := c.takeImage(); image != nil {
		_ = image.File.Close()
	}
}

// cgroupPath is where the cgroup is, or will be; "" for none.
func (c *creation) cgroupPath() string {
	switch {
	case c.cgroup != nil:
		return c.cgroup.Path()
	case c.where == nil:
		return ""
	case c.where.Path == "":
		return "/" + c.where.Scope // systemd will say; it is compiled again then
	}
	return c.where.Path
}

// journal says what there may come to be, before there is any of it.
func (c *creation) journal() error {
	c.made.record = record{
		Version: recordVersion, ID: c.id, BootID: bootID(), OCIVersion: c.spec.Version, Bundle: c.cfg.Bundle,
		Rootfs: c.plan.Rootfs.Path, Created: time.Now().UTC(), Annotations: c.spec.Annotations,
		Keyring: c.plan.Process.Keyring, Notify: c.cfg.Notify, Listener: rare[launch.Notify]{c.handles.Notify}, OwnPIDs: c.handles.CloneFlags&unix.CLONE_NEWPID != 0,
	}
	if w := c.where; w != nil {
		r := &c.made.record
		r.Cgroup, r.Systemd, r.UserBus, r.Rootless = w.Path, w.Systemd, w.UserBus, w.Rootless
	}
	c.made.record.Class.to = c.class
	if len(c.handles.Poststart)+len(c.handles.Poststop) > 0 {
		c.made.record.Hooks.to = &laterHooks{c.handles.Poststart, c.handles.Poststop}
	}
	if err := c.made.dir.writeRecord(&c.made.record); err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	return nil
}

// keepConfig writes the configuration down, which nothing needs before the container is complete.
func (c *creation) keepConfig() error {
	if err := c.made.dir.writeConfig(c.cfg.Spec); err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	return nil
}

func (c *creation) resources() *specs.LinuxResources {
	if c.spec.Linux == nil {
		return nil
	}
	return c.spec.Linux.Resources
}

func (c *creation) pidFile() error {
	if err := writePIDFile(c.cfg.PIDFile, c.made.record.PID); err != nil {
		return err
	}
	if path := c.cfg.PIDFile; path != "" {
		c.back.Add(func() error { return os.Remove(path) })
	}
	return nil
}

// launch starts the init.
func (c *creation) launch() error {
	req := c.request()
	var err error
	if c.cgroup != nil {
		files, err := c.cgroup.Open()
		if err != nil {
			return err
		}
		defer files.Close()
		req.Cgroup, req.CgroupTasks = files.Dir, files.Tasks
	}
	var child *launch.Child
	if image := c.takeImage(); image != nil {
		child, err = c.launchImage(req, image)
		_ = image.File.Close()
		if err != nil && c.ctx.Err() != nil {
			return err
		}
	}
	if child == nil {
		// Nothing is left of an image that failed but directories to mount on.
		if req.Plan, err = c.plan.Encode(); err != nil {
			return err
		}
		if child, err = launch.Start(c.ctx, req); err != nil {
			return err
		}
	}
	c.made.child = child
	c.back.Add(func() error {
		_ = child.Signal(unix.SIGKILL)
		_, _ = child.Wait()
		var err error
		if c.cgroup != nil {
			err = c.cgroup.KillAll()
		}
		return errors.Join(err, child.Close())
	})
	c.made.record.PID = child.PID()
	c.made.record.StartTime, err = child.StartTime()
	return err
}

// launchImage starts the image of the plan, in the network namespace that was made ahead.
func (c *creation) launchImage(req launch.Request, image *launch.Image) (*launch.Child, error) {
	if c.network != nil {
		made := c.takeNetwork()
		if made == nil {
			return nil, launch.ErrImage
		}
		defer func() { _ = made.Close() }()
		enterNetwork(&req, made)
	}
	req.Image = image
	return launch.Start(c.ctx, req)
}

// ready waits until the init has built the container.
func (c *creation) ready() (err error) {
	c.made.console, err = c.made.child.Ready(c.ctx)
	if c.made.console != nil {
		c.back.Add(c.made.console.Close)
	}
	return err
}

func (c *creation) limits() error {
	if c.cgroup == nil {
		return nil
	}
	return Tighten(c.cgroup, c.resources())
}

func (c *creation) sendConsole() error {
	if c.cfg.ConsoleSocket == "" {
		return nil
	}
	if err := sendFile(c.cfg.ConsoleSocket, c.made.console, "console"); err != nil {
		return err
	}
	err := c.made.console.Close()
	c.made.console = nil
	return err
}

func (c *creation) sendPIDFD() error {
	if c.cfg.PIDFDSocket == "" {
		return nil
	}
	return sendFile(c.cfg.PIDFDSocket, c.made.child.PIDFD(), "pidfd")
}

// draftRecord writes the record that makes it a container, while the init builds that. The directory takes a draft along.
func (c *creation) draftRecord() (err error) {
	r := c.made.record
	r.Complete = true
	c.draft, err = c.made.dir.draftRecord(&r)
	return err
}

// complete makes it a container.
func (c *creation) complete() error {
	c.made.record.Complete = true
	if c.cfg.Park {
		var err error
		if c.parking, err = c.made.dir.listenStart(); err != nil {
			return err
		}
	}
	return c.draft.Commit()
}

// park leaves the init to whoever calls Start.
func (c *creation) park() error {
	if !c.cfg.Park {
		return nil
	}
	if err := c.made.child.Park(c.parking); err != nil {
		return err
	}
	err := c.made.child.Close()
	c.made.child = nil
	return err
}
