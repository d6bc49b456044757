package libpod

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/fsroot"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/selinux"
	"github.com/manager-project/manager/pkg/spec"
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
	const relabel = "label the files for containers: with :z or :Z at the mount, or with \"chcon --recursive --type %s DIRECTORY\" for --rootfs; or give --security-opt label=disable"
	if m := c.mountOf(f.Path); m != nil && m.Kind == spec.MountBind && m.Source != "" {
		label := selinux.Label(m.Source)
		if ok, err := selinux.Allowed(process, label, "dir", "search"); label != "" && err == nil && !ok {
			e.Cause = fmt.Errorf("exec %q: SELinux does not let %s into a directory with the label %s", f.Path, process, label)
			e.Hint = fmt.Sprintf(relabel, selinux.TypeOf(c.cfg.Security.MountLabel))
			return e
		}
	}
	label := c.labelOf(root, f.Path)
	for _, permission := range []string{"execute", "entrypoint"} {
		if ok, err := selinux.Allowed(process, label, "file", permission); label == "" || err != nil || ok {
			continue
		}
		e.Cause = fmt.Errorf("exec %q: SELinux does not let %s execute a file with the label %s", f.Path, process, label)
		e.Hint = "give another --security-opt label=type:T, or label=disable"
		if c.cfg.Rootfs.Path != "" || c.mountOf(f.Path) != nil {
			e.Hint = fmt.Sprintf(relabel, selinux.TypeOf(c.cfg.Security.MountLabel))
		}
		return e
	}
	return err
}

// mountOf is the user's mount that a path inside is below, the innermost of them; nil for none.
func (c *container) mountOf(path string) *spec.Mount {
	var found *spec.Mount
	for i := range c.cfg.Mounts {
		m := &c.cfg.Mounts[i]
		if below(path, m.Destination) && (found == nil || len(m.Destination) > len(found.Destination)) {
			found = m
		}
	}
	return found
}

func below(path, dir string) bool {
	rest, ok := strings.CutPrefix(path, strings.TrimSuffix(dir, "/"))
	return ok && (rest == "" || rest[0] == '/')
}

// labelOf is the label of a file in the container, whose root directory is root on the host: mounts are not seen from
// there, so that one in a directory of the host's is looked for in that. It is "" if it cannot be known.
func (c *container) labelOf(root, path string) string {
	if m := c.mountOf(path); m != nil {
		if m.Kind != spec.MountBind {
			return ""
		}
		if path = strings.TrimPrefix(path, strings.TrimSuffix(m.Destination, "/")); path == "" {
			return selinux.Label(m.Source)
		}
		root = m.Source
	}
	return labelInside(root, path)
}

// labelInside is the label of a file below a root directory, "" if that cannot be known.
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
