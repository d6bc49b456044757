package main

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer"
	"github.com/manager-project/manager/pkg/libcontainer/criu"
)

// imageFlags are the options that checkpoint and restore have in common.
type imageFlags struct {
	images, work, cgroups                                                           string
	tcpEstablished, extUnixSk, shellJob, fileLocks, linkRemap, lazyPages, autoDedup bool
	emptyNS                                                                         []string
}

func (o *imageFlags) flags() []option {
	return []option{
		{name: "image-path", to: &o.images, value: "DIR", usage: "directory of the images (default checkpoint, in the current one)"},
		{name: "work-path", to: &o.work, value: "DIR", usage: "directory of CRIU's logs (default the container's state directory)"},
		{name: "tcp-established", to: &o.tcpEstablished, usage: "allow open TCP connections"},
		{name: "ext-unix-sk", to: &o.extUnixSk, usage: "allow unix sockets whose other end is outside"},
		{name: "shell-job", to: &o.shellJob, usage: "allow a terminal that belongs to another session"},
		{name: "lazy-pages", to: &o.lazyPages, usage: "leave memory pages to userfaultfd"},
		{name: "file-locks", to: &o.fileLocks, usage: "allow file locks"},
		{name: "link-remap", to: &o.linkRemap, usage: "allow open files without a name, by giving them one"},
		{name: "manage-cgroups-mode", to: &o.cgroups, value: "MODE", usage: "soft, full, strict or ignore (default soft)"},
		{name: "empty-ns", to: &o.emptyNS, value: "NAMESPACE", usage: "make the namespace, but not its content; only network"},
		{name: "auto-dedup", to: &o.autoDedup, usage: "punch out of the images before what is in these"},
	}
}

// modes are the words of --manage-cgroups-mode.
var modes = map[string]criu.CgroupsMode{
	"soft": criu.CgroupsSoft, "full": criu.CgroupsFull, "strict": criu.CgroupsStrict, "ignore": criu.CgroupsIgnore,
}

// imageOptions checks them. Paths become absolute.
func (o *imageFlags) imageOptions() (out libcontainer.ImageOptions, err error) {
	if o.images == "" {
		o.images = "checkpoint"
	}
	if out.ImagePath, err = filepath.Abs(o.images); err != nil {
		return out, err
	}
	if o.work != "" {
		if out.WorkPath, err = filepath.Abs(o.work); err != nil {
			return out, err
		}
	}
	if o.cgroups != "" {
		mode, ok := modes[o.cgroups]
		if !ok {
			return out, errdefs.Invalid("--manage-cgroups-mode", o.cgroups, "want soft, full, strict or ignore")
		}
		out.CgroupsMode = &mode
	}
	for _, ns := range o.emptyNS {
		if ns != "network" {
			return out, errdefs.Invalid("--empty-ns", ns, "want network: CRIU knows no other")
		}
		out.EmptyNamespaces |= unix.CLONE_NEWNET
	}
	out.TCPEstablished, out.ExtUnixSk, out.ShellJob, out.FileLocks = o.tcpEstablished, o.extUnixSk, o.shellJob, o.fileLocks
	out.LinkRemap, out.LazyPages, out.AutoDedup = o.linkRemap, o.lazyPages, o.autoDedup
	return out, nil
}

type checkpointOptions struct {
	imageFlags
	parent, pageServer                     string
	leaveRunning, preDump, tcpSkipInFlight bool
	statusFD                               int
}

func checkpointCommand() *command {
	o := &checkpointOptions{statusFD: -1}
	return &command{
		name: "checkpoint", args: "ID", summary: "write a running container to images, with CRIU", least: 1, most: 1,
		about: `Needs the program criu. The container ends and is removed, unless it is left running; restore lets it go on.`,
		flags: append(o.flags(),
			option{name: "parent-path", to: &o.parent, value: "DIR", usage: "directory of an earlier pre-dump beside the images, as ../NAME"},
			option{name: "leave-running", to: &o.leaveRunning, usage: "let the container run on"},
			option{name: "tcp-skip-in-flight", to: &o.tcpSkipInFlight, usage: "leave out TCP connections that are being made"},
			option{name: "status-fd", to: &o.statusFD, value: "FD", usage: "descriptor that gets a zero byte when the page server is ready"},
			option{name: "page-server", to: &o.pageServer, value: "ADDRESS:PORT", usage: "send memory pages to a page server"},
			option{name: "pre-dump", to: &o.preDump, usage: "write memory only, for a checkpoint with --parent-path later"},
		),
		run: func(a *app, args []string) (int, error) { return 0, o.run(a, args[0]) },
	}
}

func (o *checkpointOptions) run(a *app, id string) error {
	opts, err := o.options()
	if err != nil {
		return err
	}
	c, err := a.factory().Load(id)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if err := c.Checkpoint(context.Background(), opts); err != nil {
		return err
	}
	if o.leaveRunning || o.preDump {
		return nil
	}
	said := len(c.Warnings)
	err = c.Kill()
	a.warn(c.Warnings[said:])
	if errors.Is(err, errdefs.ErrNotFound) {
		return nil // whoever waited for its end has removed it
	}
	return err
}

func (o *checkpointOptions) options() (out libcontainer.CheckpointOptions, err error) {
	if out.ImageOptions, err = o.imageOptions(); err != nil {
		return out, err
	}
	out.LeaveRunning, out.PreDump, out.ParentPath, out.TCPSkipInFlight = o.leaveRunning, o.preDump, o.parent, o.tcpSkipInFlight
	if o.pageServer != "" {
		if out.PageServer, err = parsePageServer(o.pageServer); err != nil {
			return out, err
		}
	}
	if o.statusFD >= 0 {
		if _, err := unix.FcntlInt(uintptr(o.statusFD), unix.F_GETFD, 0); err != nil {
			return out, errdefs.Invalid("--status-fd", strconv.Itoa(o.statusFD), "the descriptor is not open")
		}
		out.StatusFD = os.NewFile(uintptr(o.statusFD), "status")
	}
	return out, nil
}

func parsePageServer(s string) (*criu.PageServer, error) {
	host, port, err := net.SplitHostPort(s)
	n, perr := strconv.ParseUint(port, 10, 16)
	if err != nil || perr != nil || host == "" || n == 0 {
		return nil, errdefs.Invalid("--page-server", s, "want ADDRESS:PORT")
	}
	return &criu.PageServer{Address: host, Port: int(n)}, nil
}
