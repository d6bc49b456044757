// Package program keeps the small program, manager-monitor, ready for the runtimes: opened, with its
// file on the host known, and with one process of it started ahead of time.
package program

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/embedded"
	"github.com/manager-project/manager/pkg/atomicfile"
	"github.com/manager-project/manager/pkg/errdefs"
)

// monitorName is the file name of the small program.
const monitorName = "manager-monitor"

// Program is the opened small program and, after Warm, a process of it. It is safe for
// concurrent use.
type Program struct {
	file *os.File
	warm warm
}

// Open opens an installed manager-monitor of the same build, or unpacks the one that is carried
// inside into dir. Its pages are then shared by all monitors of the machine. It stays open as long as
// this process lives.
func Open(dir string) (*Program, error) {
	f, err := open(dir)
	if err != nil {
		return nil, err
	}
	return &Program{file: f}, nil
}

// File is the opened program; it stays the Program's.
func (p *Program) File() *os.File { return p.file }

// InitProgram is its file on the host: the small program is an init too.
func (p *Program) InitProgram() string { return p.file.Name() }

func open(dir string) (*os.File, error) {
	id, err := embedded.MonitorID()
	if err != nil {
		return nil, err
	}
	name := monitorName + "-" + id
	for _, path := range []string{installed(name), filepath.Join(dir, name)} {
		f, err := openOwn(path)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	raw, err := embedded.Monitor()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, name)
	if err := atomicfile.Write(path, raw, 0o555, atomicfile.Volatile); err != nil {
		return nil, &errdefs.Error{Op: "unpack", Name: path, Class: errdefs.ErrUnavailable, Cause: err, Hint: "free some space there, or name another directory with --tmpdir"}
	}
	return openOwn(path)
}

// installed is where "make install" puts the program, seen from this one.
func installed(name string) string {
	self, err := os.Executable()
	if err != nil {
		return filepath.Join("/usr/libexec/manager", name)
	}
	return filepath.Join(filepath.Dir(self), "..", "libexec", "manager", name)
}

// openOwn opens a program that nobody but root or this user can have written.
func openOwn(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Mode&0o022 != 0 || st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return nil, errors.Join(&errdefs.Error{
			Op: "open", Name: path, Class: errdefs.ErrPermission,
			Cause: fmt.Errorf("owner %d and mode %o let others change it", st.Uid, st.Mode&0o7777), Hint: "remove the file",
		}, f.Close())
	}
	return f, nil
}
