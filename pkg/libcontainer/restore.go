package libcontainer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/fsroot"
	"github.com/manager-project/manager/pkg/libcontainer/criu"
	"github.com/manager-project/manager/pkg/libcontainer/hook"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/libcontainer/plan"
)

// RestoreOptions say how to make a container of images.
type RestoreOptions struct {
	ImageOptions
	// TCPClose closes the connections of the dump in place of going on with them.
	TCPClose bool
	// LSMProfile is "apparmor:LABEL" or "selinux:LABEL" for the processes, LSMMountContext the context for mounts; "" leaves
	// those of the dump; the processes get the SELinux label of the configuration if it has one.
	LSMProfile, LSMMountContext string
}

// rootMount is where the root filesystem is mounted while CRIU restores: it wants a mount point.
const rootMount = "root"

// Restore makes a container out of images, as Create and Start together: its program goes on where it
// was dumped. cfg's Spec is the bundle's, whose cgroup, mounts and namespaces are made anew; Park has no
// meaning, for the root process is this process's child. An error leaves nothing behind.
func (f *Factory) Restore(ctx context.Context, id string, cfg Config, o RestoreOptions) (*Container, error) {
	if err := ValidateID(id); err != nil {
		return nil, err
	}
	cfg.Park = false
	r := &restoration{creation: creation{factory: f, ctx: ctx, cfg: &cfg, id: id}, o: &o}
	err := f.runSteps("restore", []step{
		{"images", r.openImages},
		{"directory", r.directory},
		{"place", r.place},
		{"compile", r.compile},
		{"journal", r.journal},
		{"configuration", r.keepConfig},
		{"cgroup", r.makeCgroup},
		{"root", r.mountRoot},
		{"mount points", r.mountPoints},
		{"criu", r.restore},
		{"limits", r.limits},
		{"console", r.sendConsole},
		{"pidfd", r.sendPIDFD},
		{"draft", r.draftRecord},
		{"record", r.complete},
		{"pid file", r.pidFile},
	})
	r.close()
	if err != nil {
		err = errors.Join(err, r.back.Run())
		if r.made != nil && isHook(err) {
			r.made.poststop()
		}
		return nil, err
	}
	r.made.dir.unlock()
	return r.made, nil
}

// restoration is a restore under way.
type restoration struct {
	creation
	o      *RestoreOptions
	images *os.File
	root   string // the mount point
}

func (r *restoration) close() {
	if r.handles != nil {
		r.handles.Close()
	}
	if r.images != nil {
		_ = r.images.Close()
	}
	if r.root != "" {
		_ = r.unmountRoot()
	}
}

// openImages looks at the images first: they may be a stranger's.
func (r *restoration) openImages() (err error) {
	r.images, err = criu.OpenImages(r.o.ImagePath)
	return err
}

// mountRoot makes the root filesystem a mount point.
func (r *restoration) mountRoot() error {
	dir := filepath.Join(r.made.dir.path, rootMount)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	if err := unix.Mount(r.plan.Rootfs.Path, dir, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("restore: mount %s: %w", r.plan.Rootfs.Path, err)
	}
	// Its propagation stays: CRIU gives the container's root the peers and masters that this has, and
	// cannot where there are none.
	r.root = dir
	return nil
}

func (r *restoration) unmountRoot() error {
	r.root = ""
	return unmountRoot(r.made.dir.path)
}

// unmountRoot takes away what a restore mounted in a state directory, or left there when it was killed.
func unmountRoot(state string) error {
	dir := filepath.Join(state, rootMount)
	for {
		switch err := unix.Unmount(dir, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err {
		case nil: // there may be one below
		case unix.EINVAL, unix.ENOENT, unix.EPERM: // not a mount point, or not ours to unmount: users cannot mount it either
			if err := unix.Rmdir(dir); err != nil && err != unix.ENOENT {
				return &os.PathError{Op: "remove", Path: dir, Err: err}
			}
			return nil
		default:
			return &os.PathError{Op: "unmount", Path: dir, Err: err}
		}
	}
}

// removeState removes a state directory, and never what is mounted in it.
func removeState(path string) error {
	if err := unmountRoot(path); err != nil {
		return err
	}
	// What is there as a rule, without a look for what else there may be.
	for _, file := range []string{configFile, recordFile} {
		_ = unix.Unlink(filepath.Join(path, file))
	}
	if unix.Rmdir(path) == nil {
		return nil
	}
	return os.RemoveAll(path)
}

// mountPoints makes the targets of mounts that the image of the root does not have: a create makes
// them, and CRIU does not. Those below another mount are in CRIU's images.
func (r *restoration) mountPoints() error {
	root, err := fsroot.Open(r.plan.Rootfs.Path)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	var mounts []string
	for i := range r.spec.Mounts {
		m := &r.spec.Mounts[i]
		target := filepath.Clean("/" + m.Destination)
		if below(target, mounts) {
			continue
		}
		mounts = append(mounts, target)
		if err := makeTarget(root, target, isBind(m), m.Source); err != nil {
			return fmt.Errorf("restore: mount point %s: %w", target, err)
		}
	}
	return nil
}

func makeTarget(root *fsroot.Root, target string, bind bool, source string) error {
	made := root.MkdirAll
	if st, e := os.Stat(source); bind && e == nil && !st.IsDir() {
		made = root.Touch
	}
	f, err := made(target, 0o755)
	if err != nil {
		return err
	}
	return f.Close()
}

func below(target string, mounts []string) bool {
	for _, m := range mounts {
		if strings.HasPrefix(target, strings.TrimSuffix(m, "/")+"/") {
			return true
		}
	}
	return false
}

// restore runs CRIU.
func (r *restoration) restore() error {
	opts, done, err := r.o.common(r.made.dir.path, r.made.record.Annotations, func(string) (*os.File, error) { return r.images, nil })
	if err != nil {
		return err
	}
	r.images = nil // done closes it
	defer done()
	opts.Root, opts.LogFile, opts.Sibling = r.root, "restore.log", true
	opts.TCPClose, opts.LSMProfile, opts.LSMMountContext = r.o.TCPClose, r.o.LSMProfile, r.o.LSMMountContext
	if label := r.plan.Process.SELinux; label != "" && opts.LSMProfile == "" {
		// A criu without SELinux has to say so, and would restore the processes with its own label.
		opts.LSMProfile = "selinux:" + label
	}
	files, err := placeOutside(opts, r.spec, r.cfg.Bundle)
	if err != nil {
		return err
	}
	defer closeAll(files)
	if err := r.inherit(opts); err != nil {
		return err
	}
	if r.cgroup != nil {
		for _, controller := range r.cgroup.ControllersV1() {
			opts.CgroupRoots = append(opts.CgroupRoots, criu.CgroupRoot{Controller: strings.TrimPrefix(controller, "name="), Path: r.cgroup.Path()})
		}
	}
	r.back.Add(func() error {
		if r.cgroup == nil {
			return nil
		}
		return r.cgroup.KillAll()
	})
	pid, err := r.o.Criu.Run(r.ctx, criu.Restore, opts, r.enterCgroup, r.event)
	if err != nil {
		return err
	}
	return r.adopt(pid)
}

// inherit connects the descriptors that were pipes to what the caller gives in their place.
func (r *restoration) inherit(opts *criu.Options) error {
	names, err := criu.ReadDescriptors(opts.Images)
	if err != nil {
		return err
	}
	for i, name := range names {
		if f := r.cfg.Stdio[i]; f != nil && strings.HasPrefix(name, "pipe:") {
			opts.Inherit = append(opts.Inherit, criu.InheritFD{Key: name, File: f})
		}
	}
	return nil
}

// enterCgroup moves CRIU into the cgroup, which its children inherit.
func (r *restoration) enterCgroup(pid int) error {
	if r.cgroup == nil {
		return nil
	}
	return r.cgroup.AddProcess(pid)
}

// event serves the steps of CRIU that are ours to act on.
func (r *restoration) event(e criu.Event) error {
	switch e.Name {
	case "setup-namespaces":
		return r.hooks(e.PID)
	case "orphan-pts-master":
		if e.File == nil {
			return errors.New("criu sent no terminal")
		}
		r.made.console = e.File
		r.back.Add(func() error {
			if r.made.console == nil {
				return nil
			}
			return r.made.console.Close()
		})
		return nil
	}
	if e.File != nil {
		return e.File.Close()
	}
	return nil
}

// hooks are those that a create runs when the namespaces are there.
func (r *restoration) hooks(pid int) error {
	var req launch.Request
	r.handles.Apply(&req)
	if req.Hooks == nil {
		return nil
	}
	state := req.Hooks.State.With(plan.StatusCreating, pid)
	err := hook.RunAll(r.ctx, "prestart", req.Hooks.Prestart, state)
	if err == nil {
		err = hook.RunAll(r.ctx, "createRuntime", req.Hooks.CreateRuntime, state)
	}
	if err != nil {
		return &launch.Failure{Stage: launch.StageHook, Detail: err.Error()}
	}
	return nil
}

// adopt takes the restored root as our child.
func (r *restoration) adopt(pid int) error {
	child, err := launch.Own(pid)
	if err != nil {
		return fmt.Errorf("restored process %d: %w", pid, err)
	}
	r.made.child = child
	r.back.Add(func() error {
		_ = child.Signal(unix.SIGKILL)
		_, _ = child.Wait()
		return child.Close()
	})
	r.made.record.PID = pid
	r.made.record.StartTime, err = child.StartTime()
	return err
}
