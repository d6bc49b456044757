package embedded

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// OpenFullInMemory is OpenFull for who must not change anything: a program that was neither installed nor
// unpacked into dir is unpacked into memory, and is gone with the last process that executes it. The file is
// not closed by execve.
func OpenFullInMemory(dir string) (*os.File, error) {
	id, err := fullID()
	if err != nil {
		return nil, err
	}
	name := fullPrefix + id
	f, err := find(name, dir)
	if !errors.Is(err, os.ErrNotExist) {
		return f, err
	}
	raw, err := full()
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate(name, 0)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f = os.NewFile(uintptr(fd), name)
	if _, err := f.Write(raw); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Check finds programs of this build that were installed, or unpacked into one of the directories, and cannot be
// used: others could have written them. Nothing is unpacked.
func Check(dirs ...string) error {
	var names []string
	if id, err := fullID(); err == nil {
		names = append(names, fullPrefix+id)
	}
	if id, err := MonitorID(); err == nil {
		names = append(names, "manager-monitor-"+id)
	}
	if id, err := read("manager-runtime.id"); err == nil {
		names = append(names, "manager-runtime-"+string(id))
	}
	for _, name := range names {
		for _, dir := range dirs {
			f, err := find(name, dir)
			switch {
			case err == nil:
				_ = f.Close()
			case !errors.Is(err, os.ErrNotExist) && !errors.Is(err, os.ErrPermission): // what may not be looked at is not used
				return err
			}
		}
	}
	return nil
}
