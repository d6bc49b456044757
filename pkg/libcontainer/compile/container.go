package compile

import (
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
	// ID names the session keyring ("_ses.ID"); "" keeps the caller's keyring.
	ID string
	// Bundle is the absolute directory that relative paths of the configuration start from.
	Bundle string
	// Rootfs replaces root.path when set; absolute.
	Rootfs string
	// CgroupPath is the container's path in every hierarchy, for mounts of type cgroup without a
	// cgroup namespace. "" means that the container has no cgroup of its own.
	CgroupPath string
	// PreserveFDs is how many extra files follow stdio; used for LISTEN_FDS.
	PreserveFDs int
	// NoPivot moves the root in place of pivoting, for initramfs.
	NoPivot bool
	// Reaper is the path inside the container of the small program, for --init; "" means none.
	Reaper string
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
	req.UIDMap, req.GIDMap = h.UIDMap, h.GIDMap
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
	steps := []func() error{c.version, c.namespaces, c.rootfs, c.mounts, c.devices, c.paths, c.sysctls, c.names, c.refuse, c.process}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// version accepts any 1.x: later minor versions only add fields, and unknown fields are ignored.
func (c *compiler) version() error {
	if v := c.spec.Version; !strings.HasPrefix(v, "1.") {
		return invalid("ociVersion", v, "want 1.x")
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
	r := &plan.Rootfs{Path: c.absolute(path), NoPivot: c.opts.NoPivot}
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
		for _, p := range l.paths {
			if !filepath.IsAbs(p) {
				return invalid(l.field, p, "is not absolute")
			}
		}
	}
	c.p.MaskedPaths = c.spec.Linux.MaskedPaths
	c.p.ReadonlyPaths = c.spec.Linux.ReadonlyPaths
	return nil
}

func (c *compiler) names() error {
	if (c.spec.Hostname != "" || c.spec.Domainname != "") && !c.hasNamespace(specs.UTSNamespace) {
		return invalid("hostname", c.spec.Hostname, "needs a uts namespace")
	}
	if strings.ContainsRune(c.spec.Hostname+c.spec.Domainname, 0) {
		return invalid("hostname", c.spec.Hostname, "has a NUL byte")
	}
	c.p.Hostname, c.p.Domainname = c.spec.Hostname, c.spec.Domainname
	return nil
}

// refuse names what the specification has and this runtime cannot honour yet.
func (c *compiler) refuse() error {
	l := c.spec.Linux
	for _, u := range []struct {
		field string
		set   bool
	}{
		{"hooks", hasHooks(c.spec.Hooks)},
		{"linux.intelRdt", l.IntelRdt != nil},
		{"linux.timeOffsets", len(l.TimeOffsets) > 0},
		{"linux.netDevices", len(l.NetDevices) > 0},
		{"linux.memoryPolicy", l.MemoryPolicy != nil},
	} {
		if u.set {
			return errdefs.Unsupported(u.field, "the embedded runtime cannot do this yet")
		}
	}
	return nil
}

func hasHooks(h *specs.Hooks) bool {
	if h == nil {
		return false
	}
	//lint:ignore SA1019 it is still in configurations
	old := len(h.Prestart)
	return old+len(h.CreateRuntime)+len(h.CreateContainer)+len(h.StartContainer)+len(h.Poststart)+len(h.Poststop) > 0
}

func invalid(field, value, format string, args ...any) error {
	return errdefs.Invalid(field, value, format, args...)
}

var propagationFlags = map[string]uint64{
	"private": unix.MS_PRIVATE, "rprivate": unix.MS_PRIVATE | unix.MS_REC,
	"shared": unix.MS_SHARED, "rshared": unix.MS_SHARED | unix.MS_REC,
	"slave": unix.MS_SLAVE, "rslave": unix.MS_SLAVE | unix.MS_REC,
	"unbindable": unix.MS_UNBINDABLE, "runbindable": unix.MS_UNBINDABLE | unix.MS_REC,
}
