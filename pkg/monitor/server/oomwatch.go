package server

import (
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// oomWatch remembers when the kernel last killed for lack of memory, because its counter tells only how
// often: a SIGKILL long after a child ran out of memory is somebody else's.
type oomWatch struct {
	// kills is the counter as it was last looked at.
	kills uint64
	last  time.Time
}

const (
	// oomRecent is how long before the init's end a kill counts as its own. A process with much memory
	// takes its time to die.
	oomRecent = 2 * time.Second
	// oomSettled is when version 1, which tells before it kills, has counted.
	oomSettled = time.Second
)

// watchOOM begins to listen. Where the kernel tells of no kills, the watch is nil, and the counter alone has to do.
// Source: kernel cgroup-v2.rst, "memory.events" ("a file modified event"); cgroup-v1/memory.rst, section 10.
func (s *server) watchOOM() {
	path := s.cfg.MemoryEvents
	if path == "" {
		return
	}
	w := &oomWatch{}
	listen := w.listen
	if filepath.Base(path) == "memory.oom_control" {
		listen = w.listenV1
	}
	if listen(s, path) == nil {
		s.oom = w
	}
}

func (w *oomWatch) listen(s *server, path string) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	buf := make([]byte, 512)
	look := func() {
		// Through this descriptor, which arms it for the next change.
		if n, err := unix.Pread(fd, buf, 0); err == nil {
			w.note(oomKillsIn(buf[:n]))
		}
	}
	if err := s.loop.add(fd, unix.EPOLLPRI, func(uint32) { look() }); err != nil {
		s.loop.remove(fd)
		_ = unix.Close(fd)
		return err
	}
	look()
	w.last = time.Time{}
	return nil
}

func (w *oomWatch) listenV1(s *server, path string) error {
	control, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(control) }()
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return err
	}
	err = writeFile(filepath.Join(filepath.Dir(path), "cgroup.event_control"), strconv.Itoa(fd)+" "+strconv.Itoa(control))
	if err == nil {
		err = s.loop.add(fd, unix.EPOLLIN, func(uint32) {
			var count [8]byte
			_, _ = unix.Read(fd, count[:])
			w.last = time.Now()
			s.after(oomSettled, func() { w.kills = max(w.kills, oomKills(path)) })
		})
	}
	if err != nil {
		_ = unix.Close(fd)
		return err
	}
	w.kills = oomKills(path)
	return nil
}

func writeFile(path, text string) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	_, err = unix.Write(fd, []byte(text))
	return err
}

// note takes the counter's value of this moment.
func (w *oomWatch) note(kills uint64) {
	if kills > w.kills {
		w.kills, w.last = kills, time.Now()
	}
}

// killedAt reports whether the kernel killed at about that time; kills is the counter after it.
func (w *oomWatch) killedAt(end time.Time, kills uint64) bool {
	if w == nil {
		return kills > 0
	}
	w.note(kills)
	return !w.last.IsZero() && w.last.After(end.Add(-oomRecent))
}
