package cgroups

import (
	"path/filepath"

	"golang.org/x/sys/unix"
)

// CanMake says whether the caller may make the cgroup p in any hierarchy. A user without privileges may do so only
// in what was delegated to him. Source: kernel cgroup-v2.rst, "Delegation".
func CanMake(p string) bool {
	c, err := locate(p)
	if err != nil {
		return false
	}
	for _, dir := range c.dirs() {
		for unix.Access(dir, unix.F_OK) != nil && dir != "/" {
			dir = filepath.Dir(dir)
		}
		// Writing to a file system that is mounted read-only is refused as well.
		if unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK, unix.AT_EACCESS) == nil {
			return true
		}
	}
	return false
}
