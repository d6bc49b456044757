package cgroups

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
	"golang.org/x/sys/unix"
)

// delegateList is the kernel's list of files that a delegated cgroup's owner needs (Linux 4.15).
const delegateList = "/sys/kernel/cgroup/delegate"

// delegateFallback is for kernels and mounts without the list.
var delegateFallback = []string{"cgroup.procs", "cgroup.subtree_control", "cgroup.threads"}

// Delegate gives the version 2 directory, and those of its files that the kernel names for it, to the
// user with this id on the host, so that a container with a cgroup namespace of its own can make
// cgroups below. Version 1 cannot be delegated safely: beside it, nothing is done.
// Source: OCI runtime-spec, config-linux.md, "Cgroup ownership"; kernel cgroup-v2.rst, "Delegation".
func (c *Cgroup) Delegate(uid int) error {
	if c.unified == "" || len(c.layout.V1) > 0 {
		return nil
	}
	if uid < 0 {
		return errdefs.New(errdefs.ErrInvalid, "cgroup", c.path, "%d is no user id", uid)
	}
	names := delegateFallback
	if text, err := readBounded(delegateList, 64<<10); err == nil {
		names = strings.Fields(text)
	}
	return chownCgroup(c.unified, names, uid)
}

// chownCgroup changes the owner of a directory and of files in it; one that is missing is no error.
func chownCgroup(dir string, names []string, uid int) error {
	for _, name := range append([]string{"."}, names...) {
		if strings.Contains(name, "/") {
			continue
		}
		err := unix.Lchown(filepath.Join(dir, name), uid, -1)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return &errdefs.Error{
				Op: "delegate", Kind: "cgroup", Name: filepath.Join(dir, name), Class: errdefs.ErrPermission, Cause: err,
				Hint: "the user needs an id on the host that may own it",
			}
		}
	}
	return nil
}
