package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/atomicfile"
	"github.com/manager-project/manager/pkg/errdefs"
)

// OpenMonitor opens an installed manager-monitor of the same build, or unpacks the one that is
// carried inside into dir. Its pages are then shared by all monitors of the machine. The caller
// owns the file. Errors: ErrUnsupported in a program that was built without it, ErrPermission
// for a file that others could have written, ErrUnavailable when it cannot be unpacked.
func OpenMonitor(dir string) (*os.File, error) {
	id, err := MonitorID()
	if err != nil {
		return nil, err
	}
	return open("manager-monitor-"+id, dir, Monitor)
}

// OpenRuntime opens manager-runtime, as OpenMonitor does.
func OpenRuntime(dir string) (*os.File, error) {
	id, err := read("manager-runtime.id")
	if err != nil {
		return nil, err
	}
	return open("manager-runtime-"+string(id), dir, Runtime)
}

// OpenFull opens the program that has everything linked in, as OpenMonitor does.
func OpenFull(dir string) (*os.File, error) {
	id, err := fullID()
	if err != nil {
		return nil, err
	}
	name := fullPrefix + id
	f, err := open(name, dir, full)
	if err == nil && f.Name() == filepath.Join(dir, name) {
		dropOthers(dir, name)
	}
	return f, err
}

// fullPrefix begins the file names of the programs with everything linked in.
const fullPrefix = "manager-full-"

// dropOthers removes the programs of other builds, 40 MB each. One that runs keeps its file until
// it ends, and one that is wanted again is unpacked again.
func dropOthers(dir, name string) {
	others, _ := filepath.Glob(filepath.Join(dir, fullPrefix+"*"))
	for _, path := range others {
		if filepath.Base(path) != name {
			_ = os.Remove(path)
		}
	}
}

// find opens the program of that file name where it was installed or unpacked, or returns ErrNotExist.
func find(name, dir string) (*os.File, error) {
	here := filepath.Dir(Self())
	for _, p := range []string{filepath.Join(here, "..", "libexec", "manager", name), filepath.Join(here, name), filepath.Join(dir, name)} {
		f, err := openOwn(p)
		if err == nil || !errors.Is(err, os.ErrNotExist) {
			return f, err
		}
	}
	return nil, os.ErrNotExist
}

// open finds or unpacks the program of that file name.
func open(name, dir string, unpack func() ([]byte, error)) (*os.File, error) {
	f, err := find(name, dir)
	if !errors.Is(err, os.ErrNotExist) {
		return f, err
	}
	raw, err := unpack()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	// Synced, though it can be had again: after a power cut it would be found, and be empty.
	if err := atomicfile.Write(path, raw, 0o555, atomicfile.Durable); err != nil {
		return nil, &errdefs.Error{Op: "unpack", Name: path, Class: errdefs.ErrUnavailable, Cause: err, Hint: "free some space there, or run 'make install'"}
	}
	return openOwn(path)
}

// alsoOwnsSelf says that the owner is the running program's: in a user namespace the host's root looks like
// any other stranger, and whoever wrote the running program is trusted already.
func alsoOwnsSelf(uid uint32) bool {
	var st unix.Stat_t
	return unix.Stat("/proc/self/exe", &st) == nil && st.Uid == uid && st.Mode&0o022 == 0
}

// openOwn opens a program that nobody but root, this user or the owner of the running program can have written.
func openOwn(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Mode&0o022 != 0 || st.Uid != 0 && int(st.Uid) != os.Geteuid() && !alsoOwnsSelf(st.Uid) {
		return nil, errors.Join(&errdefs.Error{
			Op: "open", Name: path, Class: errdefs.ErrPermission,
			Cause: fmt.Errorf("owner %d and mode %o let others change it", st.Uid, st.Mode&0o7777), Hint: "remove the file",
		}, f.Close())
	}
	return f, nil
}

// selfVariable tells the program with everything linked in which one the user called.
const selfVariable = "_MANAGER_SELF"

// self is read once and taken out of the environment, which containers may be given.
var self = sync.OnceValue(func() string {
	path := os.Getenv(selfVariable)
	_ = os.Unsetenv(selfVariable)
	if filepath.IsAbs(path) {
		return path
	}
	path, err := os.Executable()
	if err != nil {
		return "/usr/bin/manager"
	}
	return strings.TrimSuffix(path, " (deleted)")
})

// Self is the path of the program that the user called.
func Self() string { return self() }

// SelfVariable is the environment entry that makes the started program's Self the same.
func SelfVariable() string { return selfVariable + "=" + Self() }
