package libpod

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/fsroot"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/selinux"
	"github.com/manager-project/manager/pkg/spec"
)

// perhapsSELinux is the next step where the policy cannot be asked.
const perhapsSELinux = "SELinux enforces here and may be the reason: \"ausearch -m avc -ts recent\" or the kernel's log says so; then label the files for containers, or give --security-opt label=disable"

// blameSELinux adds to an explained refusal of the kernel that SELinux made it, and which option helps. refusal is what the
// kernel said, which is the same as for a file's mode, so the policy is asked. labelOf is the label of a file in the container,
// "" if that cannot be known.
func (c *container) blameSELinux(explained, refusal error, labelOf func(string) string) error {
	var e *errdefs.Error
	refused := errors.Is(refusal, syscall.EACCES) || errors.Is(refusal, syscall.EPERM)
	if c.cfg.Security.ProcessLabel == "" || !refused || !errors.As(explained, &e) || !selinux.Enforcing() {
		return explained
	}
	var f *launch.Failure
	switch isLaunch := errors.As(refusal, &f); {
	case isLaunch && f.Stage == launch.StageExec:
		label := ""
		if path.IsAbs(f.Path) {
			label = labelOf(f.Path)
		}
		c.blameExec(e, f, label)
	case errors.Is(refusal, syscall.EPERM): // SELinux says EACCES here
	case isLaunch && (f.Stage == "mount" || f.Stage == "bind"), !isLaunch && e.Hint == "":
		e.Hint = perhapsSELinux
	}
	return explained
}

// blameExec asks for what execve asks of the policy, as the process that becomes the container's: paths are still walked with
// our own label, so directories do not matter. Source: kernel, security/selinux/hooks.c, selinux_bprm_creds_for_exec.
func (c *container) blameExec(e *errdefs.Error, f *launch.Failure, label string) {
	own, process := selinux.Current(), c.cfg.Security.ProcessLabel
	denies := func(subject, object, class, permission string) bool {
		ok, err := selinux.Allowed(subject, object, class, permission)
		return err == nil && !ok
	}
	blame := func(hint, format string, args ...any) {
		e.Cause, e.Hint = fmt.Errorf("exec %q: SELinux does not let "+format, append([]any{f.Path}, args...)...), hint
	}
	const another = "give another --security-opt label=type:T, or label=disable"
	switch {
	case denies(own, process, "process", "transition"):
		blame(another, "%s become %s", selinux.TypeOf(own), selinux.TypeOf(process))
	case c.cfg.Security.NoNewPrivileges && denies(own, process, "process2", "nnp_transition"):
		blame("leave --security-opt no-new-privileges out, or give label=disable", "%s become %s without new privileges", selinux.TypeOf(own), selinux.TypeOf(process))
	case label == "":
		if f.Errno == syscall.EACCES {
			e.Hint = perhapsSELinux
		}
	case denies(process, label, "file", "entrypoint"):
		hint := another
		switch m, files := c.userMount(f.Path), selinux.TypeOf(c.cfg.Security.MountLabel); {
		case m != nil && m.Kind == spec.MountBind:
			hint = "label the files for containers: with :z or :Z at the mount; or give --security-opt label=disable"
		case m == nil && c.cfg.Rootfs.Path != "":
			hint = fmt.Sprintf("label the files for containers: \"chcon --recursive --type %s %s\"; or give --security-opt label=disable", files, c.cfg.Rootfs.Path)
		}
		blame(hint, "%s execute a file with the label %s", process, label)
	}
}

// userMount is the user's mount that a path inside is below, the innermost of them; nil for none.
func (c *container) userMount(path string) *spec.Mount {
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

// labelOf is the label of a file, by its absolute path, of a container that does not run yet, "" if it cannot be known. Mounts are
// not seen on the host: one below them is looked for where they come from, and new file systems have the container's label.
func (s *start) labelOf(path string) string {
	in := &specs.Mount{Type: "bind", Source: s.facts.RootfsPath}
	for i := range s.spec.Mounts {
		if m := &s.spec.Mounts[i]; below(path, m.Destination) && len(m.Destination) >= len(in.Destination) {
			in = m
		}
	}
	if in.Type != "bind" && !slices.Contains(in.Options, "bind") && !slices.Contains(in.Options, "rbind") {
		return s.cfg.Security.MountLabel
	}
	rest := strings.TrimPrefix(path, strings.TrimSuffix(in.Destination, "/"))
	if rest == "" {
		return selinux.Label(in.Source)
	}
	return labelInside(in.Source, rest)
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
