package server

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/monitor"
)

// source is one stream of output: a pipe's reading end or a pseudo-terminal's master.
type source struct {
	fd     int
	kind   monitor.Kind
	pty    bool
	paused bool
	eof    bool
}

// sink is standard input: a pipe's writing end or a pseudo-terminal's master.
type sink struct {
	fd    int
	queue []byte
	// eof closes the pipe when the queue is empty.
	eof    bool
	closed bool
}

// stdinRoom is how much unwritten standard input is kept before the clients must wait.
const stdinRoom = 64 << 10

// makeStdio fills the request's free standard streams with pipes and keeps our ends. The
// returned files are the child's ends, to be closed after the start.
func (s *server) makeStdio(r *launch.Request) ([]*os.File, error) {
	if s.cfg.Terminal {
		return nil, nil
	}
	var theirs []*os.File
	for i := range r.Stdio {
		if r.Stdio[i] != nil || i == 0 && !s.cfg.Stdin {
			continue
		}
		p, err := s.pipe()
		if err != nil {
			return theirs, err
		}
		// So that a program of any user can open /dev/stdout and the like, which leads to the pipe by
		// /proc and is kept from strangers there.
		if err := unix.Fchmod(p[0], 0o666); err != nil {
			return theirs, errors.Join(err, unix.Close(p[0]), unix.Close(p[1]))
		}
		ours, child := p[0], p[1]
		if i == 0 {
			ours, child = p[1], p[0]
		}
		r.Stdio[i] = os.NewFile(uintptr(child), "stdio")
		theirs = append(theirs, r.Stdio[i])
		if err := unix.SetNonblock(ours, true); err != nil {
			return theirs, err
		}
		switch i {
		case 0:
			s.in = &sink{fd: ours}
		case 1:
			s.out = append(s.out, &source{fd: ours, kind: monitor.KindStdout})
		case 2:
			s.out = append(s.out, &source{fd: ours, kind: monitor.KindStderr})
		}
	}
	return theirs, nil
}

// useConsole makes a pseudo-terminal's master both source and sink.
func (s *server) useConsole(f *os.File) error {
	// A descriptor of our own: the file's is known to Go's poller.
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	_ = f.Close()
	if err != nil {
		return err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	s.resize(fd, monitor.Size{Rows: s.cfg.ConsoleRows, Columns: s.cfg.ConsoleColumns})
	in, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return err
	}
	s.console = fd
	s.out = []*source{{fd: fd, kind: monitor.KindStdout, pty: true}}
	s.in = &sink{fd: in}
	return s.watchStdio()
}

func (s *server) resize(fd int, z monitor.Size) {
	if fd >= 0 && (z.Rows != 0 || z.Columns != 0) {
		// A terminal that has gone has no size; nobody waits for an answer.
		_ = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: z.Rows, Col: z.Columns})
	}
}

// redraw makes the program draw its screen anew for a terminal that comes to it. One of another size does
// so by itself; one of the same size makes the kernel send no SIGWINCH, so the size is another for a moment.
func (s *server) redraw(z monitor.Size) {
	if s.console < 0 {
		return
	}
	now, err := unix.IoctlGetWinsize(s.console, unix.TIOCGWINSZ)
	if err == nil && now.Row == z.Rows && now.Col == z.Columns {
		s.resize(s.console, monitor.Size{Rows: z.Rows + 1, Columns: z.Columns})
	}
}

func (s *server) watchStdio() error {
	if err := s.watchOutput(); err != nil {
		return err
	}
	return s.watchInput()
}

func (s *server) watchOutput() error {
	for _, o := range s.out {
		if err := s.loop.add(o.fd, unix.EPOLLIN, func(uint32) { s.pump(o) }); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) watchInput() error {
	if s.in != nil {
		return s.loop.add(s.in.fd, 0, func(ev uint32) { s.feed(ev) })
	}
	return nil
}

// pump moves one piece of output to the log and the clients.
func (s *server) pump(o *source) {
	buf := s.buf.get()
	n, err := unix.Read(o.fd, buf[1:])
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return
	case o.pty && err == unix.EIO && !s.exited:
		s.hungUp(o)
		return
	case err != nil || n == 0:
		s.closeSource(o)
		return
	}
	if s.external != nil && s.phase == preparing {
		s.keepEarly(buf[1 : 1+n])
		return
	}
	buf[0] = byte(o.kind)
	s.active()
	s.drained += n
	s.log.write(o.kind, buf[1:1+n])
	for _, c := range s.clients {
		if c.streams && c.flags&wanted(o.kind) != 0 {
			c.send(buf[:1+n])
		}
	}
	s.pause()
}

func wanted(k monitor.Kind) monitor.AttachFlags {
	if k == monitor.KindStderr {
		return monitor.AttachStderr
	}
	return monitor.AttachStdout
}

// hungUp handles a terminal that no process has open while the init lives: one that closes and
// reopens it, as a service manager does, will come back.
func (s *server) hungUp(o *source) {
	s.loop.remove(o.fd)
	o.paused = true
	s.after(hangUpPoll, func() {
		if o.paused && !o.eof {
			s.resume(o)
		}
	})
}

func (s *server) closeSource(o *source) {
	if o.eof {
		return
	}
	o.eof = true
	if !o.paused {
		s.loop.remove(o.fd)
	}
	if o.fd == s.console {
		s.console = -1
	}
	_ = unix.Close(o.fd)
	s.drain()
}

// pause stops reading while a lossless client is behind; the container then waits as it would for
// any pipe. After the init's end nobody waits: the rest is little.
func (s *server) pause() {
	if s.exited || s.owner == nil || !s.owner.streams ||
		s.owner.flags&monitor.AttachLossless == 0 || s.owner.behind <= pauseBehind {
		return
	}
	for _, o := range s.out {
		if !o.eof && !o.paused {
			o.paused = true
			// Removed, not masked: epoll reports a hang-up whatever was asked for.
			s.loop.remove(o.fd)
		}
	}
	s.held = true
}

func (s *server) unpause() {
	if !s.held || !s.exited && s.owner != nil && s.owner.streams && s.owner.behind > pauseBehind/2 {
		return
	}
	s.held = false
	for _, o := range s.out {
		if o.paused && !o.eof {
			s.resume(o)
		}
	}
}

func (s *server) resume(o *source) {
	o.paused = false
	if err := s.loop.add(o.fd, unix.EPOLLIN, func(uint32) { s.pump(o) }); err != nil {
		s.closeSource(o)
	}
	if o.pty && !s.in.closed {
		// It may be watched still; then this changes nothing.
		_ = s.loop.add(s.in.fd, 0, func(ev uint32) { s.feed(ev) })
	}
}

// feed writes standard input when the container reads.
func (s *server) feed(ev uint32) {
	in := s.in
	for len(in.queue) > 0 && !in.closed {
		n, err := unix.Write(in.fd, in.queue)
		if err == unix.EINTR {
			continue
		}
		if err == unix.EAGAIN {
			break
		}
		if err != nil {
			s.closeStdin()
			return
		}
		in.queue = in.queue[n:]
	}
	if len(in.queue) == 0 {
		in.queue = nil
		// A pipe without readers or a terminal without processes: never again.
		if in.eof || ev&(unix.EPOLLERR|unix.EPOLLHUP) != 0 && s.console < 0 {
			s.closeStdin()
			return
		}
	}
	s.watchStdin(ev)
}

func (s *server) watchStdin(ev uint32) {
	in := s.in
	if in.closed {
		return
	}
	want := uint32(0)
	if len(in.queue) > 0 {
		want = unix.EPOLLOUT
	}
	if s.console >= 0 && ev&(unix.EPOLLERR|unix.EPOLLHUP) != 0 {
		// The hang-up would be reported for ever. Later input is written without waiting.
		s.loop.remove(in.fd)
		in.queue = nil
	} else {
		s.loop.watch(in.fd, want)
	}
	if len(in.queue) < stdinRoom {
		s.readClients()
	}
}

func (s *server) readClients() {
	for _, c := range s.clients {
		if c.stdinFull {
			c.stdinFull = false
			c.watch()
		}
	}
}

// stdin takes input from a client.
func (s *server) stdin(c *client, p []byte) {
	if s.in == nil || s.in.closed || s.in.eof {
		return
	}
	c.hadStdin = true
	s.active()
	s.in.queue = append(s.in.queue, p...)
	s.feed(0)
	if !s.in.closed && len(s.in.queue) >= stdinRoom {
		c.stdinFull = true
		c.watch()
	}
}

// stdinEOF closes standard input after what was sent before. A terminal has no such end.
func (s *server) stdinEOF() {
	if s.in == nil || s.in.closed || s.cfg.Terminal {
		return
	}
	s.in.eof = true
	s.feed(0)
}

func (s *server) closeStdin() {
	if s.in.closed {
		return
	}
	s.in.closed = true
	s.in.queue = nil
	s.loop.remove(s.in.fd)
	_ = unix.Close(s.in.fd)
	s.readClients()
}
