package libcontainer

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/cgroups"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
)

// lockPatience is how long a verb waits for another that is at work on the same container.
const lockPatience = 10 * time.Second

// Container is one container of a factory's directory. What is remembered of it is what its record
// said at Load (or Create); what is alive is asked of the kernel each time. It is for one
// goroutine; several processes may have the same container.
type Container struct {
	factory *Factory
	dir     *stateDir
	record  record
	config  *specs.Spec // nil as long as nobody asked
	// child and console are set in the process that made the container and did not park its init.
	child   *launch.Child
	console *os.File
	// cgroupGone says that killRest has removed the cgroup already.
	cgroupGone bool
	// Warnings are what does not stop a verb: requests that the specification lets a runtime ignore, and
	// that were; poststop hooks that failed. The verbs add to it.
	Warnings []string
}

// Close releases descriptors; the container stays as it is.
func (c *Container) Close() error {
	err := c.dir.Close()
	if c.child != nil {
		err = errors.Join(err, c.child.Close())
	}
	return err
}

// ID is its name in the factory's directory.
func (c *Container) ID() string { return c.record.ID }

// Config is the configuration as it was at create; later edits of the bundle do not show. It is read once and
// must not be changed. A creation under way may not have written it: ErrState then, in the words of exec, who asks.
func (c *Container) Config() (_ *specs.Spec, err error) {
	if c.config == nil {
		c.config, err = c.dir.readConfig()
	}
	if errors.Is(err, errdefs.ErrCorrupt) && c.Status() == Creating {
		return nil, allow(verbExec, c.ID(), Creating)
	}
	return c.config, err
}

// Status asks the kernel where the container is in its life.
func (c *Container) Status() Status {
	r := &c.record
	switch {
	case !r.Complete && c.dir.held():
		return Creating
	case !r.Complete || r.BootID != bootID() || !r.alive():
		return Stopped
	case c.dir.waitsForStart():
		return Created
	}
	if cg, err := c.cgroup(); err == nil {
		if frozen, err := cg.Frozen(); err == nil && frozen {
			return Paused
		}
	}
	return Running
}

// State is what the command "state" shows: the specification's fields, then runc's.
// Source: OCI runtime-spec, runtime.md, "State".
type State struct {
	OCIVersion string `json:"ociVersion"`
	ID         string `json:"id"`
	// PID is the init's in the caller's pid namespace, 0 when stopped.
	PID    int    `json:"pid"`
	Status Status `json:"status"`
	Bundle string `json:"bundle"`
	Rootfs string `json:"rootfs"`
	// Created is in UTC.
	Created     time.Time         `json:"created"`
	Annotations map[string]string `json:"annotations,omitempty"`
	// Owner is the user name of the state directory's owner; only lists fill it in.
	Owner string `json:"owner"`
}

// State tells the container's state now.
func (c *Container) State() State {
	r := &c.record
	s := State{
		OCIVersion: r.OCIVersion, ID: r.ID, Status: c.Status(), Bundle: r.Bundle, Rootfs: r.Rootfs,
		Created: r.Created, Annotations: maps.Clone(r.Annotations),
	}
	if s.Status != Stopped {
		s.PID = r.PID
	}
	return s
}

// OwnerUID is the user that the state directory belongs to.
func (c *Container) OwnerUID() (uint32, error) {
	var st unix.Stat_t
	err := unix.Fstat(int(c.dir.Fd()), &st)
	return st.Uid, err
}

// Processes are the host's process ids of everything in the container's cgroup and below, and of its init wherever
// somebody may have moved that.
func (c *Container) Processes() ([]int, error) {
	cg, err := c.needCgroup("ps")
	if err != nil {
		return nil, err
	}
	pids, err := cg.PIDs()
	if err == nil && c.astray(pids) {
		pids = append([]int{c.record.PID}, pids...)
	}
	return pids, err
}

// astray says that the init is alive and not among the processes of its cgroup: somebody has moved it, and who knows what
// else, to another one.
func (c *Container) astray(pids []int) bool {
	return !slices.Contains(pids, c.record.PID) && c.record.BootID == bootID() && c.record.alive()
}

// cgroup finds the container's cgroup. ErrNotFound if it has none.
func (c *Container) cgroup() (*cgroups.Cgroup, error) {
	if c.record.Cgroup == "" {
		return nil, errdefs.NotFound("cgroup", "of container "+c.ID())
	}
	return cgroups.LoadConfig(c.record.cgroupConfig())
}

func (c *Container) needCgroup(op string) (*cgroups.Cgroup, error) {
	if c.record.Cgroup == "" {
		return nil, errdefs.New(errdefs.ErrUnsupported, "container", c.ID(), "has no cgroup").WithOp(op).
			WithHint("create it without --cgroup-manager disabled")
	}
	return cgroups.LoadConfig(c.record.cgroupConfig())
}

// change takes the container's lock, reads what is true now, and does it if the status allows the verb.
func (c *Container) change(v verb, do func(Status) error) error {
	// A creation holds the lock as long as its hooks take: what it does not allow need not wait for it.
	if c.Status() == Creating {
		if err := allow(v, c.ID(), Creating); err != nil {
			return err
		}
	}
	if err := c.dir.lock(lockPatience); err != nil {
		return err
	}
	defer c.dir.unlock()
	r, err := c.dir.readRecord()
	if err != nil {
		return err
	}
	c.record = *r
	s := c.Status()
	if err := allow(v, c.ID(), s); err != nil {
		return err
	}
	return do(s)
}

// NotifyPath is where the starter makes the socket that the program tells its readiness to; "" unless
// the container was made with Config.Notify.
func (c *Container) NotifyPath() string {
	if !c.record.Notify {
		return ""
	}
	return filepath.Join(c.dir.path, notifyDir, notifySocket)
}

// OOM tells when the container runs out of memory: see cgroups.Cgroup.NotifyOOM.
func (c *Container) OOM(ctx context.Context) (<-chan struct{}, error) {
	cg, err := c.watched()
	if err != nil {
		return nil, err
	}
	return cg.NotifyOOM(ctx)
}

// NotifyMemoryPressure tells when memory gets short: see cgroups.Cgroup.NotifyPressure.
func (c *Container) NotifyMemoryPressure(ctx context.Context, level cgroups.Pressure) (<-chan struct{}, error) {
	cg, err := c.watched()
	if err != nil {
		return nil, err
	}
	return cg.NotifyPressure(ctx, level)
}

func (c *Container) watched() (*cgroups.Cgroup, error) {
	if err := allow(verbStats, c.ID(), c.Status()); err != nil {
		return nil, err
	}
	return c.needCgroup("events")
}
