package libpod

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/fsroot"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/selinux"
)

// blameSELinux adds to a refusal of the kernel that SELinux made it, and which option helps. The policy is asked, for
// what the kernel says is the same as for a file's mode. root is the container's root directory on the host.
func (c *container) blameSELinux(err error, root string) error {
	process := c.cfg.Security.ProcessLabel
	var e *errdefs.Error
	if process == "" || !errors.Is(err, syscall.EACCES) || !errors.As(err, &e) || !selinux.Enforcing() {
		return err
	}
	var f *launch.Failure
	switch isLaunch := errors.As(err, &f); {
	case isLaunch && f.Stage == launch.StageExec:
	case isLaunch && (f.Stage == "mount" || f.Stage == "bind"), !isLaunch && e.Hint == "":
		e.Hint = "SELinux enforces here and may be the reason: \"ausearch -m avc -ts recent\" or the kernel's log says so; then label the files for containers, or give --security-opt label=disable"
		return err
	default:
		return err
	}
	if ok, err := selinux.Allowed(selinux.Current(), process, "process", "transition"); err == nil && !ok {
		e.Cause = fmt.Errorf("exec %q: SELinux does not let %s become %s", f.Path, selinux.TypeOf(selinux.Current()), selinux.TypeOf(process))
		e.Hint = "give another --security-opt label=type:T, or label=disable"
		return e
	}
	label := labelInside(root, f.Path)
	for _, permission := range []string{"execute", "entrypoint"} {
		if ok, err := selinux.Allowed(process, label, "file", permission); label == "" || err != nil || ok {
			continue
		}
		e.Cause = fmt.Errorf("exec %q: SELinux does not let %s execute a file with the label %s", f.Path, process, label)
		e.Hint = "give another --security-opt label=type:T, or label=disable"
		if c.cfg.Rootfs.Path != "" || c.ownMount(f.Path) {
			e.Hint = "label the files for containers: with :z or :Z at the mount, or with \"chcon --recursive --type " +
				selinux.TypeOf(c.cfg.Security.MountLabel) + " DIRECTORY\" for --rootfs; or give --security-opt label=disable"
		}
		return e
	}
	return err
}

// ownMount says whether a path inside is below one of the user's mounts.
func (c *container) ownMount(path string) bool {
	for i := range c.cfg.Mounts {
		if d := c.cfg.Mounts[i].Destination; path == d || len(path) > len(d) && path[:len(d)] == d && path[len(d)] == '/' {
			return true
		}
	}
	return false
}

// labelInside is the label of a file in the container, "" if that cannot be known.
func labelInside(root, path string) string {
	dir, err := fsroot.Open(root)
	if err != nil {
		return ""
	}
	defer func() { _ = dir.Close() }()
	f, err := dir.OpenPath(path, 0)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	return selinux.Label(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
}
