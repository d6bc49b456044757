package libcontainer

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/cgroups"
	"github.com/manager-project/manager/pkg/libcontainer/intelrdt"
	"github.com/manager-project/manager/pkg/libcontainer/netdev"
)

// Stats is what a container uses: the data of runc's "stats" event.
type Stats struct {
	*cgroups.Stats
	// IntelRdt is empty without a class of service.
	IntelRdt intelrdt.Stats `json:"intel_rdt"`
	// NetworkInterfaces are those of a network namespace that is not the caller's; nil without one.
	NetworkInterfaces []netdev.Counters `json:"network_interfaces"`
}

// Stats reads the counters of the container. ErrState when the container is stopped.
func (c *Container) Stats() (*Stats, error) {
	cg, err := c.watched()
	if err != nil {
		return nil, err
	}
	var s Stats
	if s.Stats, err = cg.Stats(); err != nil {
		return nil, err
	}
	if c.record.Class.to != nil {
		root, err := intelrdt.Root()
		if err == nil {
			s.IntelRdt, err = c.record.Class.to.Stats(root)
		}
		if err != nil {
			return nil, err
		}
	}
	s.NetworkInterfaces, err = netdev.CountersOf(c.record.PID)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.EINVAL) {
		// It ends in this moment: a process gives its namespaces away before it counts as ended.
		return nil, allow(verbStats, c.ID(), Stopped)
	}
	return &s, err
}
