package libpod

import (
	"context"
	"os"
	"strings"
	"sync"

	embeddedfiles "github.com/manager-project/manager/internal/embedded"
	"github.com/manager-project/manager/libpod/image"
	"github.com/manager-project/manager/libpod/state"
	"github.com/manager-project/manager/pkg/conf"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/eventlog"
	"github.com/manager-project/manager/pkg/reserve"
	"github.com/manager-project/manager/pkg/rootless"
)

// Runtime is one command's view of the containers, images and volumes of one store. It is
// safe for concurrent use. Parts that cost time are opened when first needed.
type Runtime struct {
	options Options
	paths   paths
	conf    *conf.File
	state   *state.Store
	events  events

	imageOnce sync.Once
	images    *image.Service
	imageErr  error

	runtimes runtimes
}

// Open reads the configuration and opens the state. Nothing is started.
func Open(ctx context.Context, o Options) (*Runtime, error) {
	c, err := conf.Load(conf.Source{Getenv: os.Getenv, Rootless: rootless.Active(), Modules: o.Modules})
	if err != nil {
		return nil, err
	}
	if err := checkOptions(&o); err != nil {
		return nil, err
	}
	p, err := newPaths(&o, c)
	if err != nil {
		return nil, err
	}
	r := &Runtime{options: o, paths: p, conf: c}
	if r.events.log, err = eventLog(&o, c, &p); err != nil {
		return nil, err
	}
	if err := p.checkMounted(); err != nil {
		return nil, err
	}
	if err := p.make(); err != nil {
		return nil, err
	}
	if r.state, err = state.Open(ctx, p.static); err != nil {
		return nil, err
	}
	reserve.Keep(p.reserve(), runReserve)
	if err := r.noticeReboot(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// checkOptions refuses what this version cannot honour.
func checkOptions(o *Options) error {
	switch o.CgroupManager {
	case "", managerCgroupfs, managerSystemd:
	default:
		return errdefs.Invalid("--cgroup-manager", o.CgroupManager, "no such cgroup manager").WithHint("use cgroupfs or systemd")
	}
	if o.TransientStore {
		return errdefs.Unsupported("--transient-store", "not available in this version")
	}
	return nil
}

// Close gives back what Open opened. Containers go on.
func (r *Runtime) Close() error {
	if r.images != nil {
		return r.images.Close()
	}
	return nil
}

// Images returns the image service, opening the store at the first call.
func (r *Runtime) Images(ctx context.Context) (*image.Service, error) {
	r.imageOnce.Do(func() {
		r.images, r.imageErr = image.Open(image.OpenOptions{
			GraphRoot: r.options.Root, RunRoot: r.options.RunRoot, ImageStore: r.options.ImageStore,
			Driver: r.options.StorageDriver, DriverOptions: r.options.StorageOpts, Builtin: embeddedfiles.HelloImage,
			Changed: r.imageChanged,
		})
	})
	return r.images, r.imageErr
}

// globalArgs are the options that make another manager process see the same store, and start a container
// as this one would.
func (r *Runtime) globalArgs() []string {
	args := []string{"--root", r.paths.graphRoot, "--runroot", r.paths.runRoot, "--tmpdir", r.paths.tmp, "--volumepath", r.paths.volumes}
	if r.options.ImageStore != "" {
		args = append(args, "--imagestore", r.options.ImageStore)
	}
	if r.options.StorageDriver != "" {
		args = append(args, "--storage-driver", r.options.StorageDriver)
	}
	if r.options.EventsBackend != "" {
		args = append(args, "--events-backend", r.options.EventsBackend)
	}
	for _, o := range r.options.StorageOpts {
		args = append(args, "--storage-opt", o)
	}
	for _, dir := range r.options.CDISpecDirs {
		args = append(args, "--cdi-spec-dir", dir)
	}
	for _, name := range r.options.Modules {
		args = append(args, "--module", name)
	}
	return args
}

// bootID is the kernel's name of the present boot.
func bootID() (string, error) {
	raw, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(raw)), err
}

// noticeReboot compares the kernel's boot id with the one the run state was written under.
func (r *Runtime) noticeReboot(ctx context.Context) error {
	now, err := bootID()
	if err != nil {
		return err
	}
	then := r.state.BootID()
	if then == now {
		return nil
	}
	rows, err := r.state.Containers(ctx)
	if err != nil {
		return err
	}
	if then != "" {
		images, err := r.Images(ctx)
		if err == nil {
			err = images.AfterReboot()
		}
		if err != nil {
			r.warn("image store after the boot: %v", err)
		}
		if err := removeAll(r.paths.sharedNetwork()); err != nil { // whose processes have had their pids
			r.warn("shared network of before the boot: %v", err)
		}
	}
	if err := r.state.Reboot(ctx, now); err != nil {
		return err
	}
	r.paths.noteDevice(now)
	r.keepReboot(ctx, rows)
	r.emit(eventlog.Event{Type: eventlog.System, Status: eventlog.Refresh})
	return nil
}
