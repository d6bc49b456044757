package libcontainer

import (
	"errors"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer/intelrdt"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Pause makes all processes stand still. ErrState unless the container is created or running, and in its cgroup.
func (c *Container) Pause() error {
	return c.change(verbPause, func(Status) error {
		cg, err := c.needCgroup("pause")
		if err != nil {
			return err
		}
		pids, err := cg.PIDs()
		if err != nil {
			return err
		}
		if c.astray(pids) {
			return errdefs.New(errdefs.ErrState, "container", c.ID(), "process %d is no longer in the cgroup %s: somebody has moved it", c.record.PID, cg.Path()).
				WithOp("pause").WithHint("move the container's processes back: write their numbers to the file cgroup.procs there")
		}
		return cg.Freeze()
	})
}

// Resume lets them go on. ErrState unless the container is paused.
func (c *Container) Resume() error {
	return c.change(verbResume, func(Status) error {
		cg, err := c.needCgroup("resume")
		if err != nil {
			return err
		}
		return cg.Thaw()
	})
}

// Set changes limits; what is not set keeps its value. ErrState if the container is stopped.
func (c *Container) Set(r *specs.LinuxResources) error {
	return c.change(verbUpdate, func(Status) error {
		cg, err := c.needCgroup("update")
		if err != nil {
			return err
		}
		return cg.Set(r)
	})
}

// SetClass changes the schemata of the container's own class of service; "" keeps a part. A container without a
// class gets one, with all that runs in it. ErrState if the container is stopped, or the class is another's.
func (c *Container) SetClass(l3Cache, memBandwidth string) error {
	return c.change(verbUpdate, func(Status) error {
		root, err := intelrdt.Root()
		if err != nil {
			return err
		}
		r := &specs.LinuxIntelRdt{L3CacheSchema: l3Cache, MemBwSchema: memBandwidth}
		if c.record.Class.to != nil {
			return c.record.Class.to.Set(r)
		}
		class, err := intelrdt.Find(root, c.ID(), r)
		if err != nil {
			return err
		}
		c.record.Class.to = class // noted before it is made, so that a delete takes it away
		if err := c.dir.writeRecord(&c.record); err != nil {
			return err
		}
		if err := class.Make(); err != nil {
			c.record.Class.to = nil
			return errors.Join(err, c.dir.writeRecord(&c.record))
		}
		pids, err := c.Processes()
		for _, pid := range pids {
			err = errors.Join(err, class.AddAll(pid))
		}
		return err
	})
}
