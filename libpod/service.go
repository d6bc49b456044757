package libpod

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/monitor"
	"github.com/manager-project/manager/pkg/selinux"
	"github.com/manager-project/manager/pkg/spec"
)

// service is what a service manager gave this process for the container that it starts: where to
// tell how it goes, and open sockets. Source: sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3).
type service struct {
	// notify is an address as in NOTIFY_SOCKET, or "".
	notify   string
	watchdog time.Duration
	// listen is how many descriptors from 3 on are sockets, names what they are called, or "".
	listen int
	names  string
}

// maxListen bounds the sockets of a service manager; a process may have 1,024 descriptors by default.
const maxListen = 1000

// readService reads the environment, about notifications only if they are wanted. What is meant for another
// process counts for nothing.
func readService(notify bool) (service, error) {
	var s service
	if to := os.Getenv("NOTIFY_SOCKET"); to != "" && notify {
		// sun_path holds 108 bytes. Source: unix(7).
		if len(to) < 2 || len(to) > 107 || to[0] != '/' && to[0] != '@' {
			return s, errdefs.Invalid("NOTIFY_SOCKET", to, "neither an absolute path nor an abstract socket").
				WithHint("unset it, or give --sdnotify=ignore")
		}
		s.notify = to
		if pid := os.Getenv("WATCHDOG_PID"); pid == "" || pid == strconv.Itoa(os.Getpid()) {
			usec, err := strconv.ParseUint(os.Getenv("WATCHDOG_USEC"), 10, 63)
			if err == nil && usec <= uint64(time.Duration(1<<63-1)/time.Microsecond) {
				s.watchdog = time.Duration(usec) * time.Microsecond
			}
		}
	}
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return s, nil
	}
	n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil || n < 0 || n > maxListen {
		return s, errdefs.Invalid("LISTEN_FDS", os.Getenv("LISTEN_FDS"), "not a number of descriptors up to %d", maxListen)
	}
	s.listen, s.names = n, os.Getenv("LISTEN_FDNAMES")
	return s, nil
}

// serve takes what the service manager gave, and the descriptors of preserve.
func (s *start) serve(preserve []uint) error {
	given, err := readService(s.cfg.Process.SdNotify != "ignore")
	if err != nil {
		return err
	}
	if n := given.listen; n > 0 {
		if s.cfg.Process.Init || s.cfg.Namespaces.PID.Mode != spec.NSPrivate {
			return errdefs.Unsupported("LISTEN_FDS", "sockets can be passed to process 1 of a container alone").
				WithHint("leave --init and --pid out")
		}
		if s.restart() != nil {
			return errdefs.Unsupported("LISTEN_FDS", "a container that is restarted by --restart or for its health would not have the sockets again").
				WithHint("leave that out, and write Restart= into the service's unit")
		}
		for fd := range uint(n) {
			preserve = append(preserve, 3+fd)
		}
		s.facts.ListenFDs, s.facts.ListenNames = n, given.names
	}
	s.service = given
	s.extra, err = inherit(preserve)
	return err
}

// notifyConfig is what the monitor is told of the service manager.
func (s *start) notifyConfig() *monitor.NotifyConfig {
	if s.service.notify == "" {
		return nil
	}
	return &monitor.NotifyConfig{
		Label:  s.cfg.Security.ProcessLabel,
		Socket: s.service.notify, Mode: first(s.cfg.Process.SdNotify, monitor.NotifyContainer), Watchdog: s.service.watchdog,
	}
}

// makeNotifyDir makes the directory in which the container's program finds a socket to tell how it goes.
func (s *start) makeNotifyDir() error {
	if n := s.notifyConfig(); n == nil || n.Mode != monitor.NotifyContainer {
		return nil
	}
	dir := filepath.Join(s.rt.paths.runDir(s.row.ID), monitor.NotifyDir)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	// Any user in the container may reach it, whatever our umask is.
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	if err := selinux.Set(dir, s.cfg.Security.MountLabel); err != nil {
		return err
	}
	s.facts.NotifyDir, s.facts.Watchdog = dir, s.service.watchdog
	return nil
}

// announceMain tells the service manager that the monitor is the service's main process from now on. It
// comes from here because the manager may listen to nobody but the main process, which this one is; at a restart
// by the policy, it is the monitor of the start before, which is told.
func (s *start) announceMain() error {
	if s.predecessor != nil {
		monitor.TellSuccessor(s.predecessor, s.live.MonitorPID)
		return nil
	}
	if s.service.notify == "" {
		return nil
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	text := fmt.Sprintf("MAINPID=%d", s.live.MonitorPID)
	for {
		err = unix.Sendto(fd, []byte(text), unix.MSG_NOSIGNAL, &unix.SockaddrUnix{Name: s.service.notify})
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return &errdefs.Error{
			Op: "start", Kind: "container", Name: s.row.Name, Class: errdefs.ErrUnavailable,
			Cause: fmt.Errorf("notify %s: %w", strings.TrimPrefix(s.service.notify, "@"), err), Hint: "unset NOTIFY_SOCKET, or give --sdnotify=ignore",
		}
	}
	return nil
}
