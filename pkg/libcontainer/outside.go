package libcontainer

import (
	"github.com/manager-project/manager/pkg/libcontainer/intelrdt"
	"github.com/manager-project/manager/pkg/libcontainer/netdev"
)

// findClass decides what the container's class of service is; most have none.
func (c *creation) findClass() error {
	if c.spec.Linux == nil || c.spec.Linux.IntelRdt == nil {
		return nil
	}
	root, err := intelrdt.Root()
	if err != nil {
		return err
	}
	c.class, err = intelrdt.Find(root, c.id, c.spec.Linux.IntelRdt)
	return err
}

func (c *creation) makeClass() error {
	if c.class == nil {
		return nil
	}
	if err := c.class.Make(); err != nil {
		return err
	}
	c.back.Add(c.class.Remove)
	return nil
}

// outside does what is done to a container from the outside while its init waits: its class of service, and
// network devices of the host, which are not moved back.
func (c *creation) outside() error {
	pid := c.made.record.PID
	if c.class != nil {
		if err := c.class.Add(pid); err != nil {
			return err
		}
	}
	if c.spec.Linux == nil {
		return nil
	}
	return netdev.Move(pid, c.spec.Linux.NetDevices)
}

func (c *Container) removeClass() error {
	if c.record.Class.to == nil {
		return nil
	}
	return c.record.Class.to.Remove()
}
