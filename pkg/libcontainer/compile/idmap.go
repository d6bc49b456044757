package compile

import (
	"os"
	"os/exec"
	"syscall"

	"github.com/manager-project/manager/pkg/errdefs"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// idmap gives a detached tree the mount's own mappings, or the container's.
func (c *compiler) idmap(m *specs.Mount, o *mountOptions, tree *os.File) error {
	uids, gids := m.UIDMappings, m.GIDMappings
	if (len(uids) == 0) != (len(gids) == 0) {
		return invalid("mounts.uidMappings", m.Destination, "uid and gid mappings come together")
	}
	if len(uids) == 0 {
		uids, gids = c.spec.Linux.UIDMappings, c.spec.Linux.GIDMappings
	}
	if len(uids) == 0 {
		return invalid("mounts.options", m.Destination, "idmap without mappings and without a user namespace")
	}
	ns, err := userNamespace(uids, gids)
	if err != nil {
		return &errdefs.Error{Kind: "mount", Name: m.Destination, Class: errdefs.ErrUnsupported, Cause: err}
	}
	defer func() { _ = ns.Close() }()
	flags := uint(unix.AT_EMPTY_PATH)
	if o.ridmap {
		flags |= unix.AT_RECURSIVE
	}
	attr := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(ns.Fd())}
	if err := unix.MountSetattr(int(tree.Fd()), "", flags, attr); err != nil {
		return &errdefs.Error{
			Kind: "mount", Name: m.Destination, Class: errdefs.ErrUnsupported,
			Cause: &os.PathError{Op: "idmap", Path: tree.Name(), Err: err},
		}
	}
	return nil
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
