package server

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/monitor"
)

const (
	// maxNotice bounds a message of the container, in bytes; what systemd itself takes is 4096.
	// Source: sd_notify(3); systemd, NOTIFY_BUFFER_MAX.
	maxNotice = 4096
	// noticeBurst messages of the container are passed on in each noticePause, so that a container cannot
	// keep the service manager busy. What it sends beyond waits in its own queue.
	noticeBurst = 16
	noticePause = 100 * time.Millisecond
	// noticeTries is how often a message of our own is offered to a service manager whose queue is full.
	noticeTries = 50
)

// notifier speaks to the service manager. Source: sd_notify(3).
type notifier struct {
	// out is our socket; inside the one that the container has, or -1.
	out, inside int
	to          *unix.SockaddrUnix
	// ready says that the service manager knows that we are; deaf that a failure to reach it was told.
	ready, deaf bool
	// left is how many more messages of the container are passed on in this pause.
	left int
}

// openNotify makes the sockets. That of the container is there before its program runs.
func (s *server) openNotify() error {
	cfg := s.cfg.Notify
	if cfg == nil {
		return nil
	}
	n := &notifier{inside: -1, to: &unix.SockaddrUnix{Name: cfg.Socket}, left: noticeBurst}
	var err error
	if n.out, err = unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0); err != nil {
		return failure("notify", cfg.Socket, err)
	}
	s.notifier = n
	if cfg.Mode != monitor.NotifyContainer {
		return nil
	}
	if n.inside, err = bindNotify(filepath.Join(s.cfg.RunDir, monitor.NotifyDir), cfg.Label); err != nil {
		return failure("notify", monitor.NotifySocket, err)
	}
	return s.loop.add(n.inside, unix.EPOLLIN, func(uint32) { s.receiveNotice() })
}

// bindNotify makes the socket that the container finds in its directory; any user in it may write there.
func bindNotify(dir, label string) (int, error) {
	dirFD, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer func() { _ = unix.Close(dirFD) }()
	fd, err := labelledSocket(label)
	if err != nil {
		return -1, err
	}
	old := unix.Umask(0o111)
	err = unix.Bind(fd, monitor.SocketAddress(dirFD, monitor.NotifySocket))
	unix.Umask(old)
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// labelledSocket makes a datagram socket with an SELinux label. Source: kernel, Documentation/admin-guide/LSM/index.rst,
// attr/sockcreate, which is the thread's.
func labelledSocket(label string) (int, error) {
	const create = "/proc/thread-self/attr/sockcreate"
	if label != "" {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := os.WriteFile(create, []byte(label), 0); err != nil {
			return -1, err
		}
		// An empty text takes it back; nothing else of this thread makes sockets before that.
		defer func() { _ = os.WriteFile(create, []byte("\n"), 0) }()
	}
	return unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
}

// notify tells the service manager, in the background if its queue is full.
func (s *server) notify(text string) { s.offer(text, noticeTries) }

// tell is notify where there is no loop any more.
func (n *notifier) tell(text string) {
	for range noticeTries {
		if err := unix.Sendto(n.out, []byte(text), unix.MSG_NOSIGNAL, n.to); err != unix.EAGAIN && err != unix.EINTR {
			return
		}
		time.Sleep(noticePause)
	}
}

func (s *server) offer(text string, tries int) {
	n := s.notifier
	if n == nil {
		return
	}
	for {
		err := unix.Sendto(n.out, []byte(text), unix.MSG_NOSIGNAL, n.to)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN && tries > 0:
			s.after(noticePause, func() { s.offer(text, tries-1) })
		case err != nil && err != unix.EAGAIN && !n.deaf:
			n.deaf = true
			complain("notify " + s.cfg.Notify.Socket + ": " + err.Error())
		}
		return
	}
}

// notifyRuns says that the program runs, and begins with the signs of life. That this process is the
// service's main one was said by the command that started it, and was that until then.
func (s *server) notifyRuns() {
	if s.notifier == nil {
		return
	}
	if s.cfg.Notify.Mode == monitor.NotifyConmon {
		s.notifyReady()
	}
	if s.cfg.Notify.Mode != monitor.NotifyContainer && s.cfg.Notify.Watchdog > 0 {
		s.watchdog()
	}
}

func (s *server) notifyReady() {
	if !s.notifier.ready {
		s.notifier.ready = true
		s.notify("READY=1")
	}
}

// notifyHealth passes a change of health on.
func (s *server) notifyHealth(now string) {
	if s.notifier == nil {
		return
	}
	if now == monitor.HealthHealthy && s.cfg.Notify.Mode == monitor.NotifyHealthy {
		s.notifyReady()
	}
}

// watchdog gives a sign of life twice in each interval while the container lives and is not unhealthy.
func (s *server) watchdog() {
	if s.phase != running {
		return
	}
	if h := s.health; h == nil || h.state == nil || h.state.health.Status != monitor.HealthUnhealthy {
		s.offer("WATCHDOG=1", 0)
	}
	s.after(s.cfg.Notify.Watchdog/2, s.watchdog)
}

// receiveNotice passes one message of the container on. Descriptors that come with it are
// closed by the kernel, since no room is given for them: a barrier is passed by that, and nothing is stored.
func (s *server) receiveNotice() {
	n := s.notifier
	if n.left == 0 {
		s.loop.watch(n.inside, 0)
		s.after(noticePause, func() {
			n.left = noticeBurst
			if n.inside >= 0 {
				s.loop.watch(n.inside, unix.EPOLLIN)
			}
		})
		return
	}
	buf := s.buf.get()
	got, _, flags, _, err := unix.Recvmsg(n.inside, buf[:maxNotice], nil, unix.MSG_DONTWAIT)
	if err != nil || flags&unix.MSG_TRUNC != 0 {
		return
	}
	n.left--
	if text := cleanNotice(string(buf[:got])); text != "" {
		s.offer(text, noticeTries)
	}
}

// noticeNames are what a container may say. What concerns the host's processes and descriptors (MAINPID,
// FDSTORE, NOTIFYACCESS, BARRIER, …) is not among them.
var noticeNames = []string{
	"READY", "RELOADING", "STOPPING", "MONOTONIC_USEC", "STATUS", "ERRNO", "BUSERROR", "VARLINKERROR", "EXIT_STATUS",
	"WATCHDOG", "WATCHDOG_USEC", "EXTEND_TIMEOUT_USEC",
}

// cleanNotice leaves the lines of a message that may be passed on.
func cleanNotice(text string) string {
	var kept []string
	for line := range strings.SplitSeq(text, "\n") {
		name, value, ok := strings.Cut(line, "=")
		if !ok || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError }) {
			continue
		}
		for _, allowed := range noticeNames {
			if name == allowed {
				kept = append(kept, line)
			}
		}
	}
	return strings.Join(kept, "\n")
}

// mainExitCode is how a service's main process ends: as the program did, unless it was stopped on
// purpose. Who watches no service learns nothing from it.
func (s *server) mainExitCode() int {
	if s.notifier == nil || s.ending == monitor.CauseStop {
		return 0
	}
	if stop, err := monitor.ReadStop(s.cfg.RunDir); err == nil && stop.Generation == s.cfg.Generation && stop.By != monitor.StopByHealth {
		return 0
	}
	return s.status.Code
}

// closeNotify ends the container's side; what is left to say is said through ours.
func (s *server) closeNotify() {
	if n := s.notifier; n != nil && n.inside >= 0 {
		s.loop.remove(n.inside)
		_ = unix.Close(n.inside)
		n.inside = -1
	}
}
