package libcontainer

import (
	"os"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
)

// makeNetwork begins to make the container's network namespace, which takes as long as all that is decided before
// the init can be cloned. One that a user namespace is to own is left to the init, and that of a container that no image
// builds to the small program.
func (c *creation) makeNetwork() error {
	s := c.cfg.Spec
	l := s.Linux
	if l == nil || s.Hooks != nil || s.Process == nil || s.Process.Terminal || c.cfg.NoPivot {
		return nil
	}
	if slices.ContainsFunc(l.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.UserNamespace }) {
		return nil
	}
	if slices.ContainsFunc(l.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.NetworkNamespace && n.Path == "" }) {
		c.network = launch.MakeNetwork()
	}
	return nil
}

// takeNetwork waits for the namespace, which is then the caller's; nil for none.
func (c *creation) takeNetwork() *os.File {
	if c.network == nil {
		return nil
	}
	made := <-c.network
	c.network = nil
	return made
}

func (c *creation) dropNetwork() {
	if made := c.takeNetwork(); made != nil {
		_ = made.Close()
	}
}

// enterNetwork makes a request that would make a network namespace enter this one.
func enterNetwork(req *launch.Request, made *os.File) {
	req.CloneFlags &^= unix.CLONE_NEWNET
	req.Enter = append(slices.Clip(req.Enter), launch.NamespaceRef{Index: len(req.OpenFiles), Flag: unix.CLONE_NEWNET})
	req.OpenFiles = append(slices.Clip(req.OpenFiles), made)
}
