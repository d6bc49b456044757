package compile

import (
	"os"
	"os/exec"
	"syscall"

	"github.com/manager-project/manager/pkg/errdefs"
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
	flags := uint(unix.AT_EMPTY_PATH)
	if o.ridmap {
		flags |= unix.AT_RECURSIVE
	}
	attr := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(ns.Fd())}
	if err := unix.MountSetattr(int(tree.Fd()), "", flags, attr); err != nil {
		return &errdefs.Error{
			Op: field + ".options", Class: errdefs.ErrUnsupported,
			Cause: &os.PathError{Op: "idmap", Path: tree.Name(), Err: err},
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
	ns, err := userNamespace(uids, gids)
	if err != nil {
		return nil, &errdefs.Error{Op: field + ".uidMappings", Class: errdefs.ErrUnsupported, Cause: err}
	}
	return ns, nil
}

// userNamespace makes a user namespace with the mappings. A process must live in it while it is
// opened: one that stops at its first instruction (ptrace) and is killed then.
func userNamespace(uids, gids []specs.LinuxIDMapping) (*os.File, error) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER, Ptrace: true, Pdeathsig: syscall.SIGKILL,
		UidMappings: sysMap(uids), GidMappings: sysMap(gids), GidMappingsEnableSetgroups: true,
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	return os.Open("/proc/" + itoa(cmd.Process.Pid) + "/ns/user")
}

func sysMap(in []specs.LinuxIDMapping) []syscall.SysProcIDMap {
	out := make([]syscall.SysProcIDMap, len(in))
	for i, m := range in {
		out[i] = syscall.SysProcIDMap{ContainerID: int(m.ContainerID), HostID: int(m.HostID), Size: int(m.Size)}
	}
	return out
}
