package libcontainer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/pkg/cgroups"
	"github.com/manager-project/manager/pkg/libcontainer/criu"
)

// CheckpointOptions say how to dump a container. The zero value of a field leaves CRIU's default, and
// the meanings are those of criu(8).
type CheckpointOptions struct {
	ImageOptions
	// LeaveRunning lets the container run on; otherwise it ends, and is to be destroyed.
	LeaveRunning bool
	// PreDump dumps memory only, for a dump with ParentPath later; the container runs on.
	PreDump bool
	// ParentPath is the directory of an earlier dump, relative to the images: "../NAME".
	ParentPath      string
	TCPSkipInFlight bool
	// PageServer gets the memory pages; nil puts them among the images.
	PageServer *criu.PageServer
	// StatusFD gets a zero byte when the page server is ready; nil for none. The caller closes it.
	StatusFD *os.File
}

// ImageOptions are common to dump and restore.
type ImageOptions struct {
	// ImagePath is the directory of the images, WorkPath that of logs; "" is the container's state
	// directory for WorkPath.
	ImagePath, WorkPath                            string
	TCPEstablished, ExtUnixSk, ShellJob, FileLocks bool
	LinkRemap, LazyPages, AutoDedup                bool
	// CgroupsMode is nil for soft: cgroups that are there already are used.
	CgroupsMode *criu.CgroupsMode
	// EmptyNamespaces are CLONE_NEW flags of namespaces whose content is not dumped.
	EmptyNamespaces int
	// Criu is the program; the zero value is the one in $PATH.
	Criu criu.Program
}

// configAnnotation names one of CRIU's own configuration files.
const configAnnotation = "org.criu.config"

// Checkpoint dumps the container's processes. ErrState unless it runs or is paused. After a failure the
// container is as it was. A container that was not left running has ended: the caller destroys it.
func (c *Container) Checkpoint(ctx context.Context, o CheckpointOptions) error {
	if err := criu.ValidateParent(o.ParentPath); err != nil {
		return err
	}
	return c.change(verbCheckpoint, func(Status) error { return c.dump(ctx, &o) })
}

func (c *Container) dump(ctx context.Context, o *CheckpointOptions) error {
	spec, err := c.Config()
	if err != nil {
		return err
	}
	t := Tree{
		PID: c.record.PID, Spec: spec, Bundle: c.record.Bundle, Rootfs: c.record.Rootfs, Annotations: c.record.Annotations,
		state: c.dir.path, notify: c.record.Notify,
	}
	if t.Cgroup, err = c.cgroup(); err != nil {
		t.Cgroup = nil
	}
	return t.dump(ctx, o)
}

// Tree are the processes of a container that is in no factory's directory: what a dump has to know of it.
type Tree struct {
	// PID is the root process.
	PID int
	// Spec is the configuration that the container was made from, Bundle the directory its relative paths start from.
	Spec   *specs.Spec
	Bundle string
	// Rootfs is the absolute directory of its root filesystem.
	Rootfs string
	// Cgroup holds all of its processes, and no others; nil for none.
	Cgroup *cgroups.Cgroup
	// Annotations may name a configuration file of CRIU's.
	Annotations map[string]string

	state  string // the directory for logs where WorkPath is ""
	notify bool
}

// Dump writes the processes to images. WorkPath must be given. After a failure they are as they were;
// those that were not left running have been killed.
func Dump(ctx context.Context, t Tree, o CheckpointOptions) error {
	if err := criu.ValidateParent(o.ParentPath); err != nil {
		return err
	}
	return t.dump(ctx, &o)
}

func (t *Tree) dump(ctx context.Context, o *CheckpointOptions) error {
	opts, done, err := o.common(t.state, t.Annotations, criu.MakeImages)
	if err != nil {
		return err
	}
	defer done()
	opts.PID, opts.Root, opts.LogFile = t.PID, t.Rootfs, "dump.log"
	opts.LeaveRunning, opts.Parent, opts.TCPSkipInFlight = o.LeaveRunning, o.ParentPath, o.TCPSkipInFlight
	opts.PageServer, opts.StatusFD = o.PageServer, o.StatusFD
	kind := criu.Dump
	if o.PreDump {
		kind, opts.TrackMem, opts.LeaveRunning = criu.PreDump, true, true
	}
	if err := t.nameOutside(opts); err != nil {
		return err
	}
	if t.Cgroup != nil {
		opts.FreezeCgroup = t.Cgroup.FreezerDir()
	}
	if !o.PreDump {
		names, err := stdioNames(t.PID)
		if err != nil {
			return err
		}
		if err := criu.WriteDescriptors(opts.Images, names); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
	}
	if err := fault.Check("checkpoint: dump"); err != nil {
		return err
	}
	_, err = o.Criu.Run(ctx, kind, opts, nil, func(e criu.Event) error { return t.dumped(e, opts) })
	return err
}

// dumped refuses images, before the processes are ended, that would let them go on without their label.
func (t *Tree) dumped(e criu.Event, opts *criu.Options) error {
	if e.File != nil {
		_ = e.File.Close()
	}
	if e.Name != "post-dump" || t.Spec.Process == nil || t.Spec.Process.SelinuxLabel == "" {
		return nil
	}
	return criu.CheckSELinux(opts.Images)
}

// common opens the directories and fills in what dump and restore share. The caller calls done.
func (o *ImageOptions) common(state string, annotations map[string]string, open func(string) (*os.File, error)) (opts *criu.Options, done func(), err error) {
	images, err := open(o.ImagePath)
	if err != nil {
		return nil, nil, err
	}
	path := o.WorkPath
	if path == "" {
		path = state
	}
	work, err := criu.MakeImages(path)
	if err != nil {
		return nil, nil, errors.Join(err, images.Close())
	}
	mode := criu.CgroupsSoft
	if o.CgroupsMode != nil {
		mode = *o.CgroupsMode
	}
	const verbose = 4
	opts = &criu.Options{
		Images: images, Work: work, LogLevel: verbose, TCPEstablished: o.TCPEstablished, ExtUnixSk: o.ExtUnixSk, ShellJob: o.ShellJob,
		FileLocks: o.FileLocks, LinkRemap: o.LinkRemap, LazyPages: o.LazyPages, AutoDedup: o.AutoDedup, CgroupMode: &mode, EmptyNamespaces: o.EmptyNamespaces,
		OrphanPtsMaster: true, ConfigFile: annotations[configAnnotation],
	}
	if _, err := exec.LookPath("iptables-restore"); err != nil {
		opts.NetworkLock = criu.NFTables
	}
	if o.WorkPath == "" {
		opts.Hint = "name a directory for CRIU's log with --work-path, and try again"
	}
	return opts, func() { _ = images.Close(); _ = work.Close() }, nil
}

// stdioNames are what the first three descriptors of a process are, in the kernel's words.
func stdioNames(pid int) (names [3]string, err error) {
	for i := range names {
		if names[i], err = os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, i)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return names, err
		}
	}
	return names, nil
}
