package external

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/capability"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/fsroot"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
)

// adapt makes the process of a specification one that these programs take. The caller's stays as it is.
func adapt(p *specs.Process) *specs.Process {
	c := *p
	if c.Capabilities != nil {
		c.Capabilities = grantable(*c.Capabilities, permitted())
	}
	return &c
}

// grantable leaves out the capabilities that this process does not have itself, as when a whole manager
// runs in a container. The specification wants them ignored with a warning; crun and runc refuse them.
// Source: OCI runtime-spec, config.md, "capabilities".
func grantable(c specs.LinuxCapabilities, have uint64) *specs.LinuxCapabilities {
	for _, set := range []*[]string{&c.Bounding, &c.Effective, &c.Inheritable, &c.Permitted, &c.Ambient} {
		*set = slices.DeleteFunc(slices.Clone(*set), func(name string) bool {
			n, known := capabilityNumber(name)
			return known && have&(1<<n) == 0
		})
	}
	return &c
}

func capabilityNumber(name string) (uint, bool) {
	for _, c := range capability.ListKnown() {
		if "CAP_"+strings.ToUpper(c.String()) == name {
			return uint(c), true
		}
	}
	return 0, false
}

// permitted is this process's own set; all, if the kernel does not say.
func permitted() uint64 {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return ^uint64(0)
	}
	return uint64(data[0].Permitted) | uint64(data[1].Permitted)<<32
}

// refine tells a directory from a file without permission to execute, which the runtimes do not. root
// is the container's root directory as seen from here.
func refine(err error, root string) error {
	var f *launch.Failure
	if !errors.As(err, &f) || f.Stage != launch.StageExec || !filepath.IsAbs(f.Path) ||
		f.Errno != unix.EACCES && f.Errno != unix.EPERM {
		return err
	}
	r, rerr := fsroot.Open(root)
	if rerr != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	dir, rerr := r.OpenPath(f.Path, unix.O_DIRECTORY)
	if rerr != nil {
		return err
	}
	_ = dir.Close()
	better := *f
	better.Errno = unix.EISDIR
	return &better
}
