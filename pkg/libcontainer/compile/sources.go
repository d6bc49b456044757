package compile

import (
	"errors"
	"os"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer/plan"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// openSource opens a bind source here if the child cannot: because the mount is to be shared with
// the host's (the child's namespace only receives), idmapped, or seen from a user namespace.
func (c *compiler) openSource(field string, m *specs.Mount, o *mountOptions, out *plan.Mount) error {
	if tree := c.opts.Trees[m.Destination]; tree != nil {
		fd, err := unix.FcntlInt(tree.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return err
		}
		return c.addSource(field, os.NewFile(uintptr(fd), tree.Name()), m, o, out)
	}
	idmapped := wantsIDMap(m, o)
	shared := false
	for _, p := range o.propagation {
		shared = shared || p&unix.MS_SHARED != 0
	}
	if !shared && !idmapped && !c.hasNamespace(specs.UserNamespace) {
		return nil
	}
	flags := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
	if o.recursive {
		flags |= unix.AT_RECURSIVE
	}
	if out.NoFollowSource {
		flags |= unix.AT_SYMLINK_NOFOLLOW
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, out.Source, flags)
	if errors.Is(err, unix.ENOSYS) && !idmapped && !shared {
		return nil // the child does what it can
	}
	if err != nil {
		return &errdefs.Error{
			Op: field + ".source", Class: errdefs.ErrInvalid,
			Cause: &os.PathError{Op: "open", Path: out.Source, Err: err},
		}
	}
	return c.addSource(field, os.NewFile(uintptr(fd), out.Source), m, o, out)
}

// addSource keeps an opened source, which becomes the plan's, and maps its ids.
func (c *compiler) addSource(field string, f *os.File, m *specs.Mount, o *mountOptions, out *plan.Mount) error {
	out.File = c.h.add(f)
	if wantsIDMap(m, o) {
		return c.idmap(field, m, o, f)
	}
	return nil
}
