package image

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"go.podman.io/storage"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/ground"
	"github.com/manager-project/manager/pkg/rootless"
)

// The storage drivers that are built in.
const (
	driverOverlay = "overlay"
	driverVFS     = "vfs"
)

// fuseOverlay is the program that does in user space what the kernel's overlay does.
const fuseOverlay = "fuse-overlayfs"

// settleDriver decides what the options leave open: the driver is overlay, by the kernel, or by fuse-overlayfs
// where the file system refuses. (Where the kernel refuses, the library finds that out and takes
// fuse-overlayfs.) vfs, which copies every image for every container, is only taken when it was named. A user's
// store on a file system where it cannot work is refused here, before anything is fetched.
func settleDriver(o *storage.StoreOptions, g ground.Ground, user bool) error {
	if o.GraphDriverName == "" && len(o.GraphDriverPriority) == 0 {
		o.GraphDriverName = driverOverlay
	}
	refuse := func(cause, hint string) error {
		return &errdefs.Error{Op: "open", Kind: "image store", Name: o.GraphRoot, Class: errdefs.ErrUnsupported, Cause: fmt.Errorf("%s", cause), Hint: hint}
	}
	elsewhere := "set graphroot in " + userStorageConf(user) + " to a directory on a local disk"
	switch {
	case user && g.Network != "" && o.GraphDriverName != driverOverlay:
		return refuse("it lies on "+g.Network+", where a user cannot give files to other ids", elsewhere)
	case user && g.Network != "" && (driverOption(o, "mount_program") == "" || driverOption(o, "force_mask") == ""):
		return refuse("it lies on "+g.Network+", where a user cannot give files to other ids",
			elsewhere+`, or, if the server keeps extended attributes, set mount_program = "/usr/bin/fuse-overlayfs" and force_mask = "700" there, below [storage.options.overlay]`)
	case g.NoExec && o.GraphDriverName == driverVFS:
		return refuse("it lies on a file system mounted noexec, where the vfs driver's containers could start no program", elsewhere+`, or use the driver "overlay"`)
	case g.Nested != "" && o.GraphDriverName == driverOverlay && driverOption(o, "mount_program") == "":
		program, err := exec.LookPath(fuseOverlay)
		if err != nil {
			return refuse("it lies on "+g.Nested+", where the kernel lays no overlay, and there is no "+fuseOverlay,
				"install "+fuseOverlay+", or "+elsewhere)
		}
		o.GraphDriverOptions = append(slices.Clone(o.GraphDriverOptions), "overlay.mount_program="+program)
	}
	return nil
}

// driverOption is the value of a driver's option; the last one counts.
func driverOption(o *storage.StoreOptions, key string) string {
	value := ""
	for _, option := range o.GraphDriverOptions {
		name, v, _ := strings.Cut(option, "=")
		name = strings.TrimPrefix(strings.TrimPrefix(strings.ToLower(name), "overlay2."), "overlay.")
		if name == key {
			value = v
		}
	}
	return value
}

// userStorageConf is the storage.conf that the caller would edit.
func userStorageConf(user bool) string {
	switch conf := os.Getenv("CONTAINERS_STORAGE_CONF"); {
	case conf != "":
		return conf
	case user:
		return "~/.config/containers/storage.conf"
	}
	return "/etc/containers/storage.conf"
}

// driverHint is the next step after the library could open no driver.
func driverHint(text string) string {
	switch {
	case strings.Contains(text, "kernel does not support overlay fs"), strings.Contains(text, "a mount_program is required"):
		return "install " + fuseOverlay + "; or name the driver vfs, which copies whole images (--storage-driver vfs, or driver in " + userStorageConf(rootless.Active()) + ")"
	case strings.Contains(text, "graphdrivers"):
		return "name one with --storage-driver, or as driver in " + userStorageConf(rootless.Active())
	}
	return ""
}

// groundWarning says what will not work with images that are stored on that file system; "" when all does.
func (s *Service) groundWarning() (Warning, bool) {
	opts, err := s.storeOptions()
	if err != nil {
		return Warning{}, false
	}
	g, err := ground.Of(opts.GraphRoot)
	if err != nil || !g.NoExec {
		return Warning{}, false
	}
	return Warning{
		Subject: "image store " + opts.GraphRoot,
		Text:    "its file system is mounted noexec, so programs in volumes cannot be started; volume_path in containers.conf puts volumes elsewhere, graphroot in " + userStorageConf(rootless.Active()) + " everything",
	}, true
}

// fuseHint is the next step where fuse-overlayfs cannot work.
const fuseHint = "as root run \"modprobe fuse\" and \"chmod 666 /dev/fuse\"; in a container, start that one with --device /dev/fuse"

// fuseMissing is why a mount by fuse-overlayfs failed, if it is that the device cannot be opened; else nil.
func fuseMissing(err error) error {
	if !strings.Contains(err.Error(), "using mount program") {
		return nil
	}
	f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err == nil {
		_ = f.Close()
		return nil
	}
	return fmt.Errorf("%s: %w", fuseOverlay, err)
}
