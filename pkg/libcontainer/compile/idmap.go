package compile

import (
	"os"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/idmap"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// wantsIDMap says that the owners of a mount's files are to be mapped.
func wantsIDMap(m *specs.Mount, o *mountOptions) bool {
	return o.idmap || len(m.UIDMappings)+len(m.GIDMappings) > 0
}

// checkIDMap refuses mappings that cannot be carried out.
func checkIDMap(field string, m *specs.Mount, o *mountOptions, bind bool) error {
	if !wantsIDMap(m, o) {
		return nil
	}
	uids, gids := mountMaps(m, o)
	switch {
	case len(uids) == 0 && len(gids) > 0:
		return invalid(field+".uidMappings", "", "are missing: uid and gid mappings come together")
	case len(gids) == 0 && len(uids) > 0:
		return invalid(field+".gidMappings", "", "are missing: uid and gid mappings come together")
	case !bind:
		return errdefs.Unsupported(field+".options", "only bind mounts can be idmapped here")
	}
	if err := checkMaps(field+".uidMappings", uids); err != nil {
		return err
	}
	return checkMaps(field+".gidMappings", gids)
}

func mountMaps(m *specs.Mount, o *mountOptions) (uids, gids []specs.LinuxIDMapping) {
	if len(o.uids)+len(o.gids) > 0 {
		return o.uids, o.gids
	}
	return m.UIDMappings, m.GIDMappings
}

// idmap gives a detached tree the mount's own mappings, or the container's.
func (c *compiler) idmap(field string, m *specs.Mount, o *mountOptions, tree *os.File) error {
	ns, err := c.mappedNamespace(field, m, o)
	if err != nil {
		return err
	}
	defer func() { _ = ns.Close() }()
	if err := idmap.MapTree(tree, ns, o.ridmap); err != nil {
		return &errdefs.Error{
			Op: field + ".options", Class: errdefs.ErrUnsupported,
			Cause: &os.PathError{Op: "idmap", Path: tree.Name(), Err: err}, Hint: idmap.MapHint(err),
		}
	}
	return nil
}

// mappedNamespace opens a user namespace with the mappings; the caller closes it.
func (c *compiler) mappedNamespace(field string, m *specs.Mount, o *mountOptions) (*os.File, error) {
	uids, gids := mountMaps(m, o)
	if len(uids) == 0 {
		if path := c.namespacePath(specs.UserNamespace); path != "" {
			return openNamespace(field+".options", path, unix.CLONE_NEWUSER)
		}
		uids, gids = c.spec.Linux.UIDMappings, c.spec.Linux.GIDMappings
	}
	if len(uids) == 0 {
		return nil, invalid(field+".options", "", "idmap without mappings and without a user namespace")
	}
	ns, err := idmap.NewNamespace(uids, gids)
	if err != nil {
		return nil, &errdefs.Error{Op: field + ".uidMappings", Class: errdefs.ErrUnsupported, Cause: err}
	}
	return ns, nil
}
