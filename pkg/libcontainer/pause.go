package libcontainer

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Pause makes all processes stand still. ErrState unless the container is created or running.
func (c *Container) Pause() error {
	return c.change(verbPause, func(Status) error {
		cg, err := c.needCgroup("pause")
		if err != nil {
			return err
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
