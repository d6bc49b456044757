package compile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/manager-project/manager/pkg/cgroups"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/libcontainer/plan"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Options is what the configuration does not say.
type Options struct {
	// ID is the container's: in the state that hooks read, and the session keyring's name ("_ses.ID");
	// "" keeps the caller's keyring.
	ID string
	// KeepKeyring keeps the caller's session keyring although there is an ID.
	KeepKeyring bool
	// Bundle is the absolute directory that relative paths of the configuration start from.
	Bundle string
	// Rootfs replaces root.path when set; absolute.
	Rootfs string
	// BindDevices binds the host's device nodes, as in a user namespace of the container's own: the caller is in one
	// already, where no node can be made.
	BindDevices bool
	// CgroupPath is the container's path in every hierarchy, for mounts of type cgroup without a
	// cgroup namespace. "" means that the container has no cgroup of its own.
	CgroupPath string
	// PreserveFDs is how many extra files follow stdio; used for LISTEN_FDS.
	PreserveFDs int
	// NoPivot moves the root in place of pivoting, for initramfs.
	NoPivot bool
	// Reaper is the path inside the container of the small program, for --init; "" means none.
	Reaper string
	// ReaperReports says that it is our own, so that a start is done when the reaper hears signals: see launch.ReaperReport.
	ReaperReports bool
	// Trees are opened, detached trees by the destination of the bind mount that they are the source
	// of. The caller keeps ownership.
	Trees map[string]*os.File
	// MakeCwd makes a missing working directory.
	MakeCwd bool
}

// Handles is what a plan needs beside itself: opened files and what the kernel is told at clone.
// Close it when launch.Start has returned.
type Handles struct {
	// Files are the OpenFiles of the launch request.
	Files []*os.File
	// CloneFlags are the namespaces to make, Enter those to join first.
	CloneFlags uintptr
	Enter      []launch.NamespaceRef
	// UIDMap and GIDMap are set with a new user namespace.
	UIDMap, GIDMap []launch.IDMap
	// Hooks, Notify, Affinity, TimeOffsets and KeepGroups are for the launch request.
	KeepGroups  bool
	Hooks       *launch.Hooks
	Notify      *launch.Notify
	Affinity    []uint64
	TimeOffsets string
	// Poststart are run by the caller when the program runs, with State and plan.StatusRunning; a
	// failure ends the container. Poststop are run when everything is torn down, with State and
	// plan.StatusStopped; a failure is a warning. See package hook.
	Poststart, Poststop []plan.Hook
	// State is what hooks read, but for status and pid.
	State plan.State
	// Warnings are requests that the specification lets a runtime ignore, and that were.
	Warnings []string
}

// Close closes the files.
func (h *Handles) Close() {
	for _, f := range h.Files {
		_ = f.Close()
	}
	h.Files = nil
}

// Apply puts the handles into a request.
func (h *Handles) Apply(req *launch.Request) {
	req.OpenFiles, req.CloneFlags, req.Enter = h.Files, h.CloneFlags, h.Enter
	req.UIDMap, req.GIDMap, req.Hooks = h.UIDMap, h.GIDMap, h.Hooks
	req.Notify, req.Affinity, req.TimeOffsets, req.KeepGroups = h.Notify, h.Affinity, h.TimeOffsets, h.KeepGroups
}

// add keeps a file and returns its 1-based index for a plan.
func (h *Handles) add(f *os.File) int {
	h.Files = append(h.Files, f)
	return len(h.Files)
}

// Container turns a configuration into a plan. Errors are of class ErrInvalid or ErrUnsupported;
// nothing was changed then. The caller closes the handles.
func Container(spec *specs.Spec, opts Options) (*plan.Plan, *Handles, error) {
	c := &compiler{spec: spec, opts: opts, h: &Handles{}}
	if err := c.compile(); err != nil {
		c.h.Close()
		return nil, nil, err
	}
	return &c.p, c.h, nil
}

type compiler struct {
	spec *specs.Spec
	opts Options
	p    plan.Plan
	h    *Handles
	// layout is read once, when the first mount of type cgroup wants it.
	layout *cgroups.Layout
}

func (c *compiler) compile() error {
	if c.spec.Linux == nil {
		c.spec.Linux = &specs.Linux{}
	}
	if c.spec.Process == nil {
		return invalid("process", "", "is missing")
	}
	if f := foreign(c.spec); f != "" {
		return errdefs.Unsupported(f, "this runtime makes Linux containers")
	}
	steps := []func() error{
		c.version, c.state, c.hooks, c.resources, c.cgroupsPath, c.namespaces, c.timeOffsets, c.rootfs, c.mounts, c.devices,
		c.paths, c.sysctls, c.names, c.netDevices, c.intelRdt, c.process,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// version accepts any 1.x: later minor versions only add fields, and unknown fields are ignored.
func (c *compiler) version() error {
	switch v := c.spec.Version; {
	case v == "":
		return invalid("ociVersion", "", "is missing")
	case !isVersion(v):
		return invalid("ociVersion", v, "want three numbers as 1.2.0")
	case !strings.HasPrefix(v, "1."):
		return invalid("ociVersion", v, "want 1.x")
	}
	return nil
}

// isVersion tells the form of versions: three numbers, and words behind "-" and "+". Source: semver.org 2.0.0. It is not left to a regular
// expression, which takes longer to compile than the rest of the configuration.
func isVersion(v string) bool {
	numbers, words := v, ""
	if i := strings.IndexAny(v, "-+"); i >= 0 {
		numbers, words = v[:i], v[i:]
	}
	parts := strings.Split(numbers, ".")
	for _, n := range parts {
		if n != "0" && (n == "" || n[0] == '0' || strings.Trim(n, "0123456789") != "") {
			return false
		}
	}
	pre, build, hasBuild := strings.Cut(words, "+")
	if pre, hasPre := strings.CutPrefix(pre, "-"); hasPre && !isWords(pre) || hasBuild && !isWords(build) {
		return false
	}
	return len(parts) == 3
}

// isWords says that a version may have these words.
func isWords(s string) bool {
	return s != "" && strings.Trim(s, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz.-") == ""
}

// foreign is a section that only other systems can honour, or "".
func foreign(s *specs.Spec) string {
	switch {
	case s.VM != nil:
		return "vm"
	case s.Windows != nil && s.Linux == nil:
		return "windows"
	case s.Solaris != nil && s.Linux == nil:
		return "solaris"
	}
	return ""
}

func (c *compiler) cgroupsPath() error {
	p := c.spec.Linux.CgroupsPath
	if strings.ContainsAny(p, "\x00\n") || strings.Contains("/"+p+"/", "/../") {
		return invalid("linux.cgroupsPath", p, "is no path below the cgroup file system")
	}
	return nil
}

func (c *compiler) rootfs() error {
	path := c.opts.Rootfs
	if path == "" {
		if c.spec.Root == nil || c.spec.Root.Path == "" {
			return invalid("root.path", "", "is missing")
		}
		path = c.spec.Root.Path
	}
	if strings.IndexByte(path, 0) >= 0 {
		return invalid("root.path", path, "has a NUL byte")
	}
	r := &plan.Rootfs{Path: c.absolute(path), NoPivot: c.opts.NoPivot}
	if st, err := os.Stat(r.Path); err == nil && !st.IsDir() {
		return invalid("root.path", path, "is not a directory")
	} else if errors.Is(err, os.ErrNotExist) {
		return invalid("root.path", path, "does not exist")
	}
	if err := c.openRoot(r); err != nil {
		return err
	}
	r.Readonly = c.spec.Root != nil && c.spec.Root.Readonly
	if p := c.spec.Linux.RootfsPropagation; p != "" {
		flag, ok := propagationFlags[p]
		if !ok {
			return invalid("linux.rootfsPropagation", p, "unknown propagation")
		}
		r.Propagation = flag
	}
	c.p.Rootfs = r
	return nil
}

// openRoot opens the root filesystem where the container's root may not be able to reach it.
func (c *compiler) openRoot(r *plan.Rootfs) error {
	if !c.hasNamespace(specs.UserNamespace) {
		return nil
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, r.Path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		return nil // init, who has more rights in its own namespaces, tries by the path
	}
	if err != nil {
		return &errdefs.Error{Op: "root.path", Class: errdefs.ErrInvalid, Cause: &os.PathError{Op: "open", Path: r.Path, Err: err}}
	}
	tree := os.NewFile(uintptr(fd), r.Path)
	r.File = c.h.add(tree)
	// Nothing goes back to the host, and a shared mount cannot become the root.
	attr := &unix.MountAttr{Propagation: unix.MS_SLAVE}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, attr); errors.Is(err, unix.ENOSYS) {
		r.File = 0
	} else if err != nil {
		return &errdefs.Error{Op: "root.path", Class: errdefs.ErrUnsupported, Cause: &os.PathError{Op: "set propagation of", Path: r.Path, Err: err}}
	}
	return nil
}

// absolute takes a path relative to the bundle.
func (c *compiler) absolute(p string) string {
	if filepath.IsAbs(p) {
		return filepath.Clean(p)
	}
	return filepath.Join(c.opts.Bundle, p)
}

func (c *compiler) paths() error {
	for _, l := range []struct {
		field string
		paths []string
	}{{"linux.maskedPaths", c.spec.Linux.MaskedPaths}, {"linux.readonlyPaths", c.spec.Linux.ReadonlyPaths}} {
		for i, p := range l.paths {
			if !filepath.IsAbs(p) {
				return invalid(fmt.Sprintf("%s[%d]", l.field, i), p, "is not absolute")
			}
			if strings.IndexByte(p, 0) >= 0 {
				return invalid(fmt.Sprintf("%s[%d]", l.field, i), p, "has a NUL byte")
			}
		}
	}
	c.p.MaskedPaths = c.spec.Linux.MaskedPaths
	c.p.ReadonlyPaths = c.spec.Linux.ReadonlyPaths
	c.p.MountLabel = c.spec.Linux.MountLabel
	if c.p.MountLabel == "" {
		return nil
	}
	return needSELinux("linux.mountLabel")
}

func (c *compiler) names() error {
	const longest = 64 // __NEW_UTS_LEN
	for _, n := range []struct{ field, name string }{{"hostname", c.spec.Hostname}, {"domainname", c.spec.Domainname}} {
		switch {
		case n.name == "":
		case !c.hasNamespace(specs.UTSNamespace):
			return invalid(n.field, n.name, "needs a uts namespace")
		case strings.ContainsAny(n.name, "\x00\n"):
			return invalid(n.field, n.name, "has a NUL byte or a line break")
		case len(n.name) > longest:
			return invalid(n.field, n.name, "has %d bytes, the kernel takes %d", len(n.name), longest)
		}
	}
	c.p.Hostname, c.p.Domainname = c.spec.Hostname, c.spec.Domainname
	return nil
}

// invalid names a field by its path in config.json: "mounts[3].options: cause (got "value")". An empty
// value is left out.
func invalid(field, value, format string, args ...any) error {
	if value != "" {
		format += " (got %q)"
		args = append(args, value)
	}
	return &errdefs.Error{Op: field, Class: errdefs.ErrInvalid, Cause: fmt.Errorf(format, args...)}
}

var propagationFlags = map[string]uint64{
	"private": unix.MS_PRIVATE, "rprivate": unix.MS_PRIVATE | unix.MS_REC,
	"shared": unix.MS_SHARED, "rshared": unix.MS_SHARED | unix.MS_REC,
	"slave": unix.MS_SLAVE, "rslave": unix.MS_SLAVE | unix.MS_REC,
	"unbindable": unix.MS_UNBINDABLE, "runbindable": unix.MS_UNBINDABLE | unix.MS_REC,
}
