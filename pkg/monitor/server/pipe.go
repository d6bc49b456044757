package server

import (
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// pipe makes a pipe for the container, first its reading end. Both ends wait. A pipe has its maker's SELinux label; one with
// another is made with a name, which is taken away at once.
func (s *server) pipe() (p [2]int, err error) {
	if s.cfg.PipeLabel == "" {
		return p, unix.Pipe2(p[:], unix.O_CLOEXEC)
	}
	s.pipes++
	path := filepath.Join(s.cfg.RunDir, fmt.Sprintf("pipe-%d", s.pipes))
	if err := unix.Mkfifo(path, 0o600); err != nil {
		return p, failure("pipe", path, err)
	}
	p = [2]int{-1, -1}
	err = unix.Lsetxattr(path, "security.selinux", []byte(s.cfg.PipeLabel), 0)
	if err == nil {
		// A reader that does not wait for a writer comes first; a writer does not wait then.
		p[0], err = unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	}
	if err == nil {
		p[1], err = unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	}
	if err == nil {
		err = unix.SetNonblock(p[0], false)
	}
	if err = errors.Join(err, unix.Unlink(path)); err != nil {
		for _, fd := range p {
			_ = unix.Close(fd) // -1 is none
		}
		return p, failure("pipe", path, err)
	}
	return p, nil
}
